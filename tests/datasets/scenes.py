"""Records of scenes without files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from personsearch.datasets import Scene


def scene_of(name: str, folder: Path = Path(), **changes: Any) -> Scene:
    """Return an empty scene of 4x4 pixels, with changes."""
    fields: dict[str, Any] = {
        "image_id": name,
        "path": folder / name,
        "width": 4,
        "height": 4,
        "camera": None,
        "time": None,
        "place": None,
        "boxes": np.zeros((0, 4), np.float32),
        "identities": np.zeros(0, np.int64),
        "ignore": np.zeros(0, bool),
    }
    return Scene(**fields | changes)
