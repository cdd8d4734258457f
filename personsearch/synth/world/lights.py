"""The light of places, outdoors in several moods and indoors."""

from __future__ import annotations

import numpy as np

from personsearch.synth.world.colours import as_rgb
from personsearch.synth.world.types import MAX_LAMPS, Lamp, Light, Rgb

NEUTRAL = Light(
    name="neutral",
    sun_direction=(0.46, 0.77, 0.44),
    sun=(0.85, 0.84, 0.82),
    sky=(0.54, 0.56, 0.6),
    ground=(0.26, 0.26, 0.25),
    fog=(0.58, 0.6, 0.64),
)
"""Plain daylight, the only light of sets without random lighting."""

#: By mood: weight, elevation of the sun in degrees, light of the sun, of the sky and of the ground.
_MOODS: dict[str, tuple[float, tuple[float, float], Rgb, Rgb, Rgb]] = {
    "sunny": (4, (30, 70), (1.15, 1.08, 0.95), (0.42, 0.52, 0.68), (0.22, 0.20, 0.17)),
    "hazy": (2, (25, 60), (0.80, 0.76, 0.68), (0.52, 0.56, 0.62), (0.25, 0.24, 0.22)),
    "overcast": (3, (55, 65), (0.22, 0.22, 0.23), (0.75, 0.78, 0.82), (0.33, 0.33, 0.32)),
    "rain": (1.5, (55, 65), (0.08, 0.08, 0.09), (0.55, 0.58, 0.63), (0.24, 0.24, 0.25)),
    "low": (1.5, (10, 25), (1.20, 0.90, 0.60), (0.35, 0.42, 0.58), (0.20, 0.18, 0.16)),
    "dusk": (1, (8, 20), (0.50, 0.34, 0.25), (0.28, 0.30, 0.42), (0.14, 0.13, 0.14)),
    "night": (1.5, (50, 60), (0.0, 0.0, 0.0), (0.030, 0.034, 0.055), (0.02, 0.02, 0.025)),
}
MOODS = tuple(_MOODS)
"""Moods of outdoor light."""
#: Brightness of lamps at dusk relative to night: they are on, but hardly needed yet.
_DUSK_LAMPS = 0.35


def sessions(rng: np.random.Generator, lamps: tuple[Lamp, ...]) -> tuple[Light, ...]:
    """Draw two or three outdoor lights of different moods."""
    shares = np.array([row[0] for row in _MOODS.values()])
    names = rng.choice(MOODS, rng.integers(2, 4), replace=False, p=shares / shares.sum())
    return tuple(mood_light(rng, str(name), lamps) for name in names)


def mood_light(rng: np.random.Generator, mood: str, lamps: tuple[Lamp, ...]) -> Light:
    """Draw an outdoor light of a mood; ``lamps`` are on at dusk and at night."""
    _, heights, sun, sky, ground = _MOODS[mood]
    height, turn = np.radians(rng.uniform(*heights)), rng.uniform(0, 2 * np.pi)
    level, tint = rng.uniform(0.85, 1.2), rng.uniform(0.92, 1.08, 3)
    dark = mood in ("dusk", "night")
    wet = mood == "rain" or (dark and rng.random() < 0.4)
    return Light(
        name=mood,
        sun_direction=as_rgb((np.cos(height) * np.cos(turn), np.sin(height), np.cos(height) * np.sin(turn))),
        sun=_times(sun, level * tint),
        sky=_times(sky, level),
        ground=_times(ground, level),
        fog=_times(sky, level * (1.1 if mood != "night" else 0.7)),
        fog_density=float(rng.choice([0.001, 0.004, 0.012], p=[0.7, 0.24, 0.06])),
        lamps=tuple(_dimmed(lamp, _DUSK_LAMPS if mood == "dusk" else 1.0) for lamp in lamps[:MAX_LAMPS])
        if dark
        else (),
        wetness=float(rng.uniform(0.6, 1)) if wet else 0.0,
    )


def indoor_sessions(rng: np.random.Generator, lamps: tuple[Lamp, ...]) -> tuple[Light, ...]:
    """Draw the two lights of a hall: with all lamps, and dimmed with half of them."""
    return _indoor(rng, lamps, dimmed=False), _indoor(rng, lamps, dimmed=True)


def _indoor(rng: np.random.Generator, lamps: tuple[Lamp, ...], *, dimmed: bool) -> Light:
    warm, level = rng.uniform(-1, 1), rng.uniform(0.75, 1.1) * (0.55 if dimmed else 1.0)
    tint = level * np.array([1 + 0.12 * warm, 1.0, 1 - 0.15 * warm])
    slant = rng.normal(0, 0.12, 2)
    direction = np.array([slant[0], 1, slant[1]])
    return Light(
        name="indoor dim" if dimmed else "indoor",
        sun_direction=as_rgb(direction / np.linalg.norm(direction)),
        sun=_times((0.30, 0.30, 0.30), tint),
        sky=_times((0.46, 0.46, 0.46), tint),
        ground=_times((0.33, 0.33, 0.33), tint),
        fog=_times((0.45, 0.45, 0.45), tint),
        fog_density=0.0005,
        lamps=lamps[: MAX_LAMPS // 2 if dimmed else MAX_LAMPS],
        wetness=float(rng.uniform(0.1, 0.45)),  # a polished floor
    )


def _dimmed(lamp: Lamp, share: float) -> Lamp:
    return Lamp(position=lamp.position, colour=_times(lamp.colour, share))


def _times(colour: Rgb, by: object) -> Rgb:
    return as_rgb(np.asarray(colour) * np.asarray(by))
