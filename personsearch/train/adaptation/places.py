"""The user's pictures of an empty place: found, checked, turned upright, reduced and copied, with a manifest."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from personsearch.durable import write_durably
from personsearch.errors import ImageError
from personsearch.pictures.decode import load_image
from personsearch.pictures.formats import media_kind
from personsearch.pictures.sniffing import sniffed_kind
from personsearch.train.adaptation.ground import GroundPlane
from personsearch.train.adaptation.moments import best_moments, parse_moments

logger = logging.getLogger(__name__)

Place = Literal["indoors", "outdoors"]

#: Fewest pictures; as many as one should have; and as many as are used.
FEWEST, ENOUGH, MOST = 3, 5, 50
#: Longest side of the copies, and shortest side of a picture that is no icon, pixels.
LONGEST, SHORTEST = 1920, 240
#: Share of the pictures that is held back for the figures.
HELD_BACK = 0.2
#: Pictures whose shapes (width / height) differ by less than this factor have one shape.
SAME_SHAPE = 1.02
#: Least standard deviation of the grey values, 0..255: a lens cap or a lost signal shows less.
_LEAST_SPREAD = 2.0
_QUALITY = 95
_NAMED = 3
MANIFEST = "manifest.json"
TRAIN, HELD = "train", "held-back"


@dataclass(frozen=True, eq=False)
class EmptyPicture:
    """A picture of the place: its name for people, and its copy.

    Attributes:
        name: file name, or ``clip.mp4#t=12.300``.
        file: the copy.
        size: width and height of the upright original, pixels.
        held_back: whether only the figures use it.
    """

    name: str
    file: Path
    size: tuple[int, int]
    held_back: bool


def find_pictures(source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> Path | list[Path]:
    """Resolve what the user gave: the path of a video, or those of the pictures in a folder or list, in order.

    Raises:
        ImageError: nothing is there, or a video stands in a list.
    """
    if isinstance(source, (str, os.PathLike)):
        path = Path(source).expanduser()
        if path.is_dir():
            found = sorted(file for file in path.rglob("*") if media_kind(file) == "image" and file.is_file())
            if not found:
                videos = [file for file in path.rglob("*") if media_kind(file) == "video"]
                hint = f"; of a video give its path, {videos[0]}" if videos else ""
                raise ImageError(
                    f"{path}: the folder holds no picture{hint}; give {ENOUGH} to {MOST} of the empty place"
                )
            return found
        if not path.is_file():
            raise ImageError(f"{path}: no such folder, picture or video")
        return path if _is_video(path) else [path]
    paths = [Path(one).expanduser() for one in source]
    for path in paths:
        if not path.is_file():
            raise ImageError(
                f"{path}: {'is a folder; give one folder, or pictures' if path.is_dir() else 'no such file'}"
            )
        if _is_video(path):
            raise ImageError(f"{path}: is a video among pictures; give the video alone")
    return paths


def require_video(path: str | os.PathLike[str]) -> Path:
    """Refuse what is no video.

    Raises:
        ImageError: there is no such file, or it is a picture.
    """
    video = Path(path).expanduser()
    if not video.is_file():
        raise ImageError(f"{video}: no such video")
    if not _is_video(video):
        raise ImageError(f"{video}: is no video; footage is a video of the camera, such as an .mp4 or .avi")
    return video


def _is_video(path: Path) -> bool:
    return (media_kind(path) or sniffed_kind(path)) == "video"


def copy_pictures(source: Path | list[Path], empty: Sequence[str], folder: Path) -> None:
    """Copy the pictures, upright and reduced, into ``folder``, which appears whole or not at all.

    Args:
        source: from :func:`find_pictures`.
        empty: ranges of a video in which nobody is seen; none = all of it.
        folder: is made, with a ``pictures.json`` that :func:`copied_pictures` reads.

    Raises:
        ImageError: there are too few pictures that can be used; each reason is named.
        MissingExtraError: a video needs PyAV.
    """
    if isinstance(source, list) and empty:
        raise ImageError(f"--empty {empty[0]}: says when a video shows nobody, but {source[0]} is a picture")
    temporary = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    (temporary / TRAIN).mkdir(parents=True)
    (temporary / HELD).mkdir()
    rows: list[dict[str, Any]] = []
    pictures = _from_video(source, empty) if isinstance(source, Path) else _from_files(source)
    for name, image in pictures:
        number, size = len(rows), image.size
        image.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
        encoded = BytesIO()
        image.save(encoded, "JPEG", quality=_QUALITY, subsampling=0)
        file = f"{number:02d}.jpg"
        write_durably(temporary / file, encoded.getvalue())
        rows.append({"name": name, "file": file, "size": size})
    if len(rows) < FEWEST:
        raise ImageError(
            f"{_name_of(source)}: {len(rows)} usable picture{'s' * (len(rows) != 1)} of the empty place; give at least "
            f"{FEWEST}, better {ENOUGH} to {MOST}, at different times of the day"
        )
    if len(rows) < ENOUGH:
        logger.warning(
            "only %d pictures of the empty place: %d or more, by day and by night, do better", len(rows), ENOUGH
        )
    held = set(held_back(len(rows)))
    for number, row in enumerate(rows):
        part = HELD if number in held else TRAIN
        (temporary / row["file"]).rename(temporary / part / row["file"])
        row.update(file=f"{part}/{row['file']}", held_back=number in held)
    shapes = Counter(tuple(row["size"]) for row in rows)
    if len(shapes) > 1:
        listed = ", ".join(f"{w}x{h} ({count})" for (w, h), count in shapes.most_common(4))
        logger.info("the pictures have %d sizes, which may differ: %s", len(shapes), listed)
    write_durably(temporary / "pictures.json", json.dumps(rows, indent=1).encode())
    temporary.rename(folder)


def held_back(count: int) -> list[int]:
    """Return which of the pictures are held back: at least one, spread evenly, never the first."""
    held = max(1, round(HELD_BACK * count))
    return [(2 * number + 1) * count // (2 * held) for number in range(held)]


def copied_pictures(folder: Path) -> list[EmptyPicture]:
    """Read which pictures :func:`copy_pictures` has copied."""
    rows = json.loads((folder / "pictures.json").read_text(encoding="utf-8"))
    return [EmptyPicture(row["name"], folder / row["file"], tuple(row["size"]), row["held_back"]) for row in rows]


def describe_pictures(folder: Path, plane: GroundPlane | None, place: Place | None, shape: float) -> None:
    """Write beside the copies what is known of them, for ``personsearch.synth``.

    Args:
        folder: of :func:`copy_pictures`.
        plane: of the camera; None = not known.
        place: None = not known.
        shape: width / height of the camera's pictures; those of another shape are another camera's.
    """
    pictures = copied_pictures(folder)
    for part in (TRAIN, HELD):
        rows = []
        for one in pictures:
            if one.held_back == (part == HELD):
                row: dict[str, Any] = {"file": one.file.name, "type": "place", "scene": "own"}
                row |= {} if place is None else {"place": place.removesuffix("s")}
                row |= plane.to_dict() if plane is not None and same_shape(one.size, shape) else {}
                rows.append(row)
        write_durably(folder / part / MANIFEST, json.dumps(rows, indent=1).encode())


def usual_size(pictures: Sequence[EmptyPicture]) -> tuple[int, int]:
    """Return the size that most pictures have; the first of equals."""
    return Counter(one.size for one in pictures).most_common(1)[0][0]


def same_shape(size: tuple[int, int], shape: float) -> bool:
    """Whether a picture of this size has the shape (width / height), up to rounding."""
    ratio = size[0] / size[1] / shape
    return 1 / SAME_SHAPE < ratio < SAME_SHAPE


def _name_of(source: Path | list[Path]) -> str:
    if isinstance(source, Path):
        return str(source)
    return str(source[0].parent) if len(source) > 1 else str(source[0])


def _from_video(path: Path, empty: Sequence[str]) -> Iterator[tuple[str, Image.Image]]:
    ranges = [one for text in empty for one in parse_moments(text)]
    moments = best_moments(path, ranges, MOST, ENOUGH)
    logger.info("%s: %d moments, the sharpest and most different ones", path, len(moments))
    yield from moments


def _from_files(paths: list[Path]) -> Iterator[tuple[str, Image.Image]]:
    used = paths
    if len(paths) > MOST:
        used = [paths[int((number + 0.5) * len(paths) / MOST)] for number in range(MOST)]
        logger.info("%d pictures: %d of them, spread evenly, are used", len(paths), MOST)
    problems = []
    for path in used:
        try:
            image = Image.fromarray(load_image(path))
            _require_a_place(image, path)
        except ImageError as error:
            problems.append(str(error))
            continue
        yield path.name, image
    if len(used) - len(problems) < FEWEST and problems:
        more = f" (and {len(problems) - _NAMED} more)" if len(problems) > _NAMED else ""
        raise ImageError(
            f"{'; '.join(problems[:_NAMED])}{more}. {len(used) - len(problems)} of {len(used)} pictures can be used; "
            f"give at least {FEWEST} of the empty place"
        )
    for problem in problems:
        logger.warning("left out: %s", problem)


def _require_a_place(image: Image.Image, path: Path) -> None:
    if min(image.size) < SHORTEST:
        raise ImageError(f"{path}: is {image.width}x{image.height}, smaller than {SHORTEST} pixels")
    if float(np.asarray(image.convert("L").resize((64, 64))).std()) < _LEAST_SPREAD:
        raise ImageError(f"{path}: is of one colour, so it shows no place")
