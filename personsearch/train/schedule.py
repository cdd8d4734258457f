"""The learning rate as a plain function of where the run is."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from personsearch.config import StrictModel


class ScheduleConfig(StrictModel):
    """How many epochs, and how the learning rate goes over them. Epochs count from 1."""

    epochs: int = Field(ge=1)
    kind: Literal["step", "cosine"] = "step"
    decay_after: tuple[int, ...] = Field((), description="step: the rate falls at the start of the epoch after these")
    decay: float = Field(0.1, gt=0, le=1, description="step: the factor of each fall")
    warmup_epochs: float = Field(0.0, ge=0, description="linear from warmup_factor to 1 over so many epochs")
    warmup_factor: float = Field(0.1, ge=0, le=1)


def learning_rate_factor(schedule: ScheduleConfig, progress: float) -> float:
    """Return what the base learning rate is multiplied with.

    Args:
        schedule: the recipe's.
        progress: epochs done, with their fraction: 0 at the first step, 12.0 at the first step of epoch 13.
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
