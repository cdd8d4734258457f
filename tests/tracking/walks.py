"""Made-up people who walk before a camera: boxes, and embeddings that are theirs but for some noise."""

from __future__ import annotations

import numpy as np

from personsearch.results import Detections
from personsearch.tracking import Frame

DIM = 32
SIZE = (480, 640)


def looks(person: int) -> np.ndarray:
    """Return what a person looks like: (DIM,) float64, unit length, nearly at right angles to all others."""
    row = np.random.default_rng(1000 + person).normal(size=DIM)
    return row / np.linalg.norm(row)


def frame(
    seconds: float,
    people: dict[int, tuple[float, float]],
    *,
    height: float = 160.0,
    noise: float = 0.05,
    sharpness: dict[int, float] | None = None,
) -> Frame:
    """Return a frame: person -> x and y of the middle of the box, which is 0.4 times as wide as tall."""
    rng = np.random.default_rng(int(seconds * 1000) + 7)
    boxes, embeddings = [], []
    for person, (x, y) in people.items():
        boxes.append([x - 0.2 * height, y - height / 2, x + 0.2 * height, y + height / 2])
        row = looks(person) + noise * rng.normal(size=DIM)
        embeddings.append(row / np.linalg.norm(row))
    return Frame(
        image_id=f"{seconds:.3f}",
        seconds=seconds,
        detections=Detections(
            boxes=np.array(boxes, np.float32).reshape(-1, 4),
            scores=np.full(len(boxes), 0.9, np.float32),
            embeddings=np.array(embeddings, np.float32).reshape(-1, DIM),
            image_size=SIZE,
        ),
        sharpness=None if sharpness is None else np.array([sharpness[one] for one in people], np.float32),
    )
