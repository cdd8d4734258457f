"""What goes wrong in a request, as an answer: a status and a sentence that names no path of this machine."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from personsearch.durable import FULL_DISK
from personsearch.errors import (
    ConfigError,
    GalleryCorruptError,
    GalleryError,
    GalleryFullError,
    GalleryLockedError,
    GalleryMismatchError,
    ImageError,
    PersonSearchError,
)
from personsearch.gallery.faults import DATABASE

logger = logging.getLogger(__name__)

#: Seconds after which a client that was turned away may come again.
COME_AGAIN = 2

_LOCKED = "another process is writing to the gallery; try again in a moment"
_FULL = "the disk of the gallery is full; nothing of this was stored. Free some space, and send it again"
_UNWRITABLE = "the gallery cannot be written to: its disk or folder refuses; nothing was changed"
_DISK = "the gallery cannot be read or written at the moment; its disk refuses"
_CORRUPT = (
    "the gallery is damaged, or is no gallery any more; run 'personsearch gallery check' on the machine of the service"
)
_UNEXPECTED = "an unexpected fault of the service; its log says more"


class Refused(Exception):  # noqa: N818 - an answer, not an error of the program
    """A request that is answered with a status other than success, and a sentence.

    Attributes:
        status: of HTTP.
        sentence: which input, what is wrong with it, what to do.
        headers: of the answer.
    """

    def __init__(self, status: int, sentence: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = headers or {}


def busy(sentence: str, seconds: float = COME_AGAIN) -> Refused:
    """Return the refusal of a service that has too much to do, with the seconds after which to ask again."""
    return Refused(503, sentence, {"Retry-After": str(max(1, round(seconds)))})


def refused(error: PersonSearchError, gallery: Path) -> Refused:
    """Return how an error of the package is answered; sentences name the gallery by its folder's name alone.

    Example:
        >>> from personsearch.errors import ImageError
        >>> answer = refused(ImageError("/srv/people: k must be at least 1"), Path("/srv/people"))
        >>> answer.status, answer.sentence
        (400, 'people: k must be at least 1')
    """
    match error:
        case GalleryLockedError():
            return Refused(409, _LOCKED, {"Retry-After": str(COME_AGAIN)})
        case GalleryFullError():
            return Refused(507, _FULL)
        case GalleryError() if _errno(error) is not None:
            logger.error("%s", error)
            return Refused(507, _FULL) if _errno(error) in FULL_DISK else Refused(409, _UNWRITABLE)
        case GalleryError() if isinstance(error.__cause__, sqlite3.Error) and not isinstance(
            error, GalleryCorruptError
        ):
            logger.error("%s", error)
            return busy(_DISK)
        case GalleryCorruptError():
            logger.error("%s", error)
            return Refused(500, _CORRUPT)
        case GalleryMismatchError():
            return Refused(409, without_path(str(error), gallery))
        case ConfigError() | ImageError() | GalleryError():
            return Refused(400, without_path(str(error), gallery))
        case _:
            logger.error("%s: %s", type(error).__name__, error)
            return Refused(500, _UNEXPECTED)


def _errno(error: Exception) -> int | None:
    """Return what the system said when a file of the gallery could not be written; None where that is not the cause."""
    cause = error.__context__
    return cause.errno if isinstance(cause, OSError) else None


def without_path(sentence: str, gallery: Path) -> str:
    """Write a gallery's name where a sentence has the path of its folder or database.

    Args:
        sentence: of an error.
        gallery: its folder, absolute.

    Example:
        >>> without_path("/srv/people/gallery.sqlite: cannot be opened", Path("/srv/people"))
        'people: cannot be opened'
    """
    name = gallery.name or "the gallery"
    for path in {str(gallery), str(gallery.resolve())} - {"/"}:
        sentence = sentence.replace(f"{path}/{DATABASE}", name).replace(path, name)
    return sentence


def answer(refusal: Refused) -> JSONResponse:
    """Return the JSON of a refusal."""
    return JSONResponse({"error": refusal.sentence}, refusal.status, refusal.headers)


def unexpected() -> JSONResponse:
    """Return the answer to what nobody foresaw."""
    return JSONResponse({"error": _UNEXPECTED}, 500)


def invalid(error: RequestValidationError) -> JSONResponse:
    """Return the answer to a request whose values are of the wrong kind; it repeats none of them."""
    return JSONResponse({"error": "; ".join(_problem(one) for one in error.errors()[:3])}, 422)


def _problem(one: dict[str, Any]) -> str:
    where = _place(one.get("loc", ()))
    if one.get("type") == "missing":
        return f"{where} is missing"
    if one.get("type") == "json_invalid":
        return "the body is no valid JSON"
    return f"{where}: {str(one.get('msg', 'cannot be used')).strip()}"


def _place(loc: Sequence[Any]) -> str:
    names = [str(part)[:40] for part in loc if part not in ("query", "body", "path", "header", "cookie")]
    return ".".join(names) or "the body"
