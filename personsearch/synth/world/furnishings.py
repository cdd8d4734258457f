"""Furniture of rooms: tables, seats, cupboards, lamps, and what stands on and beside them."""

from __future__ import annotations

import numpy as np

from personsearch.synth.shapes import tube
from personsearch.synth.world.colours import DARK, STEEL, any_colour, as_rgb, natural, painted, tinted
from personsearch.synth.world.mesh_builder import Frame
from personsearch.synth.world.plants import tufts
from personsearch.synth.world.props_outdoors import block_box
from personsearch.synth.world.site import Site
from personsearch.synth.world.types import Rgb

WOODS: tuple[Rgb, ...] = ((0.62, 0.47, 0.31), (0.42, 0.28, 0.18), (0.75, 0.63, 0.46), (0.25, 0.17, 0.12))
LAMINATES = {"white": 4, "light grey": 2, "cream": 1, "dark grey": 2, "black": 1, "beige": 1, "navy": 0.4, "mint": 0.3}


def wooden(rng: np.random.Generator) -> tuple[Rgb, str]:
    """Return a colour and a material for furniture: wood, or a painted or laminated board."""
    if rng.random() < 0.6:
        return tinted(rng, WOODS[rng.integers(len(WOODS))]), "wood"
    return painted(rng, LAMINATES), "wall"


def wardrobe(site: Site, x: float, z: float, heading: float) -> None:
    """Add a wardrobe with two or three doors, one of them perhaps a mirror."""
    rng, frame = site.rng, site.frame(x, z, heading)
    doors, high, deep = int(rng.integers(1, 4)), float(rng.uniform(1.8, 2.2)), 0.58
    wide, (colour, material) = doors * float(rng.uniform(0.45, 0.55)), wooden(rng)
    frame.box((0, high / 2 + 0.04, 0), (wide, high, deep), as_rgb(np.array(colour) * 0.85), material, seed=0.8)
    mirror = rng.integers(doors) if rng.random() < 0.3 else -1
    for number in range(doors):
        across, each = (number + 0.5) * wide / doors - wide / 2, wide / doors
        frame.box(
            (across, high / 2 + 0.04, deep / 2 + 0.01), (each - 0.01, high - 0.04, 0.02), colour, material, seed=0.9
        )
        if number == mirror:
            frame.box((across, high / 2, deep / 2 + 0.022), (each * 0.7, high * 0.8, 0.004), (0.3, 0.31, 0.32), "glass")
        knob = across + (each / 2 - 0.05) * (1 if number % 2 == 0 else -1)
        frame.box((knob, high / 2, deep / 2 + 0.035), (0.015, 0.14, 0.025), STEEL, "paint")
    block_box(site, frame, wide, deep, high)


def shelf(site: Site, x: float, z: float, heading: float) -> None:
    """Add an open shelf with books and boxes."""
    rng, frame = site.rng, site.frame(x, z, heading)
    wide, high, deep = float(rng.uniform(0.7, 1.2)), float(rng.uniform(1.2, 2.1)), 0.3
    boards, (colour, material) = int(rng.integers(3, 6)), wooden(rng)
    for side in (-1, 1):
        frame.box((side * wide / 2, high / 2, 0), (0.025, high, deep), colour, material, seed=0.8)
    if rng.random() < 0.6:
        frame.box((0, high / 2, -deep / 2), (wide, high, 0.01), as_rgb(np.array(colour) * 0.7), material)
    for y in np.linspace(0.06, high - 0.01, boards + 1):
        frame.box((0, y, 0), (wide, 0.025, deep), colour, material, seed=0.2)
    room = (high - 0.07) / boards
    for number in range(boards):
        y, along = 0.075 + number * room, -wide / 2 + 0.03
        while along < wide / 2 - 0.12:
            each, tall = rng.uniform(0.03, 0.09) if rng.random() < 0.75 else 0.25, rng.uniform(0.45, 0.85) * room
            if rng.random() < 0.8 and along + each < wide / 2:
                frame.box(
                    (along + each / 2, y + tall / 2, 0.02),
                    (each * 0.95, tall, 0.2),
                    any_colour(rng),
                    "wall",
                    faces=(0, 1, 2, 4),
                )
            along += each
    block_box(site, frame, wide, deep, high)


