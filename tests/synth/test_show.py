"""Contact sheets, sets and crops, drawn with the real renderer."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from personsearch.datasets import load_dataset
from personsearch.errors import RenderError
from personsearch.synth.crops import make_crops
from personsearch.synth.making import make
from personsearch.synth.recipe import load_recipe
from personsearch.synth.render.context import open_context
from personsearch.synth.show import contact_sheets
from tests.synth.plates.folders import places

SMALL = ["train.frames=2", "test.frames=2", "cameras.per_scene=2"]


@pytest.fixture(autouse=True)
def _graphics() -> None:
    try:
        open_context()
    except RenderError as error:
        pytest.skip(f"needs OpenGL through EGL: {error}")


def test_contact_sheets_are_pictures_of_less_than_300_kb(tmp_path: Path) -> None:
    paths = contact_sheets(load_recipe("tiny"), tmp_path / "sheets")
    assert [path.name for path in paths] == ["people.jpg", "look-alikes.jpg", "things.jpg", "frames.jpg", "cameras.jpg"]
    for path in paths:
        assert path.stat().st_size < 300_000
        assert np.asarray(Image.open(path)).std() > 15


@pytest.mark.slow
def test_a_rendered_set_is_the_same_for_one_worker_and_two(tmp_path: Path) -> None:
    recipe = load_recipe("tiny", SMALL)
    folders = [
        make(recipe, tmp_path / str(workers), workers=workers, keypoints=True, masks=True, progress=False)
        for workers in (1, 2)
    ]
    names = sorted(str(path.relative_to(folders[0])) for path in folders[0].rglob("*") if path.is_file())
    assert sum(name.endswith(".jpg") for name in names) == 8
    for name in names:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name


def test_a_set_over_photographs_is_the_same_for_one_worker_and_two(tmp_path: Path) -> None:
    photographs = places(tmp_path / "places", flat=4, round_=2)
    changes = ["places.share=1.0", "cameras.per_scene=1", "train.frames=3", "test.frames=3", "places.per_frame=[1, 2]"]
    recipe = load_recipe("tiny", [f"places.photos={photographs}", *changes])
    folders = [make(recipe, tmp_path / str(workers), workers=workers, progress=False) for workers in (1, 2)]
    names = sorted(str(path.relative_to(folders[0])) for path in folders[0].rglob("*") if path.is_file())
    pictures = [name for name in names if name.endswith(".jpg")]
    assert len(pictures) >= 4
    for name in names:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name
    rows = json.loads((folders[0] / "train.json").read_text())["images"]
    assert all(row["photo"] == "" or (photographs / row["photo"]).is_file() for row in rows)


def test_boxes_of_a_rendered_set_enclose_their_own_pixels(tmp_path: Path) -> None:
    folder = make(load_recipe("tiny", SMALL), tmp_path / "set", workers=1, masks=True, progress=False)
    boxes = 0
    for split in ("train", "test"):
        table = json.loads((folder / f"{split}.json").read_text())
        masks = {row["id"]: np.asarray(Image.open(folder / row["mask"])) for row in table["images"]}
        for row in table["annotations"]:
            own = masks[row["image_id"]] == row["mask_value"]
            x, y, width, height = row["visible_box"]
            assert own[int(y) : int(y + height), int(x) : int(x + width)].sum() == own.sum() > 0
            boxes += 1
        scenes = load_dataset(folder, split).scenes
        assert all(scene.path.is_file() for scene in scenes)
    assert boxes > 10


def test_crops_show_labelled_people_and_the_frames_are_deleted(tmp_path: Path) -> None:
    folder = make_crops(load_recipe("tiny", SMALL), tmp_path / "crops", workers=1, progress=False)
    rows = json.loads((folder / "crops.json").read_text())["crops"]
    assert len(rows) > 8
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.jpg")) == sorted(
        row["file_name"] for row in rows
    )
    for row in rows:
        with Image.open(folder / row["file_name"]) as crop:
            assert crop.size == (128, 256)
        name = row["file_name"].split("/")[1]
        assert name.startswith(f"{row['person_id']:05d}_{row['camera']}_")
        assert row["camera"].startswith(row["scene"])
    assert {row["scene"] for row in rows if row["file_name"].startswith("train")} == {"s1"}
    before = (folder / "crops.json").stat().st_mtime_ns
    assert make_crops(load_recipe("tiny", SMALL), folder) == folder
    assert (folder / "crops.json").stat().st_mtime_ns == before
