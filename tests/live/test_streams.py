"""Live cameras that work, are killed, say nothing, send rubbish, or fall behind."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from personsearch.live.cameras import Camera
from personsearch.live.streams import LATE, StreamLostError, _Lateness, live_frames
from tests.live.rtsp import RtspServer, blue_and_red, needs_rtsp


class Nuisance:
    """A TCP server that accepts everybody, and says what it is told to, over and over, or nothing."""

    def __init__(self, words: bytes) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._words = words
        self._ended = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(peer,), daemon=True).start()

    def _talk(self, peer: socket.socket) -> None:
        with peer:
            try:
                while not self._ended.wait(0.01):
                    if self._words:
                        peer.sendall(self._words)
            except OSError:
                return

    def close(self) -> None:
        self._ended.set()
        self._socket.close()


@pytest.fixture
def nuisance(request: pytest.FixtureRequest) -> Iterator[Nuisance]:
    made = Nuisance(request.param)
    yield made
    made.close()


def frames(url: str, timeout: float = 1.0) -> Iterator[np.ndarray]:
    camera = Camera.of(url, name="door")
    for picture in live_frames(camera, timeout=timeout, stopped=lambda: False, passed_over=lambda _: None):
        yield picture()


NOISE = os.urandom(4096)
RUBBISH = {
    "silence": b"",
    "noise": NOISE,
    "http-noise": b"HTTP/1.0 200 OK\r\nContent-Type: video/mp4\r\n\r\n" + NOISE,
    "rtsp-nothing": b"RTSP/1.0 200 OK\r\n\r\n",
}


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
@pytest.mark.parametrize("nuisance", RUBBISH.values(), indirect=True, ids=RUBBISH)
def test_silence_and_rubbish_are_a_lost_camera_and_no_password_is_told(nuisance: Nuisance, scheme: str) -> None:
    with pytest.raises(StreamLostError) as caught:
        next(frames(f"{scheme}://me:secret@127.0.0.1:{nuisance.port}/cam", timeout=0.5))
    assert "secret" not in str(caught.value)
    assert str(caught.value)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("rtsp://127.0.0.1:1/cam", "connection refused"),
        ("webcam:77", "no such file or directory"),
        ("rtsp://no-such-host.invalid/cam", "input/output error"),
    ],
)
def test_what_is_not_there_says_so(source: str, reason: str) -> None:
    with pytest.raises(StreamLostError, match=reason):
        next(frames(source))


@needs_rtsp
@pytest.mark.parametrize("codec", ["jpeg", "vp8"])
def test_the_frames_of_a_camera_come_until_it_is_killed(codec: str, tmp_path: Path) -> None:
    with RtspServer(tmp_path, codec=codec) as server:
        seen = []
        for picture in frames(server.url, timeout=10.0):
            seen.append(picture)
            if len(seen) == 10:
                server.kill()
    assert {picture.shape for picture in seen} == {(96, 160, 3)}
    assert len(seen) >= 10
    shade = seen[0][:48, :, 0].mean()
    assert abs(shade - 60) < 12  # RGB: the upper half is a dark blue


@needs_rtsp
def test_a_camera_that_stops_sending_is_noticed(tmp_path: Path) -> None:
    def watched(server: RtspServer) -> None:
        for _ in frames(server.url, timeout=1.0):
            server.suspend()

    with RtspServer(tmp_path) as server, pytest.raises(StreamLostError, match="it said nothing for 1 s"):
        watched(server)


def passed_over(lateness: _Lateness, delays: list[float], fps: float = 10.0, gop: int = 10) -> list[bool]:
    """Return what becomes of frames that are shown ``fps`` a second and reach us so many seconds late."""
    return [
        lateness.at(1000 + number / fps + delay, number / fps, whole=number % gop == 0)
        for number, delay in enumerate(delays)
    ]


def test_what_is_late_is_passed_over_up_to_a_whole_frame_that_is_not() -> None:
    delays = [0.0] * 20 + [LATE + 1] * 15 + [0.0] * 20
    over = passed_over(_Lateness("rtsp"), delays)
    assert over == [False] * 20 + [True] * 20 + [False] * 15  # from the whole frame number 40 on


def test_lateness_that_stays_is_the_connection_s_after_a_while() -> None:
    over = passed_over(_Lateness("rtsp"), [0.0] * 20 + [LATE + 1] * 400)
    assert sum(over) == pytest.approx(100, abs=15)
    assert not any(over[150:])


def test_a_little_jitter_and_a_burst_at_the_beginning_are_no_lateness() -> None:
    rng = np.random.default_rng(0)
    assert not any(passed_over(_Lateness("rtsp"), list(rng.uniform(0, LATE * 0.9, 500))))
    assert not any(passed_over(_Lateness("rtsp"), [2.0 - 0.1 * min(number, 20) for number in range(100)]))


def test_clocks_that_drift_apart_are_no_lateness() -> None:
    lateness = _Lateness("rtsp")
    assert not any(lateness.at(1.0002 * second, second, whole=second % 10 == 0) for second in range(86400))


def test_a_clock_that_leaps_begins_again() -> None:
    lateness = _Lateness("rtsp")
    times = [(0.1 * n, 0.1 * n) for n in range(20)] + [(2 + 0.1 * n, 5000 + 0.1 * n) for n in range(20)]
    times += [(4 + 0.1 * n, 0.1 * n) for n in range(20)]
    assert not any(lateness.at(now, shown, whole=False) for now, shown in times)


class _Mjpeg(BaseHTTPRequestHandler):
    """A camera of the kind that sends one JPEG after another over HTTP."""

    folder: Path

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for _ in range(3):
            for path in sorted(self.folder.glob("*.jpg")):
                data = path.read_bytes()
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                self.wfile.write(head.encode() + data + b"\r\n")

    def log_message(self, *_: object) -> None:
        pass


def test_a_camera_that_sends_jpegs_over_http(tmp_path: Path) -> None:
    handler = type("Handler", (_Mjpeg,), {"folder": blue_and_red(tmp_path / "pictures")})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        seen: list[np.ndarray] = []
        with suppress(StreamLostError):  # as it ends in the middle of a stream that has no end
            seen.extend(frames(f"http://me:secret@127.0.0.1:{server.server_port}/video.mjpg", timeout=10.0))
        server.shutdown()
    assert len(seen) >= 50
    assert {picture.shape for picture in seen} == {(96, 160, 3)}
    assert abs(seen[0][:48, :, 2].mean() - 140) < 12
