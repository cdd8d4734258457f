"""Checkpoints: all of a run's state, atomically, so that it resumes bit for bit."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer

from personsearch.errors import TrainingError
from personsearch.weights.files import replace_durably

LAST = "last.pt"
BEST = "best.pt"


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` so that ``path`` is always a whole checkpoint."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    torch.save(state, temporary)
    replace_durably(temporary, path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU; only plain data and tensors are accepted.

    Raises:
        TrainingError: the file is damaged.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types for damaged files
        raise TrainingError(f"{path}: damaged checkpoint ({error}); delete it to start afresh") from None
    return state


def training_state(task: nn.Module, optimizers: list[Optimizer]) -> dict[str, Any]:
    """Return everything a step depends on beside the recipe: tensors, optimisers, random generators."""
    numpy_state: tuple[Any, ...] = np.random.get_state()  # type: ignore[assignment]
    return {
        "task": task.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        "rng": {
            "python": random.getstate(),
            "numpy": (numpy_state[0], numpy_state[1].tolist(), *numpy_state[2:]),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        },
        "versions": {"torch": str(torch.__version__), "numpy": np.__version__},
    }


def restore_training_state(state: dict[str, Any], task: nn.Module, optimizers: list[Optimizer]) -> None:
    """Undo :func:`training_state`."""
    task.load_state_dict(state["task"])
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    rng = state["rng"]
    version, internal, gauss = rng["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, *rest = rng["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), *rest))
    torch.set_rng_state(rng["torch"])
    if rng["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(rng["cuda"])
