"""Features of regions: RoIAlign in float32, and Multi-level RoI Fusion Pooling (paper section 3.2)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torchvision.ops import roi_align

from personsearch.models.backbone import copy_of_conv3
from personsearch.models.config import LOW_STRIDE, STRIDE, Pair


def pool_boxes(features: Tensor, boxes: list[Tensor], size: Pair, stride: int) -> Tensor:
    """RoIAlign with 2x2 samples per cell and half-pixel alignment, in float32; the result has the features' dtype.

    Args:
        features: (N, C, H/stride, W/stride).
        boxes: per image (K_i, 4) float32 xyxy in input pixels.
        size: output height and width.
        stride: input pixels per feature cell.

    Returns:
        (sum K_i, C, height, width).
    """
    pooled: Tensor = roi_align(features.float(), boxes, size, spatial_scale=1 / stride, sampling_ratio=2, aligned=True)
    return pooled.to(features.dtype)


class DetectionPooling(nn.Module):
    """7x7 RoIAlign on conv3_x, with the signature that torchvision's ``RoIHeads`` calls."""

    def forward(self, features: dict[str, Tensor], boxes: list[Tensor], _shapes: Any) -> Tensor:
        """Return (sum K_i, C, 7, 7) for per-image boxes (K_i, 4) in input pixels."""
        return pool_boxes(features["0"], boxes, (7, 7), STRIDE)


class SingleLevelPooling(nn.Module):
    """RoIAlign on conv3_x alone: the paper's baseline."""

    def __init__(self, size: Pair) -> None:
        super().__init__()
        self.size = size

    def forward(self, low: Tensor, high: Tensor, boxes: list[Tensor]) -> Tensor:
        """Return (sum K_i, C3, h, w); ``low`` is not used."""
        return self.fuse(*self.pool(low, high, boxes))

    def pool(self, low: Tensor, high: Tensor, boxes: list[Tensor]) -> tuple[Tensor, ...]:
        """Return the regions' maps, one (sum K_i, C3, h, w); ``low`` is not used."""
        return (pool_boxes(high, boxes, self.size, STRIDE),)

    def fuse(self, coarse: Tensor) -> Tensor:
        """Return what :meth:`pool` gave: there is one level."""
        return coarse

    def fuse_whole(self, low: Tensor, high: Tensor) -> Tensor:
        """Return ``high``, the maps of pictures that are a region each; ``low`` is not used."""
        return self.fuse(high)


class MRFP(nn.Module):
    """Multi-level RoI Fusion Pooling (paper section 3.2).

    The sum of two: RoIAlign from conv3_x at ``size``; and RoIAlign from conv2_x at twice that size, passed through the
    neck, a conv3_x of its own that shares no parameters with the base network.
    """

    def __init__(self, size: Pair, backbone: str) -> None:
        super().__init__()
        self.size = size
        self.neck = copy_of_conv3(backbone)

    def forward(self, low: Tensor, high: Tensor, boxes: list[Tensor]) -> Tensor:
        """Return (sum K_i, C3, h, w).

        Args:
            low: conv2_x, (N, C2, H/4, W/4).
            high: conv3_x, (N, C3, H/8, W/8).
            boxes: per image (K_i, 4) float32 xyxy in input pixels.
        """
        return self.fuse(*self.pool(low, high, boxes))

    def pool(self, low: Tensor, high: Tensor, boxes: list[Tensor]) -> tuple[Tensor, ...]:
        """Return the regions' maps of both levels, (sum K_i, C2, 2h, 2w) and (sum K_i, C3, h, w); see :meth:`forward`.

        Their size does not depend on the canvas, so regions of several canvases can be joined before :meth:`fuse`.
        """
        fine = pool_boxes(low, boxes, (2 * self.size[0], 2 * self.size[1]), LOW_STRIDE)
        return fine, pool_boxes(high, boxes, self.size, STRIDE)

    def fuse(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """Return (sum K_i, C3, h, w): the maps of conv3_x plus those of conv2_x passed through the neck."""
        fused: Tensor = coarse + self.neck(fine)
        return fused

    def fuse_whole(self, low: Tensor, high: Tensor) -> Tensor:
        """Return (N, C3, h, w) for pictures that are a region each: crops of 8h x 8w have maps of the pooled sizes."""
        return self.fuse(low, high)
