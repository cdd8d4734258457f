"""What the gallery is, and when its scenes were."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from personsearch.pictures.times import is_date, time_text
from personsearch.serve.faults import Refused
from personsearch.serve.records import BinRecord, CameraCount, Example, GalleryRecord, Timeline
from personsearch.serve.routes.common import Cameras, Since, Until, jpeg_answer, refusals
from personsearch.serve.service import Ours
from personsearch.serve.telling import calibration_record, text_of
from personsearch.version import __version__

router = APIRouter(prefix="/api", tags=["gallery"])

_EXAMPLE = "/api/example.jpg"


@router.get("/gallery", summary="What the gallery holds", responses=refusals())
def gallery(service: Ours) -> GalleryRecord:
    """Return counts, cameras and times, what similarities mean, and what the service takes."""
    with service.desk.reading() as opened:
        info, span, ungrouped = opened.info(), opened.scenes.span(), opened.people.ungrouped
        calibration = opened.calibration
    first, last = span or (None, None)
    return GalleryRecord(
        name=service.desk.name,
        images=info.images,
        people=info.people,
        tracks=info.tracks,
        persons=info.persons,
        ungrouped=ungrouped,
        weights=info.weights.rpartition("/")[2] if info.weights.startswith(("/", "~", ".")) else info.weights,
        cameras=[CameraCount(camera=name, images=count) for name, count in info.cameras.items()],
        first=first,
        last=last,
        first_text=text_of(first),
        last_text=text_of(last),
        is_date=first is not None and is_date(first),
        writable=not service.desk.read_only,
        stores_pictures=service.pictures is not None and not service.desk.read_only,
        max_upload_bytes=service.max_upload,
        version=__version__,
        calibration=calibration_record(calibration),
        example=None if service.example is None else Example(url=_EXAMPLE),
    )


@router.get(
    "/example.jpg",
    summary="A picture to try",
    response_class=Response,
    responses={**refusals(404), **jpeg_answer("The picture.")},
)
def example(service: Ours) -> Response:
    """Return a picture with people of the gallery; there is one with --demo."""
    if service.example is None:
        raise Refused(404, "there is no example picture here; 'personsearch serve --demo' has one")
    return Response(service.example, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


@router.get("/timeline", summary="How many scenes and people there are when", responses=refusals(400))
def timeline(
    service: Ours,
    camera: Cameras = None,
    since: Since = None,
    until: Until = None,
    bins: Annotated[int, Query(ge=1, le=2000, description="Into how many equal parts the time is cut.")] = 96,
) -> Timeline:
    """Cut the time of the scenes into equal parts, and count scenes and people in each.

    The scenes of a part come from /api/scenes with its start and end.
    """
    with service.desk.reading() as opened:
        parts = opened.scenes.timeline(bins, cameras=camera, since=since, until=until)
        cameras = sorted(opened.info().cameras)
    first, last = (parts[0].start, parts[-1].end) if parts else (None, None)
    return Timeline(
        first=first,
        last=last,
        first_text=text_of(first),
        last_text=text_of(last),
        is_date=first is not None and is_date(first),
        bins=[
            BinRecord(
                start=one.start,
                end=one.end,
                start_text=time_text(one.start),
                end_text=time_text(one.end),
                scenes=one.scenes,
                people=one.people,
            )
            for one in parts
        ],
        cameras=cameras,
    )
