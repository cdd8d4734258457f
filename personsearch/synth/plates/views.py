"""What a camera sees of a plate."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from personsearch.pictures.decode import load_image
from personsearch.synth.cameras import Camera

Image = NDArray[np.uint8]

#: Plates that a process keeps decoded; a panorama of 4096x2048 takes 24 MB.
_KEPT = 6
#: Larger plates are reduced to this many pixels of the longer side when they are read.
_LONGEST = 4096


def view_of_plate(plate: Image, camera: Camera, *, panorama: bool) -> tuple[Image, float]:
    """Return what a camera sees of a plate.

    Args:
        plate: (H, W, 3) uint8 RGB.
        camera: for a panorama, its direction and field of view; else its window is the part of the photograph.
        panorama: whether the plate is an equirectangular panorama.

    Returns:
        (h, w, 3) uint8 RGB of the camera's size; and how many of its pixels come from one pixel of the plate, along a
        side: above 1 it is soft.
    """
    return _turned_to(plate, camera) if panorama else _cut_out(plate, camera)


def whole_plate(folder: Path, file: str, *, mirrored: bool) -> Image:
    """Read a plate.

    Args:
        folder: of the plates.
        file: path below it.
        mirrored: swap left and right.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ImageError: it cannot be decoded.
    """
    plate = _decoded(str(folder / file))
    return np.ascontiguousarray(plate[:, ::-1]) if mirrored else plate


def directions(camera: Camera) -> NDArray[np.float32]:
    """Return (H, W, 3) float32: the direction that each pixel's centre looks in, in the world; not unit length."""
    right, up, backward = camera.view()[:3, :3]
    matrix, (x1, y1, x2, y2) = camera.projection(), camera.window
    columns = x1 + (np.arange(camera.width) + 0.5) / camera.width * (x2 - x1)
    rows = y1 + (np.arange(camera.height) + 0.5) / camera.height * (y2 - y1)
    focal = matrix[0, 0] * (x2 - x1), matrix[1, 1] * (y2 - y1)
    along_x = (2 * columns - 1) / focal[0]
    along_y = (1 - 2 * rows) / focal[1]
    return np.asarray(
        along_x[None, :, None] * right + along_y[:, None, None] * up - backward,
        np.float32,
    )


@lru_cache(maxsize=_KEPT)
def _decoded(path: str) -> Image:
    plate = load_image(path)
    longest = max(plate.shape[:2])
    if longest > _LONGEST:
        scale = _LONGEST / longest
        plate = np.asarray(cv2.resize(plate, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    return plate


def _cut_out(plate: Image, camera: Camera) -> tuple[Image, float]:
    height, width = plate.shape[:2]
    x1, y1, x2, y2 = camera.window
    left, top = min(round(x1 * width), width - 2), min(round(y1 * height), height - 2)
    part = plate[top : max(top + 2, round(y2 * height)), left : max(left + 2, round(x2 * width))]
    enlarged = camera.width / part.shape[1]
    how = cv2.INTER_AREA if enlarged < 1 else cv2.INTER_CUBIC
    view = cv2.resize(np.ascontiguousarray(part), (camera.width, camera.height), interpolation=how)
    return np.asarray(view, np.uint8), enlarged


def _turned_to(panorama: Image, camera: Camera) -> tuple[Image, float]:
    height, width = panorama.shape[:2]
    x, y, z = np.moveaxis(directions(camera), -1, 0)
    # Seen from inside, longitude grows to the right: from +z towards -x.
    longitude = np.arctan2(-x, z) / (2 * np.pi)
    latitude = np.arctan2(y, np.hypot(x, z)) / np.pi
    columns = (longitude % 1) * width - 0.5
    rows = (0.5 - latitude) * height - 0.5
    view = cv2.remap(
        panorama,
        columns.astype(np.float32),
        rows.astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )
    x1, _, x2, _ = camera.window
    enlarged = camera.width / (width * camera.field_of_view / 360 * (x2 - x1))
    if enlarged < 0.7:  # the lookup takes single pixels of the panorama, which alias where it is reduced
        view = cv2.GaussianBlur(view, (0, 0), 0.35 / enlarged)
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
