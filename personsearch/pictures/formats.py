"""Which files are pictures and which are videos, told by their suffix or their first bytes. Loads Pillow, no PyAV."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from typing import BinaryIO, Literal

from PIL import Image

#: Videos of phones, cameras, camcorders, recorders and the web.
VIDEO_SUFFIXES = frozenset(
    {
        *(".mp4", ".m4v", ".mp4v", ".mov", ".qt", ".3gp", ".3gpp", ".3g2", ".mkv", ".webm", ".avi", ".divx", ".wmv"),
        *(".asf", ".flv", ".f4v", ".ogv", ".ogm", ".mpg", ".mpeg", ".mpe", ".m1v", ".m2v", ".mpv", ".mod", ".tod"),
        *(".vob", ".ts", ".tp", ".trp", ".mts", ".m2ts", ".m2t", ".mxf", ".dv", ".dav", ".mjpg", ".mjpeg", ".lrv"),
        *(".insv", ".rm", ".rmvb", ".wtv", ".ivf", ".y4m", ".nut", ".h264", ".264", ".avc", ".h265", ".265", ".hevc"),
    }
)
#: Pictures that Pillow reads with the extra ``[heif]`` only.
HEIF_SUFFIXES = frozenset({".heic", ".heif", ".hif", ".heics", ".heifs"})
#: Pictures that Pillow reads from 11.3 on.
AVIF_SUFFIXES = frozenset({".avif", ".avifs"})

#: Addresses of streams, which are read as they come; http and https may be those of pictures too.
STREAM_SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "rtmps", "srt", "udp", "tcp")

#: Formats whose files Pillow knows but cannot decode.
_STUBS = {"BUFR", "GRIB", "HDF5", "MPEG"} | (set() if sys.platform == "win32" else {"WMF"})
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1"}
_AVIF_BRANDS = {b"avif", b"avis"}
#: What to do about a file whose suffix is another format's.
RENAME = "give its name the suffix of what it is"
#: How many bytes of a file tell what it is.
HEAD_BYTES = 400


def media_kind(path: Path) -> Literal["image", "video"] | None:
    """Tell by its suffix whether a file is a picture or a video; None = neither.

    A picture of a format whose reader is not installed is a picture all the same, so that it is refused by name.
    """
    suffix = path.suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return "video"
    return "image" if suffix in _picture_suffixes() | HEIF_SUFFIXES | AVIF_SUFFIXES else None


@cache
def _picture_suffixes() -> frozenset[str]:
    """The suffixes of what Pillow itself opens; it also registers those of formats that it can only write."""
    suffixes = Image.registered_extensions()
    readable = {*Image.OPEN, "MPO"} - _STUBS  # an MPO is opened as the JPEG that it begins with
    return frozenset(suffix for suffix, form in suffixes.items() if form in readable)


def head(file: str | os.PathLike[str] | BinaryIO) -> bytes:
    """Return the first bytes of a path or file, none where it cannot be read."""
    try:
        if not isinstance(file, (str, os.PathLike)):
            file.seek(0)
            return file.read(HEAD_BYTES)
        with open(file, "rb") as opened:
            return opened.read(HEAD_BYTES)
    except OSError:
        return b""


def picture_format(path: str | os.PathLike[str]) -> str | None:
    """Return what Pillow calls the format of a picture, e.g. "JPEG"; None = it is none that Pillow opens."""
    try:
        with Image.open(path) as image:
            return image.format if image.format not in _STUBS else None
    except Exception:  # Pillow raises many types for files that are no pictures
        return None


def heif_format(data: bytes) -> Literal["HEIC", "AVIF"] | None:
    """Tell by the first bytes of a file whether it is a HEIC (HEIF) or AVIF picture; None = neither."""
    if data[4:8] != b"ftyp":
        return None
    length = min(int.from_bytes(data[:4], "big"), len(data))
    brands = {data[at : at + 4] for at in (8, *range(16, length - 3, 4))}
    if data[8:12] in _AVIF_BRANDS or (data[8:12] in (b"mif1", b"msf1") and brands & _AVIF_BRANDS):
        return "AVIF"
    return "HEIC" if data[8:12] in _HEIF_BRANDS else None


def video_format(data: bytes) -> str | None:
    """Name the video format that the first bytes of a file belong to; None = none that is known by them."""
    if data[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"skip"):
        return None if heif_format(data) else "MP4 or MOV"
    starts = {
        b"\x1aE\xdf\xa3": "Matroska or WebM",
        b"0&\xb2u\x8ef\xcf\x11": "WMV",
        b"FLV\x01": "FLV",
        b"\0\0\1\xba": "MPEG",
        b"\0\0\1\xb3": "MPEG",
    }
    for start, name in starts.items():
        if data.startswith(start):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        return "AVI"
    if any(len(data) > at + size and data[at] == data[at + size] == 0x47 for at, size in ((0, 188), (4, 192))):
        return "MPEG-TS"
    return None
