"""Collect the triangles of a world by material."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from personsearch.synth.geometry import Array, Mesh, rotation_y
from personsearch.synth.shapes import Solid, box, cylinder, ellipsoid, ground_patch, quad, tube
from personsearch.synth.world.skins import Skins
from personsearch.synth.world.types import Rgb

Pixels = NDArray[np.uint8]
Point = tuple[float, float, float]
#: Materials drawn last: nearer things hide most of them, and what is hidden need not be shaded.
_BACKGROUND = ("brickwall", "facade", "tiles", "asphalt", "gravel", "paving", "bricks", "grass", "photo")
_LEVEL = ("asphalt", "gravel", "paving", "bricks", "grass")


class _Part(NamedTuple):
    """A solid and how it was added; solids are placed together at the end, which is faster in numpy."""

    solid: Solid
    colour: NDArray[np.floating]
    at: NDArray[np.float64]
    heading: float
    seed: float
    scale: NDArray[np.floating]
    uv: NDArray[np.floating] | None


class MeshBuilder:
    """Collects solids; ``meshes()`` returns them as one mesh per material and picture.

    Colours are linear RGB: (3,), or (V, 3) for one per vertex. ``heading`` turns a solid about y before it is moved to
    its place. u and v are metres along the surface from its lower left corner, multiplied by ``scale``.

    Args:
        skins: chooses photographed materials for some of the surfaces; None = all are procedural.
    """

    def __init__(self, skins: Skins | None = None) -> None:
        self._skins = skins
        self._parts: dict[tuple[str, int, bool], list[_Part]] = {}
        self._pictures: dict[int, Pixels] = {}

    def add(
        self, solid: Solid, colour: ArrayLike, material: str = "plaster", *, at: ArrayLike = (0.0, 0.0, 0.0),
        heading: float = 0.0, seed: float = 0.0, scale: ArrayLike = 1.0, uv: NDArray[np.floating] | None = None,
        picture: Pixels | None = None, shadow: bool = True,
    ) -> None:  # fmt: skip
        """Add a solid from ``shapes``.

        Args:
            solid: positions, normals, triangles.
            colour: linear RGB, (3,) or (V, 3).
            material: name of a file in ``shaders/materials``.
            at: where its origin is placed, metres.
            heading: radians.
            seed: seed 0..1 of the material's pattern.
            scale: factor on u and v.
            uv: (V, 2), in place of metres.
            picture: (H, W, 4) uint8 RGBA for the material ``picture``.
            shadow: whether it casts a shadow; ground never does.
        """
        key = 0 if picture is None else id(picture)
        if picture is not None:
            self._pictures[key] = picture
        part = _Part(solid, np.asarray(colour), np.asarray(at, np.float64), heading, seed, np.asarray(scale), uv)
        self._parts.setdefault((material, key, shadow and material not in _LEVEL), []).append(part)

    def box(
        self, middle: ArrayLike, size: ArrayLike, colour: ArrayLike, material: str = "plaster", *,
        heading: float = 0.0, seed: float = 0.0, scale: ArrayLike = 1.0, faces: Iterable[int] = range(6),
        shadow: bool = True,
    ) -> None:  # fmt: skip
        """Add a box, see ``shapes.box``."""
        solid = box(size, faces=faces)
        self.add(solid, colour, material, at=middle, heading=heading, seed=seed, scale=scale, shadow=shadow)

    def blob(
        self, middle: ArrayLike, radii: ArrayLike, colour: ArrayLike, material: str = "plaster", *,
        heading: float = 0.0, power: float = 1.0, around: int = 10, rings: int = 6,
    ) -> None:  # fmt: skip
        """Add a (super)ellipsoid, see ``shapes.ellipsoid``."""
        solid = ellipsoid(radii, power=power, around=around, rings=rings)
        self.add(solid, colour, material, at=middle, heading=heading)

    def pole(
        self, line: ArrayLike, radius: float, colour: ArrayLike, material: str = "plaster", *, sides: int = 6
    ) -> None:
        """Add an open tube around a line of points."""
        self.add(tube(line, radius, sides=sides), colour, material)

    def cylinder(
        self, foot: ArrayLike, radius: float, height: float, colour: ArrayLike, material: str = "plaster", *,
        top_radius: float | None = None, sides: int = 10,
    ) -> None:  # fmt: skip
        """Add an upright cylinder or cone without a bottom."""
        self.add(cylinder(radius, height, top_radius=top_radius, sides=sides), colour, material, at=foot)

    def ground(
        self, area: tuple[float, float, float, float], colour: ArrayLike, material: str, *, y: float = 0.0,
        seed: float = 0.0, scale: float = 1.0, cell: float = 8.0,
    ) -> None:  # fmt: skip
        """Add level ground; u and v are the world's x and z, multiplied by ``scale``."""
        solid = ground_patch(area, y=y, cell=cell)
        self.add(solid, colour, material, seed=seed, uv=solid[0][:, [0, 2]] * scale)

    def picture(
        self, corners: ArrayLike, pixels: Pixels, *, part: tuple[float, float, float, float] = (0, 0, 1, 1)
    ) -> None:
        """Hang up a picture.

        Args:
            corners: (4, 3) metres: top left, top right, bottom right, bottom left as seen by a viewer.
            pixels: (H, W, 4) uint8 RGBA.
            part: x1, y1, x2, y2 of the part of the picture to show, 0..1, y down.
        """
        x1, y1, x2, y2 = part
        uv = np.array([[x1, y2], [x2, y2], [x2, y1], [x1, y1]])
        solid = quad(np.asarray(corners, np.float64)[[3, 2, 1, 0]])
        self.add(solid, (1.0, 1.0, 1.0), "picture", uv=uv, picture=pixels, shadow=False)

    def meshes(self) -> tuple[Mesh, ...]:
        """Return the meshes; those whose material is usually near the camera come first."""
        groups = self._parts if self._skins is None else self._skinned(self._skins)
        return tuple(
            _merged(key, parts, self._pictures.get(key[1]))
            for key, parts in sorted(groups.items(), key=lambda item: _rank(item[0][0]))
        )

    def _skinned(self, skins: Skins) -> dict[tuple[str, int, bool], list[_Part]]:
        """Return the parts after photographed materials have replaced some of the procedural ones."""
        groups: dict[tuple[str, int, bool], list[_Part]] = {}
        for key, parts in self._parts.items():
            for part in parts:
                positions, normals, _ = part.solid
                skin = None if key[1] else skins.choose(key[0], part.colour, part.seed, np.ptp(positions, axis=0))
                if skin is None:
                    groups.setdefault(key, []).append(part)
                    continue
                self._pictures[id(skin.pixels)] = skin.pixels
                uv = part.uv
                if skin.material != "facade":  # whose windows are counted by u and v
                    uv = _metres(positions, normals, np.zeros(1, int), np.array([len(positions)])) / skin.size
                    uv[:, 1] *= -1  # pictures begin at the top
                covered = part._replace(colour=skin.tint, uv=uv)
                groups.setdefault((skin.material, id(skin.pixels), key[2]), []).append(covered)
        return groups


