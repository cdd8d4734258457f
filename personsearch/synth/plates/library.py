"""The photographs of places in a folder, and what is known about each."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image

from personsearch.errors import DatasetError

logger = logging.getLogger(__name__)

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
MANIFEST = "manifest.json"
#: Least length of a photograph's shorter side, pixels; what is smaller is an icon rather than a place.
MIN_SIDE = 240
#: An equirectangular panorama is twice as wide as high, and at least this wide, pixels.
MIN_PANORAMA = 1024
#: Types in a manifest that are places.
_PLACES = ("place", "photo", "panorama")
#: EXIF orientations that swap width and height.
_SIDEWAYS = (5, 6, 7, 8)
_ORIENTATION = 0x0112
_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class Plate:
    """A photograph of a place without people.

    Attributes:
        file: path below the folder, with ``/``.
        width: of the upright picture, pixels.
        height: of the upright picture, pixels.
        panorama: whether it is an equirectangular panorama.
        kind: kind of place, by which frames are spread evenly: the manifest's ``scene``, or the folder it lies in.
        outdoors: None = not known.
        light: day, dusk, night or lamp.
        camera_height: metres above the ground; None = not known.
        horizon: row of the horizon as a share of the height; None = not known; panoramas: always 0.5.
        field_of_view: horizontal, degrees; None = not known.
    """

    file: str
    width: int
    height: int
    panorama: bool = False
    kind: str = ""
    outdoors: bool | None = None
    light: str = "day"
    camera_height: float | None = None
    horizon: float | None = None
    field_of_view: float | None = None


@lru_cache(maxsize=8)
def find_plates(folder: str) -> tuple[Plate, ...]:
    """Find the photographs of places in a folder and below it, ordered by path.

    A ``manifest.json`` in the folder may describe them: a list of tables with ``file`` and any of ``type`` (place or
    panorama; other types are left out), ``scene``, ``place`` (indoor or outdoor), ``time`` (day, dusk, night, lamp),
    ``camera_height``, ``horizon``, ``field_of_view``. Without it, a picture twice as wide as high is a panorama.

    Args:
        folder: to search.

    Raises:
        DatasetError: there is no such folder, no picture in it that can be read and is large enough, or the manifest is
            malformed.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DatasetError(f"places.photos: there is no folder {folder}; give a folder of photographs without people")
    described = _manifest(root)
    pictures = sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    plates, unreadable, small = [], [], []
    for path in pictures:
        name = path.relative_to(root).as_posix()
        row = described.get(name, {})
        if row.get("type", "place") not in _PLACES:
            continue
        size = _size(path)
        if size is None:
            unreadable.append(name)
        elif min(size) < MIN_SIDE:
            small.append(name)
        else:
            plates.append(_plate(name, size, row))
    for names, problem in ((unreadable, "cannot be read"), (small, f"are smaller than {MIN_SIDE} pixels")):
        if names:
            listed = ", ".join(names[:_NAMED]) + (" ..." if len(names) > _NAMED else "")
            if not plates:
                raise DatasetError(
                    f"{folder}: holds no usable photograph: {len(names)} of its pictures {problem} ({listed}); give "
                    f"photographs of empty places, at least {MIN_SIDE} pixels high and wide"
                )
            logger.warning("%s: %d pictures %s and are left out: %s", folder, len(names), problem, listed)
    if not plates:
        raise DatasetError(
            f"{folder}: holds no photograph ({', '.join(sorted(SUFFIXES))}); give a folder of photographs of empty "
            "places"
        )
    return tuple(plates)


def split_plates(plates: Sequence[Plate], held_out: float) -> dict[str, tuple[Plate, ...]]:
    """Share out the photographs among the splits.

    A photograph's split follows from its name alone, so that adding others does not move it.

    Args:
        plates: of a folder.
        held_out: share of them for the test split; 0 = both splits use all.

    Returns:
        ``{"train": ..., "test": ...}``, without a photograph in common where ``held_out`` > 0 and there are two or more.
    """
    if held_out == 0 or len(plates) < 2:
        return {"train": tuple(plates), "test": tuple(plates)}
    drawn = {plate: int(hashlib.sha256(plate.file.encode()).hexdigest()[:8], 16) / 2**32 for plate in plates}
    test = [plate for plate in plates if drawn[plate] < held_out]
    train = [plate for plate in plates if drawn[plate] >= held_out]
    # Few photographs may all fall on one side.
    if not test:
        test = [min(train, key=drawn.__getitem__)]
        train.remove(test[0])
    elif not train:
        train = [max(test, key=drawn.__getitem__)]
        test.remove(train[0])
    return {"train": tuple(train), "test": tuple(test)}


def _manifest(root: Path) -> dict[str, dict[str, Any]]:
    path = root / MANIFEST
    if not path.is_file():
        return {}
    try:
        rows = json.loads(path.read_text(encoding="utf-8-sig"))
        return {str(row["file"]): dict(row) for row in rows}
    except (ValueError, TypeError, KeyError):
        raise DatasetError(
            f'{path}: is not a list of tables like {{"file": "a.jpg", "type": "place"}}; correct it, or delete it to '
            "use every picture in the folder"
        ) from None


def _size(path: Path) -> tuple[int, int] | None:
    """Return width and height of the upright picture; None if it cannot be read."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            sideways = image.getexif().get(_ORIENTATION) in _SIDEWAYS
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return (height, width) if sideways else (width, height)


def _plate(name: str, size: tuple[int, int], row: dict[str, Any]) -> Plate:
    width, height = size
    known = row.get("type")
    parent = name.rpartition("/")[0]
    try:
        numbers = {
            key: None if row.get(key) is None else float(row[key])
            for key in ("camera_height", "horizon", "field_of_view")
        }
    except (TypeError, ValueError):
        raise DatasetError(
            f"{MANIFEST}: {name}: camera_height, horizon and field_of_view must be numbers; correct them"
        ) from None
    return Plate(
        file=name,
        width=width,
        height=height,
        panorama=known == "panorama" if known else abs(width - 2 * height) <= 2 and width >= MIN_PANORAMA,
        kind=str(row.get("scene") or parent),
        outdoors=None if row.get("place") is None else row["place"] == "outdoor",
        light=str(row.get("time") or "day"),
        **numbers,
    )
