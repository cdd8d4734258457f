"""Re-ID-style evaluation on crops (paper Table 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personsearch.evaluation.ranking import average_precision
from personsearch.results import Floats


@dataclass(frozen=True, kw_only=True)
class ReidResult:
    """Mean average precision and first-rank accuracy over ``queries`` crops."""

    mean_average_precision: float
    top1: float
    queries: int


def evaluate_reid(
    embeddings: Floats, identities: NDArray[np.int64], cameras: Sequence[str | None], is_query: NDArray[np.bool_]
) -> ReidResult:
    """Rank all crops for each query crop by the Market-1501 rule: same person and same camera is left out.

    Args:
        embeddings: (N, D) unit length.
        identities: (N,), -1 = nobody's label (a distractor).
        cameras: (N,) camera names.
        is_query: (N,) which crops to query with; those whose person no other camera shows are passed over.
    """
    camera = np.asarray([c if c is not None else "" for c in cameras])
    precisions, firsts = [], []
    for row in np.flatnonzero(is_query & (identities >= 0)):
        same = identities == identities[row]
        allowed = ~(same & (camera == camera[row]))
        if not (same & allowed).any():
            continue
        similarity = embeddings[allowed] @ embeddings[row]
        precisions.append(average_precision(same[allowed], similarity))
        firsts.append(bool(same[allowed][similarity.argmax()]))
    if not precisions:
        return ReidResult(mean_average_precision=0.0, top1=0.0, queries=0)
    return ReidResult(
        mean_average_precision=float(np.mean(precisions)), top1=float(np.mean(firsts)), queries=len(precisions)
    )
