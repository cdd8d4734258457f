"""What goes wrong with a database, as errors of the gallery: SQLite's say neither which file nor what to do."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from personsearch.errors import GalleryCorruptError, GalleryError, GalleryFullError, GalleryLockedError

DATABASE = "gallery.sqlite"

#: What reading a damaged file raises; some of SQLite's messages quote bytes that are not valid text.
UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError, OverflowError)

#: Faults of the machine rather than of the file.
_ENVIRONMENT = {
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
    sqlite3.SQLITE_READONLY: "cannot be written to",
    sqlite3.SQLITE_PERM: "access is not permitted",
    sqlite3.SQLITE_NOMEM: "there is not enough memory",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write",
}


def gallery_error(file: Path, error: Exception) -> GalleryError:
    """Return the gallery's error for one of :data:`UNREADABLE` that reading or writing a database raised."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return GalleryLockedError(locked(file))
    if code == sqlite3.SQLITE_FULL:
        return GalleryFullError(f"{file}: the disk is full; nothing acknowledged is lost")
    if code in _ENVIRONMENT:
        return GalleryError(f"{file}: {_ENVIRONMENT[code]} ({error})")
    return GalleryCorruptError(damaged(file.parent, str(error)))


def locked(file: Path) -> str:
    """Return the message that somebody else is writing."""
    return f"{file}: another process is writing to it; try again later"


def damaged(gallery: Path, what: str) -> str:
    """Return the message that a gallery is damaged, with what to do."""
    return (
        f"{gallery / DATABASE}: damaged, or not a gallery ({what}). Restore a backup, or save what can still be read: "
        f"personsearch gallery rescue {gallery} NEW-GALLERY"
    )
