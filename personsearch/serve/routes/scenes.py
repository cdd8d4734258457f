"""Scenes: listing them, adding one, erasing some."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from personsearch.errors import GalleryMismatchError, ImageError
from personsearch.gallery import Gallery
from personsearch.pictures.decode import load_picture
from personsearch.results import Detections, StoredScene
from personsearch.searcher import PersonSearcher
from personsearch.serve.faults import Refused
from personsearch.serve.records import Removed, ScenesPage, StoredRecord
from personsearch.serve.routes.common import Cameras, Sent, Since, Until, form_of, picture_field, refusals
from personsearch.serve.service import Ours, Service
from personsearch.serve.telling import scene_record, sighting_records
from personsearch.serve.uploads import about_picture, require_picture

router = APIRouter(prefix="/api/scenes", tags=["scenes"])

#: Signs of an image_id and of a camera's name.
_MOST_SIGNS = 1000
#: Seconds since 1970 beyond which no scene was.
_LATEST = 1e11


@router.get("", summary="Scenes with their people", responses=refusals(400, 404))
def scenes(
    service: Ours,
    camera: Cameras = None,
    since: Since = None,
    until: Until = None,
    after: Annotated[str | None, Query(description="The 'next' of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    newest_first: Annotated[bool, Query(description="The latest time first.")] = True,
) -> ScenesPage:
    """Return scenes by time; those without a time come last."""
    with service.desk.reading() as gallery:
        if after is not None and gallery.scene(after) is None:
            raise Refused(404, "after: this scene was erased; begin again without it")
        listed = gallery.scenes.page(
            cameras=camera, since=since, until=until, after=after, limit=limit + 1, newest_first=newest_first
        )
        shown = listed[:limit]
        people = gallery.scenes.people([one.image_id for one in shown])
        service.crops.expect(sighting for some in people for sighting in some)
    return ScenesPage(
        scenes=[scene_record(scene, some) for scene, some in zip(shown, people, strict=True)],
        next=shown[-1].image_id if len(listed) > limit else None,
    )


@router.post(
    "",
    status_code=201,
    summary="Add a scene",
    responses={
        200: {"model": StoredRecord, "description": "It was stored already."},
        **refusals(400, 409, 413, 415, 507),
    },
    openapi_extra=form_of(
        {
            "picture": picture_field(),
            "image_id": {"type": "string", "description": "The scene's name, unique in the gallery."},
            "camera": {"type": "string", "description": "That took it."},
            "time": {"type": "number", "description": "Seconds, on one clock for all scenes."},
            "replace": {"type": "boolean", "description": "Let it replace a scene of that name with other content."},
        },
        ("picture", "image_id"),
    ),
)
def add(service: Ours, form: Sent, response: Response) -> StoredRecord:
    """Find everybody in a picture and store them; when this answers, they are on the disk.

    The picture itself is kept where the service was started with --pictures FOLDER, and not at all otherwise.
    """
    service.desk.require_writable()
    data, image_id, camera = form.picture(), _name(form, "image_id"), _name(form, "camera")
    time, replace = form.number("time"), form.flag("replace")
    if time is not None and abs(time) > _LATEST:
        raise Refused(400, f"time: must be seconds from -{_LATEST:.0e} to {_LATEST:.0e}")
    if image_id is None:
        raise Refused(400, "image_id: is missing; it is the name of the scene in the gallery")
    require_picture(data)
    sha256 = hashlib.sha256(data).hexdigest()
    with service.desk.reading() as gallery:
        known = gallery.scene(image_id)
    if known is None or known.extra.get("sha256") != sha256:
        if known is not None and not replace:
            raise _other_content(image_id)
        detections, extra = _looked_at(service, data)
        with service.desk.writing() as gallery:
            stored = _store(service, gallery, image_id, data, (detections, camera, time, {"sha256": sha256, **extra}))
    else:
        stored = False
        if camera is not None or time is not None:
            with service.desk.writing() as gallery:
                gallery.label(image_id, camera=camera, time=time)
    with service.desk.reading() as gallery:
        [people] = gallery.scenes.people([image_id])
        records = sighting_records(gallery, people)
        scene = gallery.scene(image_id)
    response.status_code = 201 if stored else 200
    kept = scene is not None and isinstance(scene.extra.get("path"), str)
    return StoredRecord(image_id=image_id, people=records, stored=stored, picture=kept)


@router.delete("", summary="Erase scenes", responses=refusals(400, 409))
def remove(
    service: Ours,
    image_id: Annotated[list[str] | None, Query(description="Of a scene; may be repeated.")] = None,
    before: Annotated[
        float | None, Query(allow_inf_nan=False, description="Erase all scenes with a time (seconds) below this.")
    ] = None,
) -> Removed:
    """Erase scenes and their people, overwriting the rows; and the pictures that the service kept of them."""
    if not image_id and before is None:
        raise Refused(400, "say which scenes to erase: image_id, or before with a time in seconds")
    with service.desk.writing() as gallery:
        doomed = [scene for scene in map(gallery.scene, image_id or ()) if scene is not None]
        if before is not None and service.pictures is not None:
            doomed += _older(gallery, before)
        if service.pictures is not None:  # first, so that a kill leaves no picture that nobody knows of
            for scene in doomed:
                service.pictures.erase(scene)
        removed = gallery.remove(image_id or None, before=before)
    service.forget_erased()
    return Removed(removed=removed)


def _name(form: Any, field: str) -> str | None:
    text: str | None = form.one(field)
    if text is None:
        return None
    if len(text) > _MOST_SIGNS or not text.isprintable():
        raise Refused(400, f"{field}: must be at most {_MOST_SIGNS} signs, none of them a control character")
    return text


def _other_content(image_id: str) -> Refused:
    return Refused(
        409,
        f"image_id {image_id!r}: is stored with other content; send replace=true, or use another image_id",
    )


def _looked_at(service: Service, data: bytes) -> tuple[Detections, dict[str, Any]]:
    """Return the people of a picture, and what a gallery keeps of how it was read."""

    def look(searcher: PersonSearcher) -> tuple[Detections, tuple[float, float] | None]:
        picture = load_picture(data)
        # The same pixels, unless JPEGs are decoded at a part of their size.
        return searcher.detect(data if searcher.spec.fast_decode else picture.pixels), picture.value_range

    try:
        found, value_range = service.network.run(look)
    except ImageError as error:
        raise about_picture(error, data, "picture") from None
    service.metrics.looked_at(1, len(found))
    return found, {} if value_range is None else {"value_range": list(value_range)}


def _store(
    service: Service,
    gallery: Gallery,
    image_id: str,
    data: bytes,
    content: tuple[Detections, str | None, float | None, dict[str, Any]],
) -> bool:
    """Store a scene, its picture first: a picture without a scene is garbage, a scene without its picture is a loss."""
    detections, camera, time, extra = content
    before: StoredScene | None = gallery.scene(image_id)
    replaces = before is not None and before.extra.get("sha256") != extra["sha256"]
    path = None
    if service.pictures is not None:
        path = service.pictures.keep(image_id, extra["sha256"], data)
        extra = {**extra, "path": str(path)}
    try:
        stored = gallery.add(image_id, detections, camera=camera, time=time, extra=extra, replace=replaces)
    except GalleryMismatchError:  # somebody else stored a scene of this name in between
        now = gallery.scene(image_id)
        if now is None or now.extra.get("sha256") != extra["sha256"]:
            raise _other_content(image_id) from None
        return False
    except BaseException:
        if path is not None and (before is None or before.extra.get("path") != str(path)):
            path.unlink(missing_ok=True)
        raise
    if service.pictures is not None and replaces and before is not None:
        service.pictures.erase(before)
    return stored


def _older(gallery: Gallery, before: float) -> list[StoredScene]:
    """Return the scenes with a time below this."""
    found: list[StoredScene] = []
    while page := gallery.scenes.page(
        until=before, after=found[-1].image_id if found else None, limit=500, newest_first=False
    ):
        found += page
    return [scene for scene in found if scene.time is not None and scene.time < before]
