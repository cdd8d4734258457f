"""Drives a searcher over an annotated set: detections and query embeddings once, then the protocols."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from personsearch.datasets.scene import Query, Scene
from personsearch.evaluation.detection import DetectionResult, evaluate_detection
from personsearch.evaluation.search import SearchResult, evaluate_search
from personsearch.progress import Progress
from personsearch.results import Detections, Floats

if TYPE_CHECKING:
    from personsearch.searcher import PersonSearcher


@dataclass(frozen=True, kw_only=True)
class Report:
    """Figures of one set under one preset, with what produced them.

    Attributes:
        preset: name of the protocol.
        weights: fingerprint of the weights.
        scenes: in the gallery.
        queries: people looked for.
        detection: AP and recall.
        search: mAP and top-k.
    """

    preset: str
    weights: str
    scenes: int
    queries: int
    detection: DetectionResult
    search: SearchResult

    def figures(self) -> dict[str, float]:
        """Return the figures that tables show, as fractions."""
        top = {f"top{k}": value for k, value in self.search.top.items()}
        return {
            "AP": self.detection.ap,
            "recall": self.detection.recall,
            "mAP": self.search.mean_average_precision,
            **top,
        }


def detect_all(
    searcher: PersonSearcher, scenes: Sequence[Scene], *, batch_size: int = 4, progress: bool | None = None
) -> dict[str, Detections]:
    """Return the detections of every scene by image_id."""

    def paths() -> Iterator[str]:
        for scene in scenes:
            yield str(scene.path)

    found = {}
    with Progress(total=len(scenes), label="scenes", shown=progress) as bar:
        for scene, detections in zip(scenes, searcher.stream(paths(), batch_size=batch_size), strict=True):
            found[scene.image_id] = detections
            bar.advance()
    return found


def embed_queries(
    searcher: PersonSearcher, scenes: Sequence[Scene], queries: Sequence[Query], *, progress: bool | None = None
) -> Floats:
    """Return (Q, D) embeddings of the queries' boxes, pooled from their whole scenes."""
    paths = {scene.image_id: scene.path for scene in scenes}
    by_scene: dict[str, list[int]] = {}
    for row, query in enumerate(queries):
        by_scene.setdefault(query.image_id, []).append(row)
    embeddings = np.zeros((len(queries), searcher.spec.embedding_size), dtype=np.float32)
    with Progress(total=len(by_scene), label="queries", shown=progress) as bar:
        for image_id, rows in by_scene.items():
            embeddings[rows] = searcher.embed_boxes(paths[image_id], np.stack([queries[row].box for row in rows]))
            bar.advance()
    return embeddings


def evaluate_searcher(
    searcher: PersonSearcher, scenes: Sequence[Scene], queries: Sequence[Query], *, progress: bool | None = None
) -> Report:
    """Measure a searcher on a set under the community protocol (preset ``standard``)."""
    detections = detect_all(searcher, scenes, progress=progress)
    embeddings = embed_queries(searcher, scenes, queries, progress=progress)
    return Report(
        preset="standard",
        weights=searcher.spec.fingerprint,
        scenes=len(scenes),
        queries=len(queries),
        detection=evaluate_detection(detections, scenes),
        search=evaluate_search(detections, scenes, queries, embeddings),
    )