def table(site: Site, x: float, z: float, heading: float, *, fruit: float = 0.3) -> None:
    """Add a table, perhaps with a bowl of fruit, bottles or books on it.

    Args:
        site: the place.
        x: metres.
        z: metres.
        heading: radians.
        fruit: share of tables with a bowl of fruit.
    """
    rng, frame = site.rng, site.frame(x, z, heading)
    wide, deep, high = float(rng.uniform(0.9, 1.8)), float(rng.uniform(0.65, 0.9)), float(rng.uniform(0.71, 0.77))
    colour, material = wooden(rng)
    frame.box((0, high - 0.02, 0), (wide, 0.035, deep), colour, material, seed=0.2)
    metal = rng.random() < 0.4
    for sx in (-1, 1):
        for sz in (-1, 1):
            leg = (sx * (wide / 2 - 0.06), high / 2 - 0.02, sz * (deep / 2 - 0.06))
            frame.box(
                leg, (0.05, high - 0.04, 0.05), DARK if metal else colour, "paint" if metal else material, seed=0.8
            )
    if rng.random() < fruit:
        _bowl_of_fruit(site, frame, (float(rng.uniform(-0.2, 0.2)), high, 0.0))
    for _ in range(rng.integers(0, 4)):
        place = (rng.uniform(-wide / 2, wide / 2) * 0.8, high, rng.uniform(-deep / 2, deep / 2) * 0.7)
        foot = frame.at(place)
        if rng.random() < 0.5:
            glass = painted(rng, {"green": 1, "brown": 1, "white": 1, "sky": 0.5})
            site.builder.cylinder(foot, 0.036, 0.2, glass, "paint")
            site.builder.cylinder(foot + (0, 0.2, 0), 0.036, 0.09, glass, "paint", top_radius=0.013)
        else:
            frame.box((place[0], high + 0.02, place[2]), (0.2, 0.04, 0.15), any_colour(rng), "wall")
    block_box(site, frame, wide, deep, high + 0.1)


def chair(site: Site, x: float, z: float, heading: float) -> None:
    """Add a chair with a back; now and then a jacket hangs over it."""
    rng, frame = site.rng, site.frame(x, z, heading)
    colour, material = wooden(rng)
    padded = rng.random() < 0.4
    seat, cover = (any_colour(rng), "fabric") if padded else (colour, material)
    frame.box((0, 0.45, 0), (0.43, 0.06 if padded else 0.03, 0.42), seat, cover, seed=0.3)
    for sx in (-1, 1):
        frame.box((sx * 0.19, 0.22, 0.18), (0.035, 0.44, 0.035), colour, material, seed=0.8)
        frame.pole(
            [(sx * 0.19, 0, -0.2), (sx * 0.19, 0.45, -0.19), (sx * 0.19, 0.92, -0.25)], 0.02, colour, material, 5
        )
    if padded:
        frame.box((0, 0.72, -0.225), (0.4, 0.36, 0.05), seat, cover, seed=0.3)
    else:
        for y in (0.6, 0.73, 0.86):
            frame.box((0, y, -0.2 - (y - 0.45) * 0.11), (0.38, 0.07, 0.018), colour, material, seed=0.2)
    site.block(x, z, 0.35, 0.92)


def office_chair(site: Site, x: float, z: float, heading: float) -> None:
    """Add an office chair: five feet, a column, padded seat and back, arm rests."""
    rng, frame = site.rng, site.frame(x, z, heading)
    colour = painted(rng, {"black": 5, "dark grey": 3, "navy": 1, "red": 0.6, "green": 0.4, "grey": 1, "white": 0.5})
    for turn in np.arange(5) * 2 * np.pi / 5:
        out = np.array([np.sin(turn), 0, np.cos(turn)])
        frame.pole([(0, 0.11, 0), tuple(out * 0.3 + (0, 0.07, 0))], 0.022, DARK, "paint", 5)
        site.builder.blob(frame.at(out * 0.3 + (0, 0.035, 0)), (0.03, 0.035, 0.03), DARK, "paint", around=7, rings=5)
    site.builder.cylinder((x, 0.1, z), 0.028, 0.36, STEEL, "paint", sides=8)
    _cushion(site, frame, (0, 0.49, 0), (0.25, 0.05, 0.24), colour)
    _cushion(site, frame, (0, 0.86, -0.25), (0.23, 0.3, 0.05), colour)
    frame.pole([(0, 0.45, -0.1), (0, 0.46, -0.28), (0, 0.75, -0.3)], 0.025, DARK, "paint", 6)
    if rng.random() < 0.7:
        for side in (-1, 1):
            frame.pole([(side * 0.26, 0.47, -0.05), (side * 0.3, 0.68, -0.05)], 0.018, DARK, "paint", 5)
            frame.box((side * 0.3, 0.69, 0.02), (0.06, 0.03, 0.26), DARK, "paint")
    if rng.random() < 0.3:
        _cushion(site, frame, (0, 1.27, -0.27), (0.14, 0.08, 0.035), colour)
    site.block(x, z, 0.42, 1.2)


