"""What routes share: what they say of themselves to OpenAPI, and files that a browser keeps."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request, Response

from personsearch.serve.records import Fault
from personsearch.serve.uploads import Form, read_form

#: The parameter of a route that is a form with pictures.
Sent = Annotated[Form, Depends(read_form)]
Number = Annotated[int, Path(ge=1, le=2**53)]
Cameras = Annotated[list[str] | None, Query(description="Only scenes of these cameras.")]
Since = Annotated[float | None, Query(allow_inf_nan=False, description="Only what is at this time (seconds) or later.")]
Until = Annotated[
    float | None, Query(allow_inf_nan=False, description="Only what is at this time (seconds) or earlier.")
]

_WHY = {
    400: "A value cannot be used.",
    401: "The token is missing or wrong.",
    403: "The request comes from the page of another site, or calls the service by another host's name.",
    404: "There is no such thing here, or not any more.",
    409: "Another process is writing, the service only reads, or it contradicts what is stored.",
    413: "The request or its picture is too large.",
    415: "It is no picture, or no form.",
    422: "A value is missing or of the wrong kind.",
    503: "Too much to do, or the gallery is gone; the header Retry-After says when to come again.",
    507: "The disk is full; nothing was stored.",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return how a route may refuse, for its documentation; what every route may answer is added."""
    return {
        status: {"model": Fault, "description": _WHY[status]} for status in sorted({400, 401, 403, 422, 503, *statuses})
    }


def form_of(properties: dict[str, dict[str, Any]], required: tuple[str, ...]) -> dict[str, Any]:
    """Return the documentation of a form with pictures: name -> its schema."""
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def picture_field(description: str = "A JPEG, PNG, WebP, TIFF, AVIF or HEIC, sent as a file.") -> dict[str, Any]:
    """Return the schema of a picture in a form."""
    return {"type": "string", "format": "binary", "description": description}


def jpeg_answer(description: str) -> dict[int | str, dict[str, Any]]:
    """Return the documentation of a route that answers with a picture."""
    return {
        200: {
            "description": description,
            "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
        }
    }


def tagged(request: Request, data: bytes, media_type: str, headers: Mapping[str, str]) -> Response:
    """Answer with a file, or with nothing but its tag where the browser has it already."""
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    headers = {"ETag": tag, **headers}
    known = {one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")}
    if tag in known:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=media_type, headers=headers)
