"""Fits what a similarity means: pairs of people of an annotated set -> a Calibration; and checks it on another set."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personsearch.calibration import ENOUGH_PAIRS, ENOUGH_PEOPLE, Calibration, Threshold
from personsearch.datasets.dataset import Dataset
from personsearch.errors import ConfigError, DatasetError, MissingExtraError
from personsearch.evaluation.observations import Observations
from personsearch.evaluation.pairs import BINS, SCORE_THRESHOLD, Side, bin_of, count_pairs, pair_blocks, sides_of
from personsearch.results import Floats

Ints = NDArray[np.int64]

#: False-match rates that thresholds are found for.
RATES = (1e-2, 1e-3, 1e-4)
RESAMPLES = 500
#: The bootstrap keeps the most similar pairs: this many times the share that the highest rate lets through.
TAIL = 4.0


def fit_calibration(
    observed: Observations,
    dataset: Dataset,
    *,
    seed: int = 0,
    rates: tuple[float, ...] = RATES,
    score_threshold: float = SCORE_THRESHOLD,
) -> Calibration:
    """Fit a calibration to the pairs of a set.

    The first of a pair is each query of the set, or each labelled person where it has none. The second is each
    detection in another scene that was matched to an annotated person (IoU at least 0.5, each the other's best). People
    without a label count as different from everybody. The map is an isotonic regression. The thresholds are those of
    the pairs themselves, with 95 % intervals from a bootstrap over people (and over scenes for people without a label),
    because the pairs of one person rise and fall together.

    Args:
        observed: what a searcher saw of the set.
        dataset: the set; best one that the weights were neither trained nor selected on.
        seed: of the bootstrap.
        rates: false-match rates to find thresholds for. A rate gets none if fewer than 10 pairs would lie above it, or
            if these are of fewer than 20 people on either side: then the interval would be too narrow.
        score_threshold: detections of lower score are dropped first.

    Raises:
        ConfigError: the observations are of another set.
        DatasetError: there are no pairs of one person, or none of different people.
        MissingExtraError: scikit-learn is not installed.
    """
    queries, gallery = sides_of(observed, dataset, score_threshold)
    same, different = _both_kinds(queries, gallery, dataset)
    knots, probabilities = _isotonic(same, different)
    labelled = np.unique(np.concatenate([queries.group, gallery.group[gallery.group < gallery.labelled]]))
    return Calibration(
        weights=observed.weights,
        dataset=dataset.name,
        digest=dataset.digest,
        identities=len(labelled),
        same_pairs=int(same.sum()),
        different_pairs=int(different.sum()),
        similarities=knots,
        probabilities=probabilities,
        thresholds=_thresholds(queries, gallery, different, rates, seed),
    )


@dataclass(frozen=True, kw_only=True)
class HeldThreshold:
    """A threshold of a calibration on the pairs of another set.

    Attributes:
        threshold: as it was promised.
        false_match_rate: share of this set's pairs of different people at or above it.
        true_match_rate: share of this set's pairs of the same person at or above it.
    """

    threshold: Threshold
    false_match_rate: float
    true_match_rate: float


@dataclass(frozen=True, kw_only=True)
class HeldProbability:
    """Pairs of another set to which a calibration gives a probability from ``low`` up to ``high``.

    Attributes:
        low: lower end.
        high: upper end.
        pairs: how many there are.
        promised: their mean probability, with the prior of this set.
        observed: share of them that are of one person.
    """

    low: float
    high: float
    pairs: int
    promised: float
    observed: float


def check_calibration(
    calibration: Calibration, observed: Observations, dataset: Dataset, *, score_threshold: float = SCORE_THRESHOLD
) -> tuple[tuple[HeldThreshold, ...], tuple[HeldProbability, ...]]:
    """Compare what a calibration promises with the pairs of another set, made as :func:`fit_calibration` makes them.

    Args:
        calibration: of the same weights.
        observed: what they saw of the set.
        dataset: the set.
        score_threshold: detections of lower score are dropped first.

    Returns:
        Each threshold that the calibration has, by falling rate; and five classes of probability, without those that
        have no pairs.

    Raises:
        ConfigError: the observations are of another set or of other weights.
        DatasetError: there are no pairs of one person, or none of different people.
    """
    if observed.weights != calibration.weights:
        raise ConfigError("the calibration and the observations are of different weights; they cannot be compared")
    queries, gallery = sides_of(observed, dataset, score_threshold)
    same, different = _both_kinds(queries, gallery, dataset)
    thresholds = [threshold for threshold in calibration.thresholds if threshold.similarity is not None]
    limits = [threshold.similarity for threshold in thresholds if threshold.similarity is not None]
    reached = np.zeros((2, len(thresholds)), np.int64)
    for pairs in pair_blocks(queries, gallery):
        for column, limit in enumerate(limits):
            above = pairs.similarity >= limit
            reached[:, column] += (above & pairs.different).sum(), (above & pairs.same).sum()
    false, true = reached[0] / different.sum(), reached[1] / same.sum()
    held = tuple(
        HeldThreshold(threshold=threshold, false_match_rate=float(f), true_match_rate=float(t))
        for threshold, f, t in zip(thresholds, false, true, strict=True)
    )
    centres = (np.arange(BINS) + 0.5) / (BINS / 2) - 1
    promised = calibration.probability(centres, prior=float(same.sum() / (same.sum() + different.sum())))
    classes = []
    for low, high in itertools.pairwise((0.0, 0.2, 0.4, 0.6, 0.8, 1.0)):
        inside = (promised >= low) & (promised < high)
        pairs_inside = same[inside] + different[inside]
        total = int(pairs_inside.sum())
        if total:
            mean = float((promised[inside] * pairs_inside).sum() / total)
            share = float(same[inside].sum() / total)
            classes.append(HeldProbability(low=low, high=high, pairs=total, promised=mean, observed=share))
    return held, tuple(classes)


def _both_kinds(queries: Side, gallery: Side, dataset: Dataset) -> tuple[Ints, Ints]:
    """Count the pairs of the same person and of different people; both kinds must occur."""
    same, different = count_pairs(queries, gallery)
    if not same.any() or not different.any():
        lacking = "one person" if not same.any() else "different people"
        raise DatasetError(
            f"{dataset.name}: no pairs of {lacking} in different scenes among {len(queries.group)} queries and "
            f"{len(gallery.group)} detected people; a calibration needs people who are seen in several scenes, and "
            "others to compare them with"
        )
    return same, different


def _isotonic(same: Ints, different: Ints) -> tuple[tuple[float, ...], tuple[float, ...]]:
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
    total = np.bincount(step, weights=weight).astype(np.float64)
    knots = np.bincount(step, weights=weight * centres) / total
    probability = np.bincount(step, weights=same[used]) / total
    return tuple(knots.tolist()), tuple(_never_certain(probability, total).tolist())


def _never_certain(probability: NDArray[np.float64], pairs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Limit what the end steps claim where they have no exception, and change nothing else.

    A step without an exception among n pairs proves nothing for certain: Laplace's rule of succession makes its
    probability 1 / (n + 2), or (n + 1) / (n + 2). But a step of few pairs says little, and never overrules the next.

    Args:
        probability: (S,) of the steps, strictly rising, 0..1.
        pairs: (S,) how many pairs each step has.

    Returns:
        (S,) rising, above 0 and below 1.
    """
    limited = probability.copy()
    if probability[0] == 0:
        limited[0] = min(1 / (pairs[0] + 2), *probability[1:2])
    if probability[-1] == 1:
        limited[-1] = max((pairs[-1] + 1) / (pairs[-1] + 2), *limited[-2:-1])
    return limited


def _thresholds(
    queries: Side, gallery: Side, different: Ints, rates: tuple[float, ...], seed: int
) -> tuple[Threshold, ...]:
    total = int(different.sum())
    usable = [rate for rate in rates if rate * total >= ENOUGH_PAIRS]
    if not usable:
        return tuple(Threshold(rate=rate) for rate in sorted(rates, reverse=True))
    tail = _tail(queries, gallery, different, min(1.0, TAIL * max(usable)))
    resampled = _bootstrap(tail, usable, seed)
    same = np.concatenate([pairs.similarity[pairs.same] for pairs in pair_blocks(queries, gallery)])
    thresholds = []
    for rate in sorted(rates, reverse=True):
        if rate not in usable:
            thresholds.append(Threshold(rate=rate))
            continue
        similarity = tail.cut(np.ones(len(tail.similarity)), total, rate)
        if tail.people_above(similarity) < ENOUGH_PEOPLE:
            thresholds.append(Threshold(rate=rate))
            continue
        low, high = np.quantile(resampled[:, usable.index(rate)], [0.025, 0.975]).tolist()
        share = float((same >= similarity).mean())
        thresholds.append(Threshold(rate=rate, similarity=similarity, low=low, high=high, true_match_rate=share))
    return tuple(thresholds)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Tail:
    """The T most similar pairs of different people, by falling similarity, and how many pairs there are in all.

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

    def people_above(self, similarity: float) -> int:
        """Return how many people the pairs from a similarity on have on the side that has fewer."""
        above = self.similarity >= similarity
        return min(len(np.unique(self.query[above])), len(np.unique(self.other[above])))


def _tail(queries: Side, gallery: Side, different: Ints, share: float) -> _Tail:
    above = np.cumsum(different[::-1])
    lowest_bin = BINS - 1 - int(np.searchsorted(above, share * above[-1]))
    groups = int(max(gallery.group.max(), gallery.labelled)) + 1
    counts = np.zeros((gallery.labelled, groups), np.int32)
    similarity, query, other = [], [], []
    for pairs in pair_blocks(queries, gallery):
        kept = pairs.different & (bin_of(pairs.similarity) >= lowest_bin)
        rows, columns = np.nonzero(kept)
        similarity.append(pairs.similarity[kept])
        query.append(queries.group[pairs.first + rows].astype(np.int32))
        other.append(gallery.group[columns].astype(np.int32))
        for row, counted in enumerate(pairs.different):
            counts[queries.group[pairs.first + row]] += np.bincount(gallery.group[counted], minlength=groups).astype(
                np.int32
            )
    values = np.concatenate(similarity)
    order = np.argsort(-values, kind="stable")
    return _Tail(
        similarity=values[order],
        query=np.concatenate(query)[order],
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
