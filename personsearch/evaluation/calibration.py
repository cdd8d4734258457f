"""Fits what a similarity means: pairs of people from an annotated set -> a Calibration.

A pair is an annotated person, embedded as a query is, and a detection of another scene that was matched to an annotated
person, embedded as a gallery's people are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personsearch.calibration import Calibration, Threshold
from personsearch.datasets.dataset import Dataset
from personsearch.datasets.scene import Scene
from personsearch.errors import ConfigError, DatasetError, MissingExtraError
from personsearch.evaluation.observations import Observations
from personsearch.evaluation.ranking import box_iou
from personsearch.results import Detections, Floats

Ints = NDArray[np.int64]

RATES = (1e-2, 1e-3, 1e-4)
#: A threshold is told where so many pairs of different people lie above it.
ENOUGH = 10
RESAMPLES = 500
IOU = 0.5
#: Bins of the similarity, -1..1, from which the map is fitted.
BINS = 4000
#: Pairs kept for the bootstrap: those above the similarity that so many times the highest rate lie above.
TAIL = 4.0
BLOCK = 256


def fit_calibration(
    observations: Observations,
    dataset: Dataset,
    *,
    seed: int = 0,
    rates: tuple[float, ...] = RATES,
    score_threshold: float = 0.5,
) -> Calibration:
    """Fit a calibration on the pairs of a set.

    The first of a pair is each query of the set, or where it has none each labelled person; the second each detection,
    outside the query's scene, that was matched to an annotated person (IoU at least 0.5, each the other's best).
    People without a label count as different from everybody. The map is an isotonic regression; the thresholds are
    those of the pairs themselves, with 95 % intervals from a bootstrap over people (and, for people without a label,
    over scenes), because the pairs of one person rise and fall together.

    Args:
        observations: of the set.
        dataset: the set; best one that the weights were not trained or selected on.
        seed: of the bootstrap.
        rates: false-match rates to find thresholds for. A rate that fewer than 10 pairs would lie above has none.
        score_threshold: lower detections are dropped first.

    Raises:
        ConfigError: the observations are of another set.
        DatasetError: there are no pairs of one person, or none of two.
        MissingExtraError: scikit-learn is not installed.
    """
    if observations.dataset != dataset.digest:
        raise ConfigError(f"the observations are not of {dataset.name} as it is now; observe it again")
    queries, gallery = _sides(observations, dataset, score_threshold)
    same, different = np.zeros(BINS, np.int64), np.zeros(BINS, np.int64)
    similarity_of_same: list[Floats] = []
    for pairs in _blocks(queries, gallery):
        same += np.bincount(_bin(pairs.similarity[pairs.same]), minlength=BINS)
        different += np.bincount(_bin(pairs.similarity[pairs.different]), minlength=BINS)
        similarity_of_same.append(pairs.similarity[pairs.same])
    if not same.any() or not different.any():
        lacking = "one person" if not same.any() else "different people"
        raise DatasetError(
            f"{dataset.name}: no pairs of {lacking} in different scenes were found among {len(queries.group)} queries "
            f"and {len(gallery.group)} detected people; a calibration needs people who are seen again, and others"
        )
    knots, probabilities = _rising(same, different)
    labelled = np.unique(np.concatenate([queries.group, gallery.group[gallery.group < gallery.labelled]]))
    return Calibration(
        weights=observations.weights,
        dataset=dataset.name,
        digest=dataset.digest,
        identities=len(labelled),
        same_pairs=int(same.sum()),
        different_pairs=int(different.sum()),
        similarities=knots,
        probabilities=probabilities,
        thresholds=_thresholds(queries, gallery, different, np.concatenate(similarity_of_same), rates, seed),
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class _Side:
    """People of one side of the pairs.

    Attributes:
        embeddings: (N, D).
        group: (N,) who it is, 0..labelled-1; ``labelled + n``: somebody without a label, in scene n.
        scene: (N,) number of the scene.
        labelled: number of labelled people of the set.
    """

    embeddings: Floats
    group: Ints
    scene: Ints
    labelled: int


@dataclass(frozen=True, eq=False, kw_only=True)
class _Pairs:
    """Some queries against the whole gallery: (B, N) each."""

    first: int
    similarity: Floats
    same: NDArray[np.bool_]
    different: NDArray[np.bool_]


def _sides(observations: Observations, dataset: Dataset, score_threshold: float) -> tuple[_Side, _Side]:
    names = {scene.image_id: number for number, scene in enumerate(dataset.scenes)}
    identities = [scene.identities[scene.identities >= 0] for scene in dataset.scenes]
    identities.append(np.array([query.identity for query in dataset.queries], np.int64))
    known = np.unique(np.concatenate(identities))

    embeddings, groups, scenes = [], [], []
    for number, scene in enumerate(dataset.scenes):
        found = observations.detections.get(scene.image_id)
        if found is None:
            continue
        found = found.filter(min_score=score_threshold)
        rows, people = _matched(found, scene)
        embeddings.append(found.embeddings[rows])
        identity = scene.identities[people]
        groups.append(np.where(identity >= 0, np.searchsorted(known, identity), len(known) + number))
        scenes.append(np.full(len(rows), number))
    dim = observations.queries.shape[1] if observations.queries.ndim == 2 else 0
    gallery = _Side(
        embeddings=np.concatenate(embeddings) if embeddings else np.zeros((0, dim), np.float32),
        group=np.concatenate([np.zeros(0, np.int64), *groups]),
        scene=np.concatenate([np.zeros(0, np.int64), *scenes]),
        labelled=len(known),
    )
    if dataset.queries:
        asked, who = observations.queries, [query.identity for query in dataset.queries]
        where = [names.get(query.image_id, -1) for query in dataset.queries]
    else:
        asked, who, where = _everybody(observations, dataset)
    queries = _Side(
        embeddings=asked,
        group=np.searchsorted(known, np.array(who, np.int64)),
        scene=np.array(where, np.int64),
        labelled=len(known),
    )
    return queries, gallery


def _everybody(observations: Observations, dataset: Dataset) -> tuple[Floats, list[int], list[int]]:
    """Return embedding, identity and scene of every labelled person."""
    embeddings, who, where = [np.zeros((0, 0), np.float32)], [], []
    for number, scene in enumerate(dataset.scenes):
        rows = np.flatnonzero((scene.identities >= 0) & ~scene.ignore)
        if len(rows):
            embeddings.append(observations.people[scene.image_id][rows])
            who += scene.identities[rows].tolist()
            where += [number] * len(rows)
    return np.concatenate(embeddings[1:] or embeddings), who, where


def _matched(found: Detections, scene: Scene) -> tuple[Ints, Ints]:
    """Return rows of detections and the annotated people they are, one to one."""
    people = np.flatnonzero(~scene.ignore)
    if not len(found) or not len(people):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    iou = box_iou(found.boxes, scene.boxes[people])
    best = iou.argmax(axis=1)
    rows = np.arange(len(found))
    hit = (iou.argmax(axis=0)[best] == rows) & (iou[rows, best] >= IOU)
    return rows[hit], people[best[hit]]


def _blocks(queries: _Side, gallery: _Side) -> Iterator[_Pairs]:
    for first in range(0, len(queries.group), BLOCK):
        part = slice(first, first + BLOCK)
        other_scene = queries.scene[part, None] != gallery.scene[None, :]
        one_person = queries.group[part, None] == gallery.group[None, :]
        yield _Pairs(
            first=first,
            similarity=queries.embeddings[part] @ gallery.embeddings.T,
            same=one_person & other_scene,
            different=~one_person & other_scene,
        )


def _bin(similarity: Floats) -> Ints:
    return ((similarity.astype(np.float64) + 1) * (BINS / 2)).astype(np.int64).clip(0, BINS - 1)


def _rising(same: Ints, different: Ints) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the knots of the isotonic regression: the mean similarity and the probability of each of its steps."""
    try:
        from sklearn.isotonic import IsotonicRegression
    except ImportError:
        raise MissingExtraError("a calibration needs scikit-learn: pip install 'personsearch[evaluate]'") from None
    pairs = same + different
    used = np.flatnonzero(pairs)
    centres = (used + 0.5) / (BINS / 2) - 1
    weight = pairs[used].astype(np.float64)
    fitted = IsotonicRegression().fit_transform(centres, same[used] / weight, sample_weight=weight)
    step = np.cumsum(np.diff(fitted, prepend=fitted[0]) > 1e-12)
    total = np.bincount(step, weights=weight)
    knots = np.bincount(step, weights=weight * centres) / total
    probability = np.bincount(step, weights=same[used]) / total
    # A step without an exception does not make sure: Laplace's rule of succession bounds what it can say.
    low, high = 1 / (total[0] + 2), (total[-1] + 1) / (total[-1] + 2)
    probability = np.maximum.accumulate(probability.clip(low, high))
    return tuple(knots.tolist()), tuple(probability.tolist())


