"""Single things that stand indoors, in front of people or where a detector could take them for people."""

from __future__ import annotations

from functools import partial

import numpy as np

from personsearch.synth.geometry import linear
from personsearch.synth.shapes import Solid, loft
from personsearch.synth.world import furnishings, furniture
from personsearch.synth.world.colours import DARK, STEEL, any_colour, as_rgb, natural, painted, tinted
from personsearch.synth.world.furnishings import WOODS, wooden
from personsearch.synth.world.furniture import Add
from personsearch.synth.world.mesh_builder import Frame
from personsearch.synth.world.props_outdoors import block_box, pillar
from personsearch.synth.world.site import Site
from personsearch.synth.world.types import Figure


def door(site: Site, x: float, z: float, heading: float) -> None:
    """Add a door frame with its leaf half open."""
    rng, frame = site.rng, site.frame(x, z, heading)
    wide, high = rng.uniform(0.8, 0.95), rng.uniform(2.0, 2.12)
    colour, material = wooden(rng)
    jamb = colour if rng.random() < 0.5 else painted(rng, {"white": 3, "light grey": 1, "dark grey": 1})
    for side in (-1, 1):
        frame.box((side * (wide / 2 + 0.05), high / 2, 0), (0.1, high, 0.14), jamb, material, seed=0.7)
    frame.box((0, high + 0.05, 0), (wide + 0.2, 0.1, 0.14), jamb, material, seed=0.2)
    leaf = frame.turned((-wide / 2, 0, 0), -float(rng.uniform(0.3, 1.4)))
    leaf.box((wide / 2, high / 2, 0), (wide, high - 0.02, 0.045), colour, material, seed=0.5 + rng.random() / 2)
    style = rng.integers(3)
    for side in (-1, 1):
        deep = side * 0.024
        if style == 0:  # panels
            for y, tall in ((0.55, 0.7), (1.45, 0.8)):
                panel = as_rgb(np.array(colour) * 0.8)
                leaf.box((wide / 2, y, deep), (wide * 0.66, tall, 0.012), panel, material, seed=0.8)
        elif style == 1:  # a pane
            leaf.box((wide / 2, 1.35, deep), (wide * 0.6, 1.1, 0.01), (0.10, 0.11, 0.12), "glass")
        leaf.pole([(wide - 0.16, 1.02, deep * 2.6), (wide - 0.05, 1.02, deep * 2.6)], 0.011, STEEL, "paint", 6)
    block_box(site, frame, wide + 0.2, 0.5, high)
    end = leaf.at((wide * 0.6, 0, 0))
    site.block(end[0], end[2], wide * 0.5, high)


def curtain(site: Site, x: float, z: float, heading: float) -> None:
    """Add a curtain in folds that hangs from a rail, drawn or gathered to one side."""
    rng, frame = site.rng, site.frame(x, z, heading)
    high, colour = float(rng.uniform(2.2, 2.6)), any_colour(rng)
    gathered = rng.random() < 0.45
    wide, deep = (rng.uniform(0.3, 0.6), rng.uniform(0.05, 0.09)) if gathered else (rng.uniform(0.9, 1.9), 0.06)
    waves = max(3, round(wide / (0.075 if gathered else 0.15)))
    solid = _folded(rng, float(wide), float(deep), high - 0.05, float(rng.uniform(0.01, 0.25)), waves)
    uv = np.column_stack([solid[0][:, 0] * 2, solid[0][:, 1]])
    at, shade = frame.at((0, 0, 0)), rng.random()
    site.builder.add(solid, colour, "fabric", at=at, heading=heading, seed=shade, uv=uv)
    if gathered and rng.random() < 0.5:  # a tie
        frame.box((0, 1.05, 0), (wide * 1.02, 0.08, deep * 2.3), any_colour(rng), "fabric")
    rail = max(wide, 1.2) / 2 + 0.1
    frame.pole([(-rail, high, 0), (rail, high, 0)], 0.014, STEEL if rng.random() < 0.5 else DARK, "paint", 6)
    block_box(site, frame, float(wide), 0.25, high)


