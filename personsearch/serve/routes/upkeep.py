"""What is about the service itself: health, metrics, sessions."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from personsearch.errors import GalleryCorruptError, GalleryError
from personsearch.serve.access import SESSION_SECONDS, cookie_name
from personsearch.serve.faults import Refused
from personsearch.serve.records import Health, SessionBegun, Token
from personsearch.serve.routes.common import refusals
from personsearch.serve.service import Ours, Service
from personsearch.version import __version__

router = APIRouter(tags=["service"])

State = Literal["ok", "damaged", "gone", "unreadable"]


@router.get(
    "/health",
    summary="Whether the service can do its work",
    responses={503: {"model": Health, "description": "The gallery cannot be read."}},
)
def health(service: Ours, response: Response) -> Health:
    """Return 200 while the gallery can be read, 503 while it cannot. Needs no token."""
    state = _state(service)
    response.status_code = 200 if state == "ok" else 503
    return Health(
        status="ok" if state == "ok" else "degraded",
        version=__version__,
        gallery=state,
        writable=not service.desk.read_only,
        waiting=service.network.waiting,
    )


@router.get(
    "/metrics",
    summary="Counts for Prometheus",
    response_class=PlainTextResponse,
    responses={**refusals(), 200: {"description": "Prometheus' text.", "content": {"text/plain": {}}}},
)
def metrics(service: Ours) -> Response:
    """Return requests by route and status, their seconds, what the network did, what the gallery holds."""
    counts: dict[str, int] = {}
    try:
        with service.desk.reading() as gallery:
            counts = {
                "scenes": gallery.num_images,
                "people": len(gallery),
                "tracks": len(gallery.tracks),
                "persons": len(gallery.people),
            }
    except (GalleryError, Refused):
        counts = {}
    return Response(service.metrics.text(counts), media_type="text/plain; version=0.0.4; charset=utf-8")


@router.post("/api/session", summary="Begin a session of the page", responses=refusals(401))
def begin(service: Ours, request: Request, response: Response, given: Token) -> SessionBegun:
    """Exchange the token for a cookie, since a page cannot send a header with the address of a picture."""
    if service.access.token is None:
        return SessionBegun(ok=True, token_needed=False)
    if not service.access.is_token(given.token.strip()):
        raise Refused(401, "token: is not that of this service", {"WWW-Authenticate": "Bearer"})
    response.set_cookie(
        cookie_name(request.headers["host"]),
        service.access.sessions.begin(),
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
        path="/",
    )
    return SessionBegun(ok=True, token_needed=True)


@router.delete("/api/session", summary="End the session of the page", responses=refusals())
def end(service: Ours, request: Request, response: Response) -> SessionBegun:
    """End the session; the cookie is worth nothing afterwards."""
    name = cookie_name(request.headers["host"])
    service.access.sessions.end(request.cookies.get(name, ""))
    response.delete_cookie(name, path="/", httponly=True, samesite="strict")
    return SessionBegun(ok=True, token_needed=service.access.token is not None)


def _state(service: Service) -> State:
    try:
        with service.desk.reading() as gallery:
            gallery.scenes.span()
            len(gallery)
    except GalleryCorruptError:
        return "damaged"
    except Refused:
        return "gone"
    except GalleryError:
        return "unreadable"
    return "ok"
