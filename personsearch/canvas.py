"""An image as the network takes it: the resize rule and the padding rule, of scenes and of crops."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as TF

#: Canvas sides are multiples of this: every stage of the network then has a whole number of cells.
MULTIPLE = 32
#: ImageNet's mean colour, so that padding is about zero after normalisation.
PAD_COLOUR = (124, 116, 104)
#: Canvas pixels around a crop of one person. Without them the convolutions see the canvas's edge instead of a scene.
CROP_MARGIN = 48
#: A crop is at most this many times as wide on its canvas as a person is tall; a wider one is shown smaller.
CROP_MAX_WIDTH = 2


@dataclass(frozen=True)
class Canvas:
    """An image as the network takes it.

    Attributes:
        pixels: (3, H, W) uint8 RGB; H and W multiples of 32.
        scale: (x, y) canvas pixels per original pixel.
        image_size: (height, width) of the original.
        offset: canvas pixels above the image and to its left: none for a scene, a margin for a crop.
    """

    pixels: Tensor
    scale: tuple[float, float]
    image_size: tuple[int, int]
    offset: int = 0

    def to_canvas(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map (N, 4) boxes from the original image to the canvas."""
        return (boxes * self._factors() + self.offset).astype(np.float32)

    def to_original(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map (N, 4) boxes from the canvas to the original image, and clip them to it."""
        height, width = self.image_size
        return ((boxes - self.offset) / self._factors()).clip(0, [width, height, width, height]).astype(np.float32)

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
    pixels = _resized(image, new_height, new_width)
    canvas = torch.empty(3, *padded_size(new_height, new_width), dtype=torch.uint8)
    canvas[:] = torch.tensor(PAD_COLOUR, dtype=torch.uint8).view(3, 1, 1)
    canvas[:, :new_height, :new_width] = pixels
    return Canvas(canvas, (new_width / width, new_height / height), (height, width))


def crop_to_canvas(image: NDArray[np.uint8], person_height: int, margin: int = CROP_MARGIN) -> Canvas:
    """Put a picture of one person onto a small canvas, as if it lay in a scene.

    The picture is resized to the height that people have in scenes, and its edge pixels are repeated around it, on the
    right and below up to the next multiple of 32.

    Args:
        image: (H, W, 3) uint8 RGB.
        person_height: canvas pixels: ``ModelConfig.input.person_height``.
        margin: canvas pixels around the picture, at least.
    """
    height, width = image.shape[:2]
    scale = min(person_height / height, CROP_MAX_WIDTH * person_height / width)
    new_height, new_width = max(1, round(height * scale)), max(1, round(width * scale))
    pixels = _resized(image, new_height, new_width)
    rows, columns = padded_size(new_height + 2 * margin, new_width + 2 * margin)
    after = (columns - margin - new_width, rows - margin - new_height)
    sides = (margin, after[0], margin, after[1])
    padded = F.pad(pixels[None].float(), sides, mode="replicate")[0].to(torch.uint8)
    return Canvas(padded, (new_width / width, new_height / height), (height, width), margin)


def _resized(image: NDArray[np.uint8], height: int, width: int) -> Tensor:
    """Return the image as (3, height, width) uint8."""
    pixels = torch.from_numpy(image if image.flags.writeable else image.copy()).permute(2, 0, 1)
    if (height, width) != image.shape[:2]:
        pixels = TF.resize(pixels, [height, width], antialias=True)
    return pixels


def padded_size(height: int, width: int) -> tuple[int, int]:
    """Return height and width of the canvas of an image that was resized to these: the next multiples of 32."""
    return -(-height // MULTIPLE) * MULTIPLE, -(-width // MULTIPLE) * MULTIPLE
