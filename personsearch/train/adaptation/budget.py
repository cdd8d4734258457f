"""How many pictures to render and how long to train, so that all of it ends within the minutes that were given."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from personsearch.durable import write_durably
from personsearch.errors import ConfigError
from personsearch.train.adaptation.moments import duration_text

#: Composites of held-back pictures that the figures are taken on, and those that training is rehearsed on: made first,
#: so that they also say how fast this machine renders.
CHECKED, REHEARSED = 60, 24
#: Passes over the rendered pictures, and pictures per step.
EPOCHS, BATCH = 3, 4
#: Fewest and most pictures to train on.
FEWEST, MOST = 40, 4000
#: Share of the time that is kept for what cannot be foreseen.
RESERVE = 0.08


@dataclass(frozen=True)
class Pace:
    """Seconds that this machine needs: for rendering a picture, for a step of training, for looking at a picture."""

    render: float
    step: float
    look: float


@dataclass(frozen=True)
class Plan:
    """What is done in the time that is left.

    Attributes:
        frames: pictures to train on.
        epochs: passes over them.
        render: seconds that rendering them takes.
        train: seconds that training takes.
        measure: seconds that the figures take.
    """

    frames: int
    epochs: int
    render: float
    train: float
    measure: float

    @property
    def steps(self) -> int:
        """Steps of training."""
        return self.epochs * (self.frames // BATCH)

    def text(self) -> str:
        """Return the estimate as a sentence."""
        return (
            f"about {duration_text(self.render + self.train + self.measure)} from here, at this machine's pace of now: "
            f"{duration_text(self.render)} to render {self.frames} pictures of the place with people who do not exist, "
            f"{duration_text(self.train)} to train on them ({self.steps} steps), {duration_text(self.measure)} to "
            "measure"
        )


def plan_for(minutes: float, spent: float, pace: Pace, looks: int) -> Plan:
    """Spread the time that is left.

    Args:
        minutes: for all of it.
        spent: seconds of them that have passed.
        pace: of this machine.
        looks: pictures that the figures look at, in all.

    Raises:
        ConfigError: that is too little time for anything; says how much is enough.
    """
    measure = looks * pace.look
    per_frame = pace.render + EPOCHS / BATCH * pace.step
    left = minutes * 60 * (1 - RESERVE) - spent - measure
    frames = min(MOST, int(left / per_frame)) // BATCH * BATCH
    if frames < FEWEST:
        needed = (spent + measure + FEWEST * per_frame) / (1 - RESERVE) / 60
        raise ConfigError(
            f"--minutes {minutes:g}: too few on this machine, which would need {math.ceil(needed)} for the fewest "
            f"pictures that help ({FEWEST}); give more, 30 if you can"
        )
    return Plan(frames, EPOCHS, frames * pace.render, frames * EPOCHS / BATCH * pace.step, measure)


def save_plan(plan: Plan, path: Path) -> None:
    """Keep a plan, so that a run that is continued does what it set out to do."""
    write_durably(path, json.dumps(asdict(plan), indent=1).encode())


def read_plan(path: Path) -> Plan | None:
    """Return the plan that was kept; None where there is none yet."""
    return Plan(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None
