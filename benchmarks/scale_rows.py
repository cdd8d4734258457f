"""The people of the load test in ``scale.py``: made up, the same ones every time, whatever part of them is asked for.

Embeddings gather around identities, and identities around looks: a row is ``look + 0.8 * identity + 0.6 * view``, each
drawn from a normal distribution, brought to unit length. So two views of one identity have a similarity of about 0.82,
two identities of one look 0.5 and any others 0. There are 1,000 looks; an identity is seen 20 times, within one block
of 40,000 people, which follow each other in time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from personsearch.people import NewScene
from personsearch.results import Detections, Match

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

PER_SCENE = 8
SEEN = 20
BLOCK = 40_000
LOOKS = 1000
IDENTITY, VIEW = 0.8, 0.6
CAMERAS = 10
#: Seconds over which the scenes are spread: ten days.
SPAN = 10 * 86400.0
QUERIES = 200
WANTED = 10


@dataclass(frozen=True)
class Crowd:
    """Made-up people.

    Attributes:
        people: how many; a multiple of PER_SCENE.
        dim: length of an embedding.
    """

    people: int
    dim: int

    @property
    def scenes(self) -> int:
        """How many scenes show them."""
        return self.people // PER_SCENE

    def blocks(self, first: int = 0) -> Iterator[tuple[int, Floats]]:
        """Yield the number of a block's first person, and the block (n, dim) float32 of unit length."""
        for number in range(first, -(-self.people // BLOCK)):
            start = number * BLOCK
            count = min(BLOCK, self.people - start)
            rng = np.random.default_rng([1, number])
            identities = self._identities(number)
            whose = rng.permutation(np.arange(count) % len(identities))
            yield start, _unit(identities[whose] + VIEW * rng.standard_normal((count, self.dim), dtype=np.float32))

    def _identities(self, number: int) -> Floats:
        looks = _looks(self.dim)
        rng = np.random.default_rng([2, number])
        count = max(min(BLOCK, self.people - number * BLOCK) // SEEN, 1)
        own = rng.standard_normal((count, self.dim), dtype=np.float32)
        return looks[rng.integers(LOOKS, size=count)] + np.float32(IDENTITY) * own

    def queries(self) -> Floats:
        """Return QUERIES new views (Q, dim) of identities from everywhere."""
        rng = np.random.default_rng(3)
        blocks = -(-self.people // BLOCK)
        views = []
        for number in np.sort(rng.integers(blocks, size=QUERIES)):
            identities = self._identities(int(number))
            view = VIEW * rng.standard_normal(self.dim, dtype=np.float32)
            views.append(identities[rng.integers(len(identities))] + view)
        return _unit(np.stack(views))

    def batches(self, size: int, first: int = 0) -> Iterator[list[NewScene]]:
        """Yield the scenes from a number on, ``size`` at a time."""
        boxes = np.array([[100 * rank, 20, 100 * rank + 50, 150] for rank in range(PER_SCENE)], np.float32)
        scores = np.full(PER_SCENE, 0.9, np.float32)
        batch: list[NewScene] = []
        for start, rows in self.blocks(first * PER_SCENE // BLOCK):
            for place in range(0, len(rows), PER_SCENE):
                number = (start + place) // PER_SCENE
                if number < first:
                    continue
                people = Detections(
                    boxes=boxes, scores=scores, embeddings=rows[place : place + PER_SCENE], image_size=(540, 960)
                )
                camera, time = f"camera {number % CAMERAS}", SPAN * number / self.scenes
                batch.append(NewScene(image_id=f"{number:09}.jpg", detections=people, camera=camera, time=time))
                if len(batch) == size:
                    yield batch
                    batch = []
        if batch:
            yield batch

    def nearest(self, queries: Floats) -> Ints:
        """Return the numbers (Q, WANTED) of the people nearest to each query, in any order: numpy compares with all."""
        best = np.full((len(queries), WANTED), -np.inf, np.float32)
        ids = np.full((len(queries), WANTED), -1, np.int64)
        for start, rows in self.blocks():
            stored = _unit(rows.astype(np.float16).astype(np.float32))  # as a gallery stores and compares them
            near = np.concatenate([best, queries @ stored.T], axis=1)
            numbers = np.concatenate([ids, np.tile(start + np.arange(len(rows)), (len(queries), 1))], axis=1)
            top = np.argpartition(-near, WANTED - 1, axis=1)[:, :WANTED]
            best, ids = np.take_along_axis(near, top, 1), np.take_along_axis(numbers, top, 1)
        return ids


@cache
def _looks(dim: int) -> Floats:
    return np.random.default_rng(0).standard_normal((LOOKS, dim), dtype=np.float32)


def number_of(match: Match) -> int:
    """Return which of the people a match is."""
    return int(match.image_id.removesuffix(".jpg")) * PER_SCENE + int(match.box[0]) // 100


def _unit(rows: Floats) -> Floats:
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows
