"""Single things that stand outdoors in front of people; what furniture, plants and vehicles do not have already."""

from __future__ import annotations

from functools import partial

import numpy as np

from personsearch.synth.shapes import cylinder, loft
from personsearch.synth.world import furniture, plants, vehicles
from personsearch.synth.world.colours import DARK, STEEL, any_colour, natural, painted, tinted
from personsearch.synth.world.furniture import Add
from personsearch.synth.world.mesh_builder import Frame
from personsearch.synth.world.site import Site

_STONE = (0.62, 0.60, 0.56)


def block_box(site: Site, frame: Frame, width: float, depth: float, top: float) -> None:
    """Mark the footprint of a box in the middle of a frame as occupied up to ``top``; all in metres."""
    radius = depth / 2 + 0.12
    half = max(width / 2 - depth / 2, 0.0)
    ends = frame.at(((-half, 0, 0), (half, 0, 0)))[:, [0, 2]]
    site.block_line(ends[0], ends[1], radius, top)


def pillar(site: Site, x: float, z: float, heading: float, *, high: tuple[float, float] = (3.2, 4.6)) -> None:
    """Add a round or square pillar of stone, brick, plaster, tiles or painted metal."""
    rng, frame = site.rng, site.frame(x, z, heading)
    height, size = float(rng.uniform(*high)), float(rng.uniform(0.28, 0.75))
    kind = str(rng.choice(["wall", "wall", "brickwall", "tiles", "paint"]))
    colour = natural(rng, (0.55, 0.35, 0.28)) if kind == "brickwall" else painted(rng, _PILLARS)
    if rng.random() < 0.5:
        solid = cylinder(size / 2, height, sides=18)
        scale = 4.0 if kind == "tiles" else 1.0
        angle = (np.arange(len(solid[0])) % 18) / 18 * np.pi * size
        uv = np.column_stack([angle, solid[0][:, 1]]) * scale
        material = "wall" if kind == "brickwall" else kind
        site.builder.add(solid, colour, material, at=(x, 0, z), uv=uv, seed=rng.random())
        if rng.random() < 0.5:
            site.builder.cylinder((x, 0, z), size / 2 + 0.05, 0.25, natural(rng, _STONE), "wall", sides=18)
    else:
        scale = 4.0 if kind == "tiles" else 1.0
        middle, extent = (0, height / 2, 0), (size, height, size)
        frame.box(middle, extent, colour, kind, seed=rng.random(), scale=scale, faces=(0, 1, 2, 3, 4))
        if rng.random() < 0.6:
            frame.box((0, 0.12, 0), (size + 0.07, 0.24, size + 0.07), natural(rng, _STONE), "wall")
    if rng.random() < 0.25:  # a coloured band or a small notice at eye height
        frame.box((0, 1.55, size / 2 + 0.012), (0.3, 0.42, 0.02), any_colour(rng), "paint")
    site.block(x, z, size * 0.75, height)


def poster_board(site: Site, x: float, z: float, heading: float) -> None:
    """Add a free-standing advertising board that shows a person on both sides."""
    rng, frame = site.rng, site.frame(x, z, heading)
    wide, high, foot = rng.uniform(0.7, 1.25), rng.uniform(1.5, 1.9), rng.uniform(0.05, 0.5)
    case = DARK if rng.random() < 0.6 else painted(rng, {"light grey": 1, "white": 1, "navy": 1})
    for side in (-1, 1):
        frame.box((side * wide * 0.42, foot / 2, 0), (0.1, foot, 0.12), STEEL, "paint")
    frame.box((0, foot + high / 2, 0), (wide + 0.14, high + 0.14, 0.13), case, "paint")
    for turn in (0.0, np.pi):
        site.hang_person(frame.turned((0, foot + high / 2, 0), turn), (0, 0, 0.07), wide, high)
    block_box(site, frame, wide + 0.14, 0.3, foot + high)


def trunk(site: Site, x: float, z: float, heading: float) -> None:
    """Add the trunk of a large tree, without its crown."""
    rng = site.rng
    radius, height = float(rng.uniform(0.14, 0.34)), float(rng.uniform(4.0, 5.5))
    bark, lean = natural(rng, (0.36, 0.31, 0.26)), rng.normal(0, 0.04, 2)
    turn, rings = np.linspace(0, 2 * np.pi, 14, endpoint=False)[::-1], []
    ripple = 1 + 0.07 * np.sin(turn * rng.integers(3, 6) + rng.uniform(0, 6))
    for share in (0.0, 0.05, 0.15, 0.4, 0.7, 1.0):
        wide = radius * (1.0 - 0.3 * share + 0.55 * np.exp(-share * 22)) * ripple
        middle = lean * share * height
        rings.append(
            np.column_stack([
                middle[0] + wide * np.cos(turn), np.full(14, share * height), middle[1] + wide * np.sin(turn)
            ])
        )  # fmt: skip
    site.builder.add(
        loft(np.array(rings), closed=False), bark, "bark", at=(x, 0, z), heading=heading, seed=rng.random()
    )
    site.block(x, z, radius * 1.5 + 0.1, height)


