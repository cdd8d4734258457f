"""How a plate is lit: a light for the renderer, measured on the picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from personsearch.synth.plates.views import Image
from personsearch.synth.sensor import linear_light
from personsearch.synth.world.types import Light, Rgb

#: Mean reflectance of a place: its mean radiance is this share of the light that falls on it.
REFLECTANCE = 0.42
#: Least and greatest level of the ambient light.
LEVELS = (0.05, 2.2)
#: Share of the tint of the place that its light has; the rest is the colour of its surfaces.
TINT = 0.6
#: Rows and columns of the small copy that light is measured on.
_SMALL = (48, 96)
#: A sun is brighter than this, 0..1, and covers less than this share of the panorama.
_SUN_LEVEL, _SUN_SHARE = 0.96, 0.012


def light_of_view(view: Image, *, name: str, outdoors: bool, rng: np.random.Generator) -> Light:
    """Guess the light of a flat photograph.

    The level and tint of its upper half light surfaces that face up, those of its lower half surfaces that face down.
    Where its sun is cannot be known: outdoors by day half of the frames have one, at random.

    Args:
        view: (H, W, 3) uint8 RGB.
        name: of the light.
        outdoors: whether the sun may shine.
        rng: decides.
    """
    radiance = linear_light(cv2.resize(view, _SMALL[::-1], interpolation=cv2.INTER_AREA))
    middle = radiance.shape[0] // 2
    turn, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.35, 1.3)
    direction = np.array([np.cos(turn), np.tan(height), np.sin(turn)])
    share = rng.uniform(0.5, 1.6) if outdoors and name == "day" and rng.random() < 0.5 else 0.0
    return _light(name, radiance[:middle], radiance[middle:], direction, share, rng)


def light_of_panorama(panorama: Image, *, name: str, outdoors: bool, rng: np.random.Generator) -> Light:
    """Measure the light of a panorama, whose two hemispheres are known, and its sun if one shows.

    Args:
        panorama: (H, W, 3) uint8 RGB, equirectangular, as the views are cut from it (mirrored where they are).
        name: of the light.
        outdoors: whether a bright spot above the horizon is the sun.
        rng: varies the level.
    """
    small = cv2.resize(panorama, _SMALL[::-1], interpolation=cv2.INTER_AREA)
    radiance = linear_light(small)
    middle = radiance.shape[0] // 2
    # Rows near the poles cover little of the sphere.
    weights = np.cos((np.arange(2 * middle) + 0.5) / (2 * middle) * np.pi - np.pi / 2)[:, None, None] * np.pi / 2
    direction, share = _sun(small) if outdoors else (None, 0.0)
    weighted = radiance * weights
    up = np.array([0.2, 1.0, 0.1]) if direction is None else direction
    return _light(name, weighted[:middle], weighted[middle:], up, share, rng)


def _sun(small: Image) -> tuple[NDArray[np.float64] | None, float]:
    """Return the direction of the sun and its strength relative to the ambient light; None, 0 where none shows."""
    upper = cv2.cvtColor(small[: small.shape[0] // 2], cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    bright = upper > _SUN_LEVEL
    if not bright.any() or bright.mean() > _SUN_SHARE * 2:
        return None, 0.0
    row, column = (int(value) for value in np.unravel_index(cv2.GaussianBlur(upper, (5, 5), 0).argmax(), upper.shape))
    height = np.pi / 2 - (row + 0.5) / small.shape[0] * np.pi
    longitude = (column + 0.5) / small.shape[1] * 2 * np.pi
    direction = np.array(
        [-np.sin(longitude) * np.cos(height), max(np.sin(height), 0.15), np.cos(longitude) * np.cos(height)]
    )
    return direction, 1.3


def _light(
    name: str,
    upper: NDArray[np.floating],
    lower: NDArray[np.floating],
    direction: NDArray[np.float64],
    sun_share: float,
    rng: np.random.Generator,
) -> Light:
    above, below = upper.reshape(-1, 3).mean(0), lower.reshape(-1, 3).mean(0)
    mean = (above + below) / 2
    level = float(np.clip(mean.mean() / REFLECTANCE * np.exp(rng.normal(0, 0.25)), *LEVELS))
    tint = (mean / max(mean.mean(), 1e-4)) ** TINT
    upward = float(np.clip(above.mean() / max(mean.mean(), 1e-4), 0.5, 1.6))
    ambient = level / (1 + 0.5 * sun_share)
    sky = _rgb(ambient * (0.5 + 0.5 * upward) * 1.15 * tint)
    ground = _rgb(ambient * (0.5 + 0.5 * (2 - upward)) * 0.75 * tint)
    # Indoors too, light comes from somewhere: a weak direction keeps bodies from looking flat.
    strength = ambient * (sun_share if sun_share > 0 else rng.uniform(0.1, 0.35))
    warm = np.array([1.0, 0.95, 0.88]) if sun_share > 0 else tint
    return Light(
        name=name,
        sun_direction=_rgb(direction / np.linalg.norm(direction)),
        sun=_rgb(strength * warm),
        sky=sky,
        ground=ground,
        fog=_rgb(mean),
        fog_density=0.0,
    )


def _rgb(values: NDArray[np.floating]) -> Rgb:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
