"""Domain randomisation: everything but the people becomes random texture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

#: Number of noise cells along the picture's height: standard deviation of that noise in grey levels.
_OCTAVES = {3: 60, 8: 45, 30: 30, 120: 22}
_NUM_SWATCHES = 4
_SWATCH = 160


def random_background(image: Image, owner: NDArray[np.uint8], rng: np.random.Generator) -> Image:
    """Replace everything but the people by random texture.

    Args:
        image: (H, W, 3) uint8 RGB.
        owner: (H, W) uint8, 0 = nobody.
        rng: the frame's random generator.

    Returns:
        A new (H, W, 3) uint8 RGB picture.
    """
    height, width = owner.shape
    kind = rng.choice(["clouds", "patchwork", "blurred patchwork"])
    background = _clouds(height, width, rng) if kind == "clouds" else _patchwork(height, width, rng)
    if kind == "blurred patchwork":
        background = np.asarray(cv2.GaussianBlur(background, (0, 0), rng.uniform(2, 12)), np.uint8)
    # The edge is softened; otherwise each person's outline would be the sharpest thing in the picture.
    share = cv2.GaussianBlur((owner > 0).astype(np.float32), (0, 0), 0.7)[..., None]
    return np.asarray(np.rint(image * share + background * (1 - share)), np.uint8)


def _clouds(height: int, width: int, rng: np.random.Generator) -> Image:
    total = np.full((height, width, 3), rng.uniform(70, 170, 3), np.float32)
    for cells, sigma in _OCTAVES.items():
        coarse = rng.normal(0, sigma, (cells, round(cells * width / height), 3)).astype(np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(total, 0, 255), np.uint8)


def _patchwork(height: int, width: int, rng: np.random.Generator) -> Image:
    """Return a grid of a few repeated swatches."""
    swatches = [_swatch(rng) for _ in range(_NUM_SWATCHES)]
    rows = int(rng.integers(2, 5))
    columns = rows + 1
    picture = np.empty((height, width, 3), np.uint8)
    for row in range(rows):
        for column in range(columns):
            top, bottom = row * height // rows, (row + 1) * height // rows
            left, right = column * width // columns, (column + 1) * width // columns
            swatch = np.rot90(swatches[rng.integers(_NUM_SWATCHES)], int(rng.integers(4)))
            picture[top:bottom, left:right] = cv2.resize(np.ascontiguousarray(swatch), (right - left, bottom - top))
    return np.asarray(picture * rng.uniform(0.6, 1.0), np.uint8)


def _swatch(rng: np.random.Generator) -> Image:
    """Return a square of stripes, checks, a gradient or scattered shapes in random colours."""
    first, second = rng.integers(0, 256, (2, 3))
    y, x = np.mgrid[:_SWATCH, :_SWATCH]
    period = rng.uniform(6, 50)
    angle = rng.uniform(0, np.pi)
    along = x * np.cos(angle) + y * np.sin(angle)
    kind = rng.choice(["stripes", "checks", "gradient", "shapes"])
    if kind == "stripes":
        share = (along % period < period * rng.uniform(0.2, 0.8)).astype(np.float64)
    elif kind == "checks":
        share = ((x // period + y // period) % 2).astype(np.float64)
    elif kind == "gradient":
        share = (along - along.min()) / np.ptp(along)
    else:
        return _shapes(first, rng)
    return np.asarray(first + (second - first) * share[..., None], np.uint8)


def _shapes(ground: NDArray[np.integer], rng: np.random.Generator) -> Image:
    picture = np.full((_SWATCH, _SWATCH, 3), ground, np.uint8)
    for _ in range(int(rng.integers(5, 30))):
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        x, y = (int(value) for value in rng.integers(0, _SWATCH, 2))
        width, height = (int(value) for value in rng.integers(4, 50, 2))
        if rng.random() < 0.5:
            cv2.rectangle(picture, (x, y), (x + width, y + height), colour, -1)
        else:
            cv2.ellipse(picture, (x, y), (width, height), float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
    return picture
