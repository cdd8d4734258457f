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


def person(number: int, **changes: Any) -> dict[str, Any]:
    return {"id": number, "image_id": 1, "bbox": [10 * number, 2, 9, 40], "person_id": number, **changes}


def save(folder: Path, annotations: list[Any], categories: list[Any] | None = None, **more: Any) -> Path:
    path = folder / "set.json"
    tables = {"images": [IMAGE], "annotations": annotations, **more}
    path.write_text(json.dumps(tables if categories is None else {**tables, "categories": categories}))
    return path


@pytest.mark.parametrize("where", ["ignore", "iscrowd", "attributes"])
@pytest.mark.parametrize(
    ("text", "ignored"), [("false", False), ("No", False), ("0", False), ("True", True), (1, True)]
)
def test_booleans_may_be_texts(tmp_path: Path, where: str, text: object, ignored: bool) -> None:
    field = {"attributes": {"ignore": text}} if where == "attributes" else {where: text}
    [scene] = scenes_of(save(tmp_path, [person(1, **field), person(2)]))
    assert scene.ignore.tolist() == [ignored, False]
    assert scene.identities.tolist() == [-1 if ignored else 1, 2]


def test_a_boolean_that_is_neither_is_a_problem_of_its_row(tmp_path: Path) -> None:
    path = save(tmp_path, [person(1, attributes={"ignore": "perhaps"}), person(2)])
    with pytest.raises(DatasetError, match=r"annotation 1 of a\.jpg: ignore must be true or false, got 'perhaps'"):
        scenes_of(path)
    dataset = load_dataset(path, "train", require_images=False, skip_bad=True)
    assert dataset.scenes[0].identities.tolist() == [2]
    assert len(dataset.accounting.skipped) == 1


def test_labels_of_ignored_boxes_are_counted(tmp_path: Path) -> None:
    dataset = load_dataset(save(tmp_path, [person(1, ignore="yes"), person(2)]), "train", require_images=False)
    assert dataset.accounting.changed == {"ignored, kept without its label": 1}


