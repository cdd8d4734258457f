"""Drives a searcher over an annotated set: detections and query embeddings once, then the protocols."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from personsearch.datasets.dataset import Accounting, Dataset
from personsearch.datasets.scene import Query, Scene
from personsearch.evaluation.baselines import colour_histogram
from personsearch.evaluation.detection import DetectionResult, evaluate_detection
from personsearch.evaluation.search import SearchResult, evaluate_search
from personsearch.images import load_image
from personsearch.models import build
from personsearch.progress import Progress
from personsearch.results import Detections, Floats

if TYPE_CHECKING:
    from personsearch.searcher import PersonSearcher

#: Embeds boxes (N, 4) of the image at a path as (N, D) unit-length vectors.
Embed = Callable[[Path, Floats], Floats]


@dataclass(frozen=True, kw_only=True)
class Report:
    """Figures of one set under one preset, with what produced them.

    Attributes:
        name: what was measured.
        preset: name of the protocol.
        weights: fingerprint of the weights.
        scenes: in the gallery.
        queries: people looked for.
        detection: AP and recall.
        search: mAP and top-k.
    """

    name: str
    preset: str
    weights: str
    scenes: int
    queries: int
    detection: DetectionResult
    search: SearchResult

    def figures(self) -> dict[str, float]:
        """Return the figures that tables show, as fractions."""
        return figures_of(self.detection, self.search)


def figures_of(detection: DetectionResult, search: SearchResult) -> dict[str, float]:
    """Return the figures that tables show, as fractions."""
    top = {f"top{k}": value for k, value in search.top.items()}
    return {"AP": detection.ap, "recall": detection.recall, "mAP": search.mean_average_precision, **top}


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
    embed: Embed, scenes: Sequence[Scene], queries: Sequence[Query], *, progress: bool | None = None
) -> Floats:
    """Return (Q, D) embeddings of the queries' boxes, each pooled from its whole scene."""
    paths = {scene.image_id: scene.path for scene in scenes}
    by_scene: dict[str, list[int]] = {}
    for row, query in enumerate(queries):
        by_scene.setdefault(query.image_id, []).append(row)
    embeddings: dict[int, Floats] = {}
    with Progress(total=len(by_scene), label="queries", shown=progress) as bar:
        for image_id, rows in by_scene.items():
            found = embed(paths[image_id], np.stack([queries[row].box for row in rows]))
            embeddings.update(zip(rows, found, strict=True))
            bar.advance()
    return np.stack([embeddings[row] for row in range(len(queries))])


def evaluate_searcher(
    searcher: PersonSearcher, scenes: Sequence[Scene], queries: Sequence[Query], *, progress: bool | None = None
) -> Report:
    """Measure a searcher on a set under the community protocol (preset ``standard``)."""
    [report] = compare(searcher, scenes, queries, progress=progress)
    return report


def compare(
    searcher: PersonSearcher,
    scenes: Sequence[Scene],
    queries: Sequence[Query],
    *,
    baselines: bool = False,
    progress: bool | None = None,
) -> list[Report]:
    """Measure a searcher and, on its very detections, two re-identifiers that learnt nothing.

    Args:
        searcher: the weights in question.
        scenes: the whole gallery.
        queries: whom to look for.
        baselines: also the embeddings of the same network before training, and colour histograms.
        progress: None = a bar on a terminal.

    Returns:
        The searcher's report first.
    """
    detections = detect_all(searcher, scenes, progress=progress)
    paths = {scene.image_id: scene.path for scene in scenes}
    nothing = Accounting(rows=0, kept=0)
    dataset = Dataset(name="", scenes=tuple(scenes), queries=tuple(queries), accounting=nothing)

    def report(name: str, embed: Embed | None) -> Report:
        found = detections if embed is None else _embedded_anew(detections, paths, embed, name, progress)
        looked_for = embed_queries(embed or searcher.embed_boxes, scenes, queries, progress=progress)
        return Report(
            name=name,
            preset="standard",
            weights=searcher.spec.fingerprint,
            scenes=len(scenes),
            queries=len(queries),
            detection=evaluate_detection(found, scenes),
            search=evaluate_search(found, dataset, looked_for),
        )

    reports = [report(searcher.spec.name, None)]
    if baselines:
        reports.append(report("same network, untrained", untrained(searcher).embed_boxes))
        reports.append(report("colour histogram", lambda path, boxes: colour_histogram(load_image(path), boxes)))
    return reports


def untrained(searcher: PersonSearcher) -> PersonSearcher:
    """Return a searcher of the same architecture with the random weights of seed 0."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build(searcher.config)
    return type(searcher)(network, device=searcher.device, dtype="float32")


def _embedded_anew(
    detections: dict[str, Detections], paths: dict[str, Path], embed: Embed, name: str, progress: bool | None
) -> dict[str, Detections]:
    """Give detections the embeddings of another re-identifier."""
    found = {}
    with Progress(total=len(detections), label=name, shown=progress) as bar:
        for image_id, people in detections.items():
            found[image_id] = replace(people, embeddings=embed(paths[image_id], people.boxes))
            bar.advance()
    return found
