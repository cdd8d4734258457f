"""The four kinds of places."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from personsearch.synth.geometry import linear
from personsearch.synth.people.palette import COLOURS, pick, varied
from personsearch.synth.world.builder import WorldBuilder
from personsearch.synth.world.buildings import advertisement, paint, rows_of_houses
from personsearch.synth.world.lights import indoor_light, outdoor_light
from personsearch.synth.world.objects import (
    DARK,
    FURNITURE,
    any_colour,
    board,
    bush,
    car,
    furniture,
    lamp_post,
    natural,
    tinted,
    tree,
)
from personsearch.synth.world.types import MAX_LAMPS, Figure, Lamp, Light, Rgb, World

Area = tuple[float, float, float, float]
WALKABLE: Area = (-12.0, -12.0, 12.0, 12.0)
#: Ground: how often, material, sRGB, u and v per metre.
GROUNDS: dict[str, tuple[float, str, Rgb, tuple[float, float]]] = {
    "asphalt": (3, "asphalt", (0.34, 0.34, 0.35), (1, 1)),
    "concrete": (3, "asphalt", (0.52, 0.51, 0.49), (1, 1)),
    "sand": (1, "asphalt", (0.64, 0.57, 0.45), (1, 1)),
    "slabs": (5, "paving", (0.56, 0.54, 0.51), (0.6, 2.2)),
    "red slabs": (1, "paving", (0.52, 0.36, 0.30), (1.5, 3)),
    "bricks": (2, "bricks", (0.46, 0.33, 0.28), (2.5, 4)),
}


class _Site:
    """A place while it is being built: finds free spots."""

    def __init__(self, rng: np.random.Generator, forbidden: Callable[[float, float], bool]) -> None:
        self.rng, self.builder, self._forbidden = rng, WorldBuilder(), forbidden

    def spot(self, least: float, most: float, room: float) -> tuple[float, float] | None:
        """Return x, z between two distances from the middle, ``room`` metres from everything; None if there is none."""
        for _ in range(30):
            distance, turn = self.rng.uniform(least, most), self.rng.uniform(0, 2 * np.pi)
            x, z = float(distance * np.cos(turn)), float(distance * np.sin(turn))
            near = any(np.hypot(x - o[0], z - o[1]) < o[2] + room for o in self.builder.obstacles if o[3] < 2.2)
            if not near and not self._forbidden(x, z):
                return x, z
        return None

    def scatter(
        self, count: tuple[int, int], least: float, most: float, room: float, add: Callable[..., object]
    ) -> None:
        """Add a random number of things at free spots."""
        for _ in range(self.rng.integers(count[0], count[1] + 1)):
            spot = self.spot(least, most, room)
            if spot is not None:
                add(self.builder, self.rng, *spot)

    def furnish(self, count: tuple[int, int], most: float = 13) -> None:
        """Add street furniture."""
        for _ in range(self.rng.integers(count[0], count[1] + 1)):
            spot = self.spot(3, most, 1.3)
            if spot is not None:
                furniture(self.builder, self.rng, str(self.rng.choice(FURNITURE)), *spot)

    def ground(self) -> None:
        """Cover the ground to where nobody sees its end."""
        name = pick(self.rng, {name: row[0] for name, row in GROUNDS.items()})
        _, material, colour, scales = GROUNDS[name]
        scale = self.rng.uniform(*scales)
        self.builder.ground((-64, -64, 64, 64), tinted(self.rng, colour), material, seed=self.rng.random(), scale=scale)

    def lamps(self) -> tuple[Lamp, ...]:
        """Add street lamps and return their lights."""
        spots = [self.spot(4, 13, 0.6) for _ in range(MAX_LAMPS)]
        return tuple(lamp_post(self.builder, self.rng, *spot) for spot in spots if spot is not None)

    def statues(self, share: float) -> tuple[Figure, ...]:
        """Perhaps add a statue on a plinth."""
        spot = self.spot(4, 11, 1.4)
        if spot is None or self.rng.random() > share:
            return ()
        height, stone = self.rng.uniform(0.5, 1.2), tinted(self.rng, (0.55, 0.54, 0.51))
        self.builder.box((spot[0], height / 2, spot[1]), (0.9, height, 0.9), stone)
        self.builder.box((spot[0], 0.1, spot[1]), (1.3, 0.2, 1.3), stone)
        self.builder.obstacle(*spot, 0.9, 0, height + 1.8)
        metal = tinted(self.rng, (0.28, 0.33, 0.28) if self.rng.random() < 0.5 else (0.62, 0.6, 0.56))
        place = (spot[0], height, spot[1])
        seed, heading = int(self.rng.integers(2**31)), float(self.rng.uniform(0, 6.28))
        return (Figure(kind="statue", seed=seed, position=place, heading=heading, colour=metal),)

    def outdoors(self, kind: str, seed: int, lamps: tuple[Lamp, ...], figures: tuple[Figure, ...]) -> World:
        """Finish a place under the sky, with two sessions' lights."""
        first = outdoor_light(self.rng, lamps)
        lights = (first, outdoor_light(self.rng, lamps, but=first.name))
        return self.world(kind, seed, figures, lights, WALKABLE, (-17, -17, 17, 17), None)

    def world(
        self,
        kind: str,
        seed: int,
        figures: tuple[Figure, ...],
        lights: tuple[Light, ...],
        walkable: Area,
        bounds: Area,
        ceiling: float | None,
    ) -> World:
        """Finish a place."""
        return World(
            kind=kind,
            seed=seed,
            meshes=self.builder.meshes(),
            figures=figures,
            obstacles=np.array(self.builder.obstacles, np.float32).reshape(-1, 5),
            walkable=walkable,
            bounds=bounds,
            ceiling=ceiling,
            lights=lights,
        )


