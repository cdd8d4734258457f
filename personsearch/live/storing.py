"""Storing what cameras saw, in a thread of its own: it waits for other writers and for room, watching does not."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Condition, Thread

from personsearch.durable import FULL_DISK
from personsearch.errors import (
    GalleryCorruptError,
    GalleryError,
    GalleryFullError,
    GalleryLockedError,
    GalleryMismatchError,
)
from personsearch.gallery import Gallery
from personsearch.live.following import Piece
from personsearch.live.keeping import WITH, picture_path, sweep_pictures, write_picture
from personsearch.people import NewScene
from personsearch.results import Spec

logger = logging.getLogger(__name__)

#: Bytes that may wait to be stored; of more, the oldest are thrown away.
MOST_WAITING = 128 * 2**20
#: Seconds that another writer is waited for at a time.
TURN = 10.0
#: Seconds before a gallery that could not be written to is tried again: at first, and at most.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
#: Rows are erased so many times while they age, but not oftener than every second, and at least every hour.
PASSES, MOST_SELDOM = 24, 3600.0
#: How often somebody is tried to be stored whom the gallery refuses for an unknown reason.
TRIES = 5


@dataclass(eq=False)
class Stored:
    """What became of what was seen.

    Attributes:
        tracks: were stored.
        scenes: were stored with them.
        people: rows that were stored with them.
        known: tracks that were not stored because one of their scenes was there already.
        lost: tracks that were thrown away, because the gallery could not be written to for too long.
        erased: scenes that were erased because of their age.
        pictures: pictures that were erased.
        trouble: why the gallery cannot be written to at present; None = it can.
    """

    tracks: int = 0
    scenes: int = 0
    people: int = 0
    known: int = 0
    lost: int = 0
    erased: int = 0
    pictures: int = 0
    trouble: str | None = None


class Storer(Thread):
    """Stores pieces, and erases what is older than it may be.

    Args:
        folder: the gallery's.
        spec: the weights whose embeddings are stored.
        keep: seconds after which scenes are erased; None = never.
        pictures: whether pictures are kept, so that those of scenes that are gone are to be erased.
        clock: tells the time of scenes that are seen now.

    Attributes:
        stored: what became of what was seen.
        fatal: why nothing can ever be stored again; None = it can.
    """

    def __init__(
        self,
        folder: Path,
        spec: Spec,
        *,
        keep: float | None = None,
        pictures: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(name="personsearch-storer", daemon=True)
        self.stored = Stored()
        self.fatal: Exception | None = None
        self._folder, self._spec, self._keep, self._clock = folder, spec, keep, clock
        self._waiting: deque[Piece] = deque()
        self._size = 0
        self._condition = Condition()
        self._ending: float | None = None  # monotonic seconds at which to give up
        self._tidy = keep is not None or pictures
        self._tidy_at = float("-inf")
        self._failures = 0  # of the piece that is stored next

    def put(self, piece: Piece, *, patient: Callable[[], bool] | None = None) -> None:
        """Have a piece stored as soon as that can be done.

        Args:
            piece: of which nothing is stored yet.
            patient: whether to wait, as long as it says so, while more than half of what may wait is waiting already:
                what comes from a file can come later.
        """
        with self._condition:
            while patient is not None and self._size > MOST_WAITING / 2 and patient() and self.fatal is None:
                self._condition.wait(0.5)
            self._waiting.append(piece)
            self._size += piece.size
            while self._size > MOST_WAITING and len(self._waiting) > 1:
                self._throw_away(self._waiting.popleft())
            self._condition.notify_all()

    def close(self, wait: float) -> None:
        """Store what waits, for so many seconds at most, and end; what is left then is lost, and counted."""
        with self._condition:
            self._ending = time.monotonic() + wait
            self._condition.notify_all()
        self.join(wait + TURN)
        with self._condition:
            while self._waiting:
                self._throw_away(self._waiting.popleft())

    def _throw_away(self, piece: Piece) -> None:
        self._size -= piece.size
        self.stored.lost += len(piece.tracks)

    def run(self) -> None:
        """Store until the end; a gallery that cannot be written to is tried again after growing pauses."""
        pause = FIRST_PAUSE
        while True:
            with self._condition:
                self._condition.wait_for(self._has_work, timeout=1.0)
                if not self._has_work():
                    continue
                if self._ending is not None and (not self._waiting or time.monotonic() > self._ending):
                    return
            try:
                self._work()
            except (GalleryMismatchError, GalleryCorruptError) as error:
                self.fatal = error
                return
            except (GalleryError, OSError) as error:
                self._in_trouble(error)
                with self._condition:
                    self._condition.wait_for(lambda: self._ending is not None, timeout=pause)
                    if self._ending is not None:
                        self._condition.wait(min(FIRST_PAUSE, max(0.0, self._ending - time.monotonic())))
                pause = min(2 * pause, LONGEST_PAUSE)
            except Exception as error:  # a fault of the program, which must not end in a thread that nobody hears of
                self.fatal = error
                return
            else:
                pause = FIRST_PAUSE
                if self.stored.trouble is not None:
                    self.stored.trouble = None
                    logger.info("%s: can be written to again", self._folder)

    def _has_work(self) -> bool:
        return bool(self._waiting) or self._ending is not None or self._must_tidy()

    def _must_tidy(self) -> bool:
        return self._tidy and not self._tidy_at - MOST_SELDOM <= self._clock() < self._tidy_at

    def _in_trouble(self, error: Exception) -> None:
        if isinstance(error, GalleryFullError) or (isinstance(error, OSError) and error.errno in FULL_DISK):
            trouble = "the disk is full"
        elif isinstance(error, GalleryLockedError):
            trouble = "another process is writing to it"
        else:
            trouble = str(error)
        if trouble != self.stored.trouble:
            logger.warning("%s: nothing can be stored: %s; trying again, watching goes on", self._folder, trouble)
        self.stored.trouble = trouble

    def _work(self) -> None:
        gallery = Gallery.open(self._folder, self._spec, wait=TURN)
        try:
            while True:
                with self._condition:
                    piece = self._waiting[0] if self._waiting else None
                if piece is None:
                    break
                try:
                    self._store(gallery, piece)
                except GalleryError as error:
                    self._failures += type(error) is GalleryError
                    if self._failures < TRIES:
                        raise
                    logger.warning("%s: cannot be stored and is thrown away: %s", self._folder, error)
                    self.stored.lost += len(piece.tracks)
                self._failures = 0
                with self._condition:
                    if self._waiting and self._waiting[0] is piece:  # it may have been thrown away meanwhile
                        self._waiting.popleft()
                        self._size -= piece.size
                        self._condition.notify_all()
                    else:
                        self.stored.lost -= len(piece.tracks)
            if self._must_tidy():
                self._tidy_up(gallery)
        finally:
            gallery.close(cache=False)

    def _store(self, gallery: Gallery, piece: Piece) -> None:
        if any(scene.image_id in gallery for scene in piece.scenes):
            self.stored.known += len(piece.tracks)
            return
        written: list[Path] = []
        try:
            scenes = [self._with_picture(scene, piece.pictures.get(scene.image_id), written) for scene in piece.scenes]
            gallery.tracks.add(scenes, piece.tracks)
        except BaseException:
            for path in written:
                with suppress(OSError):
                    path.unlink()
            raise
        self.stored.tracks += len(piece.tracks)
        self.stored.scenes += len(scenes)
        self.stored.people += sum(len(scene.detections) for scene in scenes)

    def _with_picture(self, scene: NewScene, picture: bytes | None, written: list[Path]) -> NewScene:
        """Write the picture of a scene, if there is one, and return the scene with a note of it."""
        if picture is None:
            return scene
        path = picture_path(self._folder, scene.image_id)
        written.append(path)
        extra = {**scene.extra, **write_picture(path, picture), WITH: len(scene.detections)}
        return replace(scene, extra=extra)

    def _tidy_up(self, gallery: Gallery) -> None:
        """Erase what is too old, and pictures whose scenes are gone: by age, or by another process."""
        now = self._clock()
        before = None if self._keep is None else now - self._keep
        if before is not None:
            self.stored.erased += gallery.remove(before=before)
        self.stored.pictures += sweep_pictures(gallery, before=before)
        pause = MOST_SELDOM if self._keep is None else min(MOST_SELDOM, max(1.0, self._keep / PASSES))
        self._tidy_at = now + pause
