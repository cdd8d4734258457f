"""RoIAlign as weighted sums of rows of the feature map."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import roi_align

from personsearch.models.config import Pair

#: Samples per cell and axis, as in the reference's RoIAlign.
SAMPLES = 2


def pool_regions(features: Tensor, boxes: Tensor, image_of: Tensor, size: Pair, stride: int) -> Tensor:
    """RoIAlign with 2x2 samples per cell and half-pixel alignment, in float32.

    On a CPU a cell is the weighted sum of 16 rows of the map in channels-last order, which one ``embedding_bag``
    computes many times faster than torchvision's kernel; on other devices torchvision's is used.

    Args:
        features: (N, C, H, W), channels last.
        boxes: (K, 4) float32 xyxy in input pixels.
        image_of: (K,) int64: which of the N maps.
        size: output height and width.
        stride: input pixels per feature cell.

    Returns:
        (K, height * width, C) of the features' dtype: cells by row, then column.
    """
    if features.device.type == "cpu":
        return _by_rows(features, boxes, image_of, size, stride)
    rois = torch.cat([image_of[:, None].to(boxes.dtype), boxes], dim=1)
    pooled = roi_align(features.float(), rois, size, spatial_scale=1 / stride, sampling_ratio=SAMPLES, aligned=True)
    by_cell: Tensor = pooled.flatten(2).transpose(1, 2).to(features.dtype)
    return by_cell


def _by_rows(features: Tensor, boxes: Tensor, image_of: Tensor, size: Pair, stride: int) -> Tensor:
    count, channels, height, width = features.shape
    rows = features.permute(0, 2, 3, 1).reshape(count * height * width, channels).float()
    corners = boxes / stride - 0.5
    y, y_weight = _samples(corners[:, 1], corners[:, 3], size[0], height)
    x, x_weight = _samples(corners[:, 0], corners[:, 2], size[1], width)
    first = image_of * (height * width)
    # (K, rows, columns, 4, 4): each cell's four places along y with each of its four along x.
    index = first[:, None, None, None, None] + y[:, :, None, :, None] * width + x[:, None, :, None, :]
    weight = y_weight[:, :, None, :, None] * x_weight[:, None, :, None, :]
    places = 4 * SAMPLES * SAMPLES
    pooled = F.embedding_bag(index.reshape(-1, places), rows, per_sample_weights=weight.reshape(-1, places), mode="sum")
    return pooled.view(len(boxes), size[0] * size[1], channels).to(features.dtype)


def _samples(low: Tensor, high: Tensor, cells: int, length: int) -> tuple[Tensor, Tensor]:
    """Return where each cell of a region looks along one axis, and how much each place counts.

    Bilinear interpolation at :data:`SAMPLES` points a cell looks at two places each. A point more than one cell beside
    the map counts nothing; within that it is moved to the map's edge, as in torchvision.

    Args:
        low: (K,) where regions begin, in cells of the map.
        high: (K,) where they end.
        cells: of a region.
        length: of the map.

    Returns:
        (K, cells, 2 * SAMPLES) int64 places, and float32 weights.
    """
    points = cells * SAMPLES
    step = (torch.arange(points, device=low.device) + 0.5) / points
    at = low[:, None] + step * (high - low)[:, None]
    inside = (at >= -1) & (at <= length)
    at = at.clamp(0, length - 1)
    below = at.floor()
    above = (below + 1).clamp(max=length - 1)
    part = at - below
    weight = torch.stack([1 - part, part], dim=2) * (inside / SAMPLES)[:, :, None]
    places = torch.stack([below, above], dim=2).to(torch.int64)
    shape = (len(low), cells, 2 * SAMPLES)
    return places.view(shape), weight.view(shape)
