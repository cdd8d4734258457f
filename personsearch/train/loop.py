"""The training loop: one function that can be read from top to bottom."""

from __future__ import annotations

import json
import logging
import math
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor
from torch.optim import Optimizer

from personsearch.config import merge
from personsearch.durable import write_durably
from personsearch.errors import TrainingError
from personsearch.progress import Progress
from personsearch.train.checkpoint import BEST, LAST, load_checkpoint, load_network, save_checkpoint
from personsearch.train.config import TrainConfig
from personsearch.train.distributed import World, join_world
from personsearch.train.loader import EpochLoader
from personsearch.train.schedule import learning_rate_factor
from personsearch.train.stepping import Stepper, Task
from personsearch.train.watch import RECIPE, WEIGHTS, MetricsWriter, RunningMeans, selection_of
from personsearch.weights.files import save_folder

logger = logging.getLogger(__name__)

Recipe = TypeVar("Recipe", bound=TrainConfig)


@dataclass(frozen=True, eq=False)
class Validation(Generic[Task]):
    """How a run validates.

    Attributes:
        figures: measures a task; the first figure decides which epoch is best. NaN = nothing counted. Every process
            calls it.
        needs: what the held-out places must show for anything to count, for the warning when nothing does.
        pictures: draws what a task does, by name; the leading process calls it after a validation.
    """

    figures: Callable[[Task], dict[str, float]]
    needs: str
    pictures: Callable[[Task], Mapping[str, NDArray[np.uint8]]] | None = None


@dataclass(eq=False)
class Mining(Generic[Task]):
    """What the batches of an epoch follow besides its number: what the network takes for what when it begins.

    Attributes:
        find: finds it with a task, for the epoch of that number, without changing either; the leading process calls it
            after every epoch that another follows.
        found: what it returned, for the loader's plan, the same in every process; None in the first epoch. Checkpoints
            hold it.
    """

    find: Callable[[Task, int], Tensor]
    found: Tensor | None = None


