"""A search's result as a picture: the query, and each match in the scene it was found in."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TypeAlias, cast

from PIL import Image

from personsearch.errors import ImageError
from personsearch.pictures.content import content_digest
from personsearch.pictures.decode import ChannelOrder, ImageInput, describe, load_image
from personsearch.pictures.drawing import FAINT, MATCH, NOTHING, QUERY, Colour, Tile, match_rows, wrapped
from personsearch.pictures.formats import media_kind
from personsearch.pictures.sniffing import sniffed_kind
from personsearch.pictures.video import frame_of, frames_at
from personsearch.results import Match, QueryPerson, Sighting

#: A picture of who was searched for: alone, with the person's box, or a sighting in the gallery itself.
QueryPicture: TypeAlias = "ImageInput | tuple[ImageInput, Sequence[float] | None] | Sighting"


def draw_matches(
    image: ImageInput | Sighting | list[QueryPicture] | None = None,
    box: Sequence[float] | None = None,
    matches: Sequence[Match] = (),
    *,
    channel_order: ChannelOrder = "RGB",
) -> Image.Image:
    """Draw the query and its ranked matches, each with its box, similarity and scene. Loads no torch.

    Args:
        image: the query's scene; a list of several, or of (scene, box) pairs; a sighting, for a query that is in the
            gallery itself; or None, to draw the matches alone.
        box: the person searched for, xyxy pixels. Without one, ``matches.queries`` says whom each picture was searched
            for, if ``matches`` are those of ``PersonSearcher.search``.
        matches: of a search; their scenes are read from where they were indexed.
        channel_order: of arrays and tensors.

    Returns:
        A picture. A scene that is gone, or whose file has changed since it was indexed, becomes an empty tile.

    Raises:
        ImageError: a query's scene cannot be read, or nothing says where in it the person is.

    Example:
        >>> matches = gallery.search(detections.embeddings[0], k=3)
        >>> personsearch.draw_matches(query, detections.boxes[0], matches).save("matches.png")
        >>> both = [(query, detections.boxes[0]), (query, detections.boxes[1])]
        >>> personsearch.draw_matches(both, matches=matches).save("matches.png")
    """
    pictures = image if isinstance(image, list) else [] if image is None else [image if box is None else (image, box)]
    tiles = _query_tiles(cast("list[QueryPicture]", pictures), getattr(matches, "queries", ()), channel_order)
    for rank, (match, load) in enumerate(zip(matches, scene_loaders(matches), strict=True), start=1):
        who = named(match)
        title = f"{rank}.  {match.similarity:.2f}  {who}" if who else f"{rank}.  similarity {match.similarity:.2f}"
        tiles.append(_sighting_tile(match, load, title, MATCH))
    return match_rows(wrapped(tiles) or [[]])


def named(sighting: Sighting) -> str:
    """Return what a sighting is of, in a word or two: the person's name, the person, or the track; else nothing."""
    if sighting.person_name is not None:
        return sighting.person_name
    if sighting.person_id is not None:
        return f"person {sighting.person_id}"
    return "" if sighting.track is None else f"track {sighting.track.track_id}"


def _query_tiles(
    pictures: Sequence[QueryPicture], people: Sequence[QueryPerson], channel_order: ChannelOrder
) -> list[Tile]:
    """Return a tile for each picture of the query; the people say where they are in those without a box."""
    tiles = []
    for number, picture in enumerate(pictures):
        title = "query" if len(pictures) == 1 else f"query {number + 1}"
        if isinstance(picture, Sighting):
            [load] = scene_loaders([picture])
            tiles.append(_sighting_tile(picture, load, title, QUERY))
            continue
        source, box = picture if isinstance(picture, tuple) else (picture, None)
        if box is None and len(people) == len(pictures):
            box = people[number].box
        if box is None:
            raise ImageError(
                f"{describe(source)}: give the box of the person who was searched for, or the matches as "
                "PersonSearcher.search returns them"
            )
        scene = Image.fromarray(load_image(source, channel_order=channel_order))
        x1, y1, x2, y2 = (float(value) for value in box)
        tiles.append(Tile(image=scene, box=(x1, y1, x2, y2), title=title, subtitle=describe(source), colour=QUERY))
    return tiles


def _sighting_tile(sighting: Sighting, load: Callable[[], Image.Image], title: str, colour: Colour) -> Tile:
    try:
        picture = load()
    except ImageError:  # gone, or not what it was
        blank = Image.new("RGB", (4, 4), NOTHING)
        subtitle = f"gone or changed: {sighting.image_id}"
        return Tile(image=blank, box=(0, 0, 4, 4), title=title, subtitle=subtitle, colour=FAINT)
    where = sighting.image_id if sighting.camera is None else f"{sighting.camera}  {sighting.image_id}"
    return Tile(image=picture, box=sighting.box, title=title, subtitle=where, colour=colour)


def load_scene(match: Sighting) -> Image.Image:
    """Return the scene that a match was found in, from the file it was indexed from.

    Raises:
        ImageError: it is no longer there, was never a file, or holds another picture now, not the one of the box.
    """
    [load] = scene_loaders([match])
    return load()


def scene_loaders(matches: Sequence[Sighting]) -> list[Callable[[], Image.Image]]:
    """Return what loads the scene of each match, or raises ImageError; all frames of a video are looked for at once."""
    loaders: list[Callable[[], Image.Image]] = []
    of_video: dict[str, list[tuple[int, tuple[float, int]]]] = {}
    for number, match in enumerate(matches):
        try:
            path, frame = _file_of(match)
        except ImageError as error:
            loaders.append(partial(_refuse, error))
            continue
        loaders.append(partial(_still, path))
        if frame is not None:
            of_video.setdefault(path, []).append((number, frame))
    for path, wanted in of_video.items():
        try:
            found = frames_at(path, [frame for _, frame in wanted])
        except ImageError as error:
            found = [partial(_refuse, error)] * len(wanted)
        for (number, _), load in zip(wanted, found, strict=True):
            loaders[number] = load
    return loaders


def _file_of(match: Sighting) -> tuple[str, tuple[float, int] | None]:
    """Return the file of a match, which is what it was, and its frame if that is a video."""
    path = match.extra.get("path")
    if not isinstance(path, str):
        raise ImageError(f"{match.image_id}: was not indexed from a file")
    if not Path(path).is_file():
        raise ImageError(f"{path}: is no longer there")
    digest = match.extra.get("sha256")
    if digest is not None and _digest(path) != digest:
        raise ImageError(f"{path}: has changed since it was indexed; index it again (--replace)")
    frame = frame_of(match.image_id)
    if frame is None or (media_kind(Path(path)) or sniffed_kind(path)) != "video":
        return path, None
    return path, frame


def _still(path: str) -> Image.Image:
    return Image.fromarray(load_image(path))


def _refuse(error: ImageError) -> Image.Image:
    raise error


def _digest(path: str) -> str | None:
    """Return the sha256 of a file's content as it is now; None where it cannot be read."""
    try:
        status = os.stat(path)
        return _digest_of(path, status.st_size, status.st_mtime_ns)
    except (OSError, ImageError):
        return None


@lru_cache(maxsize=256)
def _digest_of(path: str, size: int, modified: int) -> str:
    """Once for all matches in one video, as long as its size and time stay the same."""
    del size, modified
    return content_digest(path)
