"""Videos as frames, read as they were meant, and how a frame is named (PyAV, the extra ``[video]``)."""

from __future__ import annotations

import os
import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from PIL import Image

from personsearch.errors import ImageError, MissingExtraError
from personsearch.pictures.display import as_shown, read_matrix
from personsearch.pictures.formats import VIDEO_SUFFIXES, picture_format

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = ["VIDEO_SUFFIXES", "Damage", "Frame", "Video", "frame_at", "frame_id", "frame_of", "frame_time"]

#: Between a video's name and the time of a frame in an image_id.
_FRAME = "#t="
_NAME = re.compile(r"[0-9]+\.[0-9]{3}(?:-([0-9]+))?")
#: Frames per second of a video that says nothing about it.
USUAL_RATE = Fraction(25)
#: Nobody films faster; a greater number is a time base that was written as a rate.
_MOST_PER_SECOND = 1000
#: A video that is shorter than its container says by more than this ends early, seconds.
_SHORTER = 0.5
#: Containers that write down how long they are; of others the length is an estimate.
_KNOW_THEIR_LENGTH = ("mov", "matroska", "avi", "asf", "flv")
#: Codecs of which some packets are never shown, by design.
_WITH_HIDDEN_FRAMES = ("vp8",)


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
        self._lost = 0
        self._first_lost: float | None = None
        self._truncated = False

    @property
    def damage(self) -> Damage | None:
        """What was lost so far; None = nothing."""
        if not self._lost and not self._truncated:
            return None
        return Damage(self._lost, self._first_lost, self._truncated)

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in the order in which they are shown.

        Raises:
            MissingExtraError: PyAV is not installed.
            ImageError: the file is no video, or not one frame of it can be decoded.
        """
        with _opened(self.path) as (container, stream):
            decoder = _Decoder(self, container, stream)
            number = -1
            for number, (frame, seconds, repeat) in enumerate(decoder.frames()):
                if number % self.every == 0:
                    yield Frame(seconds, repeat, _picture_of(self.path, frame, seconds, stream.sample_aspect_ratio))
        if number < 0:
            lost = f" ({self.damage})" if self.damage else ""
            raise ImageError(f"{self.path}: holds no frame that can be decoded{lost}; the video is empty or damaged")

    def _lose(self, packets: int, near: float | None) -> None:
        if self._first_lost is None:
            self._first_lost = near
        self._lost += packets

    def _cut(self, after: float) -> None:
        self._truncated = True
        if self._first_lost is None:
            self._first_lost = after


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
    wanted = frame_id("", seconds, repeat)
    for frame in Video(path):
        if frame_id("", frame.seconds, frame.repeat) == wanted:
            return frame.image()
    raise ImageError(f"{os.fspath(path)}: has no frame at {seconds} s; the file is another one now, or damaged")


class _Decoder:
    """Decodes a video stream, times its frames, and tells its video what was lost."""

    def __init__(self, video: Video, container: InputContainer, stream: VideoStream) -> None:
        self._video, self._container, self._stream = video, container, stream
        rates = (stream.guessed_rate, stream.average_rate)  # raw streams: the average is a default, the guess is read
        self._rate = next((rate for rate in rates if rate and 0 < rate <= _MOST_PER_SECOND), USUAL_RATE)
        self._start: Fraction | None = None
        #: Frames and lost packets so far; and the frame of a known time from which those of unknown times are counted.
        self._position, self._anchor = 0, (0, Fraction(0))
        self._end = Fraction(0)
        self._last = 0.0
        self._times = _Times()
        #: pts of packets that the container calls damaged, and of those that must still give a frame.
        self._damaged: set[int] = set()
        self._awaited: set[int] = set()
        #: pts after which a frame must come before all is well again.
        self._recovering: int | None = None

    def frames(self) -> Iterator[tuple[VideoFrame, float, int]]:
        """Yield each whole frame with its seconds and repeat."""
        for packet in self._packets():
            yield from self._decoded(packet)
        yield from self._decoded(None)
        self._give_up(None)
        self._check_length()

    def _packets(self) -> Iterator[Any]:
        """Yield the packets of the stream, up to the end or to where the container cannot be read any further."""
        from av.error import FFmpegError

        packets = self._container.demux()
        number = -1
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError:
                self._video._cut(self._last)
                return
            if packet is None:
                return
            stamp = _stamp(packet)
            if stamp is not None:
                self._end = max(self._end, stamp + (packet.duration or 0) * packet.time_base)
            # An empty packet repeats the frame before, or marks the end: a decoder would stop there.
            if packet.size == 0 or packet.stream.index != self._stream.index:
                continue
            if not packet.is_discard:
                number += 1
                if self._start is None and stamp is not None:
                    self._start = stamp - number / self._rate
            yield packet

    def _decoded(self, packet: Any) -> Iterator[tuple[VideoFrame, float, int]]:
        from av.error import FFmpegError

        pts = None if packet is None or packet.is_discard else packet.pts
        damaged = packet is not None and packet.is_corrupt
        if pts is not None and damaged:
            self._damaged.add(pts)
        if pts is not None and (damaged or self._recovering is not None):
            self._awaited.add(pts)
        try:
            frames = self._stream.codec_context.decode(packet)
        except FFmpegError:
            self._awaited.discard(pts)
            self._lose(1, None if packet is None else _stamp(packet))
            self._recovering = pts
            return
        for frame in frames:
            bad = frame.is_corrupt or frame.pts in self._damaged or (damaged and pts is None)
            self._awaited.discard(frame.pts)
            self._give_up(frame.pts)
            if bad:
                self._lose(1, _stamp(frame))
                continue
            if frame.pts is None or self._recovering is None or frame.pts > self._recovering:
                self._recovering = None
            seconds = self._seconds(_stamp(frame))
            self._position += 1
            self._last = seconds
            yield frame, seconds, self._times.repeat(seconds)

    def _seconds(self, stamp: Fraction | None) -> float:
        if stamp is None:
            number, seconds = self._anchor
            return float(seconds + (self._position - number) / self._rate)
        if self._start is None or (self._position == 0 and stamp < self._start):
            self._start = stamp
        seconds = max(stamp - self._start, Fraction(0))
        self._anchor = (self._position, seconds)
        return float(seconds)

    def _lose(self, packets: int, stamp: Fraction | None) -> None:
        self._video._lose(packets, self._seconds(stamp))
        self._position += packets

    def _give_up(self, before: int | None) -> None:
        """Count the packets that gave no frame though later ones did: frames come in the order of their pts."""
        late = {pts for pts in self._awaited if before is None or pts < before}
        if late and self._stream.codec_context.name not in _WITH_HIDDEN_FRAMES:
            self._lose(len(late), min(late) * (self._stream.time_base or Fraction(1)))
        self._awaited -= late

    def _check_length(self) -> None:
        length = self._container.duration
        if length is None or self._container.format.name.split(",")[0] not in _KNOW_THEIR_LENGTH:
            return
        whole = Fraction(length, 10**6)
        if self._end + max(Fraction(_SHORTER), 3 / self._rate, whole / 100) < whole:
            self._video._cut(self._last)


class _Times:
    """Counts how many frames of a video have the same time, to the millisecond by which they are named."""

    def __init__(self) -> None:
        self._sorted = array("q")  # eight bytes for a frame: a day of video has two million

    def repeat(self, seconds: float) -> int:
        time = round(float(f"{seconds:.3f}") * 1000)
        end = bisect_right(self._sorted, time)
        count = end - bisect_left(self._sorted, time)
        self._sorted.insert(end, time)
        return count


def _stamp(unit: Any) -> Fraction | None:
    """Return the time of a packet or frame in its stream; of some containers only the order of decoding is known."""
    stamp = unit.dts if unit.pts is None else unit.pts
    return None if stamp is None or not unit.time_base else stamp * Fraction(unit.time_base)


def _picture_of(path: str, frame: Any, seconds: float, shape: Fraction | None) -> Callable[[], Image.Image]:
    def picture() -> Image.Image:
        try:
            return as_shown(frame.to_image(), _matrix(frame), shape)
        except Exception as error:  # the libraries below raise many types
            raise ImageError(f"{path}: the frame at {seconds:.3f} s cannot be converted ({error})") from None

    return picture


def _matrix(frame: Any) -> tuple[int, int, int, int] | None:
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            return read_matrix(bytes(data))
    return None


@contextmanager
def _opened(path: str) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and choose its video stream; whatever goes wrong inside becomes an ImageError that names the file."""
    try:
        import av
    except ImportError:
        raise MissingExtraError("videos need PyAV: pip install 'personsearch[video]'") from None
    if not os.path.isfile(path):
        raise ImageError(f"{path}: is a folder, not a video" if os.path.isdir(path) else f"{path}: no such file")
    try:
        # An absolute path, because "12:30.mp4" would be an address; and a title in another encoding is no damage.
        with av.open(os.path.abspath(path), metadata_errors="replace") as container:
            stream = _best_stream(path, container)
            stream.thread_type = "NONE"
            stream.codec_context.thread_count = 1
            yield container, stream
    except ImageError:
        raise
    except Exception as error:  # PyAV raises many types for broken files
        raise ImageError(f"{path}: cannot be read as a video ({_reason(path, error)})") from None