class Frame:
    """A local frame to build in: x to the right, y up, z towards the viewer."""

    def __init__(
        self, builder: MeshBuilder, x: float, z: float, heading: float = 0.0, y: float = 0.0, *, shadow: bool = True
    ) -> None:
        self.builder, self.origin, self.heading, self.shadow = builder, np.array([x, y, z]), heading, shadow
        self._turn = rotation_y(heading)

    def turned(self, at: ArrayLike, by: float) -> Frame:
        """Return a frame with its origin at a point of this one, turned by ``by`` radians."""
        x, y, z = (float(value) for value in self.at(at))
        return Frame(self.builder, x, z, self.heading + by, y, shadow=self.shadow)

    def at(self, points: ArrayLike) -> NDArray[np.float64]:
        """Convert (..., 3) points of the frame to the world."""
        return np.asarray(np.asarray(points, np.float64) @ self._turn.T + self.origin)

    def add(self, solid: Solid, colour: ArrayLike, material: str = "plaster", *, at: ArrayLike = (0, 0, 0)) -> None:
        """Add a solid from ``shapes``."""
        self.builder.add(solid, colour, material, at=self.at(at), heading=self.heading, shadow=self.shadow)

    def box(
        self, middle: ArrayLike, size: ArrayLike, colour: ArrayLike, material: str = "plaster", *, seed: float = 0.0,
        scale: ArrayLike = 1.0, faces: Iterable[int] = range(6),
    ) -> None:  # fmt: skip
        """Add a box."""
        self.builder.box(
            self.at(middle), size, colour, material, heading=self.heading, seed=seed, scale=scale, faces=faces,
            shadow=self.shadow,
        )  # fmt: skip

    def pole(
        self, line: ArrayLike, radius: float, colour: ArrayLike, material: str = "plaster", sides: int = 6
    ) -> None:
        """Add a tube around a line of points."""
        self.builder.pole(self.at(line), radius, colour, material, sides=sides)

    def picture(
        self, middle: Point, width: float, height: float, pixels: Pixels,
        part: tuple[float, float, float, float] = (0, 0, 1, 1),
    ) -> None:  # fmt: skip
        """Hang up a picture that faces +z of the frame."""
        self.builder.picture(self.at(upright(middle, width, height)), pixels, part=part)


