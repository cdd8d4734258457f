"""Colours of clothes, skin and hair, and how often they occur. All are sRGB 0..1."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from typing import TypeVar

import numpy as np

Rgb = tuple[float, float, float]
Key = TypeVar("Key")

COLOURS: dict[str, Rgb] = {
    "black": (0.07, 0.07, 0.08),
    "white": (0.92, 0.91, 0.89),
    "grey": (0.45, 0.45, 0.46),
    "dark grey": (0.24, 0.24, 0.26),
    "light grey": (0.70, 0.70, 0.70),
    "navy": (0.10, 0.13, 0.26),
    "denim": (0.23, 0.32, 0.47),
    "light denim": (0.47, 0.57, 0.70),
    "beige": (0.78, 0.70, 0.56),
    "khaki": (0.55, 0.50, 0.36),
    "olive": (0.30, 0.32, 0.19),
    "brown": (0.33, 0.22, 0.15),
    "camel": (0.66, 0.48, 0.30),
    "red": (0.72, 0.10, 0.12),
    "maroon": (0.37, 0.08, 0.12),
    "pink": (0.90, 0.60, 0.68),
    "hot pink": (0.86, 0.20, 0.45),
    "orange": (0.90, 0.45, 0.10),
    "yellow": (0.92, 0.80, 0.22),
    "mustard": (0.75, 0.57, 0.15),
    "green": (0.15, 0.45, 0.22),
    "mint": (0.60, 0.82, 0.70),
    "teal": (0.10, 0.42, 0.45),
    "blue": (0.13, 0.30, 0.70),
    "sky": (0.52, 0.72, 0.90),
    "purple": (0.38, 0.20, 0.50),
    "lilac": (0.72, 0.62, 0.84),
    "cream": (0.93, 0.89, 0.78),
}

# Weights of the colours; they sum to about 100. Street clothes are mostly dark and plain.
TOPS = {
    "black": 14, "white": 12, "grey": 7, "dark grey": 5, "light grey": 4, "navy": 8, "denim": 3, "light denim": 3,
    "beige": 4, "khaki": 2, "olive": 3, "brown": 2, "camel": 2, "red": 6, "maroon": 3, "pink": 4, "hot pink": 2,
    "orange": 2, "yellow": 3, "mustard": 2, "green": 3, "mint": 2, "teal": 2, "blue": 6, "sky": 4, "purple": 3,
    "lilac": 2, "cream": 3,
}  # fmt: skip
BOTTOMS = {
    "black": 22, "white": 4, "grey": 6, "dark grey": 8, "light grey": 2, "navy": 10, "denim": 16, "light denim": 8,
    "beige": 5, "khaki": 5, "olive": 3, "brown": 3, "red": 1, "maroon": 1, "green": 1, "blue": 2, "pink": 1, "cream": 2,
}  # fmt: skip
SHOES = {
    "black": 30, "white": 20, "dark grey": 8, "brown": 12, "navy": 5, "red": 3, "beige": 5, "grey": 5, "blue": 3,
    "pink": 2, "camel": 4,
}  # fmt: skip
BAGS = {
    "black": 30, "dark grey": 10, "grey": 8, "navy": 8, "brown": 10, "red": 6, "blue": 5, "pink": 4, "beige": 5,
    "green": 3, "camel": 5, "white": 3, "yellow": 2, "teal": 3,
}  # fmt: skip

SKIN = np.array(
    [
        (0.94, 0.80, 0.71), (0.90, 0.73, 0.62), (0.84, 0.65, 0.52), (0.76, 0.57, 0.44),
        (0.62, 0.44, 0.33), (0.47, 0.32, 0.24), (0.34, 0.23, 0.18), (0.25, 0.17, 0.14),
    ]
)  # fmt: skip
HAIR: dict[str, Rgb] = {
    "black": (0.05, 0.045, 0.04),
    "dark": (0.09, 0.065, 0.05),
    "dark brown": (0.17, 0.11, 0.075),
    "brown": (0.28, 0.18, 0.11),
    "light brown": (0.42, 0.28, 0.15),
    "blond": (0.62, 0.47, 0.27),
    "grey": (0.45, 0.44, 0.43),
    "white": (0.75, 0.73, 0.70),
    "red": (0.35, 0.13, 0.08),
}
IRIS: tuple[Rgb, ...] = ((0.16, 0.09, 0.05), (0.24, 0.14, 0.07), (0.30, 0.27, 0.14), (0.25, 0.34, 0.42))


def pick(rng: np.random.Generator, weights: Mapping[Key, float]) -> Key:
    """Draw a key with probability proportional to its weight."""
    keys, shares = list(weights), np.array(list(weights.values()), float)
    return keys[rng.choice(len(keys), p=shares / shares.sum())]


def varied(rng: np.random.Generator, colour: Rgb) -> Rgb:
    """Return a colour near ``colour``, as if from another dye or after more washes."""
    hue, saturation, value = colorsys.rgb_to_hsv(*colour)
    hue = (hue + rng.normal(0, 0.025)) % 1
    saturation = float(np.clip(saturation * np.exp(rng.normal(0, 0.2)) + rng.normal(0, 0.02), 0, 1))
    value = float(np.clip(value * np.exp(rng.normal(0, 0.12)), 0.02, 0.97))
    return rounded(colorsys.hsv_to_rgb(hue, saturation, value))


def dyed(rng: np.random.Generator, weights: Mapping[str, float]) -> Rgb:
    """Draw a colour by weight and vary it, as for a garment."""
    return varied(rng, COLOURS[pick(rng, weights)])


def skin_tone(rng: np.random.Generator, darkness: float) -> Rgb:
    """Draw a skin colour around ``darkness`` (0 light .. 7 dark)."""
    tone = float(np.clip(darkness + rng.normal(0, 0.7), 0, 7))
    lower = min(6, int(tone))
    return rounded(SKIN[lower] + (SKIN[lower + 1] - SKIN[lower]) * (tone - lower))


def rounded(colour: object) -> Rgb:
    """Round a colour to three decimals, so that identities can be printed and compared."""
    red, green, blue = (round(float(part), 3) for part in colour)  # type: ignore[attr-defined]
    return red, green, blue
