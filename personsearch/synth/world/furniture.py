"""Street furniture. Every piece blocks the ground that it occupies."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from personsearch.synth.geometry import linear
from personsearch.synth.shapes import cylinder, prism
from personsearch.synth.world.buildings import wall_panel
from personsearch.synth.world.colours import DARK, STEEL, any_colour, natural, tinted
from personsearch.synth.world.mesh_builder import Frame
from personsearch.synth.world.plants import tufts
from personsearch.synth.world.site import Site
from personsearch.synth.world.types import Figure, Lamp, Rgb

Add = Callable[[Site, float, float, float], None]
"""Adds a piece of furniture at x, z with a heading."""
_WOOD: Rgb = (0.47, 0.35, 0.24)
_STONE: Rgb = (0.60, 0.58, 0.54)
WARM, COLD = (1.0, 0.72, 0.42), (0.85, 0.95, 1.0)


def bench(site: Site, x: float, z: float, heading: float) -> None:
    """Add a slatted bench that faces its heading."""
    rng, frame = site.rng, site.frame(x, z, heading)
    wood, iron = tinted(rng, _WOOD), tinted(rng, (0.22, 0.23, 0.23))
    length = rng.uniform(1.5, 2.0)
    for slat in (-0.17, 0.0, 0.17):
        frame.box((0, 0.45, slat), (length, 0.04, 0.14), wood, "wall")
    has_back = rng.random() < 0.7
    if has_back:
        for y in (0.64, 0.80):
            frame.box((0, y, -0.27), (length, 0.12, 0.035), wood, "wall")
    for side in (-length * 0.4, length * 0.4):
        frame.box((side, 0.22, 0), (0.06, 0.42, 0.42), iron, "wall", faces=(0, 1, 2, 3))
        if has_back:
            frame.box((side, 0.62, -0.25), (0.05, 0.5, 0.04), iron, "wall")
    across = frame.at(((-length / 2, 0, 0), (length / 2, 0, 0)))[:, [0, 2]]
    site.block_line(across[0], across[1], 0.4, 0.9)


def litter_bin(site: Site, x: float, z: float, heading: float) -> None:
    """Add a litter bin."""
    rng, frame = site.rng, site.frame(x, z, heading)
    body, lid = tinted(rng, (0.18, 0.30, 0.24) if rng.random() < 0.6 else (0.32, 0.32, 0.34)), DARK
    if rng.random() < 0.5:
        site.builder.cylinder((x, 0.05, z), 0.24, 0.8, body, "wall", top_radius=0.28, sides=12)
        site.builder.cylinder((x, 0.85, z), 0.30, 0.09, lid, "wall", top_radius=0.2, sides=12)
    else:
        frame.box((0, 0.5, 0), (0.5, 0.9, 0.4), body, "wall")
        frame.box((0, 0.78, 0.0), (0.34, 0.16, 0.42), lid, "wall", faces=(2, 3))
        frame.box((0, 0.98, 0), (0.56, 0.06, 0.46), body, "wall")
    site.block(x, z, 0.38, 1.0)


def bollards(site: Site, x: float, z: float, heading: float) -> None:
    """Add a row of one to four bollards."""
    rng, frame = site.rng, site.frame(x, z, heading)
    colour, count = tinted(rng, (0.25, 0.26, 0.27) if rng.random() < 0.7 else (0.62, 0.5, 0.16)), rng.integers(1, 5)
    for number in range(count):
        foot = frame.at(((number - (count - 1) / 2) * 1.5, 0, 0))
        site.builder.cylinder(foot, 0.085, 0.85, colour, "wall", sides=9)
        site.builder.blob(foot + (0, 0.86, 0), (0.09, 0.06, 0.09), colour, "wall", around=9, rings=4)
        site.builder.cylinder(foot + (0, 0.68, 0), 0.09, 0.08, (0.75, 0.74, 0.72), "wall", sides=9)
        site.block(foot[0], foot[2], 0.22, 0.9)


def planter(site: Site, x: float, z: float, heading: float) -> None:
    """Add a planter with leaves and perhaps flowers."""
    rng, frame = site.rng, site.frame(x, z, heading)
    wide, high = rng.uniform(0.9, 1.8), rng.uniform(0.45, 0.7)
    frame.box((0, high / 2, 0), (wide, high, 0.6), natural(rng, _STONE), "wall", faces=(0, 1, 2, 3, 4))
    frame.box((0, high, 0), (wide - 0.1, 0.04, 0.5), linear((0.28, 0.23, 0.18)), "wall", faces=(4,))
    across = rng.uniform((-wide / 2 + 0.15, high + 0.05, -0.2), (wide / 2 - 0.15, high + 0.5, 0.2), (70, 3))
    leaves = tufts(rng, frame.at(across), frame.at((0, high - 0.4, 0)), 0.13)
    site.builder.add(leaves, natural(rng, (0.32, 0.42, 0.22)), "foliage", seed=rng.random())
    if rng.random() < 0.5:
        petals = tufts(rng, frame.at(across[:20] + (0, 0.08, 0)), frame.at((0, high - 0.4, 0)), 0.06)
        site.builder.add(petals, any_colour(rng), "wall")
    site.block(x, z, wide / 2 + 0.1, high + 0.6)


def cafe_table(site: Site, x: float, z: float, heading: float, *, parasol: bool = True) -> None:
    """Add a table with two chairs and, if ``parasol`` allows it, often a parasol."""
    rng, frame = site.rng, site.frame(x, z, heading)
    top, seat = tinted(rng, _WOOD), tinted(rng, (0.35, 0.34, 0.33))
    site.builder.cylinder((x, 0, z), 0.035, 0.72, STEEL, "wall", sides=6)
    site.builder.cylinder((x, 0.72, z), 0.4, 0.03, top, "wall", sides=14)
    for side in (-1, 1):
        frame.box((side * 0.72, 0.45, 0), (0.4, 0.04, 0.4), seat, "wall")
        frame.box((side * 0.91, 0.70, 0), (0.035, 0.42, 0.38), seat, "wall")
        for dx, dz in ((-0.17, -0.17), (0.17, -0.17), (0.17, 0.17), (-0.17, 0.17)):
            frame.pole([(side * 0.72 + dx, 0, dz), (side * 0.72 + dx, 0.45, dz)], 0.015, STEEL, "wall", 3)
    if parasol and rng.random() < 0.55:
        cloth = tinted(rng, (0.85, 0.80, 0.68)) if rng.random() < 0.5 else any_colour(rng)
        site.builder.cylinder((x, 0.7, z), 0.025, 1.7, (0.5, 0.5, 0.5), "wall", sides=5)
        positions, normals, triangles = cylinder(1.35, 0.5, top_radius=0.02, sides=8, top=False)
        site.builder.add((positions, normals, triangles), cloth, "wall", at=(x, 2.25, z), heading=heading)
        site.block(x, z, 1.3, 2.75, 2.25)
    site.block(x, z, 1.02, 0.95)


def board(site: Site, x: float, z: float, heading: float) -> None:
    """Add a free-standing board with an advertisement on each side."""
    frame = site.frame(x, z, heading)
    frame.box((0, 0.2, 0), (1.1, 0.4, 0.16), STEEL, "paint")
    frame.box((0, 1.38, 0), (1.34, 1.95, 0.14), DARK, "paint")
    for side in (frame.turned((0, 1.38, 0), 0.0), frame.turned((0, 1.38, 0), np.pi)):
        site.hang(side, (0, 0, 0.08), 1.2, 1.8)
    across = frame.at(((-0.6, 0, 0), (0.6, 0, 0)))[:, [0, 2]]
    site.block_line(across[0], across[1], 0.3, 2.4)


def low_wall(site: Site, x: float, z: float, heading: float) -> None:
    """Add a wall of brick or stone, 0.5 to 0.9 m high."""
    rng, frame = site.rng, site.frame(x, z, heading)
    length, high = rng.uniform(2.5, 5.5), rng.uniform(0.5, 0.9)
    if rng.random() < 0.6:
        frame.box(
            (0, high / 2, 0), (length, high, 0.28), natural(rng, (0.52, 0.34, 0.28)), "brickwall", seed=rng.random()
        )
    else:
        frame.box((0, high / 2, 0), (length, high, 0.4), natural(rng, _STONE), "wall")
    frame.box((0, high + 0.03, 0), (length + 0.1, 0.07, 0.42), natural(rng, (0.66, 0.65, 0.62)), "wall")
    across = frame.at(((-length / 2, 0, 0), (length / 2, 0, 0)))[:, [0, 2]]
    site.block_line(across[0], across[1], 0.38, high + 0.06)


def railing(site: Site, x: float, z: float, heading: float) -> None:
    """Add a railing, 1 m high."""
    rng, frame = site.rng, site.frame(x, z, heading)
    length, colour = rng.uniform(3, 6), tinted(rng, (0.28, 0.29, 0.30))
    for y in (0.35, 0.98):
        frame.pole([(-length / 2, y, 0), (length / 2, y, 0)], 0.025, colour, "wall", 4)
    for along in np.arange(-length / 2, length / 2 + 0.01, length / round(length / 0.35)):
        frame.pole([(along, 0, 0), (along, 0.98, 0)], 0.014, colour, "wall", 3)
    across = frame.at(((-length / 2, 0, 0), (length / 2, 0, 0)))[:, [0, 2]]
    site.block_line(across[0], across[1], 0.3, 1.0)


def bike_rack(site: Site, x: float, z: float, heading: float) -> None:
    """Add three hoops for bicycles, some of them in use."""
    rng, frame = site.rng, site.frame(x, z, heading)
    for number in range(3):
        across = (number - 1) * 0.8
        for end in (-0.32, 0.32):
            frame.pole([(across, 0, end), (across, 0.78, end)], 0.025, STEEL, "paint", 5)
        frame.box((across, 0.78, 0), (0.05, 0.05, 0.69), STEEL, "paint")
        if rng.random() < 0.6:
            _bicycle(frame, across + 0.12, any_colour(rng))
    site.block_line(frame.at((-0.85, 0, 0))[[0, 2]], frame.at((0.9, 0, 0))[[0, 2]], 0.75, 1.05)


def sign_post(site: Site, x: float, z: float, heading: float) -> None:
    """Add a post with a round or rectangular sign without text."""
    rng, frame = site.rng, site.frame(x, z, heading)
    high = rng.uniform(2.3, 2.9)
    site.builder.cylinder((x, 0, z), 0.035, high, (0.45, 0.45, 0.46), "wall", sides=6)
    colour = tinted(rng, [(0.1, 0.2, 0.6), (0.75, 0.1, 0.1), (0.9, 0.9, 0.88), (0.1, 0.4, 0.2)][rng.integers(4)])
    if rng.random() < 0.6:
        disc = prism([(0.3 * np.cos(turn), 0.3 * np.sin(turn)) for turn in np.arange(12) * np.pi / 6], 0.02)
        frame.add(disc, colour, "wall", at=(0, high - 0.3, 0.05))
        frame.box((0, high - 0.3, 0.065), (0.4, 0.1, 0.005), (0.8, 0.8, 0.78), "wall", faces=(2,))
    else:
        frame.box((0, high - 0.3, 0.05), (0.55, 0.4, 0.02), colour, "wall")
    site.block(x, z, 0.2, high)


def kiosk(site: Site, x: float, z: float, heading: float) -> None:
    """Add a kiosk with a counter and an awning."""
    rng, frame = site.rng, site.frame(x, z, heading)
    colour, roof = any_colour(rng), tinted(rng, (0.3, 0.3, 0.32))
    wide, deep, high = rng.uniform(2.0, 3.0), 1.8, 2.5
    frame.box((0, 0.5, 0), (wide, 1.0, deep), colour, "wall", faces=(0, 1, 2, 3))
    frame.box((0, 1.02, 0.08), (wide + 0.1, 0.06, deep + 0.2), natural(rng, (0.6, 0.58, 0.55)), "wall")
    wall_panel(frame, (0, 1.6, -0.2), wide, 1.2, tinted(rng, (0.5, 0.45, 0.4)), "wall")
    for _ in range(9):
        place = (rng.uniform(-wide / 2 + 0.3, wide / 2 - 0.3), 1.05 + rng.choice([0.14, 0.55]), -0.05)
        frame.box(place, (0.22, 0.26, 0.2), any_colour(rng), "wall", faces=(0, 1, 2, 4))
    for side in (-1, 1):
        frame.box((side * (wide / 2 - 0.05), 1.7, 0), (0.1, 1.4, deep), colour, "wall")
    frame.box((0, 1.7, -deep / 2 + 0.05), (wide, 1.4, 0.1), colour, "wall", faces=(3,))
    frame.box((0, high + 0.05, 0.1), (wide + 0.5, 0.14, deep + 0.7), roof, "wall")
    picture, part = site.shop_sign()
    frame.picture((0, high - 0.22, deep / 2 + 0.02), wide, 0.4, picture, part)
    frame.box((0, high - 0.1, 0), (wide * 0.5, 0.05, 0.3), (0.95, 0.9, 0.78), "panel", faces=(5,))
    for across in (-wide / 4, wide / 4):
        middle = frame.at((across, 0, 0))
        site.block(middle[0], middle[2], wide / 4 + 0.65, high)


def bus_shelter(site: Site, x: float, z: float, heading: float) -> None:
    """Add a bus shelter: a roof on posts, a glazed back, a bench, an advertisement at one end."""
    rng, frame = site.rng, site.frame(x, z, heading)
    metal, wide = tinted(rng, (0.26, 0.27, 0.29)), 3.6
    frame.box((0, 2.4, 0.1), (wide + 0.3, 0.12, 1.6), metal, "wall")
    for side in (-1, 1):
        for deep in (-0.6, 0.6):
            frame.pole([(side * wide / 2, 0, deep), (side * wide / 2, 2.4, deep)], 0.04, metal, "wall", 5)
    for y in (0.3, 2.1):
        frame.box((0, y, -0.6), (wide, 0.06, 0.04), metal, "wall")
    for across in (-wide / 6, wide / 6):
        frame.box((across, 1.2, -0.6), (0.05, 1.8, 0.04), metal, "wall", faces=(0, 1, 2, 3))
    frame.box((-0.3, 0.47, -0.35), (2.2, 0.06, 0.35), tinted(rng, _WOOD), "wall")
    frame.box((wide / 2, 1.25, 0.0), (0.12, 2.0, 1.15), DARK, "wall")
    for outwards in (-np.pi / 2, np.pi / 2):
        site.hang(frame.turned((wide / 2, 1.28, 0), outwards), (0, 0, 0.07), 1.0, 1.75)
    back = frame.at(((-wide / 2, 0, -0.45), (wide / 2, 0, -0.45)))[:, [0, 2]]
    site.block_line(back[0], back[1], 0.45, 2.1)
    end = frame.at(((wide / 2, 0, -0.5), (wide / 2, 0, 0.5)))[:, [0, 2]]
    site.block_line(end[0], end[1], 0.3, 2.4)
    post = frame.at((-wide / 2, 0, 0.6))
    site.block(post[0], post[2], 0.2, 2.4)
    middle = frame.at((0, 0, 0))
    site.block(middle[0], middle[2], wide / 2, 2.5, 2.3)


def lamp_post(site: Site, x: float, z: float, heading: float) -> None:
    """Add a street lamp; its light is one of the place's lamps."""
    rng, frame = site.rng, site.frame(x, z, heading)
    high, colour = float(rng.uniform(3.6, 5.2)), tinted(rng, (0.23, 0.25, 0.27))
    site.builder.cylinder((x, 0, z), 0.09, 0.5, colour, "wall", top_radius=0.06, sides=8)
    site.builder.cylinder((x, 0.5, z), 0.055, high - 0.5, colour, "wall", top_radius=0.04, sides=7)
    tone = WARM if rng.random() < 0.7 else COLD
    glow = np.array(tone) * 0.5 + 0.45
    if rng.random() < 0.5:  # a lantern on top
        site.builder.blob((x, high, z), (0.19, 0.2, 0.19), glow, "panel", around=9, rings=6)
        site.builder.cylinder((x, high + 0.13, z), 0.26, 0.14, colour, "wall", top_radius=0.03, sides=9)
        place = np.array([x, high - 0.25, z])
    else:  # on an arm
        frame.pole([(0, high - 0.05, 0), (0, high + 0.1, 0.3), (0, high + 0.12, 0.9)], 0.035, colour, "wall", 5)
        frame.box((0, high + 0.12, 1.0), (0.22, 0.09, 0.5), colour, "wall")
        frame.box((0, high + 0.06, 1.0), (0.18, 0.04, 0.44), glow, "panel")
        place = frame.at((0, high - 0.2, 1.0))
    site.block(x, z, 0.25, high)
    light = np.array(tone) * rng.uniform(9, 16)
    site.lamps.append(
        Lamp(
            position=(float(place[0]), float(place[1]), float(place[2])),
            colour=(float(light[0]), float(light[1]), float(light[2])),
        )
    )


