"""Images in: one decode function, the resize rule and the padding rule, for training and inference alike."""

from __future__ import annotations

import io
import os
import time
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, Literal, TypeAlias
from urllib.request import Request, urlopen

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from personsearch.errors import ImageError

#: Path, http(s) URL, encoded bytes, PIL image, (H, W, 3) uint8 RGB array or (3, H, W) tensor (uint8, or float 0..1).
ImageInput: TypeAlias = "str | os.PathLike[str] | bytes | Image.Image | NDArray[np.uint8] | Tensor"
ChannelOrder: TypeAlias = Literal["RGB", "BGR"]

#: Canvas sides are multiples of this: every stage of the network then has a whole number of cells.
MULTIPLE = 32
#: ImageNet's mean colour, so that padding is about zero after normalisation.
PAD_COLOUR = (124, 116, 104)

URL_TIMEOUT_SECONDS = 20.0
URL_MAX_BYTES = 64 * 2**20
URL_PIECE_BYTES = 2**16


def load_image(source: ImageInput, *, channel_order: ChannelOrder = "RGB") -> NDArray[np.uint8]:
    """Decode any accepted input.

    EXIF orientation of encoded and PIL images is applied: boxes are in the upright frame. Of an animation the first
    picture counts. Alpha is dropped, 16-bit and palette images are converted.

    Args:
        source: see :data:`ImageInput`.
        channel_order: of arrays and tensors; encoded images and PIL images know their own.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ImageError: names the input and what is wrong with it.
    """
    if isinstance(source, np.ndarray):
        return _reordered(_from_array(source), channel_order)
    if isinstance(source, Tensor):
        return _reordered(_from_tensor(source), channel_order)
    if isinstance(source, Image.Image):
        return _from_pil(source, describe(source))
    name = describe(source)
    try:
        if isinstance(source, bytes):
            file: Any = io.BytesIO(source)
        elif isinstance(source, str) and source.startswith(("http://", "https://")):
            file = io.BytesIO(_download(source))
        elif isinstance(source, (str, os.PathLike)):
            file = os.fspath(source)
        else:
            raise ImageError(f"{name}: cannot be used as an image; give a path, URL, bytes, PIL image, array or tensor")
        with Image.open(file) as image:
            return _from_pil(image, name)
    except ImageError:
        raise
    except FileNotFoundError:
        raise ImageError(f"{name}: no such file") from None
    except IsADirectoryError:
        raise ImageError(f"{name}: is a folder, not an image") from None
    except Image.DecompressionBombError:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        raise ImageError(f"{name}: has too many pixels, more than {limit:.0f} million; shrink it") from None
    except UnidentifiedImageError:
        raise ImageError(f"{name}: cannot be read as an image: empty, damaged or of an unknown format") from None
    except Exception as error:  # Pillow raises many types for broken files
        raise ImageError(f"{name}: cannot be read as an image ({error})") from None


def describe(source: object) -> str:
    """Name an input in messages: its path or URL, else its type and shape."""
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    if isinstance(source, bytes):
        return f"<{len(source)} bytes>"
    shape = getattr(source, "shape", getattr(source, "size", None))
    size = f" {tuple(shape)}" if isinstance(shape, (tuple, torch.Size)) else ""
    return f"<{type(source).__name__}{size}>"


def _from_array(array: NDArray[Any]) -> NDArray[np.uint8]:
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8 or 0 in array.shape:
        raise ImageError(f"array must be (H, W, 3) uint8 RGB and not empty, got {array.shape} {array.dtype}")
    return np.ascontiguousarray(array)


def _from_tensor(tensor: Tensor) -> NDArray[np.uint8]:
    if tensor.ndim != 3 or tensor.shape[0] != 3 or 0 in tensor.shape:
        raise ImageError(f"tensor must be (3, H, W) and not empty, got {tuple(tensor.shape)}")
    if tensor.is_floating_point():
        if not bool(((tensor >= 0) & (tensor <= 1)).all()):
            raise ImageError("float tensor must lie in 0..1; divide 0..255 values by 255")
        tensor = (tensor.float() * 255).round().to(torch.uint8)
    elif tensor.dtype != torch.uint8:
        raise ImageError(f"tensor must be uint8 or float, got {tensor.dtype}")
    array: NDArray[np.uint8] = tensor.permute(1, 2, 0).cpu().contiguous().numpy()
    return array


