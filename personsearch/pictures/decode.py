"""Any input in, an upright RGB array out: the one place where images are decoded. Loads no torch."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, TypeGuard
from urllib.request import HTTPRedirectHandler, Request, build_opener

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError, features

from personsearch.errors import ImageError
from personsearch.pictures import jpeg
from personsearch.pictures.formats import RENAME, head, heif_format, video_format
from personsearch.pictures.levels import stretched, to_shades

if TYPE_CHECKING:
    from torch import Tensor

#: Path, http(s) URL, encoded bytes, PIL image, (H, W, 3) uint8 RGB array or (3, H, W) tensor (uint8, or float 0..1).
ImageInput: TypeAlias = "str | os.PathLike[str] | bytes | Image.Image | NDArray[np.uint8] | Tensor"
ChannelOrder: TypeAlias = Literal["RGB", "BGR"]

#: Upright (height, width) of an image -> (height, width) that its pixels must not fall below.
LeastSize: TypeAlias = Callable[[tuple[int, int]], tuple[int, int]]

URL_TIMEOUT_SECONDS = 20.0
URL_MAX_BYTES = 64 * 2**20
URL_PIECE_BYTES = 2**16


#: The lowest EXIF orientation that swaps width and height.
_LEAST_TURNED = 5


class Picture(NamedTuple):
    """A decoded image.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, upright.
        value_range: of an image of more than 256 levels, the values that became 0 and 255; else None.
        image_size: (height, width) of the whole upright image.
        reduction: 1; or 2, 4 or 8, where a pixel stands for as many of the whole image in each direction. The last row
            and column may stand for fewer.
    """

    pixels: NDArray[np.uint8]
    value_range: tuple[float, float] | None
    image_size: tuple[int, int]
    reduction: int = 1


class Header(NamedTuple):
    """What an image says of itself.

    Attributes:
        size: width and height of the upright image, pixels.
        orientation: of EXIF, 1 to 8; 1 = its pixels are stored upright, or nothing is said.
    """

    size: tuple[int, int]
    orientation: int

    @property
    def turned(self) -> bool:
        """Whether the orientation swaps width and height."""
        return self.orientation >= _LEAST_TURNED


def load_image(source: ImageInput, *, channel_order: ChannelOrder = "RGB") -> NDArray[np.uint8]:
    """Decode any accepted input, as :func:`load_picture` does.

    Args:
        source: see :data:`ImageInput`.
        channel_order: of arrays and tensors; encoded images and PIL images state their own.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ImageError: names the input and what is wrong with it; a HEIC without the extra ``[heif]``, too.
    """
    return load_picture(source, channel_order=channel_order).pixels


def load_picture(source: ImageInput, *, channel_order: ChannelOrder = "RGB", least: LeastSize | None = None) -> Picture:
    """Decode any accepted input, and say how its values became shades.

    EXIF orientation of encoded and PIL images is applied: boxes are in the upright frame. The first frame of an
    animation is used, of a HEIC its primary image. Alpha is dropped, palettes are converted. Grey images of 16 or 32
    bits or of floats are scaled from their robust minimum to their robust maximum
    (:func:`personsearch.pictures.levels.to_shades`); of colours of 16 bits the upper eight are used, scaled so where
    they hardly differ. The pixels are Pillow's, whatever decodes them (``jpeg.py``).

    Args:
        source: see :data:`ImageInput`.
        channel_order: of arrays and tensors; encoded images and PIL images state their own.
        least: given, a JPEG from a file, a URL or bytes is decoded at 1/2, 1/4 or 1/8 of its size, by way of its DCT
            coefficients, where its pixels do not fall below what this returns for it. Faster, and not the pixels of a
            whole image that is resized.

    Raises:
        ImageError: names the input and what is wrong with it.
    """
    if isinstance(source, np.ndarray):
        return _whole(_reordered(_from_array(source), channel_order))
    if is_tensor(source):
        return _whole(_reordered(_from_tensor(source), channel_order))
    if isinstance(source, Image.Image):
        upright, value_range = _upright(source, describe(source), "RGB")
        return _whole(np.array(upright), value_range)
    name = describe(source)
    with image_errors(name):
        if isinstance(source, bytes):
            file: Any = io.BytesIO(source)
        elif isinstance(source, str) and is_url(source):
            file = io.BytesIO(download(source))
        elif isinstance(source, (str, os.PathLike)):
            file = os.fspath(source)
        else:
            raise ImageError(f"{name}: cannot be used as an image; give a path, URL, bytes, PIL image, array or tensor")
        with open_image(file, name) as image:
            return _from_file(image, name, least)


def image_header(path: str | os.PathLike[str]) -> Header:
    """Read the size of an upright image from its header alone, without decoding pixels.

    A PNG's orientation is not looked at, as its EXIF follows the pixels: reading those of a whole set takes minutes.

    Raises:
        ImageError: names the file and what is wrong with it.
    """
    with image_errors(describe(path)), open_image(path, describe(path)) as image:
        return _header_of(image, 1 if image.format == "PNG" else _orientation(image))


def image_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Return width and height of the upright image, as :func:`image_header` reads them.

    Raises:
        ImageError: names the file and what is wrong with it.
    """
    return image_header(path).size


