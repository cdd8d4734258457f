"""Opening the folder of a gallery. Nothing is written to a folder that holds no gallery, unless one is to be made."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock

from personsearch.errors import GalleryError
from personsearch.gallery.faults import DATABASE
from personsearch.gallery.lock import acquire_writer_lock
from personsearch.gallery.store import Store
from personsearch.results import Spec


def open_folder(folder: Path, *, write: bool, spec: Spec | None, wait: float = 0.0) -> tuple[Store, FileLock | None]:
    """Open the database of a gallery.

    Args:
        folder: the gallery's.
        write: become its only writer; otherwise open it for reading.
        spec: the weights of a new gallery, which a writer makes if there is none; None = there must be one.
        wait: seconds to wait for another writer to finish.

    Returns:
        The database, and the writer's lock; None for a reader.

    Raises:
        GalleryError: there is no gallery and no spec to make one, or the folder cannot be looked into or written to.
        GalleryLockedError: another process is writing.
        GalleryMismatchError: the gallery has another format.
        GalleryCorruptError: the database is damaged.
    """
    create = spec if write else None
    if create is None and not _has_database(folder):
        raise GalleryError(f"{folder}: there is no gallery here; index some images into it first")
    if not write:
        return Store(folder, readonly=True, create=None), None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:  # a file is in the way, or the folder above is not ours
        raise GalleryError(f"{folder}: this folder cannot be made ({error.strerror}); name another one") from None
    lock = acquire_writer_lock(folder, wait)
    try:
        return Store(folder, readonly=False, create=create), lock
    except BaseException:
        lock.release()
        raise


def _has_database(folder: Path) -> bool:
    try:
        return (folder / DATABASE).exists()
    except OSError as error:  # the folder, or one above it, is closed to us
        raise GalleryError(
            f"{folder}: cannot be looked into ({error.strerror}); ask its owner for the right to"
        ) from None
