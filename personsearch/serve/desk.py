"""The gallery of a service: one reader for all requests, and a writer for each piece of work."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from personsearch.calibration import Calibration
from personsearch.errors import GalleryCorruptError, GalleryError, GalleryMismatchError
from personsearch.gallery import Gallery
from personsearch.gallery.faults import DATABASE
from personsearch.results import Spec
from personsearch.serve.faults import Refused, busy

#: Seconds that a request waits for another writer.
WAIT = 10.0
#: Requests that may wait for their turn to write.
MOST_WRITERS = 8

_GONE = "the gallery is not there any more; start the service again once it is"
_OTHER = "the gallery was made again with other weights; start the service again"


@dataclass(eq=False)
class _Reader:
    """A reader of the gallery, and how many requests are using it."""

    gallery: Gallery
    stamp: tuple[int, int]
    users: int = 0
    retired: bool = False


class Desk:
    """Lends the gallery to requests, which run in threads.

    A gallery that another process erases and makes again is opened again. It is never made here, except at the start:
    the disk that holds it may only be gone for a while.
    """

    def __init__(
        self, folder: Path, spec: Spec, calibration: Calibration | None, *, read_only: bool = False, wait: float = WAIT
    ) -> None:
        """Look after a gallery.

        Args:
            folder: its folder; there must be one.
            spec: the weights that it must hold embeddings of.
            calibration: of these weights.
            read_only: refuse all writing.
            wait: seconds to wait for another process that writes.

        Raises:
            GalleryError: there is none, or it cannot be read.
            GalleryMismatchError: it holds embeddings of other weights.
        """
        self.folder = Path(os.path.abspath(folder))
        self.read_only = read_only
        self._spec = spec
        self._calibration = calibration
        self._wait = wait
        self._switch = threading.Lock()
        self._turn = threading.Lock()
        self._writers = threading.Semaphore(MOST_WRITERS)
        self._reader: _Reader | None = self._opened()

    @property
    def name(self) -> str:
        """What the gallery is called: the name of its folder."""
        return self.folder.name or "gallery"

    @contextmanager
    def reading(self) -> Iterator[Gallery]:
        """Lend the reader, which sees new scenes as they are committed.

        Raises:
            Refused: the gallery is gone, or was made again with other weights.
        """
        reader = self._borrow()
        try:
            yield reader.gallery
        except GalleryCorruptError:
            self._retire(reader)  # the file may have been put right: it is opened again
            raise
        finally:
            self._give_back(reader)

    @contextmanager
    def writing(self) -> Iterator[Gallery]:
        """Lend a writer, for as short as possible.

        Raises:
            Refused: nothing is written here, or too many are waiting to write.
            GalleryLockedError: another process was writing for all of the waiting time.
        """
        self.require_writable()
        if not self._writers.acquire(blocking=False):
            raise busy("too many requests are waiting to write to the gallery; try again")
        try:
            with self._turn, self._writer() as gallery:
                yield gallery
        finally:
            self._writers.release()

    def require_writable(self) -> None:
        """Refuse what would write where nothing is to be written."""
        if self.read_only:
            raise Refused(409, "this service only reads (it was started with --read-only); nothing was changed")

    def close(self) -> None:
        """Close the reader once nobody uses it any more."""
        with self._switch:
            reader, self._reader = self._reader, None
        if reader is not None:
            self._retire(reader)

    @contextmanager
    def _writer(self) -> Iterator[Gallery]:
        try:
            opened = Gallery.open(self.folder, mode="a", wait=self._wait)
        except GalleryError:
            self._require_there()
            raise
        with opened as gallery:
            if not gallery.spec.fingerprint == self._spec.fingerprint:
                raise Refused(409, _OTHER)
            gallery.calibration = self._calibration
            yield gallery

    def _require_there(self) -> None:
        if self._stamp() is None:
            raise busy(_GONE)

    def _stamp(self) -> tuple[int, int] | None:
        """Return what tells that the database is another file now; None where there is none."""
        try:
            status = (self.folder / DATABASE).stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _opened(self) -> _Reader:
        stamp = self._stamp() or (0, 0)
        gallery = Gallery.open(self.folder, self._spec, mode="r", calibration=self._calibration)
        return _Reader(gallery, stamp)

    def _borrow(self) -> _Reader:
        with self._switch:
            stamp = self._stamp()
            if stamp is None:
                raise busy(_GONE)
            reader = self._reader
            if reader is None or reader.stamp != stamp or reader.retired:
                if reader is not None:
                    self._mark(reader)
                try:
                    reader = self._reader = self._opened()
                except GalleryMismatchError:
                    self._reader = None
                    raise Refused(409, _OTHER) from None
                except BaseException:
                    self._reader = None
                    raise
            reader.users += 1
            return reader

    def _give_back(self, reader: _Reader) -> None:
        with self._switch:
            reader.users -= 1
            if reader.retired and not reader.users:
                reader.gallery.close()

    def _retire(self, reader: _Reader) -> None:
        with self._switch:
            self._mark(reader)

    @staticmethod
    def _mark(reader: _Reader) -> None:
        """Let a reader be closed by whoever uses it last; call with the switch held."""
        if not reader.retired:
            reader.retired = True
            if not reader.users:
                reader.gallery.close()
