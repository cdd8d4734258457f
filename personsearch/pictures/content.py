"""Which content an input has: a digest that is the same whenever the bytes are."""

from __future__ import annotations

import hashlib
import os
import sys

import numpy as np
from PIL import Image

from personsearch.errors import ImageError
from personsearch.pictures.decode import ImageInput, describe, download, image_errors, is_tensor, is_url
from personsearch.pictures.jpeg import ORIENTATION


def content_digest(source: ImageInput) -> str:
    """Identify an input by its content, without decoding it.

    Args:
        source: see :data:`~personsearch.pictures.decode.ImageInput`; the path of a video, too.

    Returns:
        sha256 in hexadecimal: of the bytes of a file, of what a URL gives now, or of encoded bytes, so that the three
        agree; of shape, dtype and values of an array or tensor (a tensor on another device has the same digest); of
        mode, size, orientation, palette and pixels of a PIL image. An array and a file that decodes to it differ.

    Raises:
        ImageError: the file or URL cannot be read, or the input is none of these.
    """
    name = describe(source)
    with image_errors(name):
        if isinstance(source, (str, os.PathLike)):
            if isinstance(source, str) and is_url(source):
                return hashlib.sha256(download(source)).hexdigest()
            with open(source, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        if isinstance(source, bytes):
            return hashlib.sha256(source).hexdigest()
        if isinstance(source, Image.Image):
            palette = source.palette.tobytes() if source.palette is not None else b""
            turned = source.getexif().get(ORIENTATION, 1)
            head = f"PIL {source.mode} {source.size} {turned} {len(palette)} ".encode()
            return hashlib.sha256(head + palette + source.tobytes()).hexdigest()
        if is_tensor(source):
            data = source.detach().cpu().contiguous().reshape(-1).view(sys.modules["torch"].uint8).numpy()
            return hashlib.sha256(f"tensor {tuple(source.shape)} {source.dtype} ".encode() + data.tobytes()).hexdigest()
        if isinstance(source, np.ndarray):
            data = np.ascontiguousarray(source).reshape(-1).view(np.uint8)
            head = f"array {source.shape} {source.dtype.str} ".encode()
            return hashlib.sha256(head + data.tobytes()).hexdigest()
    raise ImageError(f"{name}: cannot be used as an image; give a path, URL, bytes, PIL image, array or tensor")
