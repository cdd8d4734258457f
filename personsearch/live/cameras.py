"""Which cameras are watched: addresses, files and webcams, one by one or from a TOML file."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from personsearch.config import StrictModel, load_toml, parse
from personsearch.errors import ConfigError
from personsearch.live.addresses import name_of, shown_address
from personsearch.live.durations import moment_of
from personsearch.pictures.formats import STREAM_SCHEMES

Kind: TypeAlias = Literal["stream", "webcam", "file"]

#: Letters of a camera's name at most: it is a part of image_ids and of the names of files.
LONGEST_NAME = 100
_NAMED = re.compile(r"([\w.+ -]+)=(.+)")
_WEBCAM = re.compile(r"webcam:([0-9]+)|/dev/video[0-9]+")


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A camera to watch, or a video file to read as if a camera had just filmed it.

    Attributes:
        url: ``rtsp://...`` or another address of a stream, ``webcam:0``, ``/dev/video0``, or the path of a video. It
            may hold user and password, which are shown nowhere.
        name: goes into ``camera`` and into image_ids.
        fps: how many frames a second are looked at; None = as ``watch`` is told.
        start: of a file: seconds since 1970 at which it begins; None = its times are positions.

    Raises:
        ConfigError: something in it cannot be used.

    Example:
        >>> Camera.of("rtsp://admin:secret@10.0.0.7/hall").name
        '10.0.0.7-hall'
        >>> Camera.of("webcam:0").kind, Camera.of("walk.mp4", start=1_700_000_000.0).kind
        ('webcam', 'file')
    """

    url: str = field(repr=False)
    name: str
    fps: float | None = None
    start: float | None = None

    def __post_init__(self) -> None:
        where = f"camera {self.name!r}"
        if not self.name or len(self.name) > LONGEST_NAME or self.name.startswith("."):
            raise ConfigError(f"{where}: a name has 1 to {LONGEST_NAME} letters, and no dot at its beginning")
        if not self.name.isprintable() or "/" in self.name or "#" in self.name:
            raise ConfigError(f"{where}: a name has no slash, no # and no sign that cannot be printed")
        if self.fps is not None and not 0 < self.fps <= 1000:
            raise ConfigError(f"{where}: fps must be above 0 and at most 1000, got {self.fps}")
        if self.start is not None and self.kind != "file":
            raise ConfigError(f"{where}: start is for files alone; what a camera sends has the time at which it comes")

    @classmethod
    def of(
        cls, source: str, *, name: str | None = None, fps: float | None = None, start: float | None = None
    ) -> Camera:
        """Return the camera at an address or path, named after it unless a name is given.

        Args:
            source: see ``url``.
            name: see the class.
            fps: see the class.
            start: see the class; ignored for what is no file.

        Raises:
            ConfigError: nothing can be watched there, or something else cannot be used.
        """
        kind = kind_of(source)
        if name is None:
            name = default_name(source, kind)
        return cls(url=source, name=name, fps=fps, start=start if kind == "file" else None)

    @property
    def kind(self) -> Kind:
        """Where its frames come from."""
        return kind_of(self.url)

    @property
    def shown(self) -> str:
        """The address without user, password and query."""
        return shown_address(self.url)

    @property
    def stem(self) -> str:
        """What the image_ids of its frames begin with: the name, and for a file that has another one, that too."""
        base = os.path.basename(self.url)
        return self.name if self.kind != "file" or base == self.name else f"{self.name}/{base}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Feed:
    """Frames that the caller makes: a camera with its own way of being read, or a day of footage in fast-forward.

    They are taken as fast as they can be analysed, and none is dropped.

    Attributes:
        name: as a camera's.
        frames: (seconds, picture (H, W, 3) uint8 RGB) one after another, taken in a thread of its own.
    """

    name: str
    frames: Iterable[tuple[float, NDArray[np.uint8]]]

    @property
    def shown(self) -> str:
        """The name."""
        return self.name


