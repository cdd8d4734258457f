"""Stored people and their pictures. Which file is read is what the gallery says, never what a request does."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from personsearch.serve.faults import Refused
from personsearch.serve.records import SceneRecord, SightingRecord
from personsearch.serve.routes.common import Number, jpeg_answer, refusals, tagged
from personsearch.serve.service import Ours
from personsearch.serve.telling import scene_record, sighting_records

router = APIRouter(prefix="/api/detections", tags=["pictures"])

#: Seconds that a browser shows a picture without asking: somebody who is erased is seen there as long at most.
_FRESH = 60
_CACHED = {"Cache-Control": f"private, max-age={_FRESH}"}


@router.get("/{number}", summary="One stored person", responses=refusals(404))
def detection(service: Ours, number: Number) -> SightingRecord:
    """Return where and when a stored person was seen."""
    sighting = service.sighting(number)
    with service.desk.reading() as gallery:
        [record] = sighting_records(gallery, [sighting])
    return record


@router.get("/{number}/scene", summary="Everybody in the scene of a stored person", responses=refusals(404))
def scene_of(service: Ours, number: Number) -> SceneRecord:
    """Return the scene that a person was found in, with everybody who is stored of it."""
    image_id = service.sighting(number).image_id
    with service.desk.reading() as gallery:
        scene, [people] = gallery.scene(image_id), gallery.scenes.people([image_id])
    if scene is None:
        raise Refused(404, "this scene was erased a moment ago")
    return scene_record(scene, people)


@router.get(
    "/{number}/crop.jpg",
    summary="A picture of a stored person",
    response_class=Response,
    responses={**refusals(404), **jpeg_answer("The person with a little around; never magnified.")},
)
def crop(
    service: Ours,
    request: Request,
    number: Number,
    height: Annotated[int, Query(ge=64, le=1024, description="Of the picture at most, pixels.")] = 256,
) -> Response:
    """Return a picture of the person, cut out of the scene's file, which must hold what it held when it was indexed."""
    sighting = service.sighting(number)
    return tagged(request, service.crops.crop(sighting, height, service.sightings), "image/jpeg", _CACHED)


@router.get(
    "/{number}/scene.jpg",
    summary="The scene of a stored person",
    response_class=Response,
    responses={
        **refusals(404),
        **jpeg_answer("The whole scene, nothing drawn into it; X-Scene-Width and X-Scene-Height are its own size."),
    },
)
def scene(
    service: Ours,
    request: Request,
    number: Number,
    width: Annotated[int, Query(ge=64, le=8192, description="Of the picture at most, pixels.")] = 1280,
) -> Response:
    """Return the picture of the scene that the person was found in."""
    data, (whole_width, whole_height) = service.crops.scene(service.sighting(number), width)
    size = {"X-Scene-Width": str(whole_width), "X-Scene-Height": str(whole_height)}
    return tagged(request, data, "image/jpeg", {**_CACHED, **size})
