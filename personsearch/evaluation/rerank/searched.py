"""What re-ranking methods work from: a gallery, the queries, and the people beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personsearch.boxes import box_iou
from personsearch.datasets.dataset import Dataset
from personsearch.datasets.scene import Query
from personsearch.errors import DatasetError
from personsearch.evaluation.rows import GalleryRows, gallery_rows
from personsearch.evaluation.rules import PRESETS, Rules
from personsearch.results import Detections, Floats

#: A detection with at least this IoU with the query's box is the query's person.
SAME_BOX = 0.5


@dataclass(frozen=True, eq=False, kw_only=True)
class Searched:
    """A gallery and Q queries.

    Attributes:
        rows: the gallery, as ``evaluate_search`` ranks it.
        queries: (Q, D) float32, unit length.
        companions: for each query (M, D), the other people detected in its scene, by falling score.
        cameras: (N,) int64, the camera of each row, from 0; -1 = unknown.
        query_cameras: (Q,) int64, the camera of each query's scene.
    """

    rows: GalleryRows
    queries: Floats
    companions: tuple[Floats, ...]
    cameras: NDArray[np.int64]
    query_cameras: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        detections: Mapping[str, Detections],
        dataset: Dataset,
        query_embeddings: Floats,
        rules: Rules = PRESETS["standard"],
    ) -> Searched:
        """Gather them from what ``evaluate_search`` takes.

        Args:
            detections: by image_id, including the queries' scenes; a scene without an entry has no companions.
            dataset: scenes and queries.
            query_embeddings: (Q, D) float32, unit length.
            rules: the protocol; its score threshold applies to companions too.

        Raises:
            DatasetError: there is not one embedding per query.
        """
        if len(query_embeddings) != len(dataset.queries):
            raise DatasetError(
                f"{len(query_embeddings)} query embeddings for {len(dataset.queries)} queries; give one for each"
            )
        size = query_embeddings.shape[1] if query_embeddings.ndim == 2 else 0
        rows, numbers = gallery_rows(detections, dataset, rules), _camera_numbers(dataset)
        return cls(
            rows=rows,
            queries=query_embeddings,
            companions=tuple(
                _companions(detections.get(query.image_id), query, rules.score_threshold, size)
                for query in dataset.queries
            ),
            cameras=np.array([numbers[name] for name in rows.names], np.int64)[rows.scene],
            query_cameras=np.array([numbers.get(query.image_id, -1) for query in dataset.queries], np.int64),
        )

    def similarity(self, query: int, allowed: NDArray[np.int64]) -> Floats:
        """Return the plain similarities (A,) of some rows to a query."""
        return self.products(self.queries[query], allowed)

    def products(self, vectors: Floats, allowed: NDArray[np.int64]) -> Floats:
        """Return the dot products of some rows with a vector (D,) or several (M, D): (A,) or (A, M)."""
        embeddings = self.rows.embeddings
        if 2 * len(allowed) > len(embeddings):  # copying most of the rows costs more than multiplying them all
            return np.asarray((embeddings @ vectors.T)[allowed])
        return np.asarray(embeddings[allowed] @ vectors.T)


def _camera_numbers(dataset: Dataset) -> dict[str, int]:
    """Return image_id -> a number for its camera, from 0; -1 = unknown."""
    known = {name: number for number, name in enumerate(sorted({str(s.camera) for s in dataset.scenes if s.camera}))}
    return {scene.image_id: -1 if scene.camera is None else known.get(scene.camera, -1) for scene in dataset.scenes}


def _companions(people: Detections | None, query: Query, score_threshold: float, size: int) -> Floats:
    if people is None:
        return np.zeros((0, size), np.float32)
    beside = (box_iou(people.boxes, query.box[None])[:, 0] < SAME_BOX) & (people.scores >= score_threshold)
    rows = np.flatnonzero(beside)
    embeddings: Floats = people.embeddings[rows[np.argsort(-people.scores[rows], kind="stable")]]
    return embeddings
