"""The training loop: one function that can be read from top to bottom."""

from __future__ import annotations

import json
import logging
import random
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.optim import Optimizer

from personsearch.durable import write_durably
from personsearch.errors import ConfigError, TrainingError
from personsearch.progress import Progress
from personsearch.train.checkpoint import BEST, LAST, load_checkpoint, network_of, save_checkpoint
from personsearch.train.config import FinetuneConfig, PretrainConfig
from personsearch.train.data import EpochLoader
from personsearch.train.distributed import World, world
from personsearch.train.schedule import learning_rate_factor
from personsearch.train.stepping import Stepper
from personsearch.train.watch import RECIPE, WEIGHTS, Metrics, Window
from personsearch.weights.files import save_folder

logger = logging.getLogger(__name__)

Recipe = TypeVar("Recipe", PretrainConfig, FinetuneConfig)

#: Validates a task and returns figures; the first one decides which epoch is best. Every process calls it.
Validate = Callable[[nn.Module], dict[str, float]]
#: Draws what a task does; called by the leading process after a validation.
Illustrate = Callable[[nn.Module], Mapping[str, NDArray[np.uint8]]]


@dataclass(frozen=True, eq=False)
class Made:
    """What a recipe is made into: all that a run needs.

    Attributes:
        task: network, losses and classifier, on its device.
        optimizers: the first follows the schedule.
        loader: this process's parts of the batches.
        validate: None where nothing is held out.
        illustrate: draws what the task does.
    """

    task: nn.Module
    optimizers: list[Optimizer]
    loader: EpochLoader[Any]
    validate: Validate | None = None
    illustrate: Illustrate | None = None


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and torch."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def parts_per_process(config: PretrainConfig | FinetuneConfig, world: World) -> int:
    """Return into how many parts a process cuts its share of a batch.

    Raises:
        ConfigError: the batch does not divide.
    """
    shares = world.size * config.steps.accumulate
    units, name = (
        (config.num_identities, "num_identities")
        if isinstance(config, PretrainConfig)
        else (config.batch_size, "batch_size")
    )
    if units % shares:
        raise ConfigError(
            f"{name}={units} is for all processes together and does not divide into {world.size} processes x "
            f"steps.accumulate={config.steps.accumulate}; choose a multiple of {shares}"
        )
    if isinstance(config, PretrainConfig) and config.losses.triplet and units == shares:
        raise ConfigError(
            f"num_identities={units} leaves one identity to each of {shares} parts, and the triplet loss needs another "
            "to compare with; raise it, or lower steps.accumulate"
        )
    return config.steps.accumulate


