"""Pinhole cameras: where they stand, what they see."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
NEAR, FAR = 0.2, 160.0


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A pinhole camera without lens distortion and without roll.

    Attributes:
        name: unique in its data set, e.g. ``s3c1``.
        eye: where it stands, metres.
        target: the point at the middle of its whole picture, metres.
        field_of_view: horizontal, degrees, of the whole picture.
        width: pixels of the picture it gives.
        height: pixels of the picture it gives.
        window: x1, y1, x2, y2 in units of the whole picture (0..1, y down): the part of it that is given.
        aspect: width / height of the whole picture.
    """

    name: str
    eye: tuple[float, float, float]
    target: tuple[float, float, float]
    field_of_view: float
    width: int
    height: int
    window: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    aspect: float

    def view(self) -> Matrix:
        """Return the (4, 4) matrix from the world to the camera (x right, y up, z backwards)."""
        eye, target = np.array(self.eye, float), np.array(self.target, float)
        forward = target - eye
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, (0.0, 1.0, 0.0))
        right /= np.linalg.norm(right)
        matrix = np.eye(4)
        matrix[:3, :3] = right, np.cross(right, forward), -forward
        matrix[:3, 3] = -matrix[:3, :3] @ eye
        return matrix

    def projection(self) -> Matrix:
        """Return the (4, 4) matrix from the camera to OpenGL's clip space."""
        focal = 1 / np.tan(np.radians(self.field_of_view) / 2)
        matrix = np.zeros((4, 4))
        matrix[0, 0], matrix[1, 1] = focal, focal * self.aspect
        matrix[2, 2], matrix[2, 3] = (FAR + NEAR) / (NEAR - FAR), 2 * FAR * NEAR / (NEAR - FAR)
        matrix[3, 2] = -1
        x1, y1, x2, y2 = self.window
        part = np.eye(4)
        part[0, 0], part[0, 3] = 1 / (x2 - x1), (1 - x1 - x2) / (x2 - x1)
        part[1, 1], part[1, 3] = 1 / (y2 - y1), (y1 + y2 - 1) / (y2 - y1)
        return part @ matrix

    def matrix(self) -> Matrix:
        """Return the (4, 4) matrix from the world to clip space; not to be written to."""
        return _matrix(self)

    def project(self, points: NDArray[np.floating]) -> tuple[Matrix, Matrix]:
        """Return the (N, 2) pixels of (N, 3) points and their (N,) distances along the optical axis, metres.

        Pixels of points that are not in front of the camera (distance < 0.2 m) mean nothing.
        """
        clip = np.asarray(points, np.float64) @ self.matrix()[:, :3].T + self.matrix()[:, 3]
        depth = np.maximum(clip[:, 3], NEAR)
        pixels = np.stack([clip[:, 0] / depth + 1, 1 - clip[:, 1] / depth], axis=1) / 2 * (self.width, self.height)
        return pixels, clip[:, 3]

    def cropped(self, box: tuple[float, float, float, float], width: int, height: int) -> Camera:
        """Return a camera that gives the part ``box`` (x1, y1, x2, y2, pixels, may reach outside) at another size."""
        x1, y1, x2, y2 = self.window
        wide, high = (x2 - x1) / self.width, (y2 - y1) / self.height
        window = (x1 + box[0] * wide, y1 + box[1] * high, x1 + box[2] * wide, y1 + box[3] * high)
        return replace(self, window=window, width=width, height=height)


@lru_cache(maxsize=64)
def _matrix(camera: Camera) -> Matrix:
    matrix = camera.projection() @ camera.view()
    matrix.setflags(write=False)
    return matrix
