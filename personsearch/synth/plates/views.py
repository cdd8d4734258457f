"""What a camera sees of a plate."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from personsearch.pictures.decode import load_reduced
from personsearch.synth.cameras import Camera

Image = NDArray[np.uint8]

#: Plates that a process keeps decoded; a panorama of 4096x2048 takes 24 MB.
_KEPT = 6
#: Where a view takes fewer of its pixels than this from each pixel of a panorama, along a side, the panorama is reduced
#: first: the lookup takes single pixels, which would alias.
_LEAST_ENLARGED = 0.7


def view_of_plate(plate: Image, camera: Camera, *, panorama: bool, mirrored: bool = False) -> tuple[Image, float]:
    """Return what a camera sees of a plate.

    Args:
        plate: (H, W, 3) uint8 RGB.
        camera: for a panorama, its direction and field of view; else its window is the part of the photograph.
        panorama: whether the plate is an equirectangular panorama.
        mirrored: swap left and right of the plate first.

    Returns:
        (h, w, 3) uint8 RGB of the camera's size; and how many of its pixels come from one pixel of the plate, along a
        side: above 1 it is soft.
    """
    return _turned_to(plate, camera, mirrored) if panorama else _cut_out(plate, camera, mirrored)


def whole_plate(folder: Path, file: str, longest: int) -> Image:
    """Read a plate.

    Args:
        folder: of the plates.
        file: path below it.
        longest: a plate is reduced to this many pixels of its longer side.

    Returns:
        (H, W, 3) uint8 RGB; read-only.

    Raises:
        ImageError: it cannot be decoded.
    """
    return _decoded(str(folder / file), longest)


def directions(camera: Camera) -> NDArray[np.float32]:
    """Return (3, H, W) float32: x, y, z of the direction in the world that each pixel's centre looks in.

    They are not of unit length: along the optical axis they are.
    """
    right, up, backward = camera.view()[:3, :3].astype(np.float32)
    across, down = rays(camera)
    along_row = down[:, None] * up - backward
    return np.stack([across[None, :] * right[axis] + along_row[:, axis, None] for axis in range(3)])


def rays(camera: Camera) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return where the centres of columns (W,) and rows (H,) lie one metre before a camera: right, and up, metres."""
    half = np.tan(np.radians(camera.field_of_view) / 2)
    x1, y1, x2, y2 = camera.window
    columns = x1 + (np.arange(camera.width) + 0.5) / camera.width * (x2 - x1)
    rows = y1 + (np.arange(camera.height) + 0.5) / camera.height * (y2 - y1)
    return ((2 * columns - 1) * half).astype(np.float32), ((1 - 2 * rows) * half / camera.aspect).astype(np.float32)


@lru_cache(maxsize=_KEPT)
def _decoded(path: str, longest: int) -> Image:
    # A JPEG that is far larger is decoded at a half or a quarter of its size, in a third of the time.
    picture, _ = load_reduced(path, (longest, 1))
    plate = np.asarray(picture, np.uint8)
    if max(plate.shape[:2]) > longest:
        scale = longest / max(plate.shape[:2])
        size = max(1, round(plate.shape[1] * scale)), max(1, round(plate.shape[0] * scale))
        plate = np.asarray(cv2.resize(plate, size, interpolation=cv2.INTER_AREA), np.uint8)
    plate.setflags(write=False)
    return plate


def _cut_out(plate: Image, camera: Camera, mirrored: bool) -> tuple[Image, float]:
    height, width = plate.shape[:2]
    x1, y1, x2, y2 = camera.window
    if mirrored:
        x1, x2 = 1 - x2, 1 - x1
    left, top = min(round(x1 * width), width - 2), min(round(y1 * height), height - 2)
    part = plate[top : max(top + 2, round(y2 * height)), left : max(left + 2, round(x2 * width))]
    enlarged = camera.width / part.shape[1]
    how = cv2.INTER_AREA if enlarged < 1 else cv2.INTER_CUBIC
    view = cv2.resize(np.ascontiguousarray(part), (camera.width, camera.height), interpolation=how)
    return np.asarray(cv2.flip(view, 1) if mirrored else view, np.uint8), enlarged


def _turned_to(panorama: Image, camera: Camera, mirrored: bool) -> tuple[Image, float]:
    x1, _, x2, _ = camera.window
    enlarged = camera.width / (panorama.shape[1] * camera.field_of_view / 360 * (x2 - x1))
    if enlarged < _LEAST_ENLARGED:
        panorama = np.asarray(
            cv2.resize(panorama, None, fx=enlarged, fy=enlarged, interpolation=cv2.INTER_AREA), np.uint8
        )
    height, width = panorama.shape[:2]
    x, y, z = directions(camera)
    # Seen from inside, longitude grows to the right: from +z towards -x; in a mirrored panorama, towards +x.
    longitude = np.arctan2(x if mirrored else -x, z) * np.float32(0.5 / np.pi)
    latitude = np.arctan2(y, np.sqrt(x * x + z * z)) * np.float32(1 / np.pi)
    columns = (longitude % 1) * width - 0.5
    rows = np.clip((0.5 - latitude) * height - 0.5, 0, height - 1)
    view = cv2.remap(panorama, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return np.asarray(view, np.uint8), enlarged


def plain_backdrop(height: int, width: int, rng: np.random.Generator) -> Image:
    """Return (height, width, 3) uint8 RGB without content: one colour, a gradient, or noise."""
    kind = rng.choice(["black", "white", "grey", "colour", "gradient", "noise"])
    level = {"black": rng.uniform(0, 14), "white": rng.uniform(240, 255)}.get(str(kind), rng.uniform(20, 235))
    tint = rng.uniform(0.4, 1.0, 3) if kind == "colour" else rng.uniform(0.96, 1.0, 3)
    picture = np.full((height, width, 3), level * tint, np.float32)
    if kind == "gradient":
        turn = rng.uniform(0, 2 * np.pi)
        y, x = np.mgrid[-0.5 : 0.5 : height * 1j, -0.5 : 0.5 : width * 1j]
        slope = (x * np.cos(turn) + y * np.sin(turn)).astype(np.float32)
        picture += slope[..., None] * np.float32(rng.uniform(40, 250))
    if kind == "noise" or rng.random() < 0.3:
        deviation = rng.uniform(5, 70) if kind == "noise" else rng.uniform(0.5, 4)
        grain = rng.standard_normal((height, width, 3), np.float32) * np.float32(deviation)
        if rng.random() < 0.5:
            grain = cv2.GaussianBlur(grain, (0, 0), rng.uniform(0.5, 6)) * np.float32(2)
        picture += grain
    return np.asarray(np.clip(picture, 0, 255), np.uint8)
