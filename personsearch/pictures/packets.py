"""The video stream of a file, decoded packet by packet: which frames are whole, when they are shown, what was lost."""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from types import ModuleType
from typing import TYPE_CHECKING, Any

from personsearch.errors import ImageError, MissingExtraError
from personsearch.pictures.formats import RENAME, head, heif_format, picture_format, video_format

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

#: Frames per second of a video that says nothing about it.
USUAL_RATE = Fraction(25)
#: Nobody films faster; a greater number is a time base that was written as a rate.
MOST_PER_SECOND = 1000
#: A video that is shorter than its container says by more than this many seconds, and this share of it, ends early.
SHORTER, SHORTER_SHARE = Fraction(1, 2), Fraction(1, 100)
#: Seconds that a transport stream may skip and still be one recording that was damaged.
JOINED = 10
#: Containers that write down how long they are; of others the length is an estimate.
_KNOW_THEIR_LENGTH = {"mov", "matroska", "avi", "asf", "flv"}
#: Containers that know in which order packets are decoded, but not when their frames are shown.
_WITHOUT_SHOWN_TIMES = {"avi"}
#: Containers whose recordings may begin in the middle of a group of frames.
_CUT_ANYWHERE = {"mpegts", "mpeg"}
#: Codecs of which some packets are never shown, by design.
_WITH_HIDDEN_FRAMES = {"vp8"}
#: Bytes of a packet that only says "as before", which not all decoders answer with a frame.
SAME_AS_BEFORE = 10
#: What libraries take for a container, though it is a text that may name other files; and how some begin.
_TEXTS = {"tty", "concat", "hls", "dash", "sdp", "imf"}
_LISTS = (b"ffconcat", b"#EXTM3U")


