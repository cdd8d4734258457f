import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from personsearch.datasets import Scene, load_dataset
from personsearch.errors import DatasetError
from tests.support import SHARED


def write(folder: Path, images: list[Any], annotations: list[Any]) -> Path:
    path = folder / "set.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations}))
    return path


def scenes_of(path: Path) -> tuple[Scene, ...]:
    """Read a file whose images are missing."""
    return load_dataset(path, "train", require_images=False).scenes


IMAGE = {"id": 1, "file_name": "a.jpg", "width": 100, "height": 80}


def test_fields(tmp_path: Path) -> None:
    image = {**IMAGE, "camera": "c1", "time": 3, "scene": "s1"}
    rows = [
        {"id": 1, "image_id": 1, "bbox": [1, 2, 30, 40], "person_id": 5},
        {"id": 2, "image_id": 1, "bbox": [50, 2, 30, 40]},
        {"id": 3, "image_id": 1, "bbox": [50, 2, 30, 40], "person_id": 6, "ignore": True},
        {"id": 4, "image_id": 1, "bbox": [0, 0, 9, 9], "person_id": 6, "iscrowd": 1},
    ]
    [scene] = scenes_of(write(tmp_path, [image], rows))
    assert (scene.image_id, scene.path, scene.camera, scene.time, scene.place) == (
        "a.jpg",
        tmp_path / "a.jpg",
        "c1",
        3.0,
        "s1",
    )
    assert scene.boxes[0].tolist() == [1, 2, 31, 42]
    assert scene.boxes.dtype == np.float32
    assert scene.identities.tolist() == [5, -1, -1, -1]
    assert scene.ignore.tolist() == [False, False, True, True]


def test_boxes_are_clipped_and_repeated_ids_lose_their_label(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "image_id": 1, "bbox": [-5, -5, 30, 40], "person_id": 5},
        {"id": 2, "image_id": 1, "bbox": [50, 2, 99, 99], "person_id": 5},
    ]
    [scene] = scenes_of(write(tmp_path, [IMAGE], rows))
    assert scene.boxes.tolist() == [[0, 0, 25, 35], [50, 2, 100, 80]]
    assert scene.identities.tolist() == [5, -1]  # kept as a person, not turned into background


def test_a_scene_may_be_empty(tmp_path: Path) -> None:
    [scene] = load_dataset(write(tmp_path, [IMAGE], []), images="/elsewhere", require_images=False).scenes
    assert scene.boxes.shape == (0, 4)
    assert scene.path == Path("/elsewhere/a.jpg")


@pytest.mark.parametrize(
    ("images", "annotations", "message"),
    [
        (
            [IMAGE],
            [{"id": 7, "image_id": 2, "bbox": [0, 0, 1, 1]}],
            r"annotations\[0\]: names image 2",
        ),
        ([IMAGE], [{"id": 7, "image_id": 1, "bbox": [0, 0, 0, 5]}], r"annotation 7 of a\.jpg: bbox .* has no area"),
        ([IMAGE], [{"id": 7, "image_id": 1, "bbox": [200, 0, 5, 5]}], "has no area inside the 100x80 image"),
        ([IMAGE], [{"id": 7, "image_id": 1, "bbox": [0, 0, 5, 5]}] * 2, "annotation id 7 occurs twice"),
        ([IMAGE], [{"id": 7, "image_id": 1, "bbox": [0, 0, 5]}], "four finite numbers"),
        ([IMAGE], [{"id": 7, "image_id": 1, "bbox": [0, 0, 5, float("nan")]}], "four finite numbers"),
        ([IMAGE], [{"id": 7, "image_id": 1, "bbox": [0, 0, 5, 5], "person_id": -2}], "person_id must be -1 or more"),
        ([IMAGE, IMAGE], [], "images of id 1: every image needs an id of its own"),
        ([IMAGE, {**IMAGE, "id": 2}], [], r"'a\.jpg' occurs more than once"),
        ([{"id": 1, "file_name": "a.jpg"}], [], "has no 'width'"),
        (["a.jpg"], [], r"images\[0\] must be an object"),
    ],
)
def test_mistakes_name_file_and_row(tmp_path: Path, images: list[Any], annotations: list[Any], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        scenes_of(write(tmp_path, images, annotations))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"none\.json: no such file"):
        scenes_of(tmp_path / "none.json")
    write(tmp_path, [], [])
    with pytest.raises(DatasetError, match=r"train\.json: cannot be read \(No such file or directory\); give the json"):
        load_dataset(tmp_path, "train", format="coco")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(DatasetError, match="not valid JSON"):
        scenes_of(tmp_path / "bad.json")
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(DatasetError, match="JSON object"):
        scenes_of(tmp_path / "list.json")


def test_queries_must_name_labelled_annotations(tmp_path: Path) -> None:
    path = write(tmp_path, [IMAGE], [{"id": 1, "image_id": 1, "bbox": [1, 2, 30, 40], "person_id": 5}])
    queries = tmp_path / "queries.json"
    queries.write_text(json.dumps({"queries": [{"annotation_id": 1}]}))
    [query] = load_dataset(path, queries=queries, require_images=False).queries
    assert (query.image_id, query.identity, query.box.tolist()) == ("a.jpg", 5, [1, 2, 31, 42])
    queries.write_text(json.dumps({"queries": [{"annotation_id": 9}]}))
    with pytest.raises(DatasetError, match="query 0 names no labelled annotation"):
        load_dataset(path, queries=queries, require_images=False)


@pytest.mark.skipif(not (SHARED / "synth-mini").exists(), reason="../shared/data/synth-mini is not here")
def test_synth_mini_has_the_counts_of_its_readme() -> None:
    root = SHARED / "synth-mini"
    train, dataset = load_dataset(root, "train").scenes, load_dataset(root)
    test = dataset.scenes
    assert (len(train), len(test)) == (984, 396)
    assert sum(int((~s.ignore).sum()) for s in train) == 8357
    assert sum(int((s.identities >= 0).sum()) for s in train) == 6926
    assert sum(int(s.ignore.sum()) for s in test) == 203
    assert len(dataset.queries) == 220
    assert len({query.identity for query in dataset.queries}) == 110
