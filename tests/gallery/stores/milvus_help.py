"""Records for the tests of Milvus."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from personsearch.gallery.rows import ImageRow, unit
from personsearch.gallery.stores.engine import PersonRecord, SceneRecord, person_records
from personsearch.results import Detections
from tests.gallery import toy


def scene(
    image_id: str, *, camera: str | None = None, time: float | None = None, extra: str = "{}", added: int = 1
) -> SceneRecord:
    """Return a scene without people."""
    return SceneRecord.of(ImageRow(0, image_id, camera, time, 200, 100, extra, bytes(range(32))), 5, 0, added)


def person(number: int, *, image_id: str = "a", camera: str | None = None, time: float | None = None) -> PersonRecord:
    """Return somebody, the same for the same number."""
    return replace(people(image_id, 1, seed=number)[0], camera=camera, time=time)


def people(
    image_id: str,
    count: int,
    *,
    seed: int = 0,
    camera: str | None = None,
    time: float | None = None,
    dim: int = toy.DIM,
    looks: int = 0,
) -> list[PersonRecord]:
    """Return the people of a scene, who gather around so many looks, if any."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, dim)).astype(np.float32)
    if looks:
        vectors = 0.3 * vectors + rng.normal(size=(looks, dim)).astype(np.float32)[rng.integers(looks, size=count)]
    detections = Detections(
        boxes=np.tile(np.array([1.5, 2.0, 30.25, 60.0], np.float32), (count, 1)),
        scores=rng.uniform(size=count).astype(np.float32),
        embeddings=vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        image_size=(100, 200),
    )
    return person_records(ImageRow(0, image_id, camera, time, 200, 100, "{}", bytes(32)), detections)


def vectors(records: Iterable[PersonRecord]) -> np.ndarray:
    """Return the embeddings (N, D) float32 of people, unit length."""
    return unit(np.stack([np.frombuffer(one.embedding, np.float16) for one in records]).astype(np.float32))
