"""Names of exported pictures: safe on every system, each for one picture, and in the order of a video's frames."""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePosixPath

from personsearch.pictures.video import frame_of, video_of
from personsearch.results import StoredScene

#: Signs of a scene's own name that its picture's name keeps.
KEPT = 48


def picture_stem(scene: StoredScene, max_side: int | None) -> str:
    """Return the name of a scene's picture without its suffix: ASCII letters, digits and hyphens, 70 at most.

    What the name of the scene says is for people. The last twelve signs keep apart what differs: the scene, the content
    of its file, and the size of the picture, so that a name never stands for two pictures, not even for a system that
    takes ``A.jpg`` and ``a.jpg`` for one.

    Args:
        scene: as stored.
        max_side: of the picture, as the export was told.

    Example:
        >>> scene = StoredScene(image_id="in/door.mp4#t=1.200", camera=None, time=None, image_size=(4, 4), extra={})
        >>> picture_stem(scene, None)
        'door-000001200-963eda6bb4ff'
    """
    video, frame = video_of(scene.image_id), frame_of(scene.image_id)
    stem = PurePosixPath(scene.image_id if video is None else video).stem
    if frame is not None:
        milliseconds, repeat = round(frame[0] * 1000), frame[1]
        stem = f"{stem[-KEPT + 13 :]}-{milliseconds:09d}{f'-{repeat + 1}' if repeat else ''}"
    safe = re.sub(r"[^A-Za-z0-9]+", "-", stem)[-KEPT:].strip("-") or "scene"
    content = f"{scene.image_id}\0{scene.extra.get('sha256')}\0{max_side}"
    return f"{safe}-{hashlib.sha256(content.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"
