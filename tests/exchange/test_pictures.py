"""A still is copied byte for byte where every tool shows it as we do; everything else becomes a JPEG."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from personsearch.errors import ImageError
from personsearch.exchange.pictures import Original, encoded, originals
from personsearch.pictures.decode import load_image
from personsearch.results import StoredScene
from tests.exchange.galleries import extra_of
from tests.pictures.films import film, quarters

GREY = Image.fromarray(np.linspace(0, 255, 40 * 60).reshape(40, 60).astype(np.uint8))


def scene_of(path: Path, size: tuple[int, int] = (60, 40), name: str | None = None) -> StoredScene:
    """Return the stored scene of a file of this width and height."""
    extra = extra_of(path)
    return StoredScene(image_id=name or path.name, camera=None, time=None, image_size=size[::-1], extra=extra)


def original(scene: StoredScene) -> Original:
    [found] = originals([scene])
    assert isinstance(found, Original), found
    return found


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_what_every_tool_shows_is_copied(tmp_path: Path, suffix: str, mode: str) -> None:
    path = tmp_path / f"scene{suffix.upper()}"
    GREY.convert(mode).save(path)
    copied = encoded(original(scene_of(path)), (40, 60), None)
    assert (copied.data, copied.suffix, copied.size) == (path.read_bytes(), suffix, (60, 40))


def turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter before it is shown
    GREY.rotate(90, expand=True).save(path, exif=exif)


OTHERS: dict[str, Any] = {
    "turned.jpg": turned,
    "deep.png": lambda path: Image.fromarray(np.asarray(GREY, np.uint16) * 257).save(path),
    "scan.tif": GREY.save,
    "print.jpg": GREY.convert("CMYK").save,
    "moving.png": lambda path: GREY.save(path, save_all=True, append_images=[GREY.rotate(180)]),
    "drawn.bmp": GREY.save,
}


@pytest.mark.parametrize("name", OTHERS)
def test_everything_else_becomes_a_jpeg_as_training_would_see_it(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    OTHERS[name](path)
    written = encoded(original(scene_of(path)), (40, 60), None)
    (tmp_path / "out.jpg").write_bytes(written.data)
    assert (written.suffix, written.size) == (".jpg", (60, 40))
    difference = load_image(tmp_path / "out.jpg").astype(int) - load_image(path).astype(int)
    assert abs(difference).mean() < 2


def test_a_smaller_picture(tmp_path: Path) -> None:
    GREY.save(tmp_path / "a.png")
    small = encoded(original(scene_of(tmp_path / "a.png")), (40, 60), 30)
    assert (small.suffix, small.size) == (".jpg", (30, 20))
    large = encoded(original(scene_of(tmp_path / "a.png")), (40, 60), 600)
    assert large.data == (tmp_path / "a.png").read_bytes()


def test_frames_of_a_film_and_stills_together(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4")
    GREY.save(tmp_path / "a.png")
    frames = [scene_of(path, (64, 48), f"a.mp4#t={time}") for time in ("0.900", "0.000", "7.000")]
    last, first, missing, still = originals([*frames, scene_of(tmp_path / "a.png")])
    assert isinstance(last, Original)
    assert isinstance(first, Original)
    assert quarters(last.load()) == quarters(first.load()) == [1, 2, 3, 4]
    assert np.asarray(last.load()).mean() < np.asarray(first.load()).mean() - 10  # films grow darker
    assert isinstance(missing, Original)
    with pytest.raises(ImageError, match=r"has no frame at 7\.0 s"):
        missing.load()
    assert isinstance(still, Original)
    assert still.file == (tmp_path / "a.png").read_bytes()


def test_why_a_picture_cannot_be_had(tmp_path: Path) -> None:
    GREY.save(tmp_path / "a.png")
    scene = scene_of(tmp_path / "a.png")
    with pytest.raises(ImageError, match=r"a\.png: the picture is 60x40 now, the scene was 99x40"):
        encoded(original(scene), (40, 99), None)
    (tmp_path / "a.png").write_bytes(b"no picture")
    [found] = originals([scene])
    assert isinstance(found, ImageError)
    assert "has changed since it was indexed" in str(found)
    (tmp_path / "a.png").unlink()
    (tmp_path / "a.png").mkdir()
    [found] = originals([scene])
    assert "cannot be read (Is a directory)" in str(found)


def test_what_is_damaged_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"a\.png: "):
        encoded(original(scene_of(path)), (40, 60), None)
