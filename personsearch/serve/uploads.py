"""Forms with pictures, read into memory and never onto a disk; and what is taken for a picture at all."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from PIL import Image
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from personsearch.errors import ImageError
from personsearch.pictures.decode import describe, open_image
from personsearch.serve.faults import Refused

#: Pictures of one request.
MOST_PICTURES = 16
#: Other fields of one request.
MOST_FIELDS = 600
#: Bytes of one field that is no picture.
MOST_FIELD_BYTES = 16 * 1024
#: Pixels of a picture; beyond it, Pillow warns of decompression bombs too.
MOST_PIXELS = 89_000_000
#: What pictures may be. Pillow reads more, some of it with other programs' help.
FORMATS = frozenset({"JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF"})

_TAKEN = "send a JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF or HEIC"
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


class _InMemory(MultiPartParser):
    """Starlette's parser, whose parts stay in memory: by itself it puts those above 1 MB into temporary files."""

    spool_max_size = 2**62


@dataclass(frozen=True, eq=False)
class Form:
    """A form as it was sent.

    Attributes:
        pictures: the encoded pictures, in order.
        fields: name -> the texts that were given, in order.
    """

    pictures: tuple[bytes, ...]
    fields: dict[str, list[str]]

    def one(self, name: str) -> str | None:
        """Return the only text of a field; None where it was not given or is empty.

        Raises:
            Refused: it was given several times.
        """
        given = self.fields.get(name, [])
        if len(given) > 1:
            raise Refused(400, f"{name} is given {len(given)} times; give it once")
        return given[0] if given and given[0] else None

    def number(self, name: str) -> float | None:
        """Return the number of a field; None where it was not given.

        Raises:
            Refused: it is no finite number.
        """
        text = self.one(name)
        if text is None:
            return None
        if not _NUMBER.fullmatch(text.strip()) or abs(float(text)) == float("inf"):
            raise Refused(400, f"{name}: must be a number")
        return float(text)

    def flag(self, name: str) -> bool:
        """Return whether a field says yes: true, 1 or on.

        Raises:
            Refused: it is neither this nor false, 0 or off.
        """
        text = (self.one(name) or "false").strip().lower()
        if text in ("true", "1", "on", "yes"):
            return True
        if text in ("false", "0", "off", "no"):
            return False
        raise Refused(400, f"{name}: must be true or false")

    def picture(self) -> bytes:
        """Return the only picture.

        Raises:
            Refused: there is none, or more than one.
        """
        if len(self.pictures) != 1:
            raise Refused(400, f"picture: one is needed here, {len(self.pictures)} were sent; send it as a file")
        return self.pictures[0]


async def read_form(request: Request) -> Form:
    """Read a form; the request's size is bounded by the guard before.

    Raises:
        Refused: it is no multipart form, is damaged, has too many parts, or a picture is no file.
    """
    kind = request.headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() != "multipart/form-data":
        raise Refused(415, "send a form of the type multipart/form-data, with the picture as a file (curl: -F)")
    parser = _InMemory(
        request.headers,
        request.stream(),
        max_files=MOST_PICTURES,
        max_fields=MOST_FIELDS,
        max_part_size=MOST_FIELD_BYTES,
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Refused(400, f"the form cannot be read: {error.message}") from None
    except UnicodeError:
        raise Refused(400, "the form cannot be read: its names or texts are no UTF-8") from None
    async with form_closing(form):
        pictures: list[bytes] = []
        fields: dict[str, list[str]] = {}
        for name, value in form.multi_items():
            if not isinstance(value, UploadFile):
                if name == "picture":
                    raise Refused(400, "picture: send it as a file (curl: -F picture=@FILE); no path or URL is read")
                fields.setdefault(name, []).append(value)
            elif name == "picture":
                pictures.append(await value.read())
            else:
                raise Refused(400, f"{name[:40]!r}: is sent as a file; only picture is one")
    return Form(tuple(pictures), fields)


class form_closing:  # noqa: N801 - used as contextlib.closing is
    """Close the parts of a form after use."""

    def __init__(self, form: Any) -> None:
        self._form = form

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, *_: object) -> None:
        await self._form.close()


def require_picture(data: bytes, name: str = "picture") -> tuple[int, int]:
    """Refuse what is no picture, or has too many pixels, from its header alone.

    Args:
        data: as sent.
        name: of the input, for the message.

    Returns:
        Width and height as stored, not yet turned upright.

    Raises:
        Refused: 415 for what is no picture of a usual format, 413 for too many pixels.
    """
    if not data:
        raise Refused(415, f"{name}: is empty; {_TAKEN}")
    too_many = Refused(413, f"{name}: has more than {MOST_PIXELS / 1e6:.0f} million pixels; shrink it")
    try:
        with open_image(io.BytesIO(data), name) as image:
            form, size = image.format, image.size
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise too_many from None
    except ImageError as error:  # a video, or a format whose reader is not installed
        raise Refused(415, str(error).partition(";")[0]) from None
    except Exception:  # Pillow raises many types for broken files
        raise Refused(415, f"{name}: cannot be read as a picture: {_TAKEN}") from None
    if form not in FORMATS:
        raise Refused(415, f"{name}: is a {form}, which is not taken here: {_TAKEN}")
    if size[0] * size[1] > MOST_PIXELS:
        raise too_many
    return size


def about_picture(error: ImageError, data: bytes, name: str) -> ImageError:
    """Return the error with the input's name in place of ``<1234 bytes>``."""
    return ImageError(str(error).replace(describe(data), name))
