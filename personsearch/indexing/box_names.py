"""Do the names of pictures with given boxes belong to the pictures that are indexed?"""

from __future__ import annotations

import logging

from personsearch.errors import ImageError
from personsearch.given import BoxSource
from personsearch.pictures.video import frames_prefix
from personsearch.plain import counted
from personsearch.sources import Sources

logger = logging.getLogger(__name__)


def check_box_names(boxes: BoxSource, sources: Sources) -> None:
    """Refuse boxes of other pictures altogether, and warn of those that belong to no picture.

    A list of results names no picture without people. So if its names are written otherwise, everything would be stored
    with nobody.

    Args:
        boxes: by image_id, or a detector, which is not asked here.
        sources: what is indexed. Of a video, any name of a frame of it counts.

    Raises:
        ImageError: names are given, and none belongs to what is indexed.
    """
    if not boxes.pictures or not sources.entries:
        return
    stills = {entry.image_id for entry in sources.entries if not entry.is_video}
    frames = tuple(frames_prefix(entry.image_id) for entry in sources.entries if entry.is_video)
    unknown = [name for name in map(str, boxes.pictures) if name not in stills and not name.startswith(frames)]
    if not unknown:
        return
    first = sources.entries[0].printable
    if len(unknown) == len(boxes.pictures):
        raise ImageError(
            f"boxes are given for {unknown[0]!r} and so on, but none of these names is among what is indexed, "
            f"{first!r} and so on; a picture's name is its path below the indexed folder, after the prefix if there is "
            "one, or as written where several are indexed"
        )
    pictures = counted(len(unknown), "picture")
    logger.warning("boxes are given for %s not among what is indexed, the first is %r", pictures, unknown[0])
