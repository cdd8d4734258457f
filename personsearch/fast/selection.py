"""Who is a person: NMS and containment over the scored regions, at a fixed size."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from personsearch.fast.boxes import take, zeros_unless
from personsearch.fast.suppression import drops_overlapping, front, has_area, suppress
from personsearch.models.config import DetectorConfig
from personsearch.models.detector import drops_nested


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
    kept, before = suppress(drops_overlapping(boxes, config.nms), sound, rounds)
    settled = (kept == before).all(dim=1)
    if config.containment is not None:
        kept, before = suppress(drops_nested(boxes, scores, config.containment), kept, rounds)
        settled &= (kept == before).all(dim=1)
    rows, kept = front(kept, max_people)
    return Selection(take(boxes, rows), take(scores, rows), kept, settled)
