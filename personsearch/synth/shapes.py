"""Solids made of triangles: (positions, normals, triangles), counter-clockwise seen from outside."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from personsearch.synth.geometry import Array, vertex_normals

Solid = tuple[Array, Array, NDArray[np.int32]]


def ellipsoid(radii: ArrayLike, *, power: float = 1.0, around: int = 16, rings: int = 10) -> Solid:
    """Return an ellipsoid at the origin, its poles on the y axis.

    Args:
        radii: x, y, z, metres.
        power: 1 = an ellipsoid; towards 0 ever more like a box (a superellipsoid).
        around: vertices of a ring.
        rings: rings from pole to pole, both included.
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
    """Return an open tube of ``radius`` metres around a line of (N, 3) points, N >= 2, no two neighbours the same."""
    points = np.asarray(line, np.float64)
    along = np.gradient(points, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    # Any direction will do that no segment is likely to have; both sides of each ring follow from it.
    side = np.cross(along, (0.31, 0.17, 0.93))
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(side, along)
    turn = np.linspace(0, 2 * np.pi, sides, endpoint=False)[None, :, None]
    rings = points[:, None] + radius * (np.cos(turn) * side[:, None] + np.sin(turn) * other[:, None])
    positions = rings.reshape(-1, 3).astype(np.float32)
    triangles = _between_rings(len(points), sides)
    return positions, vertex_normals(positions, triangles), triangles


def _between_rings(rings: int, around: int) -> NDArray[np.int32]:
    """Return the triangles between rings of ``around`` vertices, ring after ring."""
    ring, step = np.meshgrid(np.arange(rings - 1), np.arange(around), indexing="ij")
    here, right = ring * around + step, ring * around + (step + 1) % around
    first = np.stack([here, here + around, right], axis=-1)
    second = np.stack([right, here + around, right + around], axis=-1)
    return np.concatenate([first.reshape(-1, 3), second.reshape(-1, 3)]).astype(np.int32)
