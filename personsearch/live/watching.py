"""``watch``: cameras in, tracks in a gallery and alerts out, until somebody ends it."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Protocol

from personsearch.calibration import false_match_rate, stricter
from personsearch.errors import GalleryError
from personsearch.live.alerts import Alert, Appearances, Found
from personsearch.live.cameras import Camera, Feed
from personsearch.live.checks import check_settings, prepare_gallery, refusal
from personsearch.live.durations import span_text
from personsearch.live.following import Following, Piece
from personsearch.live.keeping import alert_path, forget_alerts, write_picture
from personsearch.live.reading import Inbox, Pace, Reader, Shot
from personsearch.live.report import CameraReport, WatchReport, status_of
from personsearch.live.seeing import Searcher, seen_in
from personsearch.live.storing import Storer
from personsearch.live.targets import Target, read_again, targets_of
from personsearch.pictures.times import time_text
from personsearch.results import Detections

logger = logging.getLogger(__name__)

#: Frames a second of each camera that are looked at: what following people was measured at.
FPS = 4.0
#: Seconds after which a camera that says nothing is taken for lost.
TIMEOUT = 10.0
#: Seconds out of sight after which the same person appears anew.
QUIET = 30.0
#: False-match rate at which an alert is given.
RATE = 1e-3
#: Seconds between two lines about how it goes, and between two looks at who is looked for.
STATUS, READ_AGAIN = 60.0, 10.0
#: Seconds after which the people before a camera that is lost are let go of.
AWAY = 10.0
#: Seconds that are left at the end for what waits to be stored, and to be delivered.
LAST_STORE, LAST_DELIVERY = 30.0, 5.0


class Delivery(Protocol):
    """Takes alerts, as lines of JSON, without ever making the caller wait."""

    delivered: int
    failed: int

    def send(self, text: str) -> None:
        """Take one."""

    def close(self, wait: float) -> None:
        """Deliver what waits, for so many seconds at most."""


def watch(
    searcher: Searcher,
    cameras: Sequence[Camera | Feed | str],
    gallery: str | os.PathLike[str],
    *,
    fps: float = FPS,
    keep: float | None = None,
    pictures: bool = False,
    alerts: Sequence[str | os.PathLike[str]] = (),
    min_similarity: float | None = None,
    max_false_match_rate: float | None = None,
    quiet: float = QUIET,
    on_alert: Callable[[Alert], None] | None = None,
    deliveries: Sequence[Delivery] = (),
    batch_size: int = 8,
    timeout: float = TIMEOUT,
    stop: Event | None = None,
    clock: Callable[[], float] = time.time,
) -> WatchReport:
    """Watch cameras: follow who is before them, store the tracks in a gallery, and say when somebody known is seen.

    It goes on until ``stop`` is set, all cameras are files or feeds that have ended, or Ctrl-C. Each camera is read in
    a thread of its own and connected again whenever it is lost. Of a live camera only the newest frame waits for the
    network, so that watching never falls behind; files and feeds are read as fast as they can be analysed. The gallery
    is opened for each piece of work, so that others may write to it, too.

    Args:
        searcher: a ``PersonSearcher``.
        cameras: to watch; a string is what ``Camera.of`` takes.
        gallery: its folder, made if need be.
        fps: frames a second of each camera that are looked at.
        keep: seconds after which scenes of the gallery are erased, all of them and whoever stored them; None = never.
        pictures: keep a JPEG of each scene in the gallery's folder ``pictures``, and of each alert in ``alerts``.
        alerts: who is looked for: names of the gallery's people, ``person:ID``, or pictures.
        min_similarity: from which on somebody is taken for the one who is looked for.
        max_false_match_rate: the same as a rate of the weights' calibration; 1e-3 if neither is given.
        quiet: seconds out of sight after which the same person before the same camera is alerted about again.
        on_alert: is called with each alert; what it raises ends watching.
        deliveries: take each alert as a line of JSON, such as ``Webhook`` and ``Mqtt`` do; they are closed at the end.
        batch_size: frames that go through the network together at most.
        timeout: seconds after which a camera that cannot be opened or says nothing is lost.
        stop: set it, from another thread or a signal handler, to end.
        clock: tells the time of live frames and of now, seconds since 1970.

    Returns:
        What became of everything.

    Raises:
        ConfigError: something that is asked for contradicts itself, or the calibration has no such rate.
        GalleryError: the gallery can be neither made nor read, or is damaged.
        GalleryMismatchError: it holds embeddings of other weights.
        MissingExtraError: PyAV is not installed.

    Example:
        >>> from threading import Event
        >>> from personsearch.live import Feed, watch
        >>> frames = [(number / 4, np.zeros((480, 640, 3), np.uint8)) for number in range(8)]
        >>> report = watch(searcher, [Feed(name="door", frames=frames)], "watched/")
        >>> report.cameras[0].taken, report.complete
        (8, True)
    """
    folder = Path(gallery)
    sources = [Camera.of(one) if isinstance(one, str) else one for one in cameras]
    check_settings(sources, fps=fps, keep=keep, quiet=quiet, timeout=timeout, batch_size=batch_size, now=clock())
    targets = targets_of(alerts, searcher, folder)
    threshold = 1.0
    if targets:
        rate = RATE if min_similarity is None and max_false_match_rate is None else max_false_match_rate
        least = stricter(min_similarity, rate, searcher.calibration)
        threshold = threshold if least is None else least
    prepare_gallery(folder, searcher, dates_only=keep is not None)
    refused = [refusal(folder, source) for source in sources]
    ended = stop or Event()
    watcher = _Watcher(
        searcher,
        sources,
        refused,
        folder,
        targets,
        threshold=threshold,
        quiet=quiet,
        pictures=pictures,
        on_alert=on_alert,
        deliveries=deliveries,
        storer=Storer(folder, searcher.spec, keep=keep, pictures=pictures, clock=clock),
        pace=Pace(fps=fps, timeout=timeout, clock=clock),
        stop=ended,
    )
    if keep is not None:
        logger.info("%s: scenes are erased when they are older than %s", folder, span_text(keep))
    return watcher.run(batch_size)


@dataclass(eq=False)
class _Lane:
    """A camera with what is known of who is before it."""

    reader: Reader
    following: Following
    appearances: Appearances
    last: float  # monotonic seconds of its last frame


class _Watcher:
    """The loop and what it works with."""

    def __init__(
        self,
        searcher: Searcher,
        sources: Sequence[Camera | Feed],
        refused: Sequence[str | None],
        folder: Path,
        targets: list[Target],
        *,
        threshold: float,
        quiet: float,
        pictures: bool,
        on_alert: Callable[[Alert], None] | None,
        deliveries: Sequence[Delivery],
        storer: Storer,
        pace: Pace,
        stop: Event,
    ) -> None:
        self._searcher, self._folder, self._targets, self._pictures = searcher, folder, targets, pictures
        self._on_alert, self._deliveries, self._storer, self._stop = on_alert, deliveries, storer, stop
        self._inbox = Inbox(len(sources))
        self._lanes = [
            _Lane(
                Reader(number, source, self._inbox, pace, stop, refused=why),
                Following(source.name, pictures=pictures),
                Appearances(threshold=threshold, quiet=quiet),
                time.monotonic(),
            )
            for number, (source, why) in enumerate(zip(sources, refused, strict=True))
        ]
        self._live = any(lane.reader.live for lane in self._lanes)
        self._alerts = 0
        self._next_status, self._next_read = time.monotonic() + STATUS, time.monotonic() + READ_AGAIN

    def run(self, batch_size: int) -> WatchReport:
        """Watch until the end; whatever ends it, what was seen is stored."""
        self._storer.start()
        try:
            for lane in self._lanes:
                lane.reader.start()
            while not self._stop.is_set() and self._storer.fatal is None:
                batch = self._inbox.take(batch_size, 0.5)
                if batch is None:
                    break
                self._look_at(batch)
                self._keep_house()
        finally:
            unread = [self._inbox.has(number) for number in range(len(self._lanes))]
            self._stop.set()
            self._inbox.stop()
            for lane, left in zip(self._lanes, unread, strict=True):
                # A file that is read again gives the same tracks again, but not those that were cut short here.
                if not lane.reader.is_file or (lane.reader.whole and not left):
                    self._store(lane.following.finish())
            self._storer.close(LAST_STORE)
            for delivery in self._deliveries:
                delivery.close(LAST_DELIVERY)
        if self._storer.fatal is not None:
            raise self._storer.fatal
        return self.report()

    def _look_at(self, batch: Sequence[tuple[int, Shot]]) -> None:
        for (number, shot), found in zip(
            batch, seen_in(self._searcher, [shot.picture for _, shot in batch]), strict=True
        ):
            lane = self._lanes[number]
            lane.reader.counts.taken += 1
            if found is None:
                lane.reader.counts.passed_over += 1
                continue
            self._take(lane, shot, found)

    def _take(self, lane: _Lane, shot: Shot, found: Detections) -> None:
        following = lane.following
        lane.last = time.monotonic()
        pieces = following.take(shot, found)
        for new in lane.appearances.judge(shot.seconds, following.in_view, following.open_numbers, self._targets):
            self._alert(lane, shot, new)
        self._store(pieces)

    def _store(self, pieces: Sequence[Piece]) -> None:
        patient = None if self._live else lambda: not self._stop.is_set()
        for piece in pieces:
            self._storer.put(piece, patient=patient)

    def _alert(self, lane: _Lane, shot: Shot, found: Found) -> None:
        calibration, similarity = self._searcher.calibration, found.similarity
        x1, y1, x2, y2 = (round(value, 1) for value in found.track.box.tolist())
        alert = Alert(
            alert=found.target.label,
            person_id=found.target.person_id,
            camera=lane.reader.camera.name,
            time=shot.seconds,
            time_text=time_text(shot.seconds),
            similarity=round(similarity, 4),
            probability=None if calibration is None else round(float(calibration.probability(similarity)), 4),
            false_match_rate=false_match_rate(similarity, calibration),
            box=(x1, y1, x2, y2),
            image_id=shot.image_id,
            frames=found.track.frames,
            picture=self._picture(lane, shot, found) if self._pictures else None,
        )
        self._alerts += 1
        if self._on_alert is not None:
            self._on_alert(alert)
        text = alert.to_json()
        for delivery in self._deliveries:
            delivery.send(text)

    def _picture(self, lane: _Lane, shot: Shot, found: Found) -> str | None:
        data = lane.following.picture(shot.image_id)
        if data is None:
            return None
        try:
            return write_picture(alert_path(self._folder, found.target.key, shot.image_id), data)["path"]
        except OSError as error:
            logger.warning("the picture of an alert could not be written: %s", error.strerror)
            return None

    def _keep_house(self) -> None:
        """Do what is due now and then."""
        now = time.monotonic()
        for number, lane in enumerate(self._lanes):
            away = lane.reader.live and now - lane.last > AWAY
            if away or (lane.reader.whole and not self._inbox.has(number)):
                self._store(lane.following.finish())
                lane.last = now
        if now >= self._next_read:
            self._next_read = now + READ_AGAIN
            self._read_again()
        if now >= self._next_status:
            self._next_status = now + STATUS
            logger.info("%s", status_of(self.report()))

    def _read_again(self) -> None:
        try:
            self._targets, gone = read_again(self._targets, self._folder)
        except GalleryError as error:
            logger.warning("who is looked for could not be read again: %s", error)
            return
        for target in gone:
            logger.warning("%s is not in the gallery any more, and is not looked for any more", target.label)
            forget_alerts(self._folder, target.key)

    def report(self) -> WatchReport:
        """Return what became of everything so far."""
        stored = self._storer.stored
        return WatchReport(
            cameras=tuple(CameraReport.of(lane.reader.camera, lane.reader.counts) for lane in self._lanes),
            tracks=stored.tracks,
            scenes=stored.scenes,
            people=stored.people,
            known=stored.known,
            lost=stored.lost,
            erased=stored.erased,
            alerts=self._alerts,
            undelivered=sum(delivery.failed for delivery in self._deliveries),
            trouble=stored.trouble,
        )
