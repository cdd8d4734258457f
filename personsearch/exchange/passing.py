"""Who is in a frame of which only some views are stored: the tracks that pass before the camera at that moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from personsearch.gallery import Gallery
from personsearch.pictures.video import video_of
from personsearch.results import Floats, StoredScene

#: Similarity to a track from which somebody may be the one who is followed; most of the decision is time and place.
MIN_SIMILARITY = 0.5


@dataclass(frozen=True, eq=False, kw_only=True)
class Passing:
    """A track whose person is known.

    Attributes:
        track_id: of the track.
        person_id: whom the track is taken for.
        name: of that person, if one was given.
        place: the camera; where that is unknown, the video.
        first: seconds of the first frame that shows the person, on the clock of the scenes' times.
        last: seconds of the last one.
        embedding: (D,) float32, unit length.
    """

    track_id: int
    person_id: int
    name: str | None
    place: str
    first: float
    last: float
    embedding: Floats


def passing_tracks(gallery: Gallery) -> list[Passing]:
    """Return the tracks of a gallery whose person, place and time are known."""
    tracks = [track for track in gallery.tracks.all() if track.detection_ids]
    views = gallery.sightings([track.detection_ids[0] for track in tracks])
    return [
        Passing(
            track_id=track.track_id,
            person_id=view.person_id,
            name=view.person_name,
            place=place,
            first=track.first,
            last=track.last,
            embedding=gallery.tracks.embedding(track.track_id),
        )
        for track, view in zip(tracks, views, strict=True)
        if track.first is not None and track.last is not None and view.person_id is not None
        if (place := track.camera if track.camera is not None else video_of(view.image_id)) is not None
    ]


def recognised(
    scene: StoredScene, embeddings: Floats, tracks: Sequence[Passing], present: Sequence[int | None]
) -> list[int | None]:
    """Return the track_id of the track that each person is, who was found in a scene and is not stored there.

    A track passes before the scene's camera at the scene's time, and is of nobody who is stored in the scene. A person
    and a track belong together if neither is more similar to another.

    Args:
        scene: as stored.
        embeddings: (N, D) float32, unit length, of the people found.
        tracks: of the gallery.
        present: person_ids of those who are stored in the scene.
    """
    place = scene.camera if scene.camera is not None else video_of(scene.image_id)
    found: list[int | None] = [None] * len(embeddings)
    there = [
        track
        for track in tracks
        if track.place == place and scene.time is not None and track.first <= scene.time <= track.last
        if track.person_id not in present
    ]
    if not there or not found:
        return found
    similarity = embeddings @ np.stack([track.embedding for track in there]).T
    for row, column in enumerate(similarity.argmax(axis=1).tolist()):
        if similarity[:, column].argmax() == row and similarity[row, column] >= MIN_SIMILARITY:
            found[row] = there[column].track_id
    return found
