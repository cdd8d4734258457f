"""What is checked before cameras are watched."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from personsearch.errors import ConfigError, GalleryLockedError, ImageError
from personsearch.gallery import Gallery
from personsearch.gallery.faults import DATABASE
from personsearch.live.cameras import Camera, Feed, check_names
from personsearch.live.durations import span_text
from personsearch.live.seeing import Searcher
from personsearch.live.storing import TURN
from personsearch.live.streams import require_av
from personsearch.people import TRACKS
from personsearch.pictures.content import content_digest
from personsearch.pictures.times import SINCE_1970, time_text
from personsearch.pictures.video import frames_prefix


def check_settings(
    sources: Sequence[Camera | Feed],
    *,
    fps: float,
    keep: float | None,
    quiet: float,
    timeout: float,
    batch_size: int,
    now: float,
) -> None:
    """Refuse what cannot be watched as asked for.

    Args:
        sources: the cameras.
        fps: see ``watch``, as all others.
        keep: seconds.
        quiet: seconds.
        timeout: seconds.
        batch_size: frames.
        now: seconds since 1970.

    Raises:
        ConfigError: a value is out of range, or contradicts another one.
        ImageError: there are only files, and none of them is there.
        MissingExtraError: PyAV is not installed.
    """
    check_names(sources)
    for name, value in (("fps", fps), ("quiet", quiet), ("timeout", timeout), ("batch_size", batch_size)):
        if not value > 0:
            raise ConfigError(f"{name} must be above 0, got {value}")
    if any(isinstance(source, Camera) for source in sources):
        require_av()
    files = [one for one in sources if isinstance(one, Camera) and one.kind == "file"]
    if len(files) == len(sources) and not any(os.path.isfile(one.url) for one in files):
        raise ImageError(f"{files[0].url}: no such file; give a video, or the address of a camera")
    if keep is None:
        return
    if not keep > 0:
        raise ConfigError(f"keep must be above 0 seconds, got {keep}")
    for source in sources:
        if not isinstance(source, Camera) or source.kind != "file":
            continue
        if source.start is None:
            raise ConfigError(
                f"{source.shown}: its times are positions in the video, of which none is {span_text(keep)} ago; say "
                "when it begins (--start), or leave --keep out"
            )
        if source.start < now - keep:
            raise ConfigError(
                f"{source.shown}: begins longer ago than {span_text(keep)}, so that it would be erased at once; leave "
                "--keep out, or keep more"
            )


def prepare_gallery(folder: Path, searcher: Searcher, *, dates_only: bool) -> None:
    """Make the gallery if there is none, and refuse one that cannot be used, before anything is seen.

    Args:
        folder: the gallery's.
        searcher: whose embeddings it is to hold.
        dates_only: whether the times of all its scenes must be dates.

    Raises:
        ConfigError: some are not.
        GalleryError: it can be neither made nor read, is damaged, or holds embeddings of other weights.
    """
    if not (folder / DATABASE).exists():
        Gallery.open(folder, searcher.spec, wait=TURN).close()
        return
    with suppress(GalleryLockedError):  # somebody else writes just now; they take turns
        Gallery.open(folder, searcher.spec).close(cache=False)
    with closing(Gallery.open(folder, searcher.spec, mode="r")) as gallery:
        span = gallery.scenes.span() if dates_only else None
    if span is not None and span[0] < SINCE_1970:
        raise ConfigError(
            f"{folder}: holds scenes whose times are no dates but positions in videos, the first {time_text(span[0])}; "
            "--keep would erase them all: use another gallery, or leave --keep out"
        )


def refusal(folder: Path, source: Camera | Feed) -> str | None:
    """Say why a video file cannot be watched into a gallery that holds something else under its name; None = it can."""
    if not isinstance(source, Camera) or source.kind != "file" or not os.path.isfile(source.url):
        return None
    with closing(Gallery.open(folder, mode="r")) as gallery:
        first = next(iter(gallery.image_ids(frames_prefix(source.stem))), None)
        scene = None if first is None else gallery.scene(first)
    if scene is None:
        return None
    if not scene.extra.get(TRACKS):
        return f"{source.url}: the gallery holds this video frame by frame already; use another gallery, or NAME=FILE"
    if scene.extra.get("sha256") != content_digest(source.url):
        return f"{source.url}: the gallery holds another video of this name already; give this one another (NAME=FILE)"
    return None
