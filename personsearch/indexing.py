"""Images into a gallery: skip what is there, report what cannot be read, go on."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from personsearch.batching import map_ahead
from personsearch.errors import ImageError
from personsearch.gallery import Gallery
from personsearch.images import load_image
from personsearch.progress import Progress
from personsearch.results import IndexReport
from personsearch.sources import Source, Sources

if TYPE_CHECKING:
    from personsearch.searcher import PersonSearcher

logger = logging.getLogger(__name__)

Decoded: TypeAlias = tuple[Source, NDArray[np.uint8] | ImageError]


def index_sources(
    searcher: PersonSearcher, sources: Sources, gallery: Gallery, *, batch_size: int, progress: bool | None
) -> IndexReport:
    """Detect everybody in the sources and store them; see ``PersonSearcher.index``."""
    gallery.require(searcher.spec)
    failed: list[tuple[str, str]] = []
    added = skipped = people = 0
    under_way: deque[Source] = deque()
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
                except ImageError as error:  # see Sources.scenes
                    failed.append((entry.printable, str(error)))
                    bar.advance()

        def readable() -> Iterator[NDArray[np.uint8]]:
            for source, pixels in map_ahead(_decode, fresh(), ahead=batch_size):
                if isinstance(pixels, ImageError):
                    failed.append((source.image_id, str(pixels)))
                    bar.advance()
                else:
                    under_way.append(source)
                    yield pixels

        for detections in searcher.stream(readable(), batch_size=batch_size):
            source = under_way.popleft()
            if gallery.add(source.image_id, detections, camera=source.camera, time=source.time, extra=source.extra):
                added += 1
                people += len(detections)
            bar.advance()
    for name, reason in failed:
        logger.warning("not indexed: %s", reason if name in reason else f"{name}: {reason}")
    return IndexReport(added=added, skipped=skipped, people=people, failed=tuple(failed))


def _decode(source: Source) -> Decoded:
    try:
        return source, load_image(source.image)
    except ImageError as error:
        return source, error