def _thresholds(
    queries: _Side, gallery: _Side, different: Ints, same: Floats, rates: tuple[float, ...], seed: int
) -> tuple[Threshold, ...]:
    total = int(different.sum())
    told = [rate for rate in rates if rate * total >= ENOUGH]
    if not told:
        return tuple(Threshold(rate=rate) for rate in sorted(rates, reverse=True))
    tail = _tail(queries, gallery, different, min(1.0, TAIL * max(told)))
    resampled = _bootstrap(tail, told, seed)
    thresholds = []
    for rate in sorted(rates, reverse=True):
        if rate not in told:
            thresholds.append(Threshold(rate=rate))
            continue
        similarity = tail.cut(np.ones(len(tail.similarity)), total, rate)
        low, high = np.quantile(resampled[:, told.index(rate)], [0.025, 0.975]).tolist()
        share = float((same >= similarity).mean())
        thresholds.append(Threshold(rate=rate, similarity=similarity, low=low, high=high, true_match_rate=share))
    return tuple(thresholds)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Tail:
    """The most similar pairs of different people, by falling similarity, and how many pairs there are in all.

    Attributes:
        similarity: (T,).
        query: (T,) group of the query.
        other: (T,) group of the detection.
        counts: (labelled, groups) all pairs of different people.
    """

    similarity: Floats
    query: NDArray[np.int32]
    other: NDArray[np.int32]
    counts: NDArray[np.int32]

    def cut(self, weight: NDArray[np.float64], total: float, rate: float) -> float:
        """Return the lowest similarity that at most the share ``rate`` of the weighted pairs reaches."""
        above = np.cumsum(weight)
        first_too_many = int(np.searchsorted(above, rate * total * (1 + 1e-9), side="right"))
        reached = self.similarity[min(first_too_many, len(self.similarity) - 1)]
        return float(np.nextafter(reached, np.float32(2)))


