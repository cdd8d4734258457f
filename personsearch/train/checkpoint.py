"""Checkpoints: files that are complete or not there."""

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
    """Write ``state`` so that ``path`` always holds a complete checkpoint, the old one or the new.

    Raises:
        TrainingError: it cannot be written, as when the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        torch.save(state, temporary)
        replace_durably(temporary, path)
    except (OSError, RuntimeError) as error:  # torch's writer raises the latter
        temporary.unlink(missing_ok=True)
        raise TrainingError(
            f"{path}: the checkpoint cannot be written ({error}); the one before is kept. Make room, then run the same "
            "command again to continue"
        ) from None


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU; only plain data and tensors are accepted.

    Raises:
        TrainingError: the file is damaged.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types for damaged files
        raise TrainingError(f"{path}: damaged checkpoint; delete it to start from scratch") from error
    return state


def load_network(path: Path) -> dict[str, Tensor]:
    """Return the network's tensors of a checkpoint: those of the moving average if the run keeps one."""
    return network_of(load_checkpoint(path))


def is_checkpoint(data: Any) -> bool:
    """Whether what was read from a file is a run's checkpoint, rather than plain tensors."""
    return isinstance(data, dict) and isinstance(data.get("task"), dict)


def network_of(state: dict[str, Any]) -> dict[str, Tensor]:
    """Return the network's tensors of what :func:`load_checkpoint` returned."""
    return part_of(state, "network")


def part_of(state: dict[str, Any], part: str) -> dict[str, Tensor]:
    """Return the tensors of a part of the task: those of the moving average if the run keeps one.

    Args:
        state: what :func:`load_checkpoint` returned.
        part: attribute of the task, ``"network"`` or ``"classifier"``.
    """
    average = state.get("mean")
    prefix = f"{part}." if average is None else f"module.{part}."
    tensors = state["task"] if average is None else average
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
