"""The training loop: one function that can be read from top to bottom."""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from personsearch.errors import TrainingError
from personsearch.progress import Progress
from personsearch.train.checkpoint import (
    BEST,
    LAST,
    load_checkpoint,
    restore_training_state,
    save_checkpoint,
    training_state,
)
from personsearch.train.config import FinetuneConfig, PretrainConfig
from personsearch.train.data import EpochLoader
from personsearch.train.schedule import learning_rate_factor
from personsearch.weights.files import write_durably

logger = logging.getLogger(__name__)

METRICS = "metrics.jsonl"
RECIPE = "recipe.json"
#: Where in the run's folder the finished weights go.
WEIGHTS = "weights"

#: Validates a task and returns figures; the first one decides which epoch is best.
Validate = Callable[[nn.Module], dict[str, float]]


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and torch."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def pick_device(name: str | None) -> torch.device:
    """Return the named device, or cuda where there is one, else cpu."""
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))


def fit(
    task: nn.Module,
    optimizers: list[Optimizer],
    loader: EpochLoader[Any],
    config: PretrainConfig | FinetuneConfig,
    validate: Validate | None = None,
) -> Path:
    """Train a task and leave its best state in the run's folder.

    The first optimiser follows the schedule, others keep their rate. A run whose folder has a checkpoint goes on from
    it: on the CPU it ends bit for bit where an undisturbed run would have ended.

    Args:
        task: called with a batch, returns (losses to be summed, figures to watch).
        optimizers: over the task's parameters; the task is on its device already.
        loader: the batches of each epoch.
        config: the recipe.
        validate: run every ``run.validate_every`` epochs and after the last.

    Returns:
        The checkpoint with the best validation, or the last one where there is none.

    Raises:
        TrainingError: a loss is not finite (names the batch), or the folder holds a run of another recipe.
    """
    run, schedule = config.run, config.schedule
    folder = Path(run.out)
    device = next(task.parameters()).device
    base_rate = config.optimizer.lr
    clip_norm = config.clip_norm if isinstance(config, FinetuneConfig) else None
    start = _Position.resume(folder, config, task, optimizers)
    if start.epoch > schedule.epochs:
        return folder / (BEST if (folder / BEST).exists() else LAST)
    metrics = _Metrics(folder / METRICS, start.step)
    best, step = start.best, start.step

    with Progress(total=sum(loader.steps(e) for e in range(1, schedule.epochs + 1)), done=step) as progress:
        for epoch in range(start.epoch, schedule.epochs + 1):
            task.train()
            steps = loader.steps(epoch)
            if steps == 0:
                raise TrainingError(f"epoch {epoch} has no batch: the set is smaller than one batch")
            done = start.offset if epoch == start.epoch else 0
            window = _Window()
            for batch in loader.batches(epoch, skip=done):
                rate = base_rate * learning_rate_factor(schedule, epoch - 1 + done / steps)
                for group in optimizers[0].param_groups:
                    group["lr"] = rate
                with torch.autocast(device.type, torch.bfloat16, enabled=run.precision == "bfloat16"):
                    losses, figures = task(batch.to(device))
                total = torch.stack(list(losses.values())).sum()
                for optimizer in optimizers:
                    optimizer.zero_grad(set_to_none=True)
                total.backward()
                if clip_norm is not None:
                    nn.utils.clip_grad_norm_(task.parameters(), clip_norm)
                for optimizer in optimizers:
                    optimizer.step()
                done, step = done + 1, step + 1
                window.add(batch.names, {**losses, **figures, "loss": total})
                saving = step % run.checkpoint_every == 0 and done < steps
                if step % run.log_every == 0 or done == steps or saving:
                    row = window.flush(step)
                    metrics.write({"step": step, "epoch": epoch, "lr": rate, **row})
                    speed = f"{row['images_per_s']:.0f} images/s"
                    progress.show(f"epoch {epoch}/{schedule.epochs}  loss {row['loss']:.3f}  {speed}")
                progress.advance()
                if saving:
                    _Position(epoch, done, step, best).save(folder, config, task, optimizers)
            if validate is not None and (epoch % run.validate_every == 0 or epoch == schedule.epochs):
                figures_now = _validated(task, validate)
                metrics.write({"step": step, "epoch": epoch, "validation": figures_now})
                logger.info("epoch %d: %s", epoch, "  ".join(f"{k} {v:.4f}" for k, v in figures_now.items()))
                value = next(iter(figures_now.values()))
                if best is None or value > best:
                    best = value
                    save_checkpoint(
                        folder / BEST, {"task": task.state_dict(), "epoch": epoch, "validation": figures_now}
                    )
            _Position(epoch + 1, 0, step, best).save(folder, config, task, optimizers)
    return folder / (BEST if (folder / BEST).exists() else LAST)


