"""The learning rate as a plain function of how far the run is."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from personsearch.config import StrictModel


class ScheduleConfig(StrictModel):
    """How long to train, and how the learning rate changes on the way. Epochs count from 1."""

    epochs: int = Field(ge=1)
    kind: Literal["step", "cosine"] = "step"
    decay_after: tuple[int, ...] = Field((), description="step: the rate drops at the start of the epoch after each")
    decay: float = Field(0.1, gt=0, le=1, description="step: the factor of each drop")
    warmup_epochs: float = Field(0.0, ge=0, description="length of the linear warm-up from warmup_factor to 1")
    warmup_factor: float = Field(0.1, ge=0, le=1)


def learning_rate_factor(schedule: ScheduleConfig, progress: float) -> float:
    """Return the factor of the base learning rate.

    Args:
        schedule: from the recipe.
        progress: epochs completed, with a fraction: 0 at the first step, 12.0 at the first step of epoch 13.
    """
    factor = 1.0
    if schedule.kind == "cosine":
        factor = 0.5 * (1 + math.cos(math.pi * min(progress / schedule.epochs, 1)))
    else:
        factor = schedule.decay ** sum(progress >= epoch for epoch in schedule.decay_after)
    if progress < schedule.warmup_epochs:
        done = progress / schedule.warmup_epochs
        factor *= schedule.warmup_factor + (1 - schedule.warmup_factor) * done
    return factor
