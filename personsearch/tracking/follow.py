"""``Follower``: the people before one camera, frame by frame, as tracks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personsearch.errors import ConfigError
from personsearch.results import Detections, Floats
from personsearch.tracking.association import Lasts, evidence, pair
from personsearch.tracking.views import MAX_GROUPS, Group, View, merged, qualities, unit, views_of

#: Seconds for which somebody may be out of sight and is the same track all the same.
PATIENCE = 5.0
#: Views that are kept of a track.
MAX_VIEWS = 3


@dataclass(frozen=True, eq=False, kw_only=True)
class Frame:
    """What is seen in one frame of a camera.

    Attributes:
        image_id: its name; no two frames that are followed together share one.
        seconds: its time on any clock that all frames of the camera share.
        detections: its people.
        sharpness: (N,) float32 of each, from :func:`personsearch.tracking.sharpness_of`; None = all alike.
    """

    image_id: str
    seconds: float
    detections: Detections
    sharpness: Floats | None = None

    def __post_init__(self) -> None:
        if self.sharpness is not None and self.sharpness.shape != (len(self.detections),):
            raise ConfigError(
                f"{self.image_id}: sharpness must be ({len(self.detections)},), one number for each detection, got "
                f"{self.sharpness.shape}"
            )
        if not np.isfinite(self.seconds):
            raise ConfigError(f"{self.image_id}: the time of a frame must be finite, got {self.seconds}")


@dataclass(frozen=True, eq=False, kw_only=True)
class Followed:
    """A track that has ended.

    Attributes:
        number: from 0 in the order in which tracks began; never reused by a follower.
        first: seconds of the first frame that shows the person.
        last: seconds of the last one.
        frames: in how many frames the person was seen.
        embedding: (D,) float32, unit length: the mean of all of them.
        views: the best one first.
    """

    number: int
    first: float
    last: float
    frames: int
    embedding: Floats
    views: tuple[View, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class OpenTrack:
    """A track that is being followed, as it is now.

    Attributes:
        number: as that of the track once it has ended.
        first: seconds of the first frame that shows the person.
        last: seconds of the last one so far.
        frames: in how many frames the person was seen.
        box: (4,) float64 xyxy, pixels of the last of these frames.
        embedding: (D,) float32, unit length: the mean of all of them.
        image_ids: the frames that may become views.
    """

    number: int
    first: float
    last: float
    frames: int
    box: NDArray[np.float64]
    embedding: Floats
    image_ids: frozenset[str]


@dataclass(eq=False)
class _Open:
    """A track that is being followed: where it was last, sums, and a handful of groups."""

    number: int
    first: float
    last: float
    box: NDArray[np.float64]
    total: NDArray[np.float64]
    frames: int
    groups: list[Group]


class Follower:
    """Follows the people before one camera: frames in, ended tracks out.

    Memory does not grow with the length of the footage: a track that is open keeps sums and at most eight frames'
    boxes and embeddings, and no pictures. The same frames give the same tracks.

    Args:
        max_views: views kept of a track.
        patience: seconds for which somebody may be out of sight and is the same track all the same.

    Raises:
        ConfigError: a value is out of range.

    Example:
        >>> from personsearch.tracking import Follower, Frame
        >>> follower = Follower()
        >>> for number in range(3):  # three frames in which nothing changes
        ...     ended = follower.update(Frame(image_id=f"{number}.jpg", seconds=0.2 * number, detections=detections))
        >>> tracks = follower.finish()
        >>> len(tracks) == len(detections), tracks[0].frames
        (True, 3)
    """

    def __init__(self, *, max_views: int = MAX_VIEWS, patience: float = PATIENCE) -> None:
        if not 1 <= max_views <= MAX_GROUPS:
            raise ConfigError(f"max_views must be between 1 and {MAX_GROUPS}, got {max_views}")
        if not patience > 0:
            raise ConfigError(f"patience must be more than 0 seconds, got {patience}")
        self.max_views = max_views
        self.patience = patience
        self._open: list[_Open] = []
        self._begun = 0
        self._numbers: tuple[int, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nobody is being followed now; what comes next does not depend on what was before."""
        return not self._open

    @property
    def numbers(self) -> tuple[int, ...]:
        """The number of the track of each detection of the last frame, in the order of the detections."""
        return self._numbers

    @property
    def open_tracks(self) -> list[OpenTrack]:
        """Those who are being followed now, by number; those whom the last frame shows have its time as ``last``.

        Example:
            >>> from personsearch.tracking import Follower, Frame
            >>> follower = Follower()
            >>> ended = follower.update(Frame(image_id="0.jpg", seconds=0.0, detections=detections))
            >>> [track.frames for track in follower.open_tracks] == [1] * len(detections)
            True
        """
        return [
            OpenTrack(
                number=track.number,
                first=track.first,
                last=track.last,
                frames=track.frames,
                box=track.box,
                embedding=unit(track.total),
                image_ids=frozenset(group.best.image_id for group in track.groups),
            )
            for track in self._open
        ]

    def update(self, frame: Frame) -> list[Followed]:
        """Take in the next frame.

        Returns:
            The tracks that have ended: those last seen more than ``patience`` seconds before this frame.
        """
        ended = [track for track in self._open if abs(frame.seconds - track.last) > self.patience]
        self._open = [track for track in self._open if abs(frame.seconds - track.last) <= self.patience]
        people = frame.detections
        worth = qualities(people, np.zeros(len(people), np.float32) if frame.sharpness is None else frame.sharpness)
        continued = dict[int, _Open]()
        if self._open and len(people):
            odds = evidence(self._lasts(), people.boxes, people.embeddings, frame.seconds, people.image_size)
            continued = {detection: self._open[track] for track, detection in pair(odds)}
        numbers = []
        for row in range(len(people)):
            view = _view(frame, row, float(worth[row]))
            track = continued.get(row)
            if track is None:
                track = _begin(self._begun, view)
                self._begun += 1
                self._open.append(track)
            else:
                _continue(track, view)
            numbers.append(track.number)
        self._numbers = tuple(numbers)
        return [self._followed(track) for track in ended]

    def finish(self) -> list[Followed]:
        """End all tracks, and return those that were open; the next frame finds nobody known."""
        ended = [self._followed(track) for track in self._open]
        self._open, self._numbers = [], ()
        return ended

    def _lasts(self) -> Lasts:
        return Lasts(
            boxes=np.stack([track.box for track in self._open]),
            seconds=np.array([track.last for track in self._open]),
            embeddings=np.stack([unit(track.total) for track in self._open]).astype(np.float64),
        )

    def _followed(self, track: _Open) -> Followed:
        return Followed(
            number=track.number,
            first=track.first,
            last=track.last,
            frames=track.frames,
            embedding=unit(track.total),
            views=views_of(track.groups, self.max_views),
        )


def _view(frame: Frame, row: int, quality: float) -> View:
    people = frame.detections
    return View(
        image_id=frame.image_id,
        row=row,
        seconds=frame.seconds,
        box=people.boxes[row].copy(),  # a slice would keep the whole frame's arrays
        score=float(people.scores[row]),
        image_size=people.image_size,
        embedding=people.embeddings[row].copy(),
        own_embedding=people.embeddings[row].copy(),
        frames=1,
        quality=quality,
    )


def _begin(number: int, view: View) -> _Open:
    return _Open(
        number=number,
        first=view.seconds,
        last=view.seconds,
        box=view.box.astype(np.float64),
        total=view.own_embedding.astype(np.float64),
        frames=1,
        groups=[Group.of(view)],
    )


def _continue(track: _Open, view: View) -> None:
    track.last, track.box = view.seconds, view.box.astype(np.float64)
    track.total = track.total + view.own_embedding
    track.frames += 1
    track.groups = merged([*track.groups, Group.of(view)], MAX_GROUPS)
