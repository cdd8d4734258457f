"""One writer per gallery."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock, Timeout

from personsearch.errors import GalleryLockedError

LOCK = "writer.lock"
OWNER = "writer.pid"


def acquire_writer_lock(folder: Path) -> FileLock:
    """Become the writer of the gallery in a folder; the lock ends with the process at the latest.

    Raises:
        GalleryLockedError: another process is, and which.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        owner = folder / OWNER
        pid = owner.read_text(encoding="ascii").strip() if owner.exists() else "unknown"
        raise GalleryLockedError(
            f"{folder}: process {pid} has it open for writing; close it there, or open it with mode='r'"
        ) from None
    (folder / OWNER).write_text(str(os.getpid()), encoding="ascii")
    return lock
