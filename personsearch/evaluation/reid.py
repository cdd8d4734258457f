"""Re-ID-style evaluation on crops (paper Table 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personsearch.errors import DatasetError
from personsearch.evaluation.ranking import average_precision
from personsearch.results import Floats

BLOCK = 256


@dataclass(frozen=True, kw_only=True)
class ReidResult:
    """Mean average precision and first-rank accuracy over ``queries`` crops."""

    mean_average_precision: float
    top1: float
    queries: int


def evaluate_reid(
    embeddings: Floats,
    identities: NDArray[np.int64],
    cameras: Sequence[str | None],
    is_query: NDArray[np.bool_],
    *,
    same_camera: bool = False,
) -> ReidResult:
    """Rank all crops for each query crop.

    By the Market-1501 rule crops of the same person by the same camera are left out of the ranking.

    Args:
        embeddings: (N, D) unit length.
        identities: (N,), -1 = nobody's label (a distractor).
        cameras: (N,) camera names.
        is_query: (N,) which crops to query with; those whose person no other crop that counts shows are passed over.
        same_camera: crops of the same person by the same camera count as well; only the query crop itself is left out.

    Raises:
        DatasetError: a similarity is NaN, so crops cannot be ranked.
    """
    numbers = {name: number for number, name in enumerate(dict.fromkeys(cameras))}
    camera = np.array([numbers[name] for name in cameras], dtype=np.int64)
    precisions, firsts = [], []
    queries = np.flatnonzero(is_query & (identities >= 0))
    for begin in range(0, len(queries), BLOCK):
        block = queries[begin : begin + BLOCK]
        similarities = embeddings[block] @ embeddings.T
        for row, similarity in zip(block, similarities, strict=True):
            if np.isnan(similarity).any():
                raise DatasetError(
                    f"crop {row}: a similarity is NaN, so crops cannot be ranked; look at the embeddings"
                )
            same = identities == identities[row]
            allowed = ~(same & (camera == camera[row]))
            if same_camera:
                allowed = np.arange(len(identities)) != row
            if not (same & allowed).any():
                continue
            precisions.append(average_precision(same[allowed], similarity[allowed]))
            firsts.append(bool(same[allowed][similarity[allowed].argmax()]))
    if not precisions:
        return ReidResult(mean_average_precision=0.0, top1=0.0, queries=0)
    return ReidResult(
        mean_average_precision=float(np.mean(precisions)), top1=float(np.mean(firsts)), queries=len(precisions)
    )