def street(seed: int) -> World:
    """A street with a carriageway, parked cars and houses close by."""
    rng = np.random.default_rng([seed, 81])
    site = _Site(rng, lambda x, z: -14.8 < z < -6.6)
    builder = site.builder
    site.ground()
    builder.ground((-64, -14.5, 64, -7.5), tinted(rng, (0.28, 0.28, 0.29)), "asphalt", y=0.012, seed=rng.random())
    kerb = tinted(rng, (0.6, 0.6, 0.58))
    for z in (-7.4, -14.6):
        builder.box((0, 0.05, z), (128, 0.11, 0.24), kerb)
    for x in np.arange(-60, 60, 4.0):
        builder.box((x, 0.016, -11), (1.8, 0.01, 0.13), (0.75, 0.75, 0.72), faces=(4,))
    if rng.random() < 0.6:
        middle = rng.uniform(-6, 6)
        for z in np.arange(-14.2, -7.7, 1.0):
            builder.box((middle, 0.018, z + 0.25), (3.4, 0.01, 0.5), (0.78, 0.78, 0.76), faces=(4,))
    rows_of_houses(builder, rng, (18, rng.uniform(20, 30), rng.uniform(14, 20), rng.uniform(20, 30)))
    for z in (-8.6, -13.4):
        for x in np.arange(-27, 27, 6.0):
            if rng.random() < 0.55:
                heading = 0.0 if rng.random() < 0.5 else np.pi
                car(builder, rng, x + rng.normal(0, 0.3), z + rng.normal(0, 0.08), heading)
    lamps = site.lamps()
    site.scatter((1, 5), 5, 15, 1.5, tree)
    site.scatter((0, 2), 6, 14, 1.5, board)
    site.furnish((2, 7))
    return site.outdoors("street", seed, lamps, ())


def plaza(seed: int) -> World:
    """A square with trees, furniture and perhaps a statue, houses around."""
    rng = np.random.default_rng([seed, 82])
    site = _Site(rng, lambda x, z: False)
    site.ground()
    distances = rng.uniform(17, 30, 4)
    rows_of_houses(site.builder, rng, [float(distance) for distance in distances])
    figures = site.statues(0.5)
    lamps = site.lamps()
    site.scatter((2, 8), 5, 16, 1.5, tree)
    site.scatter((0, 3), 6, 14, 1.5, board)
    site.scatter((0, 2), 15, 16, 3, lambda b, r, x, z: car(b, r, x, z, r.uniform(0, 6)))
    site.furnish((4, 11))
    return site.outdoors("plaza", seed, lamps, figures)


def park(seed: int) -> World:
    """Lawns, paths, trees and hedges; houses far behind."""
    rng = np.random.default_rng([seed, 83])
    site = _Site(rng, lambda x, z: False)
    builder = site.builder
    grass = natural(rng, (0.38, 0.46, 0.26))
    builder.ground((-64, -64, 64, 64), grass, "grass", seed=rng.random())
    path = tinted(rng, (0.62, 0.56, 0.45) if rng.random() < 0.6 else (0.5, 0.49, 0.47))
    across, along = rng.uniform(-4, 4, 2)
    width = rng.uniform(3.5, 7)
    builder.ground((-64, across - width / 2, 64, across + width / 2), path, "asphalt", y=0.012, seed=rng.random())
    builder.ground((along - 2, -64, along + 2, 64), path, "asphalt", y=0.016, seed=rng.random())
    rows_of_houses(builder, rng, (rng.uniform(30, 44), rng.uniform(30, 44), rng.uniform(30, 44), rng.uniform(30, 44)))
    figures = site.statues(0.4)
    lamps = site.lamps()
    site.scatter((6, 12), 5, 17, 1.2, tree)
    site.scatter((10, 18), 18, 30, 0.5, tree)
    site.scatter((3, 10), 6, 17, 1.5, bush)
    site.furnish((2, 6))
    return site.outdoors("park", seed, lamps, figures)


