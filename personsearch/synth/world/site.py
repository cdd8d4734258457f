"""A place under construction: its triangles, its obstacles, and where there is still room."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from personsearch.synth.world import artwork
from personsearch.synth.world.artwork import Part, Pixels
from personsearch.synth.world.mesh_builder import Frame, MeshBuilder, upright
from personsearch.synth.world.skins import Skins
from personsearch.synth.world.types import Figure, Lamp, Light, Poster, World

Area = tuple[float, float, float, float]
HEAD_ROOM = 2.2
"""Obstacles that begin above this height, metres, are in nobody's way."""


class Site:
    """What the builders of all kinds of places add to.

    Args:
        rng: the place's random generator.
        skins: see ``MeshBuilder``.

    Attributes:
        rng: the place's random generator.
        builder: collects the triangles.
        obstacles: see ``World.obstacles``.
        figures: see ``World.figures``.
        posters: see ``World.posters``.
        lamps: the lamps that are on in the dark.
    """

    def __init__(self, rng: np.random.Generator, skins: Skins | None = None) -> None:
        self.rng, self.builder = rng, MeshBuilder(skins)
        self.obstacles: list[tuple[float, float, float, float, float]] = []
        self.figures: list[Figure] = []
        self.posters: list[Poster] = []
        self.lamps: list[Lamp] = []
        self._reserved: list[Area] = []
        # Each picture is a separate texture, so a few serve the whole place.
        self._advertisements = [artwork.advertisement(rng) for _ in range(3)]
        self._signs = artwork.signs(rng)

    def block(self, x: float, z: float, radius: float, top: float, bottom: float = 0.0) -> None:
        """Mark an upright cylinder as occupied, from ``bottom`` to ``top``; all in metres."""
        self.obstacles.append((float(x), float(z), float(radius), float(bottom), float(top)))

    def block_line(self, start: ArrayLike, end: ArrayLike, radius: float, top: float) -> None:
        """Mark the line between two points x, z as occupied up to ``top``."""
        first, last = np.asarray(start, float), np.asarray(end, float)
        count = max(2, int(np.ceil(np.hypot(*(last - first)) / radius)) + 1)
        for share in np.linspace(0, 1, count):
            x, z = first + (last - first) * share
            self.block(x, z, radius, top)

    def reserve(self, area: Area) -> None:
        """Keep an area x1, z1, x2, z2 clear: ``spot`` and ``is_free`` exclude it."""
        self._reserved.append(area)

    def spot(self, area: Area, room: float, *, middle: float = 0.0) -> tuple[float, float] | None:
        """Find a free place.

        Args:
            area: x1, z1, x2, z2 to search, metres.
            room: metres that must be free around it.
            middle: least distance from the middle of the place, metres.

        Returns:
            x, z in metres, or None if 25 random tries found nothing.
        """
        for _ in range(25):
            x, z = (float(value) for value in self.rng.uniform(area[:2], area[2:]))
            if np.hypot(x, z) >= middle and self.is_free(x, z, room):
                return x, z
        return None

    def is_free(self, x: float, z: float, room: float) -> bool:
        """Return whether no low obstacle and no reserved area is within ``room`` metres."""
        for x1, z1, x2, z2 in self._reserved:
            if x1 - room < x < x2 + room and z1 - room < z < z2 + room:
                return False
        near = (np.hypot(x - o[0], z - o[1]) < o[2] + room for o in self.obstacles if o[3] < HEAD_ROOM)
        return not any(near)

    def frame(self, x: float, z: float, heading: float = 0.0, *, shadow: bool = True) -> Frame:
        """Return a frame to build in, with its origin on the ground at x, z."""
        return Frame(self.builder, float(x), float(z), heading, shadow=shadow)

    def advertisement(self) -> Pixels:
        """Return one of the place's advertisements at random."""
        return self._advertisements[self.rng.integers(len(self._advertisements))]

    def shop_sign(self) -> tuple[Pixels, Part]:
        """Return the place's picture of shop signs, and a random sign's part of it."""
        return self._signs, artwork.sign(int(self.rng.integers(artwork.SIGNS)))

    def hang(self, frame: Frame, middle: tuple[float, float, float], width: float, height: float) -> None:
        """Hang up an advertisement and, one time in three, a poster of a person in front of it."""
        frame.picture(middle, width, height, self.advertisement())
        if self.rng.random() < 0.35:
            in_front = (middle[0], middle[1], middle[2] + 0.015)
            self.hang_person(frame, in_front, min(width, height * 0.6), height)

    def hang_person(self, frame: Frame, middle: tuple[float, float, float], width: float, height: float) -> None:
        """Hang up a poster of a person that faces +z of the frame."""
        corners = frame.at(upright(middle, width, height)).astype(np.float32)
        self.posters.append(Poster(seed=int(self.rng.integers(2**31)), corners=corners))

    def world(
        self, kind: str, seed: int, lights: tuple[Light, ...], walkable: Area, bounds: Area,
        ceiling: float | None = None,
    ) -> World:  # fmt: skip
        """Finish the place and return it; see ``World``."""
        x1, z1, x2, z2 = bounds
        # Obstacles behind the walls or houses around the place are in nobody's way.
        inside = [o for o in self.obstacles if x1 - 1 < o[0] < x2 + 1 and z1 - 1 < o[1] < z2 + 1]
        return World(
            kind=kind,
            seed=seed,
            meshes=self.builder.meshes(),
            figures=tuple(self.figures),
            posters=tuple(self.posters),
            obstacles=np.array(inside, np.float32).reshape(-1, 5),
            walkable=walkable,
            bounds=bounds,
            ceiling=ceiling,
            lights=lights,
        )
