"""What a run would cost: check everything, take the first steps, write nothing."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from personsearch.errors import DatasetError, TrainingError
from personsearch.train.checkpoint import LAST, load_checkpoint
from personsearch.train.config import TrainConfig
from personsearch.train.continuing import require_same_run
from personsearch.train.data import SplitScenes, split_scenes
from personsearch.train.distributed import World, join_world
from personsearch.train.loop import Recipe, SetUp
from personsearch.train.nodes import open_backup
from personsearch.train.reading import find_unusable, require_most
from personsearch.train.schedule import learning_rate_factor
from personsearch.train.setup import TrainingSetup
from personsearch.train.stepping import Stepper
from personsearch.train.transfer import require_init
from personsearch.train.trouble import explained, require_folder

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
        pictures: number of pictures that were read.
        left_out: what is wrong with those of them that cannot be used, where ``data.skip_bad`` lets them be left out.
    """

    epochs: int
    steps: int
    seconds_per_step: float
    parameters: int
    memory_mb: float | None
    pictures: int = 0
    left_out: tuple[str, ...] = ()

    @property
    def hours(self) -> float:
        """Expected duration, without validation."""
        return self.steps * self.seconds_per_step / 3600


def rehearse_recipe(
    config: Recipe, set_up: SetUp[Recipe], *, steps: int = 10, progress: bool | None = None
) -> Rehearsal:
    """Check recipe, data and model, take a few steps, write nothing, and say what the whole run would cost.

    Every picture is read: whole, and of the annotated size. That takes as long as decoding all of them once.

    Args:
        config: the recipe.
        set_up: makes the recipe into a training setup, for this process.
        steps: how many are timed.
        progress: of the reading: None = a bar on a terminal, True = always a bar, False = silence.

    Raises:
        ConfigError: the batch does not divide among the processes, or this machine lacks the device.
        MissingExtraError: what ``run.backup`` needs is not installed; whether it can be written is not tried.
        WeightsNotFoundError: ``init`` is not where its name says.
        DatasetError: pictures cannot be used and may not be left out; names all of them.
        TrainingError: the set is smaller than one batch, or the folder cannot be written or holds another run.
    """
    with explained(config), join_world(config.run.device) as world:
        config.check_shares(world.size)
        require_folder(Path(config.run.out))
        open_backup(config, world)
        require_init(config.init, config.model.backbone, checkpoint=Path(config.run.out) / LAST)
        scenes = split_scenes(config.data)
        left_out = _read_all(scenes, world, progress)
        setup = set_up(config, scenes, world)
        checkpoint = Path(config.run.out) / LAST
        if checkpoint.exists():
            require_same_run(checkpoint.parent, load_checkpoint(checkpoint), config, setup.data)
        rehearsal = _rehearse(setup, config, world, steps)
        num_pictures = len(scenes.training) + len(scenes.held_out)
        return replace(rehearsal, pictures=num_pictures, left_out=tuple(left_out.values()))


def _read_all(scenes: SplitScenes, world: World, progress: bool | None) -> dict[str, str]:
    """Read every picture, each process a share; return what is wrong with those that may be left out."""
    every = [*scenes.training, *scenes.held_out]
    shares = world.all_gather(find_unusable(world.share_of(every), progress=progress if world.leads else False))
    unusable = [one for share in shares for one in share]
    refused = [one for one in unusable if one.image_id not in scenes.may_skip]
    if refused:
        lines = "\n".join(f"- {one.why}" for one in refused)
        raise DatasetError(
            f"{len(refused)} of {len(every)} pictures cannot be used:\n{lines}\nMend or remove them, or let training "
            "leave them out: data.skip_bad=true"
        )
    left_out = {one.image_id: one.why for one in unusable}
    require_most([scene.image_id for scene in scenes.training if scene.image_id in left_out], len(scenes.training))
    return left_out


def _rehearse(setup: TrainingSetup[Any], config: TrainConfig, world: World, steps: int) -> Rehearsal:
    stepper, loader = Stepper(setup.task, setup.optimizers, config, world), setup.loader
    setup.task.train()
    durations: list[float] = []
    start = time.perf_counter()
    for number, parts in enumerate(loader.batches(1)):
        if number == steps + WARM_UP:
            break
        losses = stepper.step(parts, number, config.optimizer.lr * learning_rate_factor(config.schedule, 0))
        float(losses.get("loss", 0))  # waits for the device
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
