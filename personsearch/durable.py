"""Files that are whole or absent, also after a power cut, and their hashes. Light: open to all rooms."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

#: What the system says where a disk, or somebody's share of it, is full: ``OSError.errno``.
FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
#: Windows opens no folders, so a new name cannot be flushed there; NTFS journals it.
_FLUSHES_FOLDERS = os.name != "nt"


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file as 64 hex digits.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_durably(path: Path, data: bytes) -> None:
    """Write a file so that it appears whole or not at all, also after a power cut.

    Raises:
        OSError: the folder is missing, or the disk is full or refuses; a file of that name is unchanged.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        replace_durably(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def replace_durably(temporary: Path, path: Path) -> None:
    """Flush ``temporary`` to the disk, give it its final name in the same folder, and flush the name too.

    Raises:
        OSError: the disk is full or refuses.
    """
    _flush(temporary, os.O_RDWR)  # Windows flushes only what is open for writing
    os.replace(temporary, path)
    if _FLUSHES_FOLDERS:
        _flush(path.parent, os.O_RDONLY)


def _flush(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
