"""Contact sheets, looked at pixel by pixel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from personsearch.datasets.doctor.sheets import (
    CAPTION,
    CROP_CELL,
    GAP,
    HEADING,
    IGNORED,
    LABELLED,
    ROW_LABEL,
    SCENE_CELL,
    UNLABELLED,
    identity_sheets,
    scene_sheets,
)
from personsearch.datasets.scene import Scene
from personsearch.errors import ConfigError, DatasetError
from personsearch.pictures.drawing import NOTHING, Colour
from tests.datasets.doctor.faults import clean_sets, dataset, scene

RED, BLUE = (220, 20, 20), (20, 20, 220)


def near(path: Path, x: int, y: int, colour: Colour, slack: int = 40) -> bool:
    """Whether a pixel has a colour, as far as JPEG keeps it."""
    with Image.open(path) as image:
        pixel = np.asarray(image.convert("RGB")).astype(int)[y, x]
    return bool(np.abs(pixel - colour).max() <= slack)


def plain(path: Path, colour: Colour, size: tuple[int, int], camera: str | None = "c0", **changes: object) -> Scene:
    Image.new("RGB", size, colour).save(path)
    return scene(path, None, camera, width=size[0], height=size[1], **changes)


def test_boxes_are_where_they_belong_in_their_colours(tmp_path: Path) -> None:
    boxes = np.array([[100, 60, 160, 240], [200, 60, 260, 240], [300, 60, 360, 240]], np.float32)
    one = plain(tmp_path / "a.png", (250, 250, 250), SCENE_CELL, boxes=boxes, identities=np.array([7, -1, -1]))
    one = replace(one, ignore=np.array([False, False, True]))
    (path,) = scene_sheets(dataset("prw/test", [one]), tmp_path / "out").files
    assert path.name == "prw-test-scenes-001.jpg"
    for left, colour in ((100, LABELLED), (200, UNLABELLED), (300, IGNORED)):
        assert near(path, GAP + left, HEADING + 150, colour)
        assert near(path, GAP + left + 30, HEADING + 239, colour)
        assert near(path, GAP + left + 30, HEADING + 150, (250, 250, 250), slack=8)


def test_boxes_shrink_with_their_scene(tmp_path: Path) -> None:
    size = (SCENE_CELL[0] * 4, SCENE_CELL[1] * 4)
    boxes = np.array([[400, 240, 640, 960]], np.float32)
    one = plain(tmp_path / "a.jpg", (250, 250, 250), size, boxes=boxes)
    (path,) = scene_sheets(dataset("a", [one]), tmp_path / "out").files
    assert near(path, GAP + 100, HEADING + 150, UNLABELLED)


def test_numbers_are_not_crossed_by_boxes(tmp_path: Path) -> None:
    boxes = np.array([[100, 100, 160, 240], [104, 60, 260, 240]], np.float32)
    one = plain(tmp_path / "a.png", (250, 250, 250), SCENE_CELL, boxes=boxes, identities=np.array([7, 8]))
    (path,) = scene_sheets(dataset("a", [one]), tmp_path / "out").files
    alone = replace(one, boxes=boxes[:1], identities=np.array([7]), ignore=np.zeros(1, bool))
    (other,) = scene_sheets(dataset("b", [alone]), tmp_path / "out").files
    tags = []
    for sheet in (path, other):
        with Image.open(sheet) as image:
            tags.append(
                np.asarray(image.convert("RGB")).astype(int)[HEADING + 88 : HEADING + 98, GAP + 101 : GAP + 108]
            )
    # The left edge of the second box runs through the number of the first, but below it.
    assert np.abs(tags[0] - tags[1]).mean() < 6


def test_pages_and_which_scenes_are_on_them(tmp_path: Path) -> None:
    scenes = [plain(tmp_path / f"{k}.png", (k * 30, 0, 0), (48, 30)) for k in range(8)]
    sheets = scene_sheets(dataset("a", scenes), tmp_path / "all", per_page=3, pages=None)
    assert (len(sheets.files), sheets.drawn, sheets.total) == (3, 8, 8)
    few = scene_sheets(dataset("a", scenes), tmp_path / "few", per_page=3, pages=1)
    assert (len(few.files), few.drawn, few.total) == (1, 3, 8)
    for column, red in enumerate((0, 120, 210)):  # scenes 0, 4 and 7 of 8
        assert near(few.files[0], GAP + column * (SCENE_CELL[0] + GAP) + 400, HEADING + 150, (red, 0, 0), slack=12)


def test_all_cameras_take_turns(tmp_path: Path) -> None:
    whole = {"boxes": np.array([[0, 0, 40, 100]], np.float32), "identities": np.array([3])}
    scenes = [plain(tmp_path / f"{k}.png", RED, (40, 100), "a", **whole) for k in range(20)]
    scenes.append(plain(tmp_path / "b.png", BLUE, (40, 100), "b", **whole))
    sheets = identity_sheets(dataset("market/train", scenes), tmp_path / "out")
    (path,) = sheets.files
    assert (path.name, sheets.drawn, sheets.total) == ("market-train-identities-001.jpg", 1, 1)
    middle = GAP + ROW_LABEL + CROP_CELL[0] // 2
    for column in range(10):
        colour = BLUE if column == 9 else RED
        assert near(path, middle + column * (CROP_CELL[0] + GAP), HEADING + 100, colour)


def test_an_identity_is_cut_out_of_its_scene(tmp_path: Path) -> None:
    picture = Image.new("RGB", (800, 600), BLUE)
    picture.paste(RED, (600, 100, 700, 400))
    picture.save(tmp_path / "a.jpg", quality=95)
    box = {"boxes": np.array([[600, 100, 700, 400]], np.float32), "identities": np.array([3])}
    one = scene(tmp_path / "a.jpg", None, width=800, height=600, **box)
    (path,) = identity_sheets(dataset("a", [one]), tmp_path / "out").files
    left = GAP + ROW_LABEL
    # 100x300 pixels fill the height of 208 and 69 of the width of 96.
    assert near(path, left + 48, HEADING + 5, RED)
    assert near(path, left + 48, HEADING + 202, RED)
    assert near(path, left + 20, HEADING + 100, RED)
    assert near(path, left + 6, HEADING + 100, NOTHING)
    with Image.open(path) as image:
        assert image.size[1] == HEADING + CROP_CELL[1] + CAPTION + GAP


def test_unreadable_images_are_grey_and_listed(tmp_path: Path) -> None:
    scenes = list(clean_sets(tmp_path)[0].scenes)
    scenes[0].path.unlink()
    scenes[1].path.write_bytes(b"no picture")
    for draw in (scene_sheets, identity_sheets):
        sheets = draw(dataset("a", scenes), tmp_path / "out")
        assert set(sheets.unreadable) == {scenes[0].path, scenes[1].path}
        first = (GAP, HEADING) if draw is scene_sheets else (GAP + ROW_LABEL, HEADING)
        assert near(sheets.files[0], first[0] + 60, first[1] + 190, NOTHING, slack=6)


def test_impossible_boxes_can_be_drawn(tmp_path: Path) -> None:
    boxes = np.array([[30, 10, 10, 40], [np.nan, 1, 5, 9], [-50, -50, 500, 500], [20, 20, 20, 20]], np.float32)
    one = scene(tmp_path / "a.png", 1, boxes=boxes, identities=np.arange(4))
    for draw in (scene_sheets, identity_sheets):
        assert draw(dataset("a", [one]), tmp_path / "out").unreadable == ()


def test_impossible_sheets_say_why(tmp_path: Path) -> None:
    train = clean_sets(tmp_path)[0]
    with pytest.raises(ConfigError, match="got 0 and 10"):
        scene_sheets(train, tmp_path, per_page=0)
    with pytest.raises(DatasetError, match="a: has no scenes to show"):
        scene_sheets(dataset("a", []), tmp_path)
    strangers = [replace(one, identities=np.full(3, -1)) for one in train.scenes]
    with pytest.raises(DatasetError, match="a: has no identities to show"):
        identity_sheets(dataset("a", strangers), tmp_path)
    for one in train.scenes:
        one.path.unlink()
    with pytest.raises(DatasetError, match=r"train0\.png: no such image, like all others of train"):
        scene_sheets(train, tmp_path)
