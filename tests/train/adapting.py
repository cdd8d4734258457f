"""A tiny adaptation: small pictures, a tiny network, a few frames. A script too, so that it can be killed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from personsearch import PersonSearcher
from personsearch.models import ModelConfig, build
from personsearch.train import adapt
from personsearch.train.adaptation import budget, learning, sets
from tests.support import TINY

#: Pictures to measure on, to rehearse on and to train on.
CHECKED, REHEARSED, TRAINED = 6, 8, 12
SMALL: dict[tuple[Any, str], Any] = {
    (budget, "CHECKED"): CHECKED,
    (budget, "REHEARSED"): REHEARSED,
    (sets, "CHECKED"): CHECKED,
    (sets, "REHEARSED"): REHEARSED,
    (budget, "FEWEST"): TRAINED,
    (budget, "MOST"): TRAINED,
    (budget, "EPOCHS"): 2,
    (learning, "CHECKPOINT_EVERY"): 2,
}


def empty_place(folder: Path, count: int = 5) -> Path:
    """Write pictures of a bare room with a pillar."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        values = np.random.default_rng(number).integers(0, 20, (240, 320, 3), dtype=np.uint8)
        values[:120] += np.array([180, 190, 200], np.uint8)
        values[120:] += np.array([90, 90, 95], np.uint8)
        values[:, 40 + number : 60 + number] = (120, 60, 30)
        Image.fromarray(values).save(folder / f"{number}.png")
    return folder


def tiny_weights(folder: Path) -> Path:
    """Write random weights of a tiny network."""
    torch.manual_seed(0)
    return PersonSearcher(build(ModelConfig.model_validate(TINY)), device="cpu").save_pretrained(folder)


def adapt_tiny(root: Path, weights: Path, **changes: Any) -> Path:
    """Adapt tiny weights to a bare room, made in ``root``, into ``root / "out"``."""
    options: dict[str, Any] = {"minutes": 60, "workers": 1, "device": "cpu", "progress": False, **changes}
    return adapt(empty_place(root / "room"), root / "out", weights=weights, **options)


if __name__ == "__main__":
    for (module, name), value in SMALL.items():
        setattr(module, name, value)
    adapt_tiny(Path(sys.argv[1]), Path(sys.argv[2]))
