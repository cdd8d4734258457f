"""Contact sheets of a set: scenes with their boxes, and one identity per row across cameras."""

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
from PIL import Image, ImageDraw, ImageFont, ImageOps

from personsearch.datasets.dataset import Dataset
from personsearch.datasets.scene import Scene
from personsearch.durable import write_durably
from personsearch.errors import ConfigError, DatasetError

Colour: TypeAlias = tuple[int, int, int]
Size: TypeAlias = tuple[int, int]
Font: TypeAlias = ImageFont.ImageFont | ImageFont.FreeTypeFont
Item = TypeVar("Item")
#: A scene and the row of one of its boxes.
Place: TypeAlias = tuple[Scene, int]
#: An image file and what was made of it; None = it cannot be read.
Cell: TypeAlias = tuple[Path, Image.Image | None]

LABELLED: Colour = (22, 140, 70)
UNLABELLED: Colour = (37, 99, 235)
IGNORED: Colour = (217, 119, 6)
INK: Colour = (30, 30, 34)
FAINT: Colour = (110, 110, 118)
PAPER: Colour = (255, 255, 255)
NOTHING: Colour = (232, 232, 236)

SCENE_CELL, SCENE_COLUMNS = (480, 300), 3
CROP_CELL, CROP_COLUMNS = (96, 208), 10
GAP, HEADING, CAPTION = 12, 44, 20
#: Width of the words before a row of one identity.
ROW_LABEL = 130


@dataclass(frozen=True, kw_only=True)
class Sheets:
    """What was drawn.

    Attributes:
        files: the sheets, JPEG.
        drawn: scenes, or identities, that are on them.
        total: that the set has.
        unreadable: images that could not be read; their places are grey.
    """

    files: tuple[Path, ...]
    drawn: int
    total: int
    unreadable: tuple[Path, ...]