def sofa(site: Site, x: float, z: float, heading: float) -> None:
    """Add a sofa or an armchair with cushions."""
    rng, frame = site.rng, site.frame(x, z, heading)
    seats = int(rng.integers(1, 4))
    each, colour, seed = float(rng.uniform(0.58, 0.7)), any_colour(rng), float(rng.random())
    wide, arm = seats * each, float(rng.uniform(0.12, 0.2))
    back = float(rng.uniform(0.72, 0.9))
    frame.box((0, 0.22, 0), (wide + 2 * arm, 0.26, 0.85), colour, "fabric", seed=seed)
    frame.box((0, back / 2 + 0.06, -0.36), (wide + 2 * arm, back - 0.12, 0.16), colour, "fabric", seed=seed)
    for side in (-1, 1):
        _cushion(site, frame, (side * (wide + arm) / 2, 0.38, 0.0), (arm / 2, 0.22, 0.43), colour)
        for deep in (-0.36, 0.36):
            frame.box((side * wide / 2, 0.05, deep), (0.05, 0.1, 0.05), DARK, "wall")
    for number in range(seats):
        across = (number - (seats - 1) / 2) * each
        _cushion(site, frame, (across, 0.41, 0.06), (each / 2 - 0.005, 0.085, 0.36), colour)
        _cushion(site, frame, (across, 0.66, -0.24), (each / 2 - 0.01, 0.21, 0.09), colour)
        if rng.random() < 0.4:
            _cushion(site, frame, (across + 0.1, 0.62, -0.1), (0.2, 0.19, 0.07), any_colour(rng))
    block_box(site, frame, wide + 2 * arm, 0.9, back)


def counter(site: Site, x: float, z: float, heading: float) -> None:
    """Add a counter or kitchen island with a worktop; things stand on some."""
    rng, frame = site.rng, site.frame(x, z, heading)
    wide, deep, high = float(rng.uniform(1.2, 2.4)), float(rng.uniform(0.55, 0.75)), float(rng.uniform(0.88, 1.1))
    colour, material = wooden(rng)
    frame.box((0, high / 2 - 0.01, 0), (wide, high - 0.06, deep), colour, material, seed=0.2)
    top, stone = (tinted(rng, WOODS[0]), "wood") if rng.random() < 0.5 else (natural(rng, (0.4, 0.39, 0.38)), "wall")
    frame.box((0, high - 0.02, 0.01), (wide + 0.06, 0.04, deep + 0.06), top, stone, seed=0.2)
    frame.box((0, 0.05, 0.0), (wide + 0.004, 0.1, deep + 0.004), DARK, "wall")
    step = wide / max(1, round(wide / 0.5))
    for edge in np.arange(-wide / 2 + step, wide / 2 - 0.1, step):
        frame.box((edge, high / 2 + 0.02, deep / 2 + 0.001), (0.006, high - 0.16, 0.004), DARK, "wall")
    if rng.random() < 0.4:
        _bowl_of_fruit(site, frame, (float(rng.uniform(-0.3, 0.3)), high, 0.0))
    if rng.random() < 0.5:
        frame.box((wide * 0.3, high + 0.14, -0.05), (0.26, 0.28, 0.3), painted(rng, LAMINATES), "paint")
    block_box(site, frame, wide, deep, high + 0.2)


def fridge(site: Site, x: float, z: float, heading: float) -> None:
    """Add a refrigerator."""
    rng, frame = site.rng, site.frame(x, z, heading)
    wide, high = float(rng.uniform(0.55, 0.75)), float(rng.uniform(1.45, 1.9))
    colour = painted(rng, {"white": 5, "light grey": 3, "grey": 1, "red": 0.4, "mint": 0.4, "black": 1})
    split = high * float(rng.choice([0.3, 0.62, 0.7]))
    frame.box((0, high / 2 + 0.02, 0), (wide, high - 0.04, 0.6), as_rgb(np.array(colour) * 0.9), "paint")
    for low, top in ((0.06, split), (split + 0.012, high)):
        frame.box((0, (low + top) / 2, 0.325), (wide - 0.004, top - low - 0.005, 0.045), colour, "paint")
        frame.box((-wide * 0.4, (low + top) / 2, 0.375), (0.025, min(0.5, top - low - 0.2), 0.03), STEEL, "paint")
    for _ in range(rng.integers(0, 6)):  # notes held by magnets
        note = (rng.uniform(-0.2, 0.2), rng.uniform(high * 0.75, high * 0.95), 0.35)
        frame.box(note, (rng.uniform(0.05, 0.15), rng.uniform(0.05, 0.15), 0.004), any_colour(rng), "wall", faces=(2,))
    block_box(site, frame, wide, 0.65, high)


