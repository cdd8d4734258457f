"""Who is one track, and who is not."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personsearch.errors import ConfigError
from personsearch.tracking import Followed, Follower, Frame
from tests.tracking.walks import frame, looks


def followed(frames: list[Frame], **how: float) -> list[Followed]:
    follower = Follower(**how)  # type: ignore[arg-type]
    ended = [track for one in frames for track in follower.update(one)]
    return sorted(ended + follower.finish(), key=lambda track: track.number)


@pytest.mark.parametrize("rate", [25.0, 4.0, 1.0])
def test_two_who_cross_are_two_tracks_at_any_rate(rate: float) -> None:
    """They walk a body height in a second, and pass behind each other in the middle."""
    moments = np.arange(0, 6, 1 / rate)
    tracks = followed([frame(t, {0: (80 + 80 * t, 240), 1: (560 - 80 * t, 250)}) for t in moments])
    assert [track.frames for track in tracks] == [len(moments)] * 2
    assert [(track.first, track.last) for track in tracks] == [(0.0, moments[-1])] * 2


def test_who_stands_still_or_is_hidden_for_a_few_seconds_stays_one_track() -> None:
    seen = [0.0, 0.5, 1.0, 5.5, 6.0]  # hidden for four and a half seconds
    [track] = followed([frame(t, {0: (300, 240)}) for t in seen])
    assert (track.frames, track.first, track.last) == (5, 0.0, 6.0)
    hidden = followed([frame(t, {0: (300, 240)} if t in seen else {}) for t in np.arange(0, 6.5, 0.5)])
    assert [one.frames for one in hidden] == [5]


def test_who_comes_back_later_than_patience_is_another_track() -> None:
    frames = [frame(t, {0: (300, 240)}) for t in (0.0, 1.0, 6.5, 7.0)]
    assert [track.frames for track in followed(frames)] == [2, 2]
    assert [track.frames for track in followed(frames, patience=6.0)] == [4]


def test_a_track_ends_where_another_person_takes_the_place() -> None:
    """The boxes overlap wholly, so that boxes alone would say it is one person."""
    tracks = followed([frame(0.2 * n, {0 if n < 5 else 1: (300, 240)}) for n in range(10)])
    assert [track.frames for track in tracks] == [5, 5]


def test_a_jump_across_the_picture_is_not_one_person_unless_there_was_time_for_it() -> None:
    quick = [frame(0.0, {0: (60, 240)}, noise=0), frame(0.1, {0: (600, 240)}, noise=0)]
    assert len(followed(quick)) == 2
    slow = [frame(0.0, {0: (60, 240)}, noise=0), frame(4.0, {0: (600, 240)}, noise=0)]
    assert len(followed(slow)) == 1


def test_one_look_is_a_track_too() -> None:
    [track] = followed([frame(0, {}), frame(1, {3: (100, 200)}), frame(2, {})])
    assert (track.frames, len(track.views), track.first, track.last) == (1, 1, 1.0, 1.0)


def test_numbers_say_which_track_each_detection_of_the_last_frame_belongs_to() -> None:
    follower = Follower()
    follower.update(frame(0, {0: (100, 240), 1: (400, 240)}))
    assert follower.numbers == (0, 1)
    follower.update(frame(0.5, {2: (250, 240), 1: (405, 240), 0: (104, 240)}))
    assert follower.numbers == (2, 1, 0)
    assert not follower.empty
    assert len(follower.update(frame(9.0, {}))) == 3
    assert (follower.numbers, follower.empty) == ((), True)


def test_tracks_that_end_are_handed_out_once() -> None:
    follower = Follower()
    assert follower.update(frame(0, {0: (100, 240)})) == []
    [ended] = follower.update(frame(5.5, {1: (100, 240)}))
    assert (ended.number, ended.frames) == (0, 1)
    [rest] = follower.finish()
    assert (rest.number, rest.first) == (1, 5.5)
    assert follower.finish() == []


def test_a_camera_whose_clock_jumps_back_begins_anew() -> None:
    assert [track.frames for track in followed([frame(t, {0: (300, 240)}) for t in (100.0, 100.5, 3.0, 3.5)])] == [2, 2]


def test_memory_does_not_grow_with_the_time_that_somebody_is_there() -> None:
    def size(frames: int) -> int:
        follower = Follower()
        for number in range(frames):
            follower.update(frame(0.2 * number, {0: (300, 240), 1: (100, 240)}))
        return len(pickle.dumps(follower))

    assert size(400) <= size(40) + 100


@settings(max_examples=25, deadline=None)
@given(st.lists(st.dictionaries(st.integers(0, 4), st.tuples(st.floats(0, 640), st.floats(0, 480))), max_size=12))
def test_everybody_is_in_exactly_one_track_and_the_same_frames_give_the_same_tracks(
    seen: list[dict[int, tuple[float, float]]],
) -> None:
    frames = [frame(0.7 * number, people) for number, people in enumerate(seen)]
    tracks, again = followed(frames), followed(frames)
    assert sum(track.frames for track in tracks) == sum(len(people) for people in seen)
    for one, other in zip(tracks, again, strict=True):
        assert one.embedding.tobytes() == other.embedding.tobytes()
        assert [view.image_id for view in one.views] == [view.image_id for view in other.views]
        assert sum(view.frames for view in one.views) == one.frames
        assert len({view.image_id for view in one.views}) == len(one.views) <= 3
        assert np.isclose(np.linalg.norm(one.embedding), 1, atol=1e-5)


def test_what_is_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="max_views must be between 1 and 8, got 0"):
        Follower(max_views=0)
    with pytest.raises(ConfigError, match="patience must be more than 0"):
        Follower(patience=0)
    with pytest.raises(ConfigError, match=r"sharpness must be \(1,\), one number for each detection, got \(2,\)"):
        Frame(image_id="a", seconds=0, detections=frame(0, {0: (9, 9)}).detections, sharpness=np.ones(2, np.float32))
    with pytest.raises(ConfigError, match="must be finite"):
        Frame(image_id="a", seconds=float("nan"), detections=frame(0, {}).detections)


def test_open_tracks_say_who_is_there_and_which_frames_may_become_views() -> None:
    follower = Follower()
    assert follower.open_tracks == []
    for number in range(3):
        follower.update(frame(number / 4, {0: (100, 200), 1: (400, 200)} if number < 2 else {0: (100, 200)}))
    first, second = follower.open_tracks
    assert [(one.number, one.first, one.last, one.frames) for one in (first, second)] == [
        (0, 0, 0.5, 3),
        (1, 0, 0.25, 2),
    ]
    assert first.embedding @ looks(0) > 0.9
    assert np.linalg.norm(first.embedding) == pytest.approx(1, abs=1e-5)
    assert first.box.tolist() == [68, 120, 132, 280]
    assert first.image_ids == {"0.000", "0.250", "0.500"}
    ended = follower.finish()
    for track, before in zip(ended, (first, second), strict=True):
        assert {view.image_id for view in track.views} <= before.image_ids
    assert follower.open_tracks == []
