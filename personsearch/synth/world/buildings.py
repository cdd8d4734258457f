"""The surroundings of a place: rows of houses with shops, doors, balconies and roofs, and a skyline behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from personsearch.synth.geometry import rotation_y
from personsearch.synth.shapes import prism, quad
from personsearch.synth.world.colours import DARK, DOORS, WALLS, any_colour, as_rgb, natural, painted, tinted
from personsearch.synth.world.mesh_builder import Frame, upright
from personsearch.synth.world.site import Site
from personsearch.synth.world.types import Figure, Rgb

SIDES = (0.0, -np.pi / 2, np.pi, np.pi / 2)
"""Headings of the rows to the north (-z), east, south and west of the middle."""
OPENING = 2.75
"""Height of shop windows and doors including their lintels, metres."""
SHOP_DEPTH = 1.1
_STONE = (0.62, 0.60, 0.56)


@dataclass(frozen=True, kw_only=True)
class _House:
    """A house: its dimensions in metres and its colours."""

    bays: int
    bay: float
    base: float
    storeys: int
    storey: float
    wall: Rgb
    trim: Rgb
    seed: float
    brick: bool

    @property
    def width(self) -> float:
        return self.bays * self.bay

    @property
    def height(self) -> float:
        return self.base + self.storeys * self.storey


def rows_of_houses(site: Site, distances: Sequence[float], *, sides: Sequence[int] = range(4), most: int = 6) -> None:
    """Add houses on the sides of the place.

    Args:
        site: the place.
        distances: from the middle to the fronts on the north, east, south and west sides, metres.
        sides: which sides have houses.
        most: greatest number of storeys above the ground floor.
    """
    for side in sides:
        # A row ends where it meets the rows to its left and right.
        left, right = distances[(side - 1) % 4], distances[(side + 1) % 4]
        x = -min(left, 46.0) - 1
        while x < min(right, 46.0):
            house = _sample(site.rng, most)
            middle = rotation_y(SIDES[side]) @ (x + house.width / 2, 0, -distances[side])
            frame = site.frame(middle[0], middle[2], SIDES[side])
            near = abs(x + house.width / 2) < 21 and distances[side] < 27
            _build(site, frame, house, near=near)
            x += house.width + (site.rng.uniform(1.5, 5) if site.rng.random() < 0.15 else 0)


def skyline(site: Site, radius: float = 54.0, *, low: float = 9.0, high: float = 26.0) -> None:
    """Close the horizon with houses, so that no gap shows at the end of the ground."""
    count = 26
    width = 2 * np.pi * radius / count + 1
    for number in range(count):
        turn = 2 * np.pi * number / count
        bay, height = site.rng.uniform(2.8, 3.6), site.rng.uniform(low, high)
        frame = site.frame(radius * np.sin(turn), radius * np.cos(turn), turn + np.pi)
        scale, wall = (1 / bay, 1 / site.rng.uniform(2.9, 3.4)), painted(site.rng, WALLS)
        size, seed = (width, height, 8.0), site.rng.random()
        frame.box((0, height / 2, -4), size, wall, "facade", seed=seed, scale=scale, faces=(0, 1, 2))


def shop_window(site: Site, frame: Frame, width: float, *, light: bool = True, mannequins: float = 0.55) -> None:
    """Add a shop window behind a front (z = 0 of the frame): back wall, platform, goods, perhaps mannequins.

    Args:
        site: the place.
        frame: has its origin on the ground at the front, in the middle of the window.
        width: metres.
        light: whether it is lit.
        mannequins: probability that it has mannequins.
    """
    rng = site.rng
    back, floor, depth = tinted(rng, (0.8, 0.78, 0.74)), 0.35, SHOP_DEPTH
    if rng.random() < 0.5:
        back = as_rgb(np.array(any_colour(rng)) * 0.7 + 0.1)
    half, y = width / 2, OPENING / 2
    wall_panel(frame, (0, y, -depth), width, OPENING, back, "wall")
    for side in (-1.0, 1.0):
        corners = [
            (side * half, 0, 0),
            (side * half, 0, -depth),
            (side * half, OPENING, -depth),
            (side * half, OPENING, 0),
        ]
        frame.add(quad(corners if side < 0 else corners[::-1]), back, "wall")
    frame.box((0, floor / 2, -depth / 2), (width, floor, depth), tinted(rng, (0.3, 0.29, 0.28)), "wall", faces=(2, 4))
    lamp = (0.95, 0.88, 0.74) if light else (0.3, 0.3, 0.3)
    frame.box((0, OPENING - 0.05, -depth / 2), (width, 0.1, depth * 0.8), lamp, "panel", faces=(2, 5))
    shown = rng.integers(1, 3) if rng.random() < mannequins else 0
    plastic = as_rgb(rng.choice([(0.72, 0.69, 0.65), (0.045, 0.045, 0.05), (0.6, 0.5, 0.42)], p=[0.6, 0.25, 0.15]))
    places = np.linspace(-half, half, shown + 2)[1:-1] + rng.uniform(-0.2, 0.2, shown)
    for x in places:
        place = frame.at((x, floor, -depth * 0.5))
        site.figures.append(
            Figure(
                kind="mannequin",
                seed=int(rng.integers(2**31)),
                position=(float(place[0]), float(place[1]), float(place[2])),
                heading=float(frame.heading + rng.normal(0, 0.35)),
                colour=plastic,
            )
        )
    for _ in range(rng.integers(1, 4) if not shown else 1):
        size = rng.uniform((0.25, 0.2, 0.2), (0.7, 1.0, 0.5))
        middle = (rng.uniform(-half + 0.4, half - 0.4), floor + size[1] / 2, -depth + 0.3)
        frame.box(middle, size, any_colour(rng), "wall", faces=(0, 1, 2, 4))
    if not shown and rng.random() < 0.3:  # coats and jackets on a rail
        frame.pole([(-half * 0.7, 1.95, -depth * 0.6), (half * 0.7, 1.95, -depth * 0.6)], 0.015, DARK, "paint", 5)
        for x in rng.uniform(-half * 0.6, half * 0.6, rng.integers(1, 3)):
            place = frame.at((x, 0.4, -depth * 0.6))
            site.figures.append(
                Figure(
                    kind="coat",
                    seed=int(rng.integers(2**31)),
                    position=(float(place[0]), float(place[1]), float(place[2])),
                    heading=float(frame.heading + rng.normal(0, 0.2)),
                    colour=DARK,
                )
            )
    elif not shown and rng.random() < 0.6:
        frame.picture((0, 1.65, -depth + 0.03), min(1.4, width * 0.6), 1.4, site.advertisement())


def wall_panel(
    frame: Frame, middle: tuple[float, float, float], width: float, height: float, colour: Rgb, material: str
) -> None:
    """Add an upright rectangle that faces +z of the frame."""
    frame.add(quad(upright(middle, width, height)[[3, 2, 1, 0]]), colour, material)


def _sample(rng: np.random.Generator, most: int) -> _House:
    brick = rng.random() < 0.3
    wall = natural(rng, (0.55, 0.33, 0.26)) if brick else painted(rng, WALLS)
    return _House(
        bays=int(rng.integers(3, 6)),
        bay=float(rng.uniform(2.7, 3.5)),
        base=float(rng.uniform(3.5, 4.2)),
        storeys=int(rng.integers(1, most + 1)),
        storey=float(rng.uniform(2.9, 3.3)),
        wall=wall,
        trim=natural(rng, _STONE),
        seed=float(rng.random()),
        brick=brick,
    )


def _build(site: Site, frame: Frame, house: _House, *, near: bool) -> None:
    rng, width, depth = site.rng, house.width, 3 * house.bay
    upper, middle = house.height - house.base, (house.height + house.base) / 2
    if house.brick and near:
        frame.box((0, middle, -depth / 2), (width, upper, depth), house.wall, "brickwall", faces=(0, 1, 2))
        _windows(frame, house)
    else:
        scale = (1 / house.bay, 1 / house.storey)
        size = (width, upper, depth)
        frame.box((0, middle, -depth / 2), size, house.wall, "facade", seed=house.seed, scale=scale, faces=(0, 1, 2))
    frame.box((0, house.base - 0.1, 0.0), (width + 0.1, 0.22, 0.24), house.trim, "wall", faces=(0, 1, 2, 4, 5))
    _roof(rng, frame, house, depth)
    for side in (0, 1):
        x = (width / 2 - 0.01) * (1 - 2 * side)
        frame.box((x, house.base / 2, -depth / 2), (0.02, house.base, depth), house.wall, "wall", faces=(side,))
    if near:
        _ground_floor(site, frame, house)
        if not house.brick and rng.random() < 0.35:
            _balconies(rng, frame, house)
        x = width / 2 - 0.12
        frame.pole([(x, 0, 0.08), (x, house.height - 0.3, 0.08)], 0.05, house.trim, "wall", sides=5)
    else:
        wall_panel(frame, (0, house.base / 2, 0.01), width, house.base, house.wall, "wall")
        for bay in range(house.bays):
            x = (bay + 0.5) * house.bay - width / 2
            wall_panel(frame, (x, 1.5, 0.03), house.bay * 0.72, 2.4, (0.05, 0.055, 0.06), "glass")


def _roof(rng: np.random.Generator, frame: Frame, house: _House, depth: float) -> None:
    width, top = house.width, house.height
    if rng.random() < 0.45:  # pitched
        rise, tiles = (
            rng.uniform(1.6, 3.2),
            natural(rng, (0.45, 0.24, 0.19) if rng.random() < 0.6 else (0.26, 0.26, 0.28)),
        )
        outline = [(-depth / 2 - 0.4, 0), (depth / 2 + 0.4, 0), (0, rise)]
        frame.turned((0, top, -depth / 2), np.pi / 2).add(prism(outline, width + 0.2), tiles, "wall")
        for x in rng.uniform(-width / 3, width / 3, rng.integers(0, 3)):
            frame.box((x, top + rise, -depth / 2), (0.7, 1.5, 0.6), house.trim, "wall", faces=(0, 1, 2, 4))
    else:
        frame.box((0, top + 0.1, -depth / 2 + 0.2), (width + 0.3, 0.3, depth + 0.5), house.trim, "wall")
        frame.box((0, top + 0.55, -0.2), (width, 0.6, 0.25), house.wall, "wall", faces=(0, 1, 2, 4))


def _windows(frame: Frame, house: _House) -> None:
    """Add separate windows to a front whose material has none."""
    wide, high = house.bay * (0.36 + 0.12 * house.seed), house.storey * 0.52
    for storey in range(house.storeys):
        y = house.base + (storey + 0.52) * house.storey
        for bay in range(house.bays):
            x = (bay + 0.5) * house.bay - house.width / 2
            wall_panel(frame, (x, y, 0.015), wide, high, (0.55, 0.54, 0.51), "wall")
            for side in (-1, 1):
                middle = (x + side * wide * 0.235, y, 0.03)
                wall_panel(frame, middle, wide * 0.4, high * 0.9, (0.05, 0.06, 0.07), "glass")
            frame.box((x, y - high / 2 - 0.04, 0.06), (wide + 0.2, 0.09, 0.14), house.trim, "wall", faces=(2, 4))


def _balconies(rng: np.random.Generator, frame: Frame, house: _House) -> None:
    metal = tinted(rng, (0.22, 0.23, 0.24)) if rng.random() < 0.6 else as_rgb(np.array(house.wall) * 0.8)
    for bay in rng.choice(house.bays, 2, replace=False):
        x = (bay + 0.5) * house.bay - house.width / 2
        for storey in range(min(house.storeys, 4)):
            y = house.base + storey * house.storey + 0.12
            frame.box((x, y, 0.5), (house.bay * 0.85, 0.14, 1.0), house.trim, "wall", faces=(0, 1, 2, 4, 5))
            frame.box((x, y + 0.55, 0.97), (house.bay * 0.85, 0.9, 0.04), metal, "wall", faces=(2, 3, 4))
            for side in (-1, 1):
                frame.box((x + side * house.bay * 0.42, y + 0.55, 0.5), (0.04, 0.9, 0.95), metal, "wall", faces=(0, 1))


def _ground_floor(site: Site, frame: Frame, house: _House) -> None:
    rng, width, shop = site.rng, house.width, site.rng.random() < 0.6
    colour = as_rgb(np.array(house.wall) * 0.8) if not shop or rng.random() < 0.5 else painted(rng, WALLS)
    lintel = house.base - OPENING
    frame.box((0, OPENING + lintel / 2, -0.1), (width, lintel, 0.2), colour, "wall", faces=(2, 5))
    pier = 0.5 if shop else house.bay * 0.45
    for edge in range(house.bays + 1):
        x = np.clip(edge * house.bay - width / 2, -width / 2 + pier / 4, width / 2 - pier / 4)
        wide = pier / 2 if edge in (0, house.bays) else pier
        frame.box((x, OPENING / 2, -0.1), (wide, OPENING, 0.2), colour, "wall", faces=(0, 1, 2))
    door = int(rng.integers(house.bays))
    for bay in range(house.bays):
        x = (bay + 0.5) * house.bay - width / 2
        _bay(site, frame, (x, house.bay - pier), shop=shop, door=bay == door, colour=colour)
    if shop:
        paper = any_colour(rng)
        frame.box((0, OPENING + 0.36, 0.1), (width * 0.96, 0.62, 0.2), paper, "wall", faces=(0, 1, 2, 4, 5))
        picture, part = site.shop_sign()
        frame.picture((0, OPENING + 0.36, 0.21), 3.4, 0.55, picture, part)
        if rng.random() < 0.45:
            slope = prism([(0, 0), (1.25, -0.45), (1.25, -0.38), (0, 0.08)], width * 0.92)
            frame.turned((0, OPENING + 0.02, 0.0), -np.pi / 2).add(slope, any_colour(rng), "wall")


def _bay(site: Site, frame: Frame, where: tuple[float, float], *, shop: bool, door: bool, colour: Rgb) -> None:
    """Fill one opening of the ground floor; ``where`` is its middle along the front and its width."""
    rng, (x, wide) = site.rng, where
    if door:
        leaf = painted(rng, DOORS)
        wall_panel(frame, (x, OPENING / 2, -0.18), wide, OPENING, as_rgb(np.array(colour) * 0.6), "wall")
        frame.box((x, 1.08, -0.13), (min(wide, 1.05), 2.16, 0.1), leaf, "wall", faces=(0, 1, 2, 4))
        wall_panel(frame, (x, 1.5, -0.07), min(wide, 1.05) * 0.62, 0.95, (0.04, 0.045, 0.05), "glass")
        frame.box((x, 0.05, 0.3), (min(wide, 1.05) + 0.4, 0.1, 0.7), natural(rng, _STONE), "wall", faces=(0, 1, 2, 4))
    elif shop and rng.random() < 0.62:
        shop_window(site, frame.turned((x, 0, 0), 0.0), wide)
    elif shop:
        wall_panel(frame, (x, OPENING / 2, -0.12), wide, OPENING, (0.06, 0.065, 0.07), "glass")
        for across in np.linspace(-wide / 2, wide / 2, 3):
            frame.box((x + across, OPENING / 2, -0.1), (0.07, OPENING, 0.08), DARK, "wall", faces=(0, 1, 2))
        frame.box((x, 0.2, -0.08), (wide, 0.4, 0.1), as_rgb(np.array(colour) * 0.5), "wall", faces=(2, 4))
    else:
        wall_panel(frame, (x, OPENING / 2, -0.1), wide, OPENING, colour, "wall")
        if rng.random() < 0.75:
            wall_panel(frame, (x, 1.7, -0.08), wide * 0.8, 1.45, (0.55, 0.54, 0.51), "wall")
            wall_panel(frame, (x, 1.7, -0.06), wide * 0.7, 1.3, (0.05, 0.055, 0.06), "glass")
            frame.box((x, 0.94, -0.02), (wide * 0.9, 0.08, 0.16), natural(rng, _STONE), "wall", faces=(2, 4))
        else:
            site.hang(frame, (x, 1.6, -0.07), 1.1, 1.5)
