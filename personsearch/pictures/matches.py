"""A search's result as a picture: the query, and each match in the scene it was found in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from personsearch.errors import ImageError
from personsearch.pictures.decode import ChannelOrder, ImageInput, describe, load_image
from personsearch.pictures.drawing import FAINT, NOTHING, QUERY, Tile, match_rows, wrapped
from personsearch.pictures.formats import media_kind, sniffed_kind
from personsearch.pictures.video import frame_at, frame_of
from personsearch.results import Match


def draw_matches(
    image: ImageInput, box: Sequence[float], matches: Sequence[Match], *, channel_order: ChannelOrder = "RGB"
) -> Image.Image:
    """Draw the query and its ranked matches, each with its box, similarity and scene. Loads no torch.

    Args:
        image: the query's scene.
        box: the person searched for, xyxy pixels; ``find_query`` says whom a search without a box is for.
        matches: of a search; their scenes are read from where they were indexed.
        channel_order: of an array or tensor.

    Returns:
        A picture. A scene that is gone becomes an empty tile that says so.

    Raises:
        ImageError: the query's scene cannot be read.

    Example:
        >>> matches = gallery.search(detections.embeddings[0], k=3)
        >>> personsearch.draw_matches(query, detections.boxes[0], matches).save("matches.png")
    """
    scene = Image.fromarray(load_image(image, channel_order=channel_order))
    x1, y1, x2, y2 = (float(value) for value in box)
    tiles = [Tile(image=scene, box=(x1, y1, x2, y2), title="query", subtitle=describe(image), colour=QUERY)]
    for rank, match in enumerate(matches, start=1):
        title = f"{rank}.  similarity {match.similarity:.2f}"
        try:
            picture = load_scene(match)
        except ImageError:
            blank = Image.new("RGB", (4, 4), NOTHING)
            tiles.append(
                Tile(image=blank, box=(0, 0, 4, 4), title=title, subtitle=f"gone: {match.image_id}", colour=FAINT)
            )
            continue
        where = match.image_id if match.camera is None else f"{match.camera}  {match.image_id}"
        tiles.append(Tile(image=picture, box=match.box, title=title, subtitle=where))
    return match_rows(wrapped(tiles))


def load_scene(match: Match) -> Image.Image:
    """Return the scene that a match was found in, from the file it was indexed from.

    Raises:
        ImageError: it is no longer there, or was never a file.
    """
    path = match.extra.get("path")
    if not isinstance(path, str):
        raise ImageError(f"{match.image_id}: was not indexed from a file")
    frame = frame_of(match.image_id)
    if frame is None or (media_kind(Path(path)) or sniffed_kind(path)) != "video":
        return Image.fromarray(load_image(path))
    return frame_at(path, *frame)
