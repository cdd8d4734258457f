"""The pictures that are kept beside a gallery: where they lie, and how they go."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from urllib.parse import quote, unquote

from personsearch.durable import write_durably
from personsearch.gallery import Gallery
from personsearch.pictures.video import frame_of

#: In the gallery's folder: the pictures of scenes, and those of alerts.
SCENES, ALERTS = "pictures", "alerts"
#: What the extra of a scene says whose picture is kept: how many people it was stored with.
WITH = "stored_with"
_SAFE = ":+=#@,() "


def picture_path(folder: Path, image_id: str) -> Path:
    """Return where the picture of a scene lies; the name says which scene it is of."""
    source, sign, rest = image_id.rpartition("#" if frame_of(image_id) else "/")
    name = f"#{rest}" if sign == "#" else rest
    return folder / SCENES / quote(source, safe=_SAFE) / f"{quote(name, safe=_SAFE)}.jpg"


def alert_path(folder: Path, target: str, image_id: str) -> Path:
    """Return where the picture of an alert lies."""
    return folder / ALERTS / quote(target, safe=_SAFE) / f"{quote(image_id, safe=_SAFE)}.jpg"


def write_picture(path: Path, data: bytes) -> dict[str, str]:
    """Write a picture, whole or not at all; return what the gallery keeps of it, as indexing does.

    Raises:
        OSError: the disk is full or refuses.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, data)
    return {"path": str(path.absolute()), "sha256": hashlib.sha256(data).hexdigest()}


def sweep_pictures(gallery: Gallery, *, before: float | None) -> int:
    """Erase the pictures of scenes that are gone or have lost people, and of alerts that are old or on nobody any more.

    Call it while the gallery is open for writing, so that no picture waits for its scene.

    Args:
        gallery: beside which they lie.
        before: pictures of alerts from before this time (seconds since 1970) go; None = they stay.

    Returns:
        How many pictures of scenes and old alerts were erased.
    """
    erased = 0
    found = _pictures(gallery.path / SCENES)
    while pictures := list(islice(found, 500)):
        ids = [_image_id(path) for path in pictures]
        for path, image_id, people in zip(pictures, ids, gallery.scenes.people(ids), strict=True):
            scene = gallery.scene(image_id)
            if scene is None or len(people) < scene.extra.get(WITH, 0):
                path.unlink(missing_ok=True)
                erased += 1
    for folder in (gallery.path / ALERTS).glob("person-*"):
        number = folder.name.removeprefix("person-")
        if number.isdigit() and gallery.people.get(int(number)) is None:
            forget_alerts(gallery.path, folder.name)
    for path in _pictures(gallery.path / ALERTS):
        with suppress(FileNotFoundError):
            if before is not None and path.stat().st_mtime < before:
                path.unlink()
                erased += 1
    return erased


def forget_alerts(folder: Path, target: str) -> None:
    """Erase the pictures of all alerts on somebody."""
    shutil.rmtree(folder / ALERTS / quote(target, safe=_SAFE), ignore_errors=True)


def _pictures(folder: Path) -> Iterator[Path]:
    return folder.glob("*/*.jpg")


def _image_id(path: Path) -> str:
    source, name = unquote(path.parent.name), unquote(path.name.removesuffix(".jpg"))
    return f"{source}{name}" if name.startswith("#") else f"{source}/{name}"
