import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from personsearch.errors import ImageError
from personsearch.pictures.decode import Header, image_header, image_size, load_image, load_reduced


@pytest.fixture
def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8))


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def test_the_same_picture_in_every_form(picture: Image.Image, tmp_path: Path) -> None:
    array = np.asarray(picture)
    path = tmp_path / "picture.png"
    picture.save(path)
    tensor = torch.from_numpy(array.copy()).permute(2, 0, 1)
    forms = [path, str(path), encoded(picture), picture, array, tensor, tensor.float() / 255]
    for form in forms:
        assert np.array_equal(load_image(form), array), type(form)


def test_bgr_only_when_said(picture: Image.Image) -> None:
    array = np.asarray(picture)
    assert np.array_equal(load_image(array[:, :, ::-1], channel_order="BGR"), array)


def test_exif_orientation_is_applied(picture: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its side: turn by 90 degrees clockwise
    assert load_image(encoded(picture, "PNG", exif=exif)).shape == (40, 30, 3)


def quarter_turn() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def test_headers_give_the_upright_size(tmp_path: Path) -> None:
    for name, exif in (("a.jpg", quarter_turn()), ("b.png", quarter_turn()), ("c.jpg", Image.Exif())):
        Image.new("RGB", (30, 20)).save(tmp_path / name, exif=exif)
    assert image_header(tmp_path / "a.jpg") == Header((20, 30), orientation=6)
    # A PNG has its EXIF after the pixels, which are not read for this.
    assert image_header(tmp_path / "b.png") == Header((30, 20), orientation=1)
    assert image_size(tmp_path / "c.jpg") == (30, 20)


@pytest.mark.parametrize(
    ("value", "seen", "turned"), [(1, 1, False), (3, 3, False), (8, 8, True), (0, 1, False), (9, 1, False)]
)
def test_an_orientation_that_exif_does_not_know_turns_nothing(
    tmp_path: Path, value: int, seen: int, turned: bool
) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    Image.new("RGB", (30, 20)).save(tmp_path / "a.jpg", exif=exif)
    header = image_header(tmp_path / "a.jpg")
    assert (header.orientation, header.turned) == (seen, turned)
    height, width, _ = load_image(tmp_path / "a.jpg").shape
    assert header.size == (width, height) == ((20, 30) if turned else (30, 20))


def test_headers_of_unusable_files_name_them(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no image")
    with pytest.raises(ImageError, match=r"text\.jpg: cannot be read as an image: empty, damaged"):
        image_size(tmp_path / "text.jpg")
    with pytest.raises(ImageError, match=r"none\.jpg: no such file"):
        image_size(tmp_path / "none.jpg")
    with pytest.raises(ImageError, match="is a folder, not an image"):
        image_size(tmp_path)


@pytest.mark.parametrize(("exif", "upright"), [(Image.Exif(), (640, 480)), (quarter_turn(), (480, 640))])
def test_a_reduced_image_is_upright_and_no_smaller_than_asked(
    tmp_path: Path, exif: Image.Exif, upright: tuple[int, int]
) -> None:
    path = tmp_path / "a.jpg"
    Image.linear_gradient("L").resize((640, 480)).convert("RGB").save(path, exif=exif, quality=95)
    least = (upright[0] // 4 - 5, upright[1] // 4 - 5)
    picture, header = load_reduced(path, least)
    assert header == Header(upright, orientation=6 if upright == (480, 640) else 1)
    assert picture.size == (upright[0] // 4, upright[1] // 4)  # 1/8 would fall below
    whole = Image.fromarray(load_image(path)).resize(picture.size, Image.Resampling.BOX)
    assert np.abs(np.asarray(picture).astype(int) - np.asarray(whole)).max() < 6
    assert load_reduced(path.read_bytes(), least, "L")[0].mode == "L"


def test_a_reduced_png_is_whole_and_turned(picture: Image.Image) -> None:
    reduced, header = load_reduced(encoded(picture, exif=quarter_turn()), (5, 5))
    assert np.array_equal(np.asarray(reduced), load_image(encoded(picture, exif=quarter_turn())))
    assert header == Header((30, 40), orientation=6)


def test_a_truncated_image_cannot_be_reduced(picture: Image.Image) -> None:
    with pytest.raises(ImageError, match=r"^<\d+ bytes>: cannot be read as an image \(image file is truncated"):
        load_reduced(encoded(picture)[:-200], (5, 5))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "CMYK"])
def test_other_modes_become_rgb(picture: Image.Image, mode: str) -> None:
    kind = "TIFF" if mode == "CMYK" else "PNG"
    assert load_image(encoded(picture.convert(mode), kind)).shape == (30, 40, 3)


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    values = np.linspace(0, 65535, 64 * 4).reshape(4, 64).astype(np.uint16)
    got = load_image(encoded(Image.fromarray(values)))[..., 0]
    assert got.min() == 0
    assert got.max() == 255
    assert abs(int(np.median(got)) - 128) <= 1


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("/nowhere/photo.jpg", "/nowhere/photo.jpg: no such file"),
        (b"not an image", "<12 bytes>: cannot be read"),
        (np.zeros((4, 4), np.uint8), r"must be \(H, W, 3\) uint8"),
        (np.zeros((4, 4, 3), np.float32), "uint8"),
        (torch.zeros(4, 4, 3), r"must be \(3, H, W\)"),
        (torch.full((3, 4, 4), 2.0), "0..1"),
        (torch.zeros(3, 4, 4, dtype=torch.int32), "uint8 or float"),
        (12, "cannot be used as an image"),
    ],
)
def test_what_cannot_be_used_is_named(source: object, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        load_image(source)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("array", "advice"),
    [
        (np.zeros((4, 5), np.uint8), r"give numpy\.stack\(\[array\] \* 3, axis=2\)"),
        (np.zeros((4, 5, 1), np.uint8), r"give numpy\.repeat\(array, 3, axis=2\)"),
        (np.zeros((4, 5, 4), np.uint8), r"give array\[:, :, :3\]"),
        (np.zeros((4, 5, 3), np.uint16), r"scale its values to 0\.\.255"),
        (np.full((4, 5), 30_000, np.uint16), r"give PIL\.Image\.fromarray\(array\)"),
    ],
)
def test_an_array_that_is_nearly_right_comes_with_advice(array: np.ndarray, advice: str) -> None:
    with pytest.raises(ImageError, match=advice):
        load_image(array)


@pytest.mark.parametrize(
    "array",
    [
        np.stack([np.zeros((4, 5), np.uint8)] * 3, axis=2),
        np.repeat(np.zeros((4, 5, 1), np.uint8), 3, axis=2),
        np.zeros((4, 5, 4), np.uint8)[:, :, :3],
        Image.fromarray(np.full((4, 5), 30_000, np.uint16)),
    ],
)
def test_the_advice_works(array: np.ndarray | Image.Image) -> None:
    assert load_image(array).shape == (4, 5, 3)


def test_truncated_file_is_refused(picture: Image.Image) -> None:
    with pytest.raises(ImageError, match="cannot be"):
        load_image(encoded(picture)[:200])
