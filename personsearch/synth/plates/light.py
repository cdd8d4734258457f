"""How a plate is lit: a light for the renderer, measured on the picture."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from personsearch.synth.plates.views import Image
from personsearch.synth.sensor import linear_light
from personsearch.synth.world.types import Light, Rgb

Radiance = NDArray[np.float32]

#: Mean reflectance of a place: its mean radiance is this share of the light that falls on it.
REFLECTANCE = 0.42
#: Least and greatest level of the ambient light.
LEVELS = (0.05, 2.2)
#: Share of the tint of the place that its light has; the rest is the colour of its surfaces.
TINT = 0.6
#: Rows and columns of the small copy that light is measured on.
_SMALL = (48, 96)
#: A sun is brighter than this, 0..1, and covers less than this share of the upper half of a panorama.
_SUN_LEVEL, _SUN_SHARE = 0.96, 0.024
#: Strength of a sun that a panorama shows, relative to the ambient light; its 8 bits do not say how bright it is.
_SUN_STRENGTH = 1.3
#: A light map says so: at least, to count as a sun, and at most.
_MEASURED = (0.4, 3.0)
#: Strength of directed light where there is no sun.
_WEAK = (0.2, 0.5)
#: Where most light comes from where nothing says so.
_OVERHEAD = np.array([0.2, 1.0, 0.1])
#: Folder of light maps beside panoramas; and what their names lack, such as ``_2k``.
_LIGHT_MAPS, _RESOLUTION = "lighting", re.compile(r"_\d+k$")


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
    radiance = linear_light(_reduced(view))
    middle = radiance.shape[0] // 2
    turn, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.35, 1.3)
    direction = np.array([np.cos(turn), np.tan(height), np.sin(turn)])
    share = rng.uniform(0.5, 1.6) if outdoors and name == "day" and rng.random() < 0.5 else 0.0
    return _light(name, radiance[:middle], radiance[middle:], direction, share, rng)


def light_of_panorama(
    panorama: Image,
    *,
    name: str,
    outdoors: bool,
    rng: np.random.Generator,
    mirrored: bool = False,
    light_map: Radiance | None = None,
) -> Light:
    """Measure the light of a panorama, whose two hemispheres are known, and its sun if one shows.

    Args:
        panorama: (H, W, 3) uint8 RGB, equirectangular.
        name: of the light.
        outdoors: whether a bright spot above the horizon is the sun.
        rng: varies the level.
        mirrored: swap left and right first, as in the view that is cut from it.
        light_map: (h, w, 3) float32 linear RGB, the same panorama without clipped highlights; None = not known. It says
            where most of the light comes from, indoors too, and how strong that is.
    """
    small = _reduced(panorama)
    radiance = linear_light(small)
    middle = radiance.shape[0] // 2
    # Rows near the poles cover little of the sphere.
    weights = (np.cos((np.arange(2 * middle) + 0.5) / (2 * middle) * np.pi - np.pi / 2) * np.pi / 2).astype(np.float32)
    found = _brightest(light_map, weights) if light_map is not None else _sun(small) if outdoors else None
    direction, share = (_OVERHEAD, 0.0) if found is None else found
    if mirrored:
        direction = direction * (-1, 1, 1)
    weighted = radiance * weights[:, None, None]
    return _light(name, weighted[:middle], weighted[middle:], direction, share, rng)


@lru_cache(maxsize=64)
def find_light_map(panorama: Path) -> Radiance | None:
    """Return the light map of a panorama: the Radiance file of its name beside it or in ``lighting``; None if none is.

    ``hall.hdr`` belongs to ``hall.jpg`` and to ``hall_2k.jpg``. One that cannot be read counts as none.

    Args:
        panorama: path of the picture.

    Returns:
        (48, 96, 3) float32 linear RGB.
    """
    for stem in (panorama.stem, _RESOLUTION.sub("", panorama.stem)):
        for folder in (panorama.parent, panorama.parent / _LIGHT_MAPS):
            path = folder / f"{stem}.hdr"
            if path.is_file():
                read = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
                if read is not None and read.ndim == 3 and np.isfinite(read).all():
                    small = cv2.resize(read[..., ::-1].astype(np.float32), _SMALL[::-1], interpolation=cv2.INTER_AREA)
                    return np.asarray(small, np.float32)
    return None


def _reduced(picture: Image) -> Image:
    return np.asarray(cv2.resize(picture, _SMALL[::-1], interpolation=cv2.INTER_AREA), np.uint8)


def _sun(small: Image) -> tuple[NDArray[np.float64], float] | None:
    """Return the direction of the sun and its strength relative to the ambient light; None where none shows."""
    upper = cv2.cvtColor(small[: small.shape[0] // 2], cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    bright = upper > _SUN_LEVEL
    if not bright.any() or bright.mean() > _SUN_SHARE:
        return None
    row, column = np.unravel_index(cv2.GaussianBlur(upper, (5, 5), 0).argmax(), upper.shape)
    return _direction(int(row), int(column), small.shape[:2]), _SUN_STRENGTH


def _brightest(light_map: Radiance, weights: NDArray[np.float32]) -> tuple[NDArray[np.float64], float]:
    """Return the direction of the brightest spot of a light map and its strength relative to the ambient light."""
    grey = light_map.mean(-1)
    height, width = grey.shape
    row, column = (int(value) for value in np.unravel_index(grey[: height // 2].argmax(), (height // 2, width)))
    spot = np.zeros(grey.shape, bool)
    rows = np.arange(max(row - 2, 0), row + 3)
    spot[np.ix_(rows, np.arange(column - 3, column + 4) % width)] = True
    covered = weights[:, None] / weights.sum() / width * np.ones(width) * 4 * np.pi  # steradians
    ambient = (grey * covered)[~spot].sum() / covered[~spot].sum()
    share = float((grey * covered)[spot].sum() / np.pi / max(ambient, 1e-6))
    return _direction(row, column, grey.shape), min(share, _MEASURED[1]) if share >= _MEASURED[0] else 0.0


def _direction(row: int, column: int, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the unit vector of a pixel of a panorama; the lowest sun is nine degrees high."""
    height = np.pi / 2 - (row + 0.5) / shape[0] * np.pi
    longitude = (column + 0.5) / shape[1] * 2 * np.pi
    direction = np.array(
        [-np.sin(longitude) * np.cos(height), max(np.sin(height), 0.15), np.cos(longitude) * np.cos(height)]
    )
    return np.asarray(direction / np.linalg.norm(direction))


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
    # Indoors too, light comes from somewhere: a weak direction keeps bodies from looking flat.
    share = sun_share if sun_share > 0 else float(rng.uniform(*_WEAK))
    ambient = level / (1 + 0.5 * share)
    sky = _rgb(ambient * (0.5 + 0.5 * upward) * 1.15 * tint)
    ground = _rgb(ambient * (0.5 + 0.5 * (2 - upward)) * 0.75 * tint)
    warm = np.array([1.0, 0.95, 0.88]) if sun_share > 0 else tint
    return Light(
        name=name,
        sun_direction=_rgb(direction / np.linalg.norm(direction)),
        sun=_rgb(ambient * share * warm),
        sky=sky,
        ground=ground,
        fog=_rgb(mean),
        fog_density=0.0,
    )


def _rgb(values: NDArray[np.floating]) -> Rgb:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
