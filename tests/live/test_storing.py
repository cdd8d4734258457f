"""What was seen is stored whatever others do with the gallery; what waits is bounded, and what is lost is counted."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from personsearch import Gallery
from personsearch.errors import GalleryError, GalleryFullError, GalleryMismatchError
from personsearch.gallery.tracks import Tracks
from personsearch.live import storing
from personsearch.live.following import JPEG_QUALITY, Following, Piece
from personsearch.live.keeping import alert_path, picture_path, sweep_pictures, write_picture
from personsearch.live.reading import Shot
from personsearch.live.storing import Storer
from personsearch.pictures.matches import load_scene
from personsearch.pictures.saving import jpeg_bytes
from personsearch.results import Spec
from tests.live.support import marked
from tests.tracking.walks import DIM
from tests.tracking.walks import frame as walk

SPEC = Spec(name="toy", fingerprint="f" * 64, embedding_size=DIM)


def piece(start: float, *, frames: int = 8, people: int = 1, pictures: bool = False) -> Piece:
    """Return people who walked past the door from then on."""
    following = Following("door", pictures=pictures)
    pieces = []
    for number in range(frames):
        seconds = start + number / 4
        shot = Shot(image_id=f"door/{seconds:.3f}", seconds=seconds, picture=marked(number))
        pieces += following.take(shot, walk(seconds, {n: (100 * n + 100, 200) for n in range(people)}).detections)
    [only] = pieces + following.finish()
    return only


@pytest.fixture
def storer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Storer]]:
    monkeypatch.setattr(storing, "TURN", 0.1)
    monkeypatch.setattr(storing, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(storing, "LONGEST_PAUSE", 0.05)
    made: list[Storer] = []

    def make(**named: object) -> Storer:
        made.append(Storer(tmp_path / "g", SPEC, **named))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.close(0)


def until(done: Callable[[], bool]) -> None:
    """Wait for something that happens in another thread."""
    for _ in range(1000):
        if done():
            return
        time.sleep(0.02)
    pytest.fail("it did not happen within 20 s")


def content(folder: Path) -> list[str]:
    with Gallery.open(folder, mode="r") as gallery:
        assert gallery.check() == []
        return gallery.image_ids()


def test_pieces_are_stored_as_they_come_and_all_of_them_at_the_end(
    storer: Callable[..., Storer], tmp_path: Path
) -> None:
    one = storer()
    for start in (0, 100, 200):
        one.put(piece(start, people=2))
    one.close(10)
    assert (one.stored.tracks, one.stored.lost) == (6, 0)
    with Gallery.open(tmp_path / "g", mode="r") as gallery:
        assert [(track.camera, track.first, track.last, track.frames) for track in gallery.tracks.all()] == [
            ("door", start, start + 1.75, 8) for start in (0, 0, 100, 100, 200, 200)
        ]
        assert gallery.info().images == one.stored.scenes
        assert len(gallery) == one.stored.people


def test_a_piece_whose_scenes_are_there_already_is_counted_as_known(
    storer: Callable[..., Storer], tmp_path: Path
) -> None:
    one = storer()
    one.put(piece(0))
    one.put(piece(0))
    one.close(10)
    assert (one.stored.tracks, one.stored.known) == (1, 1)
    assert content(tmp_path / "g")


def test_watching_goes_on_while_another_process_writes_and_all_is_stored_afterwards(
    storer: Callable[..., Storer], tmp_path: Path
) -> None:
    Gallery.open(tmp_path / "g", SPEC).close()
    holder = (
        "import sys\nfrom personsearch import Gallery\nwith Gallery.open(sys.argv[1]):\n print(1, flush=True)\n input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, tmp_path / "g"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        other.stdout.readline()
        one = storer()
        one.put(piece(0))
        until(lambda: one.stored.trouble is not None)
        assert one.stored.trouble == "another process is writing to it"
        one.put(piece(100))
        other.stdin.write("\n")
        other.stdin.close()
        until(lambda: one.stored.tracks == 2)
        until(lambda: one.stored.trouble is None)
    assert len(content(tmp_path / "g")) == one.stored.scenes


def test_a_full_disk_holds_nothing_up_and_is_used_again_when_there_is_room(
    storer: Callable[..., Storer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "personsearch")
    whole = Tracks.add
    with monkeypatch.context() as patch:
        patch.setattr(Tracks, "add", lambda *_: (_ for _ in ()).throw(GalleryFullError("full")))
        one = storer()
        one.put(piece(0))
        until(lambda: one.stored.trouble == "the disk is full")
        one.put(piece(100))
    assert Tracks.add is whole
    until(lambda: one.stored.tracks == 2)
    one.close(10)
    assert caplog.text.count("nothing can be stored: the disk is full; trying again, watching goes on") == 1
    assert caplog.text.count("can be written to again") == 1


def test_a_disk_that_is_really_full_is_used_again_when_there_is_room(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "FIRST_PAUSE", 0.05)
    Gallery.open(small_disk / "g", SPEC).close()
    one = Storer(small_disk / "g", SPEC, pictures=True)
    one.start()
    padding = os.urandom(60_000)
    for start in range(0, 3000, 100):
        new = piece(start, pictures=True)
        one.put(replace(new, pictures={name: data + padding for name, data in new.pictures.items()}))
    until(lambda: one.stored.trouble is not None)
    assert one.stored.trouble == "the disk is full"
    assert one.stored.tracks < 30
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    until(lambda: one.stored.tracks == 30)
    one.close(10)
    assert (one.stored.lost, one.stored.trouble) == (0, None)
    names = content(small_disk / "g")
    assert {path for path in (small_disk / "g" / "pictures").rglob("*") if path.is_file()} == {
        picture_path(small_disk / "g", name) for name in names
    }


def test_what_waits_is_bounded_and_the_oldest_is_thrown_away_and_counted(
    storer: Callable[..., Storer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = piece(0, people=2)
    monkeypatch.setattr(storing, "MOST_WAITING", 2.5 * first.size)
    with Gallery.open(tmp_path / "g", SPEC):  # holds the lock
        one = storer()
        for start in (0, 100, 200, 300):
            one.put(piece(start, people=2))
        assert one.stored.lost == 4
    until(lambda: one.stored.tracks == 4)
    assert {name.partition("/")[2].partition(".")[0][0] for name in content(tmp_path / "g")} == {"2", "3"}


def test_what_cannot_be_stored_by_the_end_is_lost_and_counted(storer: Callable[..., Storer], tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "g", SPEC):
        one = storer()
        one.put(piece(0, people=3))
        one.close(0.2)
    assert (one.stored.tracks, one.stored.lost) == (0, 3)


def test_a_file_waits_for_room_and_nothing_of_it_is_thrown_away(
    storer: Callable[..., Storer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "MOST_WAITING", 2.5 * piece(0).size)
    one = storer()
    for start in range(0, 2000, 100):
        one.put(piece(start), patient=lambda: True)
    one.close(20)
    assert (one.stored.tracks, one.stored.lost) == (20, 0)


def test_what_the_gallery_refuses_is_thrown_away_after_some_tries(
    storer: Callable[..., Storer], tmp_path: Path
) -> None:
    bad = piece(0)
    one = storer()
    one.put(replace(bad, tracks=(replace(bad.tracks[0], first=float("nan")),)))
    one.put(piece(100))
    until(lambda: one.stored.tracks == 1)
    assert one.stored.lost == 1
    assert content(tmp_path / "g")


def test_other_weights_end_it(storer: Callable[..., Storer], tmp_path: Path) -> None:
    Gallery.open(tmp_path / "g", replace(SPEC, fingerprint="0" * 64)).close()
    one = storer()
    one.put(piece(0))
    until(lambda: one.fatal is not None)
    assert isinstance(one.fatal, GalleryMismatchError)


def test_a_fault_in_the_thread_ends_it_and_is_not_lost(
    storer: Callable[..., Storer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tracks, "add", lambda *_: 1 / 0)
    one = storer()
    one.put(piece(0))
    until(lambda: one.fatal is not None)
    assert isinstance(one.fatal, ZeroDivisionError)
    one.close(0)
    assert one.stored.lost == 1


def test_what_is_too_old_is_erased_with_its_pictures(storer: Callable[..., Storer], tmp_path: Path) -> None:
    now = [1000.0]
    one = storer(keep=48.0, pictures=True, clock=lambda: now[0])  # a pass every 2 s
    for start in (960, 980):
        one.put(piece(start, pictures=True))
    until(lambda: one.stored.tracks == 2)
    pictures = {picture_path(tmp_path / "g", name) for name in content(tmp_path / "g")}
    assert all(path.exists() for path in pictures)
    now[0] = 1020.0  # until 972 it is too old now
    until(lambda: one.stored.erased > 0)
    until(lambda: one.stored.pictures == one.stored.erased)
    left = content(tmp_path / "g")
    assert left
    assert all(float(name.partition("/")[2]) >= 980 for name in left)
    assert {path for path in pictures if path.exists()} == {picture_path(tmp_path / "g", name) for name in left}


def test_pictures_are_found_by_whoever_draws_matches(storer: Callable[..., Storer], tmp_path: Path) -> None:
    one = storer(pictures=True)
    one.put(piece(0, pictures=True))
    one.close(10)
    with Gallery.open(tmp_path / "g", mode="r") as gallery:
        [sighting] = gallery.sightings([1])
    assert sighting.extra["stored_with"] == 1
    assert load_scene(sighting).size == (8, 8)


def test_a_picture_that_cannot_be_stored_leaves_nothing_behind(
    storer: Callable[..., Storer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tracks, "add", lambda *_: (_ for _ in ()).throw(GalleryError("refused")))
    one = storer(pictures=True)
    one.put(piece(0, pictures=True))
    until(lambda: one.stored.lost == 1)
    assert not list((tmp_path / "g").rglob("*.jpg"))


def test_pictures_go_with_their_scenes_and_their_people_whoever_erases_them(tmp_path: Path) -> None:
    folder = tmp_path / "g"
    with Gallery.open(folder, SPEC) as gallery:
        scenes = {}
        for start in (0, 100, 200):
            new = piece(start, people=2, pictures=True)
            kept = [
                replace(
                    scene,
                    extra={
                        **write_picture(picture_path(folder, scene.image_id), b"jpeg"),
                        "stored_with": len(scene.detections),
                    },
                )
                for scene in new.scenes
            ]
            gallery.tracks.add(kept, new.tracks)
            scenes[start] = [scene.image_id for scene in kept]
        write_picture(alert_path(folder, "picture-a.jpg", "door/0.000"), b"old")
        write_picture(alert_path(folder, "person-77", "door/0.000"), b"of nobody")
        os.utime(alert_path(folder, "picture-a.jpg", "door/0.000"), (500, 500))
        assert sweep_pictures(gallery, before=400) == 0
        gallery.remove(scenes[0])
        gallery.people.group(min_similarity=0.99)
        gone = next(p for p in gallery.people.all() if p.first == 100)
        gallery.people.forget(gone.person_id)
        rows = [len(people) for people in gallery.scenes.people(scenes[100])]
        lost = [gallery.scene(name).extra["stored_with"] > left for name, left in zip(scenes[100], rows, strict=True)]
        swept = sweep_pictures(gallery, before=600)
    left = {path.name for path in (folder / "pictures").rglob("*.jpg")}
    assert {picture_path(folder, name).name for name in scenes[200]} <= left
    assert not {picture_path(folder, name).name for name in scenes[0]} & left
    assert 0 < sum(lost) < len(lost)
    assert swept == len(scenes[0]) + sum(lost) + 1
    assert not list((folder / "alerts").glob("*/*.jpg"))


@pytest.mark.parametrize(
    "image_id", ["door/2026-11-27T04:10:05.120Z", "walk.mp4#t=1.200", "door/walk.mp4#t=1.200-2", "ö %/5.000"]
)
def test_the_name_of_a_picture_says_which_scene_it_is_of(image_id: str, tmp_path: Path) -> None:
    with Gallery.open(tmp_path, SPEC) as gallery:
        gallery.add(image_id, walk(0.0, {}).detections)
        path = picture_path(tmp_path, image_id)
        write_picture(path, jpeg_bytes(Image.fromarray(marked(0)), JPEG_QUALITY))
        assert len(path.relative_to(tmp_path).parts) == 3
        assert sweep_pictures(gallery, before=None) == 0
        gallery.remove([image_id])
        assert sweep_pictures(gallery, before=None) == 1
        assert not path.exists()
