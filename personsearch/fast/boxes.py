"""Boxes on the device, padded with zeros: decoding, clipping, and leaving out without changing a shape."""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: A side grows at most to this many times the anchor's (torchvision's limit).
MOST_GROWTH = 1000 / 16


def decode(deltas: Tensor, around: Tensor, weights: tuple[float, float, float, float]) -> Tensor:
    """Apply predicted offsets to boxes, as torchvision's ``BoxCoder`` does; that one copies a number to the device.

    Args:
        deltas: (..., 4) float32: of the centre by width and height, and of the logarithms of both.
        around: (..., 4) float32 xyxy.
        weights: that deltas are divided by.

    Returns:
        (..., 4) float32 xyxy.
    """
    width, height = around[..., 2] - around[..., 0], around[..., 3] - around[..., 1]
    x, y = around[..., 0] + 0.5 * width, around[..., 1] + 0.5 * height
    dx, dy, dw, dh = (deltas[..., i] / weight for i, weight in enumerate(weights))
    most = math.log(MOST_GROWTH)
    x, y = dx * width + x, dy * height + y
    half_width = 0.5 * (torch.exp(dw.clamp(max=most)) * width)
    half_height = 0.5 * (torch.exp(dh.clamp(max=most)) * height)
    return torch.stack([x - half_width, y - half_height, x + half_width, y + half_height], dim=-1)


def clip(boxes: Tensor, canvas: tuple[int, int]) -> Tensor:
    """Clip (..., 4) boxes to a canvas of (height, width)."""
    height, width = canvas
    x, y = boxes[..., 0::2].clamp(0, width), boxes[..., 1::2].clamp(0, height)
    return torch.stack([x, y], dim=-1).flatten(-2)


def zeros_unless(sound: Tensor, boxes: Tensor) -> Tensor:
    """Return (..., 4) boxes, zeros in place of those that are not ``sound`` (...) bool, whatever they hold."""
    return torch.where(sound[..., None], boxes, 0.0)


def take(values: Tensor, rows: Tensor) -> Tensor:
    """Return of each image the rows (N, M) of its values (N, K) or (N, K, 4)."""
    if values.ndim == 2:
        return values.gather(1, rows)
    return values.gather(1, rows[:, :, None].expand(-1, -1, values.shape[2]))
