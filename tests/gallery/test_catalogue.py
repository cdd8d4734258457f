"""Filters by hand; ``test_view.py`` compares them with an oracle."""

import numpy as np
import pytest

from personsearch.gallery.catalogue import Catalogue, Filters
from personsearch.gallery.rows import ImageRow
from tests.gallery.toy import people


@pytest.fixture
def catalogue() -> Catalogue:
    """Scenes 2, 5 and 9 of cameras "a", "b" and none, at 10 s, unknown and 30 s, with two, one and two people."""
    catalogue = Catalogue()
    for number, camera, time in ((2, "a", 10.0), (5, "b", None), (9, None, 30.0)):
        row = ImageRow.new(f"{number}.jpg", people(0, 0), camera, time, "{}")
        catalogue.add(ImageRow(number, row.image_id, camera, time, row.width, row.height, row.extra, row.digest))
    catalogue.scene_of.extend(np.array([2, 2, 5, 9, 9]))
    return catalogue


@pytest.mark.parametrize(
    ("filters", "passing"),
    [
        (Filters(cameras=["a"]), [1, 1, 0, 0, 0]),
        (Filters(cameras="b"), [0, 0, 1, 0, 0]),
        (Filters(cameras=["a", "nowhere"]), [1, 1, 0, 0, 0]),
        (Filters(cameras=[]), [0, 0, 0, 0, 0]),
        (Filters(since=10), [1, 1, 0, 1, 1]),  # a scene without a time passes no bound
        (Filters(since=10.1), [0, 0, 0, 1, 1]),
        (Filters(until=10), [1, 1, 0, 0, 0]),
        (Filters(since=11, until=29), [0, 0, 0, 0, 0]),
        (Filters(exclude_images=["9.jpg", "unknown.jpg"]), [1, 1, 1, 0, 0]),
        (Filters(exclude_images="2.jpg"), [0, 0, 1, 1, 1]),
        (Filters(cameras=["a", "b"], exclude_images=["2.jpg"]), [0, 0, 1, 0, 0]),
    ],
)
def test_each_filter(catalogue: Catalogue, filters: Filters, passing: list[int]) -> None:
    allowed = catalogue.allowed(filters)
    assert allowed is not None
    assert allowed.astype(int).tolist() == passing


@pytest.mark.parametrize("filters", [Filters(), Filters(exclude_images=[])])
def test_no_filter_needs_no_mask(catalogue: Catalogue, filters: Filters) -> None:
    assert catalogue.allowed(filters) is None


def test_scenes_that_are_gone(catalogue: Catalogue) -> None:
    assert (len(catalogue), catalogue.last_image) == (3, 9)
    catalogue.keep(np.array([2, 5]))
    catalogue.scene_of.keep(np.array([True, True, True, False, False]))
    assert (len(catalogue), catalogue.last_image) == (2, 5)
    allowed = catalogue.allowed(Filters(exclude_images=["9.jpg", "2.jpg"]))
    assert allowed is not None
    assert allowed.tolist() == [False, False, True]


def test_an_empty_catalogue() -> None:
    assert (len(Catalogue()), Catalogue().last_image) == (0, 0)
    allowed = Catalogue().allowed(Filters(cameras=["a"]))
    assert allowed is not None
    assert allowed.tolist() == []
