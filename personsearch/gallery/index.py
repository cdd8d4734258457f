"""Nearest neighbours over the gallery's embeddings: exact, in numpy.

A rebuildable cache of what the database holds. FAISS indexes belong here, behind the same three calls.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from personsearch.results import Floats


class ExactIndex:
    """All embeddings in memory, compared one by one."""

    def __init__(self, dim: int) -> None:
        self.ids: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self.vectors: Floats = np.zeros((0, dim), dtype=np.float32)

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, ids: NDArray[np.int64], vectors: Floats) -> None:
        """Take in embeddings (N, D) float32 under rising ids (N,)."""
        self.ids = np.concatenate([self.ids, ids])
        self.vectors = np.concatenate([self.vectors, vectors])

    def search(
        self, queries: Floats, k: int, allowed: NDArray[np.int64] | None = None
    ) -> list[tuple[NDArray[np.int64], Floats]]:
        """Return per query the ids and similarities of its k nearest, by falling similarity, then rising id.

        Args:
            queries: (Q, D) float32.
            k: at the most.
            allowed: ids to choose from; None = all.
        """
        rows = np.arange(len(self.ids)) if allowed is None else np.flatnonzero(np.isin(self.ids, allowed))
        vectors = self.vectors if allowed is None else self.vectors[rows]
        results = []
        for similarities in queries @ vectors.T:
            best = _top(similarities, k)
            results.append((self.ids[rows[best]], similarities[best]))
        return results


def _top(values: Floats, k: int) -> NDArray[np.intp]:
    """Return the positions of the k largest values, largest first, ties by position."""
    if k < len(values):
        # Everything that ties with the k-th value competes, so that the tie rule holds at the border.
        border = -np.partition(-values, k - 1)[k - 1]
        candidates = np.flatnonzero(values >= border)
    else:
        candidates = np.arange(len(values))
    order = np.argsort(-values[candidates], kind="stable")
    return np.asarray(candidates[order][:k])
