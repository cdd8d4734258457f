"""Places indoors: shopping arcades, station halls, lobbies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from personsearch.synth.geometry import rotation_y
from personsearch.synth.people.palette import COLOURS, pick
from personsearch.synth.textures import Textures
from personsearch.synth.world import furniture, plants
from personsearch.synth.world.buildings import OPENING, SIDES, shop_window, skyline, wall_panel
from personsearch.synth.world.colours import DARK, any_colour, as_rgb, natural, painted, tinted
from personsearch.synth.world.ground import REACH, Covering, cover
from personsearch.synth.world.lights import indoor_sessions
from personsearch.synth.world.mesh_builder import Frame
from personsearch.synth.world.props_indoors import DECOYS_INDOORS, coats, curtain, screen
from personsearch.synth.world.site import Site
from personsearch.synth.world.skins import Skins
from personsearch.synth.world.types import Lamp, Rgb, World

WALLS_OF = {"arcade": ("shops", "shops", "shops", "glass"), "station": ("glass", "plain", "shops", "plain"),
            "lobby": ("glass", "plain", "glass", "plain")}  # fmt: skip
"""The four walls of each kind of hall, before they are shuffled."""


@dataclass(frozen=True, kw_only=True)
class _Room:
    """A hall: its dimensions in metres and its colours."""

    half_x: float
    half_z: float
    height: float
    wall: Rgb
    trim: Rgb
    pillar: Rgb


def hall(seed: int, textures: Textures | None = None) -> World:
    """Build a hall: polished floor, pillars, ceiling lights, shop fronts with mannequins, glass fronts."""
    rng = np.random.default_rng([seed, 84])
    site = Site(rng, None if textures is None else Skins(textures, seed, indoors=True))
    half_x, half_z = (float(half) for half in rng.uniform(13.2, 17, 2))
    wall = painted(rng, {"white": 4, "cream": 3, "light grey": 2, "beige": 2})
    trim = any_colour(rng) if rng.random() < 0.5 else tinted(rng, (0.3, 0.3, 0.32))
    pillar = wall if rng.random() < 0.6 else natural(rng, (0.55, 0.53, 0.50))
    height = float(rng.uniform(4.4, 7.5))
    room = _Room(half_x=half_x, half_z=half_z, height=height, wall=wall, trim=trim, pillar=pillar)
    _floor(site, room)
    walls = WALLS_OF[str(rng.choice(list(WALLS_OF)))]
    _walls(site, room, [str(name) for name in rng.permutation(walls)])
    _ceiling(site, room)
    _pillars(site, room)
    for _ in range(rng.integers(0, 3)):
        _hanging_sign(site, room)
    furniture.furnish(site, int(rng.integers(5, 11)), (-11, -11, 11, 11), furniture.INDOORS)
    furniture.furnish(site, int(rng.integers(2, 6)), (-11, -11, 11, 11), DECOYS_INDOORS)
    walkable = (-min(half_x - 1.2, 12.5), -min(half_z - 1.2, 12.5), min(half_x - 1.2, 12.5), min(half_z - 1.2, 12.5))
    bounds = (-half_x + 0.6, -half_z + 0.6, half_x - 0.6, half_z - 0.6)
    return site.world("hall", seed, indoor_sessions(rng, tuple(site.lamps)), walkable, bounds, height)


def _floor(site: Site, room: _Room) -> None:
    rng, (x, z) = site.rng, (room.half_x, room.half_z)
    colours = {"light grey": 3, "beige": 3, "grey": 2, "cream": 2, "dark grey": 1}
    colour = tinted(rng, COLOURS[pick(rng, colours)])
    tiles = Covering(material="paving", colour=colour, scale=float(rng.uniform(0.8, 2.4)), seed=float(rng.random()))
    cover(site, (-x, -z, x, z), tiles)
    if rng.random() < 0.6:  # a border or a strip of darker tiles
        dark = Covering(material="paving", colour=as_rgb(np.array(colour) * 0.55), scale=tiles.scale, seed=tiles.seed)
        if rng.random() < 0.5:
            for side in (-1, 1):
                cover(site, (-x, side * (z - 2.6) - 0.4, x, side * (z - 2.6) + 0.4), dark, y=0.004)
                cover(site, (side * (x - 2.6) - 0.4, -z, side * (x - 2.6) + 0.4, z), dark, y=0.005)
        else:
            cover(site, (-2, -z, 2, z), dark, y=0.004)


def _walls(site: Site, room: _Room, kinds: list[str]) -> None:
    for turn, kind in zip(SIDES, kinds, strict=True):
        along_x = turn in (SIDES[0], SIDES[2])
        distance, length = (room.half_z, 2 * room.half_x) if along_x else (room.half_x, 2 * room.half_z)
        middle = rotation_y(turn) @ (0, 0, -distance)
        frame = site.frame(middle[0], middle[2], turn, shadow=False)
        {"shops": _shops, "glass": _glass, "plain": _plain}[kind](site, frame, room, length)
    if "glass" in kinds:  # the view outside
        outside = Covering(material="asphalt", colour=natural(site.rng, (0.46, 0.45, 0.44)), scale=1.0, seed=0.3)
        x, z = room.half_x + 0.1, room.half_z + 0.1
        for area in ((-REACH, -REACH, REACH, -z), (-REACH, z, REACH, REACH), (-REACH, -z, -x, z), (x, -z, REACH, z)):
            cover(site, area, outside)
            if min(area[2] - area[0], area[3] - area[1]) > 4:
                inner = tuple(float(np.clip(edge, -34, 34)) for edge in area)
                plants.row_of_trees(site, (inner[0], inner[1], inner[2], inner[3]), 3, ("round", "tall"))
        skyline(site, 42.0, low=8, high=18)


def _shops(site: Site, frame: Frame, room: _Room, length: float) -> None:
    """Add shop windows and entrances along a wall with signs above them, and perhaps a gallery."""
    rng, pier = site.rng, 0.5
    count = round(length / rng.uniform(4.2, 5.5))
    width = length / count
    for edge in range(count + 1):
        frame.box(
            (edge * width - length / 2, OPENING / 2, 0.06), (pier, OPENING, 0.3), room.trim, "wall", faces=(0, 1, 2)
        )
    above = room.height - OPENING
    wall_panel(frame, (0, OPENING + above / 2, 0), length, above, room.wall, "wall")
    for shop in range(count):
        x = (shop + 0.5) * width - length / 2
        if rng.random() < 0.75:
            shop_window(site, frame.turned((x, 0, 0), 0.0), width - pier, mannequins=0.7)
        else:
            wall_panel(frame, (x, OPENING / 2, -0.1), width - pier, OPENING, (0.07, 0.075, 0.08), "glass")
            for across in (-0.9, 0.0, 0.9):
                frame.box((x + across, OPENING / 2, -0.06), (0.08, OPENING, 0.08), DARK, "wall", faces=(0, 1, 2))
        frame.box((x, OPENING + 0.35, 0.12), (width * 0.92, 0.62, 0.24), any_colour(rng), "wall", faces=(0, 1, 2, 4, 5))
        picture, part = site.shop_sign()
        frame.picture((x, OPENING + 0.35, 0.25), min(3.2, width * 0.8), 0.52, picture, part)
    if room.height > 5.8 and rng.random() < 0.6:
        y, deep, steel = 3.75, 2.0, tinted(rng, (0.55, 0.56, 0.57))
        frame.box((0, y, deep / 2), (length, 0.3, deep), room.wall, "wall", faces=(2, 4, 5))
        for rail in np.linspace(0.3, 1.1, 4):
            frame.pole(
                [(-length / 2, y + rail, deep - 0.05), (length / 2, y + rail, deep - 0.05)], 0.022, steel, "wall", 4
            )
        for x in np.arange(-length / 2 + 0.8, length / 2, 1.9):
            frame.pole([(x, y, deep - 0.05), (x, y + 1.1, deep - 0.05)], 0.025, steel, "wall", 4)


def _glass(site: Site, frame: Frame, room: _Room, length: float) -> None:
    """Add a glass front: only its steel frame and its sill are drawn, the panes are invisible."""
    steel, step = tinted(site.rng, (0.30, 0.31, 0.33)), length / round(length / site.rng.uniform(1.8, 2.8))
    frame.box((0, 0.14, 0), (length, 0.28, 0.3), room.trim, "wall", faces=(2, 3, 4))
    for y in (2.6, room.height - 0.2):
        frame.box((0, y, 0), (length, 0.16 if y < 3 else 0.5, 0.12), steel, "wall")
    for x in np.arange(-length / 2, length / 2 + 0.1, step):
        frame.box((x, room.height / 2, 0), (0.09, room.height, 0.16), steel, "wall", faces=(0, 1, 2, 3))


def _plain(site: Site, frame: Frame, room: _Room, length: float) -> None:
    """Add a wall, perhaps with a tiled lower part; on it doors, pictures, machines, screens, curtains and coats."""
    rng, low = site.rng, 1.2
    wall_panel(frame, (0, room.height / 2, 0), length, room.height, room.wall, "wall")
    if rng.random() < 0.6:
        tile = tinted(rng, (0.75, 0.74, 0.70)) if rng.random() < 0.6 else any_colour(rng)
        frame.box((0, low / 2, 0.02), (length, low, 0.04), tile, "tiles", seed=rng.random(), scale=4.0, faces=(2, 4))
    frame.box((0, 0.08, 0.04), (length, 0.16, 0.08), room.trim, "wall", faces=(2, 4))
    for x in np.arange(-length / 2 + 2.5, length / 2 - 2, rng.uniform(3.4, 4.6)):
        chance = rng.random()
        if chance < 0.4:
            frame.box((x, 1.75, 0.05), (1.42, 2.02, 0.08), DARK, "paint", faces=(0, 1, 2, 4))
            site.hang(frame, (x, 1.75, 0.1), 1.3, 1.9)
        elif chance < 0.55:
            leaf = painted(rng, {"grey": 2, "dark grey": 1, "white": 1, "camel": 1})
            frame.box((x, 1.1, 0.06), (1.9, 2.25, 0.1), room.trim, "wall", faces=(0, 1, 2, 4))
            for side in (-0.45, 0.45):
                wall_panel(frame, (x + side, 1.08, 0.12), 0.86, 2.1, leaf, "wall")
        elif chance < 0.72:
            _machine(site, frame, x)
        elif chance < 0.93:  # a dark screen, a curtain or coats in front of the wall
            add = (screen, curtain, coats)[rng.integers(3)]
            place = frame.at((x, 0, 0.3))
            add(site, float(place[0]), float(place[2]), frame.heading)


def _machine(site: Site, frame: Frame, x: float) -> None:
    """Add a vending or ticket machine."""
    rng = site.rng
    frame.box((x, 0.95, 0.4), (0.95, 1.9, 0.75), any_colour(rng), "paint", faces=(0, 1, 2, 4))
    frame.box((x - 0.1, 1.25, 0.78), (0.6, 0.9, 0.02), (0.55, 0.6, 0.62), "panel", faces=(2,))
    for row in range(3):
        for column in range(3):
            middle = (x - 0.3 + 0.2 * column, 0.95 + 0.29 * row, 0.8)
            frame.box(middle, (0.12, 0.2, 0.02), any_colour(rng), "wall", faces=(2,))
    place = frame.at((x, 0, 0.4))
    site.block(place[0], place[2], 0.65, 1.9)


def _ceiling(site: Site, room: _Room) -> None:
    """Add the ceiling with beams and light fittings, and the six lamps that light the place."""
    rng, builder, y = site.rng, site.builder, room.height
    size = (2 * room.half_x, 0.2, 2 * room.half_z)
    tint = as_rgb(rng.uniform(0.6, 0.8) * np.ones(3))
    builder.box((0, y + 0.1, 0), size, tint, "tiles", scale=rng.uniform(0.8, 1.7), faces=(5,), shadow=False)
    if rng.random() < 0.6:
        for x in np.arange(-room.half_x + 2, room.half_x, rng.uniform(3.5, 5)):
            builder.box((x, y - 0.15, 0), (0.3, 0.3, 2 * room.half_z), tint, "wall", faces=(0, 1, 5), shadow=False)
    shape = [(2.6, 0.06, 0.3), (1.2, 0.06, 1.2), (0.5, 0.06, 0.5)][rng.integers(3)]
    warm = rng.uniform(-1, 1)
    tone = np.array([1.0, 0.96 - 0.02 * warm, 0.89 - 0.1 * warm])
    drop = rng.uniform(0.4, 1.2) if rng.random() < 0.35 and y > 5 else 0.02
    for x in np.linspace(-room.half_x * 0.8, room.half_x * 0.8, 5):
        for z in np.linspace(-room.half_z * 0.8, room.half_z * 0.8, 5):
            middle = (x, y - drop - 0.03, z)
            builder.box(middle, shape, tone * 0.97, "panel", faces=(0, 1, 2, 3, 5), shadow=False)
            if drop > 0.1:
                builder.pole([(x, y, z), (x, y - drop, z)], 0.015, DARK, "wall", sides=3)
    for x in np.linspace(-room.half_x * 0.6, room.half_x * 0.6, 3):
        for z in (-room.half_z * 0.45, room.half_z * 0.45):
            light = tone * rng.uniform(4.5, 6.5) * (y / 5)
            site.lamps.append(Lamp(position=(float(x), y - 0.4, float(z)), colour=as_rgb(light)))


def _pillars(site: Site, room: _Room) -> None:
    rng, size, is_round = site.rng, float(site.rng.uniform(0.5, 0.8)), site.rng.random() < 0.45
    rows = 2 if rng.random() < 0.7 else 1
    for x in np.linspace(-room.half_x + 4, room.half_x - 4, int(rng.integers(2, 5))):
        for z in np.linspace(-room.half_z / 2.4, room.half_z / 2.4, rows) if rows > 1 else (0.0,):
            frame = site.frame(x, z)
            if is_round:
                site.builder.cylinder((x, 0, z), size / 2, room.height, room.pillar, "wall", sides=14)
                site.builder.cylinder((x, 0, z), size / 2 + 0.05, 0.3, room.trim, "wall", sides=14)
            else:
                frame.box((0, room.height / 2, 0), (size, room.height, size), room.pillar, "wall", faces=(0, 1, 2, 3))
                frame.box((0, 0.2, 0), (size + 0.08, 0.4, size + 0.08), room.trim, "wall", faces=(0, 1, 2, 3, 4))
                for turn in SIDES:
                    if rng.random() < 0.2:
                        side = frame.turned((0, 1.75, 0), turn)
                        site.hang(side, (0, 0, size / 2 + 0.02), size * 0.85, 1.3)
            site.block(x, z, size * (0.5 if is_round else 0.72), room.height)


def _hanging_sign(site: Site, room: _Room) -> None:
    """Add a sign that hangs from the ceiling, above everyone's head."""
    rng = site.rng
    x, z = rng.uniform(-7, 7, 2)
    frame = site.frame(x, z, float(rng.integers(2) * np.pi / 2), shadow=False)
    y = min(3.1, room.height - 0.8)
    frame.box((0, y, 0), (2.6, 0.46, 0.14), any_colour(rng), "wall")
    for turn in (0.0, np.pi):
        picture, part = site.shop_sign()
        frame.turned((0, y, 0), turn).picture((0, 0, 0.08), 2.5, 0.4, picture, part)
    for side in (-1.1, 1.1):
        frame.pole([(side, y + 0.2, 0), (side, room.height, 0)], 0.02, DARK, "wall", 4)
