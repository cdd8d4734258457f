"""What a world is made of, for those who plan walks in it and those who draw it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from personsearch.synth.geometry import Array, Mesh

KINDS = ("street", "plaza", "park", "hall")
"""Kinds of places."""
Rgb = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Lamp:
    """A lamp that shines downwards and around: position in metres, linear colour at one metre."""

    position: tuple[float, float, float]
    colour: Rgb


@dataclass(frozen=True, kw_only=True)
class Light:
    """The light of one session.

    Attributes:
        name: sunny, hazy, overcast, low, dusk, night, indoor.
        sun_direction: unit vector towards the sun (indoors: towards the ceiling lights).
        sun: linear colour of the direct light; (0, 0, 0) where there is none.
        sky: ambient light from above.
        ground: ambient light from below.
        fog: colour of the haze and of the horizon.
        fog_density: per metre.
        lamps: at most ``MAX_LAMPS``.
        wetness: 0 dry .. 1 rain-wet ground that mirrors the sky and the lamps.
    """

    name: str
    sun_direction: tuple[float, float, float]
    sun: Rgb
    sky: Rgb
    ground: Rgb
    fog: Rgb
    fog_density: float = 0.001
    lamps: tuple[Lamp, ...] = ()
    wetness: float = 0.0


MAX_LAMPS = 6


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A hard negative for the detector: a human shape that is nobody.

    Attributes:
        kind: ``statue`` (stone or bronze all over) or ``mannequin`` (dressed, plain skin, no face).
        seed: the identity whose shape and clothes it has.
        position: of its feet, metres; on a plinth or behind a shop window.
        heading: radians.
        colour: linear RGB of stone, bronze or plastic.
    """

    kind: str
    seed: int
    position: tuple[float, float, float]
    heading: float
    colour: Rgb


@dataclass(frozen=True, kw_only=True)
class Poster:
    """A picture of a person on a wall or a board: another hard negative.

    Attributes:
        seed: the identity shown, and the poster's design.
        corners: (4, 3) float32 metres: top left, top right, bottom right, bottom left as a reader sees them.
    """

    seed: int
    corners: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class World:
    """A place.

    Attributes:
        kind: one of ``KINDS``.
        seed: the world is a pure function of kind and seed.
        meshes: what stands there, one or a few per material.
        figures: statues and mannequins.
        posters: boards that show people.
        obstacles: (N, 5) float32: x, z, radius, bottom, top. Upright cylinders that nobody walks into, that no camera
            stands in and that block the view between ``bottom`` and ``top``. Those whose bottom is above 2.2 m (tree
            crowns) only block the view.
        walkable: x1, z1, x2, z2: where people walk.
        bounds: x1, z1, x2, z2: where cameras stand; indoors, the room.
        ceiling: metres, or None outdoors.
        lights: the sessions' lights, two or more, of different moods.
    """

    kind: str
    seed: int
    meshes: tuple[Mesh, ...]
    figures: tuple[Figure, ...] = ()
    posters: tuple[Poster, ...] = ()
    obstacles: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 5), np.float32))
    walkable: tuple[float, float, float, float]
    bounds: tuple[float, float, float, float]
    ceiling: float | None = None
    lights: tuple[Light, ...]
