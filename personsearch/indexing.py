"""Images into a gallery: skip what is stored already, report what cannot be read, index the rest."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from personsearch.batching import map_ahead
from personsearch.errors import ImageError
from personsearch.gallery import Gallery
from personsearch.pictures.decode import ChannelOrder
from personsearch.progress import Progress
from personsearch.results import IndexReport
from personsearch.runner import Ready, Runner, Settings
from personsearch.sources import Source, Sources

logger = logging.getLogger(__name__)


def index_sources(
    runner: Runner,
    sources: Sources,
    gallery: Gallery,
    *,
    channel_order: ChannelOrder,
    batch_size: int,
    progress: bool | None,
) -> IndexReport:
    """Detect everybody in the sources and store them; see ``PersonSearcher.index``.

    Args:
        runner: of the weights whose embeddings the gallery holds.
        sources: what to index.
        gallery: open for writing.
        channel_order: of arrays and tensors.
        batch_size: images of one canvas size that go through the network together.
        progress: None = a bar on a terminal.
    """
    failed: list[tuple[str, str]] = []
    added = skipped = people = 0
    seen: set[str] = set()
    stills_only = not any(entry.is_video for entry in sources.entries)
    with Progress(total=len(sources.entries) if stills_only else None, label="index", shown=progress) as bar:

        def wanted(image_id: str) -> bool:
            seen.add(image_id)
            return image_id not in gallery

        def new_scenes() -> Iterator[Source]:
            nonlocal skipped
            for entry in sources.entries:
                seen.add(entry.image_id)
                try:
                    for source in sources.scenes(entry, wanted):
                        if source is None:
                            skipped += 1
                            bar.advance()
                        else:
                            yield source
                except ImageError as error:  # see Sources.scenes
                    failed.append((entry.printable, str(error)))
                    bar.advance()

        def prepare(source: Source) -> tuple[Source, Ready | ImageError]:
            try:
                return source, runner.ready(source.image, channel_order)
            except ImageError as error:
                return source, error

        def readable() -> Iterator[tuple[Source, Ready]]:
            for source, ready in map_ahead(prepare, new_scenes(), ahead=batch_size):
                if isinstance(ready, ImageError):
                    failed.append((source.image_id, str(ready)))
                    bar.advance()
                else:
                    yield source, ready

        for source, detections in runner.detect_tagged(readable(), Settings(batch_size=batch_size)):
            if gallery.add(source.image_id, detections, camera=source.camera, time=source.time, extra=source.extra):
                added += 1
                people += len(detections)
            bar.advance()
    for name, reason in failed:
        named = reason.partition(": ")[0].endswith(name)  # by its path, which ends with the image_id
        logger.warning("not indexed: %s", reason if named else f"{name}: {reason}")
    unmatched = tuple(sorted((sources.cameras.keys() | sources.times.keys()) - seen))
    if unmatched:
        logger.warning(
            "%d of the image_ids given with a camera or a time match no image, the first is %r; an image_id is the "
            "path below the indexed folder",
            len(unmatched),
            unmatched[0],
        )
    return IndexReport(added=added, skipped=skipped, people=people, failed=tuple(failed), unmatched=unmatched)