def upright(middle: Point, width: float, height: float) -> NDArray[np.float64]:
    """Return the (4, 3) corners of an upright rectangle that faces +z, clockwise from its top left."""
    corners = [(-1, 1), (1, 1), (1, -1), (-1, -1)]
    return np.array([(middle[0] + x * width / 2, middle[1] + y * height / 2, middle[2]) for x, y in corners])


def shaded(colour: Rgb, by: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return (V, 3): the colour multiplied by a factor at each vertex, clipped to 0..1."""
    return np.asarray(np.clip(np.asarray(colour) * np.asarray(by)[:, None], 0, 1))


def _rank(material: str) -> int:
    return 1 + _BACKGROUND.index(material) if material in _BACKGROUND else 0


def _merged(key: tuple[str, int, bool], parts: list[_Part], picture: Pixels | None) -> Mesh:
    counts = np.array([len(part.solid[0]) for part in parts])
    starts = np.cumsum([0, *counts])[:-1]
    local, normals = (np.concatenate([part.solid[k] for part in parts]) for k in range(2))
    colours = np.repeat([part.colour if part.colour.ndim == 1 else _BLACK for part in parts], counts, axis=0)
    surface = _metres(local, normals, starts, counts) * np.repeat([part.scale * _ONE for part in parts], counts, axis=0)
    for part, start, count in zip(parts, starts, counts, strict=True):
        if part.uv is not None:
            surface[start : start + count] = part.uv
        if part.colour.ndim == 2:
            colours[start : start + count] = part.colour
    heading = np.repeat([part.heading for part in parts], counts)
    triangles = [part.solid[2] + start for part, start in zip(parts, starts, strict=True)]
    seeds = np.repeat([part.seed for part in parts], counts)
    return Mesh(
        material=key[0],
        positions=(_turned(local, heading) + np.repeat([part.at for part in parts], counts, axis=0)).astype(np.float32),
        normals=_turned(normals, heading).astype(np.float32),
        surface=np.column_stack([surface, seeds]).astype(np.float32),
        colours=colours.astype(np.float32),
        triangles=np.concatenate(triangles).astype(np.int32),
        picture=picture,
        casts_shadow=key[2],
    )


_BLACK, _ONE = np.zeros(3), np.ones(2)


def _turned(points: Array, heading: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn each of (V, 3) points about y by its own angle, like ``rotation_y``."""
    c, s, (x, y, z) = np.cos(heading), np.sin(heading), points.T
    return np.stack([c * x + s * z, y, c * z - s * x], axis=1)


def _metres(
    positions: Array, normals: Array, starts: NDArray[np.integer], counts: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Return (V, 2) metres from each part's lowest corner, in the plane x-y, z-y or x-z closest to the surface."""
    lowest = np.repeat(np.minimum.reduceat(positions, starts), counts, axis=0)
    local = positions.astype(np.float64) - lowest
    axis, rows = np.abs(normals).argmax(axis=1), np.arange(len(local))
    return np.column_stack([local[rows, np.array([2, 0, 0])[axis]], local[rows, np.array([1, 2, 1])[axis]]])