@contextmanager
def opened(path: str) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and choose its video stream; whatever goes wrong inside becomes an ImageError that names the file.

    Raises:
        MissingExtraError: PyAV is not installed.
        ImageError: there is no such file, or it is no video.
    """
    av = _av()
    if not os.path.isfile(path):
        raise ImageError(f"{path}: is a folder, not a video" if os.path.isdir(path) else f"{path}: no such file")
    data = head(path)
    if heif_format(data):  # it has the container of an MP4
        raise ImageError(f"{path}: is no video but a picture, {heif_format(data)}; {RENAME}")
    if data.startswith(_LISTS):
        raise ImageError(f"{path}: is no video but a list of others; give those")
    try:
        # An absolute path, because "12:30.mp4" would be an address; and a title in another encoding is no damage.
        # No file may have others fetched.
        options = {"protocol_whitelist": "file"}
        with av.open(os.path.abspath(path), metadata_errors="replace", container_options=options) as container:
            stream = _best_stream(path, container)
            # Several threads would hide which packet is damaged, and some of the damage.
            stream.thread_type = "NONE"
            stream.codec_context.thread_count = 1
            yield container, stream
    except ImageError:
        raise
    except Exception as error:  # PyAV raises many types for broken files
        raise ImageError(f"{path}: cannot be read as a video ({_reason(path, error)})") from None


def libraries() -> str:
    """Return the versions of the libraries that decode.

    Raises:
        MissingExtraError: PyAV is not installed.
    """
    av = _av()
    versions = av.library_versions
    return ", ".join(f"{name} {'.'.join(map(str, versions[name]))}" for name in ("libavformat", "libavcodec"))


def _av() -> ModuleType:
    try:
        import av
    except ImportError:
        raise MissingExtraError("videos need PyAV: pip install 'personsearch[video]'") from None
    return av


def _best_stream(path: str, container: InputContainer) -> VideoStream:
    from av.stream import Disposition

    form = container.format.name.split(",")[0]
    if form in _TEXTS:
        raise ImageError(f"{path}: is no video but a text; {RENAME}")
    if form == "image2" or form.endswith("_pipe"):
        raise ImageError(f"{path}: is no video but a picture, {picture_format(path) or form}; {RENAME}")
    films = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not films:
        held = "sound and a cover picture" if container.streams.video else "sound" if container.streams.audio else ""
        raise ImageError(f"{path}: holds no video stream{held and f', only {held}'}")
    best = container.streams.best("video")
    stream = next((stream for stream in films if best is not None and stream.index == best.index), films[0])
    if stream.codec_context is None:
        raise ImageError(f"{path}: its video has a codec that PyAV cannot decode; convert it to H.264")
    return stream


def _reason(path: str, error: Exception) -> str:
    data = head(path)
    if not data:
        return "it is empty"
    form = picture_format(path)
    if form is not None:
        return f"it is a picture, {form}; {RENAME}"
    if video_format(data) == "MP4 or MOV":
        return "its index is missing or damaged: the file is incomplete, or the recording was cut off"
    return getattr(error, "strerror", None) or str(error)


class Decoder:
    """Decodes a video stream once.

    Attributes:
        lost: damaged packets, and frames that were decoded from damaged ones; none of them is given.
        first_lost: seconds of the earliest of them, or after which nothing could be read.
        truncated: whether the file ends before the video does.
        decoded: frames that the decoder gave, whole or not.
        by_dts: whether frames are timed by when they are decoded.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self.lost = 0
        self.first_lost: float | None = None
        self.truncated = False
        self.decoded = 0
        self._container, self._stream = container, stream
        self._format = container.format.name.split(",")[0]
        self.by_dts = self._format in _WITHOUT_SHOWN_TIMES
        rates = (stream.guessed_rate, stream.average_rate)  # of a raw stream the average is a default
        self._rate = next((rate for rate in rates if rate and 0 < rate <= MOST_PER_SECOND), USUAL_RATE)
        self._tick = Fraction(stream.time_base or Fraction(1, 90000))
        self._start: Fraction | None = None
        #: Frames and lost packets so far; and a frame of a known time, from which those of unknown times are counted.
        self._position, self._anchor = 0, (0, Fraction(0))
        self._end, self._last = Fraction(0), 0.0
        self._times = _Times()
        #: pts of packets that are cut off, of those that are still to give a frame, and of those that gave none.
        self._damaged: set[int] = set()
        self._awaited: set[int] = set()
        self._given_up: set[int] = set()
        #: dts of the packet before, and at how many more packets a transport stream may show the gap that it marked.
        self._before: int | None = None
        self._marked = 0
        self._fed = 0
        #: pts of the first frame that needs no earlier one; None = not known yet.
        self._opening: int | None = None
        self._opened = False
        #: Whether each packet gives one frame.
        self._one_each = stream.codec_context.name not in _WITH_HIDDEN_FRAMES

    def frames(self) -> Iterator[tuple[Any, float, int]]:
        """Yield each whole frame, in the order of showing, with its seconds and how many before it had the same."""
        for packet in self._packets():
            yield from self._decoded(packet)
        yield from self._decoded(None)
        self._give_up(None)
        self._check_length()

    def stamp_of(self, unit: Any) -> int | None:
        """Return the number in the stream's ticks that says when a packet or frame is shown; None = unknown."""
        stamp: int | None = unit.dts if self.by_dts else unit.pts
        return stamp

    def named_at(self, stamp: int) -> int | None:
        """Return the milliseconds by which a frame of this stamp is named; None as long as that is not certain."""
        if self._start is None or self._position == 0 or self.lost:
            return None
        return milliseconds(float(self._since_start(stamp * self._tick)))

    def _packets(self) -> Iterator[Any]:
        """Yield the packets of the stream, up to the end or to where the container cannot be read any further."""
        from av.error import FFmpegError

        packets = self._container.demux()  # of all streams: the longest says where the file ends
        number = -1
        cut = False
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError:
                cut = True
                break
            if packet is None:
                break
            stamp = _first_of(packet.pts, packet.dts)
            if stamp is not None:
                base = Fraction(packet.time_base or 0)
                self._end = max(self._end, (stamp + (packet.duration or 0)) * base)
            # An empty packet repeats the frame before, or marks the end: a decoder would stop there.
            if packet.size == 0:
                continue
            cut = self._is_half(packet)
            if packet.stream.index != self._stream.index:
                continue
            self._look_for_gap(packet)
            if not packet.is_discard:
                number += 1
                shown = self._time_of(packet)
                if self._start is None and shown is not None:
                    self._start = shown - number / self._rate
            yield packet
        if cut:
            self._cut()

    def _look_for_gap(self, packet: Any) -> None:
        """Count what is missing where a transport stream skips both packets and time.

        Time that goes back, or on by more than :data:`JOINED`, means that two recordings were joined; time that goes on
        as ever, that two pieces of one were: nothing is lost. The mark may come a packet or two before the gap.
        """
        if self._format != "mpegts" or packet.dts is None:
            return
        if self._before is not None and self._marked:
            gap = (packet.dts - self._before) * self._tick
            missing = round(gap * self._rate) - 1
            if missing > 0 and gap <= JOINED:
                self._fed += missing
                self._lose(missing, self._before * self._tick)
        self._before = packet.dts
        self._marked = 3 if packet.is_corrupt else max(self._marked - 1, 0)

    def _decoded(self, packet: Any) -> Iterator[tuple[Any, float, int]]:
        from av.error import FFmpegError

        pts = None if packet is None or packet.is_discard else packet.pts
        damaged = packet is not None and self._is_half(packet)
        if pts is not None and damaged:
            self._damaged.add(pts)
        if pts is not None and not self._opened:
            whole = packet.is_keyframe or self._format not in _CUT_ANYWHERE
            self._opened, self._opening = True, pts if whole else None
        if pts is not None and packet.size > SAME_AS_BEFORE:
            self._awaited.add(pts)
            self._fed += 1
        try:
            frames = self._stream.codec_context.decode(packet)
        except FFmpegError:
            self._awaited.discard(pts)
            self._lose(1, None if packet is None else self._time_of(packet))
            return
        self.decoded += len(frames)
        for frame in frames:
            bad = frame.is_corrupt or frame.pts in self._damaged or (damaged and pts is None)
            self._damaged.discard(frame.pts)
            self._awaited.discard(frame.pts)
            if frame.pts in self._given_up:  # after damage, some frames come out of order
                self._given_up.remove(frame.pts)
                self.lost, self._position = self.lost - 1, self._position - 1
                self.first_lost = self.first_lost if self.lost else None
            self._one_each = self._one_each and not frame.interlaced_frame  # each half may come in its own packet
            if frame.pts is not None and not self.by_dts:
                self._give_up(frame.pts)
            if bad:
                self._lose(1, self._time_of(frame))
                continue
            seconds = self._place(frame)
            yield frame, seconds, self._times.repeat(seconds)

    def _is_half(self, packet: Any) -> bool:
        """Whether the file ends inside a packet. In a transport stream the mark means less: that two were joined."""
        return bool(packet.is_corrupt) and self._format != "mpegts"

    def _time_of(self, unit: Any) -> Fraction | None:
        """When a packet or frame is shown, in the time of the stream; None = unknown."""
        stamp = unit.dts if self.by_dts else _first_of(unit.pts, unit.dts)
        return None if stamp is None else stamp * self._tick

    def _place(self, frame: Any) -> float:
        """Return the seconds of the next frame to be given."""
        shown = self._time_of(frame)
        if shown is not None and self._position == 0 and (self.by_dts or self._start is None or shown < self._start):
            self._start = shown
        seconds = self._since_start(shown)
        if shown is not None:
            self._anchor = (self._position, seconds)
        self._position += 1
        self._last = float(seconds)
        return self._last

    def _since_start(self, shown: Fraction | None) -> Fraction:
        if shown is not None and self._start is not None:
            return max(shown - self._start, Fraction(0))
        position, seconds = self._anchor
        return seconds + (self._position - position) / self._rate

    def _lose(self, packets: int, shown: Fraction | None) -> None:
        seconds = float(self._since_start(shown))
        self.first_lost = seconds if self.first_lost is None else min(self.first_lost, seconds)
        self.lost += packets
        self._position += packets

    def _give_up(self, before: int | None) -> None:
        """Count the packets that gave no frame though later ones did: frames come in the order of their pts.

        A recording that was cut out of another begins with packets that need earlier ones; nothing of it is lost.
        """
        late = {pts for pts in self._awaited if before is None or pts < before}
        self._awaited -= late
        if self._opening is None:
            self._opening = before
        late = {pts for pts in late if self._opening is None or pts >= self._opening}
        count = min(len(late), self._fed - self._position)  # of some damaged packets the frame has the pts of another
        if count > 0 and self._one_each:
            self._lose(count, None if self.by_dts else min(late) * self._tick)
            self._given_up |= late

    def _cut(self) -> None:
        self.truncated = True
        if self.first_lost is None:
            self.first_lost = self._last

    def _check_length(self) -> None:
        length = self._container.duration
        if length is None or self._format not in _KNOW_THEIR_LENGTH:
            return
        whole = Fraction(length, 10**6)
        if self._end + max(SHORTER, 3 / self._rate, whole * SHORTER_SHARE) < whole:
            self._cut()


def milliseconds(seconds: float) -> int:
    """Return the whole milliseconds by which a frame is named."""
    return round(float(f"{seconds:.3f}") * 1000)


class _Times:
    """Counts how many frames of a video have the same time, to the millisecond by which they are named."""

    def __init__(self) -> None:
        self._sorted = array("q")  # eight bytes for a frame: a day of video has two million

    def repeat(self, seconds: float) -> int:
        """Return how many frames before this one had the same time."""
        time = milliseconds(seconds)
        end = bisect_right(self._sorted, time)
        count = end - bisect_left(self._sorted, time)
        self._sorted.insert(end, time)
        return count


def _first_of(*stamps: int | None) -> int | None:
    return next((stamp for stamp in stamps if stamp is not None), None)
