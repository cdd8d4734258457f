"""Videos into a gallery as tracks: what is stored, that it continues where it was killed, and what is refused."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from personsearch import Gallery, PersonSearcher
from personsearch.errors import ConfigError, ImageError
from personsearch.gallery.tracks import Tracks
from personsearch.indexing import tracks as indexing_tracks
from personsearch.pictures.video import Frame, Video, frame_of
from personsearch.results import Detections, IndexReport
from personsearch.runner import Runner
from tests.support import toy_scene

RATE = 5


def clip(path: Path, pictures: list[Image.Image]) -> Path:
    """Write pictures as a video without loss, five a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = *pictures[0].size, "bgr0"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")))
        container.mux(stream.encode())
    return path


def walk(path: Path, frames: int = 12, seed: int = 0) -> Path:
    """Write a video in which two stick people walk."""
    return clip(path, [toy_scene([(0, 8 + 2 * n, 10), (1, 120 - 2 * n, 20)], seed=seed + n) for n in range(frames)])


Index = Callable[..., IndexReport]


@pytest.fixture
def index(tiny_searcher: PersonSearcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """Index as tracks with a network of random weights, whose tracks are cut every five frames."""
    monkeypatch.setattr(indexing_tracks, "MAX_FRAMES", 5)

    def call(source: Path, gallery: str = "g", **named: Any) -> IndexReport:
        return tiny_searcher.index(source, tmp_path / gallery, progress=False, **{"tracks": True, **named})

    return call


def content(folder: Path) -> tuple[Any, ...]:
    """Return all that a gallery holds, ids included."""
    with Gallery.open(folder, mode="r") as gallery:
        assert gallery.check() == []
        tracks = gallery.tracks.all()
        ids = [one for track in tracks for one in track.detection_ids]
        return (
            [gallery.scene(name) for name in gallery.image_ids()],
            tracks,
            gallery.sightings(ids),
            [gallery.tracks.embedding(track.track_id).tobytes() for track in tracks],
        )


def test_a_gallery_holds_the_best_views_of_each_track_and_only_their_frames(index: Index, tmp_path: Path) -> None:
    video = walk(tmp_path / "walk.mkv")
    report = index(video, cameras={"walk.mkv": "door"}, times={"walk.mkv": 100.0})
    assert report.complete
    frames, tracks, sightings, _ = content(tmp_path / "g")
    assert (report.added, report.people, report.tracks) == (len(frames), len(sightings), len(tracks))
    assert 0 < report.added <= 12
    assert {scene.camera for scene in frames} == {"door"}
    for track in tracks:
        views = [one for one in sightings if one.track == track]
        assert 1 <= len(views) <= 3
        assert track.frames >= len(views)
        assert 100 <= track.first <= min(one.time for one in views)
        assert max(one.time for one in views) <= track.last <= 100 + 12 / RATE
    # Everybody who is detected belongs to a track: nobody is dropped, however short the look.
    everybody = index(video, "every-frame", tracks=False).people
    assert sum(track.frames for track in tracks) == everybody
    assert report.people < everybody


def test_a_match_says_which_track_it_belongs_to(index: Index, tmp_path: Path, tiny_searcher: PersonSearcher) -> None:
    index(walk(tmp_path / "walk.mkv"))
    with Gallery.open(tmp_path / "g", mode="r") as gallery:
        track = gallery.tracks.all()[0]
        best = gallery.search(gallery.tracks.embedding(track.track_id), k=1)[0]
        assert best.track in gallery.tracks.all()
        assert best.detection_id in best.track.detection_ids


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count the videos that are decoded."""
    paths: list[str] = []
    frames = Video.__iter__

    def counted(video: Video) -> Iterator[Frame]:
        paths.append(Path(video.path).name)
        return frames(video)

    monkeypatch.setattr(Video, "__iter__", counted)
    return paths


def test_what_was_read_to_its_end_is_not_decoded_again(index: Index, tmp_path: Path, read: list[str]) -> None:
    video = walk(tmp_path / "walk.mkv")
    first = index(video)
    before = content(tmp_path / "g")
    again = index(video)
    assert read == ["walk.mkv"]
    assert (again.added, again.skipped, again.tracks, again.complete) == (0, first.added, 0, True)
    assert content(tmp_path / "g") == before


def test_cameras_and_times_given_later_move_the_tracks(index: Index, tmp_path: Path) -> None:
    video = walk(tmp_path / "walk.mkv")
    added = index(video).added
    _, before, _, _ = content(tmp_path / "g")
    report = index(video, cameras={"walk.mkv": "yard"}, times={"walk.mkv": 50.0})
    assert (report.labelled, report.unmatched) == (added, ())
    _, after, _, _ = content(tmp_path / "g")
    assert {track.camera for track in after} == {"yard"}
    moved = [(new.first - old.first, new.last - old.last) for old, new in zip(before, after, strict=True)]
    assert np.allclose(moved, 50, atol=2e-3)
    assert index(video, cameras={"walk.mkv": "yard"}, times={"walk.mkv": 50.0}).labelled == 0
    assert index(video, times={"nothing.mkv": 1.0}).unmatched == ("nothing.mkv",)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ({"tracks": False}, {}, "holds this video frame by frame already; index it without --tracks"),
        ({}, {"tracks": False}, "holds this video as tracks already; index it with --tracks"),
        ({"every": 2}, {"every": 3}, "holds tracks of this video already, in which every=2 was used, not 3"),
    ],
)
def test_what_is_stored_otherwise_is_refused_until_it_is_replaced(
    first: dict[str, Any], second: dict[str, Any], message: str, index: Index, tmp_path: Path
) -> None:
    video = walk(tmp_path / "walk.mkv")
    index(video, **first)
    before = content(tmp_path / "g")
    [(name, reason)] = index(video, **second).failed
    assert name == "walk.mkv"
    assert message in reason
    assert "--replace" in reason
    assert content(tmp_path / "g") == before
    report = index(video, replace=True, **second)
    assert report.complete
    index(video, "fresh", **second)

    def shown(folder: str) -> list[Any]:
        return [(one.image_id, one.box, one.score) for one in content(tmp_path / folder)[2]]

    assert shown("g") == shown("fresh")
    assert report.added > 0


def test_another_video_of_the_same_name_and_one_that_was_erased_in_part(index: Index, tmp_path: Path) -> None:
    video = walk(tmp_path / "walk.mkv")
    index(video)
    with Gallery.open(tmp_path / "g") as gallery:
        gallery.remove([gallery.image_ids()[0]])
    [(_, reason)] = index(video).failed
    assert "not how far it was read, because some of what it showed was erased since" in reason
    assert index(video, replace=True).complete
    walk(video, seed=99)
    [(_, reason)] = index(video).failed
    assert "holds other content under the name 'walk.mkv' already" in reason
    assert index(video, replace=True).complete


def test_who_was_forgotten_does_not_come_back(index: Index, tmp_path: Path) -> None:
    video = walk(tmp_path / "walk.mkv")
    index(video)
    with Gallery.open(tmp_path / "g") as gallery:
        gallery.people.group(min_similarity=0.99)
        gone = gallery.people.all()[0]
        gallery.people.forget(gone.person_id)
        left = gallery.info().people
    assert index(video).complete
    with Gallery.open(tmp_path / "g", mode="r") as gallery:
        assert gallery.info().people == left
        assert not {one for track in gallery.tracks.all() for one in track.detection_ids} & set(gone.detection_ids)


def test_pictures_are_indexed_as_ever_and_crops_are_refused(index: Index, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    toy_scene([(0, 10, 10)]).save(folder / "still.png")
    (folder / "notes.txt").write_text("x")
    walk(folder / "walk.mkv", frames=6)
    report = index(folder, cameras={"still.png": "a", "walk.mkv": "b", "gone.png": "c"})
    assert (report.unmatched, report.passed_over) == (("gone.png",), {".txt": 1})
    with Gallery.open(tmp_path / "g", mode="r") as gallery:
        names = gallery.image_ids()
        [*_] = gallery.tracks.all()
        assert names[0] == "still.png"
        assert all(frame_of(name) is not None for name in names[1:])
        assert gallery.info().cameras == {"a": 1, "b": len(names) - 1}
    with pytest.raises(ConfigError, match="not both"):
        index(folder, crops=True)


def test_damage_and_frames_that_fail_are_reported_now_and_later(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = walk(tmp_path / "walk.mkv", frames=24)
    data = bytearray(video.read_bytes())
    data[len(data) // 2 :] = data[len(data) // 2 : -len(data) // 5]
    video.write_bytes(data)
    first = index(video)
    assert [name for name, _ in first.damaged] == ["walk.mkv"]
    assert first.tracks > 0
    again = index(video)
    assert (again.damaged, again.skipped) == (first.damaged, first.added)

    pictures = Video.__iter__

    def some_fail(clip: Video) -> Iterator[Frame]:
        def fails() -> Image.Image:
            raise ImageError("cannot be converted")

        for number, frame in enumerate(pictures(clip)):
            yield Frame(frame.seconds, frame.repeat, fails if number == 3 else frame.image)

    monkeypatch.setattr(Video, "__iter__", some_fail)
    whole = walk(tmp_path / "whole.mkv")
    report = index(whole)
    assert report.failed == (("whole.mkv#t=0.600", "cannot be converted"),)
    assert index(whole).failed == report.failed
    (tmp_path / "no.mkv").write_bytes(b"no video")
    [(name, _)] = index(tmp_path / "no.mkv").failed
    assert name == "no.mkv"


def test_a_run_that_fails_in_the_middle_continues_behind_the_last_piece(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = walk(tmp_path / "walk.mkv", frames=18)
    index(video, "whole", batch_size=4)
    add = Tracks.add
    for last in (0, 2):
        calls = []

        def fails(tracks: Tracks, *given: Any, last: int = last, calls: list[int] = calls, **named: Any) -> None:
            if len(calls) > last:
                raise RuntimeError("killed")
            calls.append(1)
            add(tracks, *given, **named)

        monkeypatch.setattr(Tracks, "add", fails)
        with pytest.raises(RuntimeError, match="killed"):
            index(video, f"g{last}", batch_size=4)
        monkeypatch.setattr(Tracks, "add", add)
        index(video, f"g{last}", batch_size=4)
        assert content(tmp_path / f"g{last}") == content(tmp_path / "whole")


CHILD = """
import sys
import torch
from personsearch import PersonSearcher
from personsearch.indexing import tracks as indexing_tracks
torch.set_num_threads(1)
indexing_tracks.MAX_FRAMES = 7
searcher = PersonSearcher.from_pretrained(sys.argv[1], device="cpu")
print("begins", flush=True)
report = searcher.index(sys.argv[2], sys.argv[3], tracks=True, batch_size=2, progress=False)
assert report.complete, report
"""


@pytest.mark.parametrize("times", [1, pytest.param(12, marks=pytest.mark.slow)])
def test_a_gallery_is_the_same_however_often_the_run_was_killed(
    times: int, tiny_searcher: PersonSearcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tiny_searcher.save_pretrained(tmp_path / "weights")
    video = walk(tmp_path / "walk.mkv", frames=40)
    monkeypatch.setattr(indexing_tracks, "MAX_FRAMES", 7)
    searcher = PersonSearcher.from_pretrained(weights, device="cpu")
    searcher.index(video, tmp_path / "whole", tracks=True, batch_size=2, progress=False)
    chance = random.Random(4)  # noqa: S311
    killed = 0
    for _ in range(times + 30):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, weights, video, tmp_path / "g"], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "begins\n"
        if killed < times:
            time.sleep(chance.uniform(0.05, 0.6))
            child.send_signal(signal.SIGKILL)
        child.communicate(timeout=120)
        if child.returncode == 0:
            break
        assert child.returncode == -signal.SIGKILL
        killed += 1
    assert child.returncode == 0
    assert killed > 0
    assert content(tmp_path / "g") == content(tmp_path / "whole")


def test_a_video_that_shows_nobody_is_read_once(
    index: Index, tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(runner: Runner, prepared: Any, settings: Any) -> Iterator[Any]:
        none = np.zeros((0, 4), np.float32)
        size = runner.network.config.embedding_size
        for tag, ready in prepared:
            yield (
                tag,
                Detections(
                    boxes=none,
                    scores=none[:, 0],
                    embeddings=np.zeros((0, size), np.float32),
                    image_size=ready.canvas.image_size,
                ),
            )

    monkeypatch.setattr(Runner, "detect_tagged", nobody)
    monkeypatch.setattr(indexing_tracks, "QUIET_FRAMES", 5)
    video = walk(tmp_path / "walk.mkv", frames=12)
    for _ in range(2):
        report = index(video)
        assert (report.added, report.skipped, report.tracks, report.complete) == (0, 0, 0, True)
    assert read == ["walk.mkv"]
