"""Who is a person: NMS and containment over the scored regions, at a fixed size."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from personsearch.fast.boxes import take, zeros_unless
from personsearch.fast.suppression import front, has_area, overlap, suppress
from personsearch.models.config import DetectorConfig


class Selection(NamedTuple):
    """The people of every image of a batch, the best first, padded to one length.

    Attributes:
        boxes: (N, R, 4) float32 xyxy in input pixels.
        scores: (N, R) float32.
        real: (N, R) bool: which are people, not padding.
        settled: (N,) bool: whether they are known to be those that greedy suppression gives.
    """

    boxes: Tensor
    scores: Tensor
    real: Tensor
    settled: Tensor


def select_people(
    boxes: Tensor,
    scores: Tensor,
    real: Tensor,
    config: DetectorConfig,
    *,
    score_threshold: float,
    max_people: int,
    rounds: int | None,
) -> Selection:
    """Drop low scores, then doubles by NMS, then boxes inside better ones, as the reference's ``BoxHead.detect``.

    Args:
        boxes: (N, R, 4) float32 xyxy, clipped to the canvas.
        scores: (N, R) float32.
        real: (N, R) bool: which are regions at all.
        config: what counts as a double.
        score_threshold: lower scores are dropped.
        max_people: most people of an image.
        rounds: see :func:`personsearch.fast.suppression.suppress`.
    """
    sound = real & (scores >= score_threshold) & has_area(boxes)  # NaN is neither
    scores = torch.where(sound, scores, -1.0)
    scores, order = scores.sort(dim=1, descending=True, stable=True)
    boxes, sound = take(zeros_unless(sound, boxes), order), take(sound, order)
    kept, before = suppress((overlap(boxes) > config.nms).triu(diagonal=1), sound, rounds)
    settled = (kept == before).all(dim=1)
    if config.containment is not None:
        kept, before = suppress(contained(boxes, scores, config.containment), kept, rounds)
        settled &= (kept == before).all(dim=1)
    rows, kept = front(kept, max_people)
    return Selection(take(boxes, rows), take(scores, rows), kept, settled)


def contained(boxes: Tensor, scores: Tensor, share: float) -> Tensor:
    """Return (N, R, R) bool: row drops column, as the smaller lies in the larger to at least this share.

    The rule of :func:`personsearch.models.detector.outside_better`: the higher score wins; of equal ones the larger.

    Args:
        boxes: (N, R, 4) xyxy by falling score; zeros for nobody.
        scores: (N, R).
        share: of the smaller box's area.
    """
    top_left = torch.maximum(boxes[:, :, None, :2], boxes[:, None, :, :2])
    bottom_right = torch.minimum(boxes[:, :, None, 2:], boxes[:, None, :, 2:])
    intersection = (bottom_right - top_left).clamp(min=0).prod(dim=3)
    area = (boxes[..., 2:] - boxes[..., :2]).prod(dim=2)
    mine, other = area[:, :, None], area[:, None, :]
    nested = intersection >= share * torch.minimum(mine, other)
    rows = torch.arange(boxes.shape[1], device=boxes.device)
    larger = (mine > other) | ((mine == other) & (rows[:, None] < rows[None, :]))
    better = (scores[:, :, None] > scores[:, None, :]) | ((scores[:, :, None] == scores[:, None, :]) & larger)
    return nested & better
