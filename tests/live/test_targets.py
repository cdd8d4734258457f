"""Who is looked for: by name, by number, by picture; merged, renamed and forgotten meanwhile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from personsearch import Gallery
from personsearch.errors import ConfigError
from personsearch.live.targets import read_again, targets_of
from tests.live.support import Scripted
from tests.tracking.walks import frame as walk
from tests.tracking.walks import looks

SEARCHER = Scripted(lambda _: {})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a gallery of Lena (1), Otto (2) and somebody without a name (3), three scenes of each."""
    with Gallery.open(tmp_path / "g", SEARCHER.spec) as gallery:
        for number in range(3):
            for person in range(3):
                gallery.add(f"{person}-{number}.jpg", walk(number, {person: (100, 200)}).detections)
        gallery.people.group(min_similarity=0.5)
        by_row = {one.detection_ids[0]: one.person_id for one in gallery.people.all()}
        assert by_row == {1: 1, 2: 2, 3: 3}
        gallery.people.name(1, "Lena")
        gallery.people.name(2, "Otto")
    return tmp_path / "g"


def test_by_name_by_number_and_by_picture(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "1.jpg").touch()
    lena, third, picture = targets_of([" Lena ", "person:3", tmp_path / "1.jpg"], SEARCHER, folder)
    assert [(one.number, one.label, one.person_id) for one in (lena, third, picture)] == [
        (0, "Lena", 1), (1, "person 3", 3), (2, "1.jpg", None),
    ]  # fmt: skip
    for target, person in ((lena, 0), (third, 2), (picture, 1)):
        assert target.embedding @ looks(person) > 0.95
        assert np.linalg.norm(target.embedding) == pytest.approx(1, abs=1e-3)
    assert [one.key for one in (lena, third, picture)] == ["person-1", "person-3", "picture-1.jpg"]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("Anna", r"--alert Anna: is neither a picture nor a name in .*, where Lena, Otto have a name"),
        ("person:9", "--alert person:9: nobody in .* has this number"),
        ("missing.jpg", "is neither a picture nor a name"),
    ],
)
def test_who_is_not_there_is_refused(wanted: str, message: str, folder: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        targets_of([wanted], SEARCHER, folder)


def test_without_a_gallery_pictures_alone_can_be_looked_for(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").touch()
    [target] = targets_of([tmp_path / "1.jpg"], SEARCHER, tmp_path / "none")
    assert read_again([target], tmp_path / "none") == ([target], [])
    with pytest.raises(ConfigError, match="where nobody has a name; give a picture"):
        targets_of(["Lena"], SEARCHER, tmp_path / "none")


def test_who_is_renamed_is_looked_for_under_the_new_name(folder: Path) -> None:
    targets = targets_of(["Lena", "person:3"], SEARCHER, folder)
    with Gallery.open(folder) as gallery:
        gallery.people.name(1, "Lena M.")
        gallery.people.name(3, "Uli")
    left, gone = read_again(targets, folder)
    assert [one.label for one in left] == ["Lena M.", "Uli"]
    assert gone == []


def test_who_is_merged_with_another_is_that_one(folder: Path) -> None:
    targets = targets_of(["Lena"], SEARCHER, folder)
    with Gallery.open(folder) as gallery:
        gallery.people.merge([3, 1])
    [lena], gone = read_again(targets, folder)
    assert (lena.label, lena.person_id, lena.number) == ("Lena", 3, 0)
    assert gone == []
    assert lena.embedding @ looks(2) > 0.5


def test_who_is_forgotten_is_looked_for_no_longer(folder: Path) -> None:
    targets = targets_of(["Lena", "Otto"], SEARCHER, folder)
    with Gallery.open(folder) as gallery:
        gallery.people.forget(1)
    left, gone = read_again(targets, folder)
    assert [one.label for one in left] == ["Otto"]
    assert [one.label for one in gone] == ["Lena"]
    assert left[0].number == 1
