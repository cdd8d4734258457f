"""How far a gallery holds the tracks of a video: what is noted of it, and whether that can be continued."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass

from personsearch.errors import GalleryMismatchError
from personsearch.gallery import Gallery
from personsearch.given import BoxSource
from personsearch.indexing.same_content import Comparison, compare_stored
from personsearch.listing import Entry
from personsearch.pictures.decode import ChannelOrder
from personsearch.pictures.video import Damage, decoding, frames_prefix
from personsearch.sources import Sources


@dataclass(frozen=True)
class ReadSoFar:
    """How far a video was read, and how: what the gallery notes beside the tracks.

    Attributes:
        sha256: of the file.
        every: every how many frames one was taken.
        decoding: what else the frames depend on.
        rules: what else the tracks depend on.
        frames: how many of the frames taken were read; everything seen in them is stored.
        done: whether the video was read to its end.
        failed: image_id and reason of those that could not be used.
        damage: what was lost.
    """

    sha256: str
    every: int
    decoding: str
    rules: str
    frames: int = 0
    done: bool = False
    failed: tuple[tuple[str, str], ...] = ()
    damage: Damage | None = None

    def to_bytes(self) -> bytes:
        """Write it down."""
        return zlib.compress(json.dumps({"followed": asdict(self)}).encode())

    @classmethod
    def from_bytes(cls, data: bytes) -> ReadSoFar | None:
        """Read what :meth:`to_bytes` wrote; None = it is something else."""
        try:
            fields = json.loads(zlib.decompress(data))["followed"]
            damage = fields.pop("damage")
            failed = tuple((name, reason) for name, reason in fields.pop("failed"))
            return cls(**fields, failed=failed, damage=None if damage is None else Damage(**damage))
        except (zlib.error, LookupError, TypeError, ValueError):  # another version wrote it
            return None


def begun_of(
    gallery: Gallery,
    sources: Sources,
    entry: Entry,
    channel_order: ChannelOrder,
    *,
    rules: str,
    replace: bool,
    boxes: BoxSource | None = None,
) -> ReadSoFar:
    """Return how far a video is stored as it is to be stored now; what is stored otherwise is erased, if it may be.

    Args:
        gallery: open for writing.
        sources: that the video is one of.
        entry: the video.
        channel_order: of arrays and tensors.
        rules: what tracks depend on besides the frames.
        replace: erase what is stored of the video otherwise.
        boxes: of the people, in place of our detector.

    Raises:
        GalleryMismatchError: it is stored otherwise, and is not to be replaced.
        ImageError: the video cannot be read.
        MissingExtraError: PyAV is not installed.
    """
    comparison = compare_stored(gallery, entry, channel_order, tracks=True, boxes=boxes)
    fresh = ReadSoFar(comparison.digest or "", sources.every, decoding(), rules)
    noted = gallery.noted(frames_prefix(entry.image_id))
    found = None if noted is None else ReadSoFar.from_bytes(noted)
    if comparison.differs:
        message: str | None = comparison.message
    elif not comparison.stored:
        return found if found is not None and _same_run(found, fresh) else fresh
    else:
        message = _why_not_continued(entry, comparison, found, fresh)
    if message is None:
        return found or fresh
    if not replace:
        raise GalleryMismatchError(message)
    gallery.remove(comparison.stored)
    return fresh


def _same_run(found: ReadSoFar, fresh: ReadSoFar) -> bool:
    """Whether a run that is noted can be continued, or is the whole of what is asked for."""
    asked = (found.sha256, found.every, found.rules) == (fresh.sha256, fresh.every, fresh.rules)
    return asked and (found.done or found.decoding == fresh.decoding)


def _why_not_continued(entry: Entry, comparison: Comparison, found: ReadSoFar | None, fresh: ReadSoFar) -> str | None:
    """Say why the tracks that are stored of a video are others than those asked for; None = they are not."""
    given = entry.printable if entry.file is None else str(entry.file)
    if found is None or found.sha256 != comparison.digest:
        why = "but not how far it was read, because some of what it showed was erased since"
    elif found.every != fresh.every:
        why = f"in which every={found.every} was used, not {fresh.every}"
    elif not _same_run(found, fresh):
        why = "which another version of this package or of the video libraries made"
    else:
        return None
    return (
        f"{given}: the gallery holds tracks of this video already, {why}; replace them (--replace), or keep the two "
        "apart with a prefix (--prefix)"
    )
