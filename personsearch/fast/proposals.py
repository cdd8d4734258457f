"""Regions that may hold a person: the best anchors first, and only those decoded."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from personsearch.fast.boxes import clip, decode, take, zeros_unless
from personsearch.fast.suppression import first_survivors, settled_survivors
from personsearch.models.config import STRIDE, DetectorConfig

#: A region's sides have at least this many pixels (torchvision's ``min_size``).
LEAST_SIDE = 1e-3


class Regions(NamedTuple):
    """Regions of every image of a batch, the best first, padded to one length.

    Attributes:
        boxes: (N, R, 4) float32 xyxy in input pixels; zeros where there is none.
        real: (N, R) bool: which are regions, not padding.
        settled: (N,) bool: whether they are known to be those that greedy NMS gives.
    """

    boxes: Tensor
    real: Tensor
    settled: Tensor


def best_anchors(logits: Tensor, deltas: Tensor, shapes: Tensor, count: int, canvas: tuple[int, int]) -> Tensor:
    """Decode the boxes of the highest scores alone; the reference decodes all and chooses then.

    Args:
        logits: (N, H, W, A) float32.
        deltas: (N, H, W, A, 4) float32.
        shapes: (A, 4) float32: the anchors of the first cell.
        count: how many are decoded.
        canvas: height and width of the input.

    Returns:
        (N, K, 4) float32 xyxy in input pixels, by falling score, clipped to the canvas; zeros where that leaves
        nothing, or a score is not a number.
    """
    images, _, columns, anchors = logits.shape
    scores, chosen = logits.reshape(images, -1).topk(min(count, logits[0].numel()), dim=1)
    cell = torch.div(chosen, anchors, rounding_mode="floor")
    corner = torch.stack([cell % columns, torch.div(cell, columns, rounding_mode="floor")], dim=2) * STRIDE
    around = shapes[chosen % anchors] + corner.repeat(1, 1, 2)
    boxes = decode(take(deltas.reshape(images, -1, 4), chosen), around, (1.0, 1.0, 1.0, 1.0))
    boxes = clip(boxes, canvas)
    sound = (boxes[..., 2:] - boxes[..., :2] >= LEAST_SIDE).all(dim=2) & ~scores.isnan()
    return zeros_unless(sound, boxes)


def choose_regions(boxes: Tensor, config: DetectorConfig, *, exact: bool) -> Regions:
    """Apply NMS to the best anchors (N, K, 4), and return the regions that are left.

    Args:
        boxes: of :func:`best_anchors`.
        config: how much they may overlap, and how many are wanted.
        exact: read on the host what NMS keeps, so that the result is right whatever it is; on a CPU that costs nothing.
            Otherwise nothing is read, and ``settled`` says of which images the result is right.
    """
    if exact:
        rows, real = first_survivors(boxes, config.rpn_nms, config.rpn_post_nms_test)
        settled = torch.ones(len(boxes), dtype=torch.bool, device=boxes.device)
    else:
        rows, real, settled = settled_survivors(boxes, config.rpn_nms, config.rpn_post_nms_test)
    return Regions(zeros_unless(real, take(boxes, rows)), real, settled)
