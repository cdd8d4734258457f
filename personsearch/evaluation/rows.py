"""The detections of a gallery as one table, and the embeddings that are searched for in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from personsearch.boxes import box_iou
from personsearch.datasets.dataset import Dataset
from personsearch.datasets.scene import Query
from personsearch.errors import DatasetError
from personsearch.evaluation.rules import Rules
from personsearch.results import Detections, Floats, is_unit


@dataclass(frozen=True, eq=False, kw_only=True)
class GalleryRows:
    """N detections, scene by scene, each scene's in the order of its detections.

    Attributes:
        embeddings: (N, D) float32, unit length.
        scores: (N,) float32.
        boxes: (N, 4) float32 xyxy.
        scene: (N,) int64, never falling, index into ``names``.
        names: image_ids of all S scenes, including those without detections.
    """

    embeddings: Floats
    scores: Floats
    boxes: Floats
    scene: NDArray[np.int64]
    names: tuple[str, ...]

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """(S + 1,) int64: scene s has rows ``starts[s]`` up to ``starts[s + 1]``."""
        return np.searchsorted(self.scene, np.arange(len(self.names) + 1)).astype(np.int64)

    @classmethod
    def of(
        cls, detections: Mapping[str, Detections], image_ids: Sequence[str], score_threshold: float = 0.0
    ) -> GalleryRows:
        """Put the detections of some images into one table.

        Args:
            detections: by image_id; an image without an entry has none, and entries of other images are ignored.
            image_ids: the images, in the order of the table.
            score_threshold: detections of lower score are left out.

        Raises:
            DatasetError: no entry is of these images; a box, score or embedding is NaN; or embeddings are not of unit
                length or differ in size.
        """
        if detections and image_ids and not any(name in detections for name in image_ids):
            raise DatasetError(
                f"no detections are of the set's images: entries have names like {next(iter(detections))!r}, images "
                f"like {image_ids[0]!r}; give the detections by image_id"
            )
        kept: list[Detections] = []
        counts = np.zeros(len(image_ids), dtype=np.int64)
        for number, name in enumerate(image_ids):
            people = detections.get(name)
            if people is None or not len(people):
                continue
            enough = people.scores >= score_threshold
            _require_sound(name, people)
            kept.append(people if enough.all() else people[enough])
            counts[number] = len(kept[-1])
        sizes = {people.embeddings.shape[1] for people in kept}
        if len(sizes) > 1:
            raise DatasetError(f"embeddings have different sizes: {sorted(sizes)}; they must come from one network")
        dim = sizes.pop() if sizes else 0
        return cls(
            embeddings=_joined([people.embeddings for people in kept], (0, dim)),
            scores=_joined([people.scores for people in kept], (0,)),
            boxes=_joined([people.boxes for people in kept], (0, 4)),
            scene=np.repeat(np.arange(len(image_ids)), counts),
            names=tuple(image_ids),
        )


def gallery_rows(detections: Mapping[str, Detections], dataset: Dataset, rules: Rules) -> GalleryRows:
    """Return the table that :func:`evaluate_search` ranks; a ranker's row numbers are rows of it."""
    listed = any(query.gallery is not None for query in dataset.queries)
    names = [scene.image_id for scene in dataset.scenes]
    return GalleryRows.of(detections, names, rules.search_threshold(listed=listed))


def query_rows(
    detections: Mapping[str, Detections], queries: Sequence[Query], embeddings: Floats, rules: Rules
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the embeddings that the rules search for.

    Args:
        detections: by image_id, including the queries' images.
        queries: Q people.
        embeddings: (Q, D) of the queries' boxes.
        rules: the protocol: whether to search for the boxes or for the detections nearest to them.

    Returns:
        (Q, D) float32 embeddings, and (Q,) bool: False where there is no detection to take one from.

    Raises:
        DatasetError: the embeddings do not match the queries, or are not of unit length.
    """
    if embeddings.ndim != 2 or len(embeddings) != len(queries):
        raise DatasetError(f"query embeddings must be ({len(queries)}, D), one per query, got {embeddings.shape}")
    query_vectors = np.array(embeddings, dtype=np.float32)
    there = np.ones(len(queries), dtype=bool)
    if rules.query_feature == "detection":
        for number, query in enumerate(queries):
            people = detections.get(query.image_id)
            there[number] = people is not None and len(people) > 0
            if people is not None and len(people):
                wider = np.array([0, 0, 1, 1])  # pixels counted inclusively: every side is one longer
                nearest = box_iou(people.boxes + wider, query.box[None] + wider)[:, 0].argmax()
                query_vectors[number] = people.embeddings[nearest]
    bad = np.flatnonzero(there & ~is_unit(query_vectors))
    if len(bad):
        raise DatasetError(
            f"the embedding of query {bad[0]} (in {queries[bad[0]].image_id!r}) is not of unit length; similarity is "
            "the dot product of unit vectors: divide each embedding by its length"
        )
    return query_vectors, there


def _joined(parts: list[Floats], empty: tuple[int, ...]) -> Floats:
    return np.concatenate([np.zeros(empty, np.float32), *parts]).astype(np.float32, copy=False)


def _require_sound(name: str, people: Detections) -> None:
    if not np.isfinite(people.boxes).all() or not np.isfinite(people.scores).all():
        raise DatasetError(f"{name}: a detection's box or score is not a finite number; check the detector's output")
    bad = np.flatnonzero(~is_unit(people.embeddings))
    if len(bad):
        raise DatasetError(
            f"{name}: the embedding of detection {bad[0]} is not of unit length; similarity is the dot product of unit "
            "vectors: divide each embedding by its length"
        )
