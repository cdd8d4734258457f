"""The resize rule and the padding rule: an image as the network takes it, for training and inference alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

#: Canvas sides are multiples of this: every stage of the network then has a whole number of cells.
MULTIPLE = 32
#: ImageNet's mean colour, so that padding is about zero after normalisation.
PAD_COLOUR = (124, 116, 104)


@dataclass(frozen=True)
class Canvas:
    """An image as the network takes it.

    Attributes:
        pixels: (3, H, W) uint8 RGB; H and W multiples of 32, the image at the top left.
        scale: (x, y) canvas pixels per original pixel.
        image_size: (height, width) of the original.
    """

    pixels: Tensor
    scale: tuple[float, float]
    image_size: tuple[int, int]

    def to_canvas(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map (N, 4) boxes from the original image to the canvas."""
        return (boxes * self._factors()).astype(np.float32)

    def to_original(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map (N, 4) boxes from the canvas to the original image, and clip them to it."""
        height, width = self.image_size
        return (boxes / self._factors()).clip(0, [width, height, width, height]).astype(np.float32)

    def _factors(self) -> NDArray[np.float64]:
        return np.array([*self.scale, *self.scale])


def resized_size(height: int, width: int, min_size: int, max_size: int) -> tuple[int, int]:
    """Apply the paper's resize rule (section 4.3): shorter side to ``min_size``, longer side at most ``max_size``.

    Returns:
        (height, width), at least one pixel each.
    """
    scale = min(min_size / min(height, width), max_size / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def to_canvas(image: NDArray[np.uint8], min_size: int, max_size: int) -> Canvas:
    """Resize and pad an image. The result follows from the image alone, never from its batch.

    InstanceNorm sees the whole canvas, so padding by batch would change features with the company an image keeps.

    Args:
        image: (H, W, 3) uint8 RGB.
        min_size: of the resize rule.
        max_size: of the resize rule.
    """
    height, width = image.shape[:2]
    new_height, new_width = resized_size(height, width, min_size, max_size)
    pixels = torch.from_numpy(image if image.flags.writeable else image.copy()).permute(2, 0, 1)
    if (new_height, new_width) != (height, width):
        pixels = TF.resize(pixels, [new_height, new_width], antialias=True)
    canvas = torch.empty(3, *padded_size(new_height, new_width), dtype=torch.uint8)
    canvas[:] = torch.tensor(PAD_COLOUR, dtype=torch.uint8).view(3, 1, 1)
    canvas[:, :new_height, :new_width] = pixels
    return Canvas(canvas, (new_width / width, new_height / height), (height, width))


def padded_size(height: int, width: int) -> tuple[int, int]:
    """Return height and width of the canvas of an image that was resized to these: the next multiples of 32."""
    return -(-height // MULTIPLE) * MULTIPLE, -(-width // MULTIPLE) * MULTIPLE
