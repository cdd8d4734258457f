"""Contact sheets of a set: scenes with their boxes, or one identity per row across cameras."""

from __future__ import annotations

import io
import os
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np
from PIL import Image, ImageDraw

from personsearch.datasets.dataset import Dataset
from personsearch.datasets.scene import Scene
from personsearch.durable import write_durably
from personsearch.errors import ConfigError, DatasetError, ImageError
from personsearch.pictures.decode import load_reduced
from personsearch.pictures.drawing import (
    FAINT,
    INK,
    MATCH,
    NOTHING,
    PAPER,
    QUERY,
    RIGHT,
    draw_tag,
    fitted,
    load_font,
    shortened,
)

Size: TypeAlias = tuple[int, int]
Item = TypeVar("Item")
#: A scene and the row of one of its boxes.
Place: TypeAlias = tuple[Scene, int]
#: An image file and the picture made of it; None = it cannot be read.
Cell: TypeAlias = tuple[Path, Image.Image | None]

LABELLED, UNLABELLED, IGNORED = RIGHT, QUERY, MATCH

SCENE_CELL, SCENE_COLUMNS = (480, 300), 3
CROP_CELL, CROP_COLUMNS = (96, 208), 10
GAP, HEADING, CAPTION = 12, 44, 20
#: Width of the text at the left of an identity's row.
ROW_LABEL = 130


@dataclass(frozen=True, kw_only=True)
class Sheets:
    """What was drawn.

    Attributes:
        files: the sheets, JPEG.
        drawn: number of scenes, or identities, on them.
        total: number of scenes, or identities, in the set.
        unreadable: images that cannot be read; their cells are grey.
    """

    files: tuple[Path, ...]
    drawn: int
    total: int
    unreadable: tuple[Path, ...]


