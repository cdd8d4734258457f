"""Videos into a gallery as tracks: people are followed, and of each the best few views are stored.

A video is stored in pieces. A piece ends whenever nobody is being followed, and is stored in one transaction together
with the note how far the video was read; the next one begins with a follower that knows nobody. So a run that was
killed continues behind the last piece, and gives the gallery that an uninterrupted run gives.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from personsearch.batching import read_ahead
from personsearch.gallery import Gallery
from personsearch.given import BoxSource
from personsearch.indexing.new_tracks import Seen, new_track, scenes_of
from personsearch.indexing.scenes import UNUSABLE, Prepared, detected, index_sources, pictures_ahead, prepared
from personsearch.indexing.stored_tracks import ReadSoFar, begun_of
from personsearch.listing import Entry
from personsearch.pictures.decode import ChannelOrder
from personsearch.pictures.video import Damage, frame_of, frames_prefix
from personsearch.progress import Progress
from personsearch.results import Detections, IndexReport
from personsearch.runner import Runner, Settings
from personsearch.sources import Source, Sources
from personsearch.tracking import RULES, Followed, Follower, Frame, sharpness_of

logger = logging.getLogger(__name__)

#: Frames after which everybody who is still being followed is let go of, so that memory and lost work stay bounded:
#: somebody who stands there longer becomes several tracks.
MAX_FRAMES = 4000
#: Frames with nobody after which it is noted that they were read.
QUIET_FRAMES = 500


@dataclass(eq=False)
class _Counts:
    """What became of the videos."""

    added: int = 0
    people: int = 0
    tracks: int = 0
    skipped: int = 0
    labelled: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    damaged: list[tuple[str, str]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)


def index_tracks(
    runner: Runner,
    sources: Sources,
    gallery: Gallery,
    *,
    channel_order: ChannelOrder,
    batch_size: int,
    progress: bool | None,
    replace: bool = False,
    boxes: BoxSource | None = None,
) -> IndexReport:
    """Follow the people of the videos and store their tracks; stills are indexed as ever.

    Args:
        runner: of the weights whose embeddings the gallery holds.
        sources: what to index.
        gallery: open for writing.
        channel_order: of arrays and tensors.
        batch_size: images of one canvas size that go through the network together.
        progress: None = a bar on a terminal.
        replace: index again what is stored under the same name with other content or in another way.
        boxes: of the people, in place of our detector.
    """
    videos = [entry for entry in sources.entries if entry.is_video]
    stills = _only(sources, [entry for entry in sources.entries if not entry.is_video])
    if stills.entries:
        logger.info("%d pictures are indexed one by one; people are followed in videos", len(stills.entries))
    report = index_sources(
        runner,
        stills,
        gallery,
        channel_order=channel_order,
        batch_size=batch_size,
        progress=progress if stills.entries else False,  # no bar for nothing
        replace=replace,
        boxes=boxes,
    )
    counts = _Counts()
    with Progress(total=None, label="index", shown=progress) as bar:
        for entry in videos:
            counts.seen.add(entry.image_id)
            try:
                entry.require_name()
                begun = begun_of(
                    gallery, sources, entry, channel_order, rules=_rules(boxes), replace=replace, boxes=boxes
                )
                _count_stored(gallery, sources, entry, counts)
                _follow(runner, sources, gallery, entry, begun, counts, bar, channel_order, batch_size, boxes)
            except UNUSABLE as error:
                counts.failed.append((entry.printable, str(error)))
                bar.advance()
    return _with_videos(report, counts, boxes)


def _only(sources: Sources, entries: list[Entry]) -> Sources:
    return replace(sources, listing=replace(sources.listing, entries=tuple(entries)))


def _with_videos(report: IndexReport, counts: _Counts, boxes: BoxSource | None) -> IndexReport:
    return replace(
        report,
        added=report.added + counts.added,
        skipped=report.skipped + counts.skipped,
        people=report.people + counts.people,
        failed=(*report.failed, *counts.failed),
        damaged=(*report.damaged, *counts.damaged),
        unmatched=tuple(name for name in report.unmatched if name not in counts.seen),
        labelled=report.labelled + counts.labelled,
        tracks=counts.tracks,
        without_row=0 if boxes is None else boxes.absent,
    )


def _rules(boxes: BoxSource | None) -> str:
    follower = Follower()
    given = "" if boxes is None else "; boxes given"
    return f"{RULES}; {follower.max_views} views; {follower.patience} s; {MAX_FRAMES} frames{given}"


def _count_stored(gallery: Gallery, sources: Sources, entry: Entry, counts: _Counts) -> None:
    """Count the frames of a video that are stored, and give them the cameras and times that are given now."""
    for image_id in gallery.image_ids(frames_prefix(entry.image_id)):
        counts.skipped += 1
        counts.seen.add(image_id)
        moment = frame_of(image_id)
        scene = gallery.scene(image_id)
        if moment is None or scene is None:
            continue
        _, camera, time = sources.frame(entry, *moment)
        if time is not None and scene.time is not None and abs(time - scene.time) < 1e-3:
            time = None  # the name has milliseconds, the stored time more
        if camera is not None or time is not None:
            counts.labelled += gallery.label(image_id, camera=camera, time=time)


def _follow(
    runner: Runner,
    sources: Sources,
    gallery: Gallery,
    entry: Entry,
    begun: ReadSoFar,
    counts: _Counts,
    bar: Progress,
    channel_order: ChannelOrder,
    batch_size: int,
    boxes: BoxSource | None,
) -> None:
    """Read a video on from where it was left, and store the tracks."""
    prefix = frames_prefix(entry.image_id)
    failed: list[tuple[int, str, str]] = []  # number, image_id and reason
    taken = begun.frames
    lost = begun.damage

    def frames() -> Generator[tuple[int, Source], None, None]:
        """Yield the frames with their numbers, from the batch on in which the last one read was."""
        nonlocal taken, lost
        # The same frames share a batch as in a run that was not interrupted, as sums round by their company.
        first = begun.frames - begun.frames % batch_size
        number = -1
        with closing(read_ahead(sources.scenes(entry, lambda _: True), batch_size)) as items:
            for item in items:
                if isinstance(item, Damage):
                    lost = item
                elif isinstance(item, Source):
                    number += 1
                    counts.seen.add(item.image_id)
                    if number >= first:
                        yield number, item
        taken = number + 1

    def prepare(numbered: tuple[int, Source]) -> tuple[int, Prepared] | tuple[int, Source, Exception]:
        number, source = numbered
        try:
            return number, prepared(runner, source, begun.sha256, channel_order=channel_order, boxes=boxes)
        except UNUSABLE as error:
            return number, source, error

    def refuse(number: int, image_id: str, reason: Exception) -> None:
        if number >= begun.frames:
            failed.append((number, image_id, str(reason)))

    def readable(numbered: Iterator[tuple[int, Source]]) -> Iterator[tuple[int, Prepared]]:
        for item in runner.prepare_ahead(prepare, numbered, pictures_ahead(batch_size, boxes)):
            if len(item) == 2:
                yield item
            else:
                refuse(item[0], item[1].image_id, item[2])

    def note(frames: int, **end: Any) -> ReadSoFar:
        known = tuple((name, reason) for number, name, reason in failed if number < frames)
        return replace(begun, frames=frames, failed=begun.failed + known, **end)

    piece = _Piece(gallery, prefix, counts)
    settings = Settings(batch_size=batch_size)
    if begun.done:  # which frames it has is not known any more
        counts.seen |= {name for name in {*sources.cameras, *sources.times} if name.startswith(prefix)}
    else:
        with closing(frames()) as numbered:
            for (number, scene), detections in detected(
                runner, readable(numbered), settings, boxes=boxes, refuse=refuse
            ):
                bar.advance()
                if number >= begun.frames and piece.take(scene, detections):
                    piece.store(note(number + 1))
        piece.finish()
        piece.store(note(taken, done=True, damage=lost))
    counts.failed += note(taken).failed
    if lost is not None:
        counts.damaged.append((entry.image_id, str(lost)))


class _Piece:
    """What was seen since nobody was being followed, until it is stored."""

    def __init__(self, gallery: Gallery, prefix: str, counts: _Counts) -> None:
        self._gallery, self._prefix, self._counts = gallery, prefix, counts
        self._follower = Follower()
        self._ended: list[Followed] = []
        self._seen: dict[str, Seen] = {}
        self._frames = self._quiet = 0

    def take(self, scene: Prepared, detections: Detections) -> bool:
        """Take in a frame; True = the piece ends here and is to be stored."""
        source, canvas = scene.source, scene.ready.canvas
        pixels = canvas.pixels.permute(1, 2, 0).numpy()
        frame = Frame(
            image_id=source.image_id,
            seconds=0.0 if source.moment is None else source.moment[0],
            detections=detections,
            sharpness=sharpness_of(pixels, canvas.to_canvas(detections.boxes)),
        )
        self._ended += self._follower.update(frame)
        if len(detections):
            self._seen[source.image_id] = Seen(source.camera, source.time, scene.extra)
        self._frames += 1
        if self._follower.empty:
            self._quiet += 1
            self._frames = 0
            return bool(self._ended) or self._quiet >= QUIET_FRAMES
        if self._frames >= MAX_FRAMES:
            self.finish()
            return True
        return False

    def finish(self) -> None:
        """Let go of everybody who is being followed."""
        self._ended += self._follower.finish()

    def store(self, note: ReadSoFar) -> None:
        """Store the tracks that have ended, with the note how far the video was read."""
        tracks = sorted(self._ended, key=lambda track: (track.first, track.number))
        scenes, rows = scenes_of(tracks, self._seen)
        self._gallery.tracks.add(
            scenes, [new_track(track, rows, self._seen) for track in tracks], note=(self._prefix, note.to_bytes())
        )
        self._counts.added += len(scenes)
        self._counts.people += sum(len(scene.detections) for scene in scenes)
        self._counts.tracks += len(tracks)
        self._ended, self._seen = [], {}
        self._frames = self._quiet = 0
