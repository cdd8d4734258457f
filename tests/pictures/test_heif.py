"""HEIC and AVIF pictures, as phones take them (pillow-heif, the extra ``[heif]``)."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from personsearch.errors import ImageError
from personsearch.pictures.decode import Header, image_header, load_image, load_reduced
from tests.pictures.films import corners, quarters

FORMS = [
    pytest.param("HEIF", id="heic"),
    pytest.param("AVIF", marks=pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")),
]


def encoded(kind: str, orientation: int = 1, more: int = 0) -> bytes:
    if kind == "HEIF":
        pytest.importorskip("pillow_heif", reason="needs pillow-heif").register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = io.BytesIO()
    others = [Image.new("RGB", (64, 48), (9, 9, 9))] * more
    options = {"save_all": True, "append_images": others} if more else {}
    Image.fromarray(corners()).save(data, kind, exif=exif.tobytes(), quality=90, **options)
    return data.getvalue()


#: What :func:`quarters` sees after each EXIF orientation was applied once.
UPRIGHT = {
    1: [1, 2, 3, 4],
    2: [2, 1, 4, 3],
    3: [4, 3, 2, 1],
    4: [3, 4, 1, 2],
    5: [1, 3, 2, 4],
    6: [3, 1, 4, 2],
    7: [4, 2, 3, 1],
    8: [2, 4, 1, 3],
}


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_the_orientation_is_applied_once(kind: str, orientation: int, tmp_path: Path) -> None:
    data = encoded(kind, orientation)
    pixels = load_image(data)
    size = (64, 48) if orientation < 5 else (48, 64)
    assert pixels.shape == (size[1], size[0], 3)
    assert quarters(Image.fromarray(pixels)) == UPRIGHT[orientation]
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(data)
    assert image_header(path).size == size
    reduced, header = load_reduced(path, (8, 8))
    assert (reduced.size, header.size) == (size, size)
    assert np.array_equal(np.asarray(reduced), pixels)


def test_the_primary_picture_of_several_is_taken() -> None:
    assert quarters(Image.fromarray(load_image(encoded("HEIF", more=2)))) == [1, 2, 3, 4]


def test_a_photo_whose_suffix_is_wrong_is_read(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded("HEIF"))
    assert quarters(Image.fromarray(load_image(path))) == [1, 2, 3, 4]
    assert image_header(path) == Header((64, 48), orientation=1)


def test_a_damaged_photo_is_an_error() -> None:
    data = encoded("HEIF")
    for length in (30, len(data) // 2, len(data) - 10):
        with pytest.raises(ImageError, match="cannot be"):
            load_image(data[:length])


def test_without_the_reader_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(encoded("HEIF"))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for name in ("HEIF", "AVIF"):
        monkeypatch.delitem(Image.OPEN, name, raising=False)
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name not in ("HEIF", "AVIF")])
    with pytest.raises(ImageError, match=r"IMG_0001\.HEIC: HEIC pictures need .*'personsearch\[heif\]'"):
        load_image(path)
    monkeypatch.setattr(features, "check", lambda _: False)
    with pytest.raises(ImageError, match=r"AVIF pictures need Pillow 11\.3 or later"):
        load_image(b"\0\0\0\x1cftypavif\0\0\0\0mif1avif" + b"\0" * 80)
