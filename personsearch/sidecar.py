"""Cameras and times of images, from a csv file beside them."""

from __future__ import annotations

import csv
import io
import logging
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from personsearch.errors import ImageError

logger = logging.getLogger(__name__)

COLUMNS = ("image_id", "camera", "time")
_DELIMITERS = ",;\t|"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Sidecar:
    """What a sidecar says.

    Attributes:
        cameras: image_id -> camera.
        times: image_id -> seconds.
        rows: number of its rows, the header and blank lines not counted.
        empty: how many of them give neither camera nor time.
    """

    cameras: Mapping[str, str]
    times: Mapping[str, float]
    rows: int
    empty: int


def read_sidecar(path: str | os.PathLike[str]) -> Sidecar:
    """Read a csv with the columns image_id and camera or time, or both; empty cells are unknown.

    Comma, semicolon, tab or bar may part the cells, which the first line tells; blanks around them do not count. A byte
    order mark does no harm. Backslashes in an image_id are read as slashes, and a leading ``./`` is left out, as paths
    below the indexed folder have neither.

    Raises:
        ImageError: the file or a row cannot be used; names the line.
    """
    name = os.fspath(path)
    text = _text(Path(path))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), skipinitialspace=True, strict=True)
    cameras: dict[str, str] = {}
    times: dict[str, float] = {}
    lines: dict[str, int] = {}
    rows = empty = 0
    try:
        first = next((cells for cells in reader if any(cell.strip() for cell in cells)), [])
        header = [cell.strip().lower() for cell in first]
        _check_header(name, header)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            rows += 1
            where = f"{name}: line {reader.line_num}"
            if len(cells) > len(header) and any(cell.strip() for cell in cells[len(header) :]):
                raise ImageError(
                    f"{where}: has {len(cells)} cells, the first line {len(header)}; a name that holds the "
                    "delimiter needs double quotes"
                )
            row = {column: cell.strip() for column, cell in zip(header, cells, strict=False)}
            image_id = row.get("image_id", "").replace("\\", "/").removeprefix("./")
            if not image_id:
                raise ImageError(f"{where}: has no image_id")
            if image_id in lines:
                raise ImageError(f"{where}: {image_id!r} stands in line {lines[image_id]} already; keep one of them")
            lines[image_id] = reader.line_num
            camera, time = row.get("camera", ""), row.get("time", "")
            if camera:
                cameras[image_id] = camera
            if time:
                times[image_id] = _seconds(where, time)
            empty += not (camera or time)
    except csv.Error as error:
        raise ImageError(f"{name}: line {reader.line_num}: is not csv ({error})") from None
    if unused := [column for column in header if column not in COLUMNS]:
        names = ", ".join(map(repr, unused))
        logger.warning("%s: not used: the columns %s; only image_id, camera and time are", name, names)
    if empty:
        logger.warning("%s: %d of %d rows give neither camera nor time", name, empty, rows)
    return Sidecar(cameras, times, rows, empty)


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        return raw.decode("utf-16" if raw.startswith(_UTF16) else "utf-8-sig")
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError as error:
        raise ImageError(
            f"{path}: is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from None


def _delimiter(text: str) -> str:
    """Return what parts the cells of the first line: the delimiter that gives it the most cells."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return max(_DELIMITERS, key=first.count)


def _check_header(name: str, header: list[str]) -> None:
    if "image_id" not in header or not {"camera", "time"} & set(header):
        found = ", ".join(map(repr, header)) or "nothing"
        raise ImageError(f"{name}: the first line must name the columns image_id,camera,time; it holds {found}")
    if twice := [column for column in COLUMNS if header.count(column) > 1]:
        raise ImageError(f"{name}: the first line names the column {twice[0]!r} twice")


def _seconds(where: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise ImageError(f"{where}: time {text!r} is not a number of seconds, such as 12.5")
    return seconds
