"""A search's result as a picture: the query, and each match in the scene it was found in."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path

from PIL import Image

from personsearch.errors import ImageError
from personsearch.pictures.content import content_digest
from personsearch.pictures.decode import ChannelOrder, ImageInput, describe, load_image
from personsearch.pictures.drawing import FAINT, NOTHING, QUERY, Tile, match_rows, wrapped
from personsearch.pictures.formats import media_kind
from personsearch.pictures.sniffing import sniffed_kind
from personsearch.pictures.video import frame_of, frames_at
from personsearch.results import Match, Sighting


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
        A picture. A scene that is gone, or whose file has changed since it was indexed, becomes an empty tile.

    Raises:
        ImageError: the query's scene cannot be read.

    Example:
        >>> matches = gallery.search(detections.embeddings[0], k=3)
        >>> personsearch.draw_matches(query, detections.boxes[0], matches).save("matches.png")
    """
    scene = Image.fromarray(load_image(image, channel_order=channel_order))
    x1, y1, x2, y2 = (float(value) for value in box)
    tiles = [Tile(image=scene, box=(x1, y1, x2, y2), title="query", subtitle=describe(image), colour=QUERY)]
    for rank, (match, load) in enumerate(zip(matches, scene_loaders(matches), strict=True), start=1):
        title = f"{rank}.  similarity {match.similarity:.2f}"
        try:
            picture = load()
        except ImageError:  # gone, or not what it was
            blank = Image.new("RGB", (4, 4), NOTHING)
            tiles.append(
                Tile(
                    image=blank,
                    box=(0, 0, 4, 4),
                    title=title,
                    subtitle=f"gone or changed: {match.image_id}",
                    colour=FAINT,
                )
            )
            continue
        where = match.image_id if match.camera is None else f"{match.camera}  {match.image_id}"
        tiles.append(Tile(image=picture, box=match.box, title=title, subtitle=where))
    return match_rows(wrapped(tiles))


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
