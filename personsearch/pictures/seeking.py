"""Finding single frames of a video without decoding all that comes before them.

A frame's name depends on the video's first instant and on the frames before it that have the same time; its picture on
all packets since a picture that needs no other. So the beginning is decoded until its first frame, which gives the
first instant; then the packets are read, not decoded, up to where the frames must be: that says where a decoder can
begin (:mod:`~personsearch.pictures.keyframes`) so that it gives these frames and all others of their times. Only from
there on is decoded. Whatever is out of order there (an error, a missing frame, a packet that is another one than
before) leaves the rest to decoding from the start, which is what a name means.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import chain, islice
from typing import Any

from personsearch.errors import ImageError
from personsearch.pictures.display import converted
from personsearch.pictures.keyframes import Restarts
from personsearch.pictures.packets import SAME_AS_BEFORE, Decoder, milliseconds, opened

#: By what a frame is found: the milliseconds of its name, and how many frames before it have the same.
Key = tuple[int, int]

#: What a decoder is to fail at here: where it guesses, its guess depends on pictures before the place to begin.
_STRICT = "crccheck+bitstream+buffer+explode"
#: Codecs whose decoders see no damage in the picture that they begin with; so they begin with an earlier one.
_LAX = {"mpeg1video", "mpeg2video", "mpeg4"}
#: All stamps that there may be.
_STAMPS = range(-(2**61), 2**61)
#: How many packets after a place to begin the frames of a video in order are certain to be timed as from the start.
_SETTLED = 2


@dataclass
class Found:
    """What was found.

    Attributes:
        frames: of those that are in the video: the frame as decoded, its seconds, and the shape of its pixels.
        decoded: how many frames were decoded for it.
    """

    frames: dict[Key, tuple[Any, float, Fraction | None]] = field(default_factory=dict)
    decoded: int = 0


@dataclass
class _Place:
    """Where decoding begins.

    Attributes:
        number: of the packet of the stream.
        exact: of the packet from which on all is as from the start.
        stamp: what the container is asked for.
    """

    number: int
    exact: int
    stamp: int | None


@dataclass
class _Time:
    """Frames of one time.

    Attributes:
        low: stamps from here on have this time.
        high: stamps from here on have a later one.
        missing: repeats that are wanted and not found yet.
        seen: packets of this time so far.
        place: where decoding begins for it; None = at the start.
    """

    low: int
    high: int
    missing: set[int]
    seen: int = 0
    place: _Place | None = None


class _UncertainError(ImageError):
    """Something is not as it must be; decoding from the start decides."""


def look_up(path: str, wanted: Iterable[Key]) -> Found:
    """Find frames of a video by their names, wherever they are.

    Args:
        path: of the video.
        wanted: which frames.

    Returns:
        The same as decoding the whole video gives.

    Raises:
        MissingExtraError: PyAV is not installed.
        ImageError: the file is no video.
    """
    keys, found = set(wanted), Found()
    with suppress(ImageError):  # whatever is wrong with the file is found again
        _by_seeking(path, keys, found)
    if not keys <= found.frames.keys():
        _from_the_start(path, keys, found)
    return found


def _from_the_start(path: str, keys: set[Key], found: Found) -> None:
    with opened(path) as (container, stream):
        decoder = Decoder(container, stream)
        for frame, seconds, repeat in decoder.frames():
            key = milliseconds(seconds), repeat
            if key in keys and key not in found.frames:
                found.frames[key] = frame, seconds, stream.sample_aspect_ratio
                if keys <= found.frames.keys():
                    break
        found.decoded += decoder.decoded


def _by_seeking(path: str, keys: set[Key], found: Found) -> None:
    with opened(path) as (container, stream):
        clock = Decoder(container, stream)
        first = next(clock.frames(), None)
        found.decoded += clock.decoded
        if first is None:
            raise _UncertainError
    times = {time: _Time(*_stamps(clock, time), set()) for time, _ in keys if time > 0}  # the others are at the start
    for time, repeat in keys:
        if time in times:
            times[time].missing.add(repeat)
    packets = _plan(path, clock, list(times.values()))
    waiting = sorted(
        ((time.place.number, name, time) for name, time in times.items() if time.place is not None),
        key=lambda one: one[:2],
    )
    while waiting:
        run = _Run(path, clock, packets, waiting, found)
        run.decode()
        waiting = run.waiting


def _stamps(clock: Decoder, time: int) -> tuple[int, int]:
    """Return the first stamp of a time in milliseconds and the first of a later one; later stamps have later times."""

    def named(stamp: int) -> int:
        name = clock.named_at(stamp)
        if name is None:
            raise _UncertainError
        return name

    low, high = (bisect_left(_STAMPS, name, key=named) for name in (time, time + 1))
    return _STAMPS[low], _STAMPS[high]


@dataclass(frozen=True)
class _Packets:
    """What is known of the packets that were read.

    Attributes:
        records: a number for each of the stream, to be compared.
        single: whether each is a picture, whole in itself.
    """

    records: array[int]
    single: bool


def _plan(path: str, clock: Decoder, times: list[_Time]) -> _Packets:
    """Read the packets up to those of the wanted times, and choose where to begin for each."""
    records = array("q")
    unseen = list(times)
    with opened(path) as (container, stream):
        codec = stream.codec_context.codec.canonical_name
        restarts = Restarts(codec, stream.codec_context.extradata or b"")
        if not restarts.possible:
            raise _UncertainError
        places: list[_Place] = []
        for packet in _packets_of(container, stream):
            number, stamp = len(records), clock.stamp_of(packet)
            records.append(_record(packet))
            if stamp is None or packet.is_corrupt or packet.has_sidedata("new_extradata"):
                break  # from here on nothing is certain
            if not packet.is_discard:
                for time in [time for time in unseen if time.low <= stamp < time.high]:
                    if time.seen == 0 and clock.by_dts:
                        settled = [place for place in places if place.number <= number - _SETTLED]
                        time.place = settled[-2] if len(settled) > 1 else None
                    time.seen += 1
                    if time.seen > max(time.missing):
                        unseen.remove(time)
            if restarts.see(bytes(packet), key=packet.is_keyframe):
                asked = min((one for one in (packet.pts, packet.dts) if one is not None), default=None)
                place = _Place(number, number, asked)
                begin = place
                if places and codec in _LAX:
                    begin = replace(places[-1], exact=number)
                elif places and not restarts.closed:
                    # Later packets may dismiss pictures that come before: so those must be there, and be right, and for
                    # the same reason some before those, at which a decoder may complain.
                    begin = replace(places[-2:][0], exact=places[-1].number)
                places = [*places[-_SETTLED - 1 :], place]
                for time in unseen:
                    if time.seen == 0 and stamp < time.low and not clock.by_dts:
                        time.place = begin
            if not unseen:
                break
        if clock.by_dts and not restarts.in_order:
            raise _UncertainError
    for time in unseen:  # not all of its frames are there
        time.place = None
    return _Packets(records, restarts.single)


def _packets_of(container: Any, stream: Any) -> Iterator[Any]:
    """Yield the packets of a stream, as a Decoder takes them."""
    from av.error import FFmpegError

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except FFmpegError:
            return
        if packet is None:
            return
        if packet.size:
            yield packet


def _record(packet: Any) -> int:
    """Return a number that tells a packet from others, 64 bits."""
    flags = packet.is_keyframe, packet.is_discard, packet.is_corrupt, packet.has_sidedata("new_extradata")
    return hash((packet.pts, packet.dts, packet.pos, packet.size, flags))


class _Run:
    """Decodes from one place on, for all times whose place it comes by.

    Attributes:
        waiting: number of the packet to begin with, milliseconds and time, of those that are not done, in order.
    """

    def __init__(
        self, path: str, clock: Decoder, packets: _Packets, waiting: list[tuple[int, int, _Time]], found: Found
    ) -> None:
        self.waiting = list(waiting)
        self._path, self._clock, self._packets, self._found = path, clock, packets, found
        self._active: dict[int, _Time] = {}
        #: How many frames of each active time were given.
        self._given: dict[int, int] = {}
        #: Stamps of packets that are to give a frame yet, the stamp to begin with, and that of the frame before.
        self._awaited: set[int] = set()
        self._first: int | None = None
        self._before: int | None = None
        #: Frames that were found, each with the stamps of others that it may be made of and that are still to come.
        self._held: list[tuple[Key, tuple[Any, float, Fraction | None], set[int]]] = []

    def decode(self) -> None:
        """Decode until nothing that was begun is missing; give up what is uncertain."""
        begin, _, time = self.waiting[0]
        place = time.place
        if place is None:
            raise RuntimeError("a time without a place")
        try:
            with opened(self._path) as (container, stream):
                stream.codec_context.options = {"err_detect": _STRICT}
                packets = _packets_from(self._path, container, stream, place, self._packets.records)
                self._decode(stream, place, packets)
        except ImageError:
            # Whatever was begun is left to decoding from the start, and so that this ends, what was to begin here.
            self.waiting = [one for one in self.waiting if one[0] != begin]

    def _decode(self, stream: Any, place: _Place, packets: Iterator[Any]) -> None:
        from av.error import FFmpegError

        records = self._packets.records
        for number, packet in enumerate(chain(packets, [None]), start=place.number):
            while self.waiting and self.waiting[0][0] == number:
                _, name, time = self.waiting.pop(0)
                self._active[name], self._given[name] = time, 0
            stamp, counts = None, False
            if packet is not None:
                if packet.is_corrupt or (number < len(records) and _record(packet) != records[number]):
                    raise _UncertainError
                stamp = self._clock.stamp_of(packet)
                if stamp is None:
                    raise _UncertainError
                if number == place.exact:
                    self._first = stamp
                counts = self._first is not None and not packet.is_discard and packet.size > SAME_AS_BEFORE
                if counts and not self._clock.by_dts and not self._is_before(stamp):
                    self._awaited.add(stamp)
            try:
                frames = stream.codec_context.decode(packet)
            except FFmpegError:
                if self._is_before(stamp):
                    continue  # it may need what comes before, and nothing that is wanted needs it
                raise _UncertainError from None
            if counts and self._clock.by_dts and self._before is not None and len(frames) != 1:
                raise _UncertainError  # what comes late now need not have come late from the start
            self._found.decoded += len(frames)
            self._take(frames, packet, stream.sample_aspect_ratio)
            if not self._active and not self._held:
                return
        raise _UncertainError  # the end, and something is missing

    def _is_before(self, stamp: int | None) -> bool:
        """Whether a packet or frame may need what comes before the place, so that nothing can be expected of it."""
        return self._first is None or (stamp is not None and stamp < self._first)

    def _take(self, frames: list[Any], packet: Any, shape: Fraction | None) -> None:
        """Look at the frames that a packet gave, and keep what is wanted."""
        for frame in frames:
            stamp = self._clock.stamp_of(frame)
            if self._is_before(stamp):
                continue
            if stamp is None or frame.is_corrupt:
                raise _UncertainError
            if self._before is None:
                if not frame.key_frame or (stamp != self._first and not self._clock.by_dts):
                    raise _UncertainError
            elif stamp < self._before:
                raise _UncertainError
            self._before = stamp
            self._awaited.discard(stamp)
            if not self._clock.by_dts and any(other < stamp for other in self._awaited):
                raise _UncertainError  # a frame is missing
            self._keep(frame, stamp, packet, shape)
            for key, kept, others in list(self._held):
                others.discard(stamp)
                if not others:
                    self._found.frames[key] = kept
            self._held = [one for one in self._held if one[2]]

    def _keep(self, frame: Any, stamp: int, packet: Any, shape: Fraction | None) -> None:
        for name, time in list(self._active.items()):
            if not time.low <= stamp < time.high:
                continue
            repeat, self._given[name] = self._given[name], self._given[name] + 1
            if repeat in time.missing:
                if self._packets.single and not self._is_whole(frame, packet):
                    raise _UncertainError
                time.missing.discard(repeat)
                self._held.append(((name, repeat), (frame, name / 1000, shape), set(self._awaited)))
            if not time.missing:
                del self._active[name]

    def _is_whole(self, frame: Any, packet: Any) -> bool:
        """Whether a packet alone gives this frame; of a damaged one, the rest is what was in the memory before."""
        from av.error import FFmpegError

        if packet is None or not packet.is_keyframe or self._clock.stamp_of(packet) != self._clock.stamp_of(frame):
            return False
        with opened(self._path) as (_, stream):
            try:
                alone = [*stream.codec_context.decode(packet), *stream.codec_context.decode(None)]
            except FFmpegError:
                return False
            self._found.decoded += len(alone)
            pictures = [converted(one, self._path).tobytes() for one in (frame, *alone)]
        return len(pictures) == 2 and pictures[0] == pictures[1]


def _packets_from(path: str, container: Any, stream: Any, place: _Place, records: array[int]) -> Iterator[Any]:
    """Yield the packets from a place on: where the container finds it, else by reading up to it."""
    found = _sought(container, stream, place, records[place.number])
    if found is not None:
        yield from found
        return
    with opened(path) as (container, stream):
        yield from islice(_packets_of(container, stream), place.number, None)


def _sought(container: Any, stream: Any, place: _Place, record: int) -> Iterator[Any] | None:
    """Seek, and return the packets from a place on; None where the container leads elsewhere."""
    from av.error import FFmpegError

    if place.stamp is None:
        return None
    try:
        container.seek(place.stamp, stream=stream)
    except FFmpegError:
        return None
    packets = _packets_of(container, stream)
    for passed, packet in enumerate(packets):
        if packet.pos is not None and packet.pos >= 0 and _record(packet) == record:
            return _with_first(packet, packets)
        if passed > place.number:
            break
    return None


def _with_first(first: Any, others: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from others
