"""Which packets of a video a decoder can begin with and give the very pictures that it gives from the start.

A container's mark of a key frame is a promise of its writer, and not of this: a picture may wait for headers that came
once, long before, or be refreshed piece by piece. So each codec's packets are looked into. Where nothing is known of a
codec, or of a packet, the answer is no, and the video is decoded from the start. Among those of which nothing is known
are VP8, Sorenson's and Microsoft's: their decoders take damage for pictures without a word, and what they then show
depends on all that came before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

#: Codecs of which every packet is a picture, whole in itself.
_SINGLE = {"dnxhd", "ffv1", "ffvhuff", "huffyuv", "mjpeg", "png", "prores", "rawvideo", "utvideo"}

_MARK = b"\0\0\1"

#: A packet -> whether it begins a picture that needs no other, and the headers in it that later packets may need.
_Look = Callable[[bytes], tuple[bool, list[bytes]]]


class Restarts:
    """Looks at the packets of a video in the order of decoding.

    Args:
        codec: its name, as FFmpeg calls the format ("h264"), not the decoder.
        extradata: headers that the container holds apart, b"" = none.

    Attributes:
        single: whether every packet is a picture, whole in itself.
        closed: whether no packet after the last one to begin with speaks of what comes before it.
        in_order: whether frames come in the order of their packets, as far as has been seen.
    """

    def __init__(self, codec: str, extradata: bytes) -> None:
        self.single = codec in _SINGLE
        self.closed = True
        self.in_order = self.single or codec == "mpeg4"
        self._codec, self._extradata = codec, extradata
        self._units = _units_of(codec, extradata)
        self._look = _look_of(codec, self._units)
        #: Headers that came in packets and are not in the extradata.
        self._headers: set[bytes] = set()

    @property
    def possible(self) -> bool:
        """Whether this codec's packets are understood."""
        return self._look is not None

    def see(self, data: bytes, *, key: bool) -> bool:
        """Whether a decoder that has only the extradata can begin with this packet.

        Args:
            data: of the next packet.
            key: whether the container marks it as a key frame.
        """
        if self._look is None:
            return False
        whole, headers = self._look(data)
        if self._codec == "mpeg4" and self.in_order:
            self.in_order = not any(kind == 2 for kind in _mpeg4_kinds(data))
        begins = key and whole
        if begins and self._codec == "h264":
            self.closed = any(unit and unit[0] & 31 == 5 for unit in self._units(data))
        self._headers.update(header for header in headers if header not in self._extradata)
        return begins and all(header in data for header in self._headers)


def _units_of(codec: str, extradata: bytes) -> Callable[[bytes], Iterator[bytes]]:
    """Return what splits a packet of H.264 or HEVC into its units."""
    # The extradata of MP4 and Matroska begins with a version, 1; that of others with the mark of a unit.
    place = 4 if codec == "h264" else 21
    if extradata[:1] != b"\1" or len(extradata) <= place:
        return _marked_units
    width = (extradata[place] & 3) + 1
    return lambda data: _counted_units(data, width)


def _look_of(codec: str, units: Callable[[bytes], Iterator[bytes]]) -> _Look | None:
    simple: dict[str, _Look] = {
        "av1": lambda data: (_av1(data), []),
        "mjpeg": lambda data: (_mjpeg(data), []),
        "mpeg1video": lambda data: (_mpeg2(data), []),
        "mpeg2video": lambda data: (_mpeg2(data), []),
        "h264": lambda data: _h264(units(data)),
        "hevc": lambda data: _hevc(units(data)),
        "mpeg4": _mpeg4,
        "vp9": lambda data: (_vp9(data), []),
    }
    return simple.get(codec, (lambda _: (True, [])) if codec in _SINGLE else None)


def _marked_units(data: bytes) -> Iterator[bytes]:
    """Yield the units of a byte stream, each after a mark."""
    start = data.find(_MARK)
    while start >= 0:
        end = data.find(_MARK, start + 3)
        yield data[start + 3 : end if end >= 0 else len(data)].rstrip(b"\0")
        start = end


def _counted_units(data: bytes, width: int) -> Iterator[bytes]:
    """Yield the units of a packet, each after its length in so many bytes."""
    place = 0
    while place + width <= len(data):
        length = int.from_bytes(data[place : place + width], "big")
        yield data[place + width : place + width + length]
        place += width + length