def _validated(task: nn.Module, validate: Validate) -> dict[str, float]:
    task.eval()
    # Validation must not change what the next epoch draws.
    with torch.random.fork_rng():
        figures = validate(task)
    task.train()
    return figures


class _Position:
    """Where a run stands: the next batch is number ``offset`` of ``epoch``."""

    def __init__(self, epoch: int, offset: int, step: int, best: float | None) -> None:
        self.epoch, self.offset, self.step, self.best = epoch, offset, step, best

    @classmethod
    def resume(
        cls, folder: Path, config: PretrainConfig | FinetuneConfig, task: nn.Module, optimizers: list[Optimizer]
    ) -> _Position:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / LAST
        if not path.exists():
            text = json.dumps(config.model_dump(mode="json"), indent=2)
            write_durably(folder / RECIPE, f"{text}\n".encode())
            return cls(1, 0, 0, None)
        state = load_checkpoint(path)
        changed = _differences(state["config"], _learnt_from(config))
        if changed:
            raise TrainingError(
                f"{folder}: holds a run of another recipe ({', '.join(changed)} differ); give another run.out, "
                "or the same values to go on with it"
            )
        restore_training_state(state, task, optimizers)
        logger.info("going on from %s: epoch %d, step %d", path, state["epoch"], state["step"])
        return cls(state["epoch"], state["offset"], state["step"], state["best"])

    def save(
        self,
        folder: Path,
        config: PretrainConfig | FinetuneConfig,
        task: nn.Module,
        optimizers: list[Optimizer],
    ) -> None:
        position = {"epoch": self.epoch, "offset": self.offset, "step": self.step, "best": self.best}
        state = {**training_state(task, optimizers), **position, "config": _learnt_from(config)}
        save_checkpoint(folder / LAST, state)


def _learnt_from(config: PretrainConfig | FinetuneConfig) -> dict[str, Any]:
    """The part of a recipe that changes what is learnt; where and how often to write may change on resume."""
    keep: dict[str, Any] = config.model_dump(mode="json")
    keep["run"] = {"seed": config.run.seed, "precision": config.run.precision}
    return keep


def _differences(old: Any, new: Any, name: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted({*old, *new})
        return [d for k in keys for d in _differences(old.get(k), new.get(k), f"{name}.{k}".lstrip("."))]
    return [] if old == new else [name]


class _Window:
    """Figures since the last row of metrics, read from the device only when the row is written."""

    def __init__(self) -> None:
        self.names: list[list[str]] = []
        self.figures: list[dict[str, Tensor]] = []
        self.started = time.perf_counter()

    def add(self, names: list[str], figures: dict[str, Tensor]) -> None:
        self.names.append(names)
        self.figures.append({key: value.detach() for key, value in figures.items()})

    def flush(self, step: int) -> dict[str, float]:
        """Return means and start anew; refuse losses that are not finite."""
        totals = torch.stack([figures["loss"] for figures in self.figures]).tolist()
        for number, total in enumerate(totals):
            if not np.isfinite(total):
                raise TrainingError(
                    f"the loss is {total} at step {step - len(totals) + number + 1}, on the batch "
                    f"{', '.join(self.names[number])}; the last checkpoint is from before it: lower the learning "
                    "rate, or look at these images' annotations"
                )
        keys = dict.fromkeys(key for figures in self.figures for key in figures)
        means = {k: float(torch.stack([f[k] for f in self.figures if k in f]).float().mean()) for k in keys}
        images = sum(len(names) for names in self.names)
        means["images_per_s"] = round(images / (time.perf_counter() - self.started), 2)
        self.names, self.figures, self.started = [], [], time.perf_counter()
        return means


class _Metrics:
    """``metrics.jsonl``: one JSON object a line, keyed by step; rows after a resumed step are dropped."""

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        if path.exists():
            rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [row for row in rows if row.endswith("\n") and json.loads(row)["step"] <= step]
            write_durably(path, "".join(kept).encode())

    def write(self, row: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