class _Entry(StrictModel):
    """A ``[[camera]]`` of a TOML file."""

    url: str = Field(min_length=1)
    name: str | None = Field(None, min_length=1)
    fps: float | None = Field(None, gt=0, le=1000)
    start: datetime | str | float | None = None


class _File(StrictModel):
    """A TOML file of cameras."""

    camera: tuple[Any, ...] = Field(min_length=1)


def kind_of(source: str) -> Kind:
    """Return whether a source is a stream, a webcam or a file.

    Raises:
        ConfigError: it is an address of a kind that is not known.
    """
    if _WEBCAM.fullmatch(source):
        return "webcam"
    scheme, sign, _ = source.partition("://")
    if not sign:
        return "file"
    if scheme.lower() not in STREAM_SCHEMES:
        raise ConfigError(
            f"{shown_address(source)}: {scheme}:// is no address of a camera; give "
            f"{', '.join(STREAM_SCHEMES)}, a file, or webcam:0"
        )
    return "stream"


def default_name(source: str, kind: Kind) -> str:
    """Return the name of a camera that was given none."""
    if kind == "stream":
        return name_of(source)[:LONGEST_NAME]
    if kind == "webcam":
        return source.removeprefix("/dev/").replace(":", "-")
    return os.path.basename(source).lstrip(".").replace("#", "-")[:LONGEST_NAME] or "file"


def read_cameras(path: Path, *, start: float | None = None) -> list[Camera]:
    """Read a TOML file with a ``[[camera]]`` for each.

    Args:
        path: of the file.
        start: of the files among them that say nothing themselves.

    Raises:
        ConfigError: the file cannot be read, or a key or value in it cannot be used.
    """
    cameras = []
    for number, entry in enumerate(parse(_File, load_toml(path), str(path)).camera, start=1):
        where = f"{path}: camera {number}"
        if not isinstance(entry, dict):
            raise ConfigError(f"{where}: must be a table; write [[camera]] above its url")
        given = parse(_Entry, entry, where)
        begin = given.start.isoformat() if isinstance(given.start, datetime) else given.start
        begin = moment_of(begin, f"{where}: start") if isinstance(begin, str) else begin
        try:
            camera = Camera.of(given.url, name=given.name, fps=given.fps, start=start if begin is None else begin)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None
        cameras.append(camera)
    return cameras


def cameras_of(sources: Sequence[str], *, start: float | None = None) -> list[Camera]:
    """Return the cameras of a command line: addresses, files, webcams, and TOML files of cameras.

    Args:
        sources: one or more; ``NAME=SOURCE`` gives a camera a name.
        start: seconds since 1970 at which files begin that say nothing themselves; None = their times are positions.

    Raises:
        ConfigError: one cannot be used, or two have one name.

    Example:
        >>> [camera.name for camera in cameras_of(["door=rtsp://10.0.0.7/1", "webcam:0"])]
        ['door', 'webcam-0']
    """
    cameras: list[Camera] = []
    for source in sources:
        if source.lower().endswith(".toml") and "://" not in source:
            cameras += read_cameras(Path(source), start=start)
        else:
            named = None if os.path.exists(source) else _NAMED.fullmatch(source)
            name, address = (named[1], named[2]) if named else (None, source)
            cameras.append(Camera.of(address, name=name, start=start))
    check_names(cameras)
    return cameras


def check_names(cameras: Sequence[Camera | Feed]) -> None:
    """Refuse two cameras of one name.

    Raises:
        ConfigError: names them.
    """
    if not cameras:
        raise ConfigError("there is no camera to watch; give the address of one, a file, or webcam:0")
    twice = [name for name, count in Counter(camera.name for camera in cameras).items() if count > 1]
    if twice:
        raise ConfigError(
            f"two cameras are called {twice[0]!r}; give each a name of its own: NAME=SOURCE, or name in a TOML file"
        )
