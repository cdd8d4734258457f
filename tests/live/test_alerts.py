"""One alert for each appearance."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from personsearch.calibration import Calibration, Threshold, false_match_rate
from personsearch.live.alerts import Alert, Appearances
from personsearch.live.targets import Target
from personsearch.tracking import OpenTrack

LENA, OTTO = (
    Target(number=number, label=label, embedding=np.eye(3, dtype=np.float32)[number])
    for number, label in enumerate(("Lena", "Otto"))
)


def track(number: int, similarity: float, *, frames: int = 5, last: float = 0.0) -> OpenTrack:
    """Return a track of this similarity to Lena, and none to Otto."""
    embedding = np.array([similarity, 0, np.sqrt(1 - similarity**2)], np.float32)
    return OpenTrack(
        number=number, first=0.0, last=last, frames=frames, box=np.zeros(4), embedding=embedding, image_ids=frozenset()
    )


def alerts(appearances: Appearances, seconds: float, *tracks: OpenTrack, hidden: set[int] = frozenset()) -> list[int]:
    found = appearances.judge(seconds, tracks, {one.number for one in tracks} | hidden, [LENA, OTTO])
    assert all(one.target is LENA for one in found)
    return [one.track.number for one in found]


@pytest.fixture
def appearances() -> Appearances:
    return Appearances(threshold=0.6, quiet=30.0)


def test_a_track_is_alerted_about_once_however_long_it_lasts(appearances: Appearances) -> None:
    assert alerts(appearances, 0, track(0, 0.9)) == [0]
    assert all(alerts(appearances, seconds, track(0, 0.9)) == [] for seconds in range(1, 200))


def test_a_stranger_is_never_alerted_about(appearances: Appearances) -> None:
    assert alerts(appearances, 0, track(0, 0.59)) == []


def test_a_track_is_compared_from_its_second_frame_on(appearances: Appearances) -> None:
    assert alerts(appearances, 0, track(0, 0.9, frames=1)) == []
    assert alerts(appearances, 1, track(0, 0.9, frames=2)) == [0]
    anybody = Appearances(threshold=-1.0, quiet=30.0)
    assert anybody.judge(0, [track(0, -0.9, frames=1)], {0}, [LENA]) == []
    assert len(anybody.judge(1, [track(0, -0.9, frames=2)], {0}, [LENA])) == 1


def test_the_pieces_of_a_broken_track_are_one_appearance(appearances: Appearances) -> None:
    assert alerts(appearances, 0, track(0, 0.9)) == [0]
    assert alerts(appearances, 29, track(1, 0.9)) == []
    assert alerts(appearances, 58, track(2, 0.9)) == []  # 29 s after the last piece, 58 after the alert


def test_who_was_away_for_longer_appears_again(appearances: Appearances) -> None:
    assert alerts(appearances, 0, track(0, 0.9)) == [0]
    assert alerts(appearances, 31, track(1, 0.9)) == [1]


def test_a_track_that_was_taken_for_somebody_prolongs_the_appearance_though_it_is_less_alike_now(
    appearances: Appearances,
) -> None:
    assert alerts(appearances, 0, track(0, 0.9)) == [0]
    for seconds in range(1, 100):
        assert alerts(appearances, seconds, track(0, 0.5)) == []
    assert alerts(appearances, 110, track(1, 0.9)) == []


def test_a_track_out_of_sight_for_longer_than_quiet_is_alerted_about_once_all_the_same() -> None:
    appearances = Appearances(threshold=0.6, quiet=2.0)
    assert alerts(appearances, 0, track(0, 0.9)) == [0]
    assert alerts(appearances, 3, hidden={0}) == []
    assert alerts(appearances, 4.5, track(0, 0.9)) == []


def test_of_two_at_once_the_more_similar_one_is_named_and_each_target_has_an_alert(
    appearances: Appearances,
) -> None:
    assert alerts(appearances, 0, track(0, 0.7), track(1, 0.8)) == [1]
    both = Target(number=2, label="the same again", embedding=LENA.embedding)
    found = Appearances(threshold=0.6, quiet=30.0).judge(0, [track(0, 0.7)], {0}, [LENA, both])
    assert [one.target.label for one in found] == ["Lena", "the same again"]


def test_a_clock_that_is_set_back_by_an_hour_begins_a_new_appearance(appearances: Appearances) -> None:
    assert alerts(appearances, 3600, track(0, 0.9)) == [0]
    assert alerts(appearances, 0, track(1, 0.9)) == [1]


@given(st.lists(st.tuples(st.floats(0.1, 50), st.integers(0, 3)), min_size=1, max_size=40))
def test_there_are_as_many_alerts_as_stretches_between_which_nobody_was_seen_for_quiet(
    seen: list[tuple[float, int]],
) -> None:
    """Whatever tracks the appearances break into, each new number a piece."""
    appearances = Appearances(threshold=0.6, quiet=30.0)
    now, number, expected, got = 0.0, 0, 0, 0
    last: float | None = None
    for pause, same in seen:
        now += pause
        number += same == 0 or pause > 5  # the follower's patience
        expected += last is None or now - last > 30.0
        last = now
        got += len(alerts(appearances, now, track(number, 0.9)))
    assert got == expected


def calibration() -> Calibration:
    rates = [(1e-2, 0.5), (1e-3, 0.6), (1e-4, 0.7), (1e-5, None)]
    return Calibration(
        weights="f" * 64,
        dataset="toy",
        digest="0",
        identities=30,
        same_pairs=10,
        different_pairs=10,
        similarities=(0.0, 1.0),
        probabilities=(0.1, 0.9),
        thresholds=tuple(
            Threshold(rate=rate)
            if similarity is None
            else Threshold(rate=rate, similarity=similarity, low=similarity, high=similarity, true_match_rate=0.5)
            for rate, similarity in rates
        ),
    )


@pytest.mark.parametrize(("similarity", "rate"), [(0.4, None), (0.5, 1e-2), (0.65, 1e-3), (0.9, 1e-4)])
def test_the_false_match_rate_is_the_smallest_that_is_reached(similarity: float, rate: float | None) -> None:
    assert false_match_rate(similarity, calibration()) == rate
    assert false_match_rate(similarity, None) is None


def test_an_alert_is_one_line_of_json() -> None:
    alert = Alert(
        alert="Lena\n",
        person_id=None,
        camera="door",
        time=1.5,
        time_text="0:00:01",
        similarity=0.7,
        probability=None,
        false_match_rate=None,
        box=(1.0, 2.0, 3.0, 4.0),
        image_id="door/1.500",
        frames=2,
    )
    text = alert.to_json()
    assert "\n" not in text
    assert json.loads(text) == {
        "alert": "Lena\n",
        "person_id": None,
        "camera": "door",
        "time": 1.5,
        "time_text": "0:00:01",
        "similarity": 0.7,
        "probability": None,
        "false_match_rate": None,
        "box": [1.0, 2.0, 3.0, 4.0],
        "image_id": "door/1.500",
        "frames": 2,
        "picture": None,
    }
