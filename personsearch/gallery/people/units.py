"""What is grouped into people: appearances, and what time and place say against taking two of them for one person."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from personsearch.people import Gates
from personsearch.results import Floats

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: Two intervals of one view that share no more than this many seconds are not at once: clocks of files that follow each
#: other round. Frames of a video are farther apart.
HAIR = 0.01


@dataclass(frozen=True, eq=False, kw_only=True)
class Units:
    """N appearances to be grouped: tracks, and detections that belong to none.

    Attributes:
        embeddings: (N, D) float32, unit length; of a track the mean of its views.
        views: (N,) int64 code of the view: of the camera, or of the video where no camera is known; -1 = unknown.
        scenes: (N,) int64 code of the scene of a single detection; -1 = a track.
        places: (N,) int64 code of the place, after ``Gates.places``; -1 = unknown.
        first: (N,) float64 seconds; NaN = unknown.
        last: (N,) float64 seconds; NaN = unknown.
        fixed: (N,) int64 person_id that a decision by hand fixed; -1 = free.
    """

    embeddings: Floats
    views: Ints
    scenes: Ints
    places: Ints
    first: NDArray[np.float64]
    last: NDArray[np.float64]
    fixed: Ints

    def __post_init__(self) -> None:
        if self.embeddings.ndim != 2:
            raise ValueError(f"embeddings must be (N, D), got {self.embeddings.shape}")
        for field in fields(self)[1:]:
            shape = getattr(self, field.name).shape
            if shape != (len(self),):
                raise ValueError(f"{field.name} must be ({len(self)},) like the embeddings, got {shape}")

    def __len__(self) -> int:
        return len(self.embeddings)

    def __getitem__(self, rows: Ints) -> Units:
        """Return the chosen rows (index array)."""
        return Units(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def content_order(units: Units) -> Ints:
    """Return (N,) rows in an order that follows from their content; units that are alike in everything keep theirs."""
    columns = [getattr(units, field.name) for field in fields(units)]
    keys = [b"".join(column[row].tobytes() for column in columns) for row in range(len(units))]
    return np.array(sorted(range(len(units)), key=keys.__getitem__), np.int64)


def cannot_be_one(units: Units, gates: Gates, a: Ints, b: Ints) -> Bools:
    """Return (P,) bool: which pairs of units, rows ``a`` and ``b`` (P,), cannot be one person, whatever they look like.

    Pairs that a decision by hand holds together can.
    """
    fixed_a, fixed_b = units.fixed[a], units.fixed[b]
    by_hand = (fixed_a >= 0) & (fixed_b >= 0)
    scene_a, scene_b = units.scenes[a], units.scenes[b]
    apart = (scene_a >= 0) & (scene_a == scene_b)

    first_a, first_b, last_a, last_b = units.first[a], units.first[b], units.last[a], units.last[b]
    view = units.views[a]
    watched = (view >= 0) & (view == units.views[b]) & ((scene_a < 0) | (scene_b < 0))
    # A moment is made longer than a hair, but not by a hair to either side: so it is at once with an interval that it
    # lies in and with the same moment, not with an interval that it ends.
    more_a = np.where(last_a - first_a < HAIR, 0.75 * HAIR, 0.0)
    more_b = np.where(last_b - first_b < HAIR, 0.75 * HAIR, 0.0)
    shared = np.minimum(last_a + more_a, last_b + more_b) - np.maximum(first_a - more_a, first_b - more_b)
    apart |= watched & (shared > HAIR)

    if gates.min_travel is not None:
        place_a, place_b = units.places[a], units.places[b]
        elsewhere = (place_a >= 0) & (place_b >= 0) & (place_a != place_b)
        apart |= elsewhere & (np.maximum(first_a, first_b) - np.minimum(last_a, last_b) < gates.min_travel)
    if gates.max_span is not None:
        apart |= np.maximum(last_a, last_b) - np.minimum(first_a, first_b) > gates.max_span
    return np.asarray(np.where(by_hand, fixed_a != fixed_b, apart))
