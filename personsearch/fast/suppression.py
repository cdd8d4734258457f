"""Greedy non-maximum suppression whose result has a fixed size, so that no device need wait for the host."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import box_iou, nms

#: Rounds after which most suppressions have settled; those that have not are found out, and computed again.
ROUNDS = 24
#: Boxes that the first attempt looks at on a CPU. A greedy choice never depends on later boxes, so where these give
#: enough, the others need not be looked at.
FIRST = 1000
#: Most boxes that :func:`settled_survivors` looks at: 32 MB for each image. With the packaged weights the best 1,000
#: never give 300, and the best 2,000 in three of four scenes.
LARGEST = 4000


def first_survivors(boxes: Tensor, threshold: float, count: int) -> tuple[Tensor, Tensor]:
    """Return the first boxes that greedy NMS keeps; looks at no more boxes than that takes.

    The length of what NMS keeps is read on the host, so this is for CPUs; :func:`settled_survivors` gives the same.

    Args:
        boxes: (N, K, 4) xyxy, the best of each image first; those without an area are nothing.
        threshold: of IoU.
        count: how many are wanted.

    Returns:
        (N, count) int64 rows, and which of them are real (N, count) bool: the rest is padding. Where K is smaller than
        ``count``, both have that length.
    """
    count = min(count, boxes.shape[1])
    rows = torch.zeros(len(boxes), count, dtype=torch.int64, device=boxes.device)
    real = torch.zeros(len(boxes), count, dtype=torch.bool, device=boxes.device)
    for image, own in enumerate(boxes):
        looked_at = FIRST
        while True:
            part = own[:looked_at]
            kept = nms(part, -torch.arange(len(part), dtype=part.dtype, device=part.device), threshold)
            kept = kept[has_area(part[kept])][:count]
            if len(kept) == count or looked_at >= len(own):
                break
            looked_at *= 2
        rows[image, : len(kept)] = kept
        real[image, : len(kept)] = True
    return rows, real


def settled_survivors(boxes: Tensor, threshold: float, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the first boxes that greedy NMS keeps, from a fixed number of operations.

    Args:
        boxes: (N, K, 4) xyxy, the best of each image first; those without an area are nothing.
        threshold: of IoU.
        count: how many are wanted.

    Returns:
        As :func:`first_survivors`; and (N,) bool: whether an image's are known to be right. They are not where the
        first :data:`LARGEST` boxes give too few, or where suppressions depend on each other more than :data:`ROUNDS`
        deep.
    """
    count = min(count, boxes.shape[1])
    part = boxes[:, :LARGEST]
    kept, before = suppress(drops_overlapping(part, threshold), has_area(part))
    rank = kept.cumsum(dim=1)
    wanted = kept & (rank <= count)
    rows, real = front(wanted, count)
    needed = rank - kept.to(rank.dtype) < count  # up to the last that is wanted
    settled = ((kept == before) | ~needed).all(dim=1)
    if part.shape[1] < boxes.shape[1]:
        settled &= rank[:, -1] >= count
    return rows, real, settled


def has_area(boxes: Tensor) -> Tensor:
    """Return (...) bool: which boxes (..., 4) have an area."""
    return (boxes[..., 2:] > boxes[..., :2]).all(dim=-1)


def drops_overlapping(boxes: Tensor, threshold: float) -> Tensor:
    """Return (N, K, K) numbers 0 and 1: row drops column by NMS, if it is kept itself.

    Args:
        boxes: (N, K, 4) xyxy, the best of each image first.
        threshold: of IoU.
    """
    number = _number(boxes)
    # One image at a time: the overlaps take many times the memory of what is kept of them.
    return torch.stack([(box_iou(own, own) > threshold).triu(diagonal=1).to(number) for own in boxes])


def suppress(drops: Tensor, among: Tensor, rounds: int | None = ROUNDS) -> tuple[Tensor, Tensor]:
    """Return what is kept when a box is dropped by any kept box that drops it.

    With a strict order of the boxes there is one such choice, the greedy one. Every round makes it right for boxes
    whose droppers were right before; where a round changes nothing, all is right.

    Args:
        drops: (N, K, K) bool, or numbers 0 and 1: row drops column, if it is kept itself; no circles.
        among: (N, K) bool: the boxes that there are; others are not kept.
        rounds: None = until nothing changes, which the host has to look at.

    Returns:
        (N, K) bool after the last round, and after the one before it.
    """
    # As a product, because it reads the matrix once and writes nothing of its size.
    matrix = drops.to(_number(drops))
    now, done = among, 0
    while True:
        before, done = now, done + 1
        now = among & (torch.bmm(before[:, None].to(matrix.dtype), matrix)[:, 0] == 0)
        if done == rounds or (rounds is None and torch.equal(now, before)):
            return now, before


def _number(tensor: Tensor) -> torch.dtype:
    """Return the dtype in which zeros and ones are multiplied fastest on the tensor's device."""
    return torch.float16 if tensor.device.type == "cuda" else torch.float32


def front(chosen: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the rows of what is chosen, in order, then padding.

    Args:
        chosen: (N, K) bool.
        count: length of the result; ``chosen`` beyond it is left out.

    Returns:
        (N, count) int64 rows, and which of them were chosen (N, count) bool. Where K is smaller than ``count``, both
        have that length.
    """
    size = chosen.shape[1]
    order = torch.arange(size, 0, -1, device=chosen.device, dtype=torch.float32)
    best, rows = (chosen * order).topk(min(count, size), dim=1)
    return rows, best > 0