@dataclass(frozen=True, eq=False)
class TrainingSetup(Generic[Task]):
    """What a recipe is made into: everything that a run needs.

    Attributes:
        task: network, losses and classifier, on its device.
        optimizers: the first follows the schedule.
        loader: this process's parts of the batches.
        validation: None if no place is held out.
        mining: None if the batches follow from seed and epoch alone.
    """

    task: Task
    optimizers: list[Optimizer]
    loader: EpochLoader[Any]
    validation: Validation[Task] | None = None
    mining: Mining[Task] | None = None


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and torch."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def fit(setup: TrainingSetup[Task], config: TrainConfig, world: World) -> Path:
    """Train a task and leave its best state in the run's folder.

    The first optimiser follows the schedule, the others keep their rate. A run whose folder has a checkpoint continues
    from it, also with another number of processes: on the CPU, with the same number, it ends bit for bit where an
    undisturbed run would have ended.

    Args:
        setup: validation runs every ``run.validate_every`` epochs and after the last.
        config: the recipe.
        world: the processes of the run.

    Returns:
        The checkpoint of the best validation; the last checkpoint if no validation counted anything.

    Raises:
        TrainingError: a loss is not finite (names the batch), or the folder holds a run of another recipe.
    """
    run, schedule = config.run, config.schedule
    folder = Path(run.out)
    loader, validation, mining = setup.loader, setup.validation, setup.mining
    if config.steps.patience is not None and validation is None:
        logger.warning("steps.patience needs validations: no place is held out (data.holdout_places); all epochs run")
    stepper = Stepper(setup.task, setup.optimizers, config, world)
    at = _resume(folder, config, stepper, mining)
    with (
        MetricsWriter(folder, at.step, tensorboard=run.tensorboard, writes=world.leads) as metrics,
        Progress(
            total=_expected_steps(at, loader, schedule.epochs), done=at.step, shown=None if world.leads else False
        ) as progress,
    ):
        while at.epoch <= schedule.epochs and not at.out_of_patience(config):
            setup.task.train()
            epoch, steps = at.epoch, loader.steps(at.epoch)
            if steps == 0:
                raise TrainingError(f"epoch {epoch} has no batch: the set is smaller than one batch")
            means = RunningMeans()
            for parts in loader.batches(epoch, skip=at.offset):
                rate = config.optimizer.lr * learning_rate_factor(schedule, epoch - 1 + at.offset / steps)
                losses = stepper.step(parts, at.step, rate)
                at.offset, at.step = at.offset + 1, at.step + 1
                means.add([name for part in parts for name in part.names], losses)
                saving = at.step % run.checkpoint_every == 0 and at.offset < steps
                if at.step % run.log_every == 0 or at.offset == steps or saving:
                    row = _mean_over_processes(means.flush(at.step), world)
                    metrics.write({"step": at.step, "epoch": epoch, "lr": rate, **row})
                    speed = f"{row['images_per_s']:.0f} images/s"
                    progress.show(f"epoch {epoch}/{schedule.epochs}  loss {row['loss']:.3f}  {speed}")
                progress.advance()
                if saving:
                    at.save(folder, config, stepper, mining)
            if validation is not None and (epoch % run.validate_every == 0 or epoch == schedule.epochs):
                figures = _validate(stepper.kept, validation)
                metrics.write({"step": at.step, "epoch": epoch, "validation": figures})
                logger.info("epoch %d: %s", epoch, "  ".join(f"{k} {v:.4f}" for k, v in figures.items()))
                if math.isnan(selection_of(figures)):
                    logger.warning("epoch %d cannot be the best: nothing counted; needed: %s", epoch, validation.needs)
                if run.tensorboard and validation.pictures is not None and world.leads:
                    metrics.show(validation.pictures(stepper.kept), at.step)
                if at.improves(selection_of(figures)) and world.leads:
                    save_checkpoint(
                        folder / BEST, {"task": stepper.kept.state_dict(), "epoch": epoch, "validation": figures}
                    )
            at.epoch, at.offset = epoch + 1, 0
            if mining is not None and at.epoch <= schedule.epochs:
                mining.found = _mine(stepper, mining, at.epoch)
            at.save(folder, config, stepper, mining)
        if at.out_of_patience(config):
            logger.info("stopped early: %d validations without a new best", config.steps.patience)
    world.barrier()
    if (folder / BEST).exists():
        return folder / BEST
    if validation is not None:
        logger.warning("no validation counted anything: the weights are those of the last epoch")
    return folder / LAST


def run_recipe(config: Recipe, set_up: Callable[[Recipe, World], TrainingSetup[Any]], file: str) -> Path:
    """Set up what a recipe says, fit it, and write the weights: what ``pretrain`` and ``finetune`` have in common.

    Args:
        config: the recipe.
        set_up: makes the recipe into a training setup, for this process.
        file: name of the tensor file in the weights folder.

    Returns:
        The weights folder.

    Raises:
        ConfigError: the batch does not divide among the processes, or this machine lacks the device.
    """
    with join_world(config.run.device) as world:
        config.check_shares(world.size)
        checkpoint = fit(set_up(config, world), config, world)
        target = Path(config.run.out) / WEIGHTS
        if world.leads:
            save_folder(target, config.model, load_network(checkpoint), file=file)
        world.barrier()
        return target


@dataclass
class _Position:
    """Where a run is: the next batch is number ``offset`` of ``epoch``. ``best`` and ``since_best`` follow validation.

    A checkpoint holds these fields by name.
    """

    epoch: int = 1
    offset: int = 0
    step: int = 0
    best: float | None = None
    since_best: int = 0

    def improves(self, selection: float) -> bool:
        """Take in a validation; return whether it is the best so far.

        NaN, a validation in which nothing counted, is no evidence either way: it neither improves nor uses up patience.
        """
        if math.isnan(selection):
            return False
        self.since_best += 1
        if self.best is not None and selection <= self.best:
            return False
        self.best, self.since_best = selection, 0
        return True

    def out_of_patience(self, config: TrainConfig) -> bool:
        """Return whether validation has not improved for too long."""
        return config.steps.patience is not None and self.since_best >= config.steps.patience

    def save(self, folder: Path, config: TrainConfig, stepper: Stepper[Any], mining: Mining[Any] | None) -> None:
        """Write the run's checkpoint. It holds what all processes have in common, so one process writes it."""
        if stepper.world.leads:
            state = {**stepper.state(), "position": vars(self), "config": _what_is_learnt(config)}
            if mining is not None:
                state["mined"] = mining.found
            save_checkpoint(folder / LAST, state)
        stepper.world.barrier()


