"""Backgrounds that rendered places lack: patches of made-up texture, so that a detector learns what is not a person."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Image8 = NDArray[np.uint8]

MAX_PATCHES = 6
TRIES = 12
#: Pixels between a patch and the nearest person.
DISTANCE = 6


def add_clutter(image: Image8, boxes: NDArray[np.float32], rng: np.random.Generator) -> Image8:
    """Cover parts of a scene that show nobody with made-up textures; tall patches are as likely as wide ones.

    Args:
        image: (H, W, 3) uint8 RGB; not changed.
        boxes: (N, 4) xyxy, everybody in the scene; no patch touches one.
        rng: decides everything.
    """
    result = image.copy()
    height, width = image.shape[:2]
    for _ in range(int(rng.integers(1, MAX_PATCHES + 1))):
        for _ in range(TRIES):
            w, h = int(width * rng.uniform(0.04, 0.5)), int(height * rng.uniform(0.08, 0.7))
            left, top = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
            apart = (
                (boxes[:, 0] >= left + w + DISTANCE)
                | (boxes[:, 2] <= left - DISTANCE)
                | (boxes[:, 1] >= top + h + DISTANCE)
                | (boxes[:, 3] <= top - DISTANCE)
            )
            if apart.all():
                result[top : top + h, left : left + w] = texture(h, w, rng)
                break
    return result


def empty_place(height: int, width: int, rng: np.random.Generator) -> Image8:
    """Make a scene without people: a wall, a floor with another texture, and patches for furniture."""
    scene = texture(height, width, rng)
    horizon = int(height * rng.uniform(0.3, 0.8))
    scene[horizon:] = texture(height - horizon, width, rng)
    return add_clutter(scene, np.zeros((0, 4), np.float32), rng)


def texture(height: int, width: int, rng: np.random.Generator) -> Image8:
    """Draw stripes, blotches, a gradient or plain colour, with a little noise; (height, width, 3) uint8."""
    first, second = rng.uniform(0, 255, (2, 3))
    if rng.random() < 0.5:  # most real surfaces have two shades of one colour
        second = first * rng.uniform(0.6, 1.2)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    kind = rng.integers(4)
    if kind == 0:
        angle, period = rng.uniform(0, np.pi), rng.uniform(4, 60)
        wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period)
        mix = np.clip(wave * rng.uniform(0.5, 6) / 2 + 0.5, 0, 1)
    elif kind == 1:
        coarse = rng.integers(0, 256, tuple(rng.integers(2, 24, 2)), dtype=np.uint8)
        mix = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR)) / np.float32(255)
    elif kind == 2:
        mix = (x / max(width - 1, 1)) if rng.random() < 0.5 else (y / max(height - 1, 1))
    else:
        mix = np.zeros((height, width), np.float32)
    colours = first + (second - first) * mix[..., None]
    colours += rng.normal(0, rng.uniform(0, 10), (height, width, 1))
    return colours.clip(0, 255).astype(np.uint8)
