"""A sheet to look at: pictures with the boxes of two weights, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from personsearch.datasets import Scene
from personsearch.pictures.drawing import GAP, INK, PAPER, draw, load_font
from personsearch.searcher import PersonSearcher

#: Composites and empty pictures that are shown, and the width of a picture on the sheet.
COMPOSITES, EMPTY, WIDTH = 5, 2, 560
_HEAD = 40


def before_and_after(
    before: PersonSearcher, after: PersonSearcher, composites: Sequence[Scene], empty: Sequence[Path]
) -> Image.Image:
    """Draw what two searchers detect: composites with people first, then empty pictures; before left, after right.

    Args:
        before: the weights that adapting began with.
        after: the adapted ones.
        composites: scenes to choose from.
        empty: pictures of the empty place to choose from.
    """
    people = [scene.path for scene in composites if len(scene.boxes)]
    paths = [*_spread(people, COMPOSITES), *_spread(list(empty), EMPTY)]
    rows = [[_small(path, searcher) for searcher in (before, after)] for path in paths]
    height = _HEAD + sum(row[0].height + GAP for row in rows)
    sheet = Image.new("RGB", (3 * GAP + 2 * WIDTH, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    for column, title in enumerate(("before", "after")):
        pen.text((GAP + column * (WIDTH + GAP), 10), title, fill=INK, font=load_font(20))
    y = _HEAD
    for row in rows:
        for column, picture in enumerate(row):
            sheet.paste(picture, (GAP + column * (WIDTH + GAP), y))
        y += row[0].height + GAP
    return sheet


def _small(path: Path, searcher: PersonSearcher) -> Image.Image:
    picture = draw(path, searcher.detect(path))
    return picture.resize((WIDTH, round(WIDTH * picture.height / picture.width)), Image.Resampling.LANCZOS)


def _spread(paths: list[Path], count: int) -> list[Path]:
    count = min(count, len(paths))
    return [paths[(2 * number + 1) * len(paths) // (2 * count)] for number in range(count)]
