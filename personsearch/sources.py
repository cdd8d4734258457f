"""What ``index`` can be pointed at: folders, globs, lists, mappings and videos, as named inputs one after another."""

from __future__ import annotations

import csv
import glob
import itertools
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

from PIL import Image

from personsearch.errors import ImageError
from personsearch.pictures.decode import ImageInput, describe, is_url
from personsearch.pictures.video import VIDEO_SUFFIXES, frame_id, video_frames


@dataclass(frozen=True, eq=False)
class Source:
    """One scene to be indexed: its name, how to get it, and what is known of it."""

    image_id: str
    image: ImageInput
    file: Path | None = None
    camera: str | None = None
    time: float | None = None

    @property
    def extra(self) -> dict[str, str]:
        """What a gallery keeps beside the scene: the file it came from, so that matches can be drawn."""
        return {"path": str(self.file.absolute())} if self.file is not None else {}


#: Says of an image_id whether its scene is still to be indexed.
Wanted = Callable[[str], bool]


@dataclass(frozen=True, eq=False)
class Entry:
    """A still image, or a video that yields many scenes."""

    image_id: str
    image: ImageInput
    is_video: bool = False

    @property
    def printable(self) -> str:
        """The image_id with bytes that are not UTF-8 escaped; file names may hold any bytes."""
        return self.image_id.encode("utf-8", "backslashreplace").decode()


@dataclass(frozen=True, eq=False)
class Sources:
    """All inputs of one ``index`` call.

    Attributes:
        entries: stills and videos in order.
        every: every how many frames of a video one is taken; 1 = all.
        cameras: image_id -> camera; for video frames the video's own id counts too.
        times: image_id -> seconds.
    """

    entries: tuple[Entry, ...]
    every: int
    cameras: Mapping[str, str]
    times: Mapping[str, float]

    @classmethod
    def of(
        cls,
        images: str | os.PathLike[str] | Sequence[ImageInput] | Mapping[str, ImageInput],
        *,
        every: int = 1,
        cameras: Mapping[str, str] | None = None,
        times: Mapping[str, float] | None = None,
    ) -> Sources:
        """Resolve what the caller gave.

        Raises:
            ImageError: nothing is there, an in-memory image has no id, two inputs share one, or a camera or time cannot
                be stored.
        """
        if every < 1:
            raise ImageError(f"every must be at least 1, got {every}")
        if isinstance(images, Mapping):
            entries = [Entry(str(name), image) for name, image in images.items()]
        elif isinstance(images, (str, os.PathLike)):
            entries = _expand(os.fspath(images))
        else:
            entries = [entry for image in images for entry in _listed(image)]
        seen: set[str] = set()
        for entry in entries:
            if entry.image_id in seen:
                raise ImageError(f"image_id {entry.image_id!r} occurs twice; give a mapping image_id -> image")
            seen.add(entry.image_id)
        _check_storable(cameras or {}, times or {})
        return cls(tuple(entries), every, dict(cameras or {}), dict(times or {}))

    def scenes(self, entry: Entry, wanted: Wanted) -> Iterator[Source | None]:
        """Yield the scenes of an entry, and None for each that is not wanted.

        Raises:
            ImageError: the name is not UTF-8, or a video cannot be opened, or is damaged in the middle.
        """
        if entry.printable != entry.image_id:
            raise ImageError(f"{entry.printable}: the file's name is not valid UTF-8; rename it")
        if not entry.is_video:
            yield self._source(entry.image_id, entry.image, entry) if wanted(entry.image_id) else None
            return
        path = os.fspath(entry.image)  # type: ignore[arg-type]
        for seconds, frame in video_frames(path, self.every):
            name = frame_id(entry.image_id, seconds)
            yield self._source(name, frame(), entry, seconds) if wanted(name) else None

    def _source(self, name: str, image: ImageInput, entry: Entry, seconds: float | None = None) -> Source:
        camera = self.cameras.get(name, self.cameras.get(entry.image_id))
        start = self.times.get(entry.image_id, 0.0)
        time = self.times.get(name, None if seconds is None else start + seconds)
        on_disk = isinstance(entry.image, os.PathLike) or (isinstance(entry.image, str) and not is_url(entry.image))
        file = Path(os.fspath(entry.image)) if on_disk else None  # type: ignore[arg-type]
        return Source(name, image, file, camera, time)


