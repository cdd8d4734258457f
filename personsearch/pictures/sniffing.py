"""What a file is that has an unknown suffix, or none: told by its content."""

from __future__ import annotations

import os
from typing import Literal

from personsearch.errors import ImageError, MissingExtraError
from personsearch.pictures.formats import head, heif_format, picture_format, video_format
from personsearch.pictures.video import has_video


def sniffed_kind(path: str | os.PathLike[str]) -> Literal["image", "video"] | None:
    """Tell by its content whether a file, of whatever suffix, is a picture or a video; None = neither.

    The first bytes decide where they can, else Pillow and then, where it is installed, PyAV is asked.
    """
    data = head(path)
    if heif_format(data):
        return "image"
    if video_format(data):
        return "video"
    if picture_format(path):
        return "image"
    try:
        return "video" if has_video(path) else None
    except (ImageError, MissingExtraError):
        return None
