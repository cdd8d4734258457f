"""The whole of watching: cameras in, tracks in a gallery and alerts out."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from personsearch import Gallery, PersonSearcher
from personsearch.errors import ConfigError, GalleryMismatchError, ImageError
from personsearch.live import Alert, Camera, Feed, WatchReport, watch
from personsearch.live import reading as reading_module
from personsearch.live import watching as watching_module
from personsearch.live.report import status_of
from tests.live.rtsp import RtspServer, needs_rtsp
from tests.live.support import Scene, Scripted, footage
from tests.support import toy_scene


def visits(*stretches: tuple[int, int, int]) -> Callable[[int], Scene]:
    """Return a script: person, first frame and last frame of each visit."""

    def script(number: int) -> Scene:
        return {
            person: (100.0 + 120 * person + (number - first) % 40, 200.0)
            for person, first, last in stretches
            if first <= number <= last
        }

    return script


def stored(folder: Path) -> list[tuple[str | None, float | None, float | None, int]]:
    with Gallery.open(folder, mode="r") as gallery:
        assert gallery.check() == []
        return [(one.camera, one.first, one.last, one.frames) for one in gallery.tracks.all()]


def test_a_feed_is_followed_stored_and_alerted_about(tmp_path: Path) -> None:
    script = visits((0, 0, 39), (1, 20, 59), (0, 400, 419))
    got: list[Alert] = []
    (tmp_path / "0.jpg").touch()
    report = watch(
        Scripted(script),
        [Feed(name="door", frames=footage(480, start=1_700_000_000.0))],
        tmp_path / "g",
        alerts=[tmp_path / "0.jpg"],
        min_similarity=0.8,
        on_alert=got.append,
    )
    begin = 1_700_000_000.0
    assert sorted(stored(tmp_path / "g")) == [
        ("door", begin, begin + 9.75, 40),
        ("door", begin + 5, begin + 14.75, 40),
        ("door", begin + 100, begin + 104.75, 20),
    ]
    assert (report.cameras[0].taken, report.tracks, report.alerts, report.complete) == (480, 3, 2, True)
    first, second = got
    assert (first.camera, first.time, first.frames, first.image_id) == (
        "door", begin + 0.25, 2, "door/2023-11-14T22:13:20.250Z",
    )  # fmt: skip
    assert (first.alert, first.person_id, first.probability, first.false_match_rate) == ("0.jpg", None, None, None)
    assert second.time == begin + 100.25
    assert first.similarity > 0.9
    assert first.time_text == "2023-11-14 22:13:20"
    assert first.picture is None
    assert not list(tmp_path.rglob("g/**/*.jpg"))


def test_with_pictures_scenes_and_alerts_have_theirs(tmp_path: Path) -> None:
    got: list[Alert] = []
    (tmp_path / "0.jpg").touch()
    watch(
        Scripted(visits((0, 0, 9))),
        [Feed(name="door", frames=footage(40))],
        tmp_path / "g",
        alerts=[tmp_path / "0.jpg"],
        min_similarity=0.8,
        pictures=True,
        on_alert=got.append,
    )
    with Gallery.open(tmp_path / "g", mode="r") as gallery:
        scenes = [gallery.scene(name) for name in gallery.image_ids()]
    assert scenes
    assert all(scene is not None and Path(scene.extra["path"]).is_file() for scene in scenes)
    assert got[0].picture is not None
    assert Path(got[0].picture).parent == tmp_path / "g" / "alerts" / "picture-0.jpg"
    assert Path(got[0].picture).is_file()


def test_several_cameras_share_batches_and_keep_their_people_apart(tmp_path: Path) -> None:
    searcher = Scripted(visits((0, 0, 39)))
    feeds = [Feed(name=name, frames=footage(80)) for name in ("door", "yard", "hall")]
    report = watch(searcher, feeds, tmp_path / "g", batch_size=4)
    assert sorted(stored(tmp_path / "g")) == [(name, 0.0, 9.75, 40) for name in ("door", "hall", "yard")]
    assert [one.taken for one in report.cameras] == [80, 80, 80]
    assert max(searcher.batches) > 1


def test_a_feed_that_fails_ends_alone(tmp_path: Path) -> None:
    def broken() -> Iterator[tuple[float, np.ndarray]]:
        yield from footage(8)
        raise RuntimeError("the cable is cut")

    feeds = [Feed(name="door", frames=broken()), Feed(name="yard", frames=footage(40))]
    report = watch(Scripted(visits((0, 0, 39))), feeds, tmp_path / "g")
    door, yard = report.cameras
    assert (door.refused, yard.refused, yard.taken) == ("RuntimeError: the cable is cut", None, 40)
    assert not report.complete
    assert sorted(stored(tmp_path / "g")) == [("door", 0.0, 1.75, 8), ("yard", 0.0, 9.75, 40)]


def test_pictures_that_cannot_be_used_are_counted_and_the_others_of_their_batch_are_looked_at(tmp_path: Path) -> None:
    frames = [(number / 4, picture) for number, (_, picture) in enumerate(footage(16))]
    frames[5] = (1.25, np.zeros((0, 0, 3), np.uint8))
    report = watch(Scripted(visits((0, 0, 15))), [Feed(name="door", frames=frames)], tmp_path / "g")
    assert (report.cameras[0].taken, report.cameras[0].passed_over) == (16, 1)
    assert stored(tmp_path / "g") == [("door", 0.0, 3.75, 15)]


def test_times_that_leap_back_break_tracks_and_nothing_else(tmp_path: Path) -> None:
    frames = [*footage(20, start=5000.0), *footage(40)]
    report = watch(Scripted(visits((0, 0, 39))), [Feed(name="door", frames=frames)], tmp_path / "g")
    assert report.complete
    assert sorted(stored(tmp_path / "g")) == [("door", 0.0, 9.75, 40), ("door", 5000.0, 5004.75, 20)]


def test_who_is_forgotten_while_being_watched_for_is_alerted_about_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watching_module, "READ_AGAIN", 0.0)
    folder = tmp_path / "g"
    script = visits((0, 0, 19))
    watch(Scripted(script), [Feed(name="door", frames=footage(60))], folder)
    with Gallery.open(folder) as gallery:
        gallery.people.group(min_similarity=0.5)
        gallery.people.name(1, "Lena")
    got: list[Alert] = []

    def frames() -> Iterator[tuple[float, np.ndarray]]:
        yield from footage(60, start=1000.0)
        while not got:
            time.sleep(0.01)
        with Gallery.open(folder, wait=10) as gallery:
            gallery.people.forget(1)
        while "Lena is not in the gallery any more" not in caplog.text:
            yield 2000.0, footage(60).__next__()[1]
            time.sleep(0.01)
        yield from footage(60, start=3000.0)

    watch(Scripted(script), [Feed(name="yard", frames=frames())], folder, alerts=["Lena"], min_similarity=0.8,
          pictures=True, on_alert=got.append)  # fmt: skip
    assert [(one.alert, one.person_id, one.camera, one.time) for one in got] == [("Lena", 1, "yard", 1000.25)]
    assert not list((folder / "alerts").glob("*/*.jpg"))


def test_what_is_seen_in_fast_forward_is_kept_for_ten_minutes(tmp_path: Path) -> None:
    """A shorter day here; ``benchmarks/live.py`` has the whole one, with its memory."""
    now = [0.0]
    begin, count = 1_700_000_000.0, 10_000  # 42 minutes

    def frames() -> Iterator[tuple[float, np.ndarray]]:
        for seconds, picture in footage(count, start=begin):
            now[0] = seconds
            yield seconds, picture

    def script(number: int) -> Scene:  # somebody else every minute, for 10 s; person 0 every tenth minute
        minute, frame = divmod(number, 240)
        return {minute % 10: (100.0 + 8 * frame, 200.0)} if frame < 40 else {}

    got: list[Alert] = []
    (tmp_path / "0.jpg").touch()
    now[0] = begin
    report = watch(
        Scripted(script), [Feed(name="door", frames=frames())], tmp_path / "g", keep=600.0, clock=lambda: now[0],
        alerts=[tmp_path / "0.jpg"], min_similarity=0.8, on_alert=got.append,
    )  # fmt: skip
    assert (report.tracks, report.lost, report.alerts) == (42, 0, 5)
    assert [round(one.time - begin) for one in got] == [600 * n for n in range(5)]
    first = min(one[1] for one in stored(tmp_path / "g"))
    assert begin + count / 4 - 600 - 25 - 60 <= first  # a pass every 25 s
    assert report.erased > 30


def clip(path: Path, frames: int = 24) -> Path:
    from tests.indexing.test_tracks import clip as write

    return write(path, [toy_scene([(0, 8 + 2 * n, 10), (1, 120 - 2 * n, 20)], seed=n) for n in range(frames)])


def test_a_file_is_stored_under_the_names_that_indexing_gives_and_a_second_time_nothing_is(
    tiny_searcher: PersonSearcher, tmp_path: Path
) -> None:
    path = clip(tmp_path / "walk.mkv")
    first = watch(tiny_searcher, [str(path)], tmp_path / "g")
    assert first.complete
    assert first.tracks > 0
    tracks = stored(tmp_path / "g")
    with Gallery.open(tmp_path / "g", mode="r") as gallery:
        assert all(name.startswith("walk.mkv#t=") for name in gallery.image_ids())
        assert gallery.scene(gallery.image_ids()[0]).extra["path"] == str(path)
    again = watch(tiny_searcher, [str(path)], tmp_path / "g")
    assert (again.tracks, again.known) == (0, first.tracks)
    assert stored(tmp_path / "g") == tracks


def test_a_file_that_was_ended_early_is_stored_as_a_whole_in_the_end(
    tiny_searcher: PersonSearcher, tmp_path: Path
) -> None:
    path = clip(tmp_path / "walk.mkv")
    stop = threading.Event()
    whole = tiny_searcher.detect

    def detect(images: list[np.ndarray], **named: object) -> object:
        stop.set()
        return whole(images, **named)

    tiny_searcher.detect = detect  # type: ignore[method-assign]
    cut = watch(tiny_searcher, [str(path)], tmp_path / "g", stop=stop, batch_size=4)
    assert cut.cameras[0].taken < 24
    tiny_searcher.detect = whole  # type: ignore[method-assign]
    watch(tiny_searcher, [str(path)], tmp_path / "g", batch_size=4)
    watch(tiny_searcher, [str(path)], tmp_path / "h", batch_size=4)
    assert stored(tmp_path / "g") == stored(tmp_path / "h")


def test_what_is_stored_otherwise_or_of_another_video_is_refused(
    tiny_searcher: PersonSearcher, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = clip(tmp_path / "walk.mkv", frames=6)
    tiny_searcher.index(path, tmp_path / "frames", progress=False)
    report = watch(tiny_searcher, [str(path)], tmp_path / "frames")
    assert report.cameras[0].refused is not None
    assert "frame by frame already" in report.cameras[0].refused
    watch(tiny_searcher, [str(path)], tmp_path / "g")
    clip(path, frames=8)
    report = watch(tiny_searcher, [str(path)], tmp_path / "g")
    assert "another video of this name already" in caplog.text
    assert not report.complete


@pytest.mark.parametrize(
    ("named", "error", "message"),
    [
        ({"cameras": []}, ConfigError, "there is no camera to watch"),
        ({"fps": 0.0}, ConfigError, "fps must be above 0"),
        ({"quiet": 0.0}, ConfigError, "quiet must be above 0"),
        ({"keep": -1.0}, ConfigError, "keep must be above 0"),
        ({"cameras": ["missing.mp4"]}, ImageError, "missing.mp4: no such file"),
        ({"cameras": ["missing.mp4", "webcam:0"], "keep": 60.0}, ConfigError, "its times are positions in the video"),
        (
            {"cameras": [Camera.of("a.mp4", start=1e9), "webcam:0"], "keep": 6e1},
            ConfigError,
            "begins longer ago",
        ),
        ({"alerts": ["Lena"]}, ConfigError, "is neither a picture nor a name"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(
    named: dict[str, object], error: type[Exception], message: str, tmp_path: Path
) -> None:
    feed = Feed(name="door", frames=footage(4))
    with pytest.raises(error, match=message):
        watch(Scripted(visits()), **{"cameras": [feed], "gallery": tmp_path / "g", **named})
    assert not (tmp_path / "g").exists()


def test_alerts_need_a_threshold(tmp_path: Path) -> None:
    (tmp_path / "0.jpg").touch()
    with pytest.raises(ConfigError, match="needs a calibration"):
        watch(Scripted(visits()), [Feed(name="d", frames=footage(4))], tmp_path / "g", alerts=[tmp_path / "0.jpg"])


def test_a_gallery_of_positions_is_not_erased_by_age(tmp_path: Path) -> None:
    watch(Scripted(visits((0, 0, 9))), [Feed(name="door", frames=footage(40))], tmp_path / "g")
    before = stored(tmp_path / "g")
    with pytest.raises(ConfigError, match="whose times are no dates but positions in videos"):
        watch(Scripted(visits()), [Feed(name="yard", frames=footage(40, start=1.7e9))], tmp_path / "g", keep=60.0)
    assert stored(tmp_path / "g") == before


def test_other_weights_are_refused(tmp_path: Path, tiny_searcher: PersonSearcher) -> None:
    watch(Scripted(visits()), [Feed(name="door", frames=footage(4))], tmp_path / "g")
    with pytest.raises(GalleryMismatchError):
        watch(tiny_searcher, [Feed(name="door", frames=footage(4))], tmp_path / "g")


class Deaf:
    """Takes no alert."""

    def __init__(self) -> None:
        self.delivered = self.failed = 0
        self.closed: list[float] = []

    def send(self, text: str) -> None:
        json.loads(text)
        self.failed += 1

    def close(self, wait: float) -> None:
        self.closed.append(wait)


def test_what_is_not_delivered_is_said(tmp_path: Path) -> None:
    (tmp_path / "0.jpg").touch()
    deaf = Deaf()
    report = watch(
        Scripted(visits((0, 0, 9))), [Feed(name="door", frames=footage(40))], tmp_path / "g",
        alerts=[tmp_path / "0.jpg"], min_similarity=0.8, deliveries=[deaf],
    )  # fmt: skip
    assert (report.alerts, report.undelivered, report.complete) == (1, 1, False)
    assert len(deaf.closed) == 1
    assert status_of(report).splitlines() == [
        "door: 40 frames looked at, 0 dropped",
        f"1 track stored in {report.scenes} scenes, 1 alert, 1 alert not delivered",
    ]


@needs_rtsp
def test_a_camera_that_is_killed_and_comes_back_is_stored_from_both_halves(
    tiny_searcher: PersonSearcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reading_module, "FIRST_PAUSE", 0.1)
    caplog.set_level("INFO", "personsearch")
    server, stop, reports = RtspServer(tmp_path / "pictures"), threading.Event(), list[WatchReport]()
    cameras = [f"door={server.url}", "yard=rtsp://127.0.0.1:1/cam", "webcam:77"]

    def run() -> None:
        from personsearch.live import cameras_of

        reports.append(watch(tiny_searcher, cameras_of(cameras), tmp_path / "g", timeout=3.0, fps=10, stop=stop))

    def wait_for(words: str, count: int = 1) -> None:
        for _ in range(1500):
            if caplog.text.count(words) >= count:
                return
            time.sleep(0.02)
        pytest.fail(f"{words!r} was not said within 30 s")

    thread = threading.Thread(target=run)
    thread.start()
    killed = 0.0
    try:
        wait_for("door: lost: connection refused")
        server.start()
        wait_for("door: back")
        time.sleep(1)
        server.kill()
        killed = time.time()
        wait_for("door: lost: it ended")
        server.codec = "vp8"  # the same camera comes back with other pictures in another codec
        server.start()
        wait_for("door: back", 2)
        time.sleep(1)
    finally:
        stop.set()
        thread.join(60)
        server.kill()
    [report] = reports
    door, yard, webcam = report.cameras
    assert door.connections == 2
    assert (yard.lost, webcam.lost) == ("connection refused", "no such file or directory")
    times = [(first, last) for camera, first, last, _ in stored(tmp_path / "g") if camera == "door"]
    assert min(first for first, _ in times) < killed < max(last for _, last in times)
    assert "secret" not in caplog.text
    with Gallery.open(tmp_path / "g", mode="r") as gallery:
        assert "secret" not in "".join(gallery.image_ids())
