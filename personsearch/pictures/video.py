"""Videos as frames, read as they were meant, and how a frame is named (PyAV, the extra ``[video]``)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

from PIL import Image

from personsearch.errors import ImageError
from personsearch.pictures.display import as_shown, converted, matrix_of
from personsearch.pictures.formats import VIDEO_SUFFIXES
from personsearch.pictures.packets import Decoder, libraries, milliseconds, opened
from personsearch.pictures.seeking import look_up

__all__ = [
    "VIDEO_SUFFIXES",
    "Damage",
    "Frame",
    "Video",
    "decoding",
    "frame_at",
    "frame_id",
    "frame_of",
    "frame_time",
    "frames_at",
    "frames_prefix",
]

#: To be raised whenever the same libraries give other frames of the same file, or other names.
_NAMING = 1
#: Between a video's name and the time of a frame in an image_id.
_FRAME = "#t="
_NAME = re.compile(r"[0-9]+\.[0-9]{3}(?:-([0-9]+))?")


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame of a video.

    Attributes:
        seconds: from the video's first instant, at least 0.
        repeat: 0; or 1, 2 ... where an earlier frame of the video rounds to the same millisecond.
        image: makes the picture: upright (display matrix applied), square pixels (sample aspect ratio applied), RGB.
    """

    seconds: float
    repeat: int
    image: Callable[[], Image.Image]


@dataclass(frozen=True)
class Damage:
    """What of a video could not be read.

    Attributes:
        packets: damaged packets, and frames that could not be decoded or only by guessing; none of them is shown.
        first: seconds near which the first of them lies, or after which nothing could be read; None = unknown.
        truncated: whether the video ends before its time.
    """

    packets: int
    first: float | None
    truncated: bool

    def __str__(self) -> str:
        near = "" if self.first is None else f" near {self.first:.1f} s"
        if self.packets == 0:
            return "ends early" if self.first is None else f"ends early: damaged after {self.first:.1f} s"
        if self.packets == 1:
            text = f"1 damaged packet skipped{near and ','}{near}"
        else:
            text = f"{self.packets} damaged packets skipped{near and ', the first'}{near}"
        return text + (", and it ends early" if self.truncated else "")


def frame_id(video: str, seconds: float, repeat: int = 0) -> str:
    """Return the image_id of a frame: ``video.mp4#t=12.300``; the second one of that time is ``...#t=12.300-2``.

    Args:
        video: image_id of the video.
        seconds: of the frame, at least 0.
        repeat: how many earlier frames of the video have the same time, to a millisecond.
    """
    return f"{video}{_FRAME}{seconds:.3f}{f'-{repeat + 1}' if repeat else ''}"


def frames_prefix(video: str) -> str:
    """Return what the image_ids of all frames of a video begin with, and no others."""
    return f"{video}{_FRAME}"


def frame_of(image_id: str) -> tuple[float, int] | None:
    """Return the seconds and the repeat that the image_id of a frame ends with; None for the image_id of a still."""
    _, sign, name = image_id.rpartition(_FRAME)
    found = _NAME.fullmatch(name) if sign else None
    if found is None:
        return None
    number = 1 if found[1] is None else int(found[1])
    seconds = float(name.partition("-")[0])
    return (seconds, number - 1) if name == frame_id("", seconds, number - 1)[len(_FRAME) :] else None


def frame_time(image_id: str) -> float | None:
    """Return the seconds that the image_id of a frame ends with; None for the image_id of a still."""
    found = frame_of(image_id)
    return None if found is None else found[0]


def video_of(image_id: str) -> str | None:
    """Return the image_id of the video that a frame is of; None for the image_id of a still.

    Example:
        >>> video_of("clips/door.mp4#t=1.200"), video_of("door.jpg")
        ('clips/door.mp4', None)
    """
    return None if frame_of(image_id) is None else image_id.rpartition(_FRAME)[0]


