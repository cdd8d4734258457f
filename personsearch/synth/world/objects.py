"""Trees, cars and street furniture. Everything says where nobody can walk."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from personsearch.synth.geometry import linear, rotation_y
from personsearch.synth.people.palette import COLOURS, varied
from personsearch.synth.world.builder import WorldBuilder
from personsearch.synth.world.buildings import advertisement, paint
from personsearch.synth.world.types import Lamp, Rgb

CAR_COLOURS = {
    "white": 5, "black": 5, "grey": 5, "light grey": 4, "red": 2, "blue": 2, "navy": 2, "dark grey": 4, "maroon": 1,
    "beige": 1, "green": 0.5, "yellow": 0.5,
}  # fmt: skip
DARK: Rgb = (0.015, 0.015, 0.017)


def tinted(rng: np.random.Generator, srgb: Rgb) -> Rgb:
    """Return a colour near ``srgb``, linear."""
    red, green, blue = (float(part) for part in linear(varied(rng, srgb)))
    return red, green, blue


def natural(rng: np.random.Generator, srgb: Rgb) -> Rgb:
    """Return a colour near ``srgb`` as leaves, bark and grass vary: lighter or darker, hardly another hue. Linear."""
    red, green, blue = (float(part) for part in linear(srgb) * np.exp(rng.normal(0, 0.15)) * rng.uniform(0.93, 1.07, 3))
    return red, green, blue


def tree(builder: WorldBuilder, rng: np.random.Generator, x: float, z: float) -> None:
    """Add a tree: a trunk that forks, and leaves around the branches' ends."""
    height, bark, leaf = (
        rng.uniform(2.2, 4),
        natural(rng, (0.33, 0.27, 0.21)),
        np.array(natural(rng, (0.33, 0.43, 0.21))),
    )
    radius, fork = rng.uniform(0.1, 0.22), np.array([x, height, z])
    builder.pole(np.stack([(x, 0, z), (x, 0.6 * height, z), (x, height, z)]), radius, bark)
    widest = 0.0
    for turn in np.arange(rng.integers(4, 7)) * 2.4 + rng.uniform(0, 6):
        reach = rng.uniform(0.7, 1.5)
        end = fork + (reach * np.cos(turn), rng.uniform(0.5, 1.8), reach * np.sin(turn))
        builder.pole([fork - (0, 0.3, 0), end], radius * 0.45, bark, sides=5)
        radii, shade = rng.uniform(0.55, 1.15, 3) * (1, 0.8, 1), rng.uniform(0.7, 1.2)
        builder.blob(end, radii, tuple(leaf * shade), bumps=0.13, rng=rng, seed=rng.random(), around=9, rings=7)
        widest = max(widest, reach + float(radii[0]))
    builder.blob(fork + (0, 1.3, 0), (1.0, 0.9, 1.0), tuple(leaf), bumps=0.13, rng=rng, seed=rng.random())
    builder.obstacle(x, z, radius + 0.15, 0, height)
    builder.obstacle(x, z, widest, height, height + 3)


def bush(builder: WorldBuilder, rng: np.random.Generator, x: float, z: float) -> None:
    """Add a bush."""
    radii = rng.uniform((0.5, 0.4, 0.5), (1.3, 0.8, 1.1))
    leaf = natural(rng, (0.28, 0.39, 0.19))
    builder.blob((x, radii[1] * 0.7, z), radii, leaf, bumps=0.1, rng=rng, seed=rng.random(), heading=rng.uniform(0, 6))
    builder.obstacle(x, z, float(radii.max()), 0, float(radii[1] * 1.7))


