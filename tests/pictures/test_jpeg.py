"""JPEGs are decoded to Pillow's pixels, and refused as Pillow refuses them, whatever decodes them."""

import io
import struct
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from personsearch.errors import ImageError
from personsearch.pictures import jpeg
from personsearch.pictures.decode import LeastSize, Picture, load_image, load_picture

KINDS = ("444", "422", "420", "440", "411", "grey", "rgb", "cmyk")
ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"  # and one byte: how the colours were transformed


def pixels(rng: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """Return waves with some noise, or noise alone."""
    y, x = np.mgrid[:height, :width] / rng.uniform(2, 20)
    waves = np.stack([np.sin(x + shift) + np.cos(y - shift) for shift in range(3)], axis=2) * rng.choice([0, 60]) + 128
    return np.asarray((waves + rng.normal(0, rng.choice([2, 60]), waves.shape)).clip(0, 255), np.uint8)


def encoded(rng: np.random.Generator, kind: str, orientation: int = 1) -> bytes:
    """Return a JPEG of odd size with what such files may have: scans, restart markers, profiles, no JFIF header."""
    image = pixels(rng, *rng.integers(1, 70, 2))
    if kind in ("440", "411"):  # which Pillow does not write
        return simplejpeg.encode_jpeg(image, 85, "RGB", kind)
    exif = Image.Exif()
    exif[jpeg.ORIENTATION] = orientation
    options: dict[str, Any] = {"quality": int(rng.integers(5, 101)), "progressive": bool(rng.integers(2)), "exif": exif}
    options["restart_marker_blocks"] = int(rng.choice([0, 3]))
    if rng.integers(2):
        options["icc_profile"] = bytes(rng.integers(0, 256, 300, np.uint8))
    if kind in ("444", "422", "420"):
        options["subsampling"] = ("444", "422", "420").index(kind)
    options["keep_rgb"] = kind == "rgb"
    file = io.BytesIO()
    picture = Image.fromarray(image).convert({"grey": "L", "cmyk": "CMYK"}.get(kind, "RGB"))
    picture.save(file, "JPEG", **options)
    data = file.getvalue()
    if rng.integers(3) == 0 and data[2:4] == b"\xff\xe0":
        data = data[:2] + data[4 + struct.unpack(">H", data[4:6])[0] :]  # without its JFIF header
    if rng.integers(3) == 0 and kind != "cmyk":
        data = data[:2] + ADOBE + bytes([rng.integers(2)]) + data[2:]
    return data


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    start, length = rng.integers(len(data)), rng.integers(1, 50)
    match rng.integers(5):
        case 0:
            del changed[start:]
        case 1:
            changed[start:start] = changed[start : start + length]
        case 2:
            del changed[start : start + length]
        case choice:
            within = len(data) if choice == 3 else min(len(data), 700)
            for position in rng.integers(within, size=rng.choice([1, 4])):
                changed[position] = rng.integers(256)
    return bytes(changed)


@pytest.fixture
def by_pillow(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Picture]:
    """Decode by Pillow alone."""

    def load(data: bytes, least: LeastSize | None = None) -> Picture:
        with monkeypatch.context() as patch:
            patch.setattr(jpeg, "decode_upright", lambda image, reduction: None)
            return load_picture(data, least=least)

    return load


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of every picture that is decoded: whether Pillow did not have to do it."""
    calls: list[bool] = []
    real = jpeg.decode_upright

    def spy(image: Image.Image, reduction: int = 1) -> NDArray[np.uint8] | None:
        got = real(image, reduction)
        calls.append(got is not None)
        return got

    monkeypatch.setattr(jpeg, "decode_upright", spy)
    return calls


@pytest.fixture
def tried_again() -> Iterator[None]:
    """Let the decoder be tried in this test and after it, as in a new process."""
    jpeg.same_as_pillow.cache_clear()
    yield
    jpeg.same_as_pillow.cache_clear()


def same(one: Picture, other: Picture) -> bool:
    return np.array_equal(one.pixels, other.pixels) and one[1:] == other[1:]


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_pillow_s(kind: str, by_pillow: Callable[..., Picture], fast: list[bool]) -> None:
    rng = np.random.default_rng(KINDS.index(kind))
    for number in range(27):
        data = encoded(rng, kind, orientation=number % 9)
        least = None if number % 2 else lambda size: (max(1, size[0] // 5), max(1, size[1] // 5))
        assert same(load_picture(data, least=least), by_pillow(data, least)), number
    assert fast == [kind != "cmyk"] * 27


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_are_what_pillow_says_they_are(seed: int, by_pillow: Callable[..., Picture]) -> None:
    rng = np.random.default_rng(seed)
    outcomes = []
    for number in range(150):
        data = damaged(encoded(rng, KINDS[number % len(KINDS)], orientation=int(rng.choice([1, 6]))), rng)
        results: list[Picture | str] = []
        for load in (load_picture, by_pillow):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow's, of damaged EXIF and of large sizes
                try:
                    results.append(load(data))
                except ImageError as error:
                    results.append(str(error))
        one, other = results
        assert isinstance(one, Picture) == isinstance(other, Picture), (one, other)
        assert same(one, other) if isinstance(one, Picture) and isinstance(other, Picture) else one == other
        outcomes.append(isinstance(one, Picture))
    assert 20 < sum(outcomes) < 130


def test_of_several_pictures_in_one_file_the_first_is_decoded(fast: list[bool]) -> None:
    rng = np.random.default_rng(0)
    first, second = (Image.fromarray(pixels(rng, 40, 30)) for _ in range(2))
    file = io.BytesIO()
    first.save(file, "MPO", save_all=True, append_images=[second], quality=90)
    alone = io.BytesIO()
    first.save(alone, "JPEG", quality=90)
    assert Image.open(file).format == "MPO"
    assert np.array_equal(load_image(file.getvalue()), load_image(alone.getvalue()))
    assert fast == [True, True]


def test_other_formats_are_pillow_s(fast: list[bool]) -> None:
    file = io.BytesIO()
    Image.new("RGB", (5, 4)).save(file, "PNG")
    load_image(file.getvalue())
    assert fast == [False]


def test_a_picture_that_is_open_already_is_left_to_its_owner(fast: list[bool], tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(np.random.default_rng(1), "420", orientation=6))
    with Image.open(path) as image:
        size = image.size
        assert load_image(image).shape[:2] == size
        assert (image.size, image.getexif()[jpeg.ORIENTATION]) == (size, 6)
    assert fast == []


@pytest.mark.usefixtures("tried_again")
def test_without_the_package_pillow_decodes(monkeypatch: pytest.MonkeyPatch, by_pillow: Callable[..., Picture]) -> None:
    data = encoded(np.random.default_rng(2), "420", orientation=8)
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    assert not jpeg.same_as_pillow()
    assert same(load_picture(data), by_pillow(data))


@pytest.mark.usefixtures("tried_again")
@pytest.mark.parametrize("wrong", ["420", "GRAY"])
def test_a_decoder_that_disagrees_about_one_kind_is_not_used(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = simplejpeg.decode_jpeg

    def decode(data: bytes, *arguments: Any, **options: Any) -> NDArray[np.uint8]:
        off = simplejpeg.decode_jpeg_header(data)[3].upper() == wrong
        return np.asarray(real(data, *arguments, **options) ^ np.uint8(off))

    assert jpeg.same_as_pillow()
    jpeg.same_as_pillow.cache_clear()
    monkeypatch.setattr(simplejpeg, "decode_jpeg", decode)
    assert not jpeg.same_as_pillow()


@pytest.mark.parametrize(("orientation", "upright"), [(1, (301, 405)), (6, (405, 301))])
@pytest.mark.parametrize(
    ("least", "reduction"),  # height and width of the picture as it lies: 301 and 405
    [((301, 405), 1), ((151, 10), 1), ((150, 202), 2), ((75, 102), 2), ((75, 101), 4), ((37, 50), 8), ((1, 1), 8)],
)
def test_a_reduced_picture_never_falls_below_what_is_wanted(
    orientation: int, upright: tuple[int, int], least: tuple[int, int], reduction: int
) -> None:
    exif = Image.Exif()
    exif[jpeg.ORIENTATION] = orientation
    file = io.BytesIO()
    Image.linear_gradient("L").resize((405, 301)).convert("RGB").save(file, "JPEG", quality=95, exif=exif)
    asked = []

    def wanted(size: tuple[int, int]) -> tuple[int, int]:
        asked.append(size)
        return least if orientation == 1 else least[::-1]

    picture = load_picture(file.getvalue(), least=wanted)
    assert asked == [upright]
    assert (picture.image_size, picture.reduction) == (upright, reduction)
    assert picture.pixels.shape == (-(-upright[0] // reduction), -(-upright[1] // reduction), 3)
    whole = Image.fromarray(load_image(file.getvalue()))
    box = (0, 0, picture.pixels.shape[1] * reduction, picture.pixels.shape[0] * reduction)
    inner = np.asarray(whole.crop(box).resize(picture.pixels.shape[1::-1], Image.Resampling.BOX))[:-1, :-1]
    assert np.abs(inner.astype(int) - picture.pixels[:-1, :-1]).max() < 8


def test_only_jpegs_are_reduced() -> None:
    file = io.BytesIO()
    Image.new("RGB", (64, 48)).save(file, "PNG")
    for source in (file.getvalue(), Image.new("RGB", (64, 48)), np.zeros((48, 64, 3), np.uint8)):
        picture = load_picture(source, least=lambda size: (1, 1))
        assert (picture.image_size, picture.reduction, picture.pixels.shape) == ((48, 64), 1, (48, 64, 3))