def _reordered(array: NDArray[np.uint8], order: ChannelOrder) -> NDArray[np.uint8]:
    if order not in ("RGB", "BGR"):
        raise ImageError(f"channel_order must be 'RGB' or 'BGR', got {order!r}")
    return np.ascontiguousarray(array[:, :, ::-1]) if order == "BGR" else array


def _from_pil(image: Image.Image, name: str) -> NDArray[np.uint8]:
    if 0 in image.size:
        raise ImageError(f"{name}: is empty ({image.width}x{image.height})")
    try:
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith(("I", "F")):  # 16-bit grey: Pillow would clip, not scale
            values = np.asarray(upright, dtype=np.float32)
            upright = Image.fromarray((values / max(float(values.max()), 1.0) * 255).round().astype(np.uint8))
        return np.array(upright.convert("RGB"))
    except Exception as error:
        raise ImageError(f"{name}: cannot be decoded ({error})") from None


def _download(url: str) -> bytes:
    # Callers pass http(s) only, so no file: or ftp: address gets here.
    request = Request(url, headers={"User-Agent": "personsearch"})  # noqa: S310
    data = bytearray()
    end = time.monotonic() + URL_TIMEOUT_SECONDS
    try:
        with urlopen(request, timeout=URL_TIMEOUT_SECONDS) as response:  # noqa: S310
            # In pieces, because the socket's own time limit starts anew with every byte that arrives.
            while piece := response.read1(URL_PIECE_BYTES):
                data += piece
                if len(data) > URL_MAX_BYTES:
                    raise ImageError(
                        f"{url}: larger than {URL_MAX_BYTES // 2**20} MiB; download it yourself and give the file"
                    )
                if time.monotonic() > end:
                    raise ImageError(
                        f"{url}: not there after {URL_TIMEOUT_SECONDS:.0f} s; download it yourself and give the file"
                    )
    except (OSError, HTTPException, ValueError) as error:
        raise ImageError(f"{url}: cannot be fetched ({error})") from None
    return bytes(data)


@dataclass(frozen=True)
class Canvas:
    """An image as the network takes it.

    Attributes:
        pixels: (3, H, W) uint8 RGB; H and W multiples of 32, the image at the top left.
        scale: (x, y) canvas pixels per original pixel.
        image_size: (height, width) of the original.
    """

    pixels: Tensor
    scale: tuple[float, float]
    image_size: tuple[int, int]

    def to_canvas(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map (N, 4) boxes from the original image to the canvas."""
        return (boxes * self._factors()).astype(np.float32)

    def to_original(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map (N, 4) boxes from the canvas to the original image, and clip them to it."""
        height, width = self.image_size
        return (boxes / self._factors()).clip(0, [width, height, width, height]).astype(np.float32)

    def _factors(self) -> NDArray[np.float64]:
        return np.array([*self.scale, *self.scale])


def resized_size(height: int, width: int, min_size: int, max_size: int) -> tuple[int, int]:
    """Apply the paper's resize rule (section 4.3): shorter side to ``min_size``, longer side at most ``max_size``.

    Returns:
        (height, width), at least one pixel each.
    """
    scale = min(min_size / min(height, width), max_size / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def to_canvas(image: NDArray[np.uint8], min_size: int, max_size: int) -> Canvas:
    """Resize and pad an image. The result follows from the image alone, never from its batch.

    InstanceNorm sees the whole canvas, so padding by batch would change features with the company an image keeps.

    Args:
        image: (H, W, 3) uint8 RGB.
        min_size: of the resize rule.
        max_size: of the resize rule.
    """
    height, width = image.shape[:2]
    new_height, new_width = resized_size(height, width, min_size, max_size)
    pixels = torch.from_numpy(image if image.flags.writeable else image.copy()).permute(2, 0, 1)
    if (new_height, new_width) != (height, width):
        pixels = TF.resize(pixels, [new_height, new_width], antialias=True)
    canvas = torch.empty(3, _round_up(new_height), _round_up(new_width), dtype=torch.uint8)
    canvas[:] = torch.tensor(PAD_COLOUR, dtype=torch.uint8).view(3, 1, 1)
    canvas[:, :new_height, :new_width] = pixels
    return Canvas(canvas, (new_width / width, new_height / height), (height, width))


def _round_up(size: int) -> int:
    return -(-size // MULTIPLE) * MULTIPLE
