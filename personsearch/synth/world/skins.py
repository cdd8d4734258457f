"""Photographed materials on the surfaces of a place or a prop, in place of about half of the procedural ones."""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from personsearch.synth.textures import Pixels, Texture, Textures

SHARE = 0.5
"""Share of the surfaces that are photographed where pictures fit them."""
#: Different pictures of a place for each use: each is a texture to upload and a mesh to draw.
_VARIETY = 3
#: From this extent in its two longest directions, metres, a surface is a wall and not a piece of furniture.
_WALL = 1.4
_FLOORS = ("tile", "marble", "wood", "carpet", "concrete", "floor", "stone", "paving", "")
_WALLS = ("plaster", "brick", "concrete", "stone", "wood", "tile", "marble", "")
#: What may replace each procedural material outdoors and indoors.
_USES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "asphalt": (("asphalt", "concrete"), ("concrete", "carpet", "asphalt")),
    "paving": (("paving", "stone", "tile", "concrete", "floor", ""), _FLOORS),
    "bricks": (("paving", "brick", "stone"), _FLOORS),
    "gravel": (("gravel",), ("gravel",)),
    "grass": (("grass",), ("grass",)),
    "facade": (("plaster", "brick", "concrete", "stone", ""), _WALLS),
    "brickwall": (("brick", "stone"), ("brick", "stone")),
    "wall": (_WALLS, _WALLS),
    "plaster": (_WALLS, _WALLS),
    "tiles": (("tile", "marble"), ("tile", "marble")),
    "wood": (("wood",), ("wood",)),
    "fabric": (("fabric", "carpet"), ("fabric", "carpet")),
    "thing": (("wood", "metal", "concrete", "stone", "plaster"), ("wood", "metal", "plaster", "marble")),
}
#: Materials that keep their own shader, with the photograph in place of their colour; the others become ``photo``.
_KEPT = ("wall", "plaster", "facade")


@dataclass(frozen=True, eq=False, kw_only=True)
class Skin:
    """A photographed surface.

    Attributes:
        material: name of a file in ``shaders/materials``.
        pixels: (H, W, 4) uint8 RGBA.
        size: width and height of what the picture shows, metres.
        tint: linear RGB by which the picture is multiplied.
    """

    material: str
    pixels: Pixels
    size: tuple[float, float]
    tint: NDArray[np.float64]


class Skins:
    """Chooses the surfaces of one place; a choice follows from the place's seed and the surface alone.

    Args:
        textures: the pictures.
        seed: seed of the place or prop.
        indoors: whether it is indoors, where floors are of other materials.
    """

    def __init__(self, textures: Textures, seed: int, *, indoors: bool) -> None:
        self._textures, self._seed, self._indoors = textures, seed, indoors
        self._palette: dict[str, tuple[Texture, ...]] = {}

    def choose(
        self, material: str, colour: NDArray[np.floating], pattern: float, extent: NDArray[np.floating]
    ) -> Skin | None:
        """Return what covers a surface, or None where it stays procedural.

        Surfaces of one material, colour and pattern are covered alike, so that a house has one kind of wall.

        Args:
            material: the procedural material.
            colour: linear RGB, (3,).
            pattern: seed of the material's pattern.
            extent: along x, y, z, metres.
        """
        if material not in _USES or colour.ndim != 1:
            return None
        use = "thing" if material in ("wall", "plaster") and np.sort(extent)[1] < _WALL else material
        key = crc32(np.round(np.append(np.asarray(colour, np.float64), pattern), 5).tobytes(), crc32(use.encode()))
        rng = np.random.default_rng([self._seed, key, 88])
        pictures = self._pictures(use)
        if not pictures or rng.random() >= SHARE:
            return None
        texture = pictures[rng.integers(len(pictures))]
        pixels, wide = texture.pixels(), texture.metres * float(rng.uniform(0.75, 1.35))
        tint = rng.uniform(0.6, 1.0) * rng.uniform(0.88, 1.0, 3)
        if rng.random() < 0.4 or use in ("thing", "fabric"):  # the surface's own colour, with the picture's detail
            tint = np.minimum(np.asarray(colour, np.float64) / np.maximum(texture.mean(), 0.02), 4.0)
        own = material if material in _KEPT else "photo"
        return Skin(material=own, pixels=pixels, size=(wide, wide * pixels.shape[0] / pixels.shape[1]), tint=tint)

    def _pictures(self, use: str) -> tuple[Texture, ...]:
        if use not in self._palette:
            fitting = self._textures.of(_USES[use][self._indoors])
            rng = np.random.default_rng([self._seed, crc32(use.encode()), 89])
            # Kinds come first, so that a kind with many pictures does not crowd out the others.
            kinds = sorted({texture.kind for texture in fitting})
            chosen = []
            for kind in rng.permutation(kinds)[:_VARIETY] if kinds else ():
                of_kind = [texture for texture in fitting if texture.kind == kind]
                chosen.append(of_kind[rng.integers(len(of_kind))])
            while fitting and len(chosen) < _VARIETY:
                chosen.append(fitting[rng.integers(len(fitting))])
            self._palette[use] = tuple(chosen)
        return self._palette[use]
