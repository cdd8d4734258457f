"""Images into a gallery: skip what is stored already, report what cannot be read, index the rest."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from personsearch.batching import chunks, read_ahead
from personsearch.errors import GalleryMismatchError, ImageError, MissingExtraError
from personsearch.gallery import Gallery
from personsearch.given import BOXES, BoxSource
from personsearch.indexing.same_content import Holding, compare_stored, digest_of, held_of, note_reading, stored_reading
from personsearch.listing import Entry
from personsearch.people import NewScene
from personsearch.pictures.decode import ChannelOrder, download, is_url
from personsearch.pictures.video import Damage, decoding
from personsearch.plain import counted
from personsearch.progress import Progress
from personsearch.results import Detections, Floats, IndexReport
from personsearch.runner import Ready, Runner, Settings
from personsearch.sources import Reading, Source, Sources

logger = logging.getLogger(__name__)

#: What makes an input unusable, while the others are indexed.
UNUSABLE = (ImageError, MissingExtraError, GalleryMismatchError)

Key = TypeVar("Key")


@dataclass(frozen=True, eq=False)
class Prepared:
    """A new scene, decoded, and what the gallery keeps beside it."""

    source: Source
    ready: Ready
    extra: dict[str, Any]


def index_sources(
    runner: Runner,
    sources: Sources,
    gallery: Gallery,
    *,
    channel_order: ChannelOrder,
    batch_size: int,
    progress: bool | None,
    crops: bool = False,
    replace: bool = False,
    boxes: BoxSource | None = None,
) -> IndexReport:
    """Detect everybody in the sources and store them; see ``PersonSearcher.index``.

    Args:
        runner: of the weights whose embeddings the gallery holds.
        sources: what to index.
        gallery: open for writing.
        channel_order: of arrays and tensors.
        batch_size: images of one canvas size that go through the network together.
        progress: None = a bar on a terminal.
        crops: every picture is one person, so that there is nobody to detect.
        replace: index again what is stored under the same name with other content or other boxes.
        boxes: of the people, in place of our detector.
    """
    failed: list[tuple[str, str]] = list(sources.listing.unreadable)
    damaged: list[tuple[str, str]] = []
    added = skipped = labelled = unverified = people = 0
    seen: set[str] = set()
    pending: list[NewScene] = []
    stills_only = not any(entry.is_video for entry in sources.entries)
    settings = Settings(batch_size=batch_size)
    with Progress(total=len(sources.entries) if stills_only else None, label="index", shown=progress) as bar:

        def refuse(name: str, reason: object) -> None:
            failed.append((name, str(reason)))
            bar.advance()

        def store() -> None:
            """Store what is pending; from here on it is acknowledged."""
            nonlocal added, people
            for scene, error in stored_or_refused(gallery, pending, replace=replace):
                if error is not None:
                    refuse(scene.image_id, error)
                    continue
                added += 1
                people += len(scene.detections)
                bar.advance()
            pending.clear()

        def new_scenes() -> Generator[tuple[Source, str | None], None, None]:
            """Yield the scenes that are not stored, with the digest of their file's content where it is known."""
            nonlocal skipped, labelled, unverified
            for entry, held in looked_up(gallery, sources.entries):
                seen.add(entry.image_id)
                try:
                    entry.require_name()
                    comparison = compare_stored(held, entry, channel_order, boxes=boxes)
                    if comparison.differs:
                        if not replace:
                            raise GalleryMismatchError(comparison.message)
                        if entry.is_video:  # its frames need not have the same names; a still is replaced at once
                            gallery.remove(comparison.stored)
                    reading = stored_reading(gallery, entry, comparison, sources.every)
                    items = sources.scenes(entry, comparison.wants, reading)
                    moments: list[tuple[float, int]] = []
                    lost: Damage | None = None
                    if entry.is_video and reading is None:
                        # Decoded while the network computes; the gallery is used in this thread alone.
                        items = read_ahead(items, batch_size)
                    with closing(items):
                        for item in items:
                            if isinstance(item, Damage):
                                lost = item
                                damaged.append((entry.image_id, str(item)))
                                continue
                            seen.add(item.image_id)
                            if item.moment is not None:
                                moments.append(item.moment)
                            if isinstance(item, Source):
                                yield item, comparison.digest
                                continue
                            skipped += 1
                            unverified += comparison.unknown
                            if item.camera is not None or item.time is not None:
                                labelled += gallery.label(item.image_id, camera=item.camera, time=item.time)
                            bar.advance()
                    if moments and reading is None and comparison.digest is not None and not comparison.unknown:
                        # Its last frames may not be stored yet; whether they are is asked when it is used.
                        reading = Reading(comparison.digest, sources.every, decoding(), tuple(moments), lost)
                        note_reading(gallery, entry, reading)
                except UNUSABLE as error:
                    refuse(entry.printable, error)

        def prepare(item: tuple[Source, str | None]) -> Prepared | tuple[Source, Exception]:
            try:
                return prepared(runner, *item, channel_order=channel_order, crops=crops, boxes=boxes)
            except UNUSABLE as error:
                return item[0], error

        def readable(scenes: Iterator[tuple[Source, str | None]]) -> Iterator[tuple[None, Prepared]]:
            for item in runner.prepare_ahead(prepare, scenes, pictures_ahead(batch_size, boxes)):
                if isinstance(item, Prepared):
                    yield None, item
                else:
                    refuse(item[0].image_id, item[1])

        with closing(new_scenes()) as scenes:  # whatever happens, no thread is left behind
            for (_, item), detections in detected(
                runner, readable(scenes), settings, crops=crops, boxes=boxes, refuse=lambda _, *why: refuse(*why)
            ):
                source = item.source
                if source.image_id in {scene.image_id for scene in pending}:
                    store()  # the same name once more: the two are compared
                pending.append(
                    NewScene(
                        image_id=source.image_id,
                        detections=detections,
                        camera=source.camera,
                        time=source.time,
                        extra=item.extra,
                    )
                )
                if len(pending) >= gallery.scenes_at_once:
                    store()
            if pending:
                store()
    return IndexReport(
        added=added,
        skipped=skipped,
        people=people,
        failed=tuple(failed),
        damaged=tuple(damaged),
        unmatched=tuple(sorted((sources.cameras.keys() | sources.times.keys()) - seen)),
        passed_over=dict(sources.listing.passed_over),
        labelled=labelled,
        unverified=unverified,
        without_row=0 if boxes is None else boxes.absent,
    )


