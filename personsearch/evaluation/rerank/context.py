"""Context matching: it expects the people around a person to be seen with them again (CBGM, Li and Miao 2021)."""

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
    """Match the people of the query's scene with those of a gallery scene, one to one, as similarly as possible.

    The scenes of the k1 most similar rows are considered. Where the matching assigns a row to the query, that row's
    similarity becomes the sum of the similarities of all matched pairs (``score="sum"``, SeqNet), or the mean of that
    sum and its own similarity (``"mean"``, PSTR); all other rows keep theirs. Both can exceed 1, so the rows considered
    rise above all others.

    Attributes:
        k1: how many rows' scenes are considered; SeqNet takes 10 on CUHK-SYSU and 30 on PRW.
        k2: how many people of the query's scene are matched: the query and those of highest score; SeqNet takes 3
            on CUHK-SYSU and 4 on PRW.
        score: how the sum is used.
    """

    k1: int = 30
    k2: int = 4
    score: Literal["sum", "mean"] = "sum"

    def __post_init__(self) -> None:
        if self.k1 < 1 or self.k2 < 1 or self.score not in ("sum", "mean"):
            raise ConfigError(f"k1 and k2 must be at least 1, and score 'sum' or 'mean', got {self}")

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
            for considered in np.unique(scene[np.argsort(-similarity, kind="stable")[: self.k1]]):
                there = np.flatnonzero(scene == considered)
                table = people @ rows.embeddings[allowed[there]].T
                ours, theirs = linear_sum_assignment(table, maximize=True)
                # `ours` rises: the query, number 0, is first unless the scene has too few people for everybody.
                if ours[0] == 0:
                    total = float(table[ours, theirs].sum())
                    row = there[theirs[0]]
                    changed[row] = total if self.score == "sum" else (total + similarity[row]) / 2
            return changed

        return rank