def screen(site: Site, x: float, z: float, heading: float) -> None:
    """Add a television or monitor that is switched off: on a stand, on a low board or on a piece of wall."""
    rng, frame = site.rng, site.frame(x, z, heading)
    wide = float(rng.uniform(0.9, 1.7))
    tall, kind = wide * 0.57, rng.integers(3)
    if rng.random() < 0.25:  # upright, as for information
        wide, tall = 0.62, 1.1
    middle = float(rng.uniform(0.95, 1.5)) if kind != 1 else 0.62 + tall / 2
    deep, dark = 0.0, as_rgb(linear(rng.uniform(0.02, 0.13, 3)))
    if kind == 0:
        frame.box((0, middle / 2, -0.06), (0.08, middle, 0.06), DARK, "paint")
        frame.box((0, 0.03, -0.02), (wide * 0.55, 0.05, 0.45), DARK, "paint")
    elif kind == 1:
        colour, material = wooden(rng)
        frame.box((0, 0.27, 0), (max(wide * 1.15, 1.2), 0.46, 0.42), colour, material, seed=rng.random() / 2)
        frame.box((0, 0.55, 0), (0.4, 0.1, 0.2), DARK, "paint")
    else:
        wall = painted(rng, {"white": 3, "cream": 2, "light grey": 2, "beige": 1, "dark grey": 1})
        frame.box((0, 1.25, -0.09), (wide + rng.uniform(0.3, 0.9), 2.5, 0.1), wall, "wall")
    frame.box((0, middle, deep - 0.02), (wide, tall, 0.045), DARK, "paint")
    face = (wide - 0.03, tall - 0.03, 0.006)
    frame.box((0, middle, deep + 0.005), face, dark, "screen", seed=rng.random(), faces=(2,))
    block_box(site, frame, wide, 0.5, middle + tall / 2)


def coat_stand(site: Site, x: float, z: float, heading: float) -> None:
    """Add a coat stand with a coat on it, and perhaps a hat or a second coat: about as high as a person."""
    rng, frame = site.rng, site.frame(x, z, heading)
    colour, material = (DARK, "paint") if rng.random() < 0.4 else (tinted(rng, WOODS[rng.integers(4)]), "wood")
    top = float(rng.uniform(1.72, 1.9))
    site.builder.cylinder((x, 0, z), 0.02, top, colour, material, sides=8)
    for turn in np.arange(3) * 2.1 + rng.uniform(0, 2):
        out = np.array([np.sin(turn), 0, np.cos(turn)])
        frame.pole([(0, 0.25, 0), tuple(out * 0.3 + (0, 0.02, 0))], 0.016, colour, material, 5)
    for turn in np.arange(4) * np.pi / 2:
        out = np.array([np.sin(turn), 0, np.cos(turn)])
        hook = [(0, top - 0.1, 0), tuple(out * 0.1 + (0, top - 0.12, 0)), tuple(out * 0.14 + (0, top - 0.03, 0))]
        frame.pole(hook, 0.011, colour, material, 5)
    for number in range(1 if rng.random() < 0.65 else 2):
        _coat(site, frame, (0.0, top - 1.58, -0.03), float(rng.normal(0, 0.6)) + number * np.pi)
    if rng.random() < 0.5:
        felt = painted(rng, {"black": 2, "dark grey": 1, "brown": 1, "beige": 1, "navy": 1})
        site.builder.blob((x, top + 0.05, z), (0.10, 0.09, 0.11), felt, "fabric", power=0.8)
        site.builder.cylinder((x, top + 0.0, z), 0.17, 0.015, felt, "fabric", sides=14)
    site.block(x, z, 0.4, top)


