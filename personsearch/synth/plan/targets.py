"""Distributions that a plan is fitted to, given as evenly spaced quantiles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: By how much a bin of heights may run ahead of its share: a factor, and a number of boxes.
AHEAD, SPARE = 1.04, 2


def at(quantiles: Sequence[float], levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values at levels 0..1; 1/value is linear between two quantiles, as in a tail of Pareto's kind.

    Args:
        quantiles: two or more numbers above 0 that never fall; the first is level 0, the last level 1.
        levels: of any shape.
    """
    known = np.linspace(0, 1, len(quantiles))
    return np.asarray(1 / np.interp(levels, known, 1 / np.asarray(quantiles, float)))


def counts_at(quantiles: Sequence[int], levels: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return whole numbers at levels 0..1."""
    return np.asarray(np.rint(at(quantiles, levels)), np.int64)


class HeightTarget:
    """Keeps count of the heights of all boxes of a split, and says which may still be added.

    Args:
        quantiles: of the heights, shares of the picture's height; each two enclose a bin of as many boxes.
    """

    def __init__(self, quantiles: Sequence[float]) -> None:
        self._inner = np.asarray(quantiles[1:-1], float)
        self._counts = np.zeros(len(quantiles) - 1)

    def bins(self, heights: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the bin of each height, of any shape; -1 where it is 0 (no box)."""
        return np.where(heights > 0, np.searchsorted(self._inner, heights), -1)

    def wanted(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return the bins that are not ahead of the others, in random order, the emptier the earlier."""
        behind = self._counts.sum() / len(self._counts) + SPARE - self._counts
        keys = rng.exponential(size=len(behind)) / np.maximum(behind, 1e-9)
        return np.asarray(np.argsort(keys)[: int((behind > 0).sum())])

    def admits(self, bins: NDArray[np.int64]) -> bool:
        """Return whether (N,) boxes of these bins can be added without any height becoming too frequent."""
        more = np.bincount(bins, minlength=len(self._counts))
        total = self._counts.sum() + len(bins)
        return bool((self._counts + more <= AHEAD * total / len(self._counts) + SPARE)[more > 0].all())

    def add(self, bins: NDArray[np.int64]) -> None:
        """Count (N,) boxes."""
        np.add.at(self._counts, bins, 1)
