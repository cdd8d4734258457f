"""Average precision and overlap: the arithmetic under every protocol."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def average_precision(relevant: NDArray[np.bool_], scores: NDArray[np.floating[Any]]) -> float:
    """Return the area under the precision-recall steps, as scikit-learn's ``average_precision_score`` defines it.

    Equal scores form one threshold.

    Args:
        relevant: (N,) bool.
        scores: (N,) higher ranks first.

    Returns:
        Mean over relevant items of the precision at their threshold; 0 where nothing is relevant.
    """
    total = int(relevant.sum())
    if total == 0:
        return 0.0
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(relevant[order])
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    hits, retrieved = hits[last_of_tie], np.flatnonzero(last_of_tie) + 1
    return float(np.sum(np.diff(hits, prepend=0) * hits / retrieved) / total)


def box_iou(a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the (N, M) intersection over union of xyxy boxes (N, 4) and (M, 4); continuous coordinates, no +1."""
    intersection = _intersection(a, b)
    union = _area(a)[:, None] + _area(b)[None, :] - intersection
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)


def box_coverage(a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the (N, M) share of each box of ``a`` that lies inside each box of ``b``."""
    intersection, area = _intersection(a, b), _area(a)[:, None]
    return np.divide(intersection, area, out=np.zeros_like(intersection), where=area > 0)


def _area(boxes: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    boxes = boxes.astype(np.float64)
    return np.asarray((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))


def _intersection(a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    a, b = a.astype(np.float64), b.astype(np.float64)
    top_left = np.maximum(a[:, None, :2], b[None, :, :2])
    bottom_right = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = (bottom_right - top_left).clip(min=0)
    return np.asarray(sides[..., 0] * sides[..., 1])
