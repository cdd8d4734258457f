"""A look at every image file: is it there, can it be read, how large is it, what does it look like?"""

from __future__ import annotations

import hashlib
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
from personsearch.errors import ImageError
from personsearch.pictures.decode import describe, image_header, load_image, load_reduced
from personsearch.progress import Progress

#: decode = read every file, large JPEGs at a reduced size; full = also decode each at its full size, as training does;
#: headers = sizes only, no search for duplicates; none = leave images alone.
Look = Literal["full", "decode", "headers", "none"]

#: Width and height that an image is reduced to; neighbours are compared, so a row of 9 gives 8 bits.
HASH_GRID = (9, 8)
#: Images are decoded at a reduced size where their format allows that, but not below this width and height.
DECODED_AT_LEAST = (288, 256)


@dataclass(frozen=True, eq=False, kw_only=True)
class Picture:
    """What was seen of a scene's file.

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
    """Read the images of scenes, several at a time; returns one record each, in their order.

    Args:
        scenes: of any sets.
        look: how closely; must not be "none".
        progress: see :class:`personsearch.progress.Progress`.
    """
    read = {"full": _in_full, "decode": _decoded}.get(look, _header)
    pictures = []
    # Pillow warns about odd files. The filters are set here, because a thread's would apply to all threads.
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        warnings.simplefilter("ignore")
        with Progress(len(scenes), label="images", shown=progress) as bar:
            for picture in pool.map(read, [scene.path for scene in scenes]):
                pictures.append(picture)
                bar.advance()
    return pictures


def difference_hash(image: Image.Image) -> NDArray[np.bool_]:
    """Return (64,) bits: in an 8-row, 9-column grey miniature, is a cell brighter than its left neighbour?

    Bits hardly change when an image is compressed again, scaled, or made a little brighter.
    """
    small = np.asarray(image.convert("L").resize(HASH_GRID, Image.Resampling.LANCZOS), dtype=np.int16)
    return np.asarray(small[:, 1:] > small[:, :-1]).ravel()


def _header(path: Path) -> Picture:
    try:
        header = image_header(path)
    except ImageError as error:
        return _unusable(path, path, error)
    return Picture(size=header.size, turned=header.turned, look=_NO_LOOK)


def _in_full(path: Path) -> Picture:
    try:
        load_image(path)
    except ImageError as error:
        return _unusable(path, path, error)
    return _decoded(path)


def _decoded(path: Path) -> Picture:
    try:
        data = path.read_bytes()
    except OSError as error:
        return Picture(there=os.path.exists(path), trouble=(error.strerror or "cannot be read").lower(), look=_NO_LOOK)
    try:
        image, header = load_reduced(data, DECODED_AT_LEAST, "L")
    except ImageError as error:
        return _unusable(path, data, error)
    content = hashlib.blake2b(data, digest_size=16).digest()
    return Picture(size=header.size, turned=header.turned, content=content, look=difference_hash(image))


def _unusable(path: Path, source: Path | bytes, error: ImageError) -> Picture:
    return Picture(there=os.path.exists(path), trouble=str(error).removeprefix(f"{describe(source)}: "), look=_NO_LOOK)
