"""One writer per gallery."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock, Timeout

from personsearch.errors import GalleryError, GalleryLockedError

LOCK = "writer.lock"
OWNER = "writer.pid"


def acquire_writer_lock(folder: Path, wait: float = 0.0) -> FileLock:
    """Become the writer of the gallery in a folder; the lock ends when the process does, if not before.

    Any thread of the process may release the lock, whichever acquired it.

    Args:
        folder: the gallery's.
        wait: seconds to wait for another writer to finish.

    Raises:
        GalleryLockedError: somebody else is the writer; names the process.
        GalleryError: the folder cannot be written to.
    """
    lock = FileLock(folder / LOCK, thread_local=False)
    try:
        lock.acquire(timeout=wait)
    except Timeout:
        owner = folder / OWNER
        pid = owner.read_text(encoding="ascii").strip() if owner.exists() else "unknown"
        raise GalleryLockedError(
            f"{folder}: process {pid} has the gallery open for writing; close it there, or open it with mode='r'"
        ) from None
    except OSError as error:
        raise GalleryError(_unwritable(folder, error)) from None
    try:
        (folder / OWNER).write_text(str(os.getpid()), encoding="ascii")
    except OSError as error:
        lock.release()
        raise GalleryError(_unwritable(folder, error)) from None
    return lock


def _unwritable(folder: Path, error: OSError) -> str:
    reason = f"cannot be written to ({error.strerror}), only searched (mode='r')"
    return f"{folder}: {reason}; name another folder to index into"
