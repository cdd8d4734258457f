"""People who were followed: stored whole or not at all, timed by their scenes, erased with their views."""

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from personsearch import Gallery
from personsearch.errors import GalleryCorruptError, GalleryError, GalleryMismatchError
from personsearch.gallery.faults import DATABASE
from personsearch.people import NewScene, NewTrack, NewView
from tests.gallery.toy import people, spec, unit_rows

CLIP = "clip.mp4#t="


def scene(name: str, count: int, time: float | None, camera: str | None = "door") -> NewScene:
    return NewScene(image_id=name, detections=people(count, count), camera=camera, time=time, extra={"path": "clip"})


def store(gallery: Gallery) -> None:
    """Two people: one of two views before the door from 10 s to 16 s, one of a single view."""
    scenes = [scene(f"{CLIP}2.000", 2, 12.0), scene(f"{CLIP}5.000", 1, 15.0)]
    long = NewTrack(
        views=(NewView(image_id=f"{CLIP}5.000", row=0, frames=30), NewView(image_id=f"{CLIP}2.000", row=1, frames=10)),
        first=10.0,
        last=16.0,
    )
    short = NewTrack(views=(NewView(image_id=f"{CLIP}2.000", row=0, frames=4),), first=11.5, last=12.25)
    gallery.tracks.add(scenes, [long, short], note=(CLIP, b"read to 16 s"))


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    gallery = Gallery.open(tmp_path / "g", spec())
    gallery.add("still.jpg", people(2, 7), camera="yard")
    store(gallery)
    return gallery


def test_tracks_are_what_was_stored(gallery: Gallery, tmp_path: Path) -> None:
    long, short = gallery.tracks.all()
    assert (long.camera, long.first, long.last, long.frames) == ("door", 10.0, 16.0, 40)
    assert (short.first, short.last, short.frames) == (11.5, 12.25, 4)
    assert [s.image_id for s in gallery.sightings(long.detection_ids)] == [f"{CLIP}5.000", f"{CLIP}2.000"]
    assert gallery.tracks.get(short.track_id) == short
    assert gallery.tracks.get(99) is None
    assert gallery.noted(CLIP) == b"read to 16 s"
    assert gallery.info().tracks == 2
    gallery.close()
    with Gallery.open(tmp_path / "g", mode="r") as reader:
        assert reader.tracks.all() == [long, short]
        assert reader.check() == []
        with pytest.raises(GalleryError, match="reading only"):
            reader.tracks.add([], [])


def test_matches_name_their_track(gallery: Gallery) -> None:
    long, short = gallery.tracks.all()
    matches = {match.detection_id: match for match in gallery.search(people(1, 1).embeddings[0], k=10)}
    assert {number: match.track for number, match in matches.items() if match.track is not None} == {
        **dict.fromkeys(long.detection_ids, long),
        **dict.fromkeys(short.detection_ids, short),
    }
    assert sum(match.track is None for match in matches.values()) == 2


def test_the_embedding_of_a_track_counts_views_by_their_frames(gallery: Gallery) -> None:
    long, _ = gallery.tracks.all()
    first, second = (gallery.embedding(number) for number in long.detection_ids)
    mean = 30 * first.astype(float) + 10 * second.astype(float)
    np.testing.assert_allclose(gallery.tracks.embedding(long.track_id), mean / np.linalg.norm(mean), atol=1e-6)
    with pytest.raises(GalleryError, match="there is no track 7"):
        gallery.tracks.embedding(7)


def test_the_times_of_a_track_follow_those_of_its_scenes(gallery: Gallery) -> None:
    for name, time in ((f"{CLIP}2.000", 1012.0), (f"{CLIP}5.000", 1015.0)):
        gallery.label(name, camera="gate", time=time)
    long, short = gallery.tracks.all()
    assert (long.camera, long.first, long.last) == ("gate", 1010.0, 1016.0)
    assert (short.first, short.last) == (1011.5, 1012.25)


def test_a_track_of_unknown_times(gallery: Gallery) -> None:
    views = (NewView(image_id="frame 1", row=0, frames=1),)
    gallery.tracks.add([scene("frame 1", 1, None, None)], [NewTrack(views=views)])
    track = gallery.tracks.all()[-1]
    assert (track.camera, track.first, track.last, track.frames) == (None, None, None, 1)


