"""Posters: printed pictures of people who do not walk through any scene."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from personsearch.synth.cameras import Camera
from personsearch.synth.geometry import Mesh
from personsearch.synth.people.character import Posed, build_character, placed, pose_of
from personsearch.synth.people.identity import sample_identity
from personsearch.synth.render.renderer import Renderer
from personsearch.synth.world.artwork import word
from personsearch.synth.world.lights import NEUTRAL
from personsearch.synth.world.mesh_builder import MeshBuilder
from personsearch.synth.world.types import Poster

Pixels = NDArray[np.uint8]
DESIGNS = 60
"""Number of different posters; a seed stands for one of them."""
#: Identities on posters have seeds that no plan gives to people in scenes.
_FIRST_IDENTITY = 7_000_000_000
_SIZE = (224, 352)


def poster_meshes(posters: Sequence[Poster]) -> tuple[Mesh, ...]:
    """Return the posters as meshes of the material ``picture``.

    Raises:
        MissingExtraError: a library of the extra ``synth`` is missing.
        RenderError: there is no OpenGL through EGL.
    """
    builder = MeshBuilder()
    for poster in posters:
        corners = poster.corners.astype(np.float64)
        wide, high = np.linalg.norm(corners[1] - corners[0]), np.linalg.norm(corners[3] - corners[0])
        builder.picture(corners, poster_picture(poster.seed % DESIGNS), part=_part(float(wide / high)))
    return builder.meshes()


@lru_cache(maxsize=DESIGNS)
def poster_picture(design: int) -> Pixels:
    """Draw a poster of one person: whole, to the knees, or head and shoulders, over a plain or blurred ground.

    Args:
        design: 0 .. ``DESIGNS`` - 1.

    Returns:
        (352, 224, 4) uint8 RGBA, the same array for the same design; not to be written to.

    Raises:
        MissingExtraError: a library of the extra ``synth`` is missing.
        RenderError: there is no OpenGL through EGL.
    """
    rng = np.random.default_rng([design, 87])
    width, height = _SIZE
    person = _person(rng, design)
    image, owner = _drawn(rng, person)
    share = owner[..., None] / 255.0
    ground = Image.fromarray(np.uint8(image + np.asarray(_ground(rng)) * (1 - share)))
    if rng.random() < 0.7:
        _print_words(rng, ground)
    pixels = np.asarray(ground, np.float64)
    style = rng.random()
    if style < 0.2:  # black and white, or one ink
        ink = rng.uniform(0, 90, 3) if style < 0.1 else np.zeros(3)
        pixels = ink + (255 - ink) * pixels.mean(axis=2, keepdims=True) / 255
    elif style < 0.35:  # faded by the sun
        pixels = 90 + 0.6 * pixels
    edge = int(rng.integers(2, 12)) if rng.random() < 0.4 else 0
    framed = np.full((height, width, 3), 245.0)
    framed[edge : height - edge, edge : width - edge] = pixels[edge : height - edge, edge : width - edge]
    picture = np.dstack([framed.clip(0, 255), np.full((height, width), 255)]).astype(np.uint8)
    picture.setflags(write=False)
    return picture


def _part(aspect: float) -> tuple[float, float, float, float]:
    """Return the middle part of a picture that fills a poster of this width / height."""
    own = _SIZE[0] / _SIZE[1]
    wide, high = min(1.0, aspect / own), min(1.0, own / aspect)
    return (1 - wide) / 2, 0.0, (1 + wide) / 2, high


def _person(rng: np.random.Generator, design: int) -> Posed:
    character = build_character(sample_identity(_FIRST_IDENTITY + design))
    speed = 1.3 if rng.random() < 0.3 else 0.0
    pose = pose_of(character, phase=float(rng.random()), speed=speed, act=int(rng.integers(2**31)))
    return placed(character, pose, (0.0, 0.0), float(rng.normal(0, 0.45)))


def _drawn(rng: np.random.Generator, person: Posed) -> tuple[Pixels, Pixels]:
    """Return the person before black and, as a mask of 0 and 255, where they are."""
    width, height = _SIZE
    top = float(person.positions[: person.character.worn_vertices, 1].max())
    shown = float(rng.choice([1.0, 0.62, 0.34], p=[0.45, 0.3, 0.25])) * top
    middle = top + 0.06 * shown - 1.12 * shown / 2
    distance = 4.0 + 3.0 * shown
    breadth = 1.12 * shown * width / height
    camera = Camera(
        name="studio",
        eye=(0.0, middle, distance),
        target=(float(rng.normal(0, 0.04)) * shown, middle, 0.0),
        field_of_view=float(np.degrees(2 * np.arctan(breadth / 2 / distance))),
        width=2 * width,
        height=2 * height,
        aspect=width / height,
    )
    renderer = Renderer(2 * width, 2 * height)
    try:
        drawn = renderer.draw(camera, NEUTRAL, [person], gain=float(rng.uniform(0.9, 1.35)))
    finally:
        renderer.release()
    there = (drawn.owner == 1).astype(np.uint8)
    image, owner = (Image.fromarray(pixels) for pixels in (drawn.image * there[..., None], there * 255))
    small = Image.Resampling.BOX
    return np.asarray(image.resize(_SIZE, small), np.uint8), np.asarray(owner.resize(_SIZE, small), np.uint8)


def _ground(rng: np.random.Generator) -> Image.Image:
    """Return a plain, graded or blurred background."""
    width, height = _SIZE
    rows, columns = [(1, 1), (2, 1), (1, 2), (4, 3), (7, 5)][rng.integers(5)]
    cells = rng.integers(30, 240, 3) + rng.normal(0, rng.uniform(10, 60), (rows, columns, 3))
    cells = cells.clip(10, 250).astype(np.uint8)
    return Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC)


def _print_words(rng: np.random.Generator, image: Image.Image) -> None:
    draw, (width, height) = ImageDraw.Draw(image), _SIZE
    ink = tuple(int(value) for value in (rng.integers(200, 256, 3) if rng.random() < 0.5 else rng.integers(0, 70, 3)))
    large = ImageFont.load_default(size=int(rng.integers(24, 44)))
    y = int(height * (0.02 if rng.random() < 0.4 else rng.uniform(0.72, 0.86)))
    draw.text((width // 2, y), word(rng), fill=ink, font=large, anchor="ma")
    if rng.random() < 0.6:
        small = ImageFont.load_default(size=13)
        draw.text((width // 2, height - 22), f"{word(rng)} {word(rng)}", fill=ink, font=small, anchor="ma")
