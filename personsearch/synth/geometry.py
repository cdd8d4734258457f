"""Triangles and rotations: what the world, the people and the renderer share.

Units are metres; x and z lie on the ground, y points up, the ground is y = 0. Heading ``a`` points along
``(sin a, 0, cos a)``: heading 0 is +z. Colours of surfaces are linear RGB, 0..1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False, kw_only=True)
class Mesh:
    """Triangles of one material.

    Attributes:
        material: name of a file in ``shaders/materials``.
        positions: (V, 3) float32.
        normals: (V, 3) float32, unit length.
        surface: (V, 3) float32: u, v and a seed 0..1 of the material's pattern. u and v are metres along the surface;
            for pictures they are 0..1, with v pointing down.
        colours: (V, 3) float32 linear RGB.
        triangles: (T, 3) int32, counter-clockwise seen from outside.
        picture: (H, W, 4) uint8 RGBA for the material ``picture``, else None.
        casts_shadow: whether it blocks sunlight.
    """

    material: str
    positions: Array
    normals: Array
    surface: Array
    colours: Array
    triangles: NDArray[np.int32]
    picture: NDArray[np.uint8] | None = None
    casts_shadow: bool = True


def linear(srgb: object) -> Array:
    """Convert sRGB colours 0..1 to linear light (gamma 2.2, as in the renderer's output)."""
    return np.power(np.clip(np.asarray(srgb, np.float32), 0, 1), np.float32(2.2))


def rotation_x(angle: float) -> NDArray[np.float64]:
    """Return the (3, 3) rotation about x by ``angle`` radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def rotation_y(angle: float) -> NDArray[np.float64]:
    """Return the (3, 3) rotation about y by ``angle`` radians; it turns +z to the heading ``angle``."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def rotation_z(angle: float) -> NDArray[np.float64]:
    """Return the (3, 3) rotation about z by ``angle`` radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def vertex_normals(positions: NDArray[np.floating], triangles: NDArray[np.integer]) -> Array:
    """Return (V, 3) float32 unit normals: area-weighted means over the triangles around each vertex."""
    a, b, c = (positions[triangles[:, k]] for k in range(3))
    (px, py, pz), (qx, qy, qz) = (b - a).T, (c - a).T
    faces = np.stack(
        [py * qz - pz * qy, pz * qx - px * qz, px * qy - py * qx], axis=1
    )  # three times as fast as np.cross
    normals = np.zeros((len(positions), 3))
    for corner in range(3):
        for axis in range(3):
            normals[:, axis] += np.bincount(triangles[:, corner], faces[:, axis], len(positions))
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.asarray(normals / np.maximum(length, 1e-12), np.float32)
