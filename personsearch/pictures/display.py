"""How a stored video frame is meant to be shown: the container's display matrix and the shape of its pixels."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import Any

from PIL import Image

from personsearch.pictures.levels import to_shades

#: Pixels whose sides differ by more than this factor are a mistake in a file's header, not a shape.
MOST_STRETCHED = 8
_TURN = Image.Transpose


def read_matrix(data: bytes) -> tuple[int, int, int, int] | None:
    """Return what a display matrix does to stored pixels: (x, y) is shown at (a x + c y, b x + d y).

    Args:
        data: nine 32-bit integers in the machine's own byte order, the rows ``a b u``, ``c d v`` and ``x y w``.

    Returns:
        (a, b, c, d) up to a common factor; y points down.

    Source:
        ISO/IEC 14496-12, 6.2.2, the matrix of a video track.
    """
    if len(data) != struct.calcsize("=9i"):
        return None
    a, b, _, c, d, _, _, _, _ = struct.unpack("=9i", data)
    return a, b, c, d


def transposition(matrix: tuple[int, int, int, int]) -> Image.Transpose | None:
    """Return the quarter turn or reflection that is nearest to a display matrix; None = shown as stored."""
    a, b, c, d = matrix
    if abs(a) + abs(d) >= abs(b) + abs(c):
        straight = {(1, 1): None, (-1, -1): _TURN.ROTATE_180, (-1, 1): _TURN.FLIP_LEFT_RIGHT}
        return straight.get((_sign(a), _sign(d)), _TURN.FLIP_TOP_BOTTOM)
    # Pillow turns counter-clockwise: 270 degrees are a quarter turn clockwise.
    turned = {(1, -1): _TURN.ROTATE_270, (-1, 1): _TURN.ROTATE_90, (1, 1): _TURN.TRANSPOSE}
    return turned.get((_sign(b), _sign(c)), _TURN.TRANSVERSE)


def as_shown(
    picture: Image.Image, matrix: tuple[int, int, int, int] | None, pixel_shape: Fraction | None
) -> Image.Image:
    """Return a frame with square pixels, and upright.

    Args:
        picture: as stored.
        matrix: from :func:`read_matrix`; None = shown as stored.
        pixel_shape: width of a stored pixel divided by its height (the sample aspect ratio); None = square. The
            picture is stretched, never shrunk, so that nothing is lost.
    """
    if pixel_shape is not None and Fraction(1, MOST_STRETCHED) <= pixel_shape <= MOST_STRETCHED:
        width, height = picture.size
        size = (max(width, round(width * pixel_shape)), max(height, round(height / pixel_shape)))
        if size != picture.size:
            picture = picture.resize(size, Image.Resampling.BICUBIC)
    turn = None if matrix is None else transposition(matrix)
    return picture if turn is None else picture.transpose(turn)


def converted(frame: Any, path: str) -> Image.Image:
    """Return a frame as stored, in RGB; grey of more than eight bits (a thermal camera's) is scaled as stills are."""
    form = frame.format
    if form.name.startswith("gray") and form.components[0].bits > 8:
        shades, _ = to_shades(frame.reformat(format="gray16le").to_ndarray(), path)
        return Image.fromarray(shades).convert("RGB")
    picture: Image.Image = frame.to_image()
    return picture


def matrix_of(frame: Any) -> tuple[int, int, int, int] | None:
    """Return the display matrix of a frame, if it has one."""
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            return read_matrix(bytes(data))
    return None


def _sign(number: int) -> int:
    return -1 if number < 0 else 1