def scene_sheets(dataset: Dataset, folder: str | Path, *, per_page: int = 12, pages: int | None = 10) -> Sheets:
    """Draw scenes with their boxes: green with the identity, blue without a label, orange if ignored.

    Args:
        dataset: the set; if its scenes do not all fit, evenly spread ones are drawn.
        folder: created where it is missing; files are called SPLIT-scenes-001.jpg and so on.
        per_page: scenes on a sheet.
        pages: at most this many sheets; None = all scenes.

    Raises:
        ConfigError: ``per_page`` or ``pages`` is below 1.
        DatasetError: there is nothing to draw, or none of the images can be read.
    """
    columns = min(SCENE_COLUMNS, per_page)

    def draw(page: Sequence[Scene], heading: str, read: _Reader) -> Image.Image:
        sheet = _blank(heading, (columns, -(-len(page) // columns)), SCENE_CELL)
        for number, (scene, cell) in enumerate(zip(page, read(_scene_cell, page), strict=True)):
            row, column = divmod(number, columns)
            _put(sheet, (column, row), cell, SCENE_CELL, _caption(scene))
        return sheet

    return _draw_pages(dataset, "scenes", dataset.scenes, Path(folder), (per_page, pages), draw)


def identity_sheets(dataset: Dataset, folder: str | Path, *, per_page: int = 12, pages: int | None = 10) -> Sheets:
    """Draw one identity per row: its boxes cut out, from as many cameras as possible.

    Args:
        dataset: the set; if its identities do not all fit, evenly spread ones are drawn.
        folder: created where it is missing; files are called SPLIT-identities-001.jpg and so on.
        per_page: identities on a sheet.
        pages: at most this many sheets; None = all identities.

    Raises:
        ConfigError: ``per_page`` or ``pages`` is below 1.
        DatasetError: there is nothing to draw, or none of the images can be read.
    """
    where: dict[int, list[Place]] = defaultdict(list)
    for scene in dataset.scenes:
        for row in np.flatnonzero((scene.identities >= 0) & ~scene.ignore).tolist():
            where[int(scene.identities[row])].append((scene, row))

    def draw(page: Sequence[int], heading: str, read: _Reader) -> Image.Image:
        sheet = _blank(heading, (CROP_COLUMNS, len(page)), CROP_CELL, left=ROW_LABEL)
        pen = ImageDraw.Draw(sheet)
        for row, identity in enumerate(page):
            shown = _across_cameras(where[identity], CROP_COLUMNS)
            for column, ((scene, _), cell) in enumerate(zip(shown, read(_crop_cell, shown), strict=True)):
                _put(sheet, (column, row), cell, CROP_CELL, scene.camera or scene.image_id, left=ROW_LABEL)
            cameras = len({scene.camera for scene, _ in where[identity]} - {None})
            lines = [f"{len(where[identity])} box{'es' * (len(where[identity]) > 1)}"]
            lines += [f"{cameras} camera{'s' * (cameras > 1)}"] * (cameras > 0)
            top = _corner((0, row), CROP_CELL)[1]
            pen.text((GAP, top), str(identity), fill=LABELLED, font=load_font(20))
            pen.multiline_text((GAP, top + 30), "\n".join(lines), fill=FAINT, font=load_font(13))
        return sheet

    return _draw_pages(dataset, "identities", sorted(where), Path(folder), (per_page, pages), draw)


class _Reader:
    """Makes cells in several threads and remembers which images cannot be read."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self.unreadable: dict[Path, None] = {}

    def __call__(self, make: Callable[[Item], Cell], items: Sequence[Item]) -> list[Image.Image | None]:
        cells = list(self._pool.map(make, items))
        self.unreadable |= {path: None for path, picture in cells if picture is None}
        return [picture for _, picture in cells]


def _draw_pages(
    dataset: Dataset,
    what: str,
    items: Sequence[Item],
    folder: Path,
    size: tuple[int, int | None],
    draw: Callable[[Sequence[Item], str, _Reader], Image.Image],
) -> Sheets:
    per_page, pages = size
    if per_page < 1 or (pages is not None and pages < 1):
        raise ConfigError(f"per_page and pages must be 1 or more, got {per_page} and {pages}")
    if not items:
        raise DatasetError(f"{dataset.name}: has no {what} to show")
    if not any(os.path.isfile(scene.path) for scene in dataset.scenes):
        first = dataset.scenes[0].path
        raise DatasetError(f"{first}: no such image, like all others of {dataset.name}; say where they are (--images)")
    chosen = _spread(items, len(items) if pages is None else per_page * pages)
    starts = range(0, len(chosen), per_page)
    slug = re.sub(r"[^\w.-]+", "-", dataset.name).strip("-.") or "set"
    files = []
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        reader = _Reader(pool)
        for number, start in enumerate(starts, 1):
            heading = f"{dataset.name}: {len(chosen):,} of {len(items):,} {what}, sheet {number} of {len(starts)}"
            sheet = draw(chosen[start : start + per_page], heading, reader)
            files.append(_write(folder / f"{slug}-{what}-{number:03d}.jpg", sheet))
    return Sheets(files=tuple(files), drawn=len(chosen), total=len(items), unreadable=tuple(reader.unreadable))


def _spread(items: Sequence[Item], most: int) -> list[Item]:
    """Return at most ``most`` items, evenly spread, in their order."""
    places = np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int)
    return [items[place] for place in places]


def _across_cameras(places: Sequence[Place], most: int) -> list[Place]:
    """Choose boxes of one identity from all cameras in turn; those of one camera are neighbours on the sheet."""
    cameras: dict[str, list[Place]] = defaultdict(list)
    for place in places:
        cameras[place[0].camera or ""].append(place)
    left, share = most, dict.fromkeys(_spread(sorted(cameras), most), 0)
    while left and any(share[name] < len(cameras[name]) for name in share):
        for name in share:
            if left and share[name] < len(cameras[name]):
                share[name] += 1
                left -= 1
    return [place for name, count in share.items() if count for place in _spread(cameras[name], count)]


def _load(scene: Scene, scale: float) -> Image.Image | None:
    """Return the upright RGB image at ``scale`` or above; None = it cannot be read."""
    least = (max(1, round(scene.width * scale)), max(1, round(scene.height * scale)))
    try:
        return load_reduced(scene.path, least)[0]
    except ImageError:  # the caller lists them
        return None


def _scene_cell(scene: Scene) -> Cell:
    scale = min(SCENE_CELL[0] / scene.width, SCENE_CELL[1] / scene.height)
    image = _load(scene, min(scale, 1.0))
    if image is None:
        return scene.path, None
    size = (max(1, round(scene.width * scale)), max(1, round(scene.height * scale)))
    cell, offset = fitted(image, size, SCENE_CELL)
    pen = ImageDraw.Draw(cell)
    corners = scene.boxes.astype(float) * scale + np.array([*offset, *offset])
    # Labelled people come last, and their numbers after all boxes, so that no line crosses a number.
    order = np.argsort(scene.identities, kind="stable").tolist()
    boxes = [tuple(np.nan_to_num(corners[row]).tolist()) for row in order]
    for row, (x1, y1, x2, y2) in zip(order, boxes, strict=True):
        colour = IGNORED if scene.ignore[row] else UNLABELLED if scene.identities[row] < 0 else LABELLED
        pen.rectangle((x1, y1, max(x1, x2), max(y1, y2)), outline=colour, width=2)
    for row, (x1, y1, _, _) in zip(order, boxes, strict=True):
        if scene.identities[row] >= 0 and not scene.ignore[row]:
            draw_tag(pen, (x1, y1), str(scene.identities[row]), load_font(12), SCENE_CELL, LABELLED)
    return scene.path, cell


def _crop_cell(place: Place) -> Cell:
    scene, row = place
    x1, y1, x2, y2 = np.nan_to_num(scene.boxes[row].astype(float)).tolist()
    scale = min(CROP_CELL[0] / max(x2 - x1, 1.0), CROP_CELL[1] / max(y2 - y1, 1.0))
    image = _load(scene, min(scale, 1.0))
    if image is None:
        return scene.path, None
    x, y = image.width / scene.width, image.height / scene.height
    size = (max(1, round((x2 - x1) * scale)), max(1, round((y2 - y1) * scale)))
    left, top = round(x1 * x), round(y1 * y)
    crop = image.crop((left, top, max(round(x2 * x), left + 1), max(round(y2 * y), top + 1)))
    return scene.path, fitted(crop, size, CROP_CELL)[0]


def _caption(scene: Scene) -> str:
    camera = "" if scene.camera is None else f"  camera {scene.camera}"
    time = "" if scene.time is None else f"  {scene.time:g} s"
    return f"{scene.image_id}{camera}{time}"


def _blank(heading: str, places: Size, cell: Size, left: int = 0) -> Image.Image:
    """Return a white sheet for (columns, rows) of cells, with a heading and the meaning of the colours."""
    right, bottom = _corner(places, cell, left)
    sheet = Image.new("RGB", (right, bottom), PAPER)
    pen = ImageDraw.Draw(sheet)
    meanings = (("labelled", LABELLED), ("without a label", UNLABELLED), ("ignored", IGNORED)) if not left else ()
    x = right - GAP
    for meaning, colour in reversed(meanings):
        x -= int(pen.textlength(meaning, font=load_font(14)))
        pen.text((x, 15), meaning, fill=colour, font=load_font(14))
        pen.rectangle((x - 18, 17, x - 6, 29), outline=colour, width=3)
        x -= 36
    font = load_font(18)
    pen.text((GAP, 12), shortened(pen, heading, font, x - GAP, keep_end=True), fill=INK, font=font)
    return sheet


def _corner(place: Size, cell: Size, left: int = 0) -> Size:
    """Return the upper left corner of the cell in (column, row)."""
    return GAP + left + place[0] * (cell[0] + GAP), HEADING + place[1] * (cell[1] + CAPTION + GAP)


def _put(sheet: Image.Image, place: Size, cell: Image.Image | None, size: Size, caption: str, left: int = 0) -> None:
    x, y = _corner(place, size, left)
    pen = ImageDraw.Draw(sheet)
    if cell is None:
        pen.rectangle((x, y, x + size[0] - 1, y + size[1] - 1), fill=NOTHING)
        pen.text((x + 6, y + 6), "cannot\nbe read", fill=FAINT, font=load_font(14))
    else:
        sheet.paste(cell, (x, y))
    font = load_font(12)
    pen.text((x, y + size[1] + 3), shortened(pen, caption, font, size[0], keep_end=True), fill=FAINT, font=font)


def _write(path: Path, sheet: Image.Image) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = io.BytesIO()
    sheet.save(data, "JPEG", quality=90, subsampling=0)  # subsampling would blur thin coloured lines
    write_durably(path, data.getvalue())
    return path
