"""Tiny recipes, and ways to interrupt a run, for the tests of training."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from personsearch.datasets import Scene, load_dataset
from personsearch.train.config import FinetuneConfig, PretrainConfig
from tests.support import TINY, toy_set


class KilledError(Exception):
    """Stands for a crash in the middle of a run."""


def pretrain_config(out: Path, annotations: Path, **changes: Any) -> PretrainConfig:
    """Return a recipe of step 1 for toy sets: two epochs of batches of two identities, two crops each."""
    return PretrainConfig.model_validate(
        {
            "run": {"out": str(out), "num_workers": 0, "log_every": 1, "checkpoint_every": 2, **changes.pop("run", {})},
            "model": TINY,
            "data": {"annotations": str(annotations), **changes.pop("data", {})},
            "optimizer": {"name": "adam", "lr": 1e-3},
            "schedule": {"epochs": 2},
            "num_identities": 2,
            "num_instances": 2,
            **changes,
        }
    )


def finetune_config(out: Path, annotations: Path, **changes: Any) -> FinetuneConfig:
    """Return a recipe of step 2 for toy sets: two epochs of batches of two scenes."""
    return FinetuneConfig.model_validate(
        {
            "run": {"out": str(out), "num_workers": 0, "log_every": 1, "checkpoint_every": 2, **changes.pop("run", {})},
            "model": TINY,
            "data": {"annotations": str(annotations), **changes.pop("data", {})},
            "optimizer": {"name": "sgd", "lr": 0.01},
            "schedule": {"epochs": 2},
            "batch_size": 2,
            "steps": {"clip_norm": 10.0, **changes.pop("steps", {})},
            **changes,
        }
    )


def mixed_set(folder: Path, num_scenes: int = 8) -> Path:
    """A toy set in which every second scene is higher, so that scenes have canvases of 160x96 and of 128x96."""
    path = toy_set(folder, num_scenes=num_scenes)
    data = json.loads(path.read_text())
    for row in data["images"][1::2]:
        picture = Image.new("RGB", (160, 128), (90, 120, 90))
        picture.paste(Image.open(folder / row["file_name"]))
        picture.save(folder / row["file_name"])
        row["height"] = 128
    path.write_text(json.dumps(data))
    return path


def scenes_of(annotations: Path) -> list[Scene]:
    """Read the scenes of a toy set."""
    return list(load_dataset(annotations, "train").scenes)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _enlarge(path: Path) -> None:
    with Image.open(path) as picture:
        picture.resize((2 * picture.width, 2 * picture.height)).save(path)


#: Ways in which a picture becomes one that cannot be used.
DAMAGES: dict[str, Callable[[Path], object]] = {
    "truncated": _truncate,
    "empty": lambda path: path.write_bytes(b""),
    "no picture": lambda path: path.write_text("<html>not found</html>"),
    "gone": Path.unlink,
    "of another size": _enlarge,
}


def kill_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Make the run die after this many optimiser steps, before anything more is written."""
    taken = 0
    for optimizer in (torch.optim.SGD, torch.optim.Adam):
        original: Callable[..., Any] = optimizer.step

        def step(self: Any, *args: Any, _original: Callable[..., Any] = original, **kwargs: Any) -> Any:
            nonlocal taken
            if self.param_groups[0]["lr"] != 1000:  # the centres' optimiser takes the second step of a batch
                taken += 1
                if taken > steps:
                    raise KilledError
            return _original(self, *args, **kwargs)

        monkeypatch.setattr(optimizer, "step", step)


def metrics(run: Path) -> list[dict[str, Any]]:
    """Read the rows of a run's metrics.jsonl as JSON proper, which has no NaN."""

    def refuse(word: str) -> float:
        raise ValueError(f"{word} is not JSON")

    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line, parse_constant=refuse) for line in lines]
