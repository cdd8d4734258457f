"""The pixels of a JPEG by libjpeg-turbo directly, where they are Pillow's to the last bit. Loads no torch.

Pillow decodes with the same library, but into four bytes a pixel and in pieces, and hands the pixels on by copying them
three times: ``benchmarks/decode.py`` measures what that costs. This file is all that knows of simplejpeg: another
decoder is put here, and without one Pillow does it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import cache
from io import BytesIO
from itertools import product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile

logger = logging.getLogger(__name__)

#: Formats of Pillow that are one JPEG, or several of which the first is the picture (MPO, as phones write them).
FORMATS = ("JPEG", "MPO")
#: The EXIF tag of the orientation.
ORIENTATION = 0x0112
#: JPEGs can be decoded at one of these parts of their size, by way of their DCT coefficients.
REDUCTIONS = (1, 2, 4, 8)

_Turn: TypeAlias = Callable[[NDArray[np.void]], NDArray[np.void]]

#: EXIF orientation -> how the pixels (H, W) are turned upright, as ``PIL.ImageOps.exif_transpose`` does.
_TURNS: Mapping[int, _Turn] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.T,
    6: lambda pixels: pixels[::-1].T,
    7: lambda pixels: pixels[::-1, ::-1].T,
    8: lambda pixels: pixels[:, ::-1].T,
}
#: Columns that are turned at a time: what is read of so many rows stays in the processor's cache.
_BAND = 512


def decode_upright(image: Image.Image, reduction: int = 1) -> NDArray[np.uint8] | None:
    """Decode a JPEG that Pillow has opened, and turn it as its EXIF says.

    Args:
        image: opened from a file or bytes, and not loaded; its header has passed Pillow.
        reduction: the part of its size that ``image.draft`` has chosen: 1, 2, 4 or 8 for 1/1 to 1/8.

    Returns:
        (H, W, 3) uint8 RGB, the pixels that Pillow would give; None where Pillow should do it, because the file is no
        plain JPEG, the decoder complains about it, or there is no decoder. Then the image is as it was.
    """
    if image.format not in FORMATS or image.mode not in ("RGB", "L") or not isinstance(image, ImageFile):
        return None
    file = image.fp
    if file is None or not same_as_pillow():
        return None
    try:
        exif = image.getexif()
        turn = _TURNS.get(exif.get(ORIENTATION, 1))
        if turn is not None:
            exif.tobytes()  # which Pillow writes again, and refuses a picture with EXIF that it cannot write
        file.seek(0)
        pixels = _decode(file.read(), image.height, image.width, reduction)
    except Exception:  # whatever is wrong with it, Pillow has the last word
        return None
    if pixels.shape != (image.height, image.width, 3):
        return None
    return pixels if turn is None else _turned(pixels, turn)


@cache
def same_as_pillow() -> bool:
    """Whether there is a decoder, and it gives Pillow's pixels here.

    Pillow may be built with another JPEG library, or with an old one, so every kind of JPEG is tried once in a process:
    a few milliseconds.
    """
    try:
        import simplejpeg
    except Exception:  # not installed, or made for another numpy
        return False
    noise = (np.arange(45 * 37 * 3, dtype=np.uint64) ** 3 // 7 % 256).astype(np.uint8).reshape(45, 37, 3)
    for kind, reduction in product(("444", "422", "420", "440", "411", "GRAY"), REDUCTIONS):
        of_colour = noise[:, :, :1] if kind == "GRAY" else noise
        space = "GRAY" if kind == "GRAY" else "RGB"
        data = simplejpeg.encode_jpeg(np.ascontiguousarray(of_colour), 80, space, kind)
        with Image.open(BytesIO(data)) as image:
            image.draft("RGB", (37 // reduction, 45 // reduction))
            pixels = _decode(data, image.height, image.width, reduction)
            if not np.array_equal(pixels, np.asarray(image.convert("RGB"))):
                logger.info("simplejpeg and Pillow disagree about a JPEG %s; Pillow decodes", kind)
                return False
    return True


def _decode(data: bytes, height: int, width: int, reduction: int) -> NDArray[np.uint8]:
    """Decode bytes at a part of their size, which is height x width; whatever libjpeg-turbo warns of is an error."""
    import simplejpeg

    if reduction == 1:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, "RGB", strict=True)
    else:
        pixels = simplejpeg.decode_jpeg(
            data, "RGB", min_height=height, min_width=width, min_factor=reduction, strict=True
        )
    return pixels


def _turned(pixels: NDArray[np.uint8], turn: _Turn) -> NDArray[np.uint8]:
    """Turn (H, W, 3) pixels, three bytes at a time and in bands: half the time that numpy takes by itself."""
    wanted = turn(pixels.view("V3")[:, :, 0])
    turned = np.empty(wanted.shape, "V3")
    for start in range(0, wanted.shape[1], _BAND):
        turned[:, start : start + _BAND] = wanted[:, start : start + _BAND]
    return turned.view(np.uint8).reshape(*wanted.shape, 3)