def scene_sheets(dataset: Dataset, folder: str | Path, *, per_page: int = 12, pages: int | None = 10) -> Sheets:
    """Draw scenes with their boxes: green with the identity, blue without a label, orange where ignored.

    Args:
        dataset: whose scenes; where they do not all fit, evenly spread ones.
        folder: made if it is not there; files are called SPLIT-scenes-001.jpg and so on.
        per_page: scenes of a sheet.
        pages: at most so many sheets; None = all scenes.

    Raises:
        ConfigError: ``per_page`` or ``pages`` is below 1.
        DatasetError: there is nothing to draw, or none of the images can be read.
    """
    columns = min(SCENE_COLUMNS, per_page)

    def draw(page: Sequence[Scene], heading: str, read: _Reader) -> Image.Image:
        sheet = _blank(heading, (columns, -(-len(page) // columns)), SCENE_CELL)
        for number, (scene, cell) in enumerate(zip(page, read(_scene_cell, page), strict=True)):
            row, column = divmod(number, columns)
            _put(sheet, (column, row), cell, SCENE_CELL, _told(scene))
        return sheet

    return _draw_pages(dataset, "scenes", dataset.scenes, Path(folder), (per_page, pages), draw)


def identity_sheets(dataset: Dataset, folder: str | Path, *, per_page: int = 12, pages: int | None = 10) -> Sheets:
    """Draw one identity per row: its boxes cut out, from as many cameras as there are.

    Args:
        dataset: whose identities; where they do not all fit, evenly spread ones.
        folder: made if it is not there; files are called SPLIT-identities-001.jpg and so on.
        per_page: identities of a sheet.
        pages: at most so many sheets; None = all identities.

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
        for line, identity in enumerate(page):
            shown = _across_cameras(where[identity], CROP_COLUMNS)
            for column, ((scene, _), cell) in enumerate(zip(shown, read(_crop_cell, shown), strict=True)):
                _put(sheet, (column, line), cell, CROP_CELL, scene.camera or scene.image_id, left=ROW_LABEL)
            cameras = len({scene.camera for scene, _ in where[identity]} - {None})
            told = [f"{len(where[identity])} box{'es' * (len(where[identity]) > 1)}"]
            told += [f"{cameras} camera{'s' * (cameras > 1)}"] * (cameras > 0)
            top = _corner((0, line), CROP_CELL)[1]
            pen.text((GAP, top), str(identity), fill=LABELLED, font=_font(20))
            pen.multiline_text((GAP, top + 30), "\n".join(told), fill=FAINT, font=_font(13))
        return sheet

    return _draw_pages(dataset, "identities", sorted(where), Path(folder), (per_page, pages), draw)


class _Reader:
    """Makes cells with several threads and remembers which images could not be read."""

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
        raise ConfigError(f"a sheet holds at least one row and there is at least one sheet, got {per_page} and {pages}")
    if not items:
        raise DatasetError(f"{dataset.name}: has no {what} to show")
    if not any(scene.path.is_file() for scene in dataset.scenes):
        first = dataset.scenes[0].path
        raise DatasetError(f"{first}: no such image, nor is any other of {dataset.name}; say where they are (--images)")
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
    """Return at most so many items, evenly spread, in their order."""
    places = np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int)
    return [items[place] for place in places]


def _across_cameras(places: Sequence[Place], most: int) -> list[Place]:
    """Choose boxes of one identity so that each camera has its turn; neighbours on the sheet are of one camera."""
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


def _opened(scene: Scene, scale: float) -> Image.Image | None:
    """Return the upright RGB image at ``scale`` or a little above; None = it cannot be read."""
    try:
        with Image.open(scene.path) as image:
            image.draft("RGB", (round(image.width * scale), round(image.height * scale)))
            return ImageOps.exif_transpose(image).convert("RGB")
    except Exception:  # Pillow raises many types for broken files; the caller lists them
        return None


def _scene_cell(scene: Scene) -> Cell:
    scale = min(SCENE_CELL[0] / scene.width, SCENE_CELL[1] / scene.height)
    image = _opened(scene, min(scale, 1.0))
    if image is None:
        return scene.path, None
    size = (max(1, round(scene.width * scale)), max(1, round(scene.height * scale)))
    offset = ((SCENE_CELL[0] - size[0]) // 2, (SCENE_CELL[1] - size[1]) // 2)
    cell = Image.new("RGB", SCENE_CELL, NOTHING)
    cell.paste(image.resize(size, Image.Resampling.LANCZOS), offset)
    pen = ImageDraw.Draw(cell)
    corners = scene.boxes.astype(float) * scale + np.array([*offset, *offset])
    # Labelled people last, so that their names are not drawn over.
    for row in np.argsort(scene.identities, kind="stable").tolist():
        colour = IGNORED if scene.ignore[row] else UNLABELLED if scene.identities[row] < 0 else LABELLED
        x1, y1, x2, y2 = np.nan_to_num(corners[row]).tolist()
        pen.rectangle((x1, y1, max(x1, x2), max(y1, y2)), outline=colour, width=2)
        if colour is LABELLED:
            _tag(pen, (x1, y1), str(scene.identities[row]))
    return scene.path, cell


def _crop_cell(place: Place) -> Cell:
    scene, row = place
    x1, y1, x2, y2 = np.nan_to_num(scene.boxes[row].astype(float)).tolist()
    scale = min(CROP_CELL[0] / max(x2 - x1, 1.0), CROP_CELL[1] / max(y2 - y1, 1.0))
    image = _opened(scene, min(scale, 1.0))
    if image is None:
        return scene.path, None
    x, y = image.width / scene.width, image.height / scene.height
    size = (max(1, round((x2 - x1) * scale)), max(1, round((y2 - y1) * scale)))
    left, top = round(x1 * x), round(y1 * y)
    crop = image.crop((left, top, max(round(x2 * x), left + 1), max(round(y2 * y), top + 1)))
    cell = Image.new("RGB", CROP_CELL, NOTHING)
    at = ((CROP_CELL[0] - size[0]) // 2, (CROP_CELL[1] - size[1]) // 2)
    cell.paste(crop.resize(size, Image.Resampling.BICUBIC), at)
    return scene.path, cell


def _told(scene: Scene) -> str:
    camera = "" if scene.camera is None else f"  camera {scene.camera}"
    time = "" if scene.time is None else f"  {scene.time:g} s"
    return f"{scene.image_id}{camera}{time}"


def _blank(heading: str, places: Size, cell: Size, left: int = 0) -> Image.Image:
    """Return a white sheet for (columns, rows) of cells, with its heading and what the colours mean."""
    right, bottom = _corner(places, cell, left)
    sheet = Image.new("RGB", (right, bottom), PAPER)
    pen = ImageDraw.Draw(sheet)
    meanings = (("labelled", LABELLED), ("without a label", UNLABELLED), ("ignored", IGNORED)) if not left else ()
    x = right - GAP
    for meaning, colour in reversed(meanings):
        x -= int(pen.textlength(meaning, font=_font(14)))
        pen.text((x, 15), meaning, fill=colour, font=_font(14))
        pen.rectangle((x - 18, 17, x - 6, 29), outline=colour, width=3)
        x -= 36
    pen.text((GAP, 12), _fitted(pen, heading, _font(18), x - GAP), fill=INK, font=_font(18))
    return sheet


def _corner(place: Size, cell: Size, left: int = 0) -> Size:
    """Return where the cell in (column, row) begins."""
    return GAP + left + place[0] * (cell[0] + GAP), HEADING + place[1] * (cell[1] + CAPTION + GAP)


def _put(sheet: Image.Image, place: Size, cell: Image.Image | None, size: Size, caption: str, left: int = 0) -> None:
    x, y = _corner(place, size, left)
    pen = ImageDraw.Draw(sheet)
    if cell is None:
        pen.rectangle((x, y, x + size[0] - 1, y + size[1] - 1), fill=NOTHING)
        pen.text((x + 6, y + 6), "cannot\nbe read", fill=FAINT, font=_font(14))
    else:
        sheet.paste(cell, (x, y))
    pen.text((x, y + size[1] + 3), _fitted(pen, caption, _font(12), size[0]), fill=FAINT, font=_font(12))


def _font(size: int) -> Font:
    return ImageFont.load_default(size=size)


def _fitted(pen: ImageDraw.ImageDraw, text: str, font: Font, width: int) -> str:
    """Cut a text at its front, where names differ least, until it fits."""
    if pen.textlength(text, font=font) <= width:
        return text
    while len(text) > 1 and pen.textlength(f"…{text}", font=font) > width:
        text = text[1:]
    return f"…{text}"


def _tag(pen: ImageDraw.ImageDraw, at: tuple[float, float], text: str) -> None:
    font = _font(12)
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    width, height = right - left + 5, bottom - top + 5
    x, y = min(at[0], SCENE_CELL[0] - width), at[1] - height if at[1] >= height else at[1]
    pen.rectangle((x, y, x + width, y + height), fill=LABELLED)
    pen.text((x + 3 - left, y + 3 - top), text, fill=PAPER, font=font)


def _write(path: Path, sheet: Image.Image) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = io.BytesIO()
    sheet.save(data, "JPEG", quality=90, subsampling=0)  # thin coloured lines
    write_durably(path, data.getvalue())
    return path
