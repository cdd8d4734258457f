import doctest

import numpy as np
import pytest
from PIL import Image

from personsearch.errors import ImageError
from personsearch.pictures import cutting
from personsearch.pictures.cutting import cut_person


def noise(width: int = 60, height: int = 40) -> Image.Image:
    return Image.fromarray(np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_a_box_of_whole_pixels_at_its_own_size_is_those_pixels() -> None:
    picture = noise()
    cut = cut_person(picture, (10, 5, 26, 37), 32, 16)
    np.testing.assert_array_equal(cut, np.asarray(picture)[5:37, 10:26])
    assert cut.dtype == np.uint8


def test_half_the_size_averages_and_fractions_count() -> None:
    """Columns of 0 and 100 by turns: a box that begins in the middle of one sees half of it."""
    stripes = np.zeros((4, 8, 3), np.uint8)
    stripes[:, 1::2] = 100
    picture = Image.fromarray(stripes)
    # The triangle of a halving reaches over two cells to each side: 1/8, 3/8, 3/8, 1/8, and at the edge what is left.
    halved = cut_person(picture, (0, 0, 8, 4), 4, 4)
    np.testing.assert_array_equal(halved[0, 1:3, 0], [50, 50])
    moved = cut_person(picture, (0.5, 0, 4.5, 4), 4, 4)
    np.testing.assert_array_equal(moved[0, 1:3, 0], [50, 50])  # between two columns each
    np.testing.assert_array_equal(cut_person(picture, (1, 0, 5, 4), 4, 4)[0, :, 0], [100, 0, 100, 0])


def test_a_box_beyond_the_picture_is_the_part_inside() -> None:
    picture = noise()
    beyond = cut_person(picture, (-10, -0.5, 30, 400), 64, 32)
    np.testing.assert_array_equal(beyond, cut_person(picture, (0, 0, 30, 40), 64, 32))
    rounded = np.nextafter(np.float32(60), np.float32(61))  # a detector's box, up to rounding
    np.testing.assert_array_equal(
        cut_person(picture, np.array([50, 0, rounded, 40], np.float32), 64, 32),
        cut_person(picture, (50, 0, 60, 40), 64, 32),
    )


@pytest.mark.parametrize("box", [(60, 0, 70, 40), (5, 5, 5, 30), (30, 5, 20, 30), (0, -9, 20, 0), (0, 0, np.nan, 9)])
def test_a_box_without_an_area_in_the_picture_is_refused(box: tuple[float, ...]) -> None:
    with pytest.raises(ImageError, match=r"box \(.*\) has no area inside the 60x40 picture"):
        cut_person(noise(), box, 64, 32)


def test_the_example_runs() -> None:
    done = doctest.testmod(cutting)
    assert (done.failed, done.attempted) == (0, 2)
