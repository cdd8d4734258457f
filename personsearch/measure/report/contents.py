"""What the report shows beside the table of figures: curves, similarities, telling queries and scenes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personsearch.datasets.dataset import Dataset
from personsearch.datasets.scene import Query, Scene
from personsearch.evaluation.detection import DetectionResult, evaluate_detection, hits_of, on_ignored
from personsearch.evaluation.evaluate import Report
from personsearch.evaluation.matching import best_identities
from personsearch.evaluation.observations import Observations
from personsearch.evaluation.rows import gallery_rows
from personsearch.evaluation.rules import Rules
from personsearch.evaluation.search import Ranked, SearchResult
from personsearch.evaluation.spaces import truth_of
from personsearch.measure.run import Evaluation
from personsearch.results import Floats

RANKS = 50
BINS = 80
BLOCK = 64
#: Points of a curve at the most: enough for a drawing.
POINTS = 300
#: Heights of people, pixels, that recall is told for.
HEIGHTS = (0, 50, 75, 100, 150, 200, 300, 400)


@dataclass(frozen=True, eq=False, kw_only=True)
class Similarities:
    """Pairs of a query and a detection of another scene, by similarity.

    Attributes:
        edges: (B + 1,) of the bins.
        same: (B,) pairs of one person.
        different: (B,) pairs of two, false detections included.
    """

    edges: NDArray[np.float64]
    same: NDArray[np.int64]
    different: NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class ShownQuery:
    """A query and the top of its ranking.

    Attributes:
        number: of the query in the set.
        query: itself.
        average_precision: its AP.
        appearances: how often the person should be found.
        found: how often the person was found.
        best: the first matches.
    """

    number: int
    query: Query
    average_precision: float
    appearances: int
    found: int
    best: tuple[Ranked, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class SceneHits:
    """One scene's detection.

    Attributes:
        scene: with its annotations.
        hits: (N, 4) detections that found somebody.
        missed: (M, 4) people who were not found.
        false: (K, 4) detections that found nobody.
    """

    scene: Scene
    hits: Floats
    missed: Floats
    false: Floats


@dataclass(frozen=True, kw_only=True)
class HeightRow:
    """Recall of people of some heights, pixels; ``high`` None = and more."""

    low: int
    high: int | None
    people: int
    recall: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Details:
    """All of it, under the first preset.

    Attributes:
        cumulative: row -> CMC.
        curve: (recall, precision) of detection, from the highest score on.
        at_threshold: (recall, precision) at the preset's score threshold.
        lowest_score: of the detections in the curve.
        similarities: of queries and detections; None without queries.
        best: queries of the highest AP.
        worst: queries of the lowest AP.
        scenes: those with the most people missed and wrong detections.
        missed: people who were not found, in all.
        false: detections that found nobody, in all.
        heights: recall by height.
    """

    cumulative: dict[str, list[float]]
    curve: list[tuple[float, float]]
    at_threshold: tuple[float, float]
    lowest_score: float
    similarities: Similarities | None
    best: list[ShownQuery]
    worst: list[ShownQuery]
    scenes: list[SceneHits]
    missed: int
    false: int
    heights: list[HeightRow]

    def to_dict(self) -> dict[str, Any]:
        """Return what results.json holds of it."""
        pairs = self.similarities
        return {
            "cmc": self.cumulative,
            "detection_curve": self.curve,
            "detection_at_threshold": self.at_threshold,
            "missed": self.missed,
            "false_detections": self.false,
            "recall_by_height": [asdict(row) for row in self.heights],
            "similarities": None
            if pairs is None
            else {
                "edges": pairs.edges.round(6).tolist(),
                "same": pairs.same.tolist(),
                "different": pairs.different.tolist(),
            },
            "worst_queries": [_summary(one) for one in self.worst],
            "best_queries": [_summary(one) for one in self.best],
            "worst_scenes": [
                {"image_id": one.scene.image_id, "missed": len(one.missed), "false": len(one.false)}
                for one in self.scenes
            ],
        }


def details_of(evaluation: Evaluation, *, best: int, worst: int, scenes: int) -> Details:
    """Work out what the report shows; ``best``, ``worst`` and ``scenes`` say how many of each."""
    dataset, main = evaluation.dataset, evaluation.main
    own = evaluation.observed[evaluation.weights]
    under_main = [one for one in evaluation.reports if one.rules == main.rules and one.name in evaluation.observed]
    hits = scene_hits(own, dataset.scenes, main.rules)
    return Details(
        cumulative={one.name: cumulative_matches(one.search).tolist() for one in under_main if one.search is not None},
        curve=precision_recall(own, dataset, main.rules),
        at_threshold=(main.detection.recall, precision_at_threshold(main.detection)),
        lowest_score=min((float(found.scores.min()) for found in own.detections.values() if len(found)), default=0.0),
        similarities=similarities(own, dataset, main.rules) if dataset.queries else None,
        best=telling_queries(main, dataset, best, worst=False),
        worst=telling_queries(main, dataset, worst, worst=True),
        scenes=worst_scenes(hits, scenes),
        missed=sum(len(one.missed) for one in hits),
        false=sum(len(one.false) for one in hits),
        heights=recall_by_height(hits, main.rules),
    )


def cumulative_matches(search: SearchResult) -> NDArray[np.float64]:
    """Return the (50,) shares of queries whose person is among the first 1, 2, ... 50 detections (CMC)."""
    ranks = search.first_ranks[~np.isnan(search.first_ranks)]
    return np.array([float((ranks < k).mean()) if len(ranks) else 0.0 for k in range(1, RANKS + 1)])


def precision_recall(observed: Observations, dataset: Dataset, rules: Rules) -> list[tuple[float, float]]:
    """Return (recall, precision) of detection at each score, also below the preset's threshold; thinned for drawing."""
    everything = rules.changed(detection_score_threshold=0.0)
    recall, precision = evaluate_detection(observed.detections, dataset.scenes, everything).curve()
    chosen = np.unique(np.linspace(0, len(recall) - 1, min(POINTS, len(recall))).round().astype(int))
    return list(zip(recall[chosen].tolist(), precision[chosen].tolist(), strict=True))


