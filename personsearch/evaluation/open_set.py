"""Queries whose person may not be in the gallery: is the best match accepted when it should not be?

Every query is searched for twice. Its genuine trial is the search of its gallery. Its impostor trial is the same search
without the scenes that show the person, so that whoever comes first is somebody else. A threshold that lets few
impostor trials through loses genuine ones; the curve says how many.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personsearch.datasets.dataset import Dataset
from personsearch.errors import DatasetError
from personsearch.evaluation.matching import Candidates, best_identities, judge
from personsearch.evaluation.rows import gallery_rows, query_rows
from personsearch.evaluation.rules import PRESETS, Rules
from personsearch.evaluation.search import Ranker
from personsearch.evaluation.spaces import SearchSpaces
from personsearch.results import Detections, Floats

#: False-alarm rates that thresholds are found for.
RATES = (1e-1, 1e-2)
#: A rate has a threshold only if at least this many impostor trials would lie above it.
ENOUGH = 10


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """One threshold.

    Attributes:
        false_alarm_rate: share of impostor trials that may reach it.
        similarity: the threshold; None = there were too few impostor trials to say (10 must lie above it).
        identification_rate: share of genuine trials whose first match is the person and at least this similar; None
            where there is no threshold. Queries of one person rise and fall together, and no interval says how far.
    """

    false_alarm_rate: float
    similarity: float | None = None
    identification_rate: float | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class OpenSetResult:
    """Detection and identification rate against false alarms.

    Attributes:
        genuine: (G,) similarity of each genuine trial's first match; -inf where there was none.
        identified: (G,) bool, whether that match is the person.
        impostor: (I,) similarity of each impostor trial's first match; -inf where there was none.
        points: thresholds by falling rate.
        without_trial: how many queries have no genuine trial, because their person is nowhere in their gallery, or
            because the rules leave out queries in whose image nothing was detected; the latter have no impostor trial
            either.
    """

    genuine: NDArray[np.float64]
    identified: NDArray[np.bool_]
    impostor: NDArray[np.float64]
    points: tuple[OperatingPoint, ...]
    without_trial: int

    def curve(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return false-alarm rates, rising from 0 to 1, and the identification rate at each of them, (I + 1,) each.

        NaN where there were no trials.
        """
        falling = np.sort(self.impostor)[::-1]
        limits = np.append(falling, -np.inf)
        # At rate n / I the n most similar impostors pass: the threshold lies just above the next one.
        hits = np.sort(self.genuine[self.identified])
        above = len(hits) - np.searchsorted(hits, limits, side="right")
        rates = np.arange(len(limits)) / len(falling) if len(falling) else np.full(1, np.nan)
        return rates, above / len(self.genuine) if len(self.genuine) else np.full(len(limits), np.nan)


def open_set(
    detections: Mapping[str, Detections],
    dataset: Dataset,
    query_embeddings: Floats,
    rules: Rules = PRESETS["standard"],
    *,
    ranker: Ranker | None = None,
    rates: tuple[float, ...] = RATES,
) -> OpenSetResult:
    """Search for every query with its person in the gallery and without.

    A query whose embedding the rules take from a detection, in an image where nothing was detected, is not searched
    for: it identifies nobody and raises no alarm, or has no trials where the rules leave it out.

    Args:
        detections: by image_id.
        dataset: scenes and queries.
        query_embeddings: (Q, D) float32, unit length.
        rules: the protocol: which scenes are searched, and what a right match is.
        ranker: gives other similarities than the dot product, for re-ranking.
        rates: false-alarm rates to find thresholds for.

    Raises:
        DatasetError: the set has no queries, or the embeddings do not match them.
    """
    if not dataset.queries:
        raise DatasetError(f"{dataset.name}: has no queries; an open-set test needs a list of queries")
    table = gallery_rows(detections, dataset, rules)
    query_vectors, there = query_rows(detections, dataset.queries, query_embeddings, rules)
    spaces = SearchSpaces(dataset, rules)
    labels = best_identities(dataset, table, rules) if rules.positives == "every" else None
    genuine, identified, impostor = [], [], []
    for number, query in enumerate(dataset.queries):
        space = spaces.of(number)
        if not there[number]:
            if rules.undetected_query == "zero":
                impostor.append(-np.inf)
                genuine += [-np.inf] * bool(space.appearances)
                identified += [False] * bool(space.appearances)
            continue
        candidates = Candidates.of(space, table)
        rows, which = np.unique(candidates.rows, return_inverse=True)
        given: NDArray[np.floating] = np.zeros(0)  # where nothing was detected, embeddings have no size
        if len(rows):
            given = table.embeddings[rows] @ query_vectors[number] if ranker is None else ranker(number, rows)
        similarity = np.asarray(given, np.float64)[which]
        if rules.confidence_weighted and ranker is None:
            similarity = similarity * table.scores[candidates.rows]
        same = None if labels is None else labels[candidates.rows] == query.identity
        right, junk = judge(space, candidates, similarity.astype(np.float32), table, rules, same)
        shows_person = np.repeat(space.shown, np.diff(candidates.starts))
        impostor.append(_highest(similarity[~shows_person]))
        if space.appearances:
            ranked = np.where(junk, -np.inf, similarity)
            genuine.append(_highest(ranked))
            identified.append(bool(len(ranked)) and bool(right[ranked.argmax()]))
    points = tuple(
        _point(rate, np.array(genuine), np.array(identified, bool), np.array(impostor))
        for rate in sorted(rates, reverse=True)
    )
    return OpenSetResult(
        genuine=np.array(genuine),
        identified=np.array(identified, bool),
        impostor=np.array(impostor),
        points=points,
        without_trial=len(dataset.queries) - len(genuine),
    )


def _highest(similarity: NDArray[np.float64]) -> float:
    return float(similarity.max()) if len(similarity) else -np.inf


def _point(
    rate: float, genuine: NDArray[np.float64], identified: NDArray[np.bool_], impostor: NDArray[np.float64]
) -> OperatingPoint:
    if rate * len(impostor) < ENOUGH or not len(genuine):
        return OperatingPoint(false_alarm_rate=rate)
    falling = np.sort(impostor)[::-1]
    too_many = falling[min(int(rate * len(impostor) * (1 + 1e-9)), len(impostor) - 1)]
    threshold = float(np.nextafter(too_many, np.inf))
    share = float((identified & (genuine >= threshold)).mean())
    return OperatingPoint(false_alarm_rate=rate, similarity=threshold, identification_rate=share)
