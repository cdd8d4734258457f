"""A look at every image file: is it there, can it be read, how large is it, what does it look like?"""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from personsearch.datasets.scene import Scene
from personsearch.progress import Progress

#: decode = read all of every file; headers = sizes only, no search for duplicates; none = leave images alone.
Look = Literal["decode", "headers", "none"]

#: Width and height that an image is brought to; neighbours are compared, so a row of 9 gives 8 bits.
HASH_GRID = (9, 8)
#: JPEG is decoded at the smallest scale (1, 1/2, 1/4, 1/8) that is not below this: the whole stream is read all the
#: same, but large frames take a third of the time.
DECODED_AT_LEAST = (288, 256)
_ORIENTATION = 0x0112


@dataclass(frozen=True, eq=False, kw_only=True)
class Picture:
    """What a scene's file turned out to be.

    Attributes:
        there: whether there is such a file.
        trouble: why it cannot be read; "" = it can.
        size: width and height of the upright image, (0, 0) if not known.
        turned: whether its EXIF orientation swaps width and height.
        content: hash of the file, b"" if only its header was read.
        look: (64,) bool difference hash, empty if only the header was read.
    """

    there: bool = True
    trouble: str = ""
    size: tuple[int, int] = (0, 0)
    turned: bool = False
    content: bytes = b""
    look: NDArray[np.bool_]


_NO_LOOK = np.zeros(0, dtype=bool)


def look_at(scenes: Sequence[Scene], look: Look, progress: bool | None = None) -> list[Picture]:
    """Open the images of scenes, several at a time; one record each, in their order.

    Args:
        scenes: of any sets.
        look: how closely; "none" is not a look.
        progress: see :class:`personsearch.progress.Progress`.
    """
    read = _decoded if look == "decode" else _header
    pictures = []
    # Set here, because a thread's own filters would be everybody's.
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        warnings.simplefilter("ignore")
        with Progress(len(scenes), label="images", shown=progress) as bar:
            for picture in pool.map(read, [scene.path for scene in scenes]):
                pictures.append(picture)
                bar.advance()
    return pictures


def difference_hash(image: Image.Image) -> NDArray[np.bool_]:
    """Return (64,) bits: in an 8-row, 9-column grey miniature, is a cell brighter than its left neighbour?

    Bits hardly change when an image is compressed anew, scaled, or made a little brighter.
    """
    small = np.asarray(image.convert("L").resize(HASH_GRID, Image.Resampling.LANCZOS), dtype=np.int16)
    return np.asarray(small[:, 1:] > small[:, :-1]).ravel()


def _header(path: Path) -> Picture:
    return _opened(path, path)


def _decoded(path: Path) -> Picture:
    try:
        data = path.read_bytes()
    except OSError as error:
        return _trouble(path, error)
    picture = _opened(path, io.BytesIO(data), closely=True)
    return picture if picture.trouble else _with_content(picture, hashlib.blake2b(data, digest_size=16).digest())


def _with_content(picture: Picture, content: bytes) -> Picture:
    return Picture(size=picture.size, turned=picture.turned, content=content, look=picture.look)


def _opened(path: Path, file: Path | io.BytesIO, *, closely: bool = False) -> Picture:
    try:
        with Image.open(file) as image:
            width, height = image.size
            look = _NO_LOOK
            if closely:
                image.draft("L", DECODED_AT_LEAST)
                image.load()
                look = difference_hash(image)
            # A PNG has its EXIF after the pixels, so the header alone does not tell.
            turned = (closely or image.format != "PNG") and image.getexif().get(_ORIENTATION, 1) >= 5
    except Exception as error:  # Pillow raises many types for broken files
        return _trouble(path, error)
    return Picture(size=(height, width) if turned else (width, height), turned=turned, look=look)


def _trouble(path: Path, error: Exception) -> Picture:
    if isinstance(error, FileNotFoundError):
        return Picture(there=False, trouble="no such image", look=_NO_LOOK)
    if isinstance(error, OSError) and error.strerror:
        return Picture(trouble=error.strerror.lower(), look=_NO_LOOK)
    told = str(error).replace(f"{str(path)!r}", "it")
    return Picture(trouble="of no known format" if "cannot identify" in told else told, look=_NO_LOOK)