def looked_up(gallery: Gallery, entries: Iterable[Entry]) -> Iterator[tuple[Entry, Holding]]:
    """Yield inputs with what is held of them, stills looked up for as many at a time as the gallery likes."""
    if gallery.scenes_at_once == 1:
        yield from ((entry, gallery) for entry in entries)
        return
    for chunk in chunks(entries, gallery.scenes_at_once):
        known = gallery.stored(entry.image_id for entry in chunk if not entry.is_video)
        yield from ((entry, gallery if entry.is_video else held_of(gallery, entry, known)) for entry in chunk)


def stored_or_refused(
    gallery: Gallery, scenes: Sequence[NewScene], *, replace: bool = False
) -> list[tuple[NewScene, GalleryMismatchError | None]]:
    """Store scenes together, and return them with why one was refused, whose name is taken by other content."""
    try:
        gallery.add_batch(scenes, replace=replace)
    except GalleryMismatchError as error:
        if len(scenes) == 1:
            return [(scenes[0], error)]
        # One of them; each by itself says which.
        return [one for scene in scenes for one in stored_or_refused(gallery, [scene], replace=replace)]
    return [(scene, None) for scene in scenes]


def pictures_ahead(batch_size: int, boxes: BoxSource | None) -> int:
    """Return for how large a batch pictures are made ready ahead: whole ones, for a detector, one by one."""
    return 1 if boxes is not None and boxes.wants_pixels else batch_size


