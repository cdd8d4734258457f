import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from personsearch import Gallery
from personsearch.errors import GalleryCorruptError, GalleryError, GalleryMismatchError
from personsearch.gallery.faults import DATABASE
from personsearch.gallery.opening import open_folder
from tests.gallery.toy import people, spec


@pytest.mark.parametrize("write", [False, True], ids=["reader", "writer"])
def test_a_folder_without_a_gallery_is_left_as_it_was(write: bool, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"x")
    with pytest.raises(GalleryError, match=f"^{tmp_path}: there is no gallery here; index some images into it first$"):
        open_folder(tmp_path, write=write, spec=None)
    assert os.listdir(tmp_path) == ["photo.jpg"]
    with pytest.raises(GalleryError, match="there is no gallery here"):
        open_folder(tmp_path / "none", write=write, spec=None)
    assert not (tmp_path / "none").exists()


def test_a_reader_makes_no_gallery_even_with_a_spec(tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="there is no gallery here"):
        open_folder(tmp_path / "none", write=False, spec=spec())
    assert not (tmp_path / "none").exists()


def test_a_writer_with_a_spec_makes_the_folders_it_needs(tmp_path: Path) -> None:
    store, lock = open_folder(tmp_path / "deep" / "g", write=True, spec=spec())
    assert store.spec == spec()
    assert lock is not None
    store.close()
    lock.release()
    again, no_lock = open_folder(tmp_path / "deep" / "g", write=False, spec=None)
    assert (again.spec, no_lock) == (spec(), None)
    again.close()


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for path in (tmp_path / "file", tmp_path / "file" / "g"):
        with pytest.raises(GalleryError, match="this folder cannot be made"):
            open_folder(path, write=True, spec=spec())
        with pytest.raises(GalleryError, match="there is no gallery here"):
            open_folder(path, write=True, spec=None)


def test_a_file_that_is_not_a_database(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_bytes(b"x" * 5000)
    for write in (False, True, True):  # the second time would say "locked" if the first kept the lock
        with pytest.raises(GalleryCorruptError, match="damaged, or not a gallery"):
            open_folder(tmp_path, write=write, spec=None)


def test_another_format_is_refused(tmp_path: Path) -> None:
    Gallery.open(tmp_path, spec()).close()
    with closing(sqlite3.connect(tmp_path / DATABASE)) as db, db:
        db.execute("UPDATE meta SET value = '99' WHERE key = 'format'")
    with pytest.raises(GalleryMismatchError, match="format '99', and this version reads '2' and '3'"):
        Gallery.open(tmp_path, mode="r")


def test_a_gallery_made_before_revisions_were_recorded_opens(tmp_path: Path) -> None:
    with Gallery.open(tmp_path, spec(revision="a1" * 20)) as gallery:
        gallery.add("a.jpg", people(3, 1))
    with closing(sqlite3.connect(tmp_path / DATABASE)) as db, db:
        assert db.execute("DELETE FROM meta WHERE key LIKE 'revision%'").rowcount == 2
    with Gallery.open(tmp_path, spec(revision="a1" * 20)) as gallery:
        assert gallery.spec.revision is None
        assert gallery.add("b.jpg", people(1, 2))
        assert gallery.check() == []
