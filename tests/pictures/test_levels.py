"""Grey values of more than 256 levels become shades that show people."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from PIL import Image

from personsearch.errors import ImageError
from personsearch.pictures.decode import load_image, load_picture, load_reduced
from personsearch.pictures.levels import FEWEST, UNIFORM, robust_range, stretched, to_shades


def encoded(values: NDArray[np.generic], kind: str = "TIFF") -> bytes:
    data = io.BytesIO()
    Image.fromarray(values).save(data, kind)
    return data.getvalue()


def ground(low: float = 28_500, high: float = 30_000) -> NDArray[np.float64]:
    """A scene as a thermal camera sees it: (60, 80), warmer towards the right."""
    return np.linspace(low, high, 80)[None].repeat(60, 0)


def test_values_are_scaled_from_their_least_to_their_greatest() -> None:
    values = np.array([[100, 100, 100, 150, 200, 200, 200]] * 3, np.uint16)
    shades, value_range = to_shades(values, "a.tif")
    assert value_range == (100, 200)
    assert shades[0].tolist() == [0, 0, 0, 128, 255, 255, 255]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (ground().astype(np.uint16), "PNG"),
        (ground().astype(np.uint16), "TIFF"),
        (ground().astype(np.int32) - 29_000, "TIFF"),
        (ground(-20, 40).astype(np.float32), "TIFF"),
        (ground(0, 65_535).astype(np.uint16), "PNG"),
        (ground(0, 4_095).astype(np.uint16), "PNG"),
        (ground(0, 1).astype(np.float32), "TIFF"),
    ],
)
def test_every_unit_and_depth_uses_all_shades(values: NDArray[np.generic], kind: str) -> None:
    picture = load_picture(encoded(values, kind))
    assert picture.value_range == pytest.approx((values.min(), values.max()), abs=float(np.ptp(values)) / 30)
    assert picture.pixels[:, :, 0].mean() == pytest.approx(127.5, abs=2)
    assert picture.pixels[0, 0].tolist() == [0, 0, 0]
    assert picture.pixels[-1, -1].tolist() == [255, 255, 255]
    assert np.array_equal(np.asarray(load_reduced(encoded(values, kind), (4, 4), "L")[0]), picture.pixels[:, :, 0])


@pytest.mark.parametrize("where", [(0, 0), (0, 40), (30, 40), (59, 79)])
@pytest.mark.parametrize("value", [0, 65_535])
def test_a_dead_pixel_changes_nothing_else(where: tuple[int, int], value: int) -> None:
    values = ground().astype(np.uint16)
    before = load_picture(encoded(values))
    values[where] = value
    after = load_picture(encoded(values))
    assert after.value_range == before.value_range
    changed = np.argwhere((after.pixels != before.pixels).any(axis=2)).tolist()
    assert changed in ([], [list(where)])


def test_dead_lines_and_many_dead_pixels_change_little() -> None:
    values = ground().astype(np.uint16)
    values[10], values[:, 20] = 65_535, 0
    rng = np.random.default_rng(0)
    values[rng.integers(12, 60, size=20), rng.integers(80, size=20)] = 65_535
    assert robust_range(values) == pytest.approx((28_500, 30_000), abs=60)


def test_a_small_warm_person_on_cold_ground_is_seen_whole() -> None:
    values = np.random.default_rng(0).normal(5, 0.05, (640, 960)).astype(np.float32)
    person = np.linspace(25, 34, 20)[:, None].repeat(8, 1)
    values[300:320, 400:408] = person
    shades, (low, high) = to_shades(values, "a.tif")
    assert low == pytest.approx(5, abs=0.3)
    assert high > 25
    assert shades[300:320, 400:408].min() > 150
    assert shades[:200].max() < 10


def test_something_small_on_a_ground_of_one_value_is_seen() -> None:
    values = np.zeros((640, 960), np.uint16)
    values[300:308, 400:404] = 7
    shades, value_range = to_shades(values, "a.png")
    assert value_range == (0, 7)
    assert shades[303, 402] == 255
    assert shades[0, 0] == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2), (30, 40)])
@pytest.mark.parametrize("value", [0, 29_000, 65_535])
def test_a_picture_of_one_value_is_grey(shape: tuple[int, int], value: int) -> None:
    picture = load_picture(encoded(np.full(shape, value, np.uint16)))
    assert picture.value_range == (value, value)
    assert (picture.pixels == UNIFORM).all()


@pytest.mark.parametrize(("wrong", "said"), [(np.nan, "1 of 4800 pixels is"), (np.inf, "1 of 4800 pixels is")])
def test_pixels_that_are_no_numbers_are_refused_with_their_count(wrong: float, said: str, tmp_path: Path) -> None:
    values = ground(-20, 40).astype(np.float32)
    values[3, 4] = wrong
    (tmp_path / "a.tif").write_bytes(encoded(values))
    with pytest.raises(ImageError, match=rf"a\.tif: {said} NaN or infinite; replace them by a value"):
        load_image(tmp_path / "a.tif")
    values[:2] = -wrong
    (tmp_path / "a.tif").write_bytes(encoded(values))
    with pytest.raises(ImageError, match=r"a\.tif: 161 of 4800 pixels are NaN or infinite"):
        load_reduced(tmp_path / "a.tif", (5, 5))


def test_eight_bits_are_left_alone() -> None:
    values = np.full((30, 40), 90, np.uint8)
    values[10:20] = 110
    picture = load_picture(encoded(values))
    assert picture.value_range is None
    assert sorted(np.unique(picture.pixels)) == [90, 110]


def test_the_picture_is_turned_before_it_is_scaled() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = io.BytesIO()
    Image.fromarray(ground().astype(np.uint16)).save(data, "PNG", exif=exif)
    pixels = load_image(data.getvalue())
    assert pixels.shape == (80, 60, 3)
    assert pixels[0].max() == 0
    assert pixels[-1].min() == 255


def png_of_16_bit_colours(values: NDArray[np.uint16]) -> bytes:
    """Pillow writes none; a PNG is a header, the rows (each after a 0) and an end."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_colours_of_16_bits() -> None:
    full = ground(0, 65_535).astype(np.uint16)[:, :, None].repeat(3, 2)
    photo = load_picture(png_of_16_bit_colours(full))
    assert photo.value_range is None
    assert np.array_equal(photo.pixels, full >> 8)
    twelve_bits = load_picture(png_of_16_bit_colours(full >> 4))  # as many cameras write them: black, if taken as it is
    assert twelve_bits.value_range == (0, 15 * 256 + 255)
    assert twelve_bits.pixels.max() == 255
    assert np.abs(twelve_bits.pixels.astype(int) - photo.pixels).max() <= 256 / FEWEST


