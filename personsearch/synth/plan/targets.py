"""Target distributions of a plan, given as evenly spaced quantiles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: By how much a bin of heights may exceed its share: a factor, and a number of boxes.
SLACK, SPARE = 1.04, 2


def at(quantiles: Sequence[float], levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values at levels 0..1; between two quantiles 1/value is linear, as in a Pareto tail.

    Args:
        quantiles: two or more numbers above 0 in ascending order, from level 0 to level 1.
        levels: array of any shape.
    """
    known = np.linspace(0, 1, len(quantiles))
    return np.asarray(1 / np.interp(levels, known, 1 / np.asarray(quantiles, float)))


def counts_at(quantiles: Sequence[int], levels: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the values at levels 0..1 as whole numbers."""
    return np.asarray(np.rint(at(quantiles, levels)), np.int64)


class HeightTarget:
    """Counts the heights of all boxes of a split and decides which may still be added.

    Args:
        quantiles: evenly spaced quantiles of the heights, as shares of the picture's height. Each two neighbours
            enclose a bin; all bins are to have equally many boxes.
    """

    def __init__(self, quantiles: Sequence[float]) -> None:
        self._inner = np.asarray(quantiles[1:-1], float)
        self._counts = np.zeros(len(quantiles) - 1)

    def bins(self, heights: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the bin of each height, an array of any shape; -1 where the height is 0 (no box)."""
        return np.where(heights > 0, np.searchsorted(self._inner, heights), -1)

    def wanted(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return the bins that may take more boxes, in random order; emptier bins tend to come first."""
        behind = self._counts.sum() / len(self._counts) + SPARE - self._counts
        keys = rng.exponential(size=len(behind)) / np.maximum(behind, 1e-9)
        return np.asarray(np.argsort(keys)[: int((behind > 0).sum())])

    def admits(self, bins: NDArray[np.int64]) -> bool:
        """Return whether (N,) boxes of these bins can be added without a bin becoming too full."""
        more = np.bincount(bins, minlength=len(self._counts))
        total = self._counts.sum() + len(bins)
        return bool((self._counts + more <= SLACK * total / len(self._counts) + SPARE)[more > 0].all())

    def add(self, bins: NDArray[np.int64]) -> None:
        """Count (N,) boxes by their bins."""
        np.add.at(self._counts, bins, 1)
