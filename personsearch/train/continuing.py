"""Where a run is, what its checkpoint holds, and whether a recipe with its annotations may continue it."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from personsearch.config import merge
from personsearch.durable import write_durably
from personsearch.errors import TrainingError
from personsearch.train.checkpoint import LAST, load_checkpoint, save_checkpoint
from personsearch.train.config import TrainConfig
from personsearch.train.reading import LeftOut
from personsearch.train.record import DataRecord
from personsearch.train.setup import TrainingSetup
from personsearch.train.stepping import Stepper
from personsearch.train.watch import RECIPE, WEIGHTS
from personsearch.weights.files import CONFIG_FILE
from personsearch.weights.names import Folder, TensorFile

logger = logging.getLogger(__name__)


@dataclass
class Position:
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

    def save(
        self, folder: Path, config: TrainConfig, stepper: Stepper[Any], setup: TrainingSetup[Any], left_out: LeftOut
    ) -> None:
        """Write the run's checkpoint. It holds what all processes have in common, so one process writes it."""
        if stepper.world.leads:
            state = {**stepper.state(), "position": vars(self), "config": what_is_learnt(config)}
            state |= {"data": setup.data.to_dict(), "left_out": left_out.why}
            if setup.mining is not None:
                state["mined"] = setup.mining.found
            save_checkpoint(folder / LAST, state)
        stepper.world.barrier()


def take_up(
    folder: Path, config: TrainConfig, stepper: Stepper[Any], setup: TrainingSetup[Any]
) -> tuple[Position, LeftOut]:
    """Begin a run, or continue it from its checkpoint.

    Args:
        folder: of the run; made if it is not there.
        config: the recipe.
        stepper: takes back what the checkpoint holds.
        setup: its ``mining`` too.

    Returns:
        Where the run is, and the pictures that it has left out.

    Raises:
        TrainingError: the folder holds a run of another recipe or of other annotations.
    """
    left_out = LeftOut()
    path = folder / LAST
    # The leading process decides: the others might look when it has already written its first checkpoint.
    exists = stepper.world.all_gather(path.exists())[0]
    if not exists:
        if stepper.world.leads_machine:  # each machine can be asked to resume
            folder.mkdir(parents=True, exist_ok=True)
            recipe = {"step": config.step_of_stl, "recipe": config.model_dump(mode="json")}
            write_durably(folder / RECIPE, f"{json.dumps(recipe, indent=2)}\n".encode())
        at = Position()
    else:
        state = load_checkpoint(path)
        require_same_run(folder, state, config, setup.data)
        try:
            stepper.restore(state)
            if setup.mining is not None:
                setup.mining.found = state["mined"]
            at = Position(**state["position"])
        except (RuntimeError, KeyError, TypeError, ValueError) as error:  # of torch too, for tensors that do not fit
            raise TrainingError(
                f"{path}: this version cannot continue the run ({str(error).splitlines()[0]}); choose another run.out"
            ) from None
        left_out.why.update(state.get("left_out", {}))
        logger.info("continuing from %s: epoch %d, step %d", path, at.epoch, at.step)
    left_out.share([setup.left_out], of=setup.pictures)
    return at, left_out


def require_same_run(folder: Path, state: dict[str, Any], config: TrainConfig, data: DataRecord) -> None:
    """Refuse to continue a run with another recipe or other annotations.

    Args:
        folder: of the run.
        state: its checkpoint.
        config: the recipe.
        data: the annotations.

    Raises:
        TrainingError: says what differs, and how to begin with the weights of the run.
    """
    require_same_recipe(folder, state, config)
    begin = _how_to_begin_with(folder, config)
    if "data" not in state:
        classifier = state.get("task", {}).get("classifier.weight", ())
        if len(classifier) != len(data.people):
            raise TrainingError(
                f"{folder}: was trained on {len(classifier)} identities, and the annotations now have "
                f"{len(data.people)}. Restore them to continue it; to train on the new ones, begin with its weights: "
                f"{begin}"
            )
        logger.warning(
            "%s: was begun by a version that did not record the annotations; they are taken to be unchanged", folder
        )
        return
    changes = DataRecord.from_dict(state["data"]).changes_to(data)
    if changes:
        raise TrainingError(
            f"{folder}: was trained on other annotations: {changes}. Restore them to continue it; to train on the new "
            f"ones, begin with its weights: {begin}"
        )


def require_same_recipe(folder: Path, state: dict[str, Any], config: TrainConfig) -> None:
    """Refuse to continue a run with another recipe.

    Args:
        folder: of the run.
        state: its checkpoint.
        config: the recipe.

    Raises:
        TrainingError: says what differs, and how to begin with the weights of the run.
    """
    then = state.get("config", {})
    changed = differences_to(then, config)
    begin = _how_to_begin_with(folder, config)
    out = "run.out" if config.run.backup is None else "run.out and run.backup"
    if changed == ["schedule.epochs"] and state["position"]["epoch"] > then["schedule"]["epochs"]:
        raise TrainingError(
            f"{folder}: holds a finished run (epochs: {then['schedule']['epochs']}). To train on, begin another one "
            f"with its weights: {begin}"
        )
    if changed:
        raise TrainingError(
            f"{folder}: holds a run of another recipe ({', '.join(changed)} differ); choose another {out}, or the "
            f"same values to continue it. To begin with its weights: {begin}"
        )


def _how_to_begin_with(folder: Path, config: TrainConfig) -> str:
    begin = f"init={weights_of(folder)} run.out={folder}-2"
    if config.run.backup is None:
        return begin
    return f"{begin} run.backup={config.run.backup.rstrip('/')}-2"  # the same one would bring the old run back


def differences_to(then: dict[str, Any], config: TrainConfig) -> list[str]:
    """Return the keys of a recipe that differ from those of a run, as :func:`what_is_learnt` put them down then."""
    return differences(_with_defaults(then, config), what_is_learnt(config))


def weights_of(folder: Path) -> str:
    """Return what ``init`` has to be to begin with the weights of a run: its result, or else its last checkpoint."""
    weights = folder / WEIGHTS
    return str(Folder(weights) if (weights / CONFIG_FILE).is_file() else TensorFile(folder / LAST))


def what_is_learnt(config: TrainConfig) -> dict[str, Any]:
    """Return the part of a recipe that changes what is learnt.

    What is left out may change on resume: where and how often to write, how a batch is spread over processes and parts,
    and whether pictures that cannot be used are skipped.
    """
    learnt: dict[str, Any] = config.model_dump(mode="json")
    learnt["run"] = {"seed": config.run.seed, "precision": config.run.precision}
    for key in ("patience", "accumulate"):
        del learnt["steps"][key]
    for one in (learnt["data"], *learnt["data"]["sets"]):
        del one["skip_bad"]
    return learnt


def _with_defaults(learnt: dict[str, Any], config: TrainConfig) -> dict[str, Any]:
    """Return a checkpoint's recipe with defaults for keys that did not exist when it was written."""
    try:
        return what_is_learnt(type(config).model_validate(merge(learnt, {"run": {"out": config.run.out}})))
    except ValidationError:  # keys that no longer exist: they are among the differences
        return learnt


def differences(old: Any, new: Any, name: str = "") -> list[str]:
    """Return the names, with dots, of what differs between two nested dicts."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted({*old, *new})
        return [d for k in keys for d in differences(old.get(k), new.get(k), f"{name}.{k}".lstrip("."))]
    return [] if old == new else [name]
