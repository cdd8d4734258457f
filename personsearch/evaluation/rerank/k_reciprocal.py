"""k-reciprocal re-ranking (Zhong et al. 2017), sparse and in blocks, so that the gallery of any set fits in memory.

People with the same nearest neighbours are taken to be the same person: the distance becomes a mixture of the plain
distance and the Jaccard distance of the neighbourhoods.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personsearch.errors import ConfigError, MissingExtraError
from personsearch.evaluation.rerank.searched import Searched
from personsearch.evaluation.search import Ranker
from personsearch.results import Floats

Ints = NDArray[np.int64]
#: How many similarities are held at a time.
CELLS = 2**21
#: A neighbour's own neighbourhood joins ours if more than this share of it lies in ours.
SHARED = 2 / 3


@dataclass(frozen=True, kw_only=True)
class KReciprocal:
    """Compare people by their neighbourhoods.

    The neighbourhoods of all rows of the gallery are computed once. A query's neighbours are among the rows it may be
    searched for in, and queries never see each other, so one query's result does not depend on which others are asked
    (the original puts all queries and rows into one pool). The similarity is 1 minus the mixed distance. Which of
    several equally similar rows at the border of a neighbourhood belong to it is arbitrary.

    Attributes:
        k1: how many nearest neighbours are considered; they must be mutual.
        k2: how many nearest neighbours' neighbourhoods are averaged.
        weight: of the plain distance, 0..1 (lambda in their paper).
    """

    k1: int = 20
    k2: int = 6
    weight: float = 0.3

    def __post_init__(self) -> None:
        if not 1 <= self.k2 <= self.k1 or not 0 <= self.weight <= 1:
            raise ConfigError(f"k1 must be at least k2, k2 at least 1, and weight from 0 to 1, got {self}")

    def ranker(self, searched: Searched) -> Ranker:
        """Return the similarities of this method; the gallery's neighbourhoods are computed here.

        Raises:
            MissingExtraError: scipy is not installed.
        """
        embeddings = searched.rows.embeddings
        gallery = Neighbourhoods(embeddings, self.k1, self.k2)

        def rank(query: int, allowed: Ints) -> NDArray[np.floating]:
            if not len(allowed):
                return np.zeros(0)
            similarity = embeddings @ searched.queries[query]
            plain = _distance(similarity[allowed], similarity[allowed].min())
            return np.asarray(1 - self.weight * plain - (1 - self.weight) * gallery.jaccard(similarity, allowed))

        return rank


class Neighbourhoods:
    """Who belongs to whom in a gallery: sparse (N, N) weights whose rows sum to 1."""

    def __init__(self, embeddings: Floats, k1: int, k2: int) -> None:
        """Find the mutual neighbours of every row, and theirs.

        Args:
            embeddings: (N, D) unit length.
            k1: see :class:`KReciprocal`.
            k2: see :class:`KReciprocal`.

        Raises:
            MissingExtraError: scipy is not installed.
        """
        try:
            from scipy import sparse
        except ImportError:
            raise MissingExtraError("k-reciprocal needs scipy: pip install 'personsearch[evaluate]'") from None
        self._csr = sparse.csr_matrix
        self._k1, self._k2 = k1, k2
        neighbours, self._reach, farthest = nearest(embeddings, k1)
        mutual = self._mutual(neighbours)
        self._half = self._mutual(neighbours[:, : round(k1 / 2) + 1])
        self._half_sizes = np.diff(self._half.indptr)
        parts = [mutual[:0]]
        for rows in _slices(len(embeddings)):
            joined = self._joined(mutual[rows])
            first, second = joined.nonzero()
            joined.data = np.exp(
                -_distance(_dots(embeddings, first + rows.start, second), farthest[first + rows.start])
            )
            parts.append(_normalised(joined))
        #: (N, N), before and after averaging over each row's k2 nearest; the second is stored by columns.
        self._weights = sparse.vstack(parts, format="csr", dtype=np.float32)
        self._columns = (self._matrix(neighbours[:, :k2]) @ self._weights / max(1, neighbours[:, :k2].shape[1])).tocsc()

    def jaccard(self, similarity: Floats, allowed: Ints) -> NDArray[np.float64]:
        """Return the Jaccard distances (A,) from a query to some rows.

        Args:
            similarity: (N,) of the query to all rows.
            allowed: (A,) the rows that its neighbourhood may consist of.
        """
        order = allowed[np.argsort(-similarity[allowed], kind="stable")]
        near = order[: self._k1]
        near = near[similarity[near] >= self._reach[near]]  # the query would be one of their neighbours too
        total = len(similarity)
        joined = self._joined(self._csr((np.ones(len(near)), near, [0, len(near)]), (1, total)))
        own = np.zeros(total)
        own[joined.indices] = np.exp(-_distance(similarity[joined.indices], similarity[allowed].min()))
        outside = np.ones(total, dtype=bool)
        outside[allowed] = False
        own[outside] = 0
        own /= own.sum() or 1
        best = order[: self._k2 - 1]  # the query itself is the first of its k2 nearest
        own = (own + np.asarray(self._weights[best].sum(axis=0)).ravel()) / (1 + len(best))

        used = np.flatnonzero(own)
        columns = self._columns[:, used]
        smaller = np.minimum(columns.data, np.repeat(own[used], np.diff(columns.indptr)))
        common = np.bincount(columns.indices, weights=smaller, minlength=total)[allowed]
        return np.asarray(1 - common / (1 + own.sum() - common))

    def _matrix(self, neighbours: Ints) -> Any:
        """Return (N, N), 1 where the column is one of the row's neighbours."""
        rows, count = neighbours.shape
        starts = np.arange(rows + 1) * count
        return self._csr((np.ones(rows * count, np.float32), neighbours.ravel(), starts), (rows, rows))

    def _mutual(self, neighbours: Ints) -> Any:
        near = self._matrix(neighbours)
        return near.multiply(near.T).tocsr()

    def _joined(self, mutual: Any) -> Any:
        """Add to each row's mutual neighbours the neighbourhoods of those that share enough of theirs with it."""
        common = (mutual @ self._half.T).multiply(mutual).tocsr()
        common.data = (common.data > SHARED * self._half_sizes[common.indices]).astype(np.float32)
        common.eliminate_zeros()
        joined = (mutual + common @ self._half).tocsr()
        joined.data = np.ones(len(joined.data), np.float32)
        return joined


