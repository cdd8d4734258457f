"""Person-search mAP and top-k by the community definition (preset ``standard``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from personsearch.datasets.scene import Query, Scene
from personsearch.evaluation.ranking import average_precision, box_iou
from personsearch.results import Detections, Floats

RANKS = (1, 5, 10)


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """Search quality: plain means over all queries.

    Attributes:
        mean_average_precision: mAP, 0..1.
        top: rank -> share of queries with the person among the first so many.
        average_precisions: per query.
    """

    mean_average_precision: float
    top: dict[int, float]
    average_precisions: tuple[float, ...]


def iou_threshold(box: Floats) -> float:
    """Return the IoU that a detection of this person needs: 0.5, less for boxes of a few pixels."""
    width, height = float(box[2] - box[0]), float(box[3] - box[1])
    return min(0.5, width * height / ((width + 10) * (height + 10)))


def evaluate_search(
    detections: Mapping[str, Detections],
    scenes: Sequence[Scene],
    queries: Sequence[Query],
    embeddings: Floats,
    *,
    score_threshold: float = 0.5,
) -> SearchResult:
    """Rank all detections outside each query's own scene by similarity.

    In a scene that shows the person, the most similar detection that overlaps their box enough is the true match;
    every other detection is a false one. A scene where nothing overlaps still counts: AP is multiplied by the share
    of scenes where the person was found. Equal similarities keep the order of scenes, then of detections.

    Args:
        detections: by image_id.
        scenes: the whole gallery.
        queries: whom to look for.
        embeddings: (Q, D) unit-length embedding of each query.
        score_threshold: lower detections are dropped first.

    Raises:
        ValueError: a query's person is in no other scene.
    """
    kept = {name: found.filter(min_score=score_threshold) for name, found in detections.items()}
    names = [scene.image_id for scene in scenes if len(kept.get(scene.image_id, ())) > 0]
    start: dict[str, int] = {}
    total = 0
    for name in names:
        start[name] = total
        total += len(kept[name])
    dim = embeddings.shape[1]
    gallery = np.concatenate([np.zeros((0, dim), dtype=np.float32), *[kept[name].embeddings for name in names]])
    shows = _appearances(scenes)
    precisions: list[float] = []
    first_ranks: list[float] = []
    for query, embedding in zip(queries, embeddings, strict=True):
        appearances = [(n, box) for n, box in shows.get(query.identity, []) if n != query.image_id]
        if not appearances:
            raise ValueError(f"person {query.identity} of the query in {query.image_id} is in no other scene")
        similarity = gallery @ embedding
        relevant = np.zeros(total, dtype=bool)
        for name, box in appearances:
            if name not in start:
                continue
            rows = slice(start[name], start[name] + len(kept[name]))
            enough = box_iou(kept[name].boxes, box[None])[:, 0] >= iou_threshold(box)
            if enough.any():
                best = np.where(enough, similarity[rows], -np.inf).argmax()
                relevant[start[name] + int(best)] = True
        allowed = np.ones(total, dtype=bool)
        if query.image_id in start:
            own = start[query.image_id]
            allowed[own : own + len(kept[query.image_id])] = False
        relevant, similarity = relevant[allowed], similarity[allowed]
        found_share = relevant.sum() / len(appearances)
        precisions.append(average_precision(relevant, similarity) * float(found_share))
        order = np.argsort(-similarity, kind="stable")
        correct = np.flatnonzero(relevant[order])
        first_ranks.append(float(correct[0]) if len(correct) else np.inf)
    ranks = np.asarray(first_ranks)
    return SearchResult(
        mean_average_precision=float(np.mean(precisions)) if precisions else 0.0,
        top={k: float((ranks < k).mean()) if len(ranks) else 0.0 for k in RANKS},
        average_precisions=tuple(precisions),
    )


def _appearances(scenes: Sequence[Scene]) -> dict[int, list[tuple[str, Floats]]]:
    shows: dict[int, list[tuple[str, Floats]]] = {}
    for scene in scenes:
        for identity, box in zip(scene.identities.tolist(), scene.boxes, strict=True):
            if identity >= 0:
                shows.setdefault(identity, []).append((scene.image_id, box))
    return shows