def car(builder: WorldBuilder, rng: np.random.Generator, x: float, z: float, heading: float) -> None:
    """Add a parked car or van; ``heading`` 0 = its bonnet points to +x."""
    van = rng.random() < 0.15
    length, height = (rng.uniform(4.8, 5.4), 2.0) if van else (rng.uniform(3.9, 4.7), rng.uniform(1.38, 1.7))
    paintwork, turn = paint(rng, CAR_COLOURS), rotation_y(heading)
    half = length / 2
    # Side view, from the rear bumper over the roof to the front bumper: x and y of the body and of its glass.
    belt = 0.95 if not van else 1.15
    body = [
        (-half, 0.35),
        (-half, belt - 0.05),
        (-half + 0.1, belt),
        (half - 1.2, belt - 0.02),
        (half - 0.1, belt - 0.22),
    ]
    body += [(half, belt - 0.4), (half, 0.35)]
    rear, front = (-half + 0.05, half - 1.0) if van else (-half + 0.35, half - 1.15)
    cabin = [(rear, belt), (rear + (0.1 if van else 0.55), height), (front - 0.75, height), (front, belt)]
    _prism(builder, body, 0.86, (x, 0, z), turn, paintwork, "paint")
    _prism(builder, cabin, 0.76, (x, 0, z), turn, DARK, "paint")
    middle = turn @ ((rear + front) / 2 - 0.1, height + 0.005, 0) + (x, 0, z)
    builder.box(middle, (front - rear - 1.35 + (0.45 if van else 0), 0.05, 1.46), paintwork, "paint", heading=heading)
    for pillar in (rear + 0.35, (rear + front) / 2, front - 0.45):
        for side in (-1, 1):
            foot = turn @ (pillar, belt, side * 0.77) + (x, 0, z)
            head = turn @ (pillar * 0.85 + (rear + front) / 2 * 0.15, height, side * 0.74) + (x, 0, z)
            builder.pole([foot, head], 0.035, paintwork, "paint", sides=5)
    for along in (-half * 0.62, half * 0.62):
        for side in (-1, 1):
            axle = turn @ (along, 0.32, side * 0.78) + (x, 0, z)
            for radius, thick, colour in ((0.33, 0.2, DARK), (0.2, 0.22, (0.35, 0.35, 0.37))):
                size = (radius, radius, thick / 2)
                builder.blob(
                    axle, size, colour, "plaster", heading=heading, power=0.5 if thick == 0.2 else 0.7, around=14
                )
    for end, colour in ((half, (0.8, 0.78, 0.7)), (-half, (0.45, 0.02, 0.02))):
        for side in (-1, 1):
            lamp = turn @ (end - 0.02 * np.sign(end), belt - 0.32, side * 0.62) + (x, 0, z)
            builder.box(lamp, (0.06, 0.14, 0.3), colour, "paint", heading=heading)
    for along in np.linspace(-half + 0.7, half - 0.7, 3):
        place = turn @ (along, 0, 0) + (x, 0, z)
        builder.obstacle(float(place[0]), float(place[2]), 1.15, 0, height)


def lamp_post(builder: WorldBuilder, rng: np.random.Generator, x: float, z: float) -> Lamp:
    """Add a street lamp and return its light."""
    height, colour = rng.uniform(3.6, 5), tinted(rng, (0.25, 0.26, 0.28))
    builder.pole([(x, 0, z), (x, height, z)], rng.uniform(0.04, 0.07), colour)
    builder.blob((x, height, z), (0.2, 0.12, 0.2), (0.9, 0.85, 0.7), "panel")
    builder.blob((x, height + 0.12, z), (0.26, 0.05, 0.26), colour, "plaster")
    builder.obstacle(x, z, 0.25, 0, height)
    warm = rng.random() < 0.7
    light = np.array((1.0, 0.72, 0.42) if warm else (0.85, 0.95, 1.0)) * rng.uniform(9, 16)
    return Lamp(position=(x, height - 0.25, z), colour=(float(light[0]), float(light[1]), float(light[2])))


def board(builder: WorldBuilder, rng: np.random.Generator, x: float, z: float) -> None:
    """Add an advertisement on two legs."""
    heading = rng.uniform(0, 6)
    across = rotation_y(heading) @ (0.62, 0, 0)
    for side in (-1, 1):
        foot = np.array([x, 0, z]) + side * across
        builder.pole([foot, foot + (0, 2.3, 0)], 0.04, DARK)
    builder.box((x, 1.35, z), (1.3, 1.85, 0.1), (1, 1, 1), "picture", heading=heading, picture=advertisement(rng))
    builder.obstacle(x, z, 0.75, 0, 2.3)