def pot_plant(site: Site, x: float, z: float, heading: float) -> None:
    """Add a plant in a pot, bushy or with long leaves, up to as high as a person."""
    rng, frame = site.rng, site.frame(x, z, heading)
    pot, wide = float(rng.uniform(0.25, 0.5)), float(rng.uniform(0.15, 0.24))
    clay = natural(rng, (0.62, 0.36, 0.25)) if rng.random() < 0.4 else painted(rng, LAMINATES)
    site.builder.cylinder((x, 0, z), wide * 0.75, pot, clay, "wall", top_radius=wide, sides=16)
    site.builder.cylinder((x, pot - 0.02, z), wide - 0.02, 0.022, (0.03, 0.022, 0.016), "gravel", sides=16)
    high, leaf = pot + float(rng.uniform(0.4, 1.3)), natural(rng, (0.25, 0.40, 0.20))
    if rng.random() < 0.5:
        frame.pole([(0, pot - 0.02, 0), (0.02, high * 0.75, 0.01)], 0.018, natural(rng, (0.35, 0.28, 0.2)), "bark", 6)
        middle = np.array([0, (pot + high) / 2 + 0.1, 0])
        radii = np.array([rng.uniform(0.25, 0.4), (high - pot) / 2, rng.uniform(0.25, 0.4)])
        directions = rng.normal(size=(150, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        shell = middle + directions * radii * rng.uniform(0.55, 1.0, (150, 1))
        leaves = tufts(rng, frame.at(shell), frame.at(middle - (0, 0.2, 0)), 0.085)
        site.builder.add(leaves, leaf, "foliage", seed=rng.random())
    else:
        for turn in np.arange(14) * 2.4 + rng.uniform(0, 6):
            reach, tall = rng.uniform(0.08, 0.4), rng.uniform(0.6, 1.0) * (high - pot)
            out = np.array([np.sin(turn), 0, np.cos(turn)])
            line = [
                out * 0.03 + (0, pot, 0),
                out * reach * 0.4 + (0, pot + tall * 0.7, 0),
                out * reach + (0, pot + tall, 0),
            ]
            positions, normals, triangles = tube(frame.at(line), 0.05, sides=4)
            taper = np.repeat([0.35, 1.0, 0.08], 4)[:, None]
            axis = np.repeat(frame.at(line), 4, axis=0)
            positions = (axis + (positions - axis) * taper * (1, 0.25, 1)).astype(np.float32)
            site.builder.add((positions, normals, triangles), leaf, "foliage", seed=rng.random())
    site.block(x, z, 0.4, high + 0.2)


def floor_lamp(site: Site, x: float, z: float, heading: float) -> None:
    """Add a standing lamp with a shade of cloth, as high as a person."""
    rng, frame = site.rng, site.frame(x, z, heading)
    high, wide = float(rng.uniform(1.35, 1.75)), float(rng.uniform(0.17, 0.26))
    metal = DARK if rng.random() < 0.5 else STEEL
    site.builder.cylinder((x, 0, z), 0.15, 0.025, metal, "paint", sides=18)
    frame.pole([(0, 0.02, 0), (0, high - 0.2, 0)], 0.013, metal, "paint", 8)
    cloth = painted(rng, {"cream": 4, "white": 3, "beige": 2, "black": 1, "red": 0.7, "teal": 0.5, "grey": 1})
    shade = wide * float(rng.uniform(0.5, 1.0))
    site.builder.cylinder((x, high - 0.28, z), wide, 0.3, cloth, "fabric", top_radius=shade, sides=20)
    site.block(x, z, 0.3, high)


def _cushion(
    site: Site, frame: Frame, middle: tuple[float, float, float], radii: tuple[float, float, float], colour: Rgb
) -> None:
    place, heading = frame.at(middle), frame.heading
    site.builder.blob(place, radii, colour, "fabric", heading=heading, power=0.35, around=16, rings=9)


def _bowl_of_fruit(site: Site, frame: Frame, foot: tuple[float, float, float]) -> None:
    rng, place = site.rng, frame.at(foot)
    bowl = painted(rng, {"white": 2, "sky": 1, "brown": 1, "teal": 1, "light grey": 1})
    site.builder.cylinder(place, 0.07, 0.08, bowl, "paint", top_radius=0.16, sides=18)
    fruits: tuple[Rgb, ...] = ((0.75, 0.15, 0.10), (0.92, 0.55, 0.12), (0.60, 0.70, 0.20), (0.92, 0.80, 0.25))
    for number in range(int(rng.integers(4, 9))):
        turn, layer = number * 2.4, 0.0 if number < 5 else 0.07
        out = 0.085 if number < 5 else 0.03
        middle = place + (out * np.cos(turn), 0.1 + layer, out * np.sin(turn))
        colour, size = tinted(rng, fruits[rng.integers(4)]), float(rng.uniform(0.035, 0.048))
        site.builder.blob(middle, (size, size * 0.92, size), colour, "paint", around=10, rings=7)