def load_reduced(
    source: str | os.PathLike[str] | bytes, least: tuple[int, int], mode: Literal["RGB", "L"] = "RGB"
) -> tuple[Image.Image, Header]:
    """Decode an image upright, at a reduced size where its format allows that.

    JPEG's does: a large file takes a third of the time.

    Args:
        source: path, or encoded bytes.
        least: width and height that the upright picture must not fall below; a JPEG comes at 1, 1/2, 1/4 or
            1/8 of its size.
        mode: of the picture: colour, or grey.

    Returns:
        The picture, and the header of the image at its full size.

    Raises:
        ImageError: names the input and what is wrong with it.
    """
    name = describe(source)
    with image_errors(name), open_image(io.BytesIO(source) if isinstance(source, bytes) else source, name) as image:
        header = _header_of(image, _orientation(image))
        image.draft(mode, least[::-1] if header.turned else least)
        return _upright(image, name, mode)[0], header


def is_url(text: str) -> bool:
    """Whether a text is the address of an image: http or https, nothing else."""
    return text.startswith(("http://", "https://"))


def require_image(source: str) -> None:
    """Refuse a path that is not a file; whether the file is an image is only known once it is decoded.

    URLs pass unchecked.

    Raises:
        ImageError: there is no such file, or it is a folder.
    """
    if is_url(source) or os.path.isfile(source):
        return
    raise ImageError(f"{source}: is a folder, not an image" if os.path.isdir(source) else f"{source}: no such file")


def describe(source: object) -> str:
    """Name an input in messages: its path or URL, else its type and shape."""
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    if isinstance(source, bytes):
        return f"<{len(source)} bytes>"
    shape = getattr(source, "shape", getattr(source, "size", None))
    size = f" {tuple(shape)}" if isinstance(shape, tuple) else ""
    return f"<{type(source).__name__}{size}>"


def _from_array(array: NDArray[Any]) -> NDArray[np.uint8]:
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8 or 0 in array.shape:
        raise ImageError(
            f"array must be (H, W, 3) uint8 RGB and not empty, got {array.shape} {array.dtype}{_advice(array)}"
        )
    return np.ascontiguousarray(array)


def _advice(array: NDArray[Any]) -> str:
    """What to do with an array that is nearly right."""
    if array.ndim == 2 and array.dtype != np.uint8:
        return "; give PIL.Image.fromarray(array), whose values are scaled"
    if array.dtype != np.uint8:
        return "; scale its values to 0..255 and convert it"
    if array.ndim == 2:
        return "; give numpy.stack([array] * 3, axis=2)"
    if array.ndim == 3 and array.shape[2] == 1:
        return "; give numpy.repeat(array, 3, axis=2)"
    if array.ndim == 3 and array.shape[2] == 4:
        return "; give array[:, :, :3]"
    return ""