def _best_stream(path: str, container: InputContainer) -> VideoStream:
    from av.stream import Disposition

    form = container.format.name
    if form in ("image2", "tty") or form.endswith("_pipe"):
        raise ImageError(f"{path}: is no video but {'a text' if form == 'tty' else 'a picture'}; {_RENAME}")
    films = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not films:
        held = "sound and a cover picture" if container.streams.video else "sound" if container.streams.audio else ""
        raise ImageError(f"{path}: holds no video stream{held and f', only {held}'}")
    best = container.streams.best("video")
    return next((stream for stream in films if best is not None and stream.index == best.index), films[0])


_RENAME = "give its name the suffix of what it is"


def _reason(path: str, error: Exception) -> str:
    form = picture_format(path)
    if form is not None:
        return f"it is a picture, {form}; {_RENAME}"
    return getattr(error, "strerror", None) or str(error)


def has_video(path: str | os.PathLike[str]) -> bool:
    """Whether a file can be opened as a video; its frames are not looked at.

    Raises:
        MissingExtraError: PyAV is not installed.
        ImageError: it cannot.
    """
    with _opened(os.fspath(path)):
        return True


def video_frames(path: str, every: int = 1) -> Iterator[tuple[float, Callable[[], Image.Image]]]:
    """Yield (seconds from the start, function that converts the frame) for every ``every``-th frame."""
    for frame in Video(path, every):
        yield frame.seconds, frame.image