def furniture(builder: WorldBuilder, rng: np.random.Generator, kind: str, x: float, z: float) -> None:
    """Add a bench, bin, bollard, planter, table or low wall."""
    heading = rng.uniform(0, 6)
    wood, metal = tinted(rng, (0.45, 0.32, 0.2)), tinted(rng, (0.3, 0.3, 0.32))
    turn = rotation_y(heading)

    def at(dx: float, y: float, dz: float) -> NDArray[np.float64]:
        return np.asarray(turn @ (dx, y, dz)) + (x, 0, z)

    if kind == "bench":
        for slat in (-0.16, 0, 0.16):
            builder.box(at(0, 0.45, slat), (1.7, 0.05, 0.12), wood, heading=heading)
        for y in (0.65, 0.82):
            builder.box(at(0, y, -0.27), (1.7, 0.11, 0.04), wood, heading=heading)
        for side in (-0.7, 0.7):
            builder.box(at(side, 0.22, 0), (0.08, 0.44, 0.45), metal, heading=heading)
            builder.box(at(side, 0.6, -0.25), (0.06, 0.55, 0.05), metal, heading=heading)
        builder.obstacle(x, z, 0.85, 0, 0.9)
    elif kind == "bin":
        builder.blob(at(0, 0.5, 0), (0.25, 0.5, 0.25), tinted(rng, (0.15, 0.35, 0.2)), "plaster", power=0.4, around=14)
        builder.blob(at(0, 0.98, 0), (0.27, 0.05, 0.27), metal, "plaster", power=0.5, around=14)
        builder.obstacle(x, z, 0.4, 0, 1)
    elif kind == "bollard":
        builder.pole([at(0, 0, 0), at(0, 0.8, 0)], 0.08, tinted(rng, (0.6, 0.55, 0.1)))
        builder.blob(at(0, 0.82, 0), (0.09, 0.07, 0.09), metal, "plaster")
        builder.obstacle(x, z, 0.25, 0, 0.9)
    elif kind == "planter":
        builder.box(at(0, 0.3, 0), (1.2, 0.6, 0.6), tinted(rng, (0.5, 0.47, 0.42)), heading=heading)
        leaf = natural(rng, (0.28, 0.40, 0.20))
        for side in (-0.3, 0.3):
            builder.blob(at(side, 0.85, 0), (0.42, 0.38, 0.36), leaf, bumps=0.12, rng=rng, seed=rng.random())
        builder.obstacle(x, z, 0.75, 0, 1.2)
    elif kind == "table":
        builder.pole([at(0, 0, 0), at(0, 0.72, 0)], 0.04, metal)
        builder.blob(at(0, 0.74, 0), (0.42, 0.025, 0.42), wood, "plaster", around=16)
        for side in (-0.75, 0.75):
            builder.box(at(side, 0.45, 0), (0.4, 0.05, 0.4), metal, heading=heading)
            builder.box(at(side * 1.25, 0.68, 0), (0.04, 0.45, 0.4), metal, heading=heading)
            for leg in (-0.16, 0.16):
                builder.pole([at(side + leg, 0, 0.16), at(side + leg, 0.45, 0.16)], 0.015, metal, sides=4)
                builder.pole([at(side + leg, 0, -0.16), at(side + leg, 0.45, -0.16)], 0.015, metal, sides=4)
        builder.obstacle(x, z, 1.1, 0, 0.9)
    else:
        length = rng.uniform(3, 7)
        builder.box(
            at(0, 0.42, 0), (length, 0.84, 0.28), tinted(rng, (0.5, 0.4, 0.35)), "bricks", heading=heading, scale=4
        )
        builder.box(at(0, 0.87, 0), (length + 0.1, 0.07, 0.36), (0.5, 0.49, 0.47), heading=heading)
        for along in np.arange(-length / 2, length / 2 + 0.1, 0.8):
            place = at(float(along), 0, 0)
            builder.obstacle(float(place[0]), float(place[2]), 0.55, 0, 0.9)


FURNITURE = ("bench", "bin", "bollard", "planter", "table", "wall")


def _prism(
    builder: WorldBuilder,
    outline: list[tuple[float, float]],
    half_width: float,
    place: tuple[float, float, float],
    turn: NDArray[np.float64],
    colour: Rgb,
    material: str,
) -> None:
    """Add a side view (x, y), clockwise from the lower rear, stretched to both sides of z = 0."""
    points, count = np.array(outline), len(outline)
    sides = [np.column_stack([points, np.full(count, z)]) for z in (half_width, -half_width)]
    walls, triangles = [], []
    for i in range(count):  # vertices of their own, so that edges stay sharp
        j = (i + 1) % count
        walls.append(np.array([sides[0][i], sides[0][j], sides[1][j], sides[1][i]]))
        triangles.append(np.array([[0, 1, 2], [0, 2, 3]])[:, ::-1] + 4 * i)
    fan = np.array([[0, k, k + 1] for k in range(1, count - 1)])
    positions = np.concatenate([*walls, *sides])
    fans = [fan[:, ::-1] + 4 * count, fan + 5 * count]
    builder.solid(positions @ turn.T + place, np.concatenate([*triangles, *fans]), colour, material)


def any_colour(rng: np.random.Generator) -> Rgb:
    """Draw any colour, linear."""
    return paint(rng, dict.fromkeys(COLOURS, 1.0))
