"""Solids made of triangles: (positions, normals, triangles), counter-clockwise seen from outside.

Positions and normals are (V, 3) float32 in metres, triangles (T, 3) int32.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from personsearch.synth.geometry import Array, vertex_normals

Solid = tuple[Array, Array, NDArray[np.int32]]


def box(size: ArrayLike, *, faces: Iterable[int] = range(6)) -> Solid:
    """Return a box around the origin.

    Args:
        size: extent along x, y, z, metres.
        faces: which faces to build: 0 +x, 1 -x, 2 +z, 3 -z, 4 top, 5 bottom. Each has its own four vertices: bottom
            left, bottom right, top right, top left as seen from outside.
    """
    chosen, half = list(faces), np.asarray(size, np.float32) / 2
    positions = (_CORNERS[chosen] * half).reshape(-1, 3)
    return positions.astype(np.float32), np.repeat(_NORMALS[chosen], 4, axis=0), _quads(len(chosen))


def quad(corners: ArrayLike) -> Solid:
    """Return the flat quadrilateral with (4, 3) corners, given counter-clockwise as seen from outside."""
    positions = np.asarray(corners, np.float32)
    normal = np.cross(positions[1] - positions[0], positions[2] - positions[0])
    return positions, np.repeat((normal / np.linalg.norm(normal))[None], 4, axis=0).astype(np.float32), _quads(1)


def disc(radius: float, *, sides: int = 12) -> Solid:
    """Return a horizontal disc around the origin that faces up."""
    turn = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    positions = np.column_stack([np.cos(turn), np.zeros(sides), np.sin(turn)]) * radius
    fan = np.column_stack([np.zeros(sides - 2, int), np.arange(2, sides), np.arange(1, sides - 1)])
    return positions.astype(np.float32), np.tile(np.array([0, 1, 0], np.float32), (sides, 1)), fan.astype(np.int32)


def prism(outline: ArrayLike, depth: float) -> Solid:
    """Return a closed prism with sharp edges.

    Args:
        outline: (N, 2) x, y, counter-clockwise as seen from +z, convex.
        depth: extent along z, centred on z = 0, metres.
    """
    points = np.asarray(outline, np.float64)
    count, following = len(points), np.roll(points, -1, axis=0)
    front, back = (np.insert(points, 2, z, axis=1) for z in (depth / 2, -depth / 2))
    front_next, back_next = (np.insert(following, 2, z, axis=1) for z in (depth / 2, -depth / 2))
    walls = np.stack([front, back, back_next, front_next], axis=1).reshape(-1, 3)
    along = following - points
    outward = np.column_stack([along[:, 1], -along[:, 0], np.zeros(count)])
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    facing = np.repeat([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]], count, axis=0)
    fan = np.column_stack([np.zeros(count - 2, int), np.arange(1, count - 1), np.arange(2, count)])
    triangles = [_quads(count), fan + 4 * count, fan[:, ::-1] + 5 * count]
    positions = np.concatenate([walls, front, back])
    normals = np.concatenate([np.repeat(outward, 4, axis=0), facing])
    return positions.astype(np.float32), normals.astype(np.float32), np.concatenate(triangles).astype(np.int32)


def cylinder(
    radius: float, height: float, *, top_radius: float | None = None, sides: int = 10, bottom: bool = False,
    top: bool = True,
) -> Solid:  # fmt: skip
    """Return a cylinder or cone that stands upright on the origin.

    Args:
        radius: radius at the bottom, metres.
        height: metres.
        top_radius: radius at the top, metres; None = the same, 0 = a cone.
        sides: vertices per ring.
        bottom: whether to close the bottom.
        top: whether to close the top (a cone needs no top).
    """
    upper = radius if top_radius is None else top_radius
    turn = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    ring = np.column_stack([np.cos(turn), np.zeros(sides), np.sin(turn)])
    outward = ring + (0, (radius - upper) / height, 0)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    positions, normals = [ring * radius, ring * upper + (0, height, 0)], [outward, outward]
    triangles = [_between_rings(2, sides)]
    fan = np.column_stack([np.zeros(sides - 2, int), np.arange(2, sides), np.arange(1, sides - 1)])
    caps = [(-1.0, radius, 0.0, fan[:, ::-1])] * bottom + [(1.0, upper, height, fan)] * (top and upper > 0)
    for sign, width, y, corners in caps:
        triangles.append((corners + sum(map(len, positions))).astype(np.int32))
        positions.append(ring * width + (0, y, 0))
        normals.append(np.tile([0.0, sign, 0.0], (sides, 1)))
    return (
        np.concatenate(positions).astype(np.float32),
        np.concatenate(normals).astype(np.float32),
        np.concatenate(triangles),
    )


def ground_patch(area: tuple[float, float, float, float], *, y: float = 0.0, cell: float = 8.0) -> Solid:
    """Return a horizontal grid over x1, z1, x2, z2 at height ``y``, facing up; cells are at most ``cell`` metres."""
    x1, z1, x2, z2 = area
    x = np.linspace(x1, x2, max(1, int(np.ceil((x2 - x1) / cell))) + 1)
    z = np.linspace(z1, z2, max(1, int(np.ceil((z2 - z1) / cell))) + 1)
    grid_x, grid_z = np.meshgrid(x, z)
    return _sheet(np.stack([grid_x, np.full_like(grid_x, y), grid_z], axis=-1))


def ribbon(line: ArrayLike, width: float, *, y: float = 0.0) -> Solid:
    """Return a horizontal strip, ``width`` metres wide, along (N, 2) points x, z at height ``y``, facing up."""
    points = np.asarray(line, np.float64)
    along = np.gradient(points, axis=0)
    aside = along[:, ::-1] * (1, -1) / np.linalg.norm(along, axis=1, keepdims=True) * width / 2
    flat = np.stack([points + aside, points - aside])
    return _sheet(np.insert(flat, 1, y, axis=2))


def loft(rings: ArrayLike, *, closed: bool = True) -> Solid:
    """Return a smooth skin over cross-sections, with flat ends.

    Args:
        rings: (R, N, 3) metres: N points per ring, counter-clockwise as seen from the side of the last ring.
        closed: whether flat faces close the first and the last ring.
    """
    lines = np.asarray(rings, np.float64)
    count, around = lines.shape[:2]
    skin = lines.reshape(-1, 3)
    triangles = _between_rings(count, around)[:, ::-1]
    normals = vertex_normals(skin, triangles)
    if not closed:
        return skin.astype(np.float32), normals, triangles
    fan = np.column_stack([np.zeros(around - 2, int), np.arange(1, around - 1), np.arange(2, around)])
    ends = [(lines[0], fan[:, ::-1]), (lines[-1], fan)]
    all_normals = [normals, *(vertex_normals(points, corners) for points, corners in ends)]
    corners = [triangles, *(corners + len(skin) + k * around for k, (_, corners) in enumerate(ends))]
    positions = np.concatenate([skin, lines[0], lines[-1]]).astype(np.float32)
    return positions, np.concatenate(all_normals), np.concatenate(corners).astype(np.int32)


def ellipsoid(radii: ArrayLike, *, power: float = 1.0, around: int = 16, rings: int = 10) -> Solid:
    """Return an ellipsoid around the origin with its poles on the y axis.

    Args:
        radii: radii along x, y, z, metres.
        power: 1 = an ellipsoid; smaller = more like a box (a superellipsoid).
        around: vertices per ring.
        rings: number of rings, including those at the poles.
    """
    turn = np.linspace(0, 2 * np.pi, around, endpoint=False)
    rise = np.linspace(-np.pi / 2, np.pi / 2, rings)[:, None]

    def boxy(value: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.sign(value) * np.abs(value) ** power)

    across = boxy(np.cos(rise))
    unit = np.stack([across * boxy(np.cos(turn)), boxy(np.sin(rise)) + 0 * turn, across * boxy(np.sin(turn))], axis=-1)
    positions = (unit.reshape(-1, 3) * np.asarray(radii, np.float64)).astype(np.float32)
    triangles = _between_rings(rings, around)
    return positions, vertex_normals(positions, triangles), triangles


def tube(line: ArrayLike, radius: float, *, sides: int = 6) -> Solid:
    """Return an open tube of ``radius`` metres along (N, 3) points, N >= 2, of which no two neighbours coincide."""
    points = np.asarray(line, np.float64)
    along = np.gradient(points, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    # Any direction works that no segment is likely to have; both axes of each ring follow from it.
    side = np.cross(along, (0.31, 0.17, 0.93))
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(side, along)
    turn = np.linspace(0, 2 * np.pi, sides, endpoint=False)[None, :, None]
    rings = points[:, None] + radius * (np.cos(turn) * side[:, None] + np.sin(turn) * other[:, None])
    positions = rings.reshape(-1, 3).astype(np.float32)
    triangles = _between_rings(len(points), sides)
    return positions, vertex_normals(positions, triangles), triangles


# The faces of a box (+x, -x, +z, -z, top, bottom) with corners at -1 and 1: bottom left, bottom right, top right, top
# left as seen from outside.
_CORNERS = np.array([
    [[1, -1, 1], [1, -1, -1], [1, 1, -1], [1, 1, 1]],
    [[-1, -1, -1], [-1, -1, 1], [-1, 1, 1], [-1, 1, -1]],
    [[-1, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]],
    [[1, -1, -1], [-1, -1, -1], [-1, 1, -1], [1, 1, -1]],
    [[-1, 1, 1], [1, 1, 1], [1, 1, -1], [-1, 1, -1]],
    [[-1, -1, -1], [1, -1, -1], [1, -1, 1], [-1, -1, 1]],
], np.float32)  # fmt: skip
_NORMALS = np.array([[1, 0, 0], [-1, 0, 0], [0, 0, 1], [0, 0, -1], [0, 1, 0], [0, -1, 0]], np.float32)


@cache
def _quads(count: int) -> NDArray[np.int32]:
    """Return the triangles of ``count`` quadrilaterals with four vertices each."""
    corners = np.array([[0, 1, 2], [0, 2, 3]]) + 4 * np.arange(count)[:, None, None]
    triangles = corners.reshape(-1, 3).astype(np.int32)
    triangles.setflags(write=False)  # cached, so shared by all callers
    return triangles


def _sheet(points: NDArray[np.float64]) -> Solid:
    """Return the surface through an (R, C, 3) grid; from outside, columns run to the right and rows down."""
    rows, columns = points.shape[:2]
    row, column = np.meshgrid(np.arange(rows - 1), np.arange(columns - 1), indexing="ij")
    here = (row * columns + column).ravel()
    right, below = here + 1, here + columns
    first, second = np.column_stack([here, below, right]), np.column_stack([right, below, below + 1])
    positions, triangles = points.reshape(-1, 3), np.concatenate([first, second]).astype(np.int32)
    return positions.astype(np.float32), vertex_normals(positions, triangles), triangles


@cache
def _between_rings(rings: int, around: int) -> NDArray[np.int32]:
    """Return the triangles that join ``rings`` consecutive rings of ``around`` vertices."""
    ring, step = np.meshgrid(np.arange(rings - 1), np.arange(around), indexing="ij")
    here, right = ring * around + step, ring * around + (step + 1) % around
    first = np.stack([here, here + around, right], axis=-1)
    second = np.stack([right, here + around, right + around], axis=-1)
    triangles = np.concatenate([first.reshape(-1, 3), second.reshape(-1, 3)]).astype(np.int32)
    triangles.setflags(write=False)  # cached, so shared by all callers
    return triangles
