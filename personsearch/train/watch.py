"""What a run writes while it trains, and what can be read of it at any time."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from personsearch.durable import write_durably
from personsearch.errors import MissingExtraError, TrainingError
from personsearch.weights.files import CONFIG_FILE

METRICS = "metrics.jsonl"
RECIPE = "recipe.json"
TENSORBOARD = "tensorboard"
#: Where in the run's folder the finished weights go.
WEIGHTS = "weights"


class MetricsWriter:
    """Writes ``metrics.jsonl``, one JSON object with a ``step`` per line, and TensorBoard's files if wanted.

    Rows after the step that a run resumes from are dropped. JSON has no NaN: it is written as null.
    """

    def __init__(self, folder: Path, step: int, *, tensorboard: bool, writes: bool = True) -> None:
        """Open a run's folder.

        Args:
            folder: of the run.
            step: that the run resumes from.
            tensorboard: also write TensorBoard's files.
            writes: False in processes that do not lead.

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
            kept = [row for row in rows if (read := _row(row)) is not None and read["step"] <= step]
            write_durably(self._path, "".join(kept).encode())
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                raise MissingExtraError(
                    "run.tensorboard needs TensorBoard: pip install 'personsearch[train]'"
                ) from None
            self._board = SummaryWriter(str(folder / TENSORBOARD), purge_step=step + 1)

    def __enter__(self) -> MetricsWriter:
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
            file.write(json.dumps(nan_as_none(row), allow_nan=False) + "\n")
        if self._board is not None:
            for name, value in _scalars(row):
                self._board.add_scalar(name, value, row["step"])

    def show(self, pictures: Mapping[str, NDArray[np.uint8]], step: int) -> None:
        """Add pictures (H, W, 3) uint8 RGB to TensorBoard."""
        if self._board is not None:
            for name, picture in pictures.items():
                self._board.add_image(name, picture, step, dataformats="HWC")


def nan_as_none(value: Any) -> Any:
    """Return ``value``, plain data, with None for every NaN in it."""
    if isinstance(value, dict):
        return {key: nan_as_none(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [nan_as_none(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def none_as_nan(figures: Mapping[str, float | None]) -> dict[str, float]:
    """Return figures with NaN for None, as they were before :func:`nan_as_none`."""
    return {name: math.nan if value is None else value for name, value in figures.items()}


def selection_of(figures: Mapping[str, float]) -> float:
    """Return the figure of a validation that decides which epoch is best: the first; NaN if nothing counted."""
    return next(iter(figures.values()))


def _scalars(row: dict[str, Any]) -> list[tuple[str, float]]:
    """Return the figures of a row by the names that TensorBoard shows, without those that counted nothing."""
    group, figures = ("validation", row["validation"]) if "validation" in row else ("training", row)
    return [(f"{group}/{key}", value) for key, value in figures.items() if key != "step" and not math.isnan(value)]


class RunningMeans:
    """Means of losses and figures since the last row of metrics, read from the device only when a row is written."""

    def __init__(self) -> None:
        self._names: list[list[str]] = []
        self._figures: list[dict[str, Tensor]] = []
        self._started = time.perf_counter()

    def add(self, names: list[str], figures: dict[str, Tensor]) -> None:
        """Take in a step: the names of its samples, and the scalars that it returned, ``"loss"`` among them."""
        self._names.append(names)
        self._figures.append(figures)

    def flush(self, step: int) -> dict[str, float]:
        """Return the means, with ``images_per_s``, and start over.

        Args:
            step: number of the latest step, from 1.

        Raises:
            TrainingError: a loss is not finite; names the step and its batch.
        """
        first = step - len(self._figures) + 1
        trained = [number for number, figures in enumerate(self._figures) if figures]  # of the others all was left out
        losses = torch.stack([self._figures[number]["loss"] for number in trained]).tolist() if trained else []
        for number, loss in zip(trained, losses, strict=True):
            if not math.isfinite(loss):
                raise TrainingError(
                    f"the loss is {loss} at step {first + number}, on the batch {', '.join(self._names[number])}; the "
                    "last checkpoint is from before it: lower the learning rate, or look at these images' annotations"
                )
        keys = dict.fromkeys(key for figures in self._figures for key in figures)
        means = {k: float(torch.stack([f[k] for f in self._figures if k in f]).mean()) for k in keys}
        images = sum(len(names) for names in self._names)
        means["images_per_s"] = round(images / (time.perf_counter() - self._started), 2)
        self._names, self._figures, self._started = [], [], time.perf_counter()
        return means


@dataclass(frozen=True)
class RunStatus:
    """How far a run is.

    Attributes:
        step_of_stl: ``"pretrain"`` or ``"finetune"``.
        epochs: of the schedule.
        epoch: the latest with a row of metrics.
        steps: optimiser steps so far.
        losses: (step, loss) rows.
        validations: (epoch, figures) rows; the first figure selects the best epoch. NaN = nothing counted.
        finished: whether the run has written its weights.
        left_out: number of pictures that could not be used (``data.skip_bad``).
    """

    step_of_stl: str
    epochs: int
    epoch: int
    steps: int
    losses: list[tuple[int, float]] = field(default_factory=list)
    validations: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    finished: bool = False
    left_out: int = 0

    @property
    def best(self) -> tuple[int, dict[str, float]] | None:
        """The best validation, epoch and figures; None if none counted anything."""
        counted = [one for one in self.validations if not math.isnan(selection_of(one[1]))]
        return max(counted, key=lambda one: selection_of(one[1]), default=None)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data that JSON can hold."""
        plain: dict[str, Any] = nan_as_none({**asdict(self), "best": self.best})
        return plain


def read_recipe(folder: Path) -> tuple[str, dict[str, Any]]:
    """Return (``"pretrain"`` or ``"finetune"``, the resolved recipe) of a run's folder.

    Raises:
        TrainingError: the folder holds no run.
    """
    try:
        data = json.loads((folder / RECIPE).read_text(encoding="utf-8"))
        return data["step"], dict(data["recipe"])
    except (OSError, ValueError, KeyError, TypeError):
        raise TrainingError(
            f"{folder}: no run here ({RECIPE} is missing or unreadable); give a folder that a recipe's run.out named"
        ) from None


def read_status(folder: Path) -> RunStatus:
    """Read from a run's folder how far the run is; it may still be running.

    Raises:
        TrainingError: the folder holds no run.
    """
    step_of_stl, recipe = read_recipe(folder)
    try:
        epochs = int(recipe["schedule"]["epochs"])
    except (KeyError, TypeError, ValueError):
        raise TrainingError(
            f"{folder / RECIPE}: names no schedule.epochs; it is damaged or of another program"
        ) from None
    path = folder / METRICS
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    rows = [row for row in map(_row, text.splitlines(keepends=True)) if row is not None]
    return RunStatus(
        step_of_stl=step_of_stl,
        epochs=epochs,
        epoch=max((row.get("epoch", 0) for row in rows), default=0),
        steps=max((row["step"] for row in rows), default=0),
        losses=[(row["step"], row["loss"]) for row in rows if "loss" in row],
        validations=[(row.get("epoch", 0), none_as_nan(row["validation"])) for row in rows if "validation" in row],
        finished=(folder / WEIGHTS / CONFIG_FILE).is_file(),  # written last
        left_out=max((row.get("left_out", 0) for row in rows), default=0),
    )


def _row(line: str) -> dict[str, Any] | None:
    """Return a row of metrics; None for half a line, as a run that is writing or was killed leaves it."""
    if not line.endswith("\n"):
        return None
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and isinstance(row.get("step"), int) else None
