"""The training loop: one function that can be read from top to bottom."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from personsearch.calibration import CALIBRATION_FILE
from personsearch.errors import TrainingError
from personsearch.progress import Progress
from personsearch.train.checkpoint import BEST, LAST, load_network, save_checkpoint
from personsearch.train.config import TrainConfig
from personsearch.train.continuing import Position, take_up
from personsearch.train.data import SplitScenes, split_scenes
from personsearch.train.distributed import World, join_world
from personsearch.train.loader import EpochLoader
from personsearch.train.nodes import gather_run, in_each, open_backup, require_one_recipe, require_one_set, spread
from personsearch.train.remote import Backup
from personsearch.train.schedule import learning_rate_factor
from personsearch.train.setup import Mining, TrainingSetup, Validation
from personsearch.train.stepping import Stepper, Task
from personsearch.train.transfer import require_init
from personsearch.train.trouble import explained, require_folder
from personsearch.train.watch import WEIGHTS, MetricsWriter, RunningMeans, selection_of
from personsearch.weights.files import CONFIG_FILE, save_folder

logger = logging.getLogger(__name__)

Recipe = TypeVar("Recipe", bound=TrainConfig)
#: Makes a recipe and the scenes of its sets into a training setup, for one process.
SetUp = Callable[[Recipe, SplitScenes, World], TrainingSetup[Any]]


def fit(
    setup: TrainingSetup[Task], config: TrainConfig, world: World, backup: Backup | None = None
) -> tuple[Path, int]:
    """Train a task and leave its best state in the run's folder.

    The first optimiser follows the schedule, the others keep their rate. A run whose folder has a checkpoint continues
    from it, also with another number of processes: on the CPU, with the same number, it ends bit for bit where an
    undisturbed run would have ended.

    Args:
        setup: validation runs every ``run.validate_every`` epochs and after the last.
        config: the recipe.
        world: the processes of the run.
        backup: in the leading process, where checkpoints are copied to; None = nowhere.

    Returns:
        The checkpoint of the best validation, or the last checkpoint if no validation counted anything; and the number
        of steps. The leading process's machine has the files.

    Raises:
        TrainingError: a loss is not finite (names the batch), or the folder holds a run of another recipe or of other
            annotations.
        DatasetError: a picture cannot be used and may not be left out, or too many cannot.
    """
    run, schedule = config.run, config.schedule
    folder = Path(run.out)
    loader, validation, mining = setup.loader, setup.validation, setup.mining
    if config.steps.patience is not None and validation is None:
        logger.warning("steps.patience needs validations: no place is held out (data.holdout_places); all epochs run")
    stepper = Stepper(setup.task, setup.optimizers, config, world)
    at, left_out = take_up(folder, config, stepper, setup)

    def save() -> None:
        at.save(folder, config, stepper, setup, left_out)
        if backup is not None:
            backup.start(folder, at.step)

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
                left_out.note([one for part in parts for one in part.left_out])
                saving = at.step % run.checkpoint_every == 0 and at.offset < steps
                if at.step % run.log_every == 0 or at.offset == steps or saving:
                    row = _mean_over_processes(means.flush(at.step), world)
                    left_out.share(world.all_gather(left_out.new), of=setup.pictures)
                    so_far = {"left_out": len(left_out.why)} if left_out.why else {}
                    metrics.write({"step": at.step, "epoch": epoch, "lr": rate, **row, **so_far})
                    speed = f"{row['images_per_s']:.0f} images/s"
                    progress.show(f"epoch {epoch}/{schedule.epochs}  loss {row.get('loss', math.nan):.3f}  {speed}")
                progress.advance()
                if saving:
                    save()
            if validation is not None and (epoch % run.validate_every == 0 or epoch == schedule.epochs):
                figures = _validate(stepper.kept, validation)
                metrics.write({"step": at.step, "epoch": epoch, "validation": figures})
                said = (f"{name} {'-' if math.isnan(value) else f'{value:.4f}'}" for name, value in figures.items())
                logger.info("epoch %d: %s", epoch, "  ".join(said))
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
            save()
        if at.out_of_patience(config):
            logger.info("stopped early: %d validations without a new best", config.steps.patience)
    if left_out.why:
        logger.warning("%s", left_out.summary())
    world.barrier()
    if (folder / BEST).exists():
        return folder / BEST, at.step
    if validation is not None:
        logger.warning("no validation counted anything: the weights are those of the last epoch")
    return folder / LAST, at.step


def run_recipe(config: Recipe, set_up: SetUp[Recipe], file: str) -> Path:
    """Set up what a recipe says, fit it, and write the weights: what ``pretrain`` and ``finetune`` have in common.

    Args:
        config: the recipe.
        set_up: makes the recipe into a training setup, for this process.
        file: name of the tensor file in the weights folder.

    Returns:
        The weights folder.

    Raises:
        ConfigError: the batch does not divide among the processes, this machine lacks the device, or the machines of
            the run have different recipes.
        MissingExtraError: what ``run.backup`` needs is not installed.
        WeightsNotFoundError: ``init`` is not where its name says.
        DatasetError: the machines of the run have different annotations.
        TrainingError: the folder cannot be written, memory is full, training has diverged, or the weights could not be
            copied to ``run.backup``.
    """
    out = Path(config.run.out)
    with explained(config), join_world(config.run.device) as world:
        require_one_recipe(config, world)
        config.check_shares(world.size)
        require_folder(out)
        opened = open_backup(config, world)
        with opened or nullcontext() as backup:
            gather_run(config, world, backup)
            require_init(config.init, config.model.backbone, checkpoint=out / LAST)
            setup = set_up(config, split_scenes(config.data), world)
            require_one_set(setup.data, world)
            checkpoint, steps = fit(setup, config, world, backup)
            weights = (file, CALIBRATION_FILE, CONFIG_FILE)

            def write() -> None:
                if world.leads:
                    _save_weights(checkpoint, config, file)

            def copy() -> None:
                if backup is not None:
                    backup.finish(out, steps, weights)

            in_each(world, write)
            spread(out / WEIGHTS, weights, world)
            in_each(world, copy)
        return out / WEIGHTS


def _save_weights(checkpoint: Path, config: TrainConfig, file: str) -> None:
    tensors = load_network(checkpoint)
    for key, tensor in tensors.items():
        if not bool(tensor.isfinite().all()):
            raise TrainingError(
                f"{checkpoint}: training has diverged, {key} is not finite, so there are no weights; begin "
                "again with a lower optimizer.lr and another run.out"
            )
    save_folder(Path(config.run.out) / WEIGHTS, config.model, tensors, file=file)


def _expected_steps(at: Position, loader: EpochLoader[Any], epochs: int) -> int:
    """Return the steps of the whole run if all epochs to come have as many as the current one.

    Only the current epoch is planned: planning all of them would take as long as many steps do.
    """
    if at.epoch > epochs:
        return at.step
    steps = loader.steps(at.epoch)
    if epochs > at.epoch:
        what = "epoch %d has %d steps; the progress shown takes all %d epochs to be as long"
        logger.info(what, at.epoch, steps, epochs)
    return at.step - at.offset + steps * (epochs - at.epoch + 1)


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
    device = next(task.parameters()).device
    # Only the task's own generator: by default torch would touch every GPU of the machine, and warn of it.
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
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