def coats(site: Site, x: float, z: float, heading: float) -> None:
    """Add a piece of wall with a row of hooks on which coats and jackets hang."""
    rng, frame = site.rng, site.frame(x, z, heading)
    count = int(rng.integers(1, 4))
    wide = 0.62 * count + 0.3
    colour, material = wooden(rng)
    frame.box((0, 1.05, -0.14), (wide, 2.1, 0.06), painted(rng, {"white": 3, "cream": 2, "grey": 1}), "wall")
    frame.box((0, 1.66, -0.1), (wide * 0.92, 0.12, 0.025), colour, material)
    for number in range(count):
        across = (number - (count - 1) / 2) * 0.62
        frame.pole([(across, 1.68, -0.1), (across, 1.66, -0.02), (across, 1.72, 0.0)], 0.01, STEEL, "paint", 5)
        _coat(site, frame, (across, float(rng.uniform(0.05, 0.22)), 0.05), float(rng.normal(0, 0.2)))
    block_box(site, frame, wide, 0.55, 2.1)


def mannequin(site: Site, x: float, z: float, heading: float) -> None:
    """Add a dressed mannequin on a round foot."""
    rng = site.rng
    site.builder.cylinder((x, 0, z), 0.2, 0.02, STEEL, "paint", sides=18)
    plastic = as_rgb(rng.choice([(0.72, 0.69, 0.65), (0.045, 0.045, 0.05), (0.6, 0.5, 0.42)], p=[0.6, 0.25, 0.15]))
    seed = int(rng.integers(2**31))
    site.figures.append(Figure(kind="mannequin", seed=seed, position=(x, 0.02, z), heading=heading, colour=plastic))
    site.block(x, z, 0.45, 1.8)


def easel(site: Site, x: float, z: float, heading: float) -> None:
    """Add an easel with a picture of a person on it."""
    rng, frame = site.rng, site.frame(x, z, heading)
    wood = tinted(rng, WOODS[rng.integers(len(WOODS))])
    wide = float(rng.uniform(0.5, 0.8))
    high = wide * float(rng.uniform(1.25, 1.6))
    for side in (-1, 1):
        frame.pole([(side * 0.38, 0, 0.12), (side * 0.04, 1.85, -0.1)], 0.018, wood, "wood", 5)
    frame.pole([(0, 0, -0.55), (0, 1.8, -0.12)], 0.018, wood, "wood", 5)
    frame.box((0, 0.62, 0.09), (0.85, 0.035, 0.06), wood, "wood")
    middle = 0.65 + high / 2
    edge = painted(rng, {"black": 2, "brown": 2, "white": 2, "mustard": 1})
    frame.box((0, middle, 0.07), (wide + 0.08, high + 0.08, 0.03), edge, "wall")
    site.hang_person(frame, (0, middle, 0.088), wide, high)
    site.block(x, z, 0.5, 1.85)


def banner(site: Site, x: float, z: float, heading: float) -> None:
    """Add a roll-up banner, with a person on most."""
    rng, frame = site.rng, site.frame(x, z, heading)
    wide, high = float(rng.uniform(0.7, 1.0)), float(rng.uniform(1.8, 2.1))
    frame.box((0, 0.05, 0), (wide + 0.04, 0.09, 0.16), STEEL, "paint")
    frame.box((0, high + 0.08, 0), (wide + 0.02, 0.03, 0.03), STEEL, "paint")
    frame.box((0, high / 2 + 0.08, -0.006), (wide, high, 0.004), (0.6, 0.6, 0.6), "wall")
    if rng.random() < 0.75:
        site.hang_person(frame, (0, high / 2 + 0.08, 0.0), wide, high)
    else:
        frame.picture((0, high / 2 + 0.08, 0.0), wide, high, site.advertisement())
    block_box(site, frame, wide, 0.3, high)


