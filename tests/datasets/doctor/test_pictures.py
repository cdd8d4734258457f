"""The difference hash, and what is seen of image files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from personsearch.datasets.doctor.duplicates import NEAR_BITS
from personsearch.datasets.doctor.pictures import difference_hash, look_at
from tests.datasets.doctor.faults import picture, scene


def encoded(image: Image.Image, kind: str, **options: int) -> Image.Image:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return Image.open(io.BytesIO(data.getvalue()))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(60, 95), st.floats(0.7, 1.4))
def test_the_hash_survives_compression_and_scaling(seed: int, quality: int, scale: float) -> None:
    whole = picture(seed, (270, 240))
    scaled = whole.resize((round(270 * scale), round(240 * scale)), Image.Resampling.LANCZOS)
    again = encoded(scaled, "JPEG", quality=quality)
    assert (difference_hash(whole) != difference_hash(again)).sum() <= NEAR_BITS


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(-60, 60))
def test_the_hash_ignores_brightness(seed: int, by: int) -> None:
    grey = np.random.default_rng(seed).integers(60, 196, (8, 9), dtype=np.uint8)
    brighter = (grey.astype(int) + by).astype(np.uint8)
    assert np.array_equal(difference_hash(Image.fromarray(grey)), difference_hash(Image.fromarray(brighter)))


def test_the_hash_of_a_ramp() -> None:
    ramp = Image.fromarray(np.tile(np.arange(0, 180, 20, dtype=np.uint8), (8, 1)))
    assert difference_hash(ramp).tolist() == [True] * 64
    assert difference_hash(ramp.transpose(Image.Transpose.FLIP_LEFT_RIGHT)).tolist() == [False] * 64


def test_a_jpeg_has_the_same_hash_at_reduced_scale(tmp_path: Path) -> None:
    scenes = []
    for seed in range(8):
        picture(seed, (1440, 1080)).save(tmp_path / f"{seed}.jpg", quality=90)
        scenes.append(scene(tmp_path / f"{seed}.jpg", None))
    for seed, seen in enumerate(look_at(scenes, "decode", progress=False)):
        assert (seen.look != difference_hash(picture(seed, (1440, 1080)))).sum() <= NEAR_BITS
        assert seen.size == (1440, 1080)


def test_turned_images_look_as_they_are_shown(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = picture(3, (640, 480))
    upright.save(tmp_path / "a.jpg", quality=95)
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "b.jpg", quality=95, exif=exif)
    plain, turned = look_at([scene(tmp_path / name, None) for name in ("a.jpg", "b.jpg")], "decode", progress=False)
    assert (plain.size, turned.size) == ((640, 480), (640, 480))
    assert (plain.turned, turned.turned) == (False, True)
    assert (plain.look != turned.look).sum() <= NEAR_BITS


def test_trouble_is_named_without_the_path(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "folder.jpg").mkdir()
    scenes = [scene(tmp_path / name, None) for name in ("none.jpg", "text.jpg", "folder.jpg")]
    for look in ("headers", "decode"):
        none, text, folder = look_at(scenes, look, progress=False)
        assert (none.there, text.there, folder.there) == (False, True, True)
        assert text.trouble == "cannot be read as an image: empty, damaged or of an unknown format"
        assert "folder" in folder.trouble or "directory" in folder.trouble
        assert all(str(tmp_path) not in seen.trouble and seen.trouble for seen in (none, text, folder))
