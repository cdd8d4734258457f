"""Pictures of people and scenes as ``data:`` URIs: small JPEGs inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from personsearch.pictures.decode import load_image
from personsearch.pictures.drawing import Box, Colour, Tile, in_context
from personsearch.results import Floats

QUALITY = 78
#: Longer side of a scene, pixels.
SCENE_SIZE = 640


def person(path: Path, box: Floats | Box, colour: Colour) -> str:
    """Return a person in a frame with some surroundings, 200x250 pixels."""
    x1, y1, x2, y2 = (float(value) for value in box)
    scene = Image.fromarray(load_image(path))
    return _data_uri(in_context(Tile(image=scene, box=(x1, y1, x2, y2), title="", subtitle="", colour=colour)))


@dataclass(frozen=True, eq=False)
class Frames:
    """Boxes and how they are drawn.

    Attributes:
        boxes: (N, 4) float32 xyxy, pixels of the original image.
        colour: of the lines.
        width: of the lines, pixels of the picture.
        dashed: dashed lines rather than solid ones.
    """

    boxes: Floats
    colour: Colour
    width: int
    dashed: bool = False


def scene(path: Path, frames: Sequence[Frames]) -> str:
    """Return a scene with frames drawn in it, its longer side at most 640 pixels."""
    picture = Image.fromarray(load_image(path))
    scale = min(1.0, SCENE_SIZE / max(picture.size))
    picture = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))
    pen = ImageDraw.Draw(picture)
    for kind in frames:
        for box in (kind.boxes * scale).tolist():
            if kind.dashed:
                _draw_dashed(pen, box, kind)
            else:
                pen.rectangle(box, outline=kind.colour, width=kind.width)
    return _data_uri(picture)


def _draw_dashed(pen: ImageDraw.ImageDraw, box: list[float], kind: Frames, dash: int = 7) -> None:
    x1, y1, x2, y2 = (round(value) for value in box)
    for x in range(x1, x2, 2 * dash):
        for y in (y1, y2):
            pen.line((x, y, min(x + dash, x2), y), fill=kind.colour, width=kind.width)
    for y in range(y1, y2, 2 * dash):
        for x in (x1, x2):
            pen.line((x, y, x, min(y + dash, y2)), fill=kind.colour, width=kind.width)


def _data_uri(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