def is_tensor(source: object) -> TypeGuard[Tensor]:
    """Whether the input is a tensor. There is none unless torch is loaded already, so it is never loaded for this."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(source, torch.Tensor)


def _from_tensor(tensor: Tensor) -> NDArray[np.uint8]:
    if tensor.ndim != 3 or tensor.shape[0] != 3 or 0 in tensor.shape:
        raise ImageError(f"tensor must be (3, H, W) and not empty, got {tuple(tensor.shape)}")
    if tensor.is_floating_point():
        if not bool(((tensor >= 0) & (tensor <= 1)).all()):
            raise ImageError("float tensor must lie in 0..1; divide 0..255 values by 255")
        tensor = (tensor.float() * 255).round().byte()
    elif str(tensor.dtype) != "torch.uint8":
        raise ImageError(f"tensor must be uint8 or float, got {tensor.dtype}")
    array: NDArray[np.uint8] = tensor.permute(1, 2, 0).cpu().contiguous().numpy()
    return array


def _reordered(array: NDArray[np.uint8], order: ChannelOrder) -> NDArray[np.uint8]:
    if order not in ("RGB", "BGR"):
        raise ImageError(f"channel_order must be 'RGB' or 'BGR', got {order!r}")
    return np.ascontiguousarray(array[:, :, ::-1]) if order == "BGR" else array


def _whole(pixels: NDArray[np.uint8], value_range: tuple[float, float] | None = None) -> Picture:
    return Picture(pixels, value_range, (pixels.shape[0], pixels.shape[1]))


def _from_file(image: Image.Image, name: str, least: LeastSize | None) -> Picture:
    """Decode an image that was opened from a file, and that nobody else holds."""
    size, reduction, turned = image.size, 1, False
    if least is not None and image.format in jpeg.FORMATS:
        turned = _orientation(image) >= _LEAST_TURNED
        reduction = _reduce(image, least(size if turned else size[::-1]), turned=turned)
    pixels, value_range = jpeg.decode_upright(image, reduction), None
    if pixels is None:
        upright, value_range = _upright(image, name, "RGB", in_place=True)
        pixels = np.array(upright)
    if reduction == 1:
        return _whole(pixels, value_range)
    return Picture(pixels, value_range, size if turned else size[::-1], reduction)


def _reduce(image: Image.Image, least: tuple[int, int], *, turned: bool) -> int:
    """Let a JPEG be decoded at the smallest part of its size at which its upright (height, width) is ``least``."""
    width, height = image.size
    image.draft("RGB", least if turned else least[::-1])
    return next(part for part in jpeg.REDUCTIONS if (-(-width // part), -(-height // part)) == image.size)


def _upright(
    image: Image.Image, name: str, mode: Literal["RGB", "L"], *, in_place: bool = False
) -> tuple[Image.Image, tuple[float, float] | None]:
    """Apply the EXIF orientation and convert; return the value range too.

    ``in_place`` spares two copies, and changes the image.
    """
    if 0 in image.size:
        raise ImageError(f"{name}: is empty ({image.width}x{image.height})")
    try:
        deep_colour = _has_deep_colour(image)
        upright, value_range = image, None
        if in_place:
            ImageOps.exif_transpose(image, in_place=True)
        else:
            upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith(("I", "F")):  # Pillow would clip, not scale
            shades, value_range = to_shades(np.asarray(upright), name)
            upright = Image.fromarray(shades)
        elif deep_colour:
            shades, value_range = stretched(np.asarray(upright.convert("RGB")))
            upright = Image.fromarray(shades)
        return upright if upright.mode == mode else upright.convert(mode), value_range
    except ImageError:
        raise
    except Exception as error:
        raise ImageError(f"{name}: cannot be decoded ({error})") from None


def _has_deep_colour(image: Image.Image) -> bool:
    """Whether an image that is not loaded yet has 16 bits for each channel, of which Pillow keeps the upper eight."""
    return ";16" in str(getattr(image, "tile", "")) and image.mode in ("RGB", "RGBA", "LA")


def open_image(file: Any, name: str) -> Image.Image:
    """Open a path or file as Pillow does; the reader of HEIC is added to Pillow when the first such picture comes.

    Args:
        file: path, or file with binary content.
        name: of it, in messages.

    Raises:
        ImageError: the file is a HEIC or AVIF whose reader is not installed, or a video.
    """
    try:
        image = Image.open(file)
    except UnidentifiedImageError:
        data = head(file)
        if heif_format(data) is not None:
            _add_reader_of(heif_format(data), name)
            return Image.open(file)
        if video_format(data) is not None:
            raise ImageError(f"{name}: is no picture but a video, {video_format(data)}; {RENAME}") from None
        raise
    if image.format == "MPEG":
        raise ImageError(f"{name}: is no picture but a video, MPEG; {RENAME}")
    return image


def _add_reader_of(form: str | None, name: str) -> None:
    if form == "AVIF":
        if not features.check("avif"):
            raise ImageError(f"{name}: AVIF pictures need Pillow 11.3 or later: pip install --upgrade pillow")
        return
    try:
        import pillow_heif
    except ImportError:
        raise ImageError(f"{name}: HEIC pictures need pillow-heif: pip install 'personsearch[heif]'") from None
    pillow_heif.register_heif_opener()


def _orientation(image: Image.Image) -> int:
    value = image.getexif().get(jpeg.ORIENTATION, 1)
    return int(value) if value in range(1, 9) else 1


def _header_of(image: Image.Image, orientation: int) -> Header:
    size = image.size
    return Header(size[::-1] if orientation >= _LEAST_TURNED else size, orientation)


@contextmanager
def image_errors(name: str) -> Iterator[None]:
    """Turn whatever opening or decoding an image raises into an ImageError that names it."""
    try:
        yield
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


class _HttpRedirects(HTTPRedirectHandler):
    """Follows redirects to http and https only; urllib's own handler follows them to ftp, too."""

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request | None:
        if not is_url(newurl):
            raise ImageError(f"{req.full_url}: redirects to {newurl}, which is not an http(s) address")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def download(url: str) -> bytes:
    """Fetch an http or https address, within :data:`URL_TIMEOUT_SECONDS` and :data:`URL_MAX_BYTES`.

    Raises:
        ImageError: it cannot be fetched, or not within these.
    """
    request = Request(url, headers={"User-Agent": "personsearch"})  # noqa: S310  # http(s) only: see is_url
    data = bytearray()
    end = time.monotonic() + URL_TIMEOUT_SECONDS
    try:
        with build_opener(_HttpRedirects).open(request, timeout=URL_TIMEOUT_SECONDS) as response:
            # In pieces, because the socket's own time limit starts again with every byte that arrives.
            while piece := response.read1(URL_PIECE_BYTES):
                data += piece
                if len(data) > URL_MAX_BYTES:
                    raise ImageError(
                        f"{url}: larger than {URL_MAX_BYTES // 2**20} MiB; download it yourself and give the file"
                    )
                if time.monotonic() > end:
                    raise ImageError(
                        f"{url}: not complete after {URL_TIMEOUT_SECONDS:.0f} s; download it yourself and give the file"
                    )
    except (OSError, HTTPException, ValueError) as error:
        raise ImageError(f"{url}: cannot be fetched ({error})") from None
    return bytes(data)
