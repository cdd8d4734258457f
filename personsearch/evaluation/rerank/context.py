"""Context matching: people are seen with the same people again (CBGM, Li and Miao 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from personsearch.errors import ConfigError, MissingExtraError
from personsearch.evaluation.rerank.searched import Searched
from personsearch.evaluation.search import Ranker


@dataclass(frozen=True, kw_only=True)
class ContextMatching:
    """Match everybody of the query's scene with everybody of a gallery scene, one to one, as similar as can be.

    Scenes of the k1 most similar rows are looked at. Where the matching gives the query a row, this row's similarity
    becomes the sum of the similarities of all matched pairs (``score="sum"``, SeqNet), or the mean of that sum and its
    own similarity (``"mean"``, PSTR); all others keep theirs. Both go above 1, so the rows looked at rise over all
    others.

    Attributes:
        k1: rows whose scenes are looked at; SeqNet takes 10 on CUHK-SYSU and 30 on PRW.
        k2: people of the query's scene, the query and those of the highest scores; SeqNet takes 3 and 4.
        score: what becomes of the sum.
    """

    k1: int = 30
    k2: int = 4
    score: Literal["sum", "mean"] = "sum"

    def __post_init__(self) -> None:
        if self.k1 < 1 or self.k2 < 1 or self.score not in ("sum", "mean"):
            raise ConfigError(f"k1 and k2 must be at least 1 and score 'sum' or 'mean', got {self}")

    def ranker(self, searched: Searched) -> Ranker:
        """Return the similarities of this method.

        Raises:
            MissingExtraError: scipy is not installed.
        """
        try:
            from scipy.optimize import linear_sum_assignment
        except ImportError:
            raise MissingExtraError("context matching needs scipy: pip install 'personsearch[evaluate]'") from None
        rows = searched.rows

        def rank(query: int, allowed: NDArray[np.int64]) -> NDArray[np.floating]:
            similarity = searched.similarity(query, allowed).astype(np.float64)
            people = np.concatenate([searched.queries[query][None], searched.companions[query][: self.k2 - 1]])
            scene = rows.scene[allowed]
            changed = similarity.copy()
            for looked_at in np.unique(scene[np.argsort(-similarity, kind="stable")[: self.k1]]):
                there = np.flatnonzero(scene == looked_at)
                table = people @ rows.embeddings[allowed[there]].T
                ours, theirs = linear_sum_assignment(table, maximize=True)
                if ours[0] == 0:  # rising: the query comes first, unless the scene has fewer people and it is left over
                    total = float(table[ours, theirs].sum())
                    row = there[theirs[0]]
                    changed[row] = total if self.score == "sum" else (total + similarity[row]) / 2
            return changed

        return rank