def hall(seed: int) -> World:
    """An indoor hall: polished floor, pillars, shop fronts with mannequins, ceiling lights."""
    rng = np.random.default_rng([seed, 84])
    half_x, half_z, height = rng.uniform(12, 16), rng.uniform(12, 16), rng.uniform(4.2, 7)
    site = _Site(rng, lambda x, z: abs(x) > half_x - 1.5 or abs(z) > half_z - 1.5)
    builder = site.builder
    slab = rng.uniform(0.8, 2.2)
    floor = tinted(rng, COLOURS[pick(rng, {"light grey": 3, "beige": 3, "grey": 2, "cream": 2, "dark grey": 1})])
    builder.ground((-half_x, -half_z, half_x, half_z), floor, "paving", seed=rng.random(), scale=slab)
    wall, trim = paint(rng, {"white": 3, "cream": 3, "light grey": 2, "beige": 2}), any_colour(rng)
    for x, z, wide, deep in (
        (0, -half_z - 0.2, 2 * half_x, 0.4),
        (0, half_z + 0.2, 2 * half_x, 0.4),
        (-half_x - 0.2, 0, 0.4, 2 * half_z),
        (half_x + 0.2, 0, 0.4, 2 * half_z),
    ):
        builder.box((x, height / 2, z), (wide, height, deep), wall)
        builder.box((x * 0.995, 0.08, z * 0.995), (wide, 0.16, deep), trim)
    builder.box((0, height + 0.1, 0), (2 * half_x, 0.2, 2 * half_z), (0.55, 0.55, 0.54), faces=(5,))
    lamps = _ceiling(builder, rng, half_x, half_z, height)
    figures = _shops(builder, rng, half_x, half_z, trim)
    for x in np.linspace(-half_x + 4.5, half_x - 4.5, 3):
        for z in (-half_z / 2.6, half_z / 2.6):
            _pillar(builder, rng, float(x), float(z), height, wall, trim)
    site.scatter((0, 3), 4, 11, 1.2, board)
    site.furnish((2, 7), most=10)
    walkable = (-min(half_x - 1.2, 12), -min(half_z - 1.2, 12), min(half_x - 1.2, 12), min(half_z - 1.2, 12))
    bounds = (-half_x + 0.5, -half_z + 0.5, half_x - 0.5, half_z - 0.5)
    lights = (indoor_light(rng, lamps), indoor_light(rng, lamps))
    return site.world("hall", seed, figures, lights, walkable, bounds, height)


BUILDERS: dict[str, Callable[[int], World]] = {"street": street, "plaza": plaza, "park": park, "hall": hall}


def _ceiling(
    builder: WorldBuilder, rng: np.random.Generator, half_x: float, half_z: float, height: float
) -> tuple[Lamp, ...]:
    lamps = []
    long = rng.random() < 0.5
    for x in np.linspace(-half_x * 0.66, half_x * 0.66, 3):
        for z in np.linspace(-half_z * 0.5, half_z * 0.5, 2):
            size = (2.6, 0.05, 0.35) if long else (1.2, 0.05, 1.2)
            for shift in (-1.8, 1.8) if long else (0,):
                builder.box((x, height - 0.04, z + shift), size, (0.95, 0.95, 0.9), "panel")
            colour = tuple(np.array((1.0, 0.96, 0.88)) * rng.uniform(3.5, 5.5))
            lamps.append(Lamp(position=(float(x), height - 0.3, float(z)), colour=(colour[0], colour[1], colour[2])))
    return tuple(lamps)


def _pillar(
    builder: WorldBuilder, rng: np.random.Generator, x: float, z: float, height: float, wall: Rgb, trim: Rgb
) -> None:
    size = 0.6
    builder.box((x, height / 2, z), (size, height, size), wall)
    builder.box((x, 0.2, z), (size + 0.08, 0.4, size + 0.08), trim)
    if rng.random() < 0.35:
        for face in (2, 3):
            builder.box(
                (x, 1.7, z), (0.5, 1.3, size + 0.04), (1, 1, 1), "picture", picture=advertisement(rng), faces=(face,)
            )
    builder.obstacle(x, z, 0.5, 0, height)


def _shops(
    builder: WorldBuilder, rng: np.random.Generator, half_x: float, half_z: float, trim: Rgb
) -> tuple[Figure, ...]:
    """Add shop fronts along two walls, mannequins before some of them."""
    figures = []
    for side in (-1, 1):
        z = side * (half_z - 0.05)
        for x in np.arange(-half_x + 3, half_x - 2.5, 5.0):
            dark = tuple(float(part) for part in linear(varied(rng, (0.16, 0.17, 0.2))))
            builder.box((x, 1.5, z), (4, 2.8, 0.1), (dark[0], dark[1], dark[2]), "paint")
            builder.box((x, 3.15, z), (4.2, 0.55, 0.25), any_colour(rng))
            for edge in (-2.05, 2.05):
                builder.box((x + edge, 1.6, z), (0.12, 3.2, 0.2), trim)
            if rng.random() < 0.4:
                place = (float(x + rng.uniform(-1.2, 1.2)), 0.3, float(z - side * 0.55))
                builder.box((place[0], 0.15, place[2]), (1.0, 0.3, 0.7), DARK)
                builder.obstacle(place[0], place[2], 0.6, 0, 2)
                seed, heading = int(rng.integers(2**31)), (np.pi if side > 0 else 0.0) + float(rng.normal(0, 0.3))
                skin = (0.75, 0.72, 0.68) if rng.random() < 0.7 else (0.05, 0.05, 0.055)
                figures.append(Figure(kind="mannequin", seed=seed, position=place, heading=heading, colour=skin))
    return tuple(figures)
