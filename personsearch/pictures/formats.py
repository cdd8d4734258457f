"""Which files are pictures and which are videos, told by their suffix. Loads Pillow, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from PIL import Image

VIDEO_SUFFIXES = frozenset(
    {
        *(".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".mkv", ".webm", ".avi", ".wmv", ".asf", ".flv", ".ogv"),
        *(".mpg", ".mpeg", ".vob", ".ts", ".mts", ".m2ts", ".mxf", ".dav", ".h264", ".264", ".h265", ".265", ".hevc"),
    }
)
#: Pictures that Pillow reads with the extra ``[heif]`` only.
HEIF_SUFFIXES = frozenset({".heic", ".heif", ".hif", ".heics", ".heifs"})
#: Pictures that some builds of Pillow read, and the others with the extra ``[heif]``.
AVIF_SUFFIXES = frozenset({".avif", ".avifs"})


def media_kind(path: Path) -> Literal["image", "video"] | None:
    """Tell by its suffix whether a file is a picture or a video; None = neither.

    A picture of a format whose reader is not installed is a picture all the same, so that it is refused by name.
    """
    suffix = path.suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return "video"
    known = suffix in Image.registered_extensions() or suffix in HEIF_SUFFIXES | AVIF_SUFFIXES
    return "image" if known else None
