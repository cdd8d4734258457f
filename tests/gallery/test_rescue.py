"""A damaged database is an error, never a wrong answer, and whatever is intact can be saved."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from personsearch import Gallery
from personsearch.errors import GalleryCorruptError, GalleryError
from personsearch.gallery import rescue
from personsearch.gallery.faults import DATABASE
from tests.gallery.toy import people, spec

SPEC = spec(revision="a1" * 20)
SCENES = 120
PAGE = 4096
QUERY = people(1, seed=4321).embeddings[0]


def name(number: int) -> str:
    return f"scene {number}.jpg"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "g"
    with Gallery.open(path, SPEC) as gallery:
        for number in range(SCENES):
            gallery.add(name(number), people(number % 6, seed=number), camera=f"c{number % 3}", time=float(number))
        gallery.remove([name(7)])
    return path


def answers(path: Path) -> list[object]:
    """What users see of a gallery."""
    with Gallery.open(path, SPEC, mode="r") as gallery:
        return [
            gallery.spec,
            gallery.search(QUERY, k=1000),
            gallery.search(QUERY, k=20, cameras=["c1"], since=30, until=90),
            gallery.search(QUERY, k=5, exclude_images=[name(11)], one_per_image=True),
            gallery.num_images,
            len(gallery),
        ]


def trouble(path: Path, expected: list[object]) -> str | None:
    """The error that a gallery raises when it is used; None where it answers, which must be correctly."""
    try:
        given = answers(path)
    except GalleryError as error:
        return str(error)
    assert given == expected
    return None


def checked(path: Path) -> list[str]:
    try:
        with Gallery.open(path, mode="r") as gallery:
            return gallery.check()
    except GalleryCorruptError as error:
        return [str(error)]


def copy(sound: Path, to: Path, *, with_cache: bool) -> Path:
    shutil.copytree(sound, to)
    if not with_cache:
        shutil.rmtree(to / "index")
    return to


def test_a_damaged_page_is_reported_with_what_to_do_and_the_rest_is_saved(sound: Path, tmp_path: Path) -> None:
    size = (sound / DATABASE).stat().st_size
    reported = mostly_saved = 0
    for page in range(1, size // PAGE):
        path = copy(sound, tmp_path / str(page), with_cache=False)
        data = bytearray((path / DATABASE).read_bytes())
        data[page * PAGE : (page + 1) * PAGE] = bytes(byte ^ 0xFF for byte in data[page * PAGE : (page + 1) * PAGE])
        (path / DATABASE).write_bytes(data)
        error = trouble(path, answers(sound))
        if error is not None:
            reported += 1
            assert DATABASE in error
            assert f"personsearch gallery rescue {path} " in error
        report = rescue(path, tmp_path / f"new {page}", SPEC)
        mostly_saved += report.saved > 0.4 * SCENES
        assert report.saved < SCENES
        if checked(path) == []:
            assert report.saved == SCENES - 1
        with Gallery.open(tmp_path / f"new {page}", SPEC) as new:
            assert new.check() == []
            assert new.num_images == report.saved
            assert len(new) == report.people
            for number in range(SCENES):
                if name(number) in new:  # False: stored already, with the same content
                    scene = people(number % 6, seed=number)
                    assert not new.add(name(number), scene, camera=f"c{number % 3}", time=float(number))
    assert reported >= 5
    assert mostly_saved >= 0.8 * (size // PAGE - 1)  # all pages but the roots of the two tables


def test_the_rescue_names_what_is_lost(sound: Path, tmp_path: Path) -> None:
    path = copy(sound, tmp_path / "g", with_cache=False)
    secret = people(5, seed=53).embeddings[2].astype(np.float16).tobytes()
    data = (path / DATABASE).read_bytes()
    assert data.count(secret) == 1
    (path / DATABASE).write_bytes(data.replace(secret, bytes(len(secret))))
    with Gallery.open(path, mode="r") as gallery:
        [problem] = gallery.check()
        assert "differs from what was stored" in problem
        with pytest.raises(GalleryCorruptError, match="differs from what was stored"):
            gallery.search(QUERY)
    report = rescue(path, tmp_path / "new")
    assert report.lost == (name(53),)
    assert report.saved == SCENES - 2
    with pytest.raises(GalleryError, match="there is a gallery here already"):
        rescue(path, tmp_path / "new")
    with pytest.raises(GalleryError, match="there is no gallery here"):
        rescue(tmp_path / "nowhere", tmp_path / "other")


def test_nothing_can_be_saved(tmp_path: Path) -> None:
    (tmp_path / "g").mkdir()
    (tmp_path / "g" / DATABASE).write_bytes(b"not a database" * 1000)
    with pytest.raises(GalleryCorruptError, match="which weights it was made with cannot be read any more"):
        rescue(tmp_path / "g", tmp_path / "new")


def test_the_rescued_gallery_names_the_same_weights(sound: Path, tmp_path: Path) -> None:
    rescue(sound, tmp_path / "whole", spec(fingerprint="0" * 64))  # not needed, so not used
    with Gallery.open(tmp_path / "whole", mode="r") as new:
        assert new.spec == SPEC
    path = copy(sound, tmp_path / "g", with_cache=False)
    with closing(sqlite3.connect(path / DATABASE)) as db, db:
        db.execute("UPDATE meta SET value = 'b1' || substr(value, 3) WHERE key = 'revision'")
    with pytest.raises(GalleryCorruptError, match="the revision of its weights has changed"):
        Gallery.open(path)
    assert rescue(path, tmp_path / "new").saved == SCENES - 1
    with Gallery.open(tmp_path / "new", mode="r") as new:
        assert new.spec == spec()


def test_weights_that_cannot_be_read_are_those_given(sound: Path, tmp_path: Path) -> None:
    path = copy(sound, tmp_path / "g", with_cache=False)
    with closing(sqlite3.connect(path / DATABASE)) as db, db:
        db.execute("UPDATE meta SET value = 'toi' WHERE key = 'weights'")
    with pytest.raises(GalleryCorruptError, match="name them"):
        rescue(path, tmp_path / "new")
    assert rescue(path, tmp_path / "new", SPEC).saved == SCENES - 1
    with Gallery.open(tmp_path / "new", mode="r") as new:
        assert new.spec == SPEC


def fuzz(sound: Path, tmp_path: Path, times: int) -> tuple[int, int]:
    """Change bytes anywhere; return how often users got an error, and how often the right answers."""
    rng = np.random.default_rng(times)
    expected = answers(sound)
    reported = harmless = 0
    for number in range(times):
        path = copy(sound, tmp_path / str(number), with_cache=bool(number % 2))
        victims = sorted(file for file in path.rglob("*") if file.is_file() and file.stat().st_size)
        victim = path / DATABASE if rng.random() < 0.7 else victims[rng.integers(len(victims))]
        data = bytearray(victim.read_bytes())
        if rng.random() < 0.1:
            del data[rng.integers(len(data)) :]
        else:
            for position in rng.integers(len(data), size=rng.choice([1, 3, 30, 300])):
                data[position] ^= 1 << int(rng.integers(8))
        victim.write_bytes(data)
        error = trouble(path, expected)
        reported += error is not None
        harmless += error is None
        assert error is None or str(path) in error
        try:
            rescue(path, tmp_path / f"new {number}")
        except GalleryError:
            continue
        with Gallery.open(tmp_path / f"new {number}", SPEC) as new:
            assert new.check() == []
            for scene_number in range(SCENES):
                if name(scene_number) in new:
                    scene = people(scene_number % 6, seed=scene_number)
                    assert not new.add(
                        name(scene_number), scene, camera=f"c{scene_number % 3}", time=float(scene_number)
                    )
        shutil.rmtree(path)
        shutil.rmtree(tmp_path / f"new {number}")
    return reported, harmless


def test_no_change_of_bytes_gives_a_wrong_answer(sound: Path, tmp_path: Path) -> None:
    reported, harmless = fuzz(sound, tmp_path, 40)
    assert reported > 10
    assert harmless > 5


@pytest.mark.slow
def test_no_change_of_bytes_gives_a_wrong_answer_many_times(sound: Path, tmp_path: Path) -> None:
    fuzz(sound, tmp_path, 500)