def statue(site: Site, x: float, z: float, heading: float) -> None:
    """Add a statue on a plinth."""
    rng, frame = site.rng, site.frame(x, z, heading)
    high = float(rng.uniform(0.5, 1.5))
    material = natural(rng, _STONE)
    frame.box((0, 0.1, 0), (1.5, 0.2, 1.5), material, "wall", faces=(0, 1, 2, 3, 4))
    frame.box((0, high / 2 + 0.1, 0), (0.9, high - 0.2, 0.9), material, "wall", faces=(0, 1, 2, 3))
    frame.box((0, high - 0.06, 0), (1.05, 0.12, 1.05), material, "wall")
    frame.box((0, high * 0.55, 0.455), (0.5, 0.22, 0.02), natural(rng, (0.35, 0.28, 0.16)), "paint", faces=(2,))
    bronze = rng.random() < 0.45
    colour = natural(rng, (0.30, 0.33, 0.27) if bronze else (0.66, 0.65, 0.61))
    seed = int(rng.integers(2**31))
    site.figures.append(Figure(kind="statue", seed=seed, position=(x, high, z), heading=heading, colour=colour))
    site.block(x, z, 1.0, high + 1.8)


OUTDOORS: dict[str, tuple[float, float, Add]] = {
    "bench": (4, 1.2, bench), "bin": (3, 0.5, litter_bin), "bollards": (2, 2.4, bollards), "planter": (3, 1.1, planter),
    "table": (3, 1.2, cafe_table), "wall": (1.5, 2.8, low_wall), "railing": (1, 3.0, railing),
    "bikes": (1.5, 1.6, bike_rack), "sign": (2, 0.4, sign_post), "kiosk": (0.7, 2.2, kiosk), "board": (2, 1.0, board),
}  # fmt: skip
"""By name: weight, metres needed around the middle, and the function that adds it. For places outdoors."""
INDOORS: dict[str, tuple[float, float, Add]] = {
    **{name: OUTDOORS[name] for name in ("bench", "bin", "planter", "railing", "kiosk", "board")},
    "table": (3, 1.2, partial(cafe_table, parasol=False)),
}
"""The same for halls."""


