"""The list of pictures of places, and what makes the file of a collection out of what was downloaded."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import urlsplit

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from pydantic import Field, model_validator

from personsearch.config import StrictModel, parse
from personsearch.errors import ConfigError, ImageError, MissingExtraError

#: Pillow's own limit, beyond which it warns; a panorama of 8192x4096 has a third of it.
MAX_PIXELS = 89_000_000
MAX_MEMBER_BYTES = 64 * 2**20
#: Sides may differ from the list's shape by this share: sizes are rounded.
SHAPE_TOLERANCE = 0.02
JPEG_QUALITY = 92

Kind = Literal["panorama", "place", "texture", "texture-sheet", "lighting-hdr"]
FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}


class Picture(StrictModel):
    """An entry of the list."""

    file: str
    """Path in the collection, with ``/``; its ending says the format: jpg, png, webp or hdr."""
    type: Kind
    scene: str
    place: Literal["indoor", "outdoor"] | None = None
    time: Literal["day", "dusk", "night", "lamp"] | None = None
    camera_height: float | None = Field(None, gt=0)
    """Metres above the ground, where somebody measured it."""
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    """Of the file in the collection, pixels; a larger original is scaled down. Sheets must have this size already."""
    licence: str = Field(min_length=1)
    licence_confidence: str | None = None
    author: str | None = None
    """None = the source does not name one."""
    title: str | None = None
    source: str
    """From where the picture came into the first collection."""
    page: str
    """Where a person reads about the picture and its licence."""
    open_images: str | None = None
    """ImageID in Open Images, by which its metadata name author and title."""
    addresses: tuple[str, ...] = ()
    """Where the original is, tried in this order; ``#ending`` takes the file with that ending out of a ZIP archive."""
    by_hand: str | None = None
    """Why there is no address, and what to look for on the page."""
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    """Of the original, whichever address it comes from."""
    cells: tuple[list[int], ...] = ()
    """Of a sheet: left, top, width and height of its tiles, pixels."""
    note: str | None = None

    @model_validator(mode="after")
    def _can_be_fetched(self) -> Picture:
        path = PurePosixPath(self.file)
        if path.is_absolute() or "\\" in self.file or any(part.startswith(".") for part in path.parts):
            raise ValueError("file: must be a path inside the output folder, without names that begin with a dot")
        endings = (".hdr",) if self.type == "lighting-hdr" else tuple(FORMATS)
        if path.suffix.lower() not in endings:
            raise ValueError(f"file: {self.type} must end in {', '.join(endings)}")
        for address in self.addresses:
            parts = urlsplit(address)
            if (
                parts.scheme not in ("http", "https")
                or not parts.hostname
                or not address.isprintable()
                or " " in address
            ):
                raise ValueError(f"addresses: {address!r} is not an http(s) address")
        if not self.addresses and self.by_hand is None:
            raise ValueError("addresses: give at least one, or say in by_hand how the picture is found")
        return self


class _Rows(StrictModel):
    about: str = ""
    pictures: tuple[dict[str, Any], ...] = Field(min_length=1)


