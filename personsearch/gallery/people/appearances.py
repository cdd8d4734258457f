"""The appearances of a gallery's people: tracks, and detections that belong to none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from personsearch.gallery.people.decisions import Belonging
from personsearch.gallery.people.units import Units
from personsearch.gallery.rows import ImageRow, unit
from personsearch.gallery.store import NUMBER, Store
from personsearch.gallery.track_rows import all_tracks, frames_of, views
from personsearch.people import Appearance
from personsearch.results import Floats, Sighting, Track


@dataclass(frozen=True, eq=False)
class Gathered:
    """All appearances of a gallery.

    Attributes:
        units: N appearances, as grouping takes them.
        rows: (N,) lists of each one's detection_ids.
    """

    units: Units
    rows: Sequence[Sequence[int]]


@dataclass(eq=False)
class _Appearance:
    scene: ImageRow
    track: Track | None
    fixed: int
    rows: list[int] = field(default_factory=list)
    sum: NDArray[np.float64] | float = 0.0


def gather(store: Store, whom: Mapping[int, Belonging], places: Mapping[str, str]) -> Gathered:
    """Return all appearances of a gallery; call inside ``store.snapshot()``.

    The views of a track that were told apart by hand are appearances of their own.

    Args:
        store: the database.
        whom: detection_id -> to whom it belongs, of those that have been grouped.
        places: camera -> place; a camera that is not named is a place of its own.
    """
    view_of = {view.person: view for view in views(store)}
    tracks = {track.track_id: track for track in all_tracks(store)}
    scenes = {scene.id: scene for scene in store.images(0)}
    found: dict[tuple[int, int], _Appearance] = {}
    for people in store.people(0):
        vectors = unit(store.vectors(people)).astype(np.float64)
        for person, vector in zip(people, vectors, strict=True):
            view, belongs = view_of.get(person.id), whom.get(person.id)
            fixed = belongs.individual if belongs is not None and belongs.by_hand else -1
            key = (-1, person.id) if view is None else (view.track, fixed)
            track = None if view is None else tracks[view.track]
            one = found.setdefault(key, _Appearance(scenes[person.image], track, fixed))
            one.rows.append(person.id)
            one.sum = one.sum + vector * (1 if view is None else view.frames)
    return Gathered(_units(list(found.values()), places, store.embedding_size), [one.rows for one in found.values()])


def _units(found: Sequence[_Appearance], places: Mapping[str, str], dim: int) -> Units:
    cameras = [one.scene.camera for one in found]
    spans = [
        (one.scene.time, one.scene.time) if one.track is None else (one.track.first, one.track.last) for one in found
    ]
    return Units(
        embeddings=unit(np.array([one.sum for one in found], np.float64).reshape(len(found), dim)),
        # Two recordings need not have one clock, even of one camera: "at once" is said within one alone.
        views=_codes([None if one.track is None else one.scene.image_id.rstrip(NUMBER) for one in found]),
        scenes=np.array([one.scene.id if one.track is None else -1 for one in found], np.int64),
        places=_codes([None if camera is None else places.get(camera, camera) for camera in cameras]),
        first=np.array([math.nan if first is None else first for first, _ in spans], np.float64),
        last=np.array([math.nan if last is None else last for _, last in spans], np.float64),
        fixed=np.array([one.fixed for one in found], np.int64),
    )


def _codes(names: Sequence[str | None]) -> NDArray[np.int64]:
    """Return a number for each name; -1 for None."""
    known: dict[str, int] = {}
    return np.array([-1 if name is None else known.setdefault(name, len(known)) for name in names], np.int64)


def appearances(sightings: Sequence[Sighting], frames: Mapping[int, int]) -> tuple[Appearance, ...]:
    """Return the appearances that the sightings of one person make, by time, those of unknown time last.

    Args:
        sightings: of the person.
        frames: detection_id -> for how many frames it stands.
    """
    rows: dict[tuple[int, int], list[Sighting]] = {}
    for one in sightings:
        rows.setdefault((-1, one.detection_id) if one.track is None else (one.track.track_id, 0), []).append(one)
    found = []
    for views_of_one in rows.values():
        track, ids = views_of_one[0].track, [one.detection_id for one in views_of_one]
        found.append(
            Appearance(
                camera=views_of_one[0].camera,
                first=views_of_one[0].time if track is None else track.first,
                last=views_of_one[0].time if track is None else track.last,
                frames=sum(frames[one] for one in ids),
                detection_ids=tuple(ids) if track is None else tuple(one for one in track.detection_ids if one in ids),
                track_id=None if track is None else track.track_id,
            )
        )
    return tuple(sorted(found, key=lambda one: (math.inf if one.first is None else one.first, min(one.detection_ids))))


def mean_embedding(store: Store, detection_ids: Sequence[int]) -> Floats:
    """Return the mean (D,) float32 of unit length of stored embeddings; a view counts by the frames it stands for."""
    frames = frames_of(store, detection_ids)
    people = [person for person, _ in store.find_people(detection_ids).values()]
    if len(people) < len(frames):
        raise store.corrupt("somebody who has been followed or grouped is missing")
    weights = np.array([[frames[person.id]] for person in people], np.float64)
    mean: Floats = unit((unit(store.vectors(people)) * weights).sum(axis=0, keepdims=True))[0]
    return mean