def fit(made: Made, config: PretrainConfig | FinetuneConfig, world: World) -> Path:
    """Train a task and leave its best state in the run's folder.

    The first optimiser follows the schedule, others keep their rate. A run whose folder has a checkpoint goes on from
    it, also with another number of processes: on the CPU, with the same number, it ends bit for bit where an
    undisturbed run would have ended.

    Args:
        made: the task is called with a part of a batch and returns (losses to be summed, figures to watch); validation
            runs every ``run.validate_every`` epochs and after the last, and pictures for TensorBoard after it.
        config: the recipe.
        world: the processes of the run.

    Returns:
        The checkpoint with the best validation, or the last one where there is none.

    Raises:
        TrainingError: a loss is not finite (names the batch), or the folder holds a run of another recipe.
    """
    run, schedule = config.run, config.schedule
    folder = Path(run.out)
    loader = made.loader
    if config.steps.patience is not None and made.validate is None:
        logger.warning(
            "steps.patience has nothing to go by: no place is held out (data.holdout_places); all epochs run"
        )
    stepper = Stepper(made.task, made.optimizers, config, world)
    at = _resume(folder, config, stepper)
    total = sum(loader.steps(epoch) for epoch in range(1, schedule.epochs + 1))
    with (
        Metrics(folder, at.step, tensorboard=run.tensorboard, writes=world.leads) as metrics,
        Progress(total=total, done=at.step, shown=None if world.leads else False) as progress,
    ):
        while at.epoch <= schedule.epochs and not at.gave_up(config):
            made.task.train()
            epoch, steps = at.epoch, loader.steps(at.epoch)
            if steps == 0:
                raise TrainingError(f"epoch {epoch} has no batch: the set is smaller than one batch")
            window = Window()
            for parts in loader.batches(epoch, skip=at.offset):
                rate = config.optimizer.lr * learning_rate_factor(schedule, epoch - 1 + at.offset / steps)
                figures = stepper.step(parts, at.step, rate)
                at.offset, at.step = at.offset + 1, at.step + 1
                window.add([name for part in parts for name in part.names], figures)
                saving = at.step % run.checkpoint_every == 0 and at.offset < steps
                if at.step % run.log_every == 0 or at.offset == steps or saving:
                    row = _mean_over_processes(window.flush(at.step), world)
                    metrics.write({"step": at.step, "epoch": epoch, "lr": rate, **row})
                    speed = f"{row['images_per_s']:.0f} images/s"
                    progress.show(f"epoch {epoch}/{schedule.epochs}  loss {row['loss']:.3f}  {speed}")
                progress.advance()
                if saving:
                    at.save(folder, config, stepper)
            if made.validate is not None and (epoch % run.validate_every == 0 or epoch == schedule.epochs):
                figures_now = _validated(stepper.kept, made.validate)
                metrics.write({"step": at.step, "epoch": epoch, "validation": figures_now})
                logger.info("epoch %d: %s", epoch, "  ".join(f"{k} {v:.4f}" for k, v in figures_now.items()))
                if run.tensorboard and made.illustrate is not None and world.leads:
                    metrics.show(made.illustrate(stepper.kept), at.step)
                if at.improves(next(iter(figures_now.values()))) and world.leads:
                    save_checkpoint(
                        folder / BEST, {"task": stepper.kept.state_dict(), "epoch": epoch, "validation": figures_now}
                    )
            at.epoch, at.offset = epoch + 1, 0
            at.save(folder, config, stepper)
        if at.gave_up(config):
            logger.info("stopped early: no better validation in %d", config.steps.patience)
    world.wait()
    return folder / (BEST if (folder / BEST).exists() else LAST)


def run_recipe(config: Recipe, prepare: Callable[[Recipe, World], Made], file: str) -> Path:
    """Make what a recipe says, fit it, and write the weights: what ``pretrain`` and ``finetune`` have in common.

    Args:
        config: the recipe.
        prepare: makes it, for this process.
        file: name of the tensor file in the weights folder.

    Returns:
        The weights folder.
    """
    with world(config.run.device) as everyone:
        best = fit(prepare(config, everyone), config, everyone)
        target = Path(config.run.out) / WEIGHTS
        if everyone.leads:
            save_folder(target, config.model, network_of(best), file=file)
        everyone.wait()
        return target


@dataclass(frozen=True)
class Rehearsal:
    """What a run would cost.

    Attributes:
        epochs: of the schedule.
        steps: of the whole run.
        seconds_per_step: measured, loading included, without the first steps.
        parameters: that learn.
        memory_mb: the most that was used: of the GPU, or of this process.
    """

    epochs: int
    steps: int
    seconds_per_step: float
    parameters: int
    memory_mb: float

    @property
    def hours(self) -> float:
        """Expected duration, without validation."""
        return self.steps * self.seconds_per_step / 3600


def rehearse_recipe(config: Recipe, prepare: Callable[[Recipe, World], Made], *, steps: int = 10) -> Rehearsal:
    """Check recipe, data and model, take the first steps, write nothing, and say what the whole would cost."""
    with world(config.run.device) as everyone:
        return _rehearse(prepare(config, everyone), config, everyone, steps)


