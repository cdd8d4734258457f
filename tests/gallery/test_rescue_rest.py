"""What a damaged gallery says beside its scenes is saved as far as it is intact: notes, tracks, people, decisions."""

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from personsearch import Gallery
from personsearch.errors import GalleryCorruptError, GalleryError
from personsearch.gallery import rescue
from personsearch.gallery.faults import DATABASE
from tests.gallery.people.test_people import ALIKE, filled, follow, groups


def known(gallery: Gallery) -> list[object]:
    """Everything that a gallery says beside its scenes."""
    people = gallery.people
    return [gallery.tracks.all(), people.all(), people.get(1), people.decisions(), gallery.sightings([1, 8])]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with filled(tmp_path / "g") as gallery:
        gallery.remove(["c.jpg"])  # so that the rescued gallery counts its detections differently
        follow(gallery, 11, 12)
        gallery.people.group(min_similarity=ALIKE)
        gallery.people.name(1, "Anna")
        gallery.people.split(1, detections=[3])
    return tmp_path / "g"


def damage(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path / DATABASE)) as db, db:
        db.execute(statement)


def test_a_whole_gallery_is_saved_whole(path: Path, tmp_path: Path) -> None:
    report = rescue(path, tmp_path / "new")
    assert (report.saved, report.lost, report.left_out) == (5, (), 0)
    with Gallery.open(path) as old, Gallery.open(tmp_path / "new") as new:
        assert new.check() == []
        assert [(p.person_id, p.name, p.by_hand, len(p.appearances)) for p in new.people.all()] == [
            (p.person_id, p.name, p.by_hand, len(p.appearances)) for p in old.people.all()
        ]
        [track], [was] = new.tracks.all(), old.tracks.all()
        assert (track.track_id, track.first, track.last, track.frames) == (
            was.track_id,
            was.first,
            was.last,
            was.frames,
        )
        assert new.noted("v.mp4#t=") == b"read"
        assert new.people.decisions() == old.people.decisions()
        for gallery in (old, new):
            while gallery.people.undo():
                pass
        assert [len(rows) for rows in groups(new).values()] == [len(rows) for rows in groups(old).values()]
        assert new.people.get(1) is not None
        follow(new, 14)
        assert new.tracks.all()[-1].track_id == 2  # ids go on where they were


DAMAGES = [
    ("UPDATE track_view SET frames = 6 WHERE rank = 1", 1),
    ("UPDATE belonging SET individual = 2 WHERE person = 1", 1),
    ("UPDATE individual SET name = 'Anne' WHERE id = 1", 1),
    ("UPDATE decision SET made = 0", 2),
    ("UPDATE decided SET individual = 2 WHERE person = 3", 2),
    ("UPDATE note SET content = x'00'", 1),
]


@pytest.mark.parametrize(("statement", "rows"), DAMAGES)
def test_damaged_rows_are_left_out_and_counted(path: Path, tmp_path: Path, statement: str, rows: int) -> None:
    damage(path, statement)
    report = rescue(path, tmp_path / "new")
    assert (report.saved, report.lost, report.left_out) == (5, (), rows)
    with Gallery.open(tmp_path / "new") as new:
        assert new.check() == []
        new.people.group()
        assert new.people.ungrouped == 0


def test_of_scenes_that_are_lost_nothing_is_said(path: Path, tmp_path: Path) -> None:
    damage(path, "UPDATE image SET width = 7 WHERE image_id = 'v.mp4#t=11.000'")
    report = rescue(path, tmp_path / "new")
    assert report.lost == ("v.mp4#t=11.000",)
    with Gallery.open(tmp_path / "new") as new:
        assert new.noted("v.mp4#t=") is None  # so that the video is not taken to be stored whole
        [track] = new.tracks.all()
        assert len(track.detection_ids) == 1
        assert new.check() == []


def test_no_changed_byte_gives_a_wrong_answer(path: Path, tmp_path: Path) -> None:
    with Gallery.open(path, mode="r") as gallery:
        truth = known(gallery)
    sound = (path / DATABASE).read_bytes()
    rng = np.random.default_rng(16)
    noticed = 0
    for number in range(150):
        at = int(rng.integers(100, len(sound)))
        (path / DATABASE).write_bytes(sound[:at] + bytes([sound[at] ^ (int(rng.integers(1, 256)))]) + sound[at + 1 :])
        try:
            with Gallery.open(path, mode="r") as gallery:
                assert known(gallery) == truth, f"byte {at} of try {number}"
        except (GalleryCorruptError, GalleryError):
            noticed += 1
    assert noticed
