import struct
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from personsearch.pictures.display import as_shown, read_matrix, transposition

Matrix = tuple[int, int, int, int]


def bytes_of(matrix: Matrix) -> bytes:
    a, b, c, d = matrix
    return struct.pack("=9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)


#: (x, y) goes to (a x + c y, b x + d y): what a picture [[1, 2], [3, 4], [5, 6]] becomes.
SHOWN = {
    (1, 0, 0, 1): [[1, 2], [3, 4], [5, 6]],
    (0, 1, -1, 0): [[5, 3, 1], [6, 4, 2]],  # a quarter turn clockwise: the phone was held upright
    (-1, 0, 0, -1): [[6, 5], [4, 3], [2, 1]],
    (0, -1, 1, 0): [[2, 4, 6], [1, 3, 5]],
    (-1, 0, 0, 1): [[2, 1], [4, 3], [6, 5]],  # mirrored, as selfies are
    (1, 0, 0, -1): [[5, 6], [3, 4], [1, 2]],
    (0, 1, 1, 0): [[1, 3, 5], [2, 4, 6]],
    (0, -1, -1, 0): [[6, 4, 2], [5, 3, 1]],
}


@pytest.mark.parametrize(("matrix", "shown"), SHOWN.items())
def test_every_turn_and_mirror(matrix: Matrix, shown: list[list[int]]) -> None:
    stored = Image.fromarray(np.array([[1, 2], [3, 4], [5, 6]], np.uint8))
    assert np.asarray(as_shown(stored, read_matrix(bytes_of(matrix)), None)).tolist() == shown


@given(st.sampled_from(sorted(SHOWN)), st.integers(0, 5), st.integers(0, 4))
def test_every_pixel_goes_where_the_matrix_says(matrix: Matrix, x: int, y: int) -> None:
    stored = np.zeros((5, 6), np.uint8)
    stored[y, x] = 255
    shown = np.asarray(as_shown(Image.fromarray(stored), matrix, None))
    a, b, c, d = matrix
    corners = [(a * u + c * v, b * u + d * v) for u in (0, 5) for v in (0, 4)]
    left, top = min(u for u, _ in corners), min(v for _, v in corners)
    assert shown[b * x + d * y - top, a * x + c * y - left] == 255


def test_an_oblique_or_empty_matrix_takes_the_nearest_turn() -> None:
    assert transposition((9, 4, -4, 9)) is None
    assert transposition((4, 9, -9, 4)) == Image.Transpose.ROTATE_270
    assert transposition((0, 0, 0, 0)) is None
    assert read_matrix(b"too short") is None


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        (Fraction(4, 3), (96, 48)),  # 1440 x 1080 of HDV is 1920 x 1080
        (Fraction(1, 2), (72, 96)),  # half the lines of a recorder: none of the columns is lost
        (Fraction(1), (72, 48)),
        (None, (72, 48)),
        (Fraction(0), (72, 48)),  # unknown
        (Fraction(1, 1000), (72, 48)),  # a damaged header
    ],
)
def test_pixels_become_square(shape: Fraction | None, size: tuple[int, int]) -> None:
    assert as_shown(Image.new("RGB", (72, 48)), None, shape).size == size


def test_the_shape_is_that_of_stored_pixels() -> None:
    assert as_shown(Image.new("RGB", (72, 48)), (0, 1, -1, 0), Fraction(4, 3)).size == (48, 96)
