import io
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from personsearch.errors import ImageError
from personsearch.images import PAD_COLOUR, load_image, resized_size, to_canvas


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


def test_truncated_file_is_refused(picture: Image.Image) -> None:
    with pytest.raises(ImageError, match="cannot be"):
        load_image(encoded(picture)[:200])


@pytest.mark.parametrize(
    ("size", "expected"),
    [((1080, 1920), (540, 960)), ((576, 720), (640, 800)), ((640, 960), (640, 960)), ((480, 480), (640, 640))],
)
def test_the_papers_resize_rule(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert resized_size(*size, min_size=640, max_size=960) == expected


@given(st.integers(1, 300), st.integers(1, 300))
def test_canvas_sides_and_the_way_back(height: int, width: int) -> None:
    image = np.full((height, width, 3), 7, np.uint8)
    canvas = to_canvas(image, 64, 96)
    rows, columns = canvas.pixels.shape[1:]
    assert rows % 32 == columns % 32 == 0
    assert rows <= 96
    assert columns <= 96
    whole = np.array([[0, 0, width, height]], np.float32)
    assert np.allclose(canvas.to_original(canvas.to_canvas(whole)), whole, atol=1e-3)
    inside = resized_size(height, width, 64, 96)
    assert (canvas.pixels[:, : inside[0], : inside[1]] == 7).all()
    assert (canvas.pixels[:, inside[0] :, :] == torch.tensor(PAD_COLOUR).view(3, 1, 1)).all()


def test_boxes_are_clipped_to_the_original() -> None:
    canvas = to_canvas(np.zeros((50, 100, 3), np.uint8), 64, 96)
    got = canvas.to_original(np.array([[-5.0, -5, 500, 500]], np.float32))
    assert got.tolist() == [[0.0, 0.0, 100.0, 50.0]]