class Video:
    """The frames of a video, to be iterated once.

    Damage costs the frames that it hits: the rest is read, and :attr:`damage` says what was lost. A frame's name
    (``seconds`` and ``repeat``) does not depend on ``every``. Frames are decoded one after another in one thread,
    because with several the libraries tell neither which packet was damaged nor how many frames it cost.

    Args:
        path: of the file.
        every: every how many frames one is taken; 1 = all.
    """

    def __init__(self, path: str | os.PathLike[str], every: int = 1) -> None:
        if every < 1:
            raise ImageError(f"every must be at least 1, got {every}")
        self.path = os.fspath(path)
        self.every = every
        self._decoder: Decoder | None = None

    @property
    def damage(self) -> Damage | None:
        """What was lost so far; None = nothing."""
        decoder = self._decoder
        if decoder is None or not (decoder.lost or decoder.truncated):
            return None
        return Damage(decoder.lost, decoder.first_lost, decoder.truncated)

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in the order in which they are shown.

        Raises:
            MissingExtraError: PyAV is not installed.
            ImageError: the file is no video, or not one frame of it can be decoded.
        """
        with opened(self.path) as (container, stream):
            self._decoder = Decoder(container, stream)
            number = -1
            for number, (frame, seconds, repeat) in enumerate(self._decoder.frames()):
                if number % self.every == 0:
                    yield Frame(seconds, repeat, _picture_of(self.path, frame, seconds, stream.sample_aspect_ratio))
        if number < 0:
            lost = f" ({self.damage})" if self.damage else ""
            raise ImageError(f"{self.path}: holds no frame that can be decoded{lost}; the video is empty or damaged")


def frame_at(path: str | os.PathLike[str], seconds: float, repeat: int = 0) -> Image.Image:
    """Return the frame of a video that :func:`frame_id` names so.

    Args:
        path: of the video.
        seconds: of the frame; the nearest millisecond counts.
        repeat: of the frame.

    Raises:
        MissingExtraError: PyAV is not installed.
        ImageError: the video cannot be read, or has no such frame.
    """
    [frame] = frames_at(path, [(seconds, repeat)])
    return frame()


def frames_at(path: str | os.PathLike[str], frames: Sequence[tuple[float, int]]) -> list[Callable[[], Image.Image]]:
    """Return frames of a video by the seconds and repeat in their names, in the order given.

    The video is read once up to the last of them, and of it only what they need is decoded, from a picture before each
    that needs no other one, if that is certain to give the same.

    Args:
        path: of the video.
        frames: seconds (the nearest millisecond counts) and repeat of each.

    Returns:
        What makes each picture, or raises ImageError if the video has no such frame or it cannot be converted.

    Raises:
        MissingExtraError: PyAV is not installed.
        ImageError: the video cannot be read.
    """
    path = os.fspath(path)
    found = look_up(path, [(milliseconds(seconds), repeat) for seconds, repeat in frames]).frames

    def missing(seconds: float) -> Image.Image:
        raise ImageError(f"{path}: has no frame at {seconds} s; the file is another one now, or damaged")

    return [
        _picture_of(path, *found[key]) if key in found else partial(missing, seconds)
        for seconds, repeat in frames
        for key in [(milliseconds(seconds), repeat)]
    ]


def decoding() -> str:
    """Return what the frames of a video and their names depend on besides the file: the versions of the libraries.

    Raises:
        MissingExtraError: PyAV is not installed.
    """
    return f"{_NAMING}; {libraries()}"


def has_video(path: str | os.PathLike[str]) -> bool:
    """Whether a file can be opened as a video; its frames are not looked at.

    Raises:
        MissingExtraError: PyAV is not installed.
        ImageError: it cannot.
    """
    with opened(os.fspath(path)):
        return True


def _picture_of(path: str, frame: Any, seconds: float, shape: Fraction | None) -> Callable[[], Image.Image]:
    def picture() -> Image.Image:
        try:
            return as_shown(converted(frame, path), matrix_of(frame), shape)
        except Exception as error:  # the libraries below raise many types
            raise ImageError(f"{path}: the frame at {seconds:.3f} s cannot be converted ({error})") from None

    return picture