def furnish(
    site: Site, count: int, area: tuple[float, float, float, float], things: dict[str, tuple[float, float, Add]]
) -> None:
    """Add up to ``count`` pieces of furniture where there is room for them and for people to pass."""
    names = list(things)
    shares = np.array([things[name][0] for name in names])
    for _ in range(count):
        _, room, add = things[names[site.rng.choice(len(names), p=shares / shares.sum())]]
        spot = site.spot(area, room + 0.5, middle=2.0)
        if spot is not None:
            heading = float(site.rng.integers(4) * np.pi / 2 + site.rng.normal(0, 0.05))
            add(site, spot[0], spot[1], heading)


def _bicycle(frame: Frame, across: float, paint: Rgb) -> None:
    """Add an upright bicycle whose wheels are plain hoops."""
    turn = np.linspace(0, 2 * np.pi, 13)
    for along in (-0.5, 0.5):
        wheel = [(across, 0.34 + 0.33 * np.cos(angle), along + 0.33 * np.sin(angle)) for angle in turn]
        frame.pole(wheel, 0.022, DARK, "wall", 3)
    rear, front, pedals = (across, 0.34, -0.5), (across, 0.34, 0.5), (across, 0.30, -0.06)
    saddle, head = (across, 0.86, -0.22), (across, 0.86, 0.36)
    for line in ([rear, saddle], [rear, pedals], [pedals, saddle], [pedals, head], [saddle, head], [head, front]):
        frame.pole(line, 0.02, paint, "paint", 4)
    frame.box((across, 0.93, -0.24), (0.14, 0.05, 0.26), DARK, "wall")
    frame.pole([(across - 0.25, 0.98, 0.32), (across, 1.0, 0.38), (across + 0.25, 0.98, 0.32)], 0.015, DARK, "wall", 4)
