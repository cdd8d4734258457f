"""Pinhole cameras: where they stand and what they see."""

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
        eye: position of the camera, metres.
        target: the point in the middle of the whole picture, metres.
        field_of_view: horizontal field of view of the whole picture, degrees.
        width: width of the output picture, pixels.
        height: height of the output picture, pixels.
        window: x1, y1, x2, y2 of the part that is output, in units of the whole picture (0..1, y down).
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
        """Return the (4, 4) matrix from the world to clip space; read-only."""
        return _matrix(self)

    def project(self, points: NDArray[np.floating]) -> tuple[Matrix, Matrix]:
        """Return the (N, 2) pixels of (N, 3) points and their (N,) distances along the optical axis, metres.

        The pixels of points less than 0.2 m in front of the camera are meaningless.
        """
        clip = np.asarray(points, np.float64) @ self.matrix()[:, :3].T + self.matrix()[:, 3]
        depth = np.maximum(clip[:, 3], NEAR)
        pixels = np.stack([clip[:, 0] / depth + 1, 1 - clip[:, 1] / depth], axis=1) / 2 * (self.width, self.height)
        return pixels, clip[:, 3]

    def cropped(self, box: tuple[float, float, float, float], width: int, height: int) -> Camera:
        """Return a camera that outputs the part ``box`` (x1, y1, x2, y2, pixels, may reach outside) at another size."""
        x1, y1, x2, y2 = self.window
        wide, high = (x2 - x1) / self.width, (y2 - y1) / self.height
        window = (x1 + box[0] * wide, y1 + box[1] * high, x1 + box[2] * wide, y1 + box[3] * high)
        return replace(self, window=window, width=width, height=height)


def camera_towards(
    name: str,
    *,
    height: float,
    turn: float,
    pitch: float,
    field_of_view: float,
    size: tuple[int, int],
    aspect: float | None = None,
    window: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0),
) -> Camera:
    """Return a camera above the origin that looks in a direction.

    Args:
        name: of the camera.
        height: metres above the ground.
        turn: radians from +z towards +x.
        pitch: degrees; below 0 it looks down.
        field_of_view: see :class:`Camera`.
        size: width and height of the output picture, pixels.
        aspect: see :class:`Camera`; None = that of the output picture.
        window: see :class:`Camera`.
    """
    angle = np.radians(pitch)
    ahead = np.cos(angle) * np.sin(turn), np.sin(angle), np.cos(angle) * np.cos(turn)
    width, rows = size
    return Camera(
        name=name,
        eye=(0.0, float(height), 0.0),
        target=(float(ahead[0]), float(height + ahead[1]), float(ahead[2])),
        field_of_view=float(field_of_view),
        width=width,
        height=rows,
        window=window,
        aspect=width / rows if aspect is None else aspect,
    )


@lru_cache(maxsize=64)
def _matrix(camera: Camera) -> Matrix:
    matrix = camera.projection() @ camera.view()
    matrix.setflags(write=False)
    return matrix
