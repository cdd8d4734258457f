"""When somebody who is looked for is seen: one alert for each appearance, whatever pieces a track breaks into."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from personsearch.live.targets import Target
from personsearch.plain import finite_or_none
from personsearch.tracking import OpenTrack

#: Frames from which on the mean of a track is compared: a single frame may be half a person, or two of them.
MIN_FRAMES = 2


@dataclass(frozen=True, kw_only=True)
class Alert:
    """Somebody who is looked for is before a camera.

    Attributes:
        alert: whom it is about: the name of a person of the gallery, ``person 3``, or the picture.
        person_id: of the person in the gallery; None where a picture was given.
        camera: that sees the person.
        time: seconds, of the frame at which the alert was given.
        time_text: the same for reading.
        similarity: of the mean of the track's frames so far to whom it is about.
        probability: that both are the same person; None without a calibration.
        false_match_rate: of pairs of different people at most this share look so alike; None = more than the
            calibration says, or there is none.
        box: x1, y1, x2, y2 in pixels of the frame.
        image_id: of the frame; it is stored only if it shows one of the best views.
        frames: of the track so far.
        picture: path of the frame, if pictures are kept.
    """

    alert: str
    person_id: int | None
    camera: str
    time: float
    time_text: str
    similarity: float
    probability: float | None
    false_match_rate: float | None
    box: tuple[float, float, float, float]
    image_id: str
    frames: int
    picture: str | None = None

    def to_json(self) -> str:
        """Return it as one line of JSON.

        Example:
            >>> alert = Alert(
            ...     alert="Lena", person_id=3, camera="door", time=75.5, time_text="0:01:15", similarity=0.81,
            ...     probability=0.97, false_match_rate=1e-4, box=(1, 2, 3, 4), image_id="door/75.500", frames=2,
            ... )
            >>> alert.to_json()[:52]
            '{"alert": "Lena", "person_id": 3, "camera": "door", '
        """
        return json.dumps(finite_or_none(asdict(self)), allow_nan=False)


@dataclass(frozen=True, eq=False)
class Found:
    """A track that begins an appearance of somebody who is looked for."""

    target: Target
    track: OpenTrack
    similarity: float


class Appearances:
    """Decides, for one camera, which tracks are to be alerted about.

    An appearance begins when the mean of a track is similar enough to somebody for the first time, and lasts as long as
    that track or another one that is similar enough is in view, with pauses of at most ``quiet`` seconds between them.

    Args:
        threshold: similarity from which on somebody is taken for the one who is looked for.
        quiet: seconds out of sight after which the same person appears anew.
        min_frames: frames of a track from which on it is compared.
    """

    def __init__(self, *, threshold: float, quiet: float, min_frames: int = MIN_FRAMES) -> None:
        self._threshold, self._quiet, self._min_frames = threshold, quiet, min_frames
        self._known: dict[int, set[int]] = {}  # target -> numbers of the tracks that are theirs
        self._last: dict[int, float] = {}  # target -> seconds at which one of them was last in view

    def judge(
        self, seconds: float, in_view: Sequence[OpenTrack], open_numbers: set[int], targets: Iterable[Target]
    ) -> list[Found]:
        """Return the appearances that begin with a frame.

        Args:
            seconds: of the frame.
            in_view: the tracks that it shows.
            open_numbers: of all tracks that are open, also out of sight.
            targets: who is looked for.
        """
        found = []
        for target in targets:
            known = self._known.setdefault(target.number, set())
            known &= open_numbers
            likeness = {
                track.number: float(track.embedding @ target.embedding)
                for track in in_view
                if track.number in known or track.frames >= self._min_frames
            }
            theirs = [
                track
                for track in in_view
                if track.number in known or likeness.get(track.number, -math.inf) >= self._threshold
            ]
            if not theirs:
                continue
            last = self._last.get(target.number)
            continued = any(track.number in known for track in theirs)
            if not continued and (last is None or abs(seconds - last) > self._quiet):
                best = max(theirs, key=lambda track: likeness[track.number])
                found.append(Found(target, best, likeness[best.number]))
            known |= {track.number for track in theirs}
            self._last[target.number] = seconds
        return found
