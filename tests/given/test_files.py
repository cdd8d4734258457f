"""COCO's lists of results, and COCO-style sets, as files of detections."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from personsearch.datasets import load_dataset
from personsearch.errors import ImageError
from personsearch.given import read_detections
from tests.support import toy_set

ROW: dict[str, Any] = {"image_id": "a.jpg", "category_id": 1, "bbox": [10, 20, 50, 130.5], "score": 0.5}
SET: dict[str, Any] = {
    "images": [
        {"id": 7, "file_name": "a.jpg", "width": 300, "height": 200},
        {"id": 8, "file_name": "b.jpg", "width": 300, "height": 200},
    ],
    "annotations": [{"id": 1, "image_id": 7, "category_id": 1, "bbox": [10, 20, 50, 130.5]}],
    "categories": [{"id": 1, "name": "person"}, {"id": 3, "name": "car"}],
}


def written(folder: Path, content: Any, name: str = "results.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_list_of_results(tmp_path: Path) -> None:
    rows = [
        ROW,
        {**ROW, "image_id": "b/c.jpg"},
        {**ROW, "score": 1, "bbox": [0, 0, 1, 1]},
        {"image_id": "d", "bbox": [1, 2, 3, 4]},
    ]
    found = read_detections(written(tmp_path, rows))
    assert list(found) == ["a.jpg", "b/c.jpg", "d"]
    assert found["a.jpg"].boxes.tolist() == [[10, 20, 60, 150.5], [0, 0, 1, 1]]
    assert found["a.jpg"].scores.tolist() == [0.5, 1]
    assert found["d"].scores.tolist() == [1]
    assert not found.lists_pictures
    assert len(found.of("elsewhere.jpg")) == 0
    assert len(read_detections(written(tmp_path, []))) == 0


def test_numbers_are_named_by_the_annotation_file(tmp_path: Path) -> None:
    rows = [{**ROW, "image_id": 8}, {**ROW, "image_id": "7", "category_id": 3}, {**ROW, "image_id": "a.jpg"}]
    path = written(tmp_path, rows)
    with pytest.raises(ImageError, match="row 0: image_id 8 is a number; give the annotation file"):
        read_detections(path)
    found = read_detections(path, images=written(tmp_path, SET, "set.json"))
    assert {name: len(people) for name, people in found.items()} == {"a.jpg": 1, "b.jpg": 1}  # the car is left out
    assert found["b.jpg"].image_size == (200, 300)
    assert found.lists_pictures
    with pytest.raises(ImageError, match=r"c.jpg: is not among the 2 pictures of .*results.json"):
        found.of("c.jpg")
    with pytest.raises(ImageError, match="row 0: image_id 8 is not among the 1 pictures of images"):
        read_detections(path, images={7: "a.jpg"})
    named = read_detections(written(tmp_path, rows[:1]), images={8: "b.jpg", 9: "nobody.jpg"})
    assert {name: len(people) for name, people in named.items()} == {"b.jpg": 1, "nobody.jpg": 0}


def test_a_set_names_its_own_pictures_and_leaves_out_what_is_no_person(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    more = [
        {"id": 2, "image_id": 7, "category_id": 3, "bbox": [1, 1, 5, 5]},
        {"id": 3, "image_id": 7, "category_id": 1, "bbox": [2, 2, 5, 5], "iscrowd": 1},
        {"id": 4, "image_id": 7, "category_id": 1, "bbox": [3, 3, 5, 5], "ignore": True},
        {"id": 5, "image_id": 7, "bbox": [4, 4, 5, 5], "score": 0.25},
    ]
    path = written(tmp_path, {**SET, "annotations": SET["annotations"] + more})
    with caplog.at_level(logging.INFO, "personsearch"):
        found = read_detections(path)
    assert found["a.jpg"].boxes.tolist() == [[10, 20, 60, 150.5], [4, 4, 9, 9]]
    assert found["a.jpg"].scores.tolist() == [1, 0.25]
    assert len(found["b.jpg"]) == 0
    assert "left out: car (1)" in caplog.text
    with pytest.raises(ImageError, match=r"names its pictures itself; leave images \(--boxes-images\) out"):
        read_detections(path, images=path)


def test_a_toy_set_holds_what_load_dataset_reads(tmp_path: Path) -> None:
    path = toy_set(tmp_path / "toy")
    found = read_detections(path)
    for scene in load_dataset(path, "train").scenes:
        boxes, scores = found[scene.image_id].inside((scene.height, scene.width), scene.image_id)
        assert np.array_equal(boxes, scene.boxes)
        assert scores.tolist() == [1] * len(boxes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bbox": [1, 2, 3]}, "bbox must be four finite numbers .*, got "),
        ({"bbox": [1, 2, -3, 4]}, "bbox must be .*, width and height not below 0, got "),
        ({"bbox": [1, 2, True, 4]}, "bbox must be four finite numbers"),
        ({"bbox": [1, 2, float("nan"), 4]}, "bbox must be four finite numbers"),
        ({"bbox": None}, "bbox must be four finite numbers .*, got null"),
        ({"score": 5}, "score must be a number between 0 and 1, got 5"),
        ({"score": "0.5"}, 'score must be a number between 0 and 1, got "0.5"'),
        ({"image_id": None}, "image_id must be a text or a whole number, got null"),
        ({"image_id": 1.5}, "image_id must be a text or a whole number, got 1.5"),
        ({"category_id": "x"}, 'category_id must be a whole number, got "x"'),
        (
            {"category_id": 2},
            "has class 2, what came before has class 1, and nothing says which are people; give",
        ),
    ],
)
def test_a_row_that_cannot_be_used_is_named(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = written(tmp_path, [ROW, {**ROW, **change}])
    with pytest.raises(ImageError, match=rf"results\.json: row 1: {message}"):
        read_detections(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not json", "is not JSON"),
        ("3", "is neither a list of results"),
        ({"annotations": []}, "is neither a list of results"),
        ([17], r"row 0: must be an object, got 17"),
        ([{**ROW, "category_id": 17}], "row 0: has class 17, and nothing says that these are people"),
        ({**SET, "images": [{"id": 7}]}, r"images\[0\]: needs an 'id' and a 'file_name'"),
        ({**SET, "images": SET["images"] * 2}, r"images\[2\]: its id 7 or its file_name .* occurs twice"),
        ({**SET, "categories": [{"id": 1}]}, r"categories\[0\] needs an 'id' and a 'name'"),
        ({**SET, "categories": [{"id": 2, "name": "person"}]}, r"annotations\[0\]: category_id 1 is not among the cat"),
        (
            {**SET, "categories": [{"id": 1, "name": "worker"}, {"id": 2, "name": "helmet"}]},
            "the categories: none is called person: worker, helmet; keep people only",
        ),
    ],
)
def test_a_file_that_cannot_be_used(content: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=rf"results\.json: .*{message}"):
        read_detections(written(tmp_path, content))


def test_a_set_s_only_category_is_people_whatever_it_is_called(tmp_path: Path) -> None:
    found = read_detections(written(tmp_path, {**SET, "categories": [{"id": 1, "name": "worker"}]}))
    assert len(found["a.jpg"]) == 1


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"gone\.json: cannot be read \(No such file"):
        read_detections(tmp_path / "gone.json")
    with pytest.raises(ImageError, match=r"results\.json: has no list 'images', so it is not an annotation file"):
        read_detections(written(tmp_path, [ROW]), images=written(tmp_path, [ROW]))
