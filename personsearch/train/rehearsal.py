"""What a run would cost: check everything, take the first steps, write nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from personsearch.errors import TrainingError
from personsearch.train.config import TrainConfig
from personsearch.train.distributed import World, join_world
from personsearch.train.loop import Recipe, TrainingSetup
from personsearch.train.schedule import learning_rate_factor
from personsearch.train.stepping import Stepper

#: Steps that are taken but not timed: the first ones load libraries and choose algorithms.
WARM_UP = 2


@dataclass(frozen=True)
class Rehearsal:
    """What a run would cost.

    Attributes:
        epochs: of the schedule.
        steps: of the whole run, if every epoch has as many as the first. (With class-aware sampling that varies by a
            few.)
        seconds_per_step: measured, with loading, without the first steps.
        parameters: number that learn.
        memory_mb: peak memory in MiB, of the GPU or of this process; None on systems that do not report it.
    """

    epochs: int
    steps: int
    seconds_per_step: float
    parameters: int
    memory_mb: float | None

    @property
    def hours(self) -> float:
        """Expected duration, without validation."""
        return self.steps * self.seconds_per_step / 3600


def rehearse_recipe(
    config: Recipe, set_up: Callable[[Recipe, World], TrainingSetup[Any]], *, steps: int = 10
) -> Rehearsal:
    """Check recipe, data and model, take a few steps, write nothing, and say what the whole run would cost.

    Raises:
        ConfigError: the batch does not divide among the processes, or this machine lacks the device.
        TrainingError: the set is smaller than one batch.
    """
    with join_world(config.run.device) as world:
        config.check_shares(world.size)
        return _rehearse(set_up(config, world), config, world, steps)


def _rehearse(setup: TrainingSetup[Any], config: TrainConfig, world: World, steps: int) -> Rehearsal:
    stepper, loader = Stepper(setup.task, setup.optimizers, config, world), setup.loader
    setup.task.train()
    durations: list[float] = []
    start = time.perf_counter()
    for number, parts in enumerate(loader.batches(1)):
        if number == steps + WARM_UP:
            break
        losses = stepper.step(parts, number, config.optimizer.lr * learning_rate_factor(config.schedule, 0))
        float(losses["loss"])  # waits for the device
        now = time.perf_counter()
        durations.append(now - start)
        start = now
    if not durations:
        raise TrainingError("epoch 1 has no batch: the set is smaller than one batch")
    timed = durations[WARM_UP:] or durations[-1:]
    return Rehearsal(
        epochs=config.schedule.epochs,
        steps=loader.steps(1) * config.schedule.epochs,
        seconds_per_step=sum(timed) / len(timed),
        parameters=sum(p.numel() for p in setup.task.parameters() if p.requires_grad),
        memory_mb=peak_memory_mb(world.device),
    )


def peak_memory_mb(device: torch.device) -> float | None:
    """Return the peak memory in MiB of a GPU, or of this process for other devices; None where it is not reported."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10  # macOS counts bytes, Linux KiB