def nearest(embeddings: Floats, k: int) -> tuple[Ints, Floats, Floats]:
    """Find each row's k nearest other rows, in blocks.

    Returns:
        (N, 1 + k) the row itself, then its neighbours by falling similarity, with fewer columns where there are fewer
        rows; (N,) similarity of the last neighbour; (N,) similarity of the farthest row.
    """
    total = len(embeddings)
    k = min(k, max(total - 1, 0))
    neighbours = np.zeros((total, 1 + k), np.int64)
    reach, farthest = np.ones(total, np.float32), np.ones(total, np.float32)
    for rows in _slices(total):
        similarity = embeddings[rows] @ embeddings.T
        farthest[rows] = similarity.min(axis=1)
        numbers = np.arange(len(similarity))
        similarity[numbers, numbers + rows.start] = np.inf
        near = np.argpartition(-similarity, k, axis=1)[:, : k + 1]
        near.sort(axis=1)
        values = np.take_along_axis(similarity, near, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        neighbours[rows] = np.take_along_axis(near, order, axis=1)
        if k:
            reach[rows] = np.take_along_axis(values, order[:, -1:], axis=1)[:, 0]
    return neighbours, reach, farthest


def _slices(total: int) -> Iterator[slice]:
    step = max(1, CELLS // max(total, 1))
    for first in range(0, total, step):
        yield slice(first, min(first + step, total))


def _distance(similarity: Floats, farthest: Any) -> NDArray[np.float64]:
    """Return squared Euclidean distances as shares of the farthest row's distance."""
    longest = np.maximum(2 - 2 * np.asarray(farthest, np.float64), 1e-12)
    return np.asarray((2 - 2 * similarity.astype(np.float64)).clip(0) / longest)


def _dots(embeddings: Floats, first: Ints, second: Ints) -> Floats:
    """Return the similarity (P,) of pairs of rows."""
    similarity = np.ones(len(first), np.float32)
    step = max(1, CELLS // max(embeddings.shape[1], 1))
    for start in range(0, len(first), step):
        part = slice(start, start + step)
        similarity[part] = np.einsum("pd,pd->p", embeddings[first[part]], embeddings[second[part]])
    return similarity


def _normalised(matrix: Any) -> Any:
    sums = np.asarray(matrix.sum(axis=1)).ravel()
    matrix.data = matrix.data / np.repeat(sums, np.diff(matrix.indptr))
    return matrix
