"""What ``index`` was pointed at, as scenes one after another: stills and the frames of videos, named and labelled."""

from __future__ import annotations

import json
import math
import os
import zlib
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
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
        moment: seconds and repeat of a frame in its video.
    """

    image_id: str
    image: ImageInput | Callable[[], Image.Image]
    file: Path | None = None
    camera: str | None = None
    time: float | None = None
    moment: tuple[float, int] | None = None


@dataclass(frozen=True)
class Known:
    """A scene that is not wanted, because it is stored already.

    Attributes:
        image_id: its name.
        camera: given for it now.
        time: seconds, given for it or for its video now.
        moment: seconds and repeat of a frame in its video.
    """

    image_id: str
    camera: str | None
    time: float | None
    moment: tuple[float, int] | None = None


@dataclass(frozen=True)
class Reading:
    """What reading a video to its end gave, by which it need not be read again.

    Attributes:
        sha256: of the file.
        every: every how many frames one was taken.
        decoding: what else the frames depend on; :func:`personsearch.pictures.video.decoding`.
        moments: seconds and repeat of each frame that was taken, in order.
        damage: what was lost.
    """

    sha256: str
    every: int
    decoding: str
    moments: tuple[tuple[float, int], ...]
    damage: Damage | None

    def taken(self, every: int) -> tuple[tuple[float, int], ...] | None:
        """Return the moments that another ``every`` takes; None = this reading does not say."""
        return None if every % self.every else self.moments[:: every // self.every]

    def to_bytes(self) -> bytes:
        """Write it down."""
        return zlib.compress(json.dumps(asdict(self)).encode())

    @classmethod
    def from_bytes(cls, data: bytes) -> Reading:
        """Read what :meth:`to_bytes` wrote."""
        fields = json.loads(zlib.decompress(data))
        moments = tuple((seconds, repeat) for seconds, repeat in fields.pop("moments"))
        damage = fields.pop("damage")
        return cls(**fields, moments=moments, damage=None if damage is None else Damage(**damage))


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

    def scenes(
        self, entry: Entry, wanted: Wanted, reading: Reading | None = None
    ) -> Generator[Source | Known | Damage, None, None]:
        """Yield the scenes of an entry, wanted or known, and at the end of a damaged video what was lost of it.

        Args:
            entry: a still or a video.
            wanted: says which scenes are.
            reading: of the video with this ``every``, none of whose frames is wanted; then it is not read again.

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
        if reading is not None:
            for moment in reading.taken(self.every) or ():
                yield Known(*self.frame(entry, *moment), moment)
            if reading.damage is not None:
                yield reading.damage
            return
        video = Video(os.fspath(entry.image), self.every)  # type: ignore[arg-type]
        for frame in video:
            name, camera, time = self.frame(entry, frame.seconds, frame.repeat)
            moment = frame.seconds, frame.repeat
            if wanted(name):
                given = frame.seconds if time is None else time
                yield Source(name, frame.image, entry.file, camera, given, moment)
            else:
                yield Known(name, camera, time, moment)
        if video.damage is not None:
            yield video.damage

    def frame(self, entry: Entry, seconds: float, repeat: int) -> tuple[str, str | None, float | None]:
        """Return the name of a frame, and the camera and time that are given for it or for its video."""
        name, start = frame_id(entry.image_id, seconds, repeat), self.times.get(entry.image_id)
        camera = self.cameras.get(name, self.cameras.get(entry.image_id))
        return name, camera, self.times.get(name, None if start is None else start + seconds)


def _check_storable(cameras: Mapping[str, Any], times: Mapping[str, Any]) -> None:
    """Refuse cameras and times that a gallery cannot store, before the network runs."""
    for name, camera in cameras.items():
        if not isinstance(camera, str):
            raise ImageError(f"camera of {name!r} must be a string, got {camera!r}")
    for name, time in times.items():
        if isinstance(time, bool) or not isinstance(time, Real) or not math.isfinite(time):
            raise ImageError(f"time of {name!r} must be a finite number of seconds, got {time!r}")
