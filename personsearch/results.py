"""The records that rooms hand each other and users get: plain, frozen, numpy only, without images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import supervision

Floats: TypeAlias = NDArray[np.float32]

#: How far the length of an embedding may be from 1: half precision rounds.
UNIT_TOLERANCE = 1e-2


def is_unit(embeddings: Floats) -> NDArray[np.bool_]:
    """Return (N,) bool: which embeddings (N, D) have unit length, up to :data:`UNIT_TOLERANCE`. NaN has not."""
    vectors = np.asarray(embeddings, dtype=np.float32)
    squares = np.einsum("nd,nd->n", vectors, vectors)
    return np.asarray(np.abs(np.sqrt(squares) - 1) <= UNIT_TOLERANCE)


@dataclass(frozen=True, kw_only=True)
class Spec:
    """Where embeddings come from: what a gallery records, so that none that cannot be compared with them mix in.

    Attributes:
        name: of the weights, as they were asked for: a packaged name, ``org/repo``, or a folder.
        revision: commit of the Hub repository, 40 hex digits, if they came from there.
        fingerprint: sha256, 64 hex digits, over the tensors as stored and everything else that changes an embedding.
        embedding_size: length of an embedding.
        fast_decode: whether JPEGs were decoded at a part of their size, which moves embeddings a little.
    """

    name: str
    revision: str | None = None
    fingerprint: str
    embedding_size: int
    fast_decode: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class Detections:
    """The people found in one image, by falling score.

    Attributes:
        boxes: (N, 4) float32 xyxy, pixels of the original (upright) image.
        scores: (N,) float32, detector confidence 0..1.
        embeddings: (N, D) float32, unit length.
        image_size: (height, width) of the original image.
        image_id: the caller's name of the image, if it has one.
    """

    boxes: Floats
    scores: Floats
    embeddings: Floats
    image_size: tuple[int, int]
    image_id: str | None = None

    def __post_init__(self) -> None:
        n = len(self.boxes)
        if self.boxes.shape != (n, 4):
            raise ValueError(f"boxes must be (N, 4), got {self.boxes.shape}")
        if self.scores.shape != (n,):
            raise ValueError(f"scores must be ({n},) like the boxes, got {self.scores.shape}")
        if self.embeddings.ndim != 2 or len(self.embeddings) != n:
            raise ValueError(f"embeddings must be ({n}, D), got {self.embeddings.shape}")

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, rows: int | np.integer[Any] | slice | list[int] | NDArray[Any]) -> Detections:
        """Return the chosen rows (int, slice, index array or boolean mask) as Detections."""
        index = [int(rows)] if isinstance(rows, (int, np.integer)) else rows
        return Detections(
            boxes=self.boxes[index],
            scores=self.scores[index],
            embeddings=self.embeddings[index],
            image_size=self.image_size,
            image_id=self.image_id,
        )

    def filter(self, *, min_score: float = 0.0, min_height: float = 0.0) -> Detections:
        """Keep people of at least ``min_score`` whose box is at least ``min_height`` pixels tall.

        Example:
            >>> tall = detections.filter(min_score=0.5, min_height=100)
            >>> len(tall) <= len(detections)
            True
        """
        tall = self.boxes[:, 3] - self.boxes[:, 1] >= min_height
        return self[(self.scores >= min_score) & tall]

    def to_supervision(self) -> supervision.Detections:
        """Convert to ``supervision.Detections``; embeddings ride in ``data["embedding"]``.

        Raises:
            MissingExtraError: supervision is not installed.

        Example:
            >>> import supervision  # doctest: +SKIP
            >>> supervision.BoxAnnotator().annotate(scene, detections.to_supervision())  # doctest: +SKIP
        """
        try:
            import supervision
        except ImportError:
            from personsearch.errors import MissingExtraError

            raise MissingExtraError("to_supervision() needs supervision: pip install 'personsearch[viz]'") from None
        return supervision.Detections(
            xyxy=self.boxes,
            confidence=self.scores,
            class_id=np.zeros(len(self), dtype=int),
            data={"embedding": self.embeddings},
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class QueryPerson:
    """The person that a search is for.

    Attributes:
        box: x1, y1, x2, y2 in pixels of the query's scene, clipped to it.
        embedding: (D,) float32, unit length.
        score: detector confidence 0..1 where the person was detected; None where the caller gave the box, or where the
            picture is taken as the person.
        whole_picture: whether the whole picture is the person, cut out beforehand, and was embedded as such.
    """

    box: tuple[float, float, float, float]
    embedding: Floats
    score: float | None = None
    whole_picture: bool = False


@dataclass(frozen=True, kw_only=True)
class Track:
    """One person followed through consecutive frames of one camera, of whom a gallery keeps the best views.

    Attributes:
        track_id: its row in the gallery; never reused.
        camera: the camera, if known.
        first: seconds at which the person came into view, if known; the clock is that of the scenes' times.
        last: seconds at which the person was last in view, if known.
        frames: in how many frames the person was seen.
        detection_ids: the views that are stored, the best one first.
    """

    track_id: int
    camera: str | None
    first: float | None
    last: float | None
    frames: int
    detection_ids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """One person in one scene of a gallery.

    Attributes:
        detection_id: row of the person in the gallery; never reused.
        image_id: the scene it was found in.
        box: x1, y1, x2, y2 in pixels of that scene.
        score: detector confidence 0..1.
        camera: the scene's camera, if known.
        time: the scene's time in seconds, if known.
        extra: what the caller stored with the scene.
        track: of which this is a view, if people were followed.
        person_id: the person of the gallery that this is taken for, once its people have been grouped.
        person_name: the name that was given to that person, if one was.
    """

    detection_id: int
    image_id: str
    box: tuple[float, float, float, float]
    score: float
    camera: str | None = None
    time: float | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    track: Track | None = None
    person_id: int | None = None
    person_name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Match(Sighting):
    """One person of a gallery, ranked by similarity to a query.

    Attributes:
        similarity: to the query: the dot product of the two embeddings, -1..1.
        probability: chance of being the same person, when the weights carry a calibration; else None.
    """

    similarity: float
    probability: float | None = None


class Matches(list[Match]):
    """What a search found, by falling similarity: a list that also says whom the search was for.

    Attributes:
        queries: the people that were searched for, one for each picture; empty where the query was stored already.
    """

    def __init__(self, matches: Iterable[Match] = (), queries: Iterable[QueryPerson] = ()) -> None:
        super().__init__(matches)
        self.queries = tuple(queries)


@dataclass(frozen=True, kw_only=True)
class StoredScene:
    """A scene of a gallery.

    Attributes:
        image_id: its name.
        camera: the camera that took it, if known.
        time: seconds, if known.
        image_size: (height, width) in pixels.
        extra: what the caller stored with it.
    """

    image_id: str
    camera: str | None
    time: float | None
    image_size: tuple[int, int]
    extra: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class TimeBin:
    """A stretch of time, and what a gallery holds of it.

    Attributes:
        start: seconds.
        end: seconds; what is at this very moment belongs to the next stretch, except in the last one.
        scenes: how many scenes there are.
        people: how many people are in them.
    """

    start: float
    end: float
    scenes: int
    people: int


@dataclass(frozen=True, kw_only=True)
class IndexReport:
    """What ``index`` did, and what it did not.

    Attributes:
        added: scenes stored now.
        skipped: scenes that were there already.
        people: people stored now.
        failed: (image_id, reason) of inputs that were refused.
        damaged: (image_id, what was lost) of videos that could be read in part.
        unmatched: image_ids of the given cameras and times that no input has.
        passed_over: kind of file that is neither picture nor video (".txt") -> how many there were.
        labelled: how many of the scenes that were there already have another camera or time now, as given.
        unverified: how many of them were stored without a digest of their content, so that it was not compared.
        tracks: how many people were followed through videos and stored now, each by a few views.
        without_row: how many of the scenes looked at now have no row in the list of detections that was given: nobody
            is in them.
    """

    added: int
    skipped: int
    people: int
    failed: tuple[tuple[str, str], ...] = ()
    damaged: tuple[tuple[str, str], ...] = ()
    unmatched: tuple[str, ...] = ()
    passed_over: Mapping[str, int] = field(default_factory=dict)
    labelled: int = 0
    unverified: int = 0
    tracks: int = 0
    without_row: int = 0

    @property
    def complete(self) -> bool:
        """Whether all was done that was asked for: nothing was refused, damaged or unmatched."""
        return not (self.failed or self.damaged or self.unmatched)


@dataclass(frozen=True, kw_only=True)
class GalleryInfo:
    """What a gallery holds.

    Attributes:
        images: scenes, those without people included.
        people: people in them.
        weights: name of the weights whose embeddings these are.
        revision: their commit on the Hub, if the gallery recorded one.
        fingerprint: of those weights.
        embedding_size: length of an embedding.
        index: how it is searched, in words.
        cameras: camera -> how many scenes it took; scenes of unknown cameras are not among them.
        timed: how many scenes have a time; ``since`` and ``until`` leave out the others.
        fast_decode: whether its JPEGs were decoded at a part of their size.
        tracks: how many tracks some of the people are views of; 0 in an engine, which keeps none.
        persons: how many human beings its people have been grouped into; 0 = they have not been grouped, or are in an
            engine, which does not keep it.
    """

    images: int
    people: int
    weights: str
    revision: str | None
    fingerprint: str
    embedding_size: int
    index: str
    cameras: Mapping[str, int]
    timed: int
    fast_decode: bool = False
    tracks: int = 0
    persons: int = 0


@dataclass(frozen=True, kw_only=True)
class RescueReport:
    """What was saved of a damaged gallery.

    Attributes:
        saved: scenes that are in the new gallery, as they were stored.
        people: people in them.
        lost: image_ids of the others, as far as they can be read.
        stored: how many scenes the damaged gallery says it held, if it can.
        left_out: how many rows of what it says beside scenes (notes, tracks, people, decisions) are damaged.
    """

    saved: int
    people: int
    lost: tuple[str, ...] = ()
    stored: int | None = None
    left_out: int = 0