def test_erasing_a_scene_erases_its_views_and_a_track_with_its_last_one(gallery: Gallery) -> None:
    long, _ = gallery.tracks.all()
    gallery.remove([f"{CLIP}2.000"])
    [left] = gallery.tracks.all()
    assert left.track_id == long.track_id
    assert (left.detection_ids, left.frames) == (long.detection_ids[:1], 30)
    assert gallery.noted(CLIP) is None
    gallery.remove(before=100)
    assert gallery.tracks.all() == []
    store(gallery)
    assert [track.track_id for track in gallery.tracks.all()] == [3, 4]  # never reused
    assert gallery.check() == []


def test_versions_that_know_nothing_of_tracks_erase_them_too(gallery: Gallery, tmp_path: Path) -> None:
    gallery.close()
    with closing(sqlite3.connect(tmp_path / "g" / DATABASE)) as db, db:
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("DELETE FROM person WHERE image = 2")
        assert db.execute("SELECT COUNT(*) FROM track_view").fetchone() == (1,)


REFUSED = [
    (NewTrack(views=()), "has no view"),
    (NewTrack(views=(NewView(image_id="x", row=1, frames=1),)), "must be one of the people"),
    (NewTrack(views=(NewView(image_id="y", row=0, frames=1),)), "must be one of the people"),
    (NewTrack(views=(NewView(image_id="x", row=0, frames=0),)), "at least 1"),
    (NewTrack(views=(NewView(image_id="x", row=0, frames=1),) * 2), "a view of two tracks"),
    (NewTrack(views=(NewView(image_id="x", row=0, frames=1),), first=1.0), "both first and last"),
    (NewTrack(views=(NewView(image_id="x", row=0, frames=1),), first=2.0, last=1.0), "must not end"),
    (NewTrack(views=(NewView(image_id="x", row=0, frames=1),), first=float("nan"), last=1.0), "must not end"),
]


@pytest.mark.parametrize(("track", "message"), REFUSED)
def test_what_cannot_be_a_track_is_refused_before_anything_is_stored(
    gallery: Gallery, track: NewTrack, message: str
) -> None:
    with pytest.raises(GalleryError, match=message):
        gallery.tracks.add([scene("x", 1, 5.0)], [track])
    assert "x" not in gallery


def test_somebody_in_no_track_and_a_scene_that_is_there_are_refused(gallery: Gallery) -> None:
    with pytest.raises(GalleryError, match="a view of none"):
        gallery.tracks.add([scene("x", 1, 5.0)], [])
    view = NewView(image_id="x", row=0, frames=1)
    before = gallery.tracks.all()
    for name in ("still.jpg", f"{CLIP}2.000"):
        other = NewView(image_id=name, row=0, frames=1)
        with pytest.raises(GalleryMismatchError, match="stored already"):
            gallery.tracks.add([scene("x", 1, 5.0), scene(name, 1, 6.0)], [NewTrack(views=(view, other))])
        assert "x" not in gallery  # all or nothing
    with pytest.raises(GalleryError, match="ends in a number"):
        gallery.tracks.add([scene("x", 1, 5.0)], [NewTrack(views=(view,))], note=("x1", b""))
    assert gallery.tracks.all() == before


def test_a_changed_view_is_an_error(gallery: Gallery, tmp_path: Path) -> None:
    gallery.close()
    with closing(sqlite3.connect(tmp_path / "g" / DATABASE)) as db, db:
        db.execute("UPDATE track_view SET frames = 31 WHERE frames = 30")
    with Gallery.open(tmp_path / "g") as changed:
        [problem] = changed.check()
        assert "of track 1 differs from what was stored" in problem
        with pytest.raises(GalleryCorruptError, match="differs"):
            changed.tracks.all()
        with pytest.raises(GalleryCorruptError, match="differs"):
            changed.search(unit_rows(1, 16, 0)[0])


def test_nobody_has_such_an_id(gallery: Gallery) -> None:
    with pytest.raises(GalleryError, match="nobody has detection_id 99"):
        gallery.sightings([1, 99])
    assert gallery.sightings([]) == []
