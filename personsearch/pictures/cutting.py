"""One person cut out of a picture, as re-identification networks take people: training and evaluation cut alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from personsearch.errors import ImageError


def cut_person(
    picture: Image.Image, box: Sequence[float] | NDArray[np.floating], height: int, width: int
) -> NDArray[np.uint8]:
    """Cut a box out of a picture and resize it, bilinearly and with the pixels between averaged.

    The box is cut at its fractions of pixels. What reaches beyond the picture is clipped to it: there is nothing to see
    there, and the person is the rest.

    Args:
        picture: RGB, upright; in its original size, because what is resized twice is blurred.
        box: x1, y1, x2, y2 in pixels of the picture.
        height: of the result, pixels.
        width: of the result, pixels.

    Returns:
        (height, width, 3) uint8 RGB.

    Raises:
        ImageError: the box has no area inside the picture, or is not finite.

    Example:
        >>> picture = Image.new("RGB", (640, 480), (200, 40, 40))
        >>> cut_person(picture, (100, 50, 160.5, 600), 256, 128).shape
        (256, 128, 3)
    """
    x1, y1, x2, y2 = (float(value) for value in box)
    inside = (max(x1, 0.0), max(y1, 0.0), min(x2, float(picture.width)), min(y2, float(picture.height)))
    if not (np.isfinite((x1, y1, x2, y2)).all() and inside[0] < inside[2] and inside[1] < inside[3]):
        raise ImageError(
            f"box ({x1:.7g}, {y1:.7g}, {x2:.7g}, {y2:.7g}) has no area inside the {picture.width}x{picture.height} "
            "picture; give x1, y1, x2, y2 in its pixels"
        )
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR, box=inside))