def _rehearse(made: Made, config: PretrainConfig | FinetuneConfig, world: World, steps: int) -> Rehearsal:
    stepper, loader = Stepper(made.task, made.optimizers, config, world), made.loader
    made.task.train()
    taken: list[float] = []
    begin = time.perf_counter()
    for number, parts in enumerate(loader.batches(1)):
        if number == steps + 2:
            break
        float(stepper.step(parts, number, config.optimizer.lr * learning_rate_factor(config.schedule, 0))["loss"])
        now = time.perf_counter()
        taken.append(now - begin)
        begin = now
    if not taken:
        raise TrainingError("epoch 1 has no batch: the set is smaller than one batch")
    counted = taken[2:] or taken[-1:]  # the first two warm up
    if world.device.type == "cuda":
        memory = torch.cuda.max_memory_allocated(world.device) / 2**20
    else:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Rehearsal(
        epochs=config.schedule.epochs,
        steps=sum(loader.steps(epoch) for epoch in range(1, config.schedule.epochs + 1)),
        seconds_per_step=sum(counted) / len(counted),
        parameters=sum(p.numel() for p in made.task.parameters() if p.requires_grad),
        memory_mb=memory,
    )


@dataclass
class _Position:
    """Where a run stands: the next batch is number ``offset`` of ``epoch``."""

    epoch: int = 1
    offset: int = 0
    step: int = 0
    best: float | None = None
    since_best: int = 0

    def improves(self, value: float) -> bool:
        """Take in a validation; return whether it is the best so far."""
        self.since_best += 1
        if self.best is not None and value <= self.best:
            return False
        self.best, self.since_best = value, 0
        return True

    def gave_up(self, config: PretrainConfig | FinetuneConfig) -> bool:
        """Return whether validation has not become better for too long."""
        return config.steps.patience is not None and self.since_best >= config.steps.patience

    def save(self, folder: Path, config: PretrainConfig | FinetuneConfig, stepper: Stepper) -> None:
        """Write the run's checkpoint; what all processes have in common, so one writes it."""
        if stepper.world.leads:
            save_checkpoint(folder / LAST, {**stepper.state(), "position": vars(self), "config": _learnt_from(config)})
        stepper.world.wait()


def _resume(folder: Path, config: PretrainConfig | FinetuneConfig, stepper: Stepper) -> _Position:
    path = folder / LAST
    there = stepper.world.everybodys(path.exists())[0]
    if not there:
        if stepper.world.leads:
            folder.mkdir(parents=True, exist_ok=True)
            kind = "pretrain" if isinstance(config, PretrainConfig) else "finetune"
            text = json.dumps({"step": kind, "recipe": config.model_dump(mode="json")}, indent=2)
            write_durably(folder / RECIPE, f"{text}\n".encode())
        return _Position()
    state = load_checkpoint(path)
    changed = _differences(state.get("config", {}), _learnt_from(config))
    if changed:
        raise TrainingError(
            f"{folder}: holds a run of another recipe ({', '.join(changed)} differ); give another run.out, "
            "or the same values to go on with it"
        )
    stepper.restore(state)
    at = _Position(**state["position"])
    logger.info("going on from %s: epoch %d, step %d", path, at.epoch, at.step)
    return at


def _mean_over_processes(row: dict[str, float], world: World) -> dict[str, float]:
    rows = world.everybodys(row)
    means = {key: float(np.mean([one[key] for one in rows if key in one])) for one in rows for key in one}
    means["images_per_s"] = round(sum(one["images_per_s"] for one in rows), 2)
    return means


def _validated(task: nn.Module, validate: Validate) -> dict[str, float]:
    was_training = task.training
    task.eval()
    # Validation must not change what the next epoch draws.
    with torch.random.fork_rng():
        figures = validate(task)
    task.train(was_training)
    return figures


def _learnt_from(config: PretrainConfig | FinetuneConfig) -> dict[str, Any]:
    """The part of a recipe that changes what is learnt.

    Where and how often to write may change on resume, and how a batch is spread over processes and parts.
    """
    keep: dict[str, Any] = config.model_dump(mode="json")
    keep["run"] = {"seed": config.run.seed, "precision": config.run.precision}
    for key in ("patience", "accumulate"):
        del keep["steps"][key]
    return keep


def _differences(old: Any, new: Any, name: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted({*old, *new})
        return [d for k in keys for d in _differences(old.get(k), new.get(k), f"{name}.{k}".lstrip("."))]
    return [] if old == new else [name]
