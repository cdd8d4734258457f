"""What a searcher saw of a data set: all that protocols need, so that a second protocol costs no network time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personsearch.datasets.dataset import Dataset
from personsearch.errors import ConfigError
from personsearch.results import Detections, Floats

_NO_BOXES = np.zeros((0, 4), dtype=np.float32)


@dataclass(frozen=True, eq=False, kw_only=True)
class Observations:
    """Detections and embedded boxes of scenes, as one searcher saw them.

    They depend on neither identities nor cameras, nor on which of the boxes are queries: a relabelled set, or other
    queries among the same boxes, need no second look.

    Attributes:
        weights: fingerprint of the weights.
        detections: by image_id, down to a low score, so that each protocol can set its own threshold.
        boxes: by image_id, the (K, 4) float32 xyxy boxes that were embedded beside the detections.
        embeddings: by image_id, the (K, D) float32 unit-length embeddings of those boxes, pooled from the whole scene.
        seconds: how long the network took, even where the observations come from a cache; None = unknown.
        computed_on: device and dtype, e.g. ``cpu float32``.
    """

    weights: str
    detections: Mapping[str, Detections]
    boxes: Mapping[str, Floats]
    embeddings: Mapping[str, Floats]
    seconds: float | None = None
    computed_on: str = ""

    @property
    def embedding_size(self) -> int:
        """Length of an embedding; 0 where nothing was embedded."""
        return next((rows.shape[1] for rows in self.embeddings.values()), 0)

    def queries(self, dataset: Dataset) -> Floats:
        """Return (Q, D) float32: the embedding of each query's box.

        Raises:
            ConfigError: a query's box was not embedded.
        """
        rows = np.zeros((len(dataset.queries), self.embedding_size), dtype=np.float32)
        for number, query in enumerate(dataset.queries):
            rows[number] = self._embedded(query.image_id, query.box[None], dataset.name)[0]
        return rows

    def people(self, dataset: Dataset) -> dict[str, Floats]:
        """Return by image_id (N, D) float32: the embeddings of a scene's annotated boxes, ignored ones included.

        Raises:
            ConfigError: an annotated box was not embedded.
        """
        return {scene.image_id: self._embedded(scene.image_id, scene.boxes, dataset.name) for scene in dataset.scenes}

    def _embedded(self, image_id: str, boxes: Floats, dataset: str) -> Floats:
        rows = box_rows(self.boxes.get(image_id, _NO_BOXES), boxes)
        if (rows < 0).any():
            raise ConfigError(
                f"the observations are not of {dataset} as it is now: a box in {image_id!r} was not embedded; "
                "observe the set again"
            )
        if not len(rows):
            return np.zeros((0, self.embedding_size), dtype=np.float32)
        return np.asarray(self.embeddings[image_id][rows])


def box_rows(known: Floats, boxes: Floats) -> NDArray[np.int64]:
    """Return (N,) int64: the first row of ``known`` (K, 4) that equals each of the boxes (N, 4); -1 = none does."""
    if not len(known) or not len(boxes):
        return np.full(len(boxes), -1, dtype=np.int64)
    equal = (known[None] == boxes[:, None]).all(axis=2)
    return np.where(equal.any(axis=1), equal.argmax(axis=1), -1)
