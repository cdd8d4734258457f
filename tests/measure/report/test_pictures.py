import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from personsearch.measure.report import pictures
from personsearch.measure.report.pictures import Frames

RED = (255, 0, 0)


def decoded(uri: str) -> np.ndarray:
    kind, data = uri.split(",")
    assert kind == "data:image/jpeg;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)


def is_red(pixels: np.ndarray) -> np.ndarray:
    return (pixels[..., 0] > 180) & (pixels[..., 1] < 90) & (pixels[..., 2] < 90)


def test_a_scene_shrinks_with_its_frames(tmp_path: Path) -> None:
    path = tmp_path / "scene.png"
    Image.new("RGB", (1280, 720), (120, 120, 120)).save(path)
    box = np.array([[200, 100, 600, 500]], np.float32)
    solid = decoded(pictures.scene(path, [Frames(box, RED, 4)]))
    assert solid.shape == (360, 640, 3)
    rows, columns = np.nonzero(is_red(solid))
    assert np.abs([columns.min() - 100, rows.min() - 50, columns.max() - 300, rows.max() - 250]).max() <= 3
    dashed = decoded(pictures.scene(path, [Frames(box, RED, 4, dashed=True)]))
    assert 0.3 < is_red(dashed).sum() / is_red(solid).sum() < 0.8
    assert not is_red(decoded(pictures.scene(path, []))).any()


def test_a_small_scene_keeps_its_size(tmp_path: Path) -> None:
    path = tmp_path / "scene.png"
    Image.new("RGB", (160, 96)).save(path)
    assert decoded(pictures.scene(path, [])).shape == (96, 160, 3)


def test_a_person_fits_the_page_s_tiles(tmp_path: Path) -> None:
    path = tmp_path / "scene.png"
    Image.new("RGB", (300, 300), (120, 120, 120)).save(path)
    tile = decoded(pictures.person(path, (100, 50, 150, 200), RED))
    assert tile.shape == (250, 200, 3)
    assert is_red(tile).any()
