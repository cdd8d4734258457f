"""Small videos for tests: one colour pattern, any container, turned, stretched, late, without times, damaged."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: Width and height of a film.
SIZE = (64, 48)
#: The display matrix of each quarter turn clockwise, and of mirrors, as (a, b, c, d).
TURNS = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}


def corners(level: int = 0) -> NDArray[np.uint8]:
    """Return a picture whose quarters are 60, 120, 180, 240 grey (top left to bottom right), less a level."""
    width, height = SIZE
    picture = np.zeros((height, width, 3), np.uint8)
    for number, (y, x) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        part = (slice(y * height // 2, (y + 1) * height // 2), slice(x * width // 2, (x + 1) * width // 2))
        picture[part] = 60 * (number + 1) - level
    return picture


def quarters(picture: Image.Image) -> list[int]:
    """Return the grey values in the middle of a picture's quarters, rounded to 60ths: 1 to 4 for :func:`corners`."""
    grey = np.asarray(picture.convert("L")).astype(float)
    height, width = grey.shape
    return [round(grey[height * y // 4, width * x // 4] / 60) for y, x in ((1, 1), (1, 3), (3, 1), (3, 3))]


def film(
    path: Path,
    codec: str = "mpeg4",
    *,
    frames: int = 10,
    rate: int = 10,
    form: str | None = None,
    shape: Fraction | None = None,
    matrix: tuple[int, int, int, int] = (1, 0, 0, 1),
    times: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
    sound: float = 0,
) -> Path:
    """Write a film whose frame n is :func:`corners` less 2 n, for 30 frames.

    Args:
        path: its suffix chooses the container, unless ``form`` does.
        codec: of the video.
        frames: how many.
        rate: frames per second.
        form: name of the container.
        shape: width of a pixel divided by its height.
        matrix: how the frames are shown; MP4 and MOV only.
        times: of the frames, milliseconds; default from the rate.
        options: of the codec.
        sound: seconds of silence beside it.
    """
    with av.open(str(path), "w", format=form) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.options = options or {}
        if shape is not None:
            stream.codec_context.sample_aspect_ratio = shape
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        audio = container.add_stream("aac", rate=8000, layout="mono") if sound else None
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(corners(2 * number % 60), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if audio is not None:
            for start in range(0, int(8000 * sound), 1024):
                silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
                silence.rate, silence.pts = 8000, start
                container.mux(audio.encode(silence))
            container.mux(audio.encode())
    if matrix != (1, 0, 0, 1):
        _set_matrix(path, matrix)
    return path


def _set_matrix(path: Path, matrix: tuple[int, int, int, int]) -> None:
    a, b, c, d = (number << 16 for number in matrix)
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 40
    for number, value in enumerate((a, b, 0, c, d, 0, 0, 0, 1 << 30)):
        data[start + 4 * number : start + 4 * number + 4] = value.to_bytes(4, "big", signed=True)
    path.write_bytes(data)


def packets(path: Path) -> list[tuple[int, int]]:
    """Return where each packet of a film lies in its file, and how long it is, bytes, in the order of decoding."""
    with av.open(str(path)) as container:
        return [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]


def damage(path: Path, number: int) -> Path:
    """Overwrite the first bytes of a packet."""
    start, size = packets(path)[number]
    data = bytearray(path.read_bytes())
    data[start : start + min(size, 60)] = b"\xff" * min(size, 60)
    path.write_bytes(data)
    return path
