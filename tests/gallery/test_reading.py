"""Reading a gallery where nothing can be written, as another user: each case in a child that gives up its rights."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from personsearch import Gallery
from personsearch.errors import GalleryLockedError
from personsearch.gallery.faults import DATABASE
from tests.gallery.toy import people, spec

needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become a user without rights"
)

#: Searches a gallery of its own first, so that everything is imported: another user may not read the environment.
CHILD = """
import os, sys, tempfile
from personsearch import Gallery
from personsearch.errors import GalleryError
from tests.gallery.toy import people, spec
folder, what = sys.argv[1:]
with tempfile.TemporaryDirectory() as own:
    with Gallery.open(own, spec()) as gallery:
        gallery.add("a.jpg", people(3, 1))
    with Gallery.open(own, mode="r") as gallery:
        gallery.search(people(3, 1).embeddings[0], k=1), gallery.check()
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    with Gallery.open(folder, mode="a" if what == "write" else "r") as gallery:
        if what == "search":
            print([match.image_id for match in gallery.search(people(3, 1).embeddings[0], k=1)])
        elif what == "look":
            print(gallery.info().people, gallery.check(), gallery.image_ids(), gallery.scene("a.jpg").camera)
        elif what == "follow":
            for _ in sys.stdin:
                print(len(gallery), len(gallery.search(people(3, 1).embeddings[0], k=9)), flush=True)
except GalleryError as error:
    print(type(error).__name__, error)
"""


@pytest.fixture
def foreign() -> Iterator[Path]:
    """A gallery that everybody may read and nobody but root may write. Folders of pytest are closed to others."""
    with tempfile.TemporaryDirectory() as above:
        Path(above).chmod(0o755)
        folder = Path(above) / "g"
        with Gallery.open(folder, spec()) as gallery:
            gallery.add("a.jpg", people(3, 1), camera="door")
        yield folder


def child(folder: Path, what: str) -> str:
    done = subprocess.run([sys.executable, "-c", CHILD, str(folder), what], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip() + done.stderr.strip()


@needs_root
def test_a_gallery_of_another_user_is_searched_without_writing(foreign: Path) -> None:
    before = sorted(path.name for path in foreign.rglob("*"))
    assert child(foreign, "search") == "['a.jpg']"  # and no warning: the cached index can be read, too
    assert child(foreign, "look") == "3 [] ['a.jpg'] door"
    assert sorted(path.name for path in foreign.rglob("*")) == before


@needs_root
def test_writing_without_the_right_to_is_refused_in_one_sentence(foreign: Path) -> None:
    said = child(foreign, "write")
    assert said.startswith(
        f"GalleryError {foreign}: cannot be written to (Permission denied), only searched (mode='r')"
    )


@needs_root
def test_a_folder_that_is_closed_is_named(foreign: Path) -> None:
    foreign.chmod(0o700)
    assert child(foreign, "search").startswith(f"GalleryError {foreign}: cannot be looked into (Permission denied)")
    assert child(foreign, "write").startswith(f"GalleryError {foreign}: cannot be looked into (Permission denied)")


@needs_root
def test_changes_that_are_only_in_the_log_are_named(foreign: Path) -> None:
    copy = foreign.with_name("copy")
    with Gallery.open(foreign) as gallery:
        gallery.add("b.jpg", people(2, 2))
        shutil.copytree(foreign, copy)  # as a power cut leaves it
    (copy / f"{DATABASE}-shm").unlink()
    assert "cannot be read without write access, because its last changes are still in its log" in child(copy, "look")
    with Gallery.open(copy, mode="r") as gallery:  # with write access, which folds the log in
        assert gallery.image_ids() == ["a.jpg", "b.jpg"]
    assert child(copy, "search") == "['a.jpg']"


@needs_root
def test_a_reader_without_rights_follows_a_writer(foreign: Path) -> None:
    command = [sys.executable, "-c", CHILD, str(foreign), "follow"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        ask, told = reader.stdin, reader.stdout
        assert ask is not None
        assert told is not None

        def answer() -> str:
            ask.write("now\n")
            ask.flush()
            return told.readline().strip()

        assert answer() == "3 3"
        with Gallery.open(foreign) as gallery:
            gallery.add("b.jpg", people(2, 2))
            assert answer() == "5 5"  # through the writer's log
            gallery.add("c.jpg", people(1, 3))
            assert answer() == "6 6"
        assert answer() == "6 6"
        with Gallery.open(foreign) as gallery:
            gallery.remove("a.jpg")
        assert answer() == "3 3"


def test_what_is_read_while_the_file_changes_is_not_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader without locks cannot tell what it reads of a file that is being written; it says so and recovers."""
    with Gallery.open(tmp_path / "g", spec()) as gallery:
        gallery.add("a.jpg", people(3, 1))
    file = tmp_path / "g" / DATABASE
    uri = f"{file.absolute().as_uri()}?mode=ro&immutable=1"

    def without_locks(path: Path, timeout: float) -> tuple[sqlite3.Connection, object]:
        from personsearch.gallery.reading import stamp_of

        return sqlite3.connect(uri, uri=True, timeout=timeout, check_same_thread=False), stamp_of(path)

    monkeypatch.setattr("personsearch.gallery.store.connect_reader", without_locks)
    with Gallery.open(tmp_path / "g", mode="r") as reader:
        assert len(reader) == 3
        store = reader._folder.database

        def read_while_somebody_writes() -> None:
            with store.snapshot():
                with Gallery.open(tmp_path / "g") as writer:
                    writer.add("b.jpg", people(2, 2))
                store.state()

        with pytest.raises(GalleryLockedError, match="another process is writing to it; try again"):
            read_while_somebody_writes()
        assert len(reader) == 5
        assert len(reader.search(people(3, 1).embeddings[0], k=9)) == 5


def test_the_cached_index_can_be_read_by_whoever_can_read_the_gallery(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with Gallery.open(tmp_path / "g", spec()) as gallery:
            gallery.add("a.jpg", people(3, 1))
    finally:
        os.umask(before)
    [cache] = (tmp_path / "g" / "index").iterdir()
    assert cache.stat().st_mode & 0o777 == 0o644
    with closing(sqlite3.connect(tmp_path / "g" / DATABASE)) as db:
        assert db.execute("SELECT value FROM meta WHERE key = 'cache'").fetchone()[0]


def test_a_gallery_that_is_being_made_this_moment_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / DATABASE).touch()  # as SQLite leaves it between the making of the file and of the tables
    made: list[Gallery] = []

    def make() -> None:
        time.sleep(0.2)
        made.append(Gallery.open(tmp_path, spec()))

    making = threading.Thread(target=make)
    making.start()
    with Gallery.open(tmp_path, mode="r") as gallery:
        assert len(gallery) == 0
    making.join()
    made[0].close()
