"""Colours of walls, cars, stone and leaves. The functions return linear RGB."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from personsearch.synth.geometry import linear
from personsearch.synth.people.palette import COLOURS, pick, varied
from personsearch.synth.world.types import Rgb

WALLS = {
    "beige": 5, "cream": 5, "grey": 3, "light grey": 5, "brown": 1, "camel": 2, "maroon": 0.7, "white": 5, "khaki": 1,
    "sky": 0.5, "mustard": 0.7, "dark grey": 1, "pink": 0.5,
}  # fmt: skip
CARS = {
    "white": 5, "black": 5, "grey": 5, "light grey": 4, "red": 2, "blue": 2, "navy": 2, "dark grey": 4, "maroon": 1,
    "beige": 1, "green": 0.5, "yellow": 0.5,
}  # fmt: skip
DOORS = {"brown": 3, "green": 1, "navy": 1, "dark grey": 2, "maroon": 1, "white": 1}
DARK: Rgb = (0.015, 0.015, 0.017)
STEEL: Rgb = (0.30, 0.30, 0.32)


def painted(rng: np.random.Generator, colours: Mapping[str, float]) -> Rgb:
    """Draw one of the named colours, by weight."""
    return tinted(rng, COLOURS[pick(rng, colours)])


def any_colour(rng: np.random.Generator) -> Rgb:
    """Draw any named colour."""
    return painted(rng, dict.fromkeys(COLOURS, 1.0))


def tinted(rng: np.random.Generator, srgb: Rgb) -> Rgb:
    """Return a colour near ``srgb``."""
    return as_rgb(linear(varied(rng, srgb)))


def natural(rng: np.random.Generator, srgb: Rgb) -> Rgb:
    """Return a colour near ``srgb`` that varies as leaves, bark, stone and soil do: in lightness, hardly in hue."""
    return as_rgb(np.minimum(linear(srgb) * np.exp(rng.normal(0, 0.13)) * rng.uniform(0.94, 1.06, 3), 0.95))


def as_rgb(values: object) -> Rgb:
    """Return three plain floats."""
    red, green, blue = (float(part) for part in np.asarray(values, float))
    return red, green, blue
