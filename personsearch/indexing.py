"""Images into a gallery: skip what is there, report what cannot be read, go on."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from personsearch.errors import ImageError, MissingExtraError
from personsearch.gallery import Gallery
from personsearch.images import load_image
from personsearch.progress import Progress
from personsearch.results import IndexReport
from personsearch.sources import Source, Sources

if TYPE_CHECKING:
    from personsearch.searcher import PersonSearcher

logger = logging.getLogger(__name__)


def index_sources(
    searcher: PersonSearcher, sources: Sources, gallery: Gallery, *, batch_size: int, progress: bool | None
) -> IndexReport:
    """Detect everybody in the sources and store them; see ``PersonSearcher.index``."""
    gallery.require(searcher.spec)
    failed: list[tuple[str, str]] = []
    skipped = 0
    added = people = 0
    stills_only = not any(entry.is_video for entry in sources.entries)
    with Progress(total=len(sources.entries) if stills_only else None, label="index", shown=progress) as bar:

        def fresh() -> Iterator[Source]:
            nonlocal skipped
            for entry in sources.entries:
                try:
                    for source in sources.scenes(entry, lambda name: name not in gallery):
                        if source is None:
                            skipped += 1
                            bar.advance()
                        else:
                            yield source
                except MissingExtraError:
                    raise
                except ImageError as error:
                    failed.append((entry.image_id, str(error)))
                    bar.advance()

        for batch in _batches(fresh(), batch_size):
            readable, pixels = [], []
            for source in batch:
                try:
                    pixels.append(load_image(source.image))
                    readable.append(source)
                except ImageError as error:
                    failed.append((source.image_id, str(error)))
                    bar.advance()
            found = searcher.stream(pixels, batch_size=batch_size)
            for source, detections in zip(readable, found, strict=True):
                stored = gallery.add(
                    source.image_id, detections, camera=source.camera, time=source.time, extra=source.extra
                )
                added += stored
                people += len(detections) if stored else 0
                bar.advance()
    for name, reason in failed:
        logger.warning("not indexed: %s: %s", name, reason)
    return IndexReport(added=added, skipped=skipped, people=people, failed=tuple(failed))


def _batches(sources: Iterator[Source], size: int) -> Iterator[list[Source]]:
    batch: list[Source] = []
    for source in sources:
        batch.append(source)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
