"""The frames of a live camera, through PyAV: opened with time limits, decoded, and given up when it falls silent."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personsearch.errors import ImageError, MissingExtraError
from personsearch.live.cameras import Camera
from personsearch.pictures.display import as_shown, converted, matrix_of

#: Seconds that a camera's newest frame may be late, compared with its most punctual one, before what it sends is
#: passed over undecoded up to the next frame that needs no other.
LATE = 2.0
#: Seconds by which a camera's clock may leap without being taken for lateness.
LEAP = 10.0
#: Seconds after which the most punctual frame is forgotten, and containers whose times are the camera's own.
_WHILE = 300.0
_TIMED = {"rtsp", "mpegts", "flv", "hls"}
#: Protocols that a stream may lead to: never a file of this machine.
_PROTOCOLS = "rtsp,rtsps,rtp,srtp,udp,tcp,tls,http,https,httpproxy,crypto,hls,rtmp,rtmps,srt,data"


class StreamLostError(ImageError):
    """A camera cannot be reached, has fallen silent, or sends nothing that can be decoded."""


def live_frames(
    camera: Camera, *, timeout: float, stopped: Callable[[], bool], passed_over: Callable[[int], None]
) -> Iterator[Callable[[], NDArray[np.uint8]]]:
    """Yield the frames of a camera as they come, until it is lost.

    Args:
        camera: a stream or a webcam.
        timeout: seconds after which a camera that cannot be opened, sends nothing, or nothing that can be decoded,
            is lost.
        stopped: whether to end.
        passed_over: is called with the number of frames that were not decoded because decoding fell behind, or that
            were damaged.

    Yields:
        What makes the picture (H, W, 3) uint8 RGB: upright, with square pixels. It raises ImageError if it cannot.

    Raises:
        StreamLostError: says why, without the address.
        MissingExtraError: PyAV is not installed.
    """
    with _opened(camera, timeout) as (container, stream):
        lateness = _Lateness(container.format.name)
        fruitful = time.monotonic()
        shape = stream.sample_aspect_ratio
        for packet in container.demux(stream):
            if stopped():
                return
            if time.monotonic() - fruitful > timeout:
                raise StreamLostError(f"nothing that it sent for {timeout:.0f} s could be decoded")
            if packet.size == 0:  # the end: what is left in the decoder comes with it
                return
            if lateness.passes_over(packet):
                passed_over(1)
                fruitful = time.monotonic()
                continue
            try:
                frames = packet.decode()
            except Exception:  # PyAV raises many types for damaged packets; the next one may be whole
                passed_over(1)
                continue
            for frame in frames:
                if frame.is_corrupt or frame.width < 1 or frame.height < 1:
                    passed_over(1)
                    continue
                fruitful = time.monotonic()
                yield _picture_of(camera, frame, shape)


@contextmanager
def _opened(camera: Camera, timeout: float) -> Iterator[tuple[Any, Any]]:
    """Open a camera; whatever PyAV raises inside becomes a StreamLostError without the address."""
    av = require_av()
    address, form, options = _how_to_open(camera)
    try:
        with av.open(
            address, format=form, options=options, timeout=(timeout, timeout), metadata_errors="replace"
        ) as container:
            films = container.streams.video
            if not films:
                raise StreamLostError("it sends no video")
            stream = container.streams.best("video") or films[0]
            if stream.codec_context is None:
                raise StreamLostError("its video has a codec that PyAV cannot decode")
            stream.thread_type = "SLICE"  # threads by frame hold frames back
            yield container, stream
    except StreamLostError:
        raise
    except av.error.ExitError:
        raise StreamLostError(f"it said nothing for {timeout:.0f} s") from None
    except Exception as error:  # PyAV raises many types; their texts hold the address with its password
        raise StreamLostError(_reason(error)) from None


def _how_to_open(camera: Camera) -> tuple[str, str | None, dict[str, str]]:
    """Return address, format and options for a camera."""
    if camera.kind == "webcam":
        number = camera.url.removeprefix("webcam:")
        if sys.platform == "darwin":
            return number, "avfoundation", {"framerate": "30"}
        return (f"/dev/video{number}" if number.isdigit() else camera.url), "v4l2", {}
    options = {"protocol_whitelist": _PROTOCOLS}
    if camera.url.lower().startswith("rtsp"):
        options["rtsp_transport"] = "tcp"  # over UDP, lost packets become smeared pictures
    return camera.url, None, options


def _reason(error: Exception) -> str:
    reason = getattr(error, "strerror", None)
    return str(reason).lower().rstrip(".") if reason else type(error).__name__


def require_av() -> ModuleType:
    """Return PyAV.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import av
    except ImportError:
        raise MissingExtraError("cameras and videos need PyAV: pip install 'personsearch[video]'") from None
    return av


def _picture_of(camera: Camera, frame: Any, shape: Any) -> Callable[[], NDArray[np.uint8]]:
    def picture() -> NDArray[np.uint8]:
        try:
            return np.asarray(as_shown(converted(frame, camera.name), matrix_of(frame), shape))
        except Exception as error:  # the libraries below raise many types
            raise ImageError(f"{camera.name}: a frame cannot be converted ({type(error).__name__})") from None

    return picture


class _Lateness:
    """Whether decoding has fallen behind the camera, by the times that its packets carry."""

    def __init__(self, form: str) -> None:
        self._timed = form.split(",")[0] in _TIMED
        self._last: float | None = None
        #: Least of our clock minus the camera's, of this while and the one before: the two clocks drift apart.
        self._punctual = [math.inf, math.inf]
        self._while_began = 0.0
        self._behind_since: float | None = None

    def passes_over(self, packet: Any) -> bool:
        """Whether a packet is to be passed over: decoding is late, and no frame has come that needs no other."""
        stamp = packet.dts if packet.dts is not None else packet.pts
        if not self._timed or stamp is None or packet.time_base is None:
            return False
        return self.at(time.monotonic(), float(stamp * packet.time_base), whole=bool(packet.is_keyframe))

    def at(self, now: float, shown: float, *, whole: bool) -> bool:
        """As :meth:`passes_over`.

        Args:
            now: seconds on our clock.
            shown: seconds on the camera's.
            whole: whether the frame needs no other.
        """
        if self._last is None or not -1 < shown - self._last < LEAP:
            self._punctual, self._while_began, self._behind_since = [math.inf, math.inf], now, None
        if now - self._while_began > _WHILE:
            self._punctual, self._while_began = [math.inf, self._punctual[0]], now
        self._last = shown
        self._punctual[0] = min(self._punctual[0], now - shown)
        late = now - shown - min(self._punctual)
        if self._behind_since is None:
            if late <= LATE:
                return False
            self._behind_since = now
        if whole and (late <= LATE / 2 or now - self._behind_since > LEAP):
            self._punctual, self._behind_since = [now - shown, math.inf], None  # what is left is the connection's
            return False
        return True
