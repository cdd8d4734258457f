"""Videos as frames, and how a frame is named (PyAV, the extra ``[video]``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from PIL import Image

from personsearch.errors import ImageError, MissingExtraError

VIDEO_SUFFIXES = frozenset({".mp4", ".mkv", ".avi", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".ts"})
#: Between a video's name and the time of a frame in an image_id.
_FRAME = "#t="


def frame_id(video: str, seconds: float) -> str:
    """Return the image_id of a frame: ``video.mp4#t=12.300``."""
    return f"{video}{_FRAME}{seconds:.3f}"


def frame_time(image_id: str) -> float | None:
    """Return the seconds that the image_id of a frame ends with; None for the image_id of a still."""
    _, sign, seconds = image_id.rpartition(_FRAME)
    try:
        return float(seconds) if sign else None
    except ValueError:
        return None


def video_frames(path: str, every: int = 1) -> Iterator[tuple[float, Callable[[], Image.Image]]]:
    """Yield (seconds from the start, function that converts the frame) for every ``every``-th frame.

    Raises:
        MissingExtraError: PyAV is not installed.
        ImageError: the file is not a video, or is damaged in the middle.
    """
    try:
        import av
    except ImportError:
        raise MissingExtraError("videos need PyAV: pip install 'personsearch[video]'") from None
    try:
        with av.open(path) as container:
            if not container.streams.video:
                raise ImageError(f"{path}: holds no video stream")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            for number, frame in enumerate(container.decode(stream)):
                if number % every == 0:
                    yield float(frame.time or 0.0), frame.to_image
    except (av.error.FFmpegError, OSError) as error:
        raise ImageError(f"{path}: cannot be read as a video ({error})") from None


def frame_at(path: str, seconds: float) -> Image.Image:
    """Return the first frame of a video at a time or later.

    Raises:
        MissingExtraError: PyAV is not installed.
        ImageError: the video cannot be read, or ends before that time.
    """
    for time, frame in video_frames(path):
        if time >= seconds - 5e-4:
            return frame()
    raise ImageError(f"{path}: has no frame at {seconds} s")
