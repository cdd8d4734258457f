"""``personsearch gallery`` on galleries that no network has filled."""

import json
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from personsearch import Gallery
from personsearch.gallery.faults import DATABASE
from personsearch.people import NewScene, NewTrack, NewView
from tests.gallery.toy import people, spec
from tests.support import Run


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    """Scenes 0.jpg to 3.jpg with no, one, two and three people, taken at 0 to 3 s."""
    with Gallery.open(tmp_path / "g", spec(revision="a1" * 20)) as opened:
        for number in range(4):
            opened.add(f"{number}.jpg", people(number, seed=number), time=float(number))
    return tmp_path / "g"


def flat(text: str) -> str:
    """Undo the terminal's line breaks."""
    return " ".join(text.split())


def test_info(run: Run, gallery: Path) -> None:
    with Gallery.open(gallery, mode="r") as opened:
        index = opened.info().index
    assert json.loads(run("gallery", "info", gallery, "--json").out) == {
        "images": 4,
        "people": 6,
        "weights": "toy",
        "revision": "a1" * 20,
        "fingerprint": "f" * 64,
        "embedding_size": 16,
        "index": index,
        "cameras": {},
        "timed": 4,
        "fast_decode": False,
        "tracks": 0,
        "persons": 0,
    }
    assert "a1" * 20 in run("gallery", "info", gallery).out


def test_info_without_a_revision_shows_none(run: Run, tmp_path: Path) -> None:
    Gallery.open(tmp_path / "g", spec()).close()
    shown = run("gallery", "info", tmp_path / "g").out
    assert "embedding size" in shown
    assert "revision" not in shown
    assert json.loads(run("gallery", "info", tmp_path / "g", "--json").out)["revision"] is None


def test_info_counts_tracks_and_people(run: Run, gallery: Path) -> None:
    assert f"not known yet; 'personsearch people {gallery}' groups them" in flat(run("gallery", "info", gallery).out)
    with Gallery.open(gallery) as opened:
        scene = NewScene(image_id="clip.mp4#t=0.000", detections=people(1, seed=9))
        opened.tracks.add([scene], [NewTrack(views=(NewView(image_id=scene.image_id, row=0, frames=7),))])
        opened.people.group(min_similarity=0.99)
    facts = json.loads(run("gallery", "info", gallery, "--json").out)
    assert (facts["people"], facts["tracks"], facts["persons"]) == (7, 1, 7)
    assert re.search(r"different people +7\b", run("gallery", "info", gallery).out)


def test_info_lists_the_cameras(run: Run, gallery: Path) -> None:
    with Gallery.open(gallery) as opened:
        opened.label("1.jpg", camera="yard")
        opened.label("2.jpg", camera="door")
        opened.label("3.jpg", camera="yard")
    assert json.loads(run("gallery", "info", gallery, "--json").out)["cameras"] == {"door": 1, "yard": 2}
    assert "door (1), yard (2)" in run("gallery", "info", gallery).out


def test_remove(run: Run, gallery: Path) -> None:
    done = run("gallery", "remove", gallery, "3.jpg", "none.jpg")
    assert (done.code, done.out) == (1, "1 scene erased\n")
    assert "not there: none.jpg" in done.err
    assert run("gallery", "remove", gallery, "--before", 2).out == "2 scenes erased\n"
    assert json.loads(run("gallery", "remove", gallery, "--before", 2, "--json").out) == {
        "erased": 0,
        "missing": [],
    }
    with Gallery.open(gallery, mode="r") as opened:
        assert opened.image_ids() == ["2.jpg"]


def test_a_videos_name_stands_for_its_frames(run: Run, gallery: Path) -> None:
    with Gallery.open(gallery) as opened:
        for name in ("clip.mp4#t=0.000", "clip.mp4#t=0.100", "clip.mp4x#t=0.000"):
            opened.add(name, people(1, 1))
    done = run("gallery", "remove", gallery, "clip.mp4", "0.jpg", "--json")
    assert (done.code, json.loads(done.out)) == (0, {"erased": 3, "missing": []})
    with Gallery.open(gallery, mode="r") as opened:
        assert opened.image_ids() == ["1.jpg", "2.jpg", "3.jpg", "clip.mp4x#t=0.000"]