def precision_at_threshold(detection: DetectionResult) -> float:
    """Return the share of the detections that count which found somebody."""
    return float(detection.hits.mean()) if len(detection.hits) else 0.0


def similarities(observed: Observations, dataset: Dataset, rules: Rules) -> Similarities:
    """Count pairs of queries and detections by similarity; a query's own scene is left out.

    A detection shows the annotated person that it overlaps best, if it overlaps enough.
    """
    table = gallery_rows(observed.detections, dataset, rules)
    labels = best_identities(dataset, table, rules)
    edges = np.linspace(-1, 1, 2 * BINS + 1)
    same, different = np.zeros((2, 2 * BINS), dtype=np.int64)
    numbers = {name: number for number, name in enumerate(table.names)}
    for begin in range(0, len(dataset.queries) if len(labels) else 0, BLOCK):
        block = (observed.queries[begin : begin + BLOCK] @ table.embeddings.T).clip(-1, 1)
        for query, similarity in zip(dataset.queries[begin : begin + BLOCK], block, strict=True):
            other = table.scene != numbers[query.image_id]
            right = labels == query.identity
            same += np.histogram(similarity[other & right], edges)[0]
            different += np.histogram(similarity[other & ~right], edges)[0]
    used = np.flatnonzero(same + different)
    if not len(used):
        return Similarities(edges=edges, same=same, different=different)
    part = slice(int(used[0]), int(used[-1]) + 1)
    return Similarities(edges=edges[part.start : part.stop + 1], same=same[part], different=different[part])


def telling_queries(report: Report, dataset: Dataset, count: int, *, worst: bool) -> list[ShownQuery]:
    """Return the queries of the lowest or highest AP, each person once."""
    search = report.search
    if search is None:
        return []
    ap = search.average_precisions
    order = np.argsort(ap if worst else -ap, kind="stable")  # NaN (passed over) is last either way
    shown: list[ShownQuery] = []
    seen: set[int] = set()
    for number in order[~np.isnan(ap[order])].tolist():
        query = dataset.queries[number]
        if query.identity in seen:
            continue
        seen.add(query.identity)
        shown.append(
            ShownQuery(
                number=number,
                query=query,
                average_precision=float(ap[number]),
                appearances=int(search.appearances[number]),
                found=int(search.found[number]),
                best=search.best[number],
            )
        )
        if len(shown) == count:
            break
    return shown


def scene_hits(observed: Observations, scenes: Sequence[Scene], rules: Rules) -> list[SceneHits]:
    """Return what was found, missed and wrongly found in every scene."""
    result = []
    for scene in scenes:
        truth, _ = truth_of(scene, rules)
        found = observed.detections[scene.image_id]
        boxes = found.boxes[found.scores >= rules.detection_score_threshold]
        hit = hits_of(boxes, truth)
        false = ~hit & ~on_ignored(boxes, scene.boxes[scene.ignore])
        missed = truth[~hits_of(truth, boxes)]
        result.append(SceneHits(scene=scene, hits=boxes[hit], missed=missed, false=boxes[false]))
    return result


def worst_scenes(hits: Sequence[SceneHits], count: int) -> list[SceneHits]:
    """Return the scenes with the most people missed and wrong detections, none without either."""
    faulty = [one for one in hits if len(one.missed) or len(one.false)]
    return sorted(faulty, key=lambda one: -(len(one.missed) + len(one.false)))[:count]


def recall_by_height(hits: Sequence[SceneHits], rules: Rules) -> list[HeightRow]:
    """Return recall of people by the height of their boxes, pixels of the original pictures."""
    truth = np.concatenate([np.zeros((0, 4), np.float32), *(truth_of(one.scene, rules)[0] for one in hits)])
    missed = np.concatenate([np.zeros((0, 4), np.float32), *(one.missed for one in hits)])
    edges = [*HEIGHTS, np.inf]
    people = np.histogram(truth[:, 3] - truth[:, 1], edges)[0].tolist()
    lost = np.histogram(missed[:, 3] - missed[:, 1], edges)[0].tolist()
    highs = [*HEIGHTS[1:], None]
    return [
        HeightRow(low=low, high=high, people=n, recall=1 - m / n)
        for low, high, n, m in zip(HEIGHTS, highs, people, lost, strict=True)
        if n
    ]


def _summary(one: ShownQuery) -> dict[str, Any]:
    return {
        "query": one.number,
        "image_id": one.query.image_id,
        "identity": one.query.identity,
        "AP": one.average_precision,
        "appearances": one.appearances,
        "found": one.found,
        "first_matches": [
            {"image_id": match.image_id, "similarity": match.similarity, "correct": match.correct} for match in one.best
        ],
    }
