"""People followed through the frames of one camera, from detections and embeddings alone (numpy)."""

from personsearch.tracking.follow import Followed, Follower, Frame, OpenTrack
from personsearch.tracking.sharpness import sharpness_of
from personsearch.tracking.views import View

#: To be raised whenever the same frames give other tracks or other views.
RULES = 1

__all__ = ["RULES", "Followed", "Follower", "Frame", "OpenTrack", "View", "sharpness_of"]