def test_remove_says_what_is_missing_before_it_opens_the_gallery(run: Run, gallery: Path) -> None:
    with Gallery.open(gallery):  # which would be an error of its own
        wrong = run("gallery", "remove", gallery)
    assert wrong.code == 2
    assert "nothing to erase" in wrong.err


@pytest.mark.parametrize(
    "command", [("info",), ("check",), ("remove", "a.jpg"), ("rebuild",), ("rebuild", "--index", "exact"), ("rescue",)]
)
def test_a_folder_without_a_gallery_is_left_as_it_was(command: tuple[str, ...], run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"x")
    more = (tmp_path / "new",) if command[0] == "rescue" else command[1:]
    done = run("gallery", command[0], folder, *more)
    assert done.code == 2
    assert "there is no gallery here" in flat(done.err)
    assert os.listdir(folder) == ["a.jpg"]
    assert os.listdir(tmp_path) == ["photos"]


def test_rebuild_lists_the_kinds_of_index(run: Run, gallery: Path) -> None:
    assert run("gallery", "rebuild", gallery, "--index", "exact").out.startswith("exact")
    assert json.loads(run("gallery", "rebuild", gallery, "--json").out)["index"].startswith("exact")
    wrong = run("gallery", "rebuild", gallery, "--index", "hnsw")
    assert wrong.code == 2
    for word in ("hnsw", "auto", "exact", "ivf"):
        assert word in wrong.err
    assert "auto|exact|ivf" in run("gallery", "rebuild", "--help").out


def test_check_and_rescue(run: Run, gallery: Path, tmp_path: Path) -> None:
    assert run("gallery", "check", gallery).out == "all is well\n"
    assert json.loads(run("gallery", "check", gallery, "--json").out) == []
    with closing(sqlite3.connect(gallery / DATABASE)) as db, db:
        db.execute("UPDATE image SET image_id = '7.jpg' WHERE image_id = '3.jpg'")
    damaged = run("gallery", "check", gallery)
    assert (damaged.code, damaged.out) == (1, "")
    assert "problem:" in damaged.err
    as_json = run("gallery", "check", gallery, "--json")
    assert as_json.code == 1
    assert len(json.loads(as_json.out)) == 1
    saved = run("gallery", "rescue", gallery, tmp_path / "new")
    assert saved.code == 1
    assert "3 of 4 scenes saved, with 3 people" in flat(saved.out)
    assert "7.jpg" in saved.err
    assert run("gallery", "check", tmp_path / "new").out == "all is well\n"


def test_a_rescue_needs_a_new_or_an_empty_folder(run: Run, gallery: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for taken in (gallery, tmp_path / "file"):
        wrong = run("gallery", "rescue", gallery, taken)
        assert wrong.code == 2
        assert "is not an empty folder" in flat(wrong.err)
    (tmp_path / "empty").mkdir()
    report = json.loads(run("gallery", "rescue", gallery, tmp_path / "empty", "--json").out)
    assert report == {"saved": 4, "people": 6, "lost": [], "stored": 4, "left_out": 0}


def test_a_rescue_loads_no_weights_that_it_does_not_need(run: Run, gallery: Path, tmp_path: Path) -> None:
    assert run("gallery", "rescue", gallery, tmp_path / "one", "--weights", tmp_path / "missing").code == 0
    with closing(sqlite3.connect(gallery / DATABASE)) as db, db:
        db.execute("UPDATE meta SET value = 'toi' WHERE key = 'weights'")
    assert "name them (--weights)" in flat(run("gallery", "rescue", gallery, tmp_path / "two").err)
    wrong = run("gallery", "rescue", gallery, tmp_path / "two", "--weights", tmp_path / "missing")
    assert wrong.code == 2
    assert "missing" in wrong.err
    assert not (tmp_path / "two").exists()