def test_ids_are_the_same_as_numbers_and_as_texts(tmp_path: Path) -> None:
    rows = [
        person(1, image_id="1", category_id="3", person_id="4"),
        person(2, image_id=1.0, category_id=3, person_id=5.0),
    ]
    path = save(tmp_path, rows, [{"id": 3.0, "name": "person"}], queries=[{"annotation_id": "1", "person_id": 4.0}])
    dataset = load_dataset(path, queries=path, require_images=False)
    assert dataset.scenes[0].identities.tolist() == [4, 5]
    assert [query.identity for query in dataset.queries] == [4]
    with pytest.raises(DatasetError, match="annotation id '1' occurs twice"):
        scenes_of(save(tmp_path, [person(1), person("1")]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"person_id": 2**63},
            r"annotation 1 of a\.jpg: person_id 9223372036854775808 is too large; number people from 0",
        ),
        ({"person_id": 10**400}, "is too large"),
        ({"person_id": "7.5"}, "must be a whole number, got '7.5'"),
        ({"bbox": [1, 2, 10**400, 4]}, "bbox must be four finite numbers"),
        ({"bbox": [1, 2, float("inf"), 4]}, "bbox must be four finite numbers"),
        ({"bbox": ["1", "2", "3", "4"]}, "bbox must be four finite numbers"),
        ({"bbox": [1e308, 1e308, 1e308, 1e308]}, "has no area inside the 100x80 image"),
        (
            {"bbox": [0.1, 0.2, 0.3, 0.4]},
            r"looks like fractions of the image \(0 to 1\); give pixels: multiply x and width by 100",
        ),
        ({"bbox": [0.9, 0.9, 0.3, 0.4]}, "looks like fractions of the image"),  # centres of boxes
    ],
)
def test_numbers_that_cannot_be_name_their_row(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = save(tmp_path, [person(1, **changes), person(2)])
    with pytest.raises(DatasetError, match=message):
        scenes_of(path)
    account = load_dataset(path, "train", require_images=False, skip_bad=True).accounting
    assert (account.rows, account.kept, len(account.skipped)) == (2, 1, 1)


def test_huge_boxes_are_clipped_and_counted(tmp_path: Path) -> None:
    dataset = load_dataset(save(tmp_path, [person(1, bbox=[0, 0, 1e308, 1e308])]), "train", require_images=False)
    assert dataset.scenes[0].boxes.tolist() == [[0, 0, 100, 80]]
    assert dataset.accounting.changed == {"clipped to the image": 1}


def test_a_file_of_fractions_is_one_sentence(tmp_path: Path) -> None:
    rows = [person(number, bbox=[0.1 * number, 0.2, 0.05, 0.4]) for number in range(1, 8)]
    with pytest.raises(DatasetError) as raised:
        scenes_of(save(tmp_path, rows))
    assert str(raised.value) == (
        f"{tmp_path / 'set.json'}: 7 boxes look like fractions of the image (0 to 1), "
        "the first in annotation 1 of a.jpg. "
        "Give pixels: multiply x and width by the image's width, y and height by its height"
    )


NAMES = [{"id": 0, "name": "people", "supercategory": "none"}, {"id": 1, "name": "Staff"}, {"id": 2, "name": "visitor"}]


def test_categories_that_nothing_has_decide_nothing(tmp_path: Path) -> None:
    dataset = load_dataset(save(tmp_path, [person(1, category_id=1)], NAMES), "train", require_images=False)
    assert dataset.scenes[0].identities.tolist() == [1]
    assert dataset.accounting.changed == {"category 'Staff' taken for people: no other is in use": 1}
    used = [person(1, category_id=0), person(2, category_id=1)]
    dataset = load_dataset(save(tmp_path, used, NAMES), "train", require_images=False)
    assert dataset.scenes[0].identities.tolist() == [1]
    assert dataset.accounting.dropped == {"category 'Staff'": 1}


def test_the_user_may_say_which_categories_are_people(tmp_path: Path) -> None:
    rows = [person(1, category_id=1), person(2, category_id=2), person(3, category_id=2), person(4)]
    path = save(tmp_path, rows, NAMES)
    with pytest.raises(
        DatasetError, match=r"set\.json: none of .* person: visitor \(2\), Staff \(1\), people \(0\); say "
    ):
        scenes_of(path)
    for people, identities in ((["staff"], [1, 4]), (("visitor ", "Staff"), [1, 2, 3, 4]), ("visitor", [2, 3, 4])):
        dataset = load_dataset(path, "train", require_images=False, people=people)
        assert dataset.scenes[0].identities.tolist() == identities
        assert dataset.accounting.rows == dataset.accounting.kept + sum(dataset.accounting.dropped.values())
    with pytest.raises(DatasetError, match=r"has no category guest; it has visitor \(2\), Staff \(1\), people \(0\)"):
        load_dataset(path, "train", require_images=False, people=["guest"])
    with pytest.raises(DatasetError, match=r"no annotation has a category_id; leave people \(--people\) out"):
        load_dataset(save(tmp_path, [person(1)]), "train", require_images=False, people=["guest"])


def test_a_set_of_which_all_is_left_out_is_an_error(tmp_path: Path) -> None:
    rows = [person(number, category_id=1) for number in range(1, 4)]
    path = save(tmp_path, rows, NAMES)
    with pytest.raises(DatasetError) as raised:
        load_dataset(path, "train", require_images=False, people=["visitor"])
    assert str(raised.value) == (
        f"{path}: all 3 boxes were left out: 3 category 'Staff'; "
        "say which categories are people with people (--people NAME)"
    )
    dataset = load_dataset(path, "train", require_images=False, people=["visitor"], allow_empty=True)
    assert (dataset.accounting.kept, dataset.accounting.dropped) == (0, {"category 'Staff'": 3})


def test_scenes_without_anybody_and_ignored_people_are_a_set(tmp_path: Path) -> None:
    assert len(scenes_of(save(tmp_path, []))) == 1
    assert scenes_of(save(tmp_path, [person(1, ignore=True)]))[0].ignore.tolist() == [True]


def test_paths_written_on_windows(tmp_path: Path) -> None:
    (tmp_path / "cam1").mkdir()
    (tmp_path / "cam1" / "a.jpg").touch()
    path = write(tmp_path, [{**IMAGE, "file_name": "cam1\\a.jpg"}], [])
    [scene] = load_dataset(path).scenes
    assert (scene.image_id, scene.path) == ("cam1\\a.jpg", tmp_path / "cam1" / "a.jpg")


@pytest.mark.parametrize("name", ["", "nul\0", "\ud800.jpg", ["a.jpg"], None])
def test_names_that_no_file_can_have(tmp_path: Path, name: object) -> None:
    with pytest.raises(DatasetError, match="image 1: file_name must be a path, got"):
        scenes_of(write(tmp_path, [{**IMAGE, "file_name": name}], []))


def test_names_that_are_too_long_are_missing(tmp_path: Path) -> None:
    path = write(tmp_path, [{**IMAGE, "file_name": "x" * 5000}], [])
    with pytest.raises(DatasetError, match="image 1: no such image"):
        load_dataset(path)


def test_other_tools_write_a_byte_order_mark_or_utf_16(tmp_path: Path) -> None:
    path = save(tmp_path, [person(1)])
    for encoding in ("utf-8-sig", "utf-16"):
        path.write_text(json.dumps(json.loads(path.read_text())), encoding=encoding)
        assert len(load_dataset(path, "train", require_images=False).scenes) == 1
        queries = tmp_path / "queries.txt"
        queries.write_text(json.dumps({"queries": [{"annotation_id": 1}]}), encoding=encoding)
        assert len(load_dataset(path, queries=queries, require_images=False).queries) == 1
        path.write_text(json.dumps(json.loads(path.read_text(encoding=encoding))))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"annotation_id": 9}, "query 0 names no labelled annotation"),
        ({"annotation_id": 1, "person_id": 2}, "query 0 names no labelled annotation"),
        ({"annotation_id": 1, "person_id": "x"}, "query 0 names no labelled annotation"),
        ({"annotation_id": None}, "query 0 names no labelled annotation"),
        ({"annotation_id": [1]}, "query 0 names no labelled annotation"),
        ({}, "query 0 names no labelled annotation"),
        ([], r"queries\[0\] must be an object, not list"),
    ],
)
def test_queries_that_point_nowhere_are_problems(tmp_path: Path, row: Any, said: str) -> None:
    path = save(tmp_path, [person(1), {"image_id": 1, "bbox": [1, 2, 3, 4]}])
    queries = tmp_path / "queries.txt"
    queries.write_text(json.dumps({"queries": [row]}))
    with pytest.raises(DatasetError, match=said):
        load_dataset(path, queries=queries, require_images=False)
    account = load_dataset(path, queries=queries, require_images=False, skip_bad=True).accounting
    assert account.rows == account.kept + len(account.skipped) == 3


def test_sides_may_be_texts(tmp_path: Path) -> None:
    [scene] = scenes_of(write(tmp_path, [{**IMAGE, "width": "100", "height": 80.0}], []))
    assert (scene.width, scene.height) == (100, 80)
    for width in (10**400, "1e3", True, float("nan"), -5):
        with pytest.raises(DatasetError, match="width and height must be whole numbers above 0"):
            scenes_of(write(tmp_path, [{**IMAGE, "width": width}], []))
