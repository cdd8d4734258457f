"""The records of tracks and people that rooms hand each other and users get: plain, frozen, numpy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from personsearch.results import Detections

#: What the extra of a scene says that shows views of tracks, not everybody.
TRACKS = "tracks"


@dataclass(frozen=True, eq=False, kw_only=True)
class NewScene:
    """A scene yet to be stored, as ``Gallery.add`` takes it.

    Attributes:
        image_id: the caller's name of the scene.
        detections: those of its people that are to be stored.
        camera: the camera that took it, if known.
        time: seconds, if known.
        extra: whatever JSON can hold.
    """

    image_id: str
    detections: Detections
    camera: str | None = None
    time: float | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class NewView:
    """A view of a track yet to be stored.

    Attributes:
        image_id: the scene, one of those that are stored together with the track.
        row: which of its detections.
        frames: how many frames of the track this view stands for; its embedding is their mean.
    """

    image_id: str
    row: int
    frames: int


@dataclass(frozen=True, kw_only=True)
class NewTrack:
    """A track yet to be stored.

    Attributes:
        views: the best one first; all in scenes of one camera.
        first: seconds at which the person came into view, on the clock of the scenes' times; None = unknown.
        last: seconds at which the person was last in view.
    """

    views: tuple[NewView, ...]
    first: float | None = None
    last: float | None = None


@dataclass(frozen=True, kw_only=True)
class Appearance:
    """One time that a person was before one camera: a track, or a detection that belongs to none.

    Attributes:
        camera: the camera, if known.
        first: seconds at which it began, if known.
        last: seconds at which it ended; as ``first`` for a single detection.
        frames: in how many frames the person was seen.
        detection_ids: what is stored of it, the best view first.
        track_id: of the track; None for a single detection.
    """

    camera: str | None
    first: float | None
    last: float | None
    frames: int
    detection_ids: tuple[int, ...]
    track_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody in a gallery: the appearances that are taken for one human being.

    Attributes:
        person_id: never reused.
        name: as given by hand; None = nobody has given one.
        appearances: by time as far as it is known, then by detection_id.
        by_hand: whether a decision by hand holds some of them together.
    """

    person_id: int
    name: str | None
    appearances: tuple[Appearance, ...]
    by_hand: bool

    @property
    def detection_ids(self) -> tuple[int, ...]:
        """All rows of this person, appearance by appearance."""
        return tuple(one for appearance in self.appearances for one in appearance.detection_ids)

    @property
    def cameras(self) -> tuple[str, ...]:
        """The known cameras that saw this person, sorted."""
        return tuple(sorted({one.camera for one in self.appearances if one.camera is not None}))

    @property
    def first(self) -> float | None:
        """Seconds at which this person was first in view; None where no time is known."""
        return min((one.first for one in self.appearances if one.first is not None), default=None)

    @property
    def last(self) -> float | None:
        """Seconds at which this person was last in view; None where no time is known."""
        return max((one.last for one in self.appearances if one.last is not None), default=None)

    @property
    def frames(self) -> int:
        """In how many frames this person was seen."""
        return sum(one.frames for one in self.appearances)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What somebody decided by hand about the people of a gallery.

    Attributes:
        decision_id: rising, never reused.
        what: the kind of decision.
        made: seconds since 1970 (UTC).
        people: person_ids that it was about; of a split, the old one and then the new one.
        name: that was given, of a ``"name"``.
    """

    decision_id: int
    what: Literal["merge", "split", "name"]
    made: float
    people: tuple[int, ...]
    name: str | None = None

    @property
    def text(self) -> str:
        """The decision in words: "people 3 and 7 are one person"."""
        first, last = self.people[0], self.people[-1]
        if self.what == "merge":
            return f"people {numbers_text(self.people)} are one person"
        if self.what == "split":
            return f"person {last} is somebody else than person {first}"
        return f"person {first} " + ("has no name" if self.name is None else f"is called {self.name}")


def numbers_text(numbers: Sequence[int]) -> str:
    """Write numbers, each once: "3", "3 and 7", "3, 7 and 9"."""
    texts = [str(number) for number in dict.fromkeys(numbers)]
    return " and ".join([*[", ".join(texts[:-1])] * (len(texts) > 1), *texts[-1:]])


@dataclass(frozen=True, kw_only=True)
class Gates:
    """Where and when one person cannot be: what time and place say against taking two appearances for one person.

    Attributes:
        min_travel: least seconds between an appearance in one place and the next one in another; None = not looked at.
        places: camera -> place; a camera that is not named is a place of its own. Cameras of one place may see a person
            at the same time.
        max_span: most seconds from the first appearance of one person to the last; None = any.
    """

    min_travel: float | None = None
    places: Mapping[str, str] = field(default_factory=dict)
    max_span: float | None = None


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """What grouping a gallery's people did.

    Attributes:
        people: how many people there are now.
        appearances: how many tracks and single detections were grouped.
        new: how many of the people were not there before.
        min_similarity: mean similarity from which appearances were joined.
    """

    people: int
    appearances: int
    new: int
    min_similarity: float
