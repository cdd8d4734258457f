import errno
import hashlib
import os
import stat
from pathlib import Path

import pytest

from personsearch import durable
from personsearch.durable import replace_durably, sha256_of, write_durably


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is flushed and renamed, in order; files are flushed and renamed all the same."""
    made: list[str] = []
    fsync, replace = os.fsync, os.replace

    def note_flush(descriptor: int) -> None:
        made.append("flush folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "flush file")
        fsync(descriptor)

    def note_rename(source: Path, target: Path) -> None:
        made.append(f"rename to {target.name}")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_flush)
    monkeypatch.setattr(os, "replace", note_rename)
    return made


def test_the_hash_of_a_file(tmp_path: Path) -> None:
    content = bytes(range(256)) * 9000  # more than one read
    (tmp_path / "a").write_bytes(content)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(content).hexdigest()
    with pytest.raises(FileNotFoundError):
        sha256_of(tmp_path / "b")


def test_the_content_reaches_the_disk_before_the_name_and_the_name_before_the_return(
    tmp_path: Path, calls: list[str]
) -> None:
    write_durably(tmp_path / "a", b"first")
    assert calls == ["flush file", "rename to a", "flush folder"]
    write_durably(tmp_path / "a", b"second")
    assert (tmp_path / "a").read_bytes() == b"second"
    assert os.listdir(tmp_path) == ["a"]


def test_where_folders_cannot_be_opened_only_the_file_is_flushed(
    tmp_path: Path, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durable, "_FLUSHES_FOLDERS", False)
    write_durably(tmp_path / "a", b"first")
    assert calls == ["flush file", "rename to a"]
    assert (tmp_path / "a").read_bytes() == b"first"


def test_a_file_is_open_for_writing_when_it_is_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync
    written: list[bool] = []

    def needs_writing(descriptor: int) -> None:  # as on Windows
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            written.append(os.write(descriptor, b"x") == 1)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", needs_writing)
    (tmp_path / "new").write_bytes(b"1")
    replace_durably(tmp_path / "new", tmp_path / "a")
    assert written == [True]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_durably(tmp_path / "a", b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(OSError, match="No space left"):
        write_durably(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_missing_folder_is_an_error_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_durably(tmp_path / "none" / "a", b"x")
    assert os.listdir(tmp_path) == []
