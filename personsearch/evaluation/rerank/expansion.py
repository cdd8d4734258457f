"""Query expansion: searches again with the query and its best matches combined."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personsearch.errors import ConfigError
from personsearch.evaluation.rerank.searched import Searched
from personsearch.evaluation.search import Ranker


@dataclass(frozen=True, kw_only=True)
class QueryExpansion:
    """Add the k most similar rows to the query, each weighted by its similarity to the power alpha.

    Attributes:
        k: how many rows are added; rows of negative similarity never are.
        alpha: 0 = equal weights (AQE, Chum et al. 2007); 3 = alpha-QE (Radenovic et al. 2018).
    """

    k: int = 5
    alpha: float = 0.0

    def __post_init__(self) -> None:
        if self.k < 1 or not self.alpha >= 0:
            raise ConfigError(f"k must be at least 1 and alpha at least 0, got {self}")

    def ranker(self, searched: Searched) -> Ranker:
        """Return the similarities of this method."""

        def rank(query: int, allowed: NDArray[np.int64]) -> NDArray[np.floating]:
            similarity = searched.similarity(query, allowed)
            best = np.argsort(-similarity, kind="stable")[: self.k]
            best = best[similarity[best] > 0]
            weight = similarity[best].astype(np.float64) ** self.alpha
            expanded = searched.queries[query] + weight @ searched.rows.embeddings[allowed[best]]
            expanded /= np.linalg.norm(expanded)
            return searched.products(expanded.astype(np.float32), allowed)

        return rank
