"""Searching: who is in a picture, and where in the gallery somebody is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from fastapi import APIRouter
from pydantic import ValidationError

from personsearch.boxes import look_normalised
from personsearch.errors import ImageError
from personsearch.gallery import Gallery
from personsearch.gallery.known import Known, known, require_one_kind
from personsearch.pictures.decode import load_picture
from personsearch.results import Detections, Match, QueryPerson
from personsearch.searcher import PersonSearcher
from personsearch.serve.embeddings import found_people, from_texts
from personsearch.serve.faults import Refused
from personsearch.serve.parts import MOST_PICTURES
from personsearch.serve.records import Found, FoundByPicture, FoundPeople, MatchRecord, QueryRecord, SearchFor
from personsearch.serve.routes.common import Sent, form_of, picture_field, refusals
from personsearch.serve.service import Ours, Service
from personsearch.serve.telling import match_records
from personsearch.serve.uploads import Form, about_picture, require_picture

router = APIRouter(prefix="/api", tags=["search"])

#: Matches of one answer.
MOST_MATCHES = 2000

_BOX = {"type": "string", "description": "x1,y1,x2,y2 in pixels of the upright picture.", "examples": ["10,20,90,260"]}


@router.post(
    "/detect",
    summary="Who is in a picture",
    responses=refusals(400, 413, 415),
    openapi_extra=form_of({"picture": picture_field()}, ("picture",)),
)
def detect(service: Ours, form: Sent) -> FoundPeople:
    """Find and embed everybody in a picture; nothing of it is kept."""
    data = form.picture()
    require_picture(data)
    try:
        found = service.network.run(lambda searcher: searcher.detect(data))
    except ImageError as error:
        raise about_picture(error, data, "picture") from None
    service.metrics.looked_at(1, len(found))
    return found_people(found)


@router.post(
    "/embed",
    summary="Embed somebody in a given box",
    responses=refusals(400, 413, 415),
    openapi_extra=form_of({"picture": picture_field(), "box": _BOX}, ("picture", "box")),
)
def embed(service: Ours, form: Sent) -> FoundPeople:
    """Embed a person whom the detector missed, in a box that is drawn by hand; it is clipped to the picture."""
    data, [box] = form.picture(), _boxes(form, 1)
    require_picture(data)
    if box is None:
        raise Refused(400, "box: is missing; send x1,y1,x2,y2 in pixels of the picture")
    try:
        person, (height, width) = service.network.run(
            lambda searcher: (searcher.find_query(data, box), load_picture(data, least=lambda _: (1, 1)).image_size)
        )
    except ImageError as error:
        raise about_picture(error, data, "picture") from None
    service.metrics.looked_at(1, 0)
    one = Detections(
        boxes=np.array([person.box], dtype=np.float32),
        scores=np.zeros(1, dtype=np.float32),
        embeddings=person.embedding[None],
        image_size=(height, width),
    )
    return found_people(one, scored=False)


@router.post("/search", summary="Where somebody is", responses=refusals(400, 404))
def search(service: Ours, query: SearchFor) -> Found:
    """Find a person in the gallery: by embeddings of pictures, or somebody who is stored already.

    Matches that were right (like) move the search towards them, those that were wrong (unlike) away from them. No
    network runs, so that it takes milliseconds.
    """
    return Found(matches=_search(service, query, None))


@router.post(
    "/search/picture",
    summary="Where the person of a picture is",
    responses=refusals(400, 404, 413, 415),
    openapi_extra=form_of(
        {
            "picture": {
                "type": "array",
                "maxItems": MOST_PICTURES,
                "items": picture_field(),
                "description": "One picture or several of the same person.",
            },
            "box": {"type": "array", "items": _BOX, "description": "One for each picture, in their order; or none."},
            **{
                name: {"description": str(field.description or "")}
                for name, field in SearchFor.model_fields.items()
                if name not in ("embeddings", "track", "person", "detection")
            },
        },
        ("picture",),
    ),
)
def search_picture(service: Ours, form: Sent) -> FoundByPicture:
    """Find the person of one picture, or of several of the same person, in one call.

    That is the person in the box; without a box the picture if it is one person, else the detection with the highest
    score. The other fields are those of /api/search.
    """
    if not form.pictures:
        raise Refused(400, "picture: none was sent; send one as a file (curl: -F picture=@FILE)")
    boxes, query = _boxes(form, len(form.pictures)), _query_of(form)
    for number, data in enumerate(form.pictures):
        require_picture(data, _name(form, number))

    def find(searcher: PersonSearcher) -> Iterator[QueryPerson]:
        for number, (data, box) in enumerate(zip(form.pictures, boxes, strict=True)):
            try:
                yield searcher.find_query(data, box)
            except ImageError as error:
                raise about_picture(error, data, _name(form, number)) from None

    people = service.network.run(lambda searcher: list(find(searcher)))
    service.metrics.looked_at(len(people), len(people))
    target = Known(embeddings=np.stack([one.embedding for one in people]))
    return FoundByPicture(
        matches=_search(service, query, target),
        queries=[QueryRecord(box=one.box, score=one.score, whole_picture=one.whole_picture) for one in people],
    )


def _search(service: Service, query: SearchFor, target: Known | None) -> list[MatchRecord]:
    with service.desk.reading() as gallery:
        if query.per_camera and query.k * max(1, len(gallery.info().cameras)) > MOST_MATCHES:
            raise Refused(400, f"k: with per_camera, k times the cameras is {MOST_MATCHES} at most; send less")
        pictured = target is not None or bool(query.embeddings)
        whom = _target(gallery, query) if target is None else target
        stored = query.track is not None or query.person is not None or query.detection is not None
        matches: list[Match] = gallery.search(
            whom.embeddings,
            query.k,
            cameras=query.cameras or None,
            since=query.since,
            until=query.until,
            exclude_images=query.exclude_images or None,
            exclude_detections=whom.detection_ids,
            min_similarity=query.min_similarity,
            max_false_match_rate=query.max_false_match_rate,
            one_per_image=query.one_per_image,
            one_per_track=query.one_per_track,
            per_camera=query.per_camera,
            combine=query.combine,
            like=query.like if pictured or stored else (),
            unlike=query.unlike,
        )
        records = match_records(gallery, matches)
    service.crops.expect(matches)
    return records


def _target(gallery: Gallery, query: SearchFor) -> Known:
    """Return whom a search is for.

    Raises:
        Refused: 404, there is no such track, person or detection.
        ImageError: nobody is given, or several kinds of people.
    """
    require_one_kind(
        {
            "embeddings": bool(query.embeddings),
            "track": query.track is not None,
            "person": query.person is not None,
            "detection": query.detection is not None,
        },
        like=bool(query.like),
        nobody="there is nobody to look for; give embeddings (of /api/detect), a track, a person, a detection or like",
    )
    if query.embeddings:
        return Known(embeddings=from_texts(query.embeddings, gallery.embedding_size))
    if query.track is not None and gallery.tracks.get(query.track) is None:
        raise Refused(404, f"there is no track {query.track} here")
    if query.person is not None and gallery.people.get(query.person) is None:
        raise Refused(404, f"there is no person {query.person} here")
    if query.detection is not None:
        found = known(gallery, like=[query.detection])
        return Known(embeddings=found.embeddings, detection_ids=(query.detection,))
    return known(gallery, track=query.track, person=query.person, like=query.like)


def _query_of(form: Form) -> SearchFor:
    """Return the fields of a form as the body of /api/search."""
    several = {"like", "unlike", "cameras", "exclude_images"}
    values: dict[str, Any] = {}
    for name, texts in form.fields.items():
        if name == "box":
            continue
        if name not in SearchFor.model_fields or name in ("embeddings", "track", "person", "detection"):
            raise Refused(400, f"{name[:40]!r}: there is no such field here")
        values[name] = texts if name in several else form.one(name)
    try:
        return SearchFor.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise Refused(422, f"{where}: {first['msg']}") from None


def _boxes(form: Form, pictures: int) -> Sequence[tuple[float, ...] | None]:
    """Return the box of each picture; None where none was given."""
    texts = form.fields.get("box", [])
    if not texts:
        return [None] * pictures
    if len(texts) != pictures:
        raise Refused(400, f"box: {len(texts)} were sent for {pictures} pictures; send one for each, or none at all")
    return [_box(text) for text in texts]


def _box(text: str) -> tuple[float, ...]:
    try:
        corners = tuple(float(part) for part in text.split(","))
    except ValueError:
        corners = ()
    if len(corners) != 4 or not np.isfinite(corners).all():
        raise Refused(400, "box: must be four numbers x1,y1,x2,y2 in pixels")
    if look_normalised(np.array([corners], dtype=np.float64)):
        raise Refused(400, "box: looks like fractions of the picture (0 to 1); send pixels")
    return corners


def _name(form: Form, number: int) -> str:
    return "picture" if len(form.pictures) == 1 else f"picture {number + 1}"