def statue(site: Site, x: float, z: float, heading: float) -> None:
    """Add a statue on a low pedestal, as in a foyer."""
    rng, frame = site.rng, site.frame(x, z, heading)
    high, stone = float(rng.uniform(0.1, 0.6)), natural(rng, (0.62, 0.60, 0.56))
    frame.box((0, high / 2, 0), (0.6, high, 0.6), stone, "wall")
    dark = rng.random() < 0.4
    colour = natural(rng, (0.24, 0.20, 0.15) if dark else (0.78, 0.77, 0.74))
    seed = int(rng.integers(2**31))
    site.figures.append(Figure(kind="statue", seed=seed, position=(x, high, z), heading=heading, colour=colour))
    site.block(x, z, 0.5, high + 1.8)


def _coat(site: Site, frame: Frame, at: tuple[float, float, float], turn: float) -> None:
    """Hang up a coat or a jacket; ``at`` is where the feet of whoever wore it would be."""
    place = frame.at(at)
    position = (float(place[0]), float(place[1]), float(place[2]))
    seed, heading = int(site.rng.integers(2**31)), float(frame.heading + turn)
    site.figures.append(Figure(kind="coat", seed=seed, position=position, heading=heading, colour=DARK))


def _folded(rng: np.random.Generator, wide: float, deep: float, high: float, foot: float, waves: int) -> Solid:
    """Return cloth in folds between the heights ``foot`` and ``high``; its folds are ``deep`` metres deep."""
    count = waves * 6
    along, phase = np.linspace(-0.5, 0.5, count), np.cumsum(rng.uniform(0.6, 1.4, count))
    phase *= waves * 2 * np.pi / phase[-1]
    rings = []
    for share in np.linspace(0, 1, 6):
        fall = deep * (0.55 + 0.45 * (1 - share)) * np.sin(phase + 0.25 * np.sin(6 * share + along * 5))
        x, y = along * wide * (1 + 0.05 * (1 - share)), np.full(count, foot + share * (high - foot))
        front, back = np.column_stack([x, y, fall + 0.006]), np.column_stack([x, y, fall - 0.006])
        rings.append(np.concatenate([front, back[::-1]]))
    return loft(np.array(rings))


INDOOR_PROPS: dict[str, Add] = {
    "pillar": partial(pillar, high=(2.6, 3.3)), "door": door, "curtain": curtain, "screen": screen,
    "coat stand": coat_stand, "coats": coats, "mannequin": mannequin, "wardrobe": furnishings.wardrobe,
    "table": furnishings.table, "fruit table": partial(furnishings.table, fruit=1.0), "chair": furnishings.chair,
    "office chair": furnishings.office_chair, "counter": furnishings.counter, "sofa": furnishings.sofa,
    "pot plant": furnishings.pot_plant, "shelf": furnishings.shelf, "floor lamp": furnishings.floor_lamp,
    "easel": easel, "banner": banner, "statue": statue, "fridge": furnishings.fridge,
    "litter bin": furniture.litter_bin,
}  # fmt: skip
"""What ``build_prop`` can build for places indoors, by name."""

DECOYS_INDOORS: dict[str, tuple[float, float, Add]] = {
    "coat stand": (2, 0.7, coat_stand), "coats": (2, 1.3, coats), "mannequin": (2, 0.7, mannequin),
    "screen": (2, 1.2, screen), "banner": (2, 0.8, banner), "easel": (1, 0.8, easel), "statue": (1, 0.8, statue),
    "pillar": (1, 0.8, partial(pillar, high=(2.6, 3.3))), "door": (0.7, 1.3, door),
    "pot plant": (1, 0.8, furnishings.pot_plant), "floor lamp": (0.5, 0.6, furnishings.floor_lamp),
    "sofa": (1, 1.6, furnishings.sofa), "office chair": (0.5, 0.8, furnishings.office_chair),
    "wardrobe": (0.5, 1.2, furnishings.wardrobe), "shelf": (0.5, 1.0, furnishings.shelf),
}  # fmt: skip
"""What a detector may take for people, and furniture of rooms, as ``furniture.furnish`` takes it; for halls."""