def detected(
    runner: Runner,
    scenes: Iterable[tuple[Key, Prepared]],
    settings: Settings,
    *,
    crops: bool = False,
    boxes: BoxSource | None = None,
    refuse: Callable[[Key, str, Exception], None],
) -> Iterator[tuple[tuple[Key, Prepared], Detections]]:
    """Yield each scene with its people: detected, at boxes that are given, or the one that a crop shows.

    Args:
        runner: of the network.
        scenes: with anything the caller wants back.
        settings: only ``batch_size`` counts.
        crops: every picture is one person.
        boxes: of the people, in place of our detector. It is asked in the caller's thread, in order, and the scene's
            ``extra`` says that it was.
        refuse: takes the key, image_id and reason of a scene whose boxes cannot be used.
    """

    def asked(source: BoxSource) -> Iterator[tuple[tuple[Key, Prepared], Ready, Floats, Floats]]:
        for key, scene in scenes:
            ready, image_id = scene.ready, scene.source.image_id
            try:
                people = source.people(image_id, image_id, ready.pixels)
                corners, scores = people.inside(ready.canvas.image_size, image_id)
            except ImageError as error:
                refuse(key, image_id, error)
                continue
            ready = replace(ready, pixels=None)
            yield (
                (key, replace(scene, ready=ready, extra={**scene.extra, BOXES: people.digest})),
                ready,
                corners,
                scores,
            )

    if boxes is not None:
        return runner.embed_given_tagged(asked(boxes), settings)
    detect = runner.embed_crops_tagged if crops else runner.detect_tagged
    return detect((((key, scene), scene.ready) for key, scene in scenes), settings)


def prepared(
    runner: Runner,
    source: Source,
    digest: str | None,
    *,
    channel_order: ChannelOrder,
    crops: bool = False,
    boxes: BoxSource | None = None,
) -> Prepared:
    """Decode a new scene; called in threads.

    Raises:
        ImageError: it cannot be used.
    """
    image = source.image() if callable(source.image) else source.image
    if isinstance(image, str) and is_url(image):
        image = download(image)  # once, so that the digest is of the picture that is looked at
    if crops:
        ready = runner.ready_crop(image, channel_order)
    else:
        ready = runner.ready(image, channel_order, keep_pixels=boxes is not None and boxes.wants_pixels)
    return Prepared(source, ready, _extra(source, ready, digest or digest_of(image, channel_order)))


def _extra(source: Source, ready: Ready, digest: str) -> dict[str, Any]:
    """Return what a gallery keeps beside a scene: where its picture is, what tells it from others, how it was read."""
    extra: dict[str, Any] = {"sha256": digest}
    if source.file is not None:
        extra["path"] = str(source.file.absolute())
    if ready.value_range is not None:
        extra["value_range"] = list(ready.value_range)
    return extra


def log_report(report: IndexReport) -> None:
    """Say what was not done, and why."""
    for name, reason in report.failed:
        named = reason.partition(": ")[0].endswith(name)  # by its path, which ends with the image_id
        logger.warning("not indexed: %s", reason if named else f"{name}: {reason}")
    for name, what in report.damaged:
        logger.warning("%s: %s", name, what)
    if report.unmatched:
        logger.warning(
            "%d of the image_ids given with a camera or a time match no image, the first is %r; an image_id is the "
            "path below the indexed folder, after the prefix if there is one, or as written where several are indexed",
            len(report.unmatched),
            report.unmatched[0],
        )
    if report.unverified:
        logger.warning(
            "%d scenes were stored without a digest of their content, so that it could not be compared; they are taken "
            "to be the same by their name",
            report.unverified,
        )
    if report.without_row:
        scenes = counted(report.without_row, "scene")
        logger.info("%s without a row in the file of detections, so with nobody", scenes)
