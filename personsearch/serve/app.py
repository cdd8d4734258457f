"""``create_app``: a gallery as an ASGI application."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from personsearch.errors import PersonSearchError
from personsearch.searcher import PersonSearcher
from personsearch.serve import faults
from personsearch.serve.access import Access
from personsearch.serve.crops import Crops
from personsearch.serve.desk import Desk
from personsearch.serve.guard import Guard
from personsearch.serve.metrics import Metrics
from personsearch.serve.network import Network
from personsearch.serve.roster import Roster
from personsearch.serve.routes import ROUTERS
from personsearch.serve.service import Service
from personsearch.serve.storing import PictureFolder
from personsearch.version import __version__

#: Bytes of the pictures of one request.
MAX_UPLOAD = 32 * 2**20

_DESCRIPTION = (
    "Find a person in a gallery of scenes. Boxes are x1, y1, x2, y2 in pixels of the original upright picture; times "
    "are seconds, since 1970 or since a video began; an embedding is base64 of little-endian float32 of unit length. "
    'Whatever is refused is answered with {"error": "..."}.'
)


def create_app(
    gallery: str | os.PathLike[str],
    searcher: PersonSearcher,
    *,
    access: Access | None = None,
    read_only: bool = False,
    pictures: str | os.PathLike[str] | None = None,
    max_upload: int = MAX_UPLOAD,
    example: bytes | None = None,
) -> FastAPI:
    """Return a gallery as an ASGI application: the REST service and its page.

    Args:
        gallery: its folder; it must be there. A reader stays open, and a writer is opened for each piece of work, so
            that other processes may write to it too.
        searcher: of the weights whose embeddings the gallery holds.
        access: who may ask; default whoever is on this machine, without a token.
        read_only: refuse all that writes.
        pictures: folder to keep pictures of new scenes in; None = they are kept nowhere.
        max_upload: bytes of the pictures of one request at most.
        example: a JPEG that the page offers to try.

    Raises:
        ConfigError: the folder of pictures cannot be made.
        GalleryError: there is no gallery, or it cannot be read.
        GalleryMismatchError: it holds embeddings of other weights.

    Example:
        >>> from personsearch.serve import create_app
        >>> app = create_app(gallery.path, searcher)
        >>> app.openapi()["paths"]["/api/search"]["post"]["summary"]
        'Where somebody is'
        >>> import uvicorn
        >>> uvicorn.run(app, host="127.0.0.1", port=8000)  # doctest: +SKIP
    """
    desk = Desk(Path(gallery), searcher.spec, searcher.calibration, read_only=read_only)
    service = Service(
        desk=desk,
        roster=Roster(desk.folder),
        network=Network(searcher),
        crops=Crops(),
        access=access or Access(),
        metrics=Metrics(),
        pictures=None if pictures is None else PictureFolder(Path(pictures)),
        example=example,
        max_upload=max_upload,
    )
    service.metrics.follow(lambda: service.network.waiting)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.network.close()
        service.desk.close()

    app = FastAPI(
        title="personsearch",
        description=_DESCRIPTION,
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.state.service = service
    for router in ROUTERS:
        app.include_router(router)

    def on_package_error(_: Request, error: PersonSearchError) -> JSONResponse:
        return faults.answer(faults.refused(error, service.desk.folder))

    # Each is called with errors of its own kind alone, which the types of Starlette cannot say.
    app.add_exception_handler(PersonSearchError, on_package_error)  # type: ignore[arg-type]
    app.add_exception_handler(faults.Refused, _on_refused)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, _on_invalid)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, _on_http)  # type: ignore[arg-type]
    app.add_middleware(Guard, access=service.access, metrics=service.metrics, max_upload=max_upload)
    return app


def _on_refused(_: Request, error: faults.Refused) -> JSONResponse:
    return faults.answer(error)


def _on_invalid(_: Request, error: RequestValidationError) -> JSONResponse:
    return faults.invalid(error)


def _on_http(_: Request, error: HTTPException) -> JSONResponse:
    sentences = {
        400: "the body cannot be read; send JSON in UTF-8",
        404: "there is no such address here",
        405: "this address does not go with this method",
    }
    headers = dict(error.headers or {})
    return JSONResponse({"error": sentences.get(error.status_code, str(error.detail))}, error.status_code, headers)
