"""Cameras read in a thread each, and what waits for the network."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Condition, Event, Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personsearch.errors import ImageError, MissingExtraError
from personsearch.live.cameras import Camera, Feed
from personsearch.live.streams import StreamLostError, live_frames
from personsearch.pictures.content import content_digest
from personsearch.pictures.times import is_date
from personsearch.pictures.video import Video, frame_id

logger = logging.getLogger(__name__)

#: Seconds before a lost camera is tried again: at first, and at most; each pause is twice the one before.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
#: Frames of a file that wait for the network at most.
AHEAD = 8


@dataclass(frozen=True, eq=False, kw_only=True)
class Shot:
    """A frame to be looked at.

    Attributes:
        image_id: its name.
        seconds: its time, as it is stored, and by which people are followed.
        picture: (H, W, 3) uint8 RGB, upright.
        extra: what is stored with it.
    """

    image_id: str
    seconds: float
    picture: NDArray[np.uint8]
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(eq=False)
class Counts:
    """What became of the frames of a camera.

    Attributes:
        taken: were looked at.
        dropped: were due, but newer ones came before the network had time for them.
        passed_over: could not be decoded, or were not because decoding fell behind.
        connections: how often the camera answered.
        lost: why it cannot be seen at present; None = it can.
        refused: why it will not be seen any more.
        damage: what of a file could not be read.
    """

    taken: int = 0
    dropped: int = 0
    passed_over: int = 0
    connections: int = 0
    lost: str | None = None
    refused: str | None = None
    damage: str | None = None


class Inbox:
    """The shots that wait for the network: of a live camera the newest one, of a file the next few."""

    def __init__(self, cameras: int) -> None:
        self._waiting: list[deque[Shot]] = [deque() for _ in range(cameras)]
        self._open = set(range(cameras))
        self._turn = 0
        self._condition = Condition()
        self._stopped = False

    def put_newest(self, camera: int, shot: Shot) -> int:
        """Put down a shot in place of the one that waits; return how many were dropped for it."""
        with self._condition:
            dropped = len(self._waiting[camera])
            self._waiting[camera].clear()
            self._waiting[camera].append(shot)
            self._condition.notify_all()
        return dropped

    def put(self, camera: int, shot: Shot) -> bool:
        """Put down a shot as soon as there is room; False = nobody takes it any more."""
        with self._condition:
            self._condition.wait_for(lambda: self._stopped or len(self._waiting[camera]) < AHEAD)
            if self._stopped:
                return False
            self._waiting[camera].append(shot)
            self._condition.notify_all()
        return True

    def end(self, camera: int) -> None:
        """Say that no more shots of a camera come."""
        with self._condition:
            self._open.discard(camera)
            self._condition.notify_all()

    def stop(self) -> None:
        """Let go of everything that waits and of everybody who waits."""
        with self._condition:
            self._stopped = True
            for waiting in self._waiting:
                waiting.clear()
            self._condition.notify_all()

    def has(self, camera: int) -> bool:
        """Whether shots of a camera wait or may still come."""
        with self._condition:
            return camera in self._open or bool(self._waiting[camera])

    def take(self, most: int, timeout: float) -> list[tuple[int, Shot]] | None:
        """Return what waits, at most so many, the cameras in turns; nothing after the timeout; None at the end."""
        with self._condition:
            self._condition.wait_for(lambda: self._stopped or not self._open or any(self._waiting), timeout=timeout)
            taken: list[tuple[int, Shot]] = []
            while len(taken) < most and any(self._waiting):
                if waiting := self._waiting[self._turn]:
                    taken.append((self._turn, waiting.popleft()))
                self._turn = (self._turn + 1) % len(self._waiting)
            self._condition.notify_all()
            return taken or (None if self._stopped or not self._open else [])


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How cameras are read.

    Attributes:
        fps: frames a second of each camera that are looked at.
        timeout: seconds after which a silent camera is lost.
        clock: tells the time of live frames, seconds since 1970.
    """

    fps: float
    timeout: float
    clock: Callable[[], float] = time.time