def check_sources(images: str | Sequence[str]) -> None:
    """Refuse what :meth:`Sources.of` would refuse, without listing a whole folder or glob for it.

    Raises:
        ImageError: nothing is there, or two inputs share an image_id.
    """
    if not isinstance(images, str):
        Sources.of(images)  # a list is not looked up on the disk
    elif not is_url(images) and not Path(images).expanduser().is_file():
        _media_in(images)


def _check_storable(cameras: Mapping[str, Any], times: Mapping[str, Any]) -> None:
    """Refuse cameras and times that a gallery cannot store, before the network runs."""
    for name, camera in cameras.items():
        if not isinstance(camera, str):
            raise ImageError(f"camera of {name!r} must be a string, got {camera!r}")
    for name, time in times.items():
        if isinstance(time, bool) or not isinstance(time, Real) or not math.isfinite(time):
            raise ImageError(f"time of {name!r} must be a finite number of seconds, got {time!r}")


def read_sidecar(path: str | os.PathLike[str]) -> tuple[dict[str, str], dict[str, float]]:
    """Read a csv with the columns image_id, camera, time; empty cells are unknown.

    Returns:
        (image_id -> camera, image_id -> seconds).

    Raises:
        ImageError: the file or a row cannot be used.
    """
    cameras: dict[str, str] = {}
    times: dict[str, float] = {}
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if "image_id" not in (reader.fieldnames or ()):
                raise ImageError(f"{os.fspath(path)}: the first line must name the columns image_id,camera,time")
            for number, row in enumerate(reader, start=2):
                if row.get("camera"):
                    cameras[row["image_id"]] = row["camera"]
                if row.get("time"):
                    try:
                        times[row["image_id"]] = float(row["time"])
                    except ValueError:
                        raise ImageError(
                            f"{os.fspath(path)}: line {number}: time {row['time']!r} is not a number of seconds"
                        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ImageError(f"{os.fspath(path)}: cannot be read ({error})") from None
    return cameras, times


def _expand(text: str) -> list[Entry]:
    if is_url(text):
        return [Entry(text, text)]
    path = Path(text).expanduser()
    if path.is_file():
        return [_file(path, path.name)]
    root, files = _media_in(text)
    return [_file(file, file.relative_to(root).as_posix()) for file in sorted(files)]


def _media_in(text: str) -> tuple[Path, Iterator[Path]]:
    """Return what image_ids of a folder or glob are relative to, and its images and videos, found as they are taken.

    Raises:
        ImageError: there is no such folder or glob, or it holds no image or video.
    """
    path = Path(text).expanduser()
    paths: Iterator[Path]
    if path.is_dir():
        root, paths, nothing = path, path.rglob("*"), f"{path}: the folder holds no image or video"
    elif glob.has_magic(text):
        root, nothing = _fixed_part(text), f"{text}: matches no image or video"
        paths = (Path(name) for name in glob.iglob(text, recursive=True))
    else:
        raise ImageError(f"{text}: no such folder, file or glob")
    files = (path for path in paths if path.is_file() and is_media(path))
    first = next(files, None)
    if first is None:
        raise ImageError(nothing)
    return root, itertools.chain([first], files)


def _listed(image: ImageInput) -> list[Entry]:
    if isinstance(image, str) and is_url(image):
        return [Entry(image, image)]
    if isinstance(image, (str, os.PathLike)):
        return [_file(Path(image), Path(image).as_posix())]
    raise ImageError(f"{describe(image)}: an image in memory has no name; give a mapping image_id -> image")


def _file(path: Path, image_id: str) -> Entry:
    return Entry(image_id, path, is_video=path.suffix.lower() in VIDEO_SUFFIXES)


def is_media(path: Path) -> bool:
    """Tell by its suffix whether a file is an image that Pillow opens, or a video."""
    suffix = path.suffix.lower()
    return suffix in VIDEO_SUFFIXES or suffix in Image.registered_extensions()


def _fixed_part(pattern: str) -> Path:
    """Return the folders of a glob before its first wildcard: what image_ids are relative to."""
    fixed: list[str] = []
    for part in Path(pattern).parts[:-1]:
        if glob.has_magic(part):
            break
        fixed.append(part)
    return Path(*fixed)
