import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from personsearch.errors import ImageError
from personsearch.pictures.decode import load_image


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
