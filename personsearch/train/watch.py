"""What a run writes while it learns, and what can be read of it afterwards."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from personsearch.durable import write_durably
from personsearch.errors import MissingExtraError, TrainingError

METRICS = "metrics.jsonl"
RECIPE = "recipe.json"
TENSORBOARD = "tensorboard"
#: Where in the run's folder the finished weights go.
WEIGHTS = "weights"


class Metrics:
    """``metrics.jsonl``, one JSON object a line keyed by step, and TensorBoard's files where they are wanted.

    Rows after the step that a run resumes from are dropped.
    """

    def __init__(self, folder: Path, step: int, *, tensorboard: bool, writes: bool = True) -> None:
        """Open a run's folder.

        Args:
            folder: the run's.
            step: that the run resumes from.
            tensorboard: also for TensorBoard.
            writes: False for processes that do not lead.

        Raises:
            MissingExtraError: TensorBoard is wanted and not installed.
        """
        self._path = folder / METRICS
        self._writes = writes
        self._board: Any | None = None
        if not writes:
            return
        if self._path.exists():
            rows = self._path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [row for row in rows if row.endswith("\n") and json.loads(row)["step"] <= step]
            write_durably(self._path, "".join(kept).encode())
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                raise MissingExtraError(
                    "run.tensorboard needs TensorBoard: pip install 'personsearch[train]'"
                ) from None
            self._board = SummaryWriter(str(folder / TENSORBOARD), purge_step=step + 1)

    def __enter__(self) -> Metrics:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._board is not None:
            self._board.close()

    def write(self, row: dict[str, Any]) -> None:
        """Add a row; it has a ``step``."""
        if not self._writes:
            return
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        if self._board is not None:
            for name, value in _flat(row):
                self._board.add_scalar(name, value, row["step"])

    def show(self, pictures: Mapping[str, NDArray[np.uint8]], step: int) -> None:
        """Add pictures (H, W, 3) uint8 RGB to TensorBoard."""
        if self._board is not None:
            for name, picture in pictures.items():
                self._board.add_image(name, picture, step, dataformats="HWC")


def _flat(row: dict[str, Any]) -> list[tuple[str, float]]:
    validation = row.get("validation")
    if isinstance(validation, dict):
        return [(f"validation/{key}", value) for key, value in validation.items()]
    return [(f"training/{key}", value) for key, value in row.items() if key != "step"]


class Window:
    """Figures since the last row of metrics, read from the device only when the row is written."""

    def __init__(self) -> None:
        self.names: list[list[str]] = []
        self.figures: list[dict[str, Tensor]] = []
        self.started = time.perf_counter()

    def add(self, names: list[str], figures: dict[str, Tensor]) -> None:
        """Take in a step: the names of its samples and what it returned."""
        self.names.append(names)
        self.figures.append(figures)

    def flush(self, step: int) -> dict[str, float]:
        """Return means and begin anew.

        Raises:
            TrainingError: a loss was not finite; names the batch.
        """
        totals = torch.stack([figures["loss"] for figures in self.figures]).tolist()
        for number, total in enumerate(totals):
            if not np.isfinite(total):
                raise TrainingError(
                    f"the loss is {total} at step {step - len(totals) + number + 1}, on the batch "
                    f"{', '.join(self.names[number])}; the last checkpoint is from before it: lower the learning "
                    "rate, or look at these images' annotations"
                )
        keys = dict.fromkeys(key for figures in self.figures for key in figures)
        means = {k: float(torch.stack([f[k] for f in self.figures if k in f]).mean()) for k in keys}
        images = sum(len(names) for names in self.names)
        means["images_per_s"] = round(images / (time.perf_counter() - self.started), 2)
        self.names, self.figures, self.started = [], [], time.perf_counter()
        return means


@dataclass(frozen=True)
class RunStatus:
    """How a run stands.

    Attributes:
        step_of_stl: ``"pretrain"`` or ``"finetune"``.
        epochs: of the schedule.
        epoch: the latest that a row was written of.
        steps: optimiser steps so far.
        losses: (step, loss) rows.
        validations: (epoch, figures) rows; the first figure selects.
        finished: whether the last epoch's weights are there.
    """

    step_of_stl: str
    epochs: int
    epoch: int
    steps: int
    losses: list[tuple[int, float]] = field(default_factory=list)
    validations: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    finished: bool = False

    @property
    def best(self) -> tuple[int, dict[str, float]] | None:
        """The best validation: its epoch and figures."""
        return max(self.validations, key=lambda one: next(iter(one[1].values())), default=None)


def read_recipe(folder: Path) -> tuple[str, dict[str, Any]]:
    """Return (``"pretrain"`` or ``"finetune"``, the resolved recipe) of a run's folder.

    Raises:
        TrainingError: there is no run.
    """
    try:
        data = json.loads((folder / RECIPE).read_text(encoding="utf-8"))
        return data["step"], data["recipe"]
    except (OSError, ValueError, KeyError, TypeError):
        raise TrainingError(f"{folder}: no run here: {RECIPE} is missing or is not one of this version") from None


def read_status(folder: Path) -> RunStatus:
    """Read how a run stands from its folder, also while it goes on.

    Raises:
        TrainingError: there is no run.
    """
    step_of_stl, recipe = read_recipe(folder)
    path = folder / METRICS
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    rows = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    return RunStatus(
        step_of_stl=step_of_stl,
        epochs=recipe["schedule"]["epochs"],
        epoch=max((row["epoch"] for row in rows), default=0),
        steps=max((row["step"] for row in rows), default=0),
        losses=[(row["step"], row["loss"]) for row in rows if "loss" in row],
        validations=[(row["epoch"], row["validation"]) for row in rows if "validation" in row],
        finished=(folder / WEIGHTS).is_dir(),
    )
