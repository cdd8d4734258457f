"""Galleries whose scenes are real files and whose people are known."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from personsearch import Detections, Gallery
from tests.gallery.toy import DIM, spec

#: Width and height of a scene.
SIZE = (96, 64)
Box = tuple[float, float, float, float]


def seen(people: Mapping[int, Box], size: tuple[int, int] = SIZE) -> Detections:
    """Return the people of a scene: the same embedding for the same number, orthogonal to all others."""
    numbers = list(people)
    return Detections(
        boxes=np.array(list(people.values()), np.float32).reshape(-1, 4),
        scores=np.full(len(people), 0.75, np.float32),
        embeddings=np.eye(DIM, dtype=np.float32)[numbers].reshape(-1, DIM),
        image_size=(size[1], size[0]),
    )


def picture(path: Path, seed: int = 0, size: tuple[int, int] = SIZE) -> dict[str, Any]:
    """Write a picture; return the extra that indexing stores with its scene."""
    noise = np.random.default_rng(seed).integers(0, 255, (size[1] // 8, size[0] // 8, 3), dtype=np.uint8)
    Image.fromarray(noise).resize(size).save(path)
    return extra_of(path)


def extra_of(path: Path) -> dict[str, Any]:
    """Return what indexing stores with a scene of a file."""
    return {"path": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def box_at(x: float, y: float = 4.0) -> Box:
    """Return a person's box, 12 by 40 pixels."""
    return (x, y, x + 12, y + 40)


def gallery_of(
    folder: Path, scenes: Sequence[tuple[str, str | None, float | None, Mapping[int, Box]]], *, grouped: bool = True
) -> Gallery:
    """Return a gallery of scenes: name of the file, camera, time, people. Its people are grouped by their numbers."""
    folder.mkdir(exist_ok=True)
    gallery = Gallery.open(folder / "gallery", spec())
    for number, (name, camera, time, people) in enumerate(scenes):
        extra = picture(folder / name, number)
        gallery.add(name, seen(people), camera=camera, time=time, extra=extra)
    if grouped:
        gallery.people.group(min_similarity=0.9)
    return gallery


def three_people(folder: Path) -> Gallery:
    """Return a gallery of five scenes of two cameras, with one scene that shows nobody."""
    return gallery_of(
        folder,
        [
            ("a.jpg", "door", 10.0, {0: box_at(4), 1: box_at(40)}),
            ("b.png", "door", 20.0, {0: box_at(8)}),
            ("c.jpg", "yard", 15.0, {1: box_at(20.5), 2: box_at(60.25)}),
            ("d.jpg", "yard", 30.0, {2: box_at(70)}),
            ("e.jpg", "yard", 40.0, {}),
        ],
    )
