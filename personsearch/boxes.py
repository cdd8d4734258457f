"""Box arithmetic, once for all rooms: overlap, coverage, one-to-one matching, and the check of boxes a caller gives.

Boxes are xyxy in continuous pixel coordinates: the width is ``x2 - x1``, without a "+1".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personsearch.errors import ImageError

Boxes = NDArray[np.floating[Any]]


def box_iou(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    """Return the (N, M) intersection over union of boxes (N, 4) and (M, 4); 0 where neither has an area."""
    intersection = _intersection(a, b)
    union = _area(a)[:, None] + _area(b)[None, :] - intersection
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)


def paired_iou(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    """Return the (N,) intersection over union of the boxes of ``a`` (N, 4) with those of ``b`` (N, 4), row by row."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    sides = (np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])).clip(min=0)
    intersection = sides[:, 0] * sides[:, 1]
    union = _area(a) + _area(b) - intersection
    return np.asarray(np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0))


def box_coverage(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    """Return the (N, M) share of each box of ``a`` that lies inside each box of ``b``."""
    intersection, area = _intersection(a, b), _area(a)[:, None]
    return np.divide(intersection, area, out=np.zeros_like(intersection), where=area > 0)


def mutual_best(a: Boxes, b: Boxes, min_iou: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Match boxes one to one: pairs that overlap each other best, and by at least ``min_iou``.

    Returns:
        (K,) rows of ``a``, rising, and (K,) the row of ``b`` that belongs to each.
    """
    if not len(a) or not len(b):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    iou = box_iou(a, b)
    best = iou.argmax(axis=1)
    rows = np.arange(len(a))
    hit = np.flatnonzero((iou.argmax(axis=0)[best] == rows) & (iou[rows, best] >= min_iou))
    return hit, best[hit]


def look_normalised(boxes: Boxes) -> bool:
    """Whether boxes (N, 4) are fractions of the image rather than pixels: all within 0..1, with an area.

    Nobody is found in a box of one pixel, so such boxes are always a mistake.
    """
    return bool(len(boxes)) and bool((boxes >= 0).all() and (boxes <= 1).all() and (boxes[:, 2:] > boxes[:, :2]).all())


def require_corners(boxes: Sequence[Sequence[float]] | NDArray[Any], name: str) -> NDArray[np.float32]:
    """Return boxes as (N, 4) float32, after all that can be said of them without their image.

    Args:
        boxes: x1, y1, x2, y2 each.
        name: of what they were given with, for messages.

    Raises:
        ImageError: a box is not four finite numbers, has no area, or lies above or left of every image.
    """
    array = _rows_of_four(boxes, name)
    for box in array:
        if fault := _fault(box):
            raise ImageError(
                f"{name}: box {_written(box)}: {fault}; give x1, y1, x2, y2 in pixels of the upright image"
            )
    return _float32(array)


def checked_boxes(
    boxes: Sequence[Sequence[float]] | NDArray[Any], image_size: tuple[int, int], name: str
) -> NDArray[np.float32]:
    """Return boxes as (N, 4) float32, clipped to the image.

    Args:
        boxes: x1, y1, x2, y2 each, pixels of the image.
        image_size: (height, width).
        name: of the image, for messages.

    Raises:
        ImageError: names the image, the box and what is wrong: it is not four finite numbers, has no area inside the
            image, or is given in fractions of it.
    """
    array = _rows_of_four(boxes, name)
    height, width = image_size
    clipped = _float32(array).clip(0, [width, height, width, height]).astype(np.float32)
    for given, box in zip(array, clipped, strict=True):
        fault = _fault(given)
        if fault is None and max(image_size) > 1 and look_normalised(given[None]):
            raise ImageError(
                f"{name}: box {_written(given)} looks like fractions of the image (0 to 1); give pixels: multiply x by "
                f"{width} and y by {height}"
            )
        if fault is None and (box[2:] <= box[:2]).any():
            fault = "it lies outside" if (given[:2] >= (width, height)).any() else "it is too thin"
        if fault is not None:
            raise ImageError(
                f"{name}: box {_written(given)} has no area inside the {width}x{height} image: {fault}; "
                "give x1, y1, x2, y2 in pixels of the upright image"
            )
    return clipped


def _rows_of_four(boxes: Sequence[Sequence[float]] | NDArray[Any], name: str) -> NDArray[np.float64]:
    try:
        array = np.asarray(boxes, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ImageError(f"{name}: a box is four numbers x1, y1, x2, y2, got {boxes!r}") from None
    if array.ndim == 1 and array.size % 4 == 0:
        array = array.reshape(-1, 4)
    if array.ndim not in (1, 2) or array.shape[-1] != 4:
        got = _written(np.atleast_2d(array)[0]) if array.ndim <= 2 and array.size else f"an array of {array.shape}"
        raise ImageError(f"{name}: a box is four numbers x1, y1, x2, y2, got {got}")
    return array


def _fault(box: NDArray[np.float64]) -> str | None:
    """Say what is wrong with a box, whatever its image; None = nothing."""
    x1, y1, x2, y2 = box
    if not np.isfinite(box).all():
        return "its numbers must be finite"
    if x2 <= x1 or y2 <= y1:
        return "x2 must be more than x1 and y2 more than y1, which are corners, not width and height"
    return "it lies outside" if x2 <= 0 or y2 <= 0 else None


def _float32(boxes: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return boxes in float32; what is farther away than any image reaches comes nearer."""
    return boxes.clip(-1e9, 1e9).astype(np.float32)


def _written(box: NDArray[Any]) -> str:
    """Write a box as a user would: (10, 2.5, nan, 40)."""
    return f"({', '.join(f'{value:.7g}' for value in box)})"


def _area(boxes: Boxes) -> NDArray[np.float64]:
    sides = (boxes[:, 2:].astype(np.float64) - boxes[:, :2].astype(np.float64)).clip(min=0)
    return np.asarray(sides[:, 0] * sides[:, 1])


def _intersection(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    a, b = a.astype(np.float64), b.astype(np.float64)
    top_left = np.maximum(a[:, None, :2], b[None, :, :2])
    bottom_right = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = (bottom_right - top_left).clip(min=0)
    return np.asarray(sides[..., 0] * sides[..., 1])
