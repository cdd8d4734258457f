"""A folder of photographed materials: kinds from names, cells of sheets, seamless pictures, one clear error each."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from personsearch.errors import ConfigError
from personsearch.synth.textures import LARGEST, kind_of, load_textures


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def grey(height: int, width: int, level: int = 120) -> np.ndarray:
    return np.full((height, width, 3), level)


@pytest.mark.parametrize(("name", "kind"), [
    ("open3d_Carpet007_floor-carpet-gray.jpg", "carpet"), ("PavingStones.webp", "paving"),
    ("brick/01.jpg", "brick"), ("bricks/old_oak.jpg", "wood"), ("RoofingTiles003.jpg", "unused"),
    ("rusty_painted_metal.jpg", "metal"), ("Subway-Tile.png", "tile"), ("render.jpg", "plaster"), ("x/y/07.png", ""),
])  # fmt: skip
def test_a_word_in_the_name_tells_the_material(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_the_file_name_counts_before_the_folder_and_sheets_have_cells(tmp_path: Path) -> None:
    save(tmp_path / "walls" / "a.png", grey(64, 64))
    sheet = grey(100, 200, 10)
    sheet[20:84, 100:164] = (200, 100, 50)
    save(tmp_path / "sheets" / "Fabric.png", sheet)
    (tmp_path / "sheets" / "cells.json").write_text(json.dumps({"Fabric": [[0, 0, 16, 64], [100, 20, 64, 64]]}))
    (tmp_path / "notes.txt").write_text("not a picture")
    textures = load_textures(tmp_path)
    assert [(one.name, one.kind) for one in textures.pictures] == [
        ("sheets/Fabric.png#1", "fabric"),
        ("walls/a.png", "plaster"),
    ]
    (cloth,) = textures.of(("fabric",))
    assert cloth.pixels().shape == (64, 64, 4)
    assert (cloth.pixels() == (200, 100, 50, 255)).all()
    # (200 / 255) ** 2.2 and so on
    assert cloth.mean() == pytest.approx([0.5860, 0.1275, 0.0278], abs=2e-3)
    assert load_textures(tmp_path) is textures, "listed once"


def test_large_pictures_are_reduced_and_pictures_with_a_seam_are_mirrored(tmp_path: Path) -> None:
    ramp = np.repeat(np.linspace(0, 250, 1200)[None], 900, axis=0)[..., None].repeat(3, 2)
    save(tmp_path / "wood.png", ramp)
    wave = 120 + 100 * np.sin(np.arange(128) / 128 * 2 * np.pi)
    save(tmp_path / "tile.png", np.repeat(wave[None], 128, axis=0)[..., None].repeat(3, 2))
    tile, wood = load_textures(tmp_path).pictures
    assert tile.pixels().shape == (128, 128, 4), "it repeats as it is"
    pixels = wood.pixels().astype(int)
    assert max(pixels.shape) <= LARGEST
    assert (pixels[:, 0] == pixels[:, -1]).all()
    assert (pixels[0] == pixels[-1]).all()
    assert pixels[..., 0].max() - pixels[..., 0].min() > 240


def test_folders_without_a_usable_picture_get_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no folder .*nowhere"):
        load_textures(tmp_path / "nowhere")
    folder = tmp_path / "bad"
    folder.mkdir()
    with pytest.raises(ConfigError, match=r"0 could not be read, 0 are smaller"):
        load_textures(folder)
    (folder / "brick.jpg").write_bytes(b"not a picture")
    save(folder / "wood.png", grey(20, 300))
    save(folder / "roof.png", grey(64, 64))
    load_textures.cache_clear()
    with pytest.raises(ConfigError, match=r"1 could not be read, 1 are smaller than 32 pixels, 1 show roofs"):
        load_textures(folder)


def test_a_damaged_list_of_cells_is_named(tmp_path: Path) -> None:
    save(tmp_path / "a.png", grey(64, 64))
    (tmp_path / "cells.json").write_text('{"a": [[1, 2, 3]]}')
    with pytest.raises(ConfigError, match=r"cells.json is not of the form"):
        load_textures(tmp_path)