def test_colours_keep_their_hue_when_stretched() -> None:
    colours = np.zeros((30, 40, 3), np.uint8)
    colours[:, 20:] = (10, 5, 0)
    scaled, value_range = stretched(colours)
    assert value_range == (0, 2815)
    assert scaled[0, 30].tolist() == [255, 128, 0]
    same, none = stretched(np.full((30, 40, 3), 9, np.uint8))
    assert none is None
    assert (same == 9).all()


VALUES = st.one_of(
    arrays.arrays(np.uint16, arrays.array_shapes(min_dims=2, max_dims=2, max_side=12)),
    arrays.arrays(np.int32, arrays.array_shapes(min_dims=2, max_dims=2, max_side=12)),
    arrays.arrays(np.float32, arrays.array_shapes(min_dims=2, max_dims=2, max_side=12)),
)


@settings(deadline=None, max_examples=150)
@given(VALUES)
def test_any_values_are_shades_in_their_order_or_refused(values: NDArray[np.generic]) -> None:
    wrong = int((~np.isfinite(values)).sum())
    if wrong:
        with pytest.raises(ImageError, match=f"{wrong} of {values.size} pixels"):
            load_picture(encoded(values))
        return
    picture = load_picture(encoded(values))
    assert picture.value_range is not None
    low, high = picture.value_range
    assert values.min() <= low <= high <= values.max()
    shades = picture.pixels[:, :, 0].ravel()[np.argsort(values, axis=None)].astype(int)
    assert (np.diff(shades) >= 0).all()
    if low < high:
        assert (shades.min(), shades.max()) == (0, 255)