def _tail(queries: _Side, gallery: _Side, different: Ints, share: float) -> _Tail:
    above = np.cumsum(different[::-1])
    lowest_bin = BINS - 1 - int(np.searchsorted(above, share * above[-1]))
    groups = int(max(gallery.group.max(), gallery.labelled)) + 1
    counts = np.zeros((gallery.labelled, groups), np.int32)
    similarity, asked, other = [], [], []
    for pairs in _blocks(queries, gallery):
        kept = pairs.different & (_bin(pairs.similarity) >= lowest_bin)
        rows, columns = np.nonzero(kept)
        similarity.append(pairs.similarity[kept])
        asked.append(queries.group[pairs.first + rows].astype(np.int32))
        other.append(gallery.group[columns].astype(np.int32))
        for row, counted in enumerate(pairs.different):
            counts[queries.group[pairs.first + row]] += np.bincount(gallery.group[counted], minlength=groups).astype(
                np.int32
            )
    values = np.concatenate(similarity)
    order = np.argsort(-values, kind="stable")
    return _Tail(
        similarity=values[order],
        query=np.concatenate(asked)[order],
        other=np.concatenate(other)[order],
        counts=counts,
    )


def _bootstrap(tail: _Tail, rates: list[float], seed: int) -> NDArray[np.float64]:
    """Return the thresholds (RESAMPLES, rates) of people drawn with replacement.

    A pair weighs the product of how often its two people were drawn.
    """
    rng = np.random.default_rng(seed)
    labelled, groups = tail.counts.shape
    unlabelled = np.flatnonzero(tail.counts.any(axis=0))
    unlabelled = unlabelled[unlabelled >= labelled]
    cuts = []
    for _ in range(RESAMPLES):
        drawn = np.zeros(groups)
        drawn[:labelled] = np.bincount(rng.integers(labelled, size=labelled), minlength=labelled)
        if len(unlabelled):
            drawn[unlabelled] = np.bincount(
                rng.integers(len(unlabelled), size=len(unlabelled)), minlength=len(unlabelled)
            )
        total = float(drawn[:labelled] @ (tail.counts @ drawn))
        if total:
            weight = drawn[tail.query] * drawn[tail.other]
            cuts.append([tail.cut(weight, total, rate) for rate in rates])
    return np.array(cuts)
