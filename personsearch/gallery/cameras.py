"""A gallery without camera bias, in memory; ``docs/queries.md`` says what it gains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personsearch.camera_bias import camera_biases, without_bias
from personsearch.errors import GalleryError
from personsearch.gallery.index import Index, exact_index
from personsearch.gallery.rows import unit
from personsearch.gallery.store import Store

#: Embeddings that are corrected at a time, in double precision.
PART = 4096


@dataclass(frozen=True, eq=False)
class Correction:
    """A gallery without camera bias.

    Attributes:
        index: the corrected embeddings of all people.
        biases: (C, D) float64, what is subtracted, by number of the camera; 0 = unknown, from which nothing is.
        numbers: camera -> number.
    """

    index: Index
    biases: NDArray[np.float64]
    numbers: Mapping[str | None, int]

    def apply(self, vectors: NDArray[np.floating], cameras: Sequence[str | None]) -> NDArray[np.float64]:
        """Return embeddings (N, D) without the bias of their cameras, unit length; an unknown camera has none."""
        return without_bias(vectors, self.biases[[self.numbers.get(camera, 0) for camera in cameras]])

    def require(self, camera: str | None) -> None:
        """Refuse a query's camera that no scene has.

        Raises:
            GalleryError: names the cameras there are.
        """
        if camera is not None and camera not in self.numbers:
            known = ", ".join(sorted(name for name in self.numbers if name is not None)) or "none"
            raise GalleryError(
                f"no scene here has the query's camera {camera!r}, only {known}; if it is another one, leave it out"
            )


def correction(
    store: Store, ids: NDArray[np.int64], cameras: NDArray[np.int64], numbers: Mapping[str | None, int], weight: float
) -> Correction:
    """Compute a gallery without camera bias from the database; call inside ``store.snapshot()``.

    Args:
        store: of the gallery.
        ids: (N,) detection_ids of everybody, rising.
        cameras: (N,) the number of each one's camera; 0 = unknown.
        numbers: camera -> number.
        weight: of what is subtracted, 0..1.
    """
    vectors = np.zeros((len(ids), store.embedding_size), np.float32)
    start = 0
    for people in store.people(0):
        vectors[start : start + len(people)] = unit(store.vectors(people))
        start += len(people)
    biases = weight * camera_biases(vectors, cameras, len(numbers))
    biases[0] = 0
    index = exact_index(store.embedding_size, len(ids))
    for first in range(0, len(ids), PART):
        part = slice(first, first + PART)
        index.add(ids[part], without_bias(vectors[part], biases[cameras[part]]).astype(np.float32))
    return Correction(index, biases, dict(numbers))
