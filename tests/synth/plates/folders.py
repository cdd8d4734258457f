"""Folders of made-up photographs of places."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def add_picture(folder: Path, name: str, width: int, height: int, *, seed: int = 0, orientation: int = 1) -> Path:
    """Add a photograph: coarse noise about a grey of its own."""
    rng = np.random.default_rng([width, height, seed])
    cells = rng.integers(40, 200, (6, 8, 3)).astype(np.uint8)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC).save(path, exif=exif)
    return path


def places(
    folder: Path, rows: Mapping[str, Mapping[str, Any]] | None = None, *, flat: int = 6, round_: int = 2
) -> Path:
    """Add flat photographs and panoramas; ``rows`` are a manifest's tables by file."""
    for number in range(flat):
        add_picture(folder, f"flat/{number}.jpg", 480, 360, seed=number)
    for number in range(round_):
        add_picture(folder, f"round/{number}.jpg", 1024, 512, seed=number)
    if rows is not None:
        (folder / "manifest.json").write_text(json.dumps([{"file": file, **row} for file, row in rows.items()]))
    return folder
