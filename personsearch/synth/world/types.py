"""The records that make up a world, for planning walks in it and for drawing it."""

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
    """A lamp that shines down and sideways: position in metres, linear colour at one metre."""

    position: tuple[float, float, float]
    colour: Rgb


@dataclass(frozen=True, kw_only=True)
class Light:
    """The light of one session.

    Attributes:
        name: sunny, hazy, overcast, rain, low, dusk, night, indoor, indoor dim or neutral.
        sun_direction: unit vector towards the sun (indoors: towards the ceiling lights).
        sun: linear colour of the direct light; (0, 0, 0) where there is none.
        sky: ambient light from above.
        ground: ambient light from below.
        fog: colour of the haze and of the horizon.
        fog_density: density of the haze, per metre.
        lamps: at most ``MAX_LAMPS``.
        wetness: 0 dry .. 1 wet ground that mirrors the sky and the lamps.
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
    """A hard negative for the detector: a human shape that is not a person.

    Attributes:
        kind: ``statue`` (stone or bronze all over), ``mannequin`` (dressed, with plain skin and no hair) or ``coat`` (a
            coat or jacket on a hook, with nobody in it).
        seed: seed of the identity whose shape and clothes it has.
        position: x, y, z of its feet, metres, for a coat of its wearer's; it stands on a plinth or in a shop window.
        heading: radians.
        colour: linear RGB of the stone, bronze or plastic; of no effect for coats.
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
        seed: seed of the person shown and of the poster's design.
        corners: (4, 3) float32 metres: top left, top right, bottom right, bottom left as seen by a viewer.
    """

    seed: int
    corners: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class World:
    """A place.

    Attributes:
        kind: one of ``KINDS``.
        seed: the world is a pure function of kind and seed.
        meshes: the triangles, one or a few meshes per material.
        figures: statues and mannequins.
        posters: pictures of people.
        obstacles: (N, 5) float32: x, z, radius, bottom, top in metres. Upright cylinders that nobody walks into, that
            no camera stands in and that block the view between ``bottom`` and ``top``. Those whose bottom is above
            2.2 m (tree crowns) only block the view.
        walkable: x1, z1, x2, z2 of the area in which people walk, metres.
        bounds: x1, z1, x2, z2 of the area in which cameras stand, metres; indoors, the room.
        ceiling: height of the ceiling, metres; None outdoors.
        lights: two or more lights of different moods for the sessions.
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
