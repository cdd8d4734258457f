"""Scenes whose content follows from their name: what any process may expect to find in a toy gallery."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from personsearch import Detections

DIM = 16


@dataclass(frozen=True)
class Spec:
    """Stands for a searcher's spec."""

    name: str = "toy"
    fingerprint: str = "f" * 64
    embedding_size: int = DIM


def people(n: int, seed: int) -> Detections:
    """Return n made-up people, the same for the same seed."""
    rng = np.random.default_rng(seed)
    embeddings = rng.normal(size=(n, DIM)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    boxes = np.array([[i, seed % 1000, i + 10, seed % 1000 + 30] for i in range(n)], np.float32).reshape(-1, 4)
    return Detections(boxes=boxes, scores=np.full(n, 0.75, np.float32), embeddings=embeddings, image_size=(100, 200))


def scene(name: str) -> Detections:
    """Return the people of a scene: none to six, by its name."""
    seed = zlib.crc32(name.encode())
    return people(seed % 7, seed)