def fence(site: Site, x: float, z: float, heading: float) -> None:
    """Add a fence of boards, or a barrier of bars as at roadworks and queues."""
    rng, frame = site.rng, site.frame(x, z, heading)
    length = float(rng.uniform(1.6, 2.6))
    if rng.random() < 0.5:
        wood, high = tinted(rng, (0.48, 0.37, 0.26)), float(rng.uniform(0.9, 1.5))
        step = float(rng.uniform(0.12, 0.17))
        for along in np.arange(-length / 2, length / 2 + 0.01, step):
            board = (step * 0.82, high * rng.uniform(0.97, 1.03), 0.022)
            frame.box((along, board[1] / 2 + 0.05, 0), board, wood, "wood", seed=0.5 + rng.random() / 2)
        for y in (0.3, high - 0.2):
            frame.box((0, y, -0.03), (length + 0.1, 0.09, 0.04), wood, "wood", seed=rng.random() / 2)
    else:
        high, metal = 1.1, painted(rng, {"light grey": 2, "yellow": 1, "red": 1})
        line = [(-length / 2, 0.2, 0), (-length / 2, high, 0), (length / 2, high, 0), (length / 2, 0.2, 0)]
        frame.pole([*line, line[0]], 0.022, metal, "paint", 6)
        for along in np.arange(-length / 2 + 0.12, length / 2, 0.12):
            frame.pole([(along, 0.2, 0), (along, high, 0)], 0.009, metal, "paint", 4)
        for side in (-1, 1):
            frame.box((side * length * 0.35, 0.03, 0), (0.06, 0.06, 0.55), metal, "paint")
            frame.box((side * length * 0.35, 0.13, 0), (0.04, 0.2, 0.04), metal, "paint")
    block_box(site, frame, length, 0.4, high)


def hedge(site: Site, x: float, z: float, heading: float) -> None:
    """Add a short piece of clipped hedge, across the heading."""
    half = float(site.rng.uniform(0.7, 1.5))
    along = np.array([np.cos(heading), -np.sin(heading)]) * half
    start, end = (x - along[0], z - along[1]), (x + along[0], z + along[1])
    plants.hedge(site, start, end, float(site.rng.uniform(0.8, 1.5)))


def _bush(site: Site, x: float, z: float, heading: float) -> None:
    plants.bush(site, x, z)


def _car_front(site: Site, x: float, z: float, heading: float) -> None:
    vehicles.car(site, x, z, heading - np.pi / 2)


_PILLARS = {"white": 3, "cream": 2, "light grey": 3, "grey": 3, "beige": 2, "dark grey": 2, "camel": 1, "teal": 0.5,
            "navy": 0.7, "maroon": 0.5, "black": 1}  # fmt: skip

OUTDOOR_PROPS: dict[str, Add] = {
    "lamp post": furniture.lamp_post, "bollards": furniture.bollards, "litter bin": furniture.litter_bin,
    "bench": furniture.bench, "sign": furniture.sign_post, "poster board": poster_board, "tree trunk": trunk,
    "bush": _bush, "hedge": hedge, "low wall": furniture.low_wall, "car front": _car_front, "car side": vehicles.car,
    "bicycles": furniture.bike_rack, "pillar": pillar, "railing": furniture.railing, "fence": fence,
    "statue": furniture.statue, "kiosk": furniture.kiosk, "planter": furniture.planter,
    "cafe table": partial(furniture.cafe_table, parasol=False),
}  # fmt: skip
"""What ``build_prop`` can build for places outdoors, by name."""

DECOYS_OUTDOORS: dict[str, tuple[float, float, Add]] = {
    "poster board": (3, 1.0, poster_board), "pillar": (3, 0.8, pillar), "statue": (1, 1.2, furniture.statue),
    "sign": (1, 0.4, furniture.sign_post), "fence": (1, 1.5, fence), "bollards": (1, 2.4, furniture.bollards),
}  # fmt: skip
"""What a detector may take for people, as ``furniture.furnish`` takes it; for places outdoors."""
