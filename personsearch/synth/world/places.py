"""The three kinds of outdoor places."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from personsearch.synth.shapes import disc
from personsearch.synth.textures import Textures
from personsearch.synth.world import furniture, plants
from personsearch.synth.world.buildings import SIDES, rows_of_houses, skyline
from personsearch.synth.world.colours import natural
from personsearch.synth.world.ground import Covering, carriageway, cover, covering, path, repairs, whole_ground
from personsearch.synth.world.hall import hall
from personsearch.synth.world.lights import sessions
from personsearch.synth.world.props_outdoors import DECOYS_OUTDOORS
from personsearch.synth.world.site import Area, Site
from personsearch.synth.world.skins import Skins
from personsearch.synth.world.types import MAX_LAMPS, World
from personsearch.synth.world.vehicles import parked_row

WALKABLE: Area = (-12.5, -12.5, 12.5, 12.5)
#: z of the middle of a street's road, metres.
_ROAD = -11.0


def street(seed: int, textures: Textures | None = None) -> World:
    """Build a street: a road with parked cars, a wide pavement, houses along both sides."""
    rng = np.random.default_rng([seed, 81])
    site = Site(rng, None if textures is None else Skins(textures, seed, indoors=False))
    pavement = covering(rng)
    whole_ground(site, pavement)
    repairs(site, pavement, (-14, -5, 12, 12))
    width, south = rng.uniform(6.6, 7.6), rng.uniform(15, 20)
    zebra = float(rng.uniform(-7, 7)) if rng.random() < 0.65 else None
    carriageway(site, _ROAD, width, zebra=zebra)
    kerb = _ROAD + width / 2
    if rng.random() < 0.6:
        cover(site, (-64, kerb + 0.3, 64, kerb + rng.uniform(1.5, 2.5)), covering(rng, but=pavement.material), y=0.006)
    rows_of_houses(site, (18.5, 46, south, 46), sides=(0, 2))
    skyline(site)
    if zebra is not None:
        site.reserve((zebra - 3, _ROAD - width / 2, zebra + 3, kerb + 3))
    for z, share in ((kerb - 1.1, 0.5), (_ROAD - width / 2 + 1.1, 0.4)):
        ends = [(-21.0, 21.0)] if zebra is None else [(-21.0, zebra - 5.5), (zebra + 6, 21.0)]
        for start, end in ends:
            parked_row(site, start, end, z, share=share)
    _lamps_along(site, kerb + 0.7)
    kind = _species(rng)
    if rng.random() < 0.75:
        for x in np.arange(-24 + rng.uniform(0, 5), 25, rng.uniform(6.5, 9.5)):
            if site.is_free(x, kerb + 1.3, 0.6):
                plants.tree(site, float(x), kerb + 1.3, kind, detail=1.0 if abs(x) < 15 else 0.5)
    if rng.random() < 0.45:
        spot = site.spot((-9, kerb + 1.5, 9, kerb + 1.6), 2.2)
        if spot is not None:
            furniture.bus_shelter(site, spot[0], spot[1], np.pi)
    if rng.random() < 0.5:
        for x in np.arange(-10, 11, 2.6):
            if rng.random() < 0.5:
                furniture.cafe_table(site, float(x), south - 2.0, float(rng.uniform(0, 6)))
    furniture.furnish(site, int(rng.integers(4, 9)), (-12, kerb + 2, 12, south - 2), furniture.OUTDOORS)
    furniture.furnish(site, int(rng.integers(1, 4)), (-12, kerb + 2, 12, south - 2), DECOYS_OUTDOORS)
    north = -18.5 + 1
    bounds = (-15.0, north, 15.0, min(south - 0.8, 15.0))
    walkable = (-12.5, -13.5, 12.5, min(south - 1.5, 12.5))
    return site.world("street", seed, sessions(rng, tuple(site.lamps)), walkable, bounds)


def plaza(seed: int, textures: Textures | None = None) -> World:
    """Build a square: patterned ground, trees, furniture, perhaps a statue or a fountain, houses around it."""
    rng = np.random.default_rng([seed, 82])
    site = Site(rng, None if textures is None else Skins(textures, seed, indoors=False))
    ground = covering(rng)
    whole_ground(site, ground)
    _pattern(site, ground)
    distances = [float(distance) for distance in rng.uniform(17, 27, 4)]
    rows_of_houses(site, distances)
    skyline(site)
    middle = rng.random()
    if middle < 0.4:
        x, z = rng.uniform(-5, 5, 2)
        furniture.statue(site, float(x), float(z), float(rng.uniform(0, 6)))
    elif middle < 0.65:
        _fountain(site, *rng.uniform(-6, 6, 2))
    kind = _species(rng)
    if rng.random() < 0.5:  # an avenue
        z, step = rng.uniform(5, 11) * rng.choice([-1, 1]), rng.uniform(5, 7.5)
        spots = [(float(x), float(z)) for x in np.arange(-13, 14, step) if site.is_free(x, z, 1.2)]
    else:
        candidates = [site.spot((-14, -14, 14, 14), 1.6, middle=4) for _ in range(rng.integers(1, 6))]
        spots = [spot for spot in candidates if spot is not None]
    for x, z in spots:
        plants.tree(site, x, z, kind)
    for _ in range(MAX_LAMPS):
        spot = site.spot((-12.5, -12.5, 12.5, 12.5), 0.8, middle=3)
        if spot is not None:
            furniture.lamp_post(site, spot[0], spot[1], float(rng.uniform(0, 6)))
    if rng.random() < 0.4:
        parked_row(site, -12, 12, min(distances[2] - 3.0, 14.5), share=0.6)
    if rng.random() < 0.5:
        for x in np.arange(-9, 10, 2.7):
            if site.is_free(x, 2.2 - distances[0], 1.0):
                furniture.cafe_table(site, float(x), 2.2 - distances[0], float(rng.uniform(0, 6)))
    furniture.furnish(site, int(rng.integers(6, 12)), (-12, -12, 12, 12), furniture.OUTDOORS)
    furniture.furnish(site, int(rng.integers(1, 5)), (-12, -12, 12, 12), DECOYS_OUTDOORS)
    x2, z1, x1, z2 = distances[1], -distances[0], -distances[3], distances[2]
    bounds = (max(x1 + 1, -15.0), max(z1 + 1, -15.0), min(x2 - 1, 15.0), min(z2 - 1, 15.0))
    return site.world("plaza", seed, sessions(rng, tuple(site.lamps)), WALKABLE, bounds)


def park(seed: int, textures: Textures | None = None) -> World:
    """Build a park: lawn, winding paths, trees, bushes, hedges, flower beds, perhaps a pond; houses in the distance."""
    rng = np.random.default_rng([seed, 83])
    site = Site(rng, None if textures is None else Skins(textures, seed, indoors=False))
    lawn = Covering(material="grass", colour=natural(rng, (0.40, 0.47, 0.27)), scale=1.0, seed=float(rng.random()))
    whole_ground(site, lawn)
    kind = covering(rng)
    along = np.linspace(-64, 64, 44)
    for number, (line, width) in enumerate(((along, rng.uniform(3.2, 5.5)), (along, rng.uniform(2.2, 3.5)))):
        bend = rng.uniform(1.5, 5) * np.sin(line / rng.uniform(7, 14) + rng.uniform(0, 6)) + rng.uniform(-3, 3)
        points = np.column_stack([line, bend] if number == 0 else [bend, line])
        path(site, points, width, kind, y=0.012 + 0.004 * number)
        _path_furniture(site, points, width)
    rows_of_houses(site, rng.uniform(34, 44, 4).tolist(), most=4)
    skyline(site, low=6, high=20)
    species = tuple(rng.choice(plants.KINDS_OF_TREES, 2, replace=False))
    if rng.random() < 0.4:
        spot = site.spot((-10, -10, 10, 10), 3.4, middle=5)
        if spot is not None:
            _pond(site, *spot)
    if rng.random() < 0.4:
        spot = site.spot((-8, -8, 8, 8), 1.6)
        if spot is not None:
            furniture.statue(site, *spot, float(rng.uniform(0, 6)))
    for _ in range(rng.integers(4, 8)):
        spot = site.spot((-15, -15, 15, 15), 1.4, middle=4)
        if spot is not None:
            plants.tree(site, *spot, str(rng.choice(species)))
    _greenery(site)
    for area in ((-34, -32, 34, -18), (-34, 18, 34, 32), (-34, -18, -18, 18), (18, -18, 34, 18)):
        plants.row_of_trees(site, area, int(rng.integers(2, 5)), species)
    furniture.furnish(site, int(rng.integers(1, 4)), (-12, -12, 12, 12), {
        name: furniture.OUTDOORS[name] for name in ("bench", "bin", "wall", "sign", "board")
    })  # fmt: skip
    furniture.furnish(site, int(rng.integers(0, 4)), (-12, -12, 12, 12), DECOYS_OUTDOORS)
    return site.world("park", seed, sessions(rng, tuple(site.lamps)), WALKABLE, (-15, -15, 15, 15))


BUILDERS: dict[str, Callable[[int, Textures | None], World]] = {
    "street": street,
    "plaza": plaza,
    "park": park,
    "hall": hall,
}


def _species(rng: np.random.Generator) -> str:
    return str(rng.choice(["round", "tall", "spreading"]))


def _lamps_along(site: Site, z: float) -> None:
    for x in np.linspace(-15, 15, MAX_LAMPS) + site.rng.uniform(-1, 1, MAX_LAMPS):
        if site.is_free(x, z, 0.2):
            furniture.lamp_post(site, float(x), z, 0.0)


def _pattern(site: Site, ground: Covering) -> None:
    """Lay bands, a border or a central area of another covering, or nothing; and add repairs."""
    rng, other = site.rng, covering(site.rng, but=ground.material)
    kind = rng.integers(4)
    if kind == 0:
        for x in np.arange(-30, 31, rng.uniform(5, 8)):
            cover(site, (x, -40, x + 0.6, 40), other, y=0.006)
    elif kind == 1:
        inner, width = rng.uniform(6, 9), rng.uniform(0.6, 1.6)
        for side in SIDES:
            c, s = np.cos(side), np.sin(side)
            corners = np.array([[-inner, inner], [inner, inner + width]]) @ [[c, -s], [s, c]]
            low, high = corners.min(0), corners.max(0)
            cover(site, (low[0], low[1], high[0], high[1]), other, y=0.006)
    elif kind == 2:
        x, z = rng.uniform(3, 9, 2)
        cover(site, (-x, -z, x, z), other, y=0.006)
    repairs(site, ground, (-13, -13, 12, 12))


def _fountain(site: Site, x: float, z: float) -> None:
    """Add a round basin with water and a bowl in the middle."""
    rng, stone, radius = site.rng, natural(site.rng, (0.62, 0.60, 0.56)), site.rng.uniform(1.6, 2.4)
    site.builder.cylinder((x, 0, z), radius, 0.5, stone, "wall", sides=18)
    site.builder.add(disc(radius - 0.22, sides=18), (0.03, 0.05, 0.05), "water", at=(x, 0.51, z))
    site.builder.cylinder((x, 0.3, z), 0.22, 1.1, stone, "wall", top_radius=0.14, sides=9)
    site.builder.cylinder((x, 1.3, z), 0.12, 0.22, stone, "wall", top_radius=rng.uniform(0.5, 0.75), sides=12)
    site.block(x, z, radius + 0.05, 0.55)
    site.block(x, z, 0.6, 1.55)


def _pond(site: Site, x: float, z: float) -> None:
    """Add a pond with a stone rim and reeds."""
    radius = site.rng.uniform(2.4, 3.2)
    site.builder.cylinder((x, 0, z), radius, 0.06, natural(site.rng, (0.52, 0.50, 0.45)), "wall", sides=22)
    site.builder.add(disc(radius - 0.3, sides=22), (0.02, 0.035, 0.035), "water", at=(x, 0.07, z))
    turn = site.rng.uniform(0, 2 * np.pi, 40)
    shell = np.column_stack([x + (radius - 0.2) * np.cos(turn), np.full(40, 0.2), z + (radius - 0.2) * np.sin(turn)])
    reeds = plants.tufts(site.rng, shell, np.array([x, -2.0, z]), 0.16)
    site.builder.add(reeds, natural(site.rng, (0.36, 0.43, 0.22)), "foliage")
    site.block(x, z, radius + 0.1, 0.3)


def _path_furniture(site: Site, points: NDArray[np.float64], width: float) -> None:
    """Add benches, bins and lamps along a path and keep the path itself clear."""
    rng, out = site.rng, width / 2 + 0.6
    for x, z in points[np.abs(points).max(1) < 16]:
        site.reserve((x - out, z - out, x + out, z + out))
    near = points[np.abs(points).max(1) < 11]
    for x, z in near[:: max(1, len(near) // 3)][:3]:
        across = (
            np.array([0, 1]) if np.ptp(points[:, 0]) > np.ptp(points[:, 1]) * 2 or abs(x) > abs(z) else np.array([1, 0])
        )
        side = rng.choice([-1, 1])
        place, lamp = (np.array([x, z]) + sign * across * (out + 0.1) for sign in (side, -side))
        furniture.lamp_post(site, float(lamp[0]), float(lamp[1]), float(np.arctan2(*(side * across))))
        if rng.random() < 0.7:
            furniture.bench(site, float(place[0]), float(place[1]), float(np.arctan2(*(-side * across))))
        if rng.random() < 0.4:
            beside = place + across[::-1] * 1.6
            furniture.litter_bin(site, float(beside[0]), float(beside[1]), 0.0)


def _greenery(site: Site) -> None:
    """Add bushes, flower beds and hedges."""
    rng = site.rng
    for _ in range(rng.integers(3, 8)):
        spot = site.spot((-16, -16, 16, 16), 1.3, middle=3)
        if spot is not None:
            plants.bush(site, *spot)
    for _ in range(rng.integers(0, 3)):
        spot = site.spot((-11, -11, 11, 11), 1.6, middle=3)
        if spot is not None:
            plants.flower_bed(site, *spot)
    for _ in range(rng.integers(0, 3)):
        spot = site.spot((-15, -15, 12, 15), 1.0, middle=8)
        if spot is not None:
            turn, length = rng.integers(2), rng.uniform(3, 6)
            end = (spot[0] + length * (1 - turn), spot[1] + length * turn)
            if site.is_free(*end, 0.8) and site.is_free((spot[0] + end[0]) / 2, (spot[1] + end[1]) / 2, 0.8):
                plants.hedge(site, spot, end, float(rng.uniform(0.8, 1.4)))
