"""A search's result as a picture: finds the scenes that matches name, and draws query and matches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import Image

from personsearch.drawing import FAINT, QUERY, Tile, match_rows, wrapped
from personsearch.errors import ImageError
from personsearch.images import ImageInput, describe, load_image
from personsearch.results import Match
from personsearch.sources import load_scene

if TYPE_CHECKING:
    from personsearch.searcher import PersonSearcher


def draw_matches(
    searcher: PersonSearcher, image: ImageInput, box: Sequence[float] | None, matches: Sequence[Match]
) -> Image.Image:
    """Draw the query and its ranked matches, each with its box, similarity and scene.

    Args:
        searcher: finds the query's person where there is no box.
        image: the query's scene.
        box: the query's person, xyxy pixels.
        matches: of a search; their scenes are read from where they were indexed.

    Returns:
        A picture. A scene that is gone becomes an empty tile that says so.
    """
    scene = Image.fromarray(load_image(image))
    if box is None:
        found = searcher.detect(image)
        if not len(found):
            raise ImageError(f"{describe(image)}: no person found to draw; give the person's box")
        box = found.boxes[0].tolist()
    x1, y1, x2, y2 = (float(value) for value in box)
    tiles = [Tile(image=scene, box=(x1, y1, x2, y2), title="query", subtitle=describe(image), colour=QUERY)]
    for rank, match in enumerate(matches, start=1):
        title = f"{rank}.  similarity {match.similarity:.2f}"
        try:
            picture = load_scene(match)
        except ImageError:
            blank = Image.new("RGB", (4, 4), (232, 232, 236))
            tiles.append(
                Tile(image=blank, box=(0, 0, 4, 4), title=title, subtitle=f"gone: {match.image_id}", colour=FAINT)
            )
            continue
        where = match.image_id if match.camera is None else f"{match.camera}  {match.image_id}"
        tiles.append(Tile(image=picture, box=match.box, title=title, subtitle=where))
    return match_rows(wrapped(tiles))
