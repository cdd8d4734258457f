"""Tracks that have ended, as a gallery stores them: the scenes that show their views, and the tracks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from personsearch.people import TRACKS, NewScene, NewTrack, NewView
from personsearch.results import Detections
from personsearch.tracking import Followed, View


@dataclass(frozen=True)
class Seen:
    """What is stored with a frame besides its people.

    Attributes:
        camera: that took it, if known.
        time: seconds, if known.
        extra: whatever JSON can hold.
    """

    camera: str | None
    time: float | None
    extra: Mapping[str, Any]


def scenes_of(
    tracks: Iterable[Followed], seen: Mapping[str, Seen]
) -> tuple[list[NewScene], dict[tuple[str, int], int]]:
    """Return the scenes that show the tracks' views, and the row in its scene that each view gets.

    Args:
        tracks: that have ended.
        seen: image_id -> of every frame that shows a view; the scenes come in this order.

    Returns:
        Scenes with the views and nobody else; and (image_id, row of the detection in its frame) -> row in the scene.
    """
    shown: dict[str, list[View]] = {}
    for track in tracks:
        for view in track.views:
            shown.setdefault(view.image_id, []).append(view)
    scenes: list[NewScene] = []
    rows: dict[tuple[str, int], int] = {}
    for image_id, scene in seen.items():
        views = sorted(shown.get(image_id, []), key=lambda view: view.row)
        if not views:
            continue
        rows |= {(image_id, view.row): row for row, view in enumerate(views)}
        scenes.append(
            NewScene(
                image_id=image_id,
                detections=Detections(
                    boxes=np.stack([view.box for view in views]),
                    scores=np.array([view.score for view in views], dtype=np.float32),
                    embeddings=np.stack([view.embedding for view in views]),
                    image_size=views[0].image_size,
                    image_id=image_id,
                ),
                camera=scene.camera,
                time=scene.time,
                extra={**scene.extra, TRACKS: True},
            )
        )
    return scenes, rows


def new_track(track: Followed, rows: Mapping[tuple[str, int], int], seen: Mapping[str, Seen]) -> NewTrack:
    """Return a track as a gallery stores it.

    Args:
        track: that has ended.
        rows: from :func:`scenes_of`.
        seen: image_id -> of every frame that shows a view.
    """
    best = track.views[0]
    time = seen[best.image_id].time
    behind = None if time is None else time - best.seconds  # from the video's clock to that of the scenes' times
    return NewTrack(
        views=tuple(
            NewView(image_id=view.image_id, row=rows[view.image_id, view.row], frames=view.frames)
            for view in track.views
        ),
        first=None if behind is None else track.first + behind,
        last=None if behind is None else track.last + behind,
    )
