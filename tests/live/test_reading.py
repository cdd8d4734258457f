"""Cameras in threads: what is dropped, what is not, and how frames are named."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from personsearch.live.cameras import Camera, Feed
from personsearch.live.reading import AHEAD, Inbox, Pace, Reader, Shot, _Due, _Names, moment_name
from personsearch.pictures.video import Video, frame_id
from tests.live.support import footage, marked, number_of
from tests.support import video


def shot(number: int) -> Shot:
    return Shot(image_id=str(number), seconds=float(number), picture=marked(number))


def names(taken: list[tuple[int, Shot]] | None) -> list[str]:
    return [one.image_id for _, one in taken or []]


def test_of_a_live_camera_the_newest_frame_waits_and_the_others_are_counted() -> None:
    inbox = Inbox(1)
    assert [inbox.put_newest(0, shot(number)) for number in range(3)] == [0, 1, 1]
    assert names(inbox.take(8, 0)) == ["2"]
    assert inbox.take(8, 0) == []
    inbox.end(0)
    assert inbox.take(8, 0) is None


def test_cameras_are_served_in_turns() -> None:
    inbox = Inbox(3)
    for number in range(6):
        inbox.put(number % 2, shot(number))  # the third camera sends nothing
    assert names(inbox.take(3, 0)) == ["0", "1", "2"]
    assert names(inbox.take(2, 0)) == ["3", "4"]
    assert names(inbox.take(8, 0)) == ["5"]


def test_a_file_waits_for_the_network_and_loses_nothing() -> None:
    inbox = Inbox(1)
    reader = Reader(0, Feed(name="day", frames=footage(50)), inbox, Pace(fps=4, timeout=1), threading.Event())
    reader.start()
    taken: list[tuple[int, Shot]] = []
    while (more := inbox.take(8, 5)) is not None:
        taken += more
    assert [number_of(one.picture) for _, one in taken] == list(range(50))
    assert reader.whole
    assert reader.counts.dropped == 0


def test_a_reader_that_waits_for_room_ends_when_nobody_takes_anything_any_more() -> None:
    inbox, stop = Inbox(1), threading.Event()
    reader = Reader(0, Feed(name="day", frames=footage(50)), inbox, Pace(fps=4, timeout=1), stop)
    reader.start()
    while not inbox.take(1, 1):
        pass
    stop.set()
    inbox.stop()
    reader.join(10)
    assert not reader.is_alive()
    assert not reader.whole
    assert inbox.take(1, 0) is None
    assert AHEAD < 50


def test_a_feed_that_fails_is_refused_and_says_why() -> None:
    def broken() -> object:
        yield from footage(2)
        raise RuntimeError("the cable is cut")

    inbox = Inbox(1)
    reader = Reader(0, Feed(name="day", frames=broken()), inbox, Pace(fps=4, timeout=1), threading.Event())
    reader.run()
    assert reader.counts.refused == "RuntimeError: the cable is cut"
    assert not reader.whole
    assert len(inbox.take(8, 0) or []) == 2


def test_frames_of_a_file_are_named_as_indexing_names_them_and_taken_at_the_rate(tmp_path: Path) -> None:
    path = video(tmp_path / "walk.mp4", frames=20, fps=10)
    inbox = Inbox(1)
    camera = Camera.of(str(path), name="door", start=100.0)
    Reader(0, camera, inbox, Pace(fps=5, timeout=1), threading.Event()).start()
    taken: list[Shot] = []
    while (more := inbox.take(100, 5)) is not None:
        taken += [one for _, one in more]
    every_other = [frame for number, frame in enumerate(Video(path)) if number % 2 == 0]
    assert [one.image_id for one in taken] == [frame_id("door/walk.mp4", frame.seconds) for frame in every_other]
    assert [one.seconds for one in taken] == pytest.approx([100 + 0.2 * n for n in range(len(taken))])
    assert all(
        np.array_equal(one.picture, np.asarray(frame.image())) for one, frame in zip(taken, every_other, strict=True)
    )
    assert all(one.extra["path"] == str(path) and len(one.extra["sha256"]) == 64 for one in taken)


def test_a_file_that_is_none_is_refused_and_the_reader_ends(tmp_path: Path) -> None:
    path = tmp_path / "rubbish.mp4"
    path.write_bytes(bytes(range(256)) * 40)
    for name, message in (("rubbish.mp4", "cannot be read as a video"), ("missing.mp4", "")):
        inbox = Inbox(1)
        reader = Reader(0, Camera.of(str(tmp_path / name)), inbox, Pace(fps=4, timeout=1), threading.Event())
        reader.run()
        assert reader.counts.refused is not None
        assert message in reader.counts.refused
        assert inbox.take(8, 0) is None


@pytest.mark.parametrize("rate", [4, 10, 25, 29.97, 30])
def test_frames_are_taken_evenly_at_the_rate_or_all_of_them(rate: float) -> None:
    due = _Due(4.0)
    taken = [number / rate for number in range(round(100 * rate)) if due.at(number / rate)]
    assert len(taken) == pytest.approx(400, abs=2)
    assert np.diff(taken).min() > 1 / 4 - 1 / rate - 1e-9
    slow = _Due(30.0)
    assert all(slow.at(number / rate) for number in range(20)) == (rate <= 30)


def test_a_clock_that_leaps_begins_again() -> None:
    due = _Due(4.0)
    assert [due.at(now) for now in (0.0, 0.1, 3600.0, 3600.1, 3600.3, 5.0, 5.1, 5.3)] == [
        True, False, True, False, True, True, False, True,
    ]  # fmt: skip


def test_two_frames_of_one_millisecond_have_two_names() -> None:
    one = _Names("door")
    assert one.next(1795752605.12) == ("door/2026-11-27T04:10:05.120Z", 1795752605.12)
    assert one.next(1795752605.1201)[0] == "door/2026-11-27T04:10:05.121Z"
    assert one.next(75.5) == ("door/75.500", 75.5)


@pytest.mark.parametrize(
    ("seconds", "name"),
    [(1795752605.9996, "2026-11-27T04:10:06.000Z"), (0.0, "0.000"), (-3.25, "-3.250"), (1e12, "1000000000000.000")],
)
def test_names_of_moments(seconds: float, name: str) -> None:
    assert moment_name(seconds) == name


def test_an_inbox_wakes_whoever_waits_for_it() -> None:
    inbox = Inbox(1)
    later = threading.Timer(0.05, lambda: inbox.put_newest(0, shot(7)))
    later.start()
    assert names(inbox.take(1, 30)) == ["7"]
    later.join()
