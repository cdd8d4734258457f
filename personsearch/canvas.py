"""An image as the network takes it: the resize rule and the padding rule, of scenes and of crops."""

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


def crop_size(height: int, width: int, person_height: int) -> tuple[int, int]:
    """Return (height, width) that a picture of one person has on its canvas, at least one pixel each.

    Args:
        height: of the picture.
        width: of the picture.
        person_height: canvas pixels: ``ModelConfig.input.person_height``.
    """
    scale = min(person_height / height, CROP_MAX_WIDTH * person_height / width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def to_canvas(
    image: NDArray[np.uint8],
    min_size: int,
    max_size: int,
    *,
    image_size: tuple[int, int] | None = None,
    reduction: int = 1,
) -> Canvas:
    """Resize and pad an image. The result follows from the image alone, never from its batch.

    InstanceNorm sees the whole canvas, so padding by batch would change features with the company an image keeps.

    Args:
        image: (H, W, 3) uint8 RGB.
        min_size: of the resize rule.
        max_size: of the resize rule.
        image_size: (height, width) of the original, where ``image`` was decoded at a part of its size.
        reduction: then, how many of the original's pixels in each direction one of the image's stands for.
    """
    height, width = image_size or image.shape[:2]
    new_height, new_width = resized_size(height, width, min_size, max_size)
    canvas = np.empty((3, *padded_size(new_height, new_width)), np.uint8)
    canvas[:] = np.array(PAD_COLOUR, np.uint8).reshape(3, 1, 1)
    canvas[:, :new_height, :new_width] = _resized(image, new_height, new_width)
    scale = _scale(image, new_height, new_width, reduction)
    return Canvas(torch.from_numpy(canvas), scale, (height, width))


def crop_to_canvas(
    image: NDArray[np.uint8],
    person_height: int,
    margin: int = CROP_MARGIN,
    *,
    image_size: tuple[int, int] | None = None,
    reduction: int = 1,
) -> Canvas:
    """Put a picture of one person onto a small canvas, as if it lay in a scene.

    The picture is resized to the height that people have in scenes, and its edge pixels are repeated around it, on the
    right and below up to the next multiple of 32.

    Args:
        image: (H, W, 3) uint8 RGB.
        person_height: canvas pixels: ``ModelConfig.input.person_height``.
        margin: canvas pixels around the picture, at least.
        image_size: see :func:`to_canvas`.
        reduction: see :func:`to_canvas`.
    """
    height, width = image_size or image.shape[:2]
    new_height, new_width = crop_size(height, width, person_height)
    rows, columns = padded_size(new_height + 2 * margin, new_width + 2 * margin)
    around = ((0, 0), (margin, rows - margin - new_height), (margin, columns - margin - new_width))
    padded = np.pad(np.ascontiguousarray(_resized(image, new_height, new_width)), around, mode="edge")
    scale = _scale(image, new_height, new_width, reduction)
    return Canvas(torch.from_numpy(padded), scale, (height, width), margin)


def _scale(image: NDArray[np.uint8], height: int, width: int, reduction: int) -> tuple[float, float]:
    """Return (x, y) canvas pixels per original pixel.

    A reduced image may reach beyond the original's last row and column; then it is its own size that was resized.
    """
    return width / (image.shape[1] * reduction), height / (image.shape[0] * reduction)


def _resized(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Return the image as (3, height, width) uint8, which need not be contiguous.

    Of torch only the resize is used: copying by torch would start a team of its threads for each thread that prepares
    pictures, and they would wait for each other where all cores are busy.
    """
    pixels = torch.from_numpy(image if image.flags.writeable else image.copy()).permute(2, 0, 1)
    if (height, width) != image.shape[:2]:
        pixels = TF.resize(pixels, [height, width], antialias=True)
    resized: NDArray[np.uint8] = pixels.numpy()
    return resized


def padded_size(height: int, width: int) -> tuple[int, int]:
    """Return height and width of the canvas of an image that was resized to these: the next multiples of 32."""
    return -(-height // MULTIPLE) * MULTIPLE, -(-width // MULTIPLE) * MULTIPLE
