"""What ``index`` was pointed at, as scenes one after another: stills and the frames of videos, named and labelled."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

from PIL import Image

from personsearch.errors import ImageError
from personsearch.listing import Entry, Listing, list_inputs
from personsearch.pictures.decode import ImageInput
from personsearch.pictures.video import Damage, Video, frame_id


@dataclass(frozen=True, eq=False)
class Source:
    """One scene: its name, how to get it, and what is known of it.

    Attributes:
        image_id: its name.
        image: the picture; or what makes it, of a frame of a video, which may be called in another thread.
        file: the file on the disk that it comes from, if there is one.
        camera: given for it.
        time: seconds: given for it, or else from the beginning of its video.
    """

    image_id: str
    image: ImageInput | Callable[[], Image.Image]
    file: Path | None = None
    camera: str | None = None
    time: float | None = None


@dataclass(frozen=True)
class Known:
    """A scene that is not wanted, because it is stored already.

    Attributes:
        image_id: its name.
        camera: given for it now.
        time: seconds, given for it or for its video now.
    """

    image_id: str
    camera: str | None
    time: float | None


#: Says of an image_id whether its scene is still to be indexed.
Wanted = Callable[[str], bool]


@dataclass(frozen=True, eq=False)
class Sources:
    """All inputs of one ``index`` call.

    Attributes:
        listing: stills and videos in order, and what was passed over.
        every: every how many frames of a video one is taken; 1 = all.
        cameras: image_id -> camera; for video frames the video's own id counts too.
        times: image_id -> seconds; a video's own id gives the time of its beginning.
    """

    listing: Listing
    every: int
    cameras: Mapping[str, str]
    times: Mapping[str, float]

    @classmethod
    def of(
        cls,
        images: str | os.PathLike[str] | Sequence[ImageInput] | Mapping[str, ImageInput],
        *,
        every: int = 1,
        prefix: str = "",
        cameras: Mapping[str, str] | None = None,
        times: Mapping[str, float] | None = None,
    ) -> Sources:
        """Resolve what the caller gave; see :func:`personsearch.listing.list_inputs` for the names.

        Raises:
            ImageError: nothing is there, an in-memory image has no id, two inputs share one, or a camera or time cannot
                be stored.
        """
        if every < 1:
            raise ImageError(f"every must be at least 1, got {every}")
        _check_storable(cameras or {}, times or {})
        return cls(list_inputs(images, prefix), every, dict(cameras or {}), dict(times or {}))

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Stills and videos, in order."""
        return self.listing.entries

    def scenes(self, entry: Entry, wanted: Wanted) -> Generator[Source | Known | Damage, None, None]:
        """Yield the scenes of an entry, wanted or known, and at the end of a damaged video what was lost of it.

        Raises:
            ImageError: a video cannot be opened.
            MissingExtraError: PyAV is not installed.
        """
        if not entry.is_video:
            camera, time = self.cameras.get(entry.image_id), self.times.get(entry.image_id)
            if wanted(entry.image_id):
                yield Source(entry.image_id, entry.image, entry.file, camera, time)
            else:
                yield Known(entry.image_id, camera, time)
            return
        start = self.times.get(entry.image_id)
        video = Video(os.fspath(entry.image), self.every)  # type: ignore[arg-type]
        for frame in video:
            name = frame_id(entry.image_id, frame.seconds, frame.repeat)
            camera = self.cameras.get(name, self.cameras.get(entry.image_id))
            time = self.times.get(name, None if start is None else start + frame.seconds)
            if wanted(name):
                yield Source(name, frame.image, entry.file, camera, frame.seconds if time is None else time)
            else:
                yield Known(name, camera, time)
        if video.damage is not None:
            yield video.damage


def _check_storable(cameras: Mapping[str, Any], times: Mapping[str, Any]) -> None:
    """Refuse cameras and times that a gallery cannot store, before the network runs."""
    for name, camera in cameras.items():
        if not isinstance(camera, str):
            raise ImageError(f"camera of {name!r} must be a string, got {camera!r}")
    for name, time in times.items():
        if isinstance(time, bool) or not isinstance(time, Real) or not math.isfinite(time):
            raise ImageError(f"time of {name!r} must be a finite number of seconds, got {time!r}")
