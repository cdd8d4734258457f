"""Moments of a video: ranges as people write them, and the sharpest and most different frames of them."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageStat

from personsearch.errors import ImageError
from personsearch.pictures.video import Video, frame_id

logger = logging.getLogger(__name__)

#: At most so many frames are compared; of longer ranges every second, fourth, ... frame is looked at.
COMPARED = 400
#: Width and height of the grey copies by which frames are compared, and the longer side of those whose sharpness is.
_THUMB, _SHARP = (64, 36), 480
#: Two frames whose grey copies differ by less than this on average, 0..255, show the same.
_SAME = 1.0
_TIME = re.compile(r"(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)|(\d+(?:\.\d+)?)s")
_FRAME = re.compile(r"\d+")


@dataclass(frozen=True)
class Moments:
    """A range of a video, ends included, in seconds or, with ``frames``, in numbers of frames from 0."""

    first: float
    last: float
    frames: bool
    text: str

    def holds(self, number: int, seconds: float) -> bool:
        """Whether a frame lies in the range."""
        at = number if self.frames else seconds
        return self.first - 5e-4 <= at <= self.last + 5e-4

    def is_over(self, number: int, seconds: float) -> bool:
        """Whether this frame and all later ones lie behind the range."""
        return (number if self.frames else seconds) > self.last + 5e-4


def parse_moments(text: str) -> list[Moments]:
    """Read ranges such as ``0:00-0:55``, ``1:02:00-1:03:30.5``, ``12s-20s`` or, in numbers of frames, ``0-55``.

    Args:
        text: several ranges are separated by commas.

    Raises:
        ImageError: it cannot be read.
    """
    ranges = []
    for part in (part.strip() for part in text.split(",")):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        ends = [(_FRAME.fullmatch(end) is not None, _value_of(end)) for end in (first, last)]
        if not dash or any(value is None for _, value in ends) or ends[0][0] != ends[1][0]:
            raise ImageError(
                f"--empty {text!r}: cannot be read; write times like 0:00-0:55 or 12s-20s, or numbers of frames like "
                "0-550, several ranges with commas between them"
            )
        low, high = (float(value or 0.0) for _, value in ends)
        if high < low:
            raise ImageError(f"--empty {part!r}: ends before it begins; write the earlier end first")
        ranges.append(Moments(low, high, ends[0][0], part))
    return ranges


def _value_of(end: str) -> float | None:
    if _FRAME.fullmatch(end):
        return float(end)
    found = _TIME.fullmatch(end)
    if found is None:
        return None
    hours, minutes, seconds, alone = found.groups()
    return float(alone) if alone else 3600 * float(hours or 0) + 60 * float(minutes) + float(seconds)


@dataclass(frozen=True, eq=False)
class _Look:
    number: int
    thumb: NDArray[np.float32]
    sharpness: float


def best_moments(path: Path, ranges: Sequence[Moments], most: int, enough: int) -> list[tuple[str, Image.Image]]:
    """Return the sharpest and most different frames of some ranges of a video, in order.

    The ranges are cut into ``most`` equal stretches, of each of which the sharpest frame is a candidate; candidates
    that show the same as another are left out down to ``enough``.

    Args:
        path: of the video.
        ranges: where nobody is seen; none = everywhere.
        most: frames at most.
        enough: as many are returned where there are as many, however alike.

    Returns:
        (image_id, picture) of each.

    Raises:
        MissingExtraError: PyAV is not installed.
        ImageError: the video cannot be read, breaks off, or ends before a range begins.
    """
    looks = _looks(path, ranges, enough)
    stretches = np.array_split(np.arange(len(looks)), min(most, len(looks)))
    candidates = [max((looks[i] for i in part), key=lambda look: look.sharpness) for part in stretches]
    chosen = {candidates[i].number for i in _most_different([look.thumb for look in candidates], enough)}
    pictures = []
    for number, frame in enumerate(Video(path)):
        if number in chosen:
            pictures.append((frame_id(path.name, frame.seconds, frame.repeat), frame.image()))
            if len(pictures) == len(chosen):
                break
    return pictures


def _looks(path: Path, ranges: Sequence[Moments], enough: int) -> list[_Look]:
    looks: list[_Look] = []
    seen: set[str] = set()
    stride, counted, number, seconds = 1, 0, -1, 0.0
    footage = Video(path)
    try:
        for number, frame in enumerate(footage):
            seconds = frame.seconds
            inside = [one.text for one in ranges if one.holds(number, seconds)]
            seen.update(inside)
            if ranges and all(one.is_over(number, seconds) for one in ranges):
                break
            if ranges and not inside:
                continue
            if counted % stride == 0:
                looks.append(_look(number, frame.image()))
                if len(looks) == 2 * COMPARED:
                    looks, stride = looks[::2], 2 * stride
            counted += 1
    except ImageError as error:
        if len(looks) < enough:
            raise
        logger.warning("%s; the %d moments before that are used", error, len(looks))
    if footage.damage is not None:
        if footage.damage.truncated and len(looks) < enough:
            raise ImageError(f"{path}: {footage.damage}; only {len(looks)} moments are left; give another video")
        logger.warning("%s: %s; the %d moments that can be read are used", path, footage.damage, len(looks))
    missed = [one for one in ranges if one.text not in seen]
    if (missed and len(looks) < enough) or (missed and not looks):
        length = f"{number + 1} frames, {seconds:.1f} s"
        raise ImageError(f"--empty {missed[0].text}: {path} has no frame there; it is {length} long")
    for one in missed:
        logger.warning("--empty %s: %s has no frame there", one.text, path)
    if not looks:
        raise ImageError(f"{path}: holds no frame; give another video")
    return looks


def _look(number: int, picture: Image.Image) -> _Look:
    grey = picture.convert("L")
    grey.thumbnail((_SHARP, _SHARP))
    edges = grey.filter(ImageFilter.Kernel((3, 3), [0, 1, 0, 1, -4, 1, 0, 1, 0], scale=1, offset=128))
    thumb = np.asarray(grey.resize(_THUMB, Image.Resampling.BOX), dtype=np.float32)
    return _Look(number, thumb, float(ImageStat.Stat(edges).var[0]))


def _most_different(thumbs: Sequence[NDArray[np.float32]], enough: int) -> list[int]:
    """Return positions so that each is as far as possible from those before, until all others look the same."""
    stack = np.stack(thumbs)
    chosen = [0]
    nearest = np.abs(stack - stack[0]).mean((1, 2))
    while len(chosen) < len(thumbs):
        nearest[chosen] = -1
        at = int(nearest.argmax())
        if nearest[at] < _SAME and len(chosen) >= enough:
            break
        chosen.append(at)
        nearest = np.minimum(nearest, np.abs(stack - stack[at]).mean((1, 2)))
    return sorted(chosen)


def spread_frames(path: Path, count: int, convert: Callable[[Image.Image], Image.Image]) -> list[Image.Image]:
    """Return about ``count`` frames spread evenly over a video, of which the length need not be known.

    Args:
        path: of the video.
        count: at least so many where the video has as many, and less than twice as many.
        convert: makes a frame smaller, so that they fit into memory.

    Raises:
        MissingExtraError: PyAV is not installed.
        ImageError: the video cannot be read. Where it is damaged, what can be read is returned.
    """
    kept: list[Image.Image] = []
    stride = 1
    footage = Video(path)
    try:
        for number, frame in enumerate(footage):
            if number % stride:
                continue
            kept.append(convert(frame.image()))
            if len(kept) == 2 * count:
                kept, stride = kept[::2], 2 * stride
    except ImageError as error:
        if not kept:
            raise
        logger.warning("%s; what is before that is used", error)
    if footage.damage is not None:
        logger.warning("%s: %s; what can be read is used", path, footage.damage)
    if not kept:
        raise ImageError(f"{path}: holds no frame; give another video")
    return kept


def duration_text(seconds: float) -> str:
    """Write a duration for people: seconds below 90, else whole minutes."""
    return f"{seconds:.0f} seconds" if seconds < 90 else f"{math.ceil(seconds / 60):.0f} minutes"
