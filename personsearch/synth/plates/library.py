"""The photographs of places in a folder, and what is known about each."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from personsearch.errors import DatasetError, ImageError
from personsearch.pictures.decode import image_size

logger = logging.getLogger(__name__)

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
MANIFEST = "manifest.json"
#: Least length of a photograph's shorter side, pixels; what is smaller is an icon rather than a place.
MIN_SIDE = 240
#: An equirectangular panorama is twice as wide as high, and at least this wide, pixels.
MIN_PANORAMA = 1024
#: Types in a manifest that are places.
_PLACES = ("place", "photo", "panorama")
#: Numbers in a manifest: least and greatest value, and what they are.
_NUMBERS = {
    "camera_height": (0.1, 200.0, "metres above the ground"),
    "horizon": (-20.0, 20.0, "the row of the horizon as a share of the picture's height, 0 = the top"),
    "field_of_view": (5.0, 150.0, "horizontal, degrees"),
}
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


def find_plates(folder: str | Path, *, quiet: bool = False) -> tuple[Plate, ...]:
    """Find the photographs of places in a folder and below it, ordered by path; only their headers are read.

    A ``manifest.json`` in the folder may describe them: a list of tables with ``file`` and any of ``type`` (place or
    panorama; other types are left out), ``scene``, ``place`` (indoor or outdoor), ``time`` (day, dusk, night, lamp),
    ``camera_height``, ``horizon``, ``field_of_view``. Without it, a picture twice as wide as high is a panorama.
    Hidden files and folders are left out.

    Args:
        folder: to search.
        quiet: do not warn of pictures that are left out.

    Raises:
        DatasetError: there is no such folder, no picture in it that can be read and is large enough, or the manifest is
            malformed.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DatasetError(f"places.photos: there is no folder {folder}; give a folder of photographs without people")
    described = _manifest(root)
    plates: list[Plate] = []
    unreadable: list[str] = []
    small: list[str] = []
    for path in _pictures(root):
        name = path.relative_to(root).as_posix()
        row = described.get(name, {})
        if row.get("type", "place") not in _PLACES:
            continue
        try:
            size = image_size(path)
        except ImageError:
            unreadable.append(name)
            continue
        if min(size) < MIN_SIDE:
            small.append(name)
        else:
            plates.append(_plate(root, name, size, row))
    left_out = [
        f"{len(names)} {'picture' if len(names) == 1 else 'pictures'} {problem} ({_listed(names)})"
        for names, problem in ((unreadable, "cannot be read"), (small, f"below {MIN_SIDE} pixels wide or high"))
        if names
    ]
    if not plates:
        found = " and ".join(left_out) or f"no picture ({', '.join(sorted(SUFFIXES))})"
        raise DatasetError(
            f"{folder}: holds no usable photograph of a place: {found}; give photographs of empty places, at least "
            f"{MIN_SIDE} pixels wide and high"
        )
    for problem in left_out if not quiet else ():
        logger.warning("%s: left out: %s", folder, problem)
    return tuple(plates)


def fingerprint_of_plates(plates: Sequence[Plate]) -> str:
    """Return a text that changes if photographs are added, removed or described otherwise: their number and a hash."""
    text = json.dumps([asdict(plate) for plate in plates], sort_keys=True)
    return f"{len(plates)} photographs, {hashlib.sha256(text.encode()).hexdigest()[:12]}"


def split_plates(plates: Sequence[Plate], held_out: float) -> dict[str, tuple[Plate, ...]]:
    """Share out the photographs among the splits.

    A photograph's split follows from its name alone, so that adding others does not move it.

    Args:
        plates: of a folder.
        held_out: share of them for the test split; 0 = both splits use all.

    Returns:
        ``{"train": ..., "test": ...}``, without a photograph in common where ``held_out`` > 0 and there are at least
        two.
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


def _pictures(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        if path.suffix.lower() in SUFFIXES and not hidden and path.is_file():
            yield path


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (" ..." if len(names) > _NAMED else "")


def _manifest(root: Path) -> dict[str, dict[str, Any]]:
    path = root / MANIFEST
    if not path.is_file():
        return {}
    try:
        rows = json.loads(path.read_text(encoding="utf-8-sig"))
        if not isinstance(rows, list):
            raise TypeError
        return {str(row["file"]): dict(row) for row in rows}
    except (OSError, ValueError, TypeError, KeyError):
        raise DatasetError(
            f'{path}: is not a list of tables like {{"file": "a.jpg", "type": "place"}}; correct it, or delete it to '
            "use every picture in the folder"
        ) from None


def _plate(root: Path, name: str, size: tuple[int, int], row: dict[str, Any]) -> Plate:
    width, height = size
    known = row.get("type")
    twice = abs(width - 2 * height) <= max(2, 0.01 * width)
    if known == "panorama" and not twice:
        raise DatasetError(
            f"{root / MANIFEST}: {name} is {width}x{height}, but an equirectangular panorama is twice as wide as high; "
            'give it the type "place"'
        )
    return Plate(
        file=name,
        width=width,
        height=height,
        panorama=known == "panorama" if known else abs(width - 2 * height) <= 2 and width >= MIN_PANORAMA,
        kind=str(row.get("scene") or name.rpartition("/")[0]),
        outdoors=None if row.get("place") is None else row["place"] == "outdoor",
        light=str(row.get("time") or "day"),
        camera_height=_number(root, name, row, "camera_height"),
        horizon=_number(root, name, row, "horizon"),
        field_of_view=_number(root, name, row, "field_of_view"),
    )


def _number(root: Path, name: str, row: dict[str, Any], key: str) -> float | None:
    value = row.get(key)
    if value is None:
        return None
    low, high, meaning = _NUMBERS[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise DatasetError(
            f"{root / MANIFEST}: {name}: {key} must be a number from {low:g} to {high:g} ({meaning}), not {value!r}; "
            "correct it, or leave it out"
        )
    return float(value)
