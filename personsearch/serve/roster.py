"""The people of the gallery, remembered as long as nobody has written to it: gathering ten thousand takes a second."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from personsearch.gallery import Gallery
from personsearch.gallery.faults import DATABASE
from personsearch.people import Person

#: Inode, size and time of the database and of its log, into which every change is written.
Stamp = tuple[tuple[int, int, int], ...]

#: Nanoseconds within which a second change may leave a file's time as it is.
_COARSE = 100_000_000


class Roster:
    """Remembers ``gallery.people.all()``."""

    def __init__(self, folder: Path) -> None:
        self._files = (folder / DATABASE, folder / f"{DATABASE}-wal")
        self._lock = threading.Lock()
        self._known: tuple[Stamp, list[Person]] | None = None

    def all(self, gallery: Gallery) -> list[Person]:
        """Return the people of the gallery, by rising person_id.

        Args:
            gallery: open; what is returned is of now, or of as late as the last change to its files.
        """
        before = self._stamp()
        with self._lock:
            known = self._known
        if before is not None and known is not None and known[0] == before:
            return known[1]
        people = gallery.people.all()
        if before is not None and self._stamp() == before:
            with self._lock:
                self._known = before, people
        return people

    def clear(self) -> None:
        """Forget them; after somebody was erased, nothing of them stays in memory."""
        with self._lock:
            self._known = None

    def _stamp(self) -> Stamp | None:
        """Return what tells that something was written; None where it was so lately that this is not sure."""
        found = []
        for file in self._files:
            try:
                status = os.stat(file)
            except FileNotFoundError:
                found.append((0, 0, 0))
                continue
            if time.time_ns() - status.st_mtime_ns < _COARSE:
                return None
            found.append((status.st_ino, status.st_size, status.st_mtime_ns))
        return tuple(found)
