"""Is what a gallery holds under a name what is to be stored under it? Content is compared by its sha256."""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image

from personsearch.gallery import Gallery
from personsearch.given import BOXES, BoxSource
from personsearch.listing import Entry
from personsearch.people import TRACKS
from personsearch.pictures.content import content_digest
from personsearch.pictures.decode import ChannelOrder, ImageInput, load_image
from personsearch.pictures.video import decoding, frame_id, frames_prefix
from personsearch.results import StoredScene
from personsearch.sources import Reading


class Holding(Protocol):
    """A gallery; or what one holds of an input, for those who cannot ask it."""

    def image_ids(self, prefix: str = "") -> list[str]:
        """As ``Gallery.image_ids``."""

    def scene(self, image_id: str) -> StoredScene | None:
        """As ``Gallery.scene``."""

    def noted(self, prefix: str) -> bytes | None:
        """As ``Gallery.noted``."""


@dataclass(frozen=True)
class Held:
    """What a gallery holds under the name of an input, for those who cannot ask it.

    Attributes:
        names: image_ids that are stored: of the still, or of frames of the video.
        first: the scene of the first of them.
        note: what was noted about a video.
    """

    names: tuple[str, ...] = ()
    first: StoredScene | None = None
    note: bytes | None = None

    def image_ids(self, prefix: str = "") -> list[str]:
        """As ``Gallery.image_ids`` of this input."""
        return [name for name in self.names if name.startswith(prefix)]

    def scene(self, image_id: str) -> StoredScene | None:
        """As ``Gallery.scene`` of this input."""
        return self.first if self.first is not None and self.first.image_id == image_id else None

    def noted(self, prefix: str) -> bytes | None:
        """As ``Gallery.noted`` of this input."""
        return self.note


@dataclass(frozen=True)
class Comparison:
    """What a gallery holds under the name of a still or a video.

    Attributes:
        stored: image_ids that are stored: of the still, or of frames of the video.
        digest: sha256 of the content to be stored, if it had to be read: always of a video, else of what is stored.
        differs: whether other content is stored under the name.
        unknown: whether nothing tells what was stored.
        message: where the content differs, both and what to do.
    """

    stored: frozenset[str]
    digest: str | None
    differs: bool = False
    unknown: bool = False
    message: str = ""

    def wants(self, image_id: str) -> bool:
        """Whether a scene of the input is still to be indexed."""
        return self.differs or image_id not in self.stored


def held_of(gallery: Gallery, entry: Entry, known: Mapping[str, StoredScene]) -> Held:
    """Return what a gallery holds of an input.

    Args:
        gallery: that is asked about a video.
        entry: the input.
        known: what it holds of this still and others.
    """
    if not entry.is_video:
        scene = known.get(entry.image_id)
        return Held() if scene is None else Held((entry.image_id,), scene)
    prefix = frames_prefix(entry.image_id)
    names = gallery.image_ids(prefix)
    return Held(tuple(names), gallery.scene(names[0]), gallery.noted(prefix)) if names else Held()


def compare_stored(
    gallery: Holding,
    entry: Entry,
    channel_order: ChannelOrder,
    *,
    tracks: bool = False,
    boxes: BoxSource | None = None,
) -> Comparison:
    """Compare an input with what is stored under its name.

    A video is compared by any one of its frames, as all of them carry the digest of the file, and say whether they were
    stored as views of tracks.

    Args:
        gallery: that may hold it, or what one holds of this input.
        entry: the input.
        channel_order: of arrays and tensors.
        tracks: whether a video is to be stored as tracks; stored frame by frame, it differs, and the other way round.
        boxes: of the people, if they are given; stored with our detector's it differs, and the other way round, and so
            it does where other boxes are given now.

    Raises:
        ImageError: the input cannot be read.
    """
    names = gallery.image_ids(frames_prefix(entry.image_id)) if entry.is_video else [entry.image_id]
    scene = gallery.scene(names[0]) if names else None
    if scene is None:
        return Comparison(frozenset(), digest_of(entry.image, channel_order) if entry.is_video else None)
    stored = frozenset(names)
    digest = digest_of(entry.image, channel_order)
    known = _known_digest(scene, entry)
    if entry.is_video and bool(scene.extra.get(TRACKS)) != tracks:
        return Comparison(stored, digest, differs=True, message=_message_of_kind(entry, tracks=tracks))
    if known is not None and known != digest:
        return Comparison(stored, digest, differs=True, message=_message(gallery, entry, scene))
    if message := _message_of_boxes(gallery, entry, scene, names, boxes):
        return Comparison(stored, digest, differs=True, message=message)
    return Comparison(stored, digest, unknown=known is None)


