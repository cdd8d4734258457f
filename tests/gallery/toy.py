"""Scenes whose content follows from their name, so that any process knows what a toy gallery must hold."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from personsearch import Detections
from personsearch.gallery import index as index_module
from personsearch.gallery import upkeep as upkeep_module
from personsearch.results import Spec

DIM = 16


def spec(*, fingerprint: str = "f" * 64, revision: str | None = None, fast_decode: bool = False) -> Spec:
    """Return the spec of weights that make toy embeddings."""
    return Spec(name="toy", revision=revision, fingerprint=fingerprint, embedding_size=DIM, fast_decode=fast_decode)


def unit_rows(count: int, dim: int, seed: int, *, spread: float = 1.0, centres: int = 0) -> np.ndarray:
    """Return random directions (count, dim) float32; with ``centres``, gathered around that many of them."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, dim)) * spread
    if centres:
        rows += rng.normal(size=(centres, dim))[rng.integers(centres, size=count)]
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@contextmanager
def searched_with(library: str) -> Iterator[None]:
    """Search with ``"numpy"`` alone; with anything else by faiss, without which the test is skipped."""
    if library != "numpy":
        pytest.importorskip("faiss")
    with pytest.MonkeyPatch.context() as patch:
        if library == "numpy":
            for module in (index_module, upkeep_module):
                patch.setattr(module, "faiss_module", lambda: None)
        yield


def people(n: int, seed: int) -> Detections:
    """Return n made-up people, the same for the same seed."""
    rng = np.random.default_rng(seed)
    embeddings = rng.normal(size=(n, DIM)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    boxes = np.array([[i, seed % 1000, i + 10, seed % 1000 + 30] for i in range(n)], np.float32).reshape(-1, 4)
    return Detections(boxes=boxes, scores=np.full(n, 0.75, np.float32), embeddings=embeddings, image_size=(100, 200))


def scene(name: str) -> Detections:
    """Return the people of a scene: zero to six of them, by its name."""
    seed = zlib.crc32(name.encode())
    return people(seed % 7, seed)
