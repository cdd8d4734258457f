"""Average precision and rankings: the arithmetic that every protocol shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray


def average_precision(relevant: NDArray[np.bool_], scores: NDArray[np.floating[Any]]) -> float:
    """Return the area under the precision-recall steps, as scikit-learn's ``average_precision_score`` defines it.

    Equal scores form one threshold.

    Args:
        relevant: (N,) bool.
        scores: (N,), the highest ranks first.

    Returns:
        The mean over the relevant items of the precision at their threshold; NaN where nothing is relevant.
    """
    total = int(relevant.sum())
    if total == 0:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(relevant[order])
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    hits, retrieved = hits[last_of_tie], np.flatnonzero(last_of_tie) + 1
    return float(np.sum(np.diff(hits, prepend=0) * hits / retrieved) / total)


@dataclass(frozen=True, eq=False, kw_only=True)
class Ranking:
    """The head of a ranking, down to the last place that matters.

    Attributes:
        order: (K,) int64, positions of the ranked items, best first.
        ranks: (T,) int64, places of the relevant items in that order, from 0.
        precisions: (T,) float64, precision at each of them, equal scores being one threshold.
    """

    order: NDArray[np.int64]
    ranks: NDArray[np.int64]
    precisions: NDArray[np.float64]

    def trapezoid(self) -> NDArray[np.float64]:
        """Return (T,) the mean of the precisions at and just before each relevant item; before any item it is 1."""
        count = np.arange(len(self.ranks))
        before = np.divide(count, self.ranks, out=np.ones(len(self.ranks)), where=self.ranks > 0)
        return np.asarray((before + (count + 1) / (self.ranks + 1)) / 2)


def rank(
    scores: NDArray[np.floating[Any]],
    relevant: NDArray[np.bool_],
    ties: Literal["stable", "reversed", "last"],
    at_least: int = 10,
) -> Ranking:
    """Rank items by falling score, down to the last relevant one.

    Args:
        scores: (N,).
        relevant: (N,) bool.
        ties: equal scores keep their order, reverse it, or put the relevant items last.
        at_least: rank this many items even if the last relevant one comes sooner.
    """
    head = min(at_least, len(scores))
    cut = np.partition(scores, len(scores) - head)[len(scores) - head] if head else np.inf
    if relevant.any():
        cut = min(cut, scores[relevant].min())
    chosen = np.flatnonzero(scores >= cut)
    if ties == "reversed":
        chosen = chosen[::-1]
    keys = (relevant[chosen], -scores[chosen]) if ties == "last" else (-scores[chosen],)
    order = chosen[np.lexsort(keys)]
    hits = relevant[order]
    ranks = np.flatnonzero(hits)
    falling = -scores[order]
    ends = np.searchsorted(falling, falling[ranks], side="right")
    precisions = np.cumsum(hits)[ends - 1] / ends if len(ranks) else np.zeros(0)
    return Ranking(order=order, ranks=ranks, precisions=precisions)
