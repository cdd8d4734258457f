import pytest

from personsearch.datasets.formats.marks import is_ignored, upright


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [
        (0, (10, 20, 30, 40)),
        (90, (-30, 20, 40, 30)),  # clockwise about the top left corner: to its left
        (180, (-20, -20, 30, 40)),
        (-90, (10, -10, 40, 30)),
        (450, (-30, 20, 40, 30)),
    ],
)
def test_the_upright_box_around_a_turned_one(degrees: float, expected: tuple[float, ...]) -> None:
    assert upright((10, 20, 30, 40), degrees, (10, 20)) == pytest.approx(expected)


def test_a_square_that_is_turned_by_an_eighth_is_wider_by_the_root_of_two() -> None:
    x, y, width, height = upright((10, 10, 20, 20), 45, (20, 20))
    assert (width, height) == pytest.approx((20 * 2**0.5, 20 * 2**0.5))
    assert (x + width / 2, y + height / 2) == pytest.approx((20, 20))


def test_which_labels_count_neither_way() -> None:
    assert is_ignored(["person", " Ignored "])
    assert not is_ignored(["person", "ignore me"])
