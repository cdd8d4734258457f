"""Flat pictures without people, drawn with Pillow: advertisements and shop signs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.uint8]
Part = tuple[float, float, float, float]
LETTERS = list("ABCDEFGHIKLMNOPRSTUVWXYZ")
SIGNS = 8
"""Number of signs in a picture of signs."""


def advertisement(rng: np.random.Generator, size: int = 160) -> Pixels:
    """Draw an advertisement of a gradient, shapes and nonsense words; return (size, size, 4) uint8 RGBA."""
    paper, ink = _two_colours(rng)
    rise = np.linspace(0, 1, size)[:, None, None]
    ground = np.array(paper) * (1 - rise * rng.uniform(0, 0.6)) + 255 * rise * rng.uniform(0, 0.3)
    image = Image.fromarray(np.broadcast_to(ground.clip(0, 255), (size, size, 3)).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(1, 5)):
        x, y, width, height = (int(value) for value in rng.integers(size // 8, size // 2, 4))
        colour = tuple(int(value) for value in rng.integers(30, 240, 3))
        (draw.ellipse if rng.random() < 0.6 else draw.rectangle)([x, y, x + width, y + height], fill=colour)
    draw.text((8, int(rng.integers(4, size // 2))), word(rng), fill=ink, font=_font(rng.integers(20, 40)))
    for line in range(rng.integers(2, 5)):
        draw.text((8, size - 14 * (line + 1)), f"{word(rng)} {word(rng)}", fill=ink, font=_font(10))
    return _opaque(image)


def signs(rng: np.random.Generator, width: int = 256, height: int = 40) -> Pixels:
    """Draw ``SIGNS`` shop signs, one below the other; return (SIGNS * height, width, 4) uint8 RGBA."""
    image = Image.new("RGB", (width, height * SIGNS))
    draw = ImageDraw.Draw(image)
    for row in range(SIGNS):
        paper, ink = _two_colours(rng)
        draw.rectangle([0, row * height, width, (row + 1) * height], fill=paper)
        middle = (width // 2, row * height + height // 2)
        draw.text(middle, word(rng), fill=ink, font=_font(rng.integers(20, 32)), anchor="mm")
    return _opaque(image)


def sign(row: int) -> Part:
    """Return x1, y1, x2, y2 (0..1) of one sign in the picture of ``signs``."""
    return 0.0, (row + 0.04) / SIGNS, 1.0, (row + 0.96) / SIGNS


def word(rng: np.random.Generator) -> str:
    """Return 3 to 8 random letters."""
    return "".join(rng.choice(LETTERS, rng.integers(3, 9)))


def _two_colours(rng: np.random.Generator) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return a background colour and a colour that is legible on it."""
    paper = rng.integers(20, 235, 3)
    light = paper @ (0.3, 0.6, 0.1) > 120
    ink = rng.integers(0, 60, 3) if light else rng.integers(200, 256, 3)
    return tuple(int(value) for value in paper), tuple(int(value) for value in ink)


def _font(size: int | np.integer) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=int(size))


def _opaque(image: Image.Image) -> Pixels:
    pixels = np.asarray(image)
    return np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
