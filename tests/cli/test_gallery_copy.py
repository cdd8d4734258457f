"""``personsearch gallery copy``."""

import json
from pathlib import Path

import pytest

from personsearch import Gallery
from tests.gallery import toy
from tests.gallery.people.test_people import ALIKE, filled, follow
from tests.support import Run


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    with Gallery.open(tmp_path / "source", toy.spec()) as opened:
        for number in range(12):
            opened.add(f"{number}.jpg", toy.people(2, seed=number), camera="door", time=float(number))
    return tmp_path / "source"


def flat(text: str) -> str:
    """Undo the terminal's line breaks."""
    return " ".join(text.split())


def test_a_copy_says_what_was_done_and_that_all_is_there(run: Run, gallery: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    done = run("gallery", "copy", gallery, other)
    assert (done.code, done.err) == (0, "")
    assert flat(done.out) == (
        f"12 scenes copied now, 0 there already 12 scenes and 24 people compared: {other} has them all, bit for bit "
        "detection_ids may be others in the copy; image_ids are the same"
    )
    with Gallery.open(gallery) as opened:
        opened.remove(["0.jpg"])
        opened.label("1.jpg", camera="yard")
    done = run("gallery", "copy", gallery, other)
    assert done.code == 0
    assert flat(done.out) == (
        "0 scenes copied now, 10 there already, 1 given the source's camera and time "
        f"11 scenes and 22 people compared: {other} has them all, bit for bit 1 scene of {other} only, left as they are"
    )


def test_differences_are_listed_and_make_the_status_1(run: Run, gallery: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with Gallery.open(other, toy.spec()) as opened:
        for number in range(11):
            opened.add(f"{number}.jpg", toy.people(1, seed=99))
    done = run("gallery", "copy", gallery, other)
    assert done.code == 1
    assert "1 scene copied now, 0 there already, 11 refused: other content under the same name" in flat(done.out)
    assert f"12 scenes and 24 people compared with those of {other}: 11 differences" in flat(done.err)
    assert "differs: 0.jpg: camera 'door' there None, time 0.0 there None, number of people 2 there 1" in flat(done.err)
    assert done.err.count("differs:") == 10
    assert "... and 1 more" in done.err


def test_verify_only_writes_nothing(run: Run, gallery: Path, tmp_path: Path) -> None:
    done = run("gallery", "copy", gallery, tmp_path / "none", "--verify-only")
    assert done.code == 2
    assert "there is no gallery" in flat(done.err)
    with Gallery.open(tmp_path / "other", toy.spec()):
        pass
    done = run("gallery", "copy", gallery, tmp_path / "other", "--verify-only", "--json")
    report = json.loads(done.out)
    assert done.code == 1
    assert (report["copied"], report["num_differences"], report["differences"][0]) == (0, 12, "0.jpg: is not there")
    with Gallery.open(tmp_path / "other", mode="r") as opened:
        assert opened.num_images == 0


def test_what_only_folders_have_is_named(run: Run, tmp_path: Path) -> None:
    with filled(tmp_path / "known") as opened:
        follow(opened, 11, 12)
        opened.people.group(min_similarity=ALIKE)
        people = len(opened.people.all())
    done = run("gallery", "copy", tmp_path / "known", tmp_path / "new")
    assert done.code == 0
    assert f"with 1 track, {people} grouped people" in flat(done.out)
    pytest.importorskip("lance")
    done = run("gallery", "copy", tmp_path / "known", f"lance://{tmp_path / 'lance'}")
    assert done.code == 0
    assert f"left behind: 1 track, {people} grouped people" in flat(done.err)
