"""What the report shows beside the figures: curves, similarities, the best and worst queries, the worst scenes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personsearch.datasets.dataset import Dataset
from personsearch.datasets.scene import Query, Scene
from personsearch.evaluation.detection import DetectionResult, evaluate_detection, hits_of, on_ignored
from personsearch.evaluation.evaluate import Report
from personsearch.evaluation.observations import Observations
from personsearch.evaluation.pairs import count_pairs, sides_of
from personsearch.evaluation.rules import Rules
from personsearch.evaluation.search import Ranked, SearchResult
from personsearch.evaluation.spaces import truth_of
from personsearch.measure.run import Evaluation
from personsearch.results import Floats

#: How far down the curve of cumulative matches goes.
RANKS = 50
#: How many bins the similarities -1..1 are shown in.
BINS = 160
#: Points of a curve, at most: enough for a drawing.
POINTS = 300
#: Recall is given by height of people, in classes that begin at these pixels.
HEIGHTS = (0, 50, 75, 100, 150, 200, 300, 400)


@dataclass(frozen=True, eq=False, kw_only=True)
class Similarities:
    """Pairs of people by similarity; :mod:`personsearch.evaluation.pairs` says what a pair is.

    Attributes:
        edges: (B + 1,) of the bins, rising.
        same: (B,) pairs of one person.
        different: (B,) pairs of two people.
    """

    edges: NDArray[np.float64]
    same: NDArray[np.int64]
    different: NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class ShownQuery:
    """A query and the top of its ranking.

    Attributes:
        number: of the query in the set.
        query: the query itself.
        average_precision: its AP.
        appearances: how often the person should be found.
        found: how often the person was found.
        best: its first matches.
    """

    number: int
    query: Query
    average_precision: float
    appearances: int
    found: int
    best: tuple[Ranked, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class SceneHits:
    """What was detected in one scene; boxes are float32 xyxy pixels.

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
    """Recall of people from ``low`` up to ``high`` pixels tall; ``high`` None = no upper end."""

    low: int
    high: int | None
    people: int
    recall: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Details:
    """All that the report shows beside the figures, under the first preset.

    Attributes:
        cumulative: row -> shares of queries whose person is among the first 1, 2, ... matches (CMC); no row where no
            query counts.
        curve: (recall, precision) of detection, from the highest score down; empty where nobody is annotated.
        at_threshold: (recall, precision) at the preset's score threshold; NaN = counted nothing.
        lowest_score: lowest score of the detections in the curve; NaN where there are none.
        similarities: of pairs of people; None without queries.
        best: the queries of highest AP.
        worst: the queries of lowest AP.
        scenes: the scenes with the most missed people and false detections.
        missed: how many people were not found, in all scenes.
        false: how many detections found nobody, in all scenes.
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
        """Return what results.json holds of them."""
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
    """Work out what the report shows.

    Args:
        evaluation: all that was measured.
        best: how many queries of highest AP.
        worst: how many queries of lowest AP.
        scenes: how many scenes with the most faults.
    """
    dataset, main = evaluation.dataset, evaluation.main
    own = evaluation.own
    under_main = [one for one in evaluation.reports if one.rules == main.rules and one.name in evaluation.observed]
    hits = scene_hits(own, dataset.scenes, main.rules)
    return Details(
        cumulative={
            one.name: cumulative_matches(one.search).tolist()
            for one in under_main
            if one.search is not None and one.search.queries
        },
        curve=precision_recall(own, dataset, main.rules),
        at_threshold=(main.detection.recall, precision_at_threshold(main.detection)),
        lowest_score=min((float(one.scores.min()) for one in own.detections.values() if len(one)), default=math.nan),
        similarities=similarities(own, dataset) if dataset.queries else None,
        best=extreme_queries(main, dataset, best, worst=False),
        worst=extreme_queries(main, dataset, worst, worst=True),
        scenes=worst_scenes(hits, scenes),
        missed=sum(len(one.missed) for one in hits),
        false=sum(len(one.false) for one in hits),
        heights=recall_by_height(hits, main.rules),
    )


def cumulative_matches(search: SearchResult) -> NDArray[np.float64]:
    """Return the (50,) shares of queries whose person is among the first 1, 2, ... 50 detections (CMC).

    NaN where no query counts.
    """
    ranks = search.first_ranks[~np.isnan(search.first_ranks)]
    return np.array([float((ranks < k).mean()) if len(ranks) else math.nan for k in range(1, RANKS + 1)])


def precision_recall(observed: Observations, dataset: Dataset, rules: Rules) -> list[tuple[float, float]]:
    """Return (recall, precision) of detection at each score, even below the preset's threshold; thinned for drawing.

    Empty where nobody is annotated.
    """
    everything = rules.changed(detection_score_threshold=0.0)
    measured = evaluate_detection(observed.detections, dataset.scenes, everything)
    if not measured.people:
        return []
    recall, precision = measured.curve()
    chosen = np.unique(np.linspace(0, len(recall) - 1, min(POINTS, len(recall))).round().astype(int))
    return list(zip(recall[chosen].tolist(), precision[chosen].tolist(), strict=True))


def precision_at_threshold(detection: DetectionResult) -> float:
    """Return which share of the detections that count found somebody; NaN where none counts."""
    return float(detection.hits.mean()) if len(detection.hits) else math.nan


def similarities(observed: Observations, dataset: Dataset) -> Similarities:
    """Count pairs of people by similarity: the very pairs that a calibration is fitted to."""
    same, different = (counts.reshape(BINS, -1).sum(axis=1) for counts in count_pairs(*sides_of(observed, dataset)))
    edges = np.linspace(-1, 1, BINS + 1)
    used = np.flatnonzero(same + different)
    if not len(used):
        return Similarities(edges=edges[:1], same=same[:0], different=different[:0])
    part = slice(int(used[0]), int(used[-1]) + 1)
    return Similarities(edges=edges[part.start : part.stop + 1], same=same[part], different=different[part])


def extreme_queries(report: Report, dataset: Dataset, count: int, *, worst: bool) -> list[ShownQuery]:
    """Return the queries of lowest or highest AP, each person once."""
    search = report.search
    if search is None:
        return []
    ap = search.average_precisions
    order = np.argsort(ap if worst else -ap, kind="stable")  # NaN (skipped) is last either way
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
    """Return hits, missed people and false detections of every scene."""
    result = []
    for scene in scenes:
        truth, _ = truth_of(scene, rules)
        people = observed.detections[scene.image_id]
        boxes = people.boxes[people.scores >= rules.detection_score_threshold]
        hit = hits_of(boxes, truth)
        false = ~hit & ~on_ignored(boxes, scene.boxes[scene.ignore])
        missed = truth[~hits_of(truth, boxes)]
        result.append(SceneHits(scene=scene, hits=boxes[hit], missed=missed, false=boxes[false]))
    return result


def worst_scenes(hits: Sequence[SceneHits], count: int) -> list[SceneHits]:
    """Return the scenes with the most missed people and false detections; never one without either."""
    faulty = [one for one in hits if len(one.missed) or len(one.false)]
    return sorted(faulty, key=lambda one: -(len(one.missed) + len(one.false)))[:count]


def recall_by_height(hits: Sequence[SceneHits], rules: Rules) -> list[HeightRow]:
    """Return recall of people by the height of their boxes, pixels of the original images, without empty classes."""
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
