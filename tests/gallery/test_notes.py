"""What is noted about scenes is kept as long as all of them are, and is erased as thoroughly as they are."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from personsearch import Gallery
from personsearch.errors import GalleryCorruptError, GalleryError
from personsearch.results import Detections, Spec

SPEC = Spec(name="w", revision=None, fingerprint="f" * 64, embedding_size=4)
SECRET = b"which frames the clip has"


def detections(value: float = 1) -> Detections:
    one = np.array([[value, 0, 0, 0]], np.float32) / abs(value)
    return Detections(
        boxes=np.array([[1, 1, 5, 9]], np.float32),
        scores=np.array([0.5], np.float32),
        embeddings=one,
        image_size=(10, 20),
    )


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    gallery = Gallery.open(tmp_path / "g", SPEC)
    for name in ("a.mp4#t=0.000", "a.mp4#t=0.000-2", "a.mp4#t=7.250", "b.mp4#t=0.000", "a.mp4", "a.mp4#t=x"):
        gallery.add(name, detections(), time=9.0 if name.startswith("a") else 20.0)
    gallery.note("a.mp4#t=", SECRET)
    gallery.note("b.mp4#t=", b"other")
    return gallery


def test_a_note_is_kept_replaced_and_read_by_others(gallery: Gallery, tmp_path: Path) -> None:
    assert gallery.noted("a.mp4#t=") == SECRET
    assert gallery.noted("a.mp4#") is None
    gallery.note("b.mp4#t=", b"new")
    gallery.close()
    with Gallery.open(tmp_path / "g", mode="r") as reader:
        assert reader.noted("b.mp4#t=") == b"new"
        assert reader.check() == []
        with pytest.raises(GalleryError, match="read"):
            reader.note("b.mp4#t=", b"")
    with Gallery.open(tmp_path / "empty", SPEC) as empty:
        assert empty.noted("a.mp4#t=") is None


CHANGES: list[Callable[[Gallery], object]] = [
    lambda gallery: gallery.remove(["a.mp4#t=7.250"]),
    lambda gallery: gallery.remove(["a.mp4#t=0.000-2"]),
    lambda gallery: gallery.remove(before=10),
    lambda gallery: gallery.add("a.mp4#t=0.000", detections(-1), time=9.0, replace=True),
]


@pytest.mark.parametrize("change", CHANGES)
def test_with_one_scene_its_note_is_erased_from_the_file(
    change: Callable[[Gallery], object], gallery: Gallery, tmp_path: Path
) -> None:
    assert any(SECRET in path.read_bytes() for path in (tmp_path / "g").glob("gallery.sqlite*"))
    change(gallery)
    assert gallery.noted("a.mp4#t=") is None
    assert gallery.noted("b.mp4#t=") == b"other"
    gallery.close()
    assert not any(SECRET in path.read_bytes() for path in (tmp_path / "g").glob("gallery.sqlite*"))


@pytest.mark.parametrize("other", ["a.mp4", "a.mp4#t=x"])
def test_scenes_of_other_names_leave_it(other: str, gallery: Gallery) -> None:
    assert gallery.remove([other]) == 1
    assert gallery.noted("a.mp4#t=") == SECRET
    assert not gallery.add("a.mp4#t=7.250", detections(), time=9.0, replace=True)  # the same
    assert gallery.label("a.mp4#t=7.250", camera="door")
    assert gallery.noted("a.mp4#t=") == SECRET


@pytest.mark.parametrize("prefix", ["a.mp4#t=1", "a-", "a.", "\udcff="])
def test_a_prefix_that_runs_into_the_number_is_refused(prefix: str, gallery: Gallery) -> None:
    with pytest.raises(GalleryError, match="of a note ends in a number"):
        gallery.note(prefix, b"")


def test_a_note_that_changed_on_the_disk_is_never_believed(gallery: Gallery, tmp_path: Path) -> None:
    gallery.close()
    with closing(sqlite3.connect(tmp_path / "g" / "gallery.sqlite")) as db, db:
        db.execute("UPDATE note SET content = ? WHERE prefix = 'a.mp4#t='", (SECRET[::-1],))
    with Gallery.open(tmp_path / "g") as again:
        with pytest.raises(GalleryCorruptError, match=r"the note about 'a\.mp4#t=' differs"):
            again.noted("a.mp4#t=")
        [problem] = again.check()
        assert "the note about" in problem
