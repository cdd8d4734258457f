"""A place while it is being built: its triangles, what stands in the way, and where there is still room."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from personsearch.synth.world import artwork
from personsearch.synth.world.artwork import Part, Pixels
from personsearch.synth.world.mesh_builder import Frame, MeshBuilder, upright
from personsearch.synth.world.types import Figure, Lamp, Light, Poster, World

Area = tuple[float, float, float, float]
HEAD_ROOM = 2.2
"""Obstacles that begin above this, metres, are in nobody's way."""


class Site:
    """What the builders of all kinds of places add to.

    Attributes:
        rng: of this place.
        builder: collects the triangles.
        obstacles: see ``World.obstacles``.
        figures: see ``World.figures``.
        posters: see ``World.posters``.
        lamps: those of the dark hours.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng, self.builder = rng, MeshBuilder()
        self.obstacles: list[tuple[float, float, float, float, float]] = []
        self.figures: list[Figure] = []
        self.posters: list[Poster] = []
        self.lamps: list[Lamp] = []
        self._reserved: list[Area] = []
        # A few pictures serve the whole place: each is a texture of its own.
        self._advertisements = [artwork.advertisement(rng) for _ in range(3)]
        self._signs = artwork.signs(rng)

    def block(self, x: float, z: float, radius: float, top: float, bottom: float = 0.0) -> None:
        """Say that something stands here."""
        self.obstacles.append((float(x), float(z), float(radius), float(bottom), float(top)))

    def block_line(self, start: ArrayLike, end: ArrayLike, radius: float, top: float) -> None:
        """Say that something long stands between two points x, z."""
        first, last = np.asarray(start, float), np.asarray(end, float)
        count = max(2, int(np.ceil(np.hypot(*(last - first)) / radius)) + 1)
        for share in np.linspace(0, 1, count):
            x, z = first + (last - first) * share
            self.block(x, z, radius, top)

    def reserve(self, area: Area) -> None:
        """Keep an area free of whatever ``spot`` is asked for."""
        self._reserved.append(area)

    def spot(self, area: Area, room: float, *, middle: float = 0.0) -> tuple[float, float] | None:
        """Find a free place.

        Args:
            area: x1, z1, x2, z2.
            room: metres that must be free around it.
            middle: metres around the middle of the place that must stay free.

        Returns:
            x, z; None if none was found.
        """
        for _ in range(25):
            x, z = (float(value) for value in self.rng.uniform(area[:2], area[2:]))
            if np.hypot(x, z) >= middle and self.is_free(x, z, room):
                return x, z
        return None

    def is_free(self, x: float, z: float, room: float) -> bool:
        """Return whether nothing low is within ``room`` metres and nobody has reserved the place."""
        for x1, z1, x2, z2 in self._reserved:
            if x1 - room < x < x2 + room and z1 - room < z < z2 + room:
                return False
        near = (np.hypot(x - o[0], z - o[1]) < o[2] + room for o in self.obstacles if o[3] < HEAD_ROOM)
        return not any(near)

    def frame(self, x: float, z: float, heading: float = 0.0, *, shadow: bool = True) -> Frame:
        """Return a frame to build in."""
        return Frame(self.builder, float(x), float(z), heading, shadow=shadow)

    def advertisement(self) -> Pixels:
        """Return one of the place's advertisements."""
        return self._advertisements[self.rng.integers(len(self._advertisements))]

    def shop_sign(self) -> tuple[Pixels, Part]:
        """Return one of the place's shop signs and where it is in its picture."""
        return self._signs, artwork.sign(int(self.rng.integers(artwork.SIGNS)))

    def hang(self, frame: Frame, middle: tuple[float, float, float], width: float, height: float) -> None:
        """Hang up an advertisement, or, one time in three, a poster that shows a person."""
        frame.picture(middle, width, height, self.advertisement())
        if self.rng.random() < 0.35:
            before = (middle[0], middle[1], middle[2] + 0.015)
            narrow = min(width, height * 0.6)
            corners = frame.at(upright(before, narrow, height)).astype(np.float32)
            self.posters.append(Poster(seed=int(self.rng.integers(2**31)), corners=corners))

    def world(
        self, kind: str, seed: int, lights: tuple[Light, ...], walkable: Area, bounds: Area,
        ceiling: float | None = None,
    ) -> World:  # fmt: skip
        """Finish the place."""
        x1, z1, x2, z2 = bounds
        # What stands behind the walls or houses that close the place is in nobody's way.
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
