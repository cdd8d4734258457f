"""What surrounds a place: rows of houses with windows, shops and awnings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from personsearch.synth.geometry import linear, rotation_y
from personsearch.synth.people.palette import COLOURS, pick, varied
from personsearch.synth.world.builder import WorldBuilder
from personsearch.synth.world.types import Rgb

WALLS = {
    "beige": 5, "cream": 4, "grey": 5, "light grey": 5, "brown": 2, "camel": 2, "maroon": 1, "white": 3, "khaki": 2,
    "sky": 0.6, "mustard": 0.6, "dark grey": 2,
}  # fmt: skip


def paint(rng: np.random.Generator, colours: dict[str, float]) -> Rgb:
    """Draw a colour, linear RGB."""
    red, green, blue = (float(part) for part in linear(varied(rng, COLOURS[pick(rng, colours)])))
    return red, green, blue


def rows_of_houses(builder: WorldBuilder, rng: np.random.Generator, distances: Sequence[float]) -> None:
    """Add houses on four sides, at these distances from the middle: north (-z), east, south, west."""
    for side, distance in enumerate(distances):
        turn, x = (0.0, -np.pi / 2, np.pi, np.pi / 2)[side], -46.0
        while x < 46:
            width = rng.uniform(7, 18)
            if rng.random() < 0.88:
                _house(builder, rng, x + width / 2, width, distance + rng.uniform(0, 1.5), turn)
            x += width + (rng.uniform(2, 8) if rng.random() < 0.25 else 0)


def advertisement(rng: np.random.Generator, size: int = 192) -> NDArray[np.uint8]:
    """Draw a poster without people: colours, shapes, words that mean nothing. (size, size, 4) uint8 RGBA."""
    cells = rng.integers(40, 216, (4, 3, 3)).astype(np.uint8)
    image = Image.fromarray(cells).resize((size, size), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(2, 6)):
        x, y = (int(value) for value in rng.integers(0, size - 40, 2))
        box = [x, y, x + int(rng.integers(20, 90)), y + int(rng.integers(20, 90))]
        (draw.ellipse if rng.random() < 0.5 else draw.rectangle)(box, fill=_ink(rng))
    for _ in range(3):
        word = "".join(rng.choice(list("ABCDEFGHIKLMNOPRSTUVWXYZ 0123456789"), rng.integers(3, 10)))
        place = (int(rng.integers(0, size // 2)), int(rng.integers(0, size - 40)))
        draw.text(place, word, fill=_ink(rng), font=ImageFont.load_default(size=int(rng.integers(16, 44))))
    return np.dstack([np.asarray(image), np.full((size, size), 255, np.uint8)])


def _ink(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in rng.integers(0, 256, 3))
    return red, green, blue


def _house(
    builder: WorldBuilder, rng: np.random.Generator, along: float, width: float, distance: float, turn: float
) -> None:
    height, depth, wall = rng.uniform(5, 24), 9.0, paint(rng, WALLS)

    def add(
        x: float, y: float, out: float, size: Rgb, colour: Rgb, material: str = "plaster", scale: float = 1.0
    ) -> None:
        """Add a box whose middle is ``out`` metres before the front."""
        middle = rotation_y(turn) @ (x, y, -distance + out)
        builder.box(middle, size, colour, material, heading=turn, seed=rng.random(), scale=scale)

    style = rng.choice(["facade", "facade", "facade", "bricks", "plaster"])
    storey = rng.uniform(0.28, 0.36)
    add(along, height / 2, -depth / 2, (width, height, depth), wall, style, 1.6 if style == "bricks" else storey)
    add(along, height + 0.15, -depth / 2, (width + 0.3, 0.3, depth + 0.4), wall)  # cornice
    if style == "bricks":  # windows with sills, one by one
        for x in np.arange(along - width / 2 + 1.4, along + width / 2 - 1, 2.6):
            for y in np.arange(4.6, height - 1.4, 3.1):
                add(x, y, 0.03, (1.2, 1.6, 0.06), (0.05, 0.06, 0.08), "paint")
                add(x, y - 0.86, 0.08, (1.4, 0.1, 0.16), (0.55, 0.53, 0.5))
    if rng.random() < 0.65:  # a shop
        glass, sign = paint(rng, {"dark grey": 1, "navy": 1, "black": 1}), paint(rng, dict.fromkeys(COLOURS, 1.0))
        shop = width * 0.84
        add(along, 1.5, 0.05, (shop, 2.5, 0.1), glass, "paint")
        for x in np.linspace(along - shop / 2, along + shop / 2, max(3, int(shop / 2.4))):
            add(x, 1.5, 0.1, (0.14, 2.6, 0.16), wall)
        add(along, 3.1, 0.25, (shop + 0.2, 0.55, 0.5 if rng.random() < 0.6 else 0.2), sign)
        if rng.random() < 0.4:
            middle = rotation_y(turn) @ (along, 2.75, -distance + 0.75)
            builder.box(middle, (shop, 0.06, 1.3), sign, heading=turn)
    else:  # a door
        x = along + rng.uniform(-0.3, 0.3) * width
        add(x, 1.1, 0.06, (1.1, 2.2, 0.12), paint(rng, {"brown": 3, "green": 1, "navy": 1, "dark grey": 2}))
        add(x, 0.08, 0.5, (1.7, 0.16, 0.9), (0.45, 0.44, 0.42))