def _expected_steps(at: _Position, loader: EpochLoader[Any], epochs: int) -> int:
    """Return the steps of the whole run if all epochs to come have as many as the current one.

    Only the current epoch is planned: planning all of them would take as long as many steps do.
    """
    if at.epoch > epochs:
        return at.step
    steps = loader.steps(at.epoch)
    logger.info("epoch %d has %d steps; the progress shown takes all %d epochs to be as long", at.epoch, steps, epochs)
    return at.step - at.offset + steps * (epochs - at.epoch + 1)


def _resume(folder: Path, config: TrainConfig, stepper: Stepper[Any], mining: Mining[Any] | None) -> _Position:
    path = folder / LAST
    # The leading process decides: the others might look when it has already written its first checkpoint.
    exists = stepper.world.all_gather(path.exists())[0]
    if not exists:
        if stepper.world.leads:
            folder.mkdir(parents=True, exist_ok=True)
            recipe = {"step": config.step_of_stl, "recipe": config.model_dump(mode="json")}
            write_durably(folder / RECIPE, f"{json.dumps(recipe, indent=2)}\n".encode())
        return _Position()
    state = load_checkpoint(path)
    changed = _differences(_with_defaults(state.get("config", {}), config), _what_is_learnt(config))
    if changed:
        raise TrainingError(
            f"{folder}: holds a run of another recipe ({', '.join(changed)} differ); choose another run.out, "
            "or the same values to continue it"
        )
    stepper.restore(state)
    if mining is not None:
        mining.found = state["mined"]
    at = _Position(**state["position"])
    logger.info("continuing from %s: epoch %d, step %d", path, at.epoch, at.step)
    return at


def _mean_over_processes(row: dict[str, float], world: World) -> dict[str, float]:
    rows = world.all_gather(row)
    means = {key: float(np.mean([one[key] for one in rows if key in one])) for one in rows for key in one}
    means["images_per_s"] = round(sum(one["images_per_s"] for one in rows), 2)
    return means


@contextmanager
def _evaluating(task: torch.nn.Module) -> Iterator[None]:
    """Put a task into evaluation mode; what happens meanwhile does not change what the next epoch draws."""
    was_training = task.training
    task.eval()
    with torch.random.fork_rng():
        yield
    task.train(was_training)


def _validate(task: Task, validation: Validation[Task]) -> dict[str, float]:
    with _evaluating(task):
        return validation.figures(task)


def _mine(stepper: Stepper[Task], mining: Mining[Task], epoch: int) -> Tensor:
    found = torch.empty(0)
    # One process for all: each has BatchNorm statistics of its own, so they would not find the same.
    if stepper.world.leads:
        with _evaluating(stepper.task):
            found = mining.find(stepper.task, epoch)
    return stepper.world.all_gather(found)[0]


def _what_is_learnt(config: TrainConfig) -> dict[str, Any]:
    """Return the part of a recipe that changes what is learnt.

    What is left out may change on resume: where and how often to write, and how a batch is spread over processes and
    parts.
    """
    learnt: dict[str, Any] = config.model_dump(mode="json")
    learnt["run"] = {"seed": config.run.seed, "precision": config.run.precision}
    for key in ("patience", "accumulate"):
        del learnt["steps"][key]
    return learnt


def _with_defaults(learnt: dict[str, Any], config: TrainConfig) -> dict[str, Any]:
    """Return a checkpoint's recipe with defaults for keys that did not exist when it was written."""
    try:
        return _what_is_learnt(type(config).model_validate(merge(learnt, {"run": {"out": config.run.out}})))
    except ValidationError:  # keys that no longer exist: they are among the differences
        return learnt


def _differences(old: Any, new: Any, name: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted({*old, *new})
        return [d for k in keys for d in _differences(old.get(k), new.get(k), f"{name}.{k}".lstrip("."))]
    return [] if old == new else [name]