def read_list(path: Path) -> tuple[Picture, ...]:
    """Read a list of pictures.

    Raises:
        ConfigError: the file cannot be read, is not JSON, has unknown keys or wrong values, or names a file twice.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); give the path of a list of pictures") from None
    except ValueError as error:
        raise ConfigError(f"{path}: is not JSON ({error}); correct it") from None
    if not isinstance(data, dict):
        raise ConfigError(f'{path}: must be a table like {{"pictures": [...]}}')
    rows = parse(_Rows, data, str(path)).pictures
    pictures = tuple(
        parse(Picture, row, f"{path}: picture {number} ({row.get('file', 'without file')})")
        for number, row in enumerate(rows, start=1)
    )
    names: set[str] = set()
    for picture in pictures:
        if picture.file.lower() in names:
            raise ConfigError(f"{path}: {picture.file} stands there twice; remove one of the two")
        names.add(picture.file.lower())
    return pictures


def write_list(pictures: Sequence[Picture]) -> bytes:
    """Return a list as JSON, a picture a line."""
    rows = [json.dumps(picture.model_dump(exclude_defaults=True), ensure_ascii=False) for picture in pictures]
    return ('{\n"pictures": [\n' + ",\n".join(rows) + "\n]\n}\n").encode()


def with_authors(pictures: Sequence[Picture], tables: Sequence[Path]) -> tuple[Picture, ...]:
    """Fill in author, title and page of pictures of Open Images from its own tables of metadata.

    Raises:
        ConfigError: a table cannot be read, or is none of those.
    """
    wanted = {picture.open_images for picture in pictures if picture.open_images}
    found: dict[str, dict[str, str]] = {}
    for table in tables:
        try:
            with table.open(encoding="utf-8", newline="") as file:
                reader = csv.DictReader(file)
                if not {"ImageID", "Author", "Title", "OriginalLandingURL"} <= set(reader.fieldnames or ()):
                    raise ConfigError(f"{table}: is not a table of Open Images with ImageID, Author and Title")
                for row in reader:
                    if row["ImageID"] in wanted and row["Author"]:
                        found[row["ImageID"]] = row
        except OSError as error:
            raise ConfigError(f"{table}: cannot be read ({error.strerror})") from None
        except (UnicodeDecodeError, csv.Error) as error:
            raise ConfigError(f"{table}: is not a table of Open Images ({error})") from None
    named = []
    for picture in pictures:
        row = found.get(picture.open_images or "", {})
        known = {"author": row.get("Author"), "title": row.get("Title"), "page": row.get("OriginalLandingURL")}
        named.append(picture.model_copy(update={key: value for key, value in known.items() if value}))
    return tuple(named)


def check_opencv(pictures: Sequence[Picture]) -> None:
    """Check that what light maps need is installed, before they are downloaded.

    Raises:
        MissingExtraError: there are light maps to fetch, and no OpenCV.
    """
    if any(picture.type == "lighting-hdr" for picture in pictures) and importlib.util.find_spec("cv2") is None:
        raise MissingExtraError(
            "light maps (lighting-hdr) need OpenCV: pip install 'personsearch[synth]', or leave them out with --kinds"
        )


def is_there(picture: Picture, path: Path) -> bool:
    """Whether the collection's file exists and has the list's size; reads its header only."""
    try:
        if picture.type == "lighting-hdr":
            with path.open("rb") as file:
                return f"-Y {picture.height} +X {picture.width}".encode() in file.read(1024)
        with Image.open(path) as image:
            upright = _upright_size(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return False
    return upright == (picture.width, picture.height)


def make_file(picture: Picture, original: Path, ending: str = "") -> bytes:
    """Return the collection's file: the original itself where it has the right size and format, else scaled down.

    Args:
        picture: what it must become.
        original: what was downloaded.
        ending: of the name of a file in a ZIP archive; empty = the original is no archive.

    Raises:
        ImageError: it is not a picture, or not of the list's shape, or smaller than the list says.
    """
    data = _member(original, ending) if ending else original.read_bytes()
    if picture.type == "lighting-hdr":
        return _light_map(picture, data)
    wanted = FORMATS[PurePosixPath(picture.file).suffix.lower()]
    try:
        with Image.open(io.BytesIO(data)) as image:
            size = _upright_size(image)
            _check_shape(picture, size)
            turned = size != image.size or image.getexif().get(0x0112, 1) != 1
            if size == (picture.width, picture.height) and image.format == wanted and not turned:
                image.load()  # a damaged file fails here rather than in training
                return data
            image.draft("RGB", (image.width, image.height) if turned else (picture.width, picture.height))
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageError(f"has more than the {MAX_PIXELS // 10**6} million pixels allowed") from None
    except (OSError, ValueError, SyntaxError) as error:
        raise ImageError(_what_it_is(data, error)) from None
    scaled = upright.resize((picture.width, picture.height), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    if wanted == "PNG":
        scaled.save(buffer, wanted)
    else:
        scaled.save(buffer, wanted, quality=JPEG_QUALITY)
    return buffer.getvalue()


def _upright_size(image: Image.Image) -> tuple[int, int]:
    width, height = image.size
    return (height, width) if image.getexif().get(0x0112, 1) >= 5 else (width, height)


def _check_shape(picture: Picture, size: tuple[int, int]) -> None:
    width, height = size
    listed = f"{picture.width}x{picture.height}"
    if width * height > MAX_PIXELS:
        raise ImageError(f"has more than the {MAX_PIXELS // 10**6} million pixels allowed")
    if picture.type == "texture-sheet" and (width, height) != (picture.width, picture.height):
        raise ImageError(f"has {width}x{height} pixels instead of {listed}, so its tiles lie elsewhere")
    if abs(width * picture.height / (height * picture.width) - 1) > SHAPE_TOLERANCE:
        raise ImageError(f"has {width}x{height} pixels, another shape than the list's {listed}; it is another picture")
    if width < picture.width * (1 - SHAPE_TOLERANCE) or height < picture.height * (1 - SHAPE_TOLERANCE):
        raise ImageError(f"has only {width}x{height} pixels, fewer than the list's {listed}")


def _light_map(picture: Picture, data: bytes) -> bytes:
    """Average a Radiance picture (linear light) over areas."""
    try:
        import cv2
    except ImportError:
        raise MissingExtraError(
            "light maps need OpenCV: pip install 'personsearch[synth]', or leave them out"
        ) from None
    # OpenCV writes warnings of its own about what is not a picture, hence the look at the first bytes.
    encoded = np.frombuffer(data, np.uint8)
    pixels = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED) if data.startswith(b"#?") else None
    if pixels is None:
        raise ImageError(_what_it_is(data, "not a Radiance picture"))
    height, width = pixels.shape[:2]
    _check_shape(picture, (width, height))
    if (width, height) == (picture.width, picture.height):
        return data
    scaled = cv2.resize(pixels, (picture.width, picture.height), interpolation=cv2.INTER_AREA)
    return bytes(cv2.imencode(".hdr", scaled)[1])


def _member(archive: Path, ending: str) -> bytes:
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [entry for entry in opened.infolist() if entry.filename.endswith(ending)]
            if len(members) != 1:
                raise ImageError(f"is an archive with {len(members)} files that end in {ending} instead of one")
            if members[0].file_size > MAX_MEMBER_BYTES:
                raise ImageError(f"is an archive whose {members[0].filename} is larger than 64 MiB")
            return opened.read(members[0])
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        with archive.open("rb") as file:
            raise ImageError(_what_it_is(file.read(256), error, "a ZIP archive")) from None


def _what_it_is(data: bytes, error: object, wanted: str = "a picture") -> str:
    begin = data[:256].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if begin.startswith((b"<!doctype html", b"<html", b"<?xml", b"<head")):
        return f"is a web page instead of {wanted}"
    if not data:
        return f"is empty instead of {wanted}"
    if begin.startswith(b"version https://git-lfs"):
        return f"is a Git LFS pointer instead of {wanted}"
    return (
        f"is not {wanted}, or a damaged one" if isinstance(error, UnidentifiedImageError) else f"is damaged ({error})"
    )
