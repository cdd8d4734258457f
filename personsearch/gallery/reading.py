"""Opening a database for reading, also where nothing can be written: a CD, a read-only mount, another user's folder.

With a write-ahead log, SQLite keeps its locks in a file beside the database, even a reader's. Where that file cannot be
made, the database is opened as immutable: without locks, which is safe as long as nobody changes the file. So a reader
of that kind compares the file's stamp before and after it reads, and opens the file again when it has changed.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from personsearch.errors import GalleryError

#: What tells that a database may have changed: inode, size and time of the file, and the size of its log.
Stamp = tuple[int, int, int, int]

#: Seconds in which a gallery that is being made this very moment has its tables.
MAKING = 1.0
_NOT_WRITABLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)


def connect_reader(file: Path, timeout: float) -> tuple[sqlite3.Connection, Stamp | None]:
    """Open a database for reading.

    Args:
        file: the database.
        timeout: seconds to wait for a lock.

    Returns:
        The connection; and the file's stamp where it was opened without locks, else None.

    Raises:
        sqlite3.Error: there is no file of that name.
        GalleryError: its last changes are in a log that only a process with write access can fold in.
    """
    uri = f"{file.absolute().as_uri()}?mode=ro"
    db = sqlite3.connect(uri, uri=True, timeout=timeout, check_same_thread=False)
    try:
        deadline = time.monotonic() + MAKING
        while db.execute("SELECT 1 FROM sqlite_master").fetchone() is None and time.monotonic() < deadline:
            time.sleep(0.02)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in _NOT_WRITABLE or not file.is_file():
            return db, None  # whatever is wrong, the first real query says it
        db.close()
    except sqlite3.DatabaseError:
        return db, None
    else:
        return db, None
    stamp = stamp_of(file)
    if stamp[-1]:
        raise GalleryError(
            f"{file}: cannot be read without write access, because its last changes are still in its log "
            f"({file.name}-wal); open it once where it can be written (personsearch gallery info); then it is read here"
        )
    return sqlite3.connect(f"{uri}&immutable=1", uri=True, timeout=timeout, check_same_thread=False), stamp


def stamp_of(file: Path) -> Stamp:
    """Return what tells that a database may have changed.

    Raises:
        OSError: the file is gone.
    """
    status = file.stat()
    try:
        log = file.with_name(f"{file.name}-wal").stat().st_size
    except FileNotFoundError:
        log = 0
    return status.st_ino, status.st_size, status.st_mtime_ns, log
