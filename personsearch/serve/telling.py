"""What the gallery says of people and scenes, as records of the service."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from personsearch.calibration import Calibration, false_match_rate
from personsearch.errors import GalleryCorruptError, GalleryError
from personsearch.gallery import Gallery
from personsearch.people import Decision, Person
from personsearch.pictures.people import best_views
from personsearch.pictures.times import time_text
from personsearch.results import Match, Sighting, StoredScene, Track
from personsearch.serve.crops import is_there
from personsearch.serve.faults import Refused
from personsearch.serve.records import (
    AppearanceRecord,
    CalibrationRecord,
    DecisionRecord,
    MatchRecord,
    PersonDetail,
    PersonRecord,
    SceneRecord,
    SightingRecord,
    ThresholdRecord,
    TrackSpan,
)

#: Image_id -> (height, width) of the scene, and whether its picture can be had.
Facts = dict[str, tuple[tuple[int, int] | None, bool]]


def facts_of(gallery: Gallery, sightings: Sequence[Sighting]) -> Facts:
    """Return what the records of some people say of their scenes; of one that is gone, nothing is known."""
    facts: Facts = {}
    for one in sightings:
        if one.image_id not in facts:
            scene = gallery.scene(one.image_id)
            facts[one.image_id] = (None if scene is None else scene.image_size, _has_picture(one))
    return facts


def _has_picture(one: Sighting) -> bool:
    return is_there(one) and Path(one.extra["path"]).is_file()


def sighting_records(gallery: Gallery, sightings: Sequence[Sighting]) -> list[SightingRecord]:
    """Return records of stored people."""
    facts = facts_of(gallery, sightings)
    return [SightingRecord(**_fields(one, facts)) for one in sightings]


def match_records(gallery: Gallery, matches: Sequence[Match]) -> list[MatchRecord]:
    """Return records of matches, each with how rare its similarity is among strangers."""
    facts, calibration = facts_of(gallery, matches), gallery.calibration
    records = []
    for match in matches:
        rate = false_match_rate(match.similarity, calibration)
        records.append(
            MatchRecord(
                **_fields(match, facts),
                similarity=match.similarity,
                probability=match.probability,
                false_match_rate=rate,
                one_in=None if rate is None else round(1 / rate),
            )
        )
    return records


def calibration_record(calibration: Calibration | None) -> CalibrationRecord | None:
    """Return what similarities mean, as far as the calibration could say."""
    if calibration is None:
        return None
    return CalibrationRecord(
        dataset=calibration.dataset,
        thresholds=[
            ThresholdRecord(
                rate=one.rate,
                one_in=round(1 / one.rate),
                similarity=one.similarity,
                true_match_rate=one.true_match_rate,
            )
            for one in calibration.thresholds
            if one.similarity is not None
        ],
        similarities=list(calibration.similarities),
        probabilities=list(calibration.probabilities),
    )


def scene_record(scene: StoredScene, people: Sequence[Sighting]) -> SceneRecord:
    """Return the record of a scene."""
    facts: Facts = {scene.image_id: (scene.image_size, any(map(_has_picture, people[:1])))}
    return SceneRecord(
        image_id=scene.image_id,
        camera=scene.camera,
        time=scene.time,
        time_text=text_of(scene.time),
        image_size=scene.image_size,
        people=[SightingRecord(**_fields(one, facts)) for one in people],
    )


def known_sightings(gallery: Gallery, detection_ids: Sequence[int]) -> list[Sighting]:
    """Return what a gallery has of some detections; those that are gone are absent."""
    try:
        return gallery.sightings(detection_ids)
    except GalleryCorruptError:
        raise
    except GalleryError:  # one of them is gone: who is still there?
        if len(detection_ids) == 1:
            return []
        return [found for number in detection_ids for found in known_sightings(gallery, [number])]


def person_records(gallery: Gallery, people: Sequence[Person]) -> tuple[list[PersonRecord], list[Sighting]]:
    """Return records of people, and the sightings that are their covers; who is erased meanwhile is absent."""
    covers = known_sightings(gallery, [cover_of(person) for person in people])
    records = {one.detection_id: one for one in sighting_records(gallery, covers)}
    listed = [
        PersonRecord(**_person(person), appearances=len(person.appearances), cover=records[cover_of(person)])
        for person in people
        if cover_of(person) in records
    ]
    return listed, covers


def person_detail(gallery: Gallery, person: Person) -> tuple[PersonDetail, list[Sighting]]:
    """Return everything about a person, and all sightings.

    Raises:
        Refused: 404, the person is being erased.
    """
    sightings = known_sightings(gallery, person.detection_ids)
    records = {one.detection_id: one for one in sighting_records(gallery, sightings)}
    if len(records) < len(person.detection_ids):
        raise Refused(404, f"person {person.person_id} is being erased, in part at least; ask again")
    detail = PersonDetail(
        **_person(person),
        cover=records[cover_of(person)],
        appearances=[
            AppearanceRecord(
                track_id=one.track_id,
                camera=one.camera,
                **_span(one.first, one.last),
                frames=one.frames,
                sightings=[records[number] for number in one.detection_ids],
            )
            for one in person.appearances
        ],
    )
    return detail, sightings


def cover_of(person: Person) -> int:
    """Return the detection_id of what shows a person best."""
    return best_views(person, 1)[0].detection_id


def decision_record(decision: Decision) -> DecisionRecord:
    """Return the record of a decision by hand."""
    return DecisionRecord(
        decision_id=decision.decision_id,
        what=decision.what,
        made=decision.made,
        made_text=time_text(decision.made),
        person_ids=list(decision.people),
        name=decision.name,
        text=decision.text,
    )


def text_of(seconds: float | None) -> str | None:
    """Write a time, if it is known."""
    return None if seconds is None else time_text(seconds)


def _span(first: float | None, last: float | None) -> dict[str, Any]:
    return {"first": first, "last": last, "first_text": text_of(first), "last_text": text_of(last)}


def _person(person: Person) -> dict[str, Any]:
    return {
        "person_id": person.person_id,
        "name": person.name,
        "by_hand": person.by_hand,
        "detections": len(person.detection_ids),
        "cameras": list(person.cameras),
        **_span(person.first, person.last),
    }


def _track(track: Track | None) -> TrackSpan | None:
    if track is None:
        return None
    return TrackSpan(track_id=track.track_id, **_span(track.first, track.last), frames=track.frames)


def _fields(one: Sighting, facts: Facts) -> dict[str, Any]:
    size, picture = facts[one.image_id]
    return {
        "detection_id": one.detection_id,
        "image_id": one.image_id,
        "box": one.box,
        "score": one.score,
        "camera": one.camera,
        "time": one.time,
        "time_text": text_of(one.time),
        "track_id": None if one.track is None else one.track.track_id,
        "track": _track(one.track),
        "person_id": one.person_id,
        "person_name": one.person_name,
        "image_size": size,
        "crop": f"/api/detections/{one.detection_id}/crop.jpg",
        "scene": f"/api/detections/{one.detection_id}/scene.jpg",
        "picture": picture,
    }
