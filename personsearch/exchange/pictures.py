"""The pictures of an export: a still as it is where every tool can show it, everything else as a JPEG."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from PIL import Image

from personsearch.errors import ImageError
from personsearch.pictures.decode import load_image
from personsearch.pictures.matches import scene_loaders
from personsearch.pictures.saving import jpeg_bytes
from personsearch.pictures.video import frame_of
from personsearch.results import Sighting, StoredScene

#: JPEG quality of what is written anew.
QUALITY = 95
#: Formats that browsers, annotation tools and training read alike, by what Pillow calls them, and their suffixes.
COPIED = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}
#: Modes of 8 bits that all of them show in the same way.
_PLAIN_MODES = {"RGB", "L", "P", "RGBA"}
_ORIENTATION = 0x0112

#: Makes the picture of a scene, upright RGB.
Load: TypeAlias = Callable[[], Image.Image]


@dataclass(frozen=True, eq=False)
class Original:
    """Where the picture of a scene comes from.

    Attributes:
        load: makes it, upright RGB; raises ImageError.
        file: the content of the file, if that is a still and what was indexed; else None.
        path: of the still.
    """

    load: Load
    file: bytes | None = None
    path: str | None = None


@dataclass(frozen=True, eq=False)
class Encoded:
    """A picture as it is written.

    Attributes:
        data: the content of the file.
        suffix: of the file.
        size: width and height of the picture, pixels.
    """

    data: bytes
    suffix: str
    size: tuple[int, int]


def originals(scenes: Sequence[StoredScene]) -> list[Original | ImageError]:
    """Return where the pictures of scenes come from, or why they cannot be had; frames of a video are found together.

    Args:
        scenes: as stored; some dozens at most, as all frames are held at once.
    """
    frames = [number for number, scene in enumerate(scenes) if frame_of(scene.image_id) is not None]
    loaders = dict(zip(frames, scene_loaders([_sighting(scenes[number]) for number in frames]), strict=True))
    return [Original(loaders[number]) if number in loaders else _still(scene) for number, scene in enumerate(scenes)]


def _sighting(scene: StoredScene) -> Sighting:
    return Sighting(detection_id=0, image_id=scene.image_id, box=(0, 0, 0, 0), score=0, extra=scene.extra)


def _still(scene: StoredScene) -> Original | ImageError:
    path, digest = scene.extra.get("path"), scene.extra.get("sha256")
    if not isinstance(path, str):
        return ImageError(f"{scene.image_id}: was not indexed from a file")
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        return ImageError(f"{path}: is no longer there")
    except OSError as error:
        return ImageError(f"{path}: cannot be read ({error.strerror})")
    if digest is not None and hashlib.sha256(data).hexdigest() != digest:
        return ImageError(f"{path}: has changed since it was indexed; index it again (--replace)")
    return Original(partial(_decoded, data, path), data, path)


def _decoded(data: bytes, path: str) -> Image.Image:
    try:
        return Image.fromarray(load_image(data))
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None


def encoded(original: Original, image_size: tuple[int, int], max_side: int | None) -> Encoded:
    """Return the picture of a scene as it is written.

    Args:
        original: where it comes from.
        image_size: (height, width) of the scene as stored.
        max_side: pixels of the longer side at most; None = as it is.

    Raises:
        ImageError: the picture cannot be had, or is of another size than the scene.
    """
    height, width = image_size
    scale = 1.0 if max_side is None else min(1.0, max_side / max(height, width))
    if original.file is not None and scale == 1.0:
        copied = _as_it_is(original.file, (width, height))
        if copied is not None:
            return copied
    picture = original.load()
    if picture.size != (width, height):
        raise ImageError(
            f"{original.path or 'the frame'}: the picture is {picture.width}x{picture.height} now, the scene was "
            f"{width}x{height}; index it again (--replace)"
        )
    if scale < 1.0:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return Encoded(jpeg_bytes(picture, QUALITY), ".jpg", picture.size)


def _as_it_is(data: bytes, size: tuple[int, int]) -> Encoded | None:
    """Return the content of a file that every tool shows as we do; None where one might not."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            plain = (
                picture.format in COPIED
                and picture.mode in _PLAIN_MODES
                and picture.size == size
                and getattr(picture, "n_frames", 1) == 1
                and picture.getexif().get(_ORIENTATION, 1) == 1
            )
            return Encoded(data, COPIED[picture.format or ""], size) if plain else None
    except Exception:  # Pillow raises many types; decoding says what is wrong
        return None
