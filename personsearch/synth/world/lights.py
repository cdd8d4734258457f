"""Moods of light, outdoors and indoors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from personsearch.synth.world.types import MAX_LAMPS, Lamp, Light, Rgb

NEUTRAL = Light(
    name="neutral",
    sun_direction=(0.46, 0.77, 0.44),
    sun=(0.85, 0.84, 0.82),
    sky=(0.54, 0.56, 0.6),
    ground=(0.26, 0.26, 0.25),
    fog=(0.58, 0.6, 0.64),
)
"""The same plain daylight everywhere: what a set without random lighting has."""

#: Mood: how often, the sun's height in degrees, its light, the sky's, the ground's.
_MOODS: dict[str, tuple[float, tuple[float, float], Rgb, Rgb, Rgb]] = {
    "sunny": (4, (30, 70), (1.15, 1.08, 0.95), (0.42, 0.52, 0.68), (0.22, 0.20, 0.17)),
    "hazy": (2, (25, 60), (0.80, 0.76, 0.68), (0.52, 0.56, 0.62), (0.25, 0.24, 0.22)),
    "overcast": (3, (55, 65), (0.22, 0.22, 0.23), (0.75, 0.78, 0.82), (0.33, 0.33, 0.32)),
    "rain": (1.5, (55, 65), (0.08, 0.08, 0.09), (0.55, 0.58, 0.63), (0.24, 0.24, 0.25)),
    "low": (1.5, (10, 25), (1.20, 0.90, 0.60), (0.35, 0.42, 0.58), (0.20, 0.18, 0.16)),
    "dusk": (1, (8, 20), (0.55, 0.36, 0.25), (0.28, 0.30, 0.42), (0.14, 0.13, 0.14)),
    "night": (1.5, (50, 60), (0.0, 0.0, 0.0), (0.030, 0.034, 0.055), (0.02, 0.02, 0.025)),
}


def outdoor_light(rng: np.random.Generator, lamps: tuple[Lamp, ...], but: str = "") -> Light:
    """Draw a light of another mood than ``but``; ``lamps`` shine at dusk and at night."""
    names = [name for name in _MOODS if name != but]
    shares = np.array([_MOODS[name][0] for name in names])
    name = names[rng.choice(len(names), p=shares / shares.sum())]
    _, heights, sun, sky, ground = _MOODS[name]
    height, turn = np.radians(rng.uniform(*heights)), rng.uniform(0, 2 * np.pi)
    level, tint = rng.uniform(0.85, 1.2), rng.uniform(0.92, 1.08, 3)
    dark = name in ("dusk", "night")
    light = Light(
        name=name,
        sun_direction=(
            float(np.cos(height) * np.cos(turn)),
            float(np.sin(height)),
            float(np.cos(height) * np.sin(turn)),
        ),
        sun=_scaled(sun, level * tint),
        sky=_scaled(sky, level),
        ground=_scaled(ground, level),
        fog=_scaled(sky, level * (1.1 if name != "night" else 0.7)),
        fog_density=float(rng.choice([0.001, 0.004, 0.012], p=[0.65, 0.28, 0.07])),
        lamps=lamps[:MAX_LAMPS] if dark else (),
        wetness=float(rng.uniform(0.6, 1)) if name == "rain" or (dark and rng.random() < 0.4) else 0.0,
    )
    if name == "dusk":
        return replace(light, lamps=tuple(replace(lamp, colour=_scaled(lamp.colour, 0.35)) for lamp in light.lamps))
    return light


def indoor_light(rng: np.random.Generator, lamps: tuple[Lamp, ...]) -> Light:
    """Draw the light of a hall: from the ceiling, warm or cold, all lamps or half of them."""
    warm = rng.uniform(-1, 1)
    tint = np.array([1 + 0.12 * warm, 1.0, 1 - 0.15 * warm])
    level = rng.uniform(0.7, 1.1)
    dimmed = rng.random() < 0.4
    return Light(
        name="indoor dim" if dimmed else "indoor",
        sun_direction=(0.05, 0.996, 0.07),
        sun=_scaled((0.25, 0.25, 0.25), level * tint * (0.5 if dimmed else 1)),
        sky=_scaled((0.42, 0.42, 0.42), level * tint * (0.5 if dimmed else 1)),
        ground=_scaled((0.24, 0.24, 0.24), level * tint),
        fog=_scaled((0.4, 0.4, 0.4), level * tint),
        fog_density=0.0005,
        lamps=lamps[: MAX_LAMPS // 2 if dimmed else MAX_LAMPS],
        wetness=float(rng.uniform(0.15, 0.5)),  # a polished floor
    )


def _scaled(colour: Rgb, by: object) -> Rgb:
    red, green, blue = (float(part) for part in np.asarray(colour) * by)
    return red, green, blue
