"""Sessions: numbers of people per frame, and places that give a wanted box."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from personsearch.synth.plan.sessions import Session, Spots, fitting_place, height_bins, people_wanted
from personsearch.synth.plan.targets import HeightTarget, counts_at
from tests.synth.pictures import camera
from tests.synth.worlds import bare_world

PLACES = np.array([[0.0, 1.0], [0.0, 2.0], [0.0, 3.0]])


def session(room: tuple[int, int]) -> Session:
    """One time, two cameras: the first sees a box of bin 0 and one of bin 1, the second the last two places."""
    return Session(
        world=bare_world(),
        scene="s1",
        light=0,
        times=np.zeros(1),
        views=((camera("s1c1"), camera("s1c2")),),
        room=np.array(room)[:, None],
        spots=(Spots(places=PLACES, bins=np.array([[0, 1, -1], [-1, 0, 0]])),),
        at=[[]],
    )


def chosen(room: tuple[int, int], most: int, target: HeightTarget) -> set[float]:
    """Return the z of all places that come up in many draws."""
    rng = np.random.default_rng(0)
    places = [fitting_place(session(room), 0, 0, most, target, rng) for _ in range(40)]
    return {float(place[1]) for place in places if place is not None}


def test_a_place_gives_a_wanted_box_and_overfills_no_frame() -> None:
    target = HeightTarget([0.1, 0.2, 0.4])
    assert chosen((1, 1), 2, target) == {1.0, 2.0}
    assert chosen((1, 0), 2, target) == {1.0}  # the second camera, which is full, would see the second place
    assert chosen((1, 1), 1, target) == {1.0}  # the second place would add two boxes
    target.add(np.array([0] * 5))
    # Either place adds a box to bin 0: 6 of 7 boxes at most, but 1.04 * 7 / 2 + 2 = 5.6.
    assert chosen((1, 1), 2, target) == set()
    target.add(np.array([1] * 9))
    # With 5 and 9 boxes, bin 1 has 2 more than the mean of 7 and is no longer wanted.
    assert chosen((1, 1), 2, target) == {1.0}


def test_height_bins_by_hand() -> None:
    # The camera is 3 m up and 60 degrees wide, its picture 4:3; somebody 9 m away is about 1.7 of 7.8 m high.
    planned, target = session((1, 1)), HeightTarget([0.1, 0.15, 0.3, 1.0])
    assert height_bins(planned, 0, np.array([0.0, 9.0]), target).tolist() == [1, 1]
    assert height_bins(planned, 0, np.array([0.0, -9.0]), target).tolist() == [-1, -1]
    assert height_bins(planned, 0, np.array([0.0, 9.0]), None).tolist() == [0, 0]
    assert height_bins(planned, 0, np.array([0.0, -9.0]), None).tolist() == [-1, -1]


@given(st.lists(st.integers(1, 40), min_size=3, max_size=20).map(sorted), st.integers(1, 6), st.integers(1, 9))
def test_more_than_two_quantiles_give_one_number_per_level(quantiles: list[int], cameras: int, times: int) -> None:
    wanted = people_wanted(quantiles, (cameras, times), np.random.default_rng(1))
    assert wanted.shape == (cameras, times)
    levels = np.linspace(0, 1, cameras * times + 1)
    low, high = counts_at(quantiles, levels[:-1]), counts_at(quantiles, levels[1:])
    assert ((low <= np.sort(wanted.ravel())) & (np.sort(wanted.ravel()) <= high)).all()


@pytest.mark.parametrize("bounds", [(3, 5), (4, 4)])
def test_two_numbers_are_bounds(bounds: tuple[int, int]) -> None:
    wanted = people_wanted(bounds, (4, 50), np.random.default_rng(0))
    assert set(wanted.ravel().tolist()) == set(range(bounds[0], bounds[1] + 1))
