"""Checkpoints: files that are always whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from personsearch.durable import replace_durably
from personsearch.errors import TrainingError

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


def network_of(path: Path) -> dict[str, Tensor]:
    """Return the network's tensors of a checkpoint: of the running mean where there is one."""
    state = load_checkpoint(path)
    mean = state.get("mean")
    prefix = "network." if mean is None else "module.network."
    tensors = state["task"] if mean is None else mean
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
