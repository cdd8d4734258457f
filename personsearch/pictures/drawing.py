"""Pictures with Pillow alone: boxes on a scene, and a query with its ranked matches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from personsearch.pictures.decode import ChannelOrder, ImageInput, load_image
from personsearch.results import Detections

Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]
Font = ImageFont.ImageFont | ImageFont.FreeTypeFont

QUERY: Colour = (37, 99, 235)
MATCH: Colour = (217, 119, 6)
RIGHT: Colour = (22, 140, 70)
WRONG: Colour = (200, 40, 40)
INK: Colour = (30, 30, 34)
FAINT: Colour = (110, 110, 118)
PAPER: Colour = (255, 255, 255)
#: Where there is no picture.
NOTHING: Colour = (232, 232, 236)

TILE = (200, 250)
CAPTION = 46
GAP = 14
#: Share of a tile's height that the person's box fills, so that some of the scene is seen.
PERSON_SHARE = 0.72


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A person in a scene, with two lines of text below; ``colour`` frames the box."""

    image: Image.Image
    box: Box
    title: str
    subtitle: str
    colour: Colour = MATCH


def draw(
    image: ImageInput,
    detections: Detections,
    labels: Sequence[str] | None = None,
    *,
    channel_order: ChannelOrder = "RGB",
) -> Image.Image:
    """Draw boxes on a copy of an image.

    Args:
        image: any input that ``detect`` takes.
        detections: of that image.
        labels: a text per box; default the scores.
        channel_order: of an array or tensor.

    Returns:
        A picture of the image's own size.

    Raises:
        ValueError: the number of labels is not that of the boxes.
        ImageError: the image cannot be read.

    Example:
        >>> personsearch.draw(query, detections).size
        (960, 640)
    """
    texts = [f"{score:.2f}" for score in detections.scores] if labels is None else list(labels)
    if len(texts) != len(detections):
        raise ValueError(f"{len(texts)} labels for {len(detections)} boxes")
    picture = Image.fromarray(load_image(image, channel_order=channel_order))
    pen = ImageDraw.Draw(picture)
    width = max(2, round(max(picture.size) / 400))
    font = load_font(max(12, round(max(picture.size) / 60)))
    for box, text in zip(detections.boxes.tolist(), texts, strict=True):
        pen.rectangle(box, outline=MATCH, width=width)
        draw_tag(pen, (box[0], box[1]), text, font, picture.size)
    return picture


def match_rows(rows: Sequence[Sequence[Tile]], heading: str = "") -> Image.Image:
    """Lay tiles out in rows on white: usually a query, then its matches."""
    columns = max(len(row) for row in rows)
    top = 40 if heading else 0
    width = GAP + columns * (TILE[0] + GAP)
    height = top + GAP + len(rows) * (TILE[1] + CAPTION + GAP)
    sheet = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    if heading:
        pen.text((GAP, 14), shortened(pen, heading, load_font(18), width - 2 * GAP), fill=INK, font=load_font(18))
    for r, row in enumerate(rows):
        y = top + GAP + r * (TILE[1] + CAPTION + GAP)
        for c, tile in enumerate(row):
            x = GAP + c * (TILE[0] + GAP)
            sheet.paste(in_context(tile), (x, y))
            title = shortened(pen, tile.title, load_font(15), TILE[0])
            pen.text((x, y + TILE[1] + 5), title, fill=tile.colour, font=load_font(15))
            subtitle = shortened(pen, tile.subtitle, load_font(12), TILE[0])
            pen.text((x, y + TILE[1] + 26), subtitle, fill=FAINT, font=load_font(12))
    return sheet