def stored_reading(gallery: Holding, entry: Entry, comparison: Comparison, every: int) -> Reading | None:
    """Return what reading a video gave before, if that is how every frame of it that is wanted is known to be stored.

    That is the case if a reading to the end of this very content (its sha256), by the same libraries, with this
    ``every`` or a divisor of it, is noted, and a frame is stored under each of the names that it gave. A frame that
    failed, was not reached, was erased or replaced since then is none of these, and the video is read again.

    Raises:
        MissingExtraError: PyAV is not installed.
    """
    if not entry.is_video or comparison.differs or comparison.unknown or not comparison.stored:
        return None
    noted = gallery.noted(frames_prefix(entry.image_id))
    if noted is None:
        return None
    try:
        reading = Reading.from_bytes(noted)
    except (zlib.error, LookupError, TypeError, ValueError):  # another version wrote it
        return None
    moments = reading.taken(every)
    if (reading.sha256, reading.decoding) != (comparison.digest, decoding()) or moments is None:
        return None
    whole = all(frame_id(entry.image_id, *moment) in comparison.stored for moment in moments)
    return reading if whole else None


def note_reading(gallery: Gallery, entry: Entry, reading: Reading) -> None:
    """Keep what reading a video to its end gave, for :func:`stored_reading`."""
    gallery.note(frames_prefix(entry.image_id), reading.to_bytes())


def digest_of(image: ImageInput, channel_order: ChannelOrder) -> str:
    """Return the sha256 of an image's content, 64 hex digits; of arrays, of what they show."""
    if channel_order != "RGB" and not isinstance(image, (str, bytes, os.PathLike, Image.Image)):
        image = load_image(image, channel_order=channel_order)
    return content_digest(image)


def _known_digest(scene: StoredScene, entry: Entry) -> str | None:
    """Return the digest of what was stored; of galleries that recorded none, that of the file it came from."""
    digest = scene.extra.get("sha256")
    if isinstance(digest, str):
        return digest
    path = scene.extra.get("path")
    if not isinstance(path, str) or entry.file is None or Path(path) == entry.file.absolute():
        return None
    return content_digest(Path(path)) if Path(path).is_file() else None


def _message_of_kind(entry: Entry, *, tracks: bool) -> str:
    given = entry.printable if entry.file is None else str(entry.file)
    stored, other = ("frame by frame", "without --tracks") if tracks else ("as tracks", "with --tracks")
    return (
        f"{given}: the gallery holds this video {stored} already; index it {other} as before, or replace what is "
        "stored (--replace)"
    )


def _message_of_boxes(
    gallery: Holding, entry: Entry, scene: StoredScene, names: Sequence[str], boxes: BoxSource | None
) -> str:
    """Say that what is stored has other boxes than those that are given now; "" = it has the same, as far as known.

    What a detector would find is not asked for again.
    """
    given = entry.printable if entry.file is None else str(entry.file)
    what = "video" if entry.is_video else "picture"
    had = BOXES in scene.extra
    if had != (boxes is not None):
        stored, other = ("boxes that were given", "with them") if had else ("our detector's boxes", "without boxes")
        return (
            f"{given}: the gallery holds this {what} with {stored} already; index it {other} as before, or replace "
            "what is stored (--replace)"
        )
    if boxes is None or boxes.wants_pixels:
        return ""
    for name in names:
        again = boxes.digest(name)
        one = gallery.scene(name)
        if again is not None and one is not None and one.extra.get(BOXES) != again:
            return (
                f"{given}: the gallery holds this {what} with other boxes already ({name}); index it with those as "
                "before, or replace what is stored (--replace)"
            )
    return ""


def _message(gallery: Holding, entry: Entry, scene: StoredScene) -> str:
    given = entry.printable if entry.file is None else str(entry.file)
    path = scene.extra.get("path")
    height, width = scene.image_size
    origin = f"from {path}" if path and path != str(entry.file and entry.file.absolute()) else f"{width}x{height}"
    return (
        f"{given}: the gallery holds other content under the name {entry.image_id!r} already ({origin}); keep the two "
        "apart with a prefix (--prefix), or replace what is stored (--replace)"
    )
