"""What is known of stored people: the scene that each was found in, the track, and whom they are taken for."""

from __future__ import annotations

import json
from collections.abc import Collection

from personsearch.gallery.people.decisions import belongings
from personsearch.gallery.store import Store
from personsearch.gallery.track_rows import tracks_of
from personsearch.results import Sighting


def sightings(store: Store, detection_ids: Collection[int]) -> dict[int, Sighting]:
    """Return stored people by detection_id; those who are gone are absent.

    Args:
        store: the database; call inside ``store.snapshot()``, so that all is of one moment.
        detection_ids: of the people.
    """
    tracks, whom = tracks_of(store, detection_ids), belongings(store, detection_ids)
    found = {}
    for number, (person, scene) in store.find_people(detection_ids).items():
        x1, y1, x2, y2 = person.box
        belongs = whom.get(number)
        found[number] = Sighting(
            detection_id=number,
            image_id=scene.image_id,
            box=(x1, y1, x2, y2),
            score=person.score,
            camera=scene.camera,
            time=scene.time,
            extra=json.loads(scene.extra),
            track=tracks.get(number),
            person_id=None if belongs is None else belongs.individual,
            person_name=None if belongs is None else belongs.name,
        )
    return found
