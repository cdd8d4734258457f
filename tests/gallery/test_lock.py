import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from personsearch.errors import GalleryError, GalleryLockedError
from personsearch.gallery import Gallery
from personsearch.gallery.lock import OWNER, acquire_writer_lock
from tests.gallery import toy

ANOTHER = """
import sys
from pathlib import Path
from personsearch.errors import GalleryLockedError
from personsearch.gallery.lock import acquire_writer_lock
try:
    acquire_writer_lock(Path(sys.argv[1]))
    print("acquired")
except GalleryLockedError as error:
    print(error)
"""


def another_process(folder: Path) -> str:
    """Let another process try to become the writer; return what became of it."""
    return subprocess.run(
        [sys.executable, "-c", ANOTHER, folder], capture_output=True, text=True, check=True
    ).stdout.strip()


def in_a_thread(call: object) -> None:
    thread = threading.Thread(target=call)  # type: ignore[arg-type]
    thread.start()
    thread.join()


def test_a_second_writer_is_refused_with_the_owner_s_process_id(tmp_path: Path) -> None:
    lock = acquire_writer_lock(tmp_path)
    assert another_process(tmp_path) == (
        f"{tmp_path}: process {os.getpid()} has the gallery open for writing; close it there, or open it with mode='r'"
    )
    with pytest.raises(GalleryLockedError, match=f"process {os.getpid()} has the gallery open"):
        acquire_writer_lock(tmp_path)
    lock.release()
    assert another_process(tmp_path) == "acquired"
    acquire_writer_lock(tmp_path).release()  # the other process has ended, and its lock with it


def test_a_lock_acquired_in_one_thread_is_released_in_another(tmp_path: Path) -> None:
    locks = []
    in_a_thread(lambda: locks.append(acquire_writer_lock(tmp_path)))
    [lock] = locks
    assert lock.is_locked
    in_a_thread(lock.release)
    assert not lock.is_locked
    acquire_writer_lock(tmp_path).release()


def test_a_writer_that_waits_comes_next(tmp_path: Path) -> None:
    Gallery.open(tmp_path, toy.spec()).close()
    first = Gallery.open(tmp_path)
    entered: list[int] = []

    def second() -> None:
        with Gallery.open(tmp_path, wait=60) as gallery:
            entered.append(gallery.num_images)

    waiting = threading.Thread(target=second)
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    assert not entered
    first.close()
    waiting.join()
    assert entered == [0]


def test_a_wait_below_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="wait must be at least 0 seconds, got -1"):
        Gallery.open(tmp_path, toy.spec(), wait=-1)


def test_an_owner_that_left_no_process_id(tmp_path: Path) -> None:
    lock = acquire_writer_lock(tmp_path)
    (tmp_path / OWNER).unlink()
    with pytest.raises(GalleryLockedError, match="process unknown has the gallery open"):
        acquire_writer_lock(tmp_path)
    lock.release()


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(GalleryError, match="cannot be written to"):
        acquire_writer_lock(tmp_path / "file")


def test_a_lock_is_not_kept_when_the_owner_cannot_be_recorded(tmp_path: Path) -> None:
    (tmp_path / OWNER).mkdir()
    with pytest.raises(GalleryError, match="cannot be written to"):
        acquire_writer_lock(tmp_path)
    (tmp_path / OWNER).rmdir()
    acquire_writer_lock(tmp_path).release()
