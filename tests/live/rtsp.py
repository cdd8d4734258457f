"""A real RTSP server on the loopback, started, suspended and killed by a test."""

from __future__ import annotations

import functools
import os
import signal
import socket
import subprocess
from pathlib import Path
from types import TracebackType

import pytest
from PIL import Image

#: Debian's, for which GStreamer's bindings are.
PYTHON = "/usr/bin/python3"
_LOADS = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


@functools.cache
def _has_server() -> bool:
    if not os.path.exists(PYTHON):
        return False
    return subprocess.run([PYTHON, "-c", _LOADS], capture_output=True, check=False).returncode == 0


needs_rtsp = pytest.mark.skipif(
    not _has_server(),
    reason="no RTSP server: apt-get install python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good",
)


def blue_and_red(folder: Path, frames: int = 20, size: tuple[int, int] = (160, 96)) -> Path:
    """Write pictures whose upper half is a dark blue and whose lower half is red, with a bar that moves."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(frames):
        picture = Image.new("RGB", size, (60, 60, 140))
        picture.paste((200, 60, 60), (0, size[1] // 2, *size))
        picture.paste((240, 240, 240), (4 * number, 0, 4 * number + 8, size[1]))
        picture.save(folder / f"{number:04d}.jpg", quality=95)
    return folder


class RtspServer:
    """Serves pictures as a camera at ``url`` from when it is entered on.

    Args:
        folder: for the pictures; those that lie there already are served instead.
        codec: ``"jpeg"`` or ``"vp8"``.
        fps: pictures a second.
    """

    def __init__(self, folder: Path, *, codec: str = "jpeg", fps: int = 10) -> None:
        self.folder = folder if list(folder.glob("*.jpg")) else blue_and_red(folder / "pictures")
        self.codec, self.fps = codec, fps
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """The address, with user and password, for which the server does not ask."""
        return f"rtsp://me:secret@127.0.0.1:{self.port}/cam"

    def start(self) -> None:
        """Start it, again if need be."""
        script = Path(__file__).with_name("rtsp_server.py")
        self._process = subprocess.Popen(
            [PYTHON, script, self.folder, str(self.port), str(self.fps), self.codec], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == str(self.port)

    def kill(self) -> None:
        """Kill it without a word to anybody."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def suspend(self) -> None:
        """Have it hold still, its connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def __enter__(self) -> RtspServer:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.kill()
