"""Forms with pictures, read into memory and never onto a disk; and what is taken for a picture at all."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

from fastapi import Request
from PIL import Image
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from personsearch.errors import ImageError
from personsearch.pictures.decode import describe, open_image
from personsearch.pictures.formats import HEAD_BYTES, heif_format, video_format
from personsearch.serve.faults import Refused
from personsearch.serve.parts import Parts

#: Pixels of a picture; beyond it, Pillow warns of decompression bombs too.
MOST_PIXELS = 89_000_000
#: What pictures may be. Pillow reads more, some of it with other programs' help; no other reader is even tried.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")

_TAKEN = "send a JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF or HEIC"
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


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
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data":
        raise Refused(415, "send a form of the type multipart/form-data, with the picture as a file (curl: -F)")
    if not options.get(b"boundary"):
        raise Refused(400, "the form cannot be read: its Content-Type names no boundary")
    parts = Parts()
    try:
        parser = MultipartParser(options[b"boundary"], parts.callbacks())
        async for data in request.stream():
            parser.write(data)
        parser.finalize()
    except FormParserError:
        raise Refused(400, "the form cannot be read: it is damaged") from None
    if not parts.ended:
        raise Refused(400, "the form cannot be read: it ends early")
    return Form(tuple(parts.pictures), parts.fields)


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
    beginning = data[:HEAD_BYTES]
    try:
        if heif_format(beginning) is not None:
            open_image(io.BytesIO(data), name).close()  # which adds the reader to Pillow, or says what is not installed
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            size = image.size
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise too_many from None
    except ImageError as error:
        raise Refused(415, str(error)) from None
    except Exception:  # Pillow raises many types for broken files
        video = video_format(beginning)
        what = "cannot be read as a picture" if video is None else f"is no picture but a video, {video}"
        raise Refused(415, f"{name}: {what}; {_TAKEN}") from None
    if size[0] * size[1] > MOST_PIXELS:
        raise too_many
    return size


def about_picture(error: ImageError, data: bytes, name: str) -> ImageError:
    """Return the error with the input's name in place of ``<1234 bytes>``."""
    return ImageError(str(error).replace(describe(data), name))