def titled_row(pictures: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    """Lay pictures of one size side by side on white, a title below each."""
    width, height = pictures[0][1].size
    sheet = Image.new("RGB", (GAP + len(pictures) * (width + GAP), GAP + height + CAPTION // 2 + GAP), PAPER)
    pen = ImageDraw.Draw(sheet)
    for number, (title, picture) in enumerate(pictures):
        x = GAP + number * (width + GAP)
        sheet.paste(picture, (x, GAP))
        pen.text((x, GAP + height + 6), shortened(pen, title, load_font(15), width), fill=INK, font=load_font(15))
    return sheet


def wrapped(tiles: Sequence[Tile], columns: int = 6) -> list[list[Tile]]:
    """Break tiles into rows."""
    return [list(tiles[start : start + columns]) for start in range(0, len(tiles), columns)]


def in_context(tile: Tile) -> Image.Image:
    """Cut the person out with surroundings, scaled to a tile; beyond the scene's edge the tile is grey."""
    x1, y1, x2, y2 = tile.box
    scale = TILE[1] * PERSON_SHARE / max(y2 - y1, 1.0)
    scale = min(scale, TILE[0] * 0.9 / max(x2 - x1, 1.0))
    w, h = TILE[0] / scale, TILE[1] / scale
    left, top = (x1 + x2 - w) / 2, (y1 + y2 - h) / 2
    # Stay inside the scene where it is large enough.
    left = float(np.clip(left, 0, tile.image.width - w)) if w <= tile.image.width else left
    top = float(np.clip(top, 0, tile.image.height - h)) if h <= tile.image.height else top
    corners = (left, 0, top, 0)
    picture = tile.image.transform(
        TILE,
        Image.Transform.AFFINE,
        (1 / scale, 0, corners[0], 0, 1 / scale, corners[2]),
        resample=Image.Resampling.BICUBIC,
        fillcolor=NOTHING,
    )
    pen = ImageDraw.Draw(picture)
    box = [(x1 - left) * scale, (y1 - top) * scale, (x2 - left) * scale, (y2 - top) * scale]
    box = [max(1.0, box[0]), max(1.0, box[1]), min(TILE[0] - 2.0, box[2]), min(TILE[1] - 2.0, box[3])]
    pen.rectangle(box, outline=tile.colour, width=3)
    return picture


def fitted(picture: Image.Image, size: tuple[int, int], cell: tuple[int, int]) -> tuple[Image.Image, tuple[int, int]]:
    """Scale a picture and centre it on a grey cell.

    Args:
        picture: any size.
        size: width and height to scale it to, at most those of the cell.
        cell: width and height of the result.

    Returns:
        The cell, and where in it the picture's upper left corner lies.
    """
    at = ((cell[0] - size[0]) // 2, (cell[1] - size[1]) // 2)
    result = Image.new("RGB", cell, NOTHING)
    result.paste(picture.resize(size, Image.Resampling.LANCZOS), at)
    return result, at


def load_font(size: int) -> Font:
    """Return the font of all pictures; ``size`` in pixels."""
    return ImageFont.load_default(size=size)


def shortened(pen: ImageDraw.ImageDraw, text: str, font: Font, width: int, *, keep_end: bool = False) -> str:
    """Shorten a text until it fits into ``width`` pixels: in the middle, or at its start with ``keep_end``."""
    if pen.textlength(text, font=font) <= width:
        return text
    for kept in range(len(text) - 1, 2, -1):
        short = _cut(text, kept, keep_end)
        if pen.textlength(short, font=font) <= width:
            return short
    return _cut(text, min(2, len(text) - 1), keep_end)


def _cut(text: str, kept: int, keep_end: bool) -> str:
    start = 0 if keep_end else kept // 2
    return f"{text[:start]}…{text[len(text) - kept + start :]}"


def draw_tag(
    pen: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    font: Font,
    size: tuple[int, int],
    colour: Colour = MATCH,
) -> None:
    """Write a text on a patch of colour above a box's upper left corner, or inside the box where there is no room.

    Args:
        pen: of the picture.
        at: the corner, pixels.
        text: white on the patch.
        font: of the text.
        size: width and height of the picture, which the patch does not leave at its sides.
        colour: of the patch.
    """
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    w, h = right - left + 6, bottom - top + 6
    x = min(max(at[0], 0), size[0] - w)
    y = at[1] - h if at[1] >= h else at[1]
    pen.rectangle((x, y, x + w, y + h), fill=colour)
    pen.text((x + 3 - left, y + 3 - top), text, fill=PAPER, font=font)