class Reader(Thread):
    """Reads one camera and puts its frames down in an inbox.

    Attributes:
        camera: which.
        counts: what became of its frames so far.
        live: whether its frames come in their own time, so that those nobody has time for are dropped.
        is_file: whether it is a video file.
        whole: whether a file or feed was read to its end.
    """

    def __init__(
        self, number: int, camera: Camera | Feed, inbox: Inbox, pace: Pace, stop: Event, *, refused: str | None = None
    ) -> None:
        super().__init__(name=f"personsearch-{camera.name}", daemon=True)
        self.camera = camera
        self.counts = Counts(refused=refused)
        self.is_file = isinstance(camera, Camera) and camera.kind == "file"
        self.live = isinstance(camera, Camera) and not self.is_file
        self.whole = False
        self._number, self._inbox, self._pace, self._stopped = number, inbox, pace, stop
        self._fps = (camera.fps if isinstance(camera, Camera) else None) or pace.fps

    def run(self) -> None:
        """Read until the camera ends or is no longer wanted."""
        try:
            if self.counts.refused is not None:
                logger.warning("%s: not watched: %s", self.camera.name, self.counts.refused)
            elif isinstance(self.camera, Feed):
                self._read_feed(self.camera)
            elif self.live:
                self._read_live(self.camera)
            else:
                self._read_file(self.camera)
        except (ImageError, MissingExtraError) as error:
            self.counts.refused = str(error)
            logger.warning("%s: not watched: %s", self.camera.name, error)
        except Exception as error:  # of one camera; the others go on
            self.counts.refused = f"{type(error).__name__}: {error}"
            logger.warning("%s: not watched any more: %s", self.camera.name, self.counts.refused)
        finally:
            self._inbox.end(self._number)

    def _read_live(self, camera: Camera) -> None:
        pause, lost_at, names = FIRST_PAUSE, time.monotonic(), _Names(camera.name)
        due = _Due(self._fps)
        while not self._stopped.is_set():
            answered = False
            try:
                for picture in live_frames(
                    camera, timeout=self._pace.timeout, stopped=self._stopped.is_set, passed_over=self._pass_over
                ):
                    if not answered:
                        answered, pause = True, FIRST_PAUSE
                        self._back(time.monotonic() - lost_at)
                    if due.at(time.monotonic()):
                        self._put_live(picture, names)
                reason = "it ended"
            except StreamLostError as error:
                reason = str(error)
            if self._stopped.is_set():
                return
            if self.counts.lost is None:
                lost_at = time.monotonic()
                logger.warning("%s: lost: %s; trying again until it is back", camera.name, reason)
            self.counts.lost = reason
            self._stopped.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _back(self, seconds: float) -> None:
        self.counts.connections += 1
        if self.counts.connections > 1 or self.counts.lost is not None:
            logger.info("%s: back after %.0f s", self.camera.name, seconds)
        else:
            logger.info("%s: connected", self.camera.name)
        self.counts.lost = None

    def _put_live(self, picture: Callable[[], NDArray[np.uint8]], names: _Names) -> None:
        try:
            pixels = picture()
        except ImageError:
            self._pass_over(1)
            return
        image_id, seconds = names.next(self._pace.clock())
        self.counts.dropped += self._inbox.put_newest(
            self._number, Shot(image_id=image_id, seconds=seconds, picture=pixels)
        )

    def _pass_over(self, count: int) -> None:
        self.counts.passed_over += count

    def _read_file(self, camera: Camera) -> None:
        extra = {"sha256": content_digest(camera.url), "path": os.path.abspath(camera.url)}
        video = Video(camera.url)
        for frame in self._at_rate(iter(video), lambda frame: frame.seconds):
            if self._stopped.is_set():
                return
            try:
                pixels = np.asarray(frame.image())
            except ImageError:
                self._pass_over(1)
                continue
            seconds = frame.seconds + (camera.start or 0.0)
            image_id = frame_id(camera.stem, frame.seconds, frame.repeat)
            shot = Shot(image_id=image_id, seconds=seconds, picture=pixels, extra=extra)
            if not self._inbox.put(self._number, shot):
                return
        self.whole = True
        if video.damage is not None:
            self.counts.damage = str(video.damage)
            logger.warning("%s: %s", camera.name, video.damage)

    def _read_feed(self, feed: Feed) -> None:
        names = _Names(feed.name)
        for seconds, pixels in self._at_rate(iter(feed.frames), lambda frame: frame[0]):
            if self._stopped.is_set():
                return
            image_id, seconds = names.next(seconds)
            if not self._inbox.put(self._number, Shot(image_id=image_id, seconds=seconds, picture=pixels)):
                return
        self.whole = True

    def _at_rate(self, frames: Iterator[Any], seconds: Callable[[Any], float]) -> Iterator[Any]:
        """Return the frames that are due by their own times."""
        due = _Due(self._fps)
        return (frame for frame in frames if due.at(seconds(frame)))


class _Due:
    """Which frames of a camera are looked at: so many a second, evenly, by any clock."""

    def __init__(self, fps: float) -> None:
        self._step = 1 / fps
        self._next: float | None = None

    def at(self, now: float) -> bool:
        """Whether the frame of this time is due; time that leaps begins again."""
        if self._next is None or not -2 * self._step < now - self._next < self._step:
            self._next = now
        if now < self._next - 1e-3:
            return False
        self._next += self._step
        return True


class _Names:
    """Names frames by their times, no two in a row alike."""

    def __init__(self, camera: str) -> None:
        self._camera = camera
        self._last: int | None = None

    def next(self, seconds: float) -> tuple[str, float]:
        """Return the image_id of a frame and its time, to a millisecond."""
        stamp = round(seconds * 1000)
        if stamp == self._last:
            stamp += 1
        self._last = stamp
        return f"{self._camera}/{moment_name(stamp / 1000)}", stamp / 1000


def moment_name(seconds: float) -> str:
    """Write a time as it stands in an image_id.

    Example:
        >>> moment_name(1795752605.12), moment_name(75.5)
        ('2026-11-27T04:10:05.120Z', '75.500')
    """
    if not is_date(seconds):
        return f"{seconds:.3f}"
    moment = datetime.fromtimestamp(round(seconds * 1000) // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{round(seconds * 1000) % 1000:03d}Z"
