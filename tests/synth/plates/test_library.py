"""Folders of photographs: what is found in them, what is refused, how the splits share them."""

import json
import logging
from pathlib import Path

import pytest
from PIL import Image

from personsearch.errors import DatasetError
from personsearch.synth.plates.library import Plate, find_plates, fingerprint_of_plates, split_plates
from tests.synth.plates.folders import add_picture, places


def test_pictures_are_told_by_their_shape_in_folders_below_and_upright(tmp_path: Path) -> None:
    add_picture(tmp_path, "kitchen/a.jpg", 640, 480)
    add_picture(tmp_path, "kitchen/phone.jpg", 640, 480, orientation=6)
    add_picture(tmp_path, "round.png", 1024, 512)
    add_picture(tmp_path, "wide but small.jpg", 800, 400)
    add_picture(tmp_path, ".thumbnails/a.jpg", 640, 480)
    (tmp_path / "notes.txt").write_text("no picture")
    found = {plate.file: plate for plate in find_plates(tmp_path)}
    assert list(found) == sorted(found)
    assert set(found) == {"kitchen/a.jpg", "kitchen/phone.jpg", "round.png", "wide but small.jpg"}
    assert (found["kitchen/phone.jpg"].width, found["kitchen/phone.jpg"].height) == (480, 640)
    assert {file for file, plate in found.items() if plate.panorama} == {"round.png"}
    assert found["kitchen/a.jpg"].kind == "kitchen"
    assert found["kitchen/a.jpg"].outdoors is None


def test_a_manifest_describes_pictures_and_leaves_out_what_is_no_place(tmp_path: Path) -> None:
    rows = {
        "flat/0.jpg": {"type": "place", "scene": "yard", "place": "outdoor", "time": "night"},
        "flat/1.jpg": {"camera_height": 2.5, "horizon": -0.2, "field_of_view": 70},
        "flat/2.jpg": {"type": "texture"},
        "round/0.jpg": {"type": "panorama", "place": "indoor", "scene": "hall"},
    }
    found = {plate.file: plate for plate in find_plates(places(tmp_path, rows, flat=3, round_=1))}
    assert set(found) == {"flat/0.jpg", "flat/1.jpg", "round/0.jpg"}
    assert found["flat/0.jpg"] == Plate(
        file="flat/0.jpg", width=480, height=360, kind="yard", outdoors=True, light="night"
    )
    known = found["flat/1.jpg"]
    assert (known.camera_height, known.horizon, known.field_of_view) == (2.5, -0.2, 70.0)
    assert found["round/0.jpg"].panorama
    assert found["round/0.jpg"].outdoors is False


def test_a_folder_without_a_usable_photograph_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="there is no folder"):
        find_plates(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match=r"holds no usable photograph of a place: no picture \(\.bmp"):
        find_plates(tmp_path)
    for number in range(5):
        add_picture(tmp_path, f"icon{number}.png", 100, 100)
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    with pytest.raises(DatasetError) as caught:
        find_plates(tmp_path)
    text = str(caught.value)
    assert "1 picture cannot be read (broken.jpg)" in text
    assert "5 pictures below 240 pixels wide or high (icon0.png, icon1.png, icon2.png ...)" in text
    assert "\n" not in text


def test_unusable_pictures_among_usable_ones_are_named_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    add_picture(tmp_path, "a.jpg", 640, 480)
    (tmp_path / "broken.jpg").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        assert len(find_plates(tmp_path)) == len(find_plates(tmp_path, quiet=True)) == 1
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}: left out: 1 picture cannot be read (broken.jpg)"
    ]


@pytest.mark.parametrize("text", ["", "{", '{"file": "a.jpg"}', '["a.jpg"]', '[{"name": "a.jpg"}]', "[[1]]", "7"])
def test_a_broken_manifest(tmp_path: Path, text: str) -> None:
    add_picture(tmp_path, "a.jpg", 640, 480)
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(DatasetError, match=r"manifest\.json: is not a list of tables"):
        find_plates(tmp_path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"camera_height": -1}, "camera_height must be a number from 0.1 to 200"),
        ({"horizon": "middle"}, "horizon must be a number"),
        ({"field_of_view": 400}, "field_of_view must be a number from 5 to 150"),
        ({"camera_height": float("nan")}, "camera_height must be a number"),
        ({"type": "panorama"}, "640x480, but an equirectangular panorama is twice as wide as high"),
    ],
)
def test_impossible_values_of_a_manifest(tmp_path: Path, row: dict[str, object], message: str) -> None:
    add_picture(tmp_path, "a.jpg", 640, 480)
    (tmp_path / "manifest.json").write_text(json.dumps([{"file": "a.jpg", **row}]))
    with pytest.raises(DatasetError, match=message) as caught:
        find_plates(tmp_path)
    assert "a.jpg" in str(caught.value)


def test_only_headers_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that ten thousand photographs take seconds."""
    for number in range(3):
        add_picture(tmp_path, f"{number}.{('jpg', 'png', 'webp')[number]}", 640, 480, orientation=1)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr(Image.Image, "load", refuse)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", refuse)
    assert len(find_plates(tmp_path)) == 3


def plates(count: int) -> list[Plate]:
    return [Plate(file=f"{number}.jpg", width=640, height=480) for number in range(count)]


def test_splits_share_no_photograph_and_keep_them_when_others_join() -> None:
    few, many = split_plates(plates(40), 0.2), split_plates(plates(400), 0.2)
    for halves in (few, many):
        assert not set(halves["train"]) & set(halves["test"])
    assert len(many["train"]) + len(many["test"]) == 400
    assert 0.13 < len(many["test"]) / 400 < 0.27
    assert set(few["test"]) <= set(many["test"])
    for count in range(2, 9):
        assert all(split_plates(plates(count), 0.05).values()), "neither split is empty"
    one = split_plates(plates(1), 0.2)
    assert one["train"] == one["test"] == tuple(plates(1))
    same = split_plates(plates(9), 0)
    assert same["train"] == same["test"] == tuple(plates(9))


def test_the_fingerprint_tells_added_pictures_and_other_descriptions() -> None:
    prints = [
        fingerprint_of_plates(plates(3)),
        fingerprint_of_plates(plates(4)),
        fingerprint_of_plates([*plates(2), Plate(file="2.jpg", width=640, height=480, horizon=0.4)]),
    ]
    assert len(set(prints)) == 3
    assert fingerprint_of_plates(plates(3)) == prints[0]
    assert prints[0].startswith("3 photographs, ")
