"""Planning: who is where and when, and which camera sees them. Done for a whole data set before anything is drawn."""

from personsearch.synth.plan.planner import plan
from personsearch.synth.plan.types import PHOTO, Appearance, Backdrop, Frame, Job, Thing

__all__ = ["PHOTO", "Appearance", "Backdrop", "Frame", "Job", "Thing", "plan"]