def _h264(units: Iterator[bytes]) -> tuple[bool, list[bytes]]:
    whole, headers = False, []
    for unit in units:
        kind = unit[0] & 31 if unit else 0
        if kind == 5:  # a picture before which nothing counts
            whole = True
        elif kind == 6:
            whole = whole or _recovers_at_once(unit)
        elif kind in (7, 8, 13, 15):  # sequence and picture parameter sets
            headers.append(unit)
    return whole, headers


def _recovers_at_once(unit: bytes) -> bool:
    """Whether an SEI unit of H.264 says that from here on all is exact in the order of showing: recovery point 0."""
    place = 1
    while place + 2 < len(unit):
        kind = size = 0
        while place < len(unit) and unit[place] == 255:
            kind, place = kind + 255, place + 1
        if place >= len(unit):
            return False
        kind, place = kind + unit[place], place + 1
        while place < len(unit) and unit[place] == 255:
            size, place = size + 255, place + 1
        if place >= len(unit):
            return False
        size, place = size + unit[place], place + 1
        if kind == 6:  # bits: recovery_frame_cnt 0 is "1", exact_match_flag, broken_link_flag
            return place < len(unit) and unit[place] >> 5 == 0b110
        place += size
    return False


def _hevc(units: Iterator[bytes]) -> tuple[bool, list[bytes]]:
    whole, headers = False, []
    for unit in units:
        kind = unit[0] >> 1 & 63 if unit else 0
        if 16 <= kind <= 21:  # pictures of random access
            whole = True
        elif 32 <= kind <= 34:  # video, sequence and picture parameter sets
            headers.append(unit)
    return whole, headers


def _mpeg2(data: bytes) -> bool:
    """Whether a packet of MPEG-1 or 2 has a sequence header and then an I picture."""
    header = data.find(_MARK + b"\xb3")
    picture = data.find(_MARK + b"\0", header + 1)
    return header >= 0 and 0 <= picture < len(data) - 5 and data[picture + 5] >> 3 & 7 == 1


def _mpeg4(data: bytes) -> tuple[bool, list[bytes]]:
    # Besides the layer's header, the name of the encoder counts: its faults are made up for.
    headers = [unit for unit in _marked_units(data) if unit and (0x20 <= unit[0] <= 0x2F or unit[0] == 0xB2)]
    return next(_mpeg4_kinds(data), None) == 0, headers


def _mpeg4_kinds(data: bytes) -> Iterator[int]:
    """Yield the kind of each picture in a packet: 0 = I, 1 = P, 2 = B, 3 = sprite."""
    start = data.find(_MARK + b"\xb6")
    while 0 <= start < len(data) - 4:
        yield data[start + 4] >> 6
        start = data.find(_MARK + b"\xb6", start + 4)


def _mjpeg(data: bytes) -> bool:
    """Whether a JPEG brings its own tables."""
    head = data[: max(data.find(b"\xff\xda"), 0)]
    return b"\xff\xc4" in head and b"\xff\xdb" in head


def _vp9(data: bytes) -> bool:
    """Whether a frame of VP9 is a key frame that is shown."""
    if not data or data[0] >> 6 != 2:
        return False
    bits = data[0] >> 1 if data[0] >> 4 & 3 == 3 else data[0]  # profile 3 has a bit more
    return bits >> 1 & 7 == 0b001  # no repetition of another, a key frame, shown


def _av1(data: bytes) -> bool:
    """Whether a packet of AV1 has a sequence header and then a key frame that is shown."""
    place, header = 0, False
    while place < len(data):
        kind, extended, sized = data[place] >> 3 & 15, data[place] >> 2 & 1, data[place] >> 1 & 1
        place += 1 + extended
        size = shift = 0
        while sized and place < len(data):
            size, shift = size | (data[place] & 127) << shift, shift + 7
            place += 1
            if data[place - 1] < 128:
                break
        if kind == 1:
            header = True
        if kind in (3, 6):  # a frame's header; bits: repeated, type (2), shown
            return header and place < len(data) and data[place] >> 4 == 0b0001
        if not sized:
            return False
        place += size
    return False
