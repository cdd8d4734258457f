"""Small random worlds for property tests, in which all arithmetic is exact, so that ties are ties."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from personsearch import Detections
from personsearch.datasets import Dataset, GalleryList, Query
from tests.evaluation import toy

STEP = 128  # embeddings are multiples of 1/128: their products and sums are exact in float32
PLACES = [
    [x, y, x + w, y + h] for x in (0.0, 4, 40) for y in (0.0, 6) for w, h in ((20, 40), (20, 20), (14, 36), (6, 9))
]


def vectors(rng: np.random.Generator, count: int, dim: int = 4) -> np.ndarray:
    rows = rng.normal(size=(count, dim))
    return (np.round(rows / np.linalg.norm(rows, axis=1, keepdims=True) * STEP) / STEP).astype(np.float32)


def world(
    seed: int, *, lists: bool, ties: bool = True, repeats: bool = True
) -> tuple[Dataset, dict[str, Detections], np.ndarray]:
    """Return a set, its detections and the embeddings of its queries.

    Every person occurs in several images; some images have no detections, some no entry.
    """
    rng = np.random.default_rng(seed)
    palette = vectors(rng, 5)
    scenes, detections = [], {}
    for number in range(rng.integers(3, 7)):
        count = rng.integers(0, 4)
        boxes = [PLACES[i] for i in rng.choice(len(PLACES), count, replace=False)]
        identities = rng.choice([-1, 0, 1], count, replace=repeats).tolist()
        name = f"s{number}"
        one = toy.scene(name, boxes, identities, camera=f"c{rng.integers(2)}")
        scenes.append(toy.as_read(one) if seed % 2 else one)
        if rng.random() < 0.85:
            count = rng.integers(0, 6)
            places = PLACES + boxes * 8  # most are on somebody
            # without ties all vectors differ; with ties a few are drawn repeatedly
            rows = palette[rng.integers(len(palette), size=count)] if ties else vectors(rng, count, 16)
            detections[name] = Detections(
                boxes=_boxes(rng, places, count, jitter=0 if ties else 0.5),
                scores=(rng.integers(1, 17, size=count) / 16).astype(np.float32),
                embeddings=rows,
                image_size=(100, 100),
            )
    queries = []
    for _ in range(rng.integers(1, 4)):
        own = scenes[rng.integers(len(scenes))]
        identity = int(rng.integers(2))
        queries.append(
            Query(
                image_id=own.image_id,
                box=np.array(PLACES[rng.integers(len(PLACES))], np.float32),
                identity=identity,
                gallery=_list(rng, scenes, identity) if lists else None,
            )
        )
    embeddings = palette[rng.integers(len(palette), size=len(queries))] if ties else vectors(rng, len(queries), 16)
    return toy.dataset(scenes, *queries), detections, embeddings


def _boxes(rng: np.random.Generator, places: list, count: int, jitter: float) -> np.ndarray:
    boxes = np.array([places[i] for i in rng.integers(len(places), size=count)], np.float32).reshape(-1, 4)
    return (boxes + rng.uniform(-jitter, jitter, boxes.shape)).astype(np.float32)


def _list(rng: np.random.Generator, scenes: list, identity: int) -> GalleryList:
    chosen = rng.integers(len(scenes), size=rng.integers(2, len(scenes) + 2))  # some twice
    boxes = []
    for number in chosen:
        rows = np.flatnonzero(scenes[number].identities == identity)
        boxes.append(scenes[number].boxes[rng.choice(rows)].tolist() if len(rows) else [np.nan] * 4)
    return GalleryList(
        image_ids=tuple(scenes[number].image_id for number in chosen), boxes=np.array(boxes, np.float32).reshape(-1, 4)
    )


def seeds() -> st.SearchStrategy[int]:
    return st.integers(0, 2**32 - 1)
