"""The page, its files, and the page that shows what the service answers to.

FastAPI's own page of this kind fetches its scripts from elsewhere; this one is a small one of ours, without a script
that is not here.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from personsearch.serve.faults import Refused
from personsearch.serve.routes.common import tagged

router = APIRouter(include_in_schema=False)

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}


def folder_of(name: str) -> Path:
    """Return a folder of static files that come with the package: ``"page"`` or ``"assets"``."""
    return Path(str(files("personsearch"))) / "serve" / name


@cache
def static_files(name: str) -> dict[str, Path]:
    """Return what may be asked for of such a folder: address below it -> file."""
    folder = folder_of(name)
    return {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.suffix in TYPES and path.is_file() and not path.is_symlink()
    }


@router.get("/")
def index(request: Request) -> Response:
    """Answer with the page."""
    return _static(request, "page", "index.html")


@router.get("/page/{name:path}")
def page(request: Request, name: str) -> Response:
    """Answer with a file of the page."""
    return _static(request, "page", name)


@router.get("/favicon.ico")
def favicon(request: Request) -> Response:
    """Answer with the page's icon."""
    return _static(request, "page", "icon.svg")


@router.get("/docs")
def docs(request: Request) -> Response:
    """Answer with the page that shows the routes."""
    return _static(request, "assets", "docs.html")


@router.get("/docs/{name}")
def docs_file(request: Request, name: str) -> Response:
    """Answer with a file of that page."""
    return _static(request, "assets", name)


@router.get("/openapi.json")
def openapi(request: Request) -> Response:
    """Answer with the description of the routes for programs."""
    return JSONResponse(request.app.openapi())


def _static(request: Request, folder: str, name: str) -> Response:
    """Answer with a file that is one of those that are there; the name is only ever looked up among them."""
    path = static_files(folder).get(name)
    if path is None:
        raise Refused(404, "there is no such page here")
    return tagged(request, path.read_bytes(), TYPES[path.suffix], {"Cache-Control": "no-cache"})
