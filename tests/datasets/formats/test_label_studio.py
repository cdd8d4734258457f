"""Label Studio's JSON: a real export of 1.23.2, and tasks written by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from personsearch.datasets import Dataset, load_dataset
from personsearch.errors import DatasetError

#: Five tasks of synthetic people, as Label Studio 1.23.2 exported them: in task 2 a person_id was added to a box, in
#: task 3 a box was turned by 10 degrees and another one ignored, task 4 was annotated twice, task 5 skipped, task 6 not
#: looked at.
REAL = Path(__file__).with_name("label_studio_1.23.2.json")


def rectangle(x: float = 10, y: float = 20, width: float = 30, height: float = 40, **more: Any) -> dict[str, Any]:
    """Return a region of an image of 200 by 100 pixels, in per cent; at first x1 20, y1 20, x2 80, y2 60 in pixels."""
    value = {"x": x, "y": y, "width": width, "height": height, "rotation": 0, "rectanglelabels": ["person"]}
    return {
        "id": "r1",
        "type": "rectanglelabels",
        "from_name": "label",
        "original_width": 200,
        "original_height": 100,
        "image_rotation": 0,
        "value": value | more.pop("value", {}),
    } | more


def says(answer: dict[str, Any], region: str = "r1", name: str = "person_id") -> dict[str, Any]:
    """Return what a control says of a region."""
    return {"id": region, "type": "textarea", "from_name": name, "value": answer}


def task(*result: Any, **more: Any) -> dict[str, Any]:
    return {"id": 1, "data": {"image": "a.jpg"}, "annotations": [{"id": 9, "result": list(result)}]} | more


def read(folder: Path, *tasks: Any, **options: Any) -> Dataset:
    path = folder / "export.json"
    path.write_text(json.dumps(tasks))
    return load_dataset(path, "train", **{"require_images": False} | options)


def test_a_real_export() -> None:
    read = load_dataset(REAL, "train", require_images=False)
    second, third, fourth = read.scenes
    assert (second.image_id, second.camera, second.time) == ("images/s2c2-000003250-d3d51622b6b4.jpg", "s2c2", 3.25)
    assert (second.width, second.height) == (768, 512)
    assert second.identities.tolist() == [27, 31, -1]
    assert second.boxes[1] == pytest.approx([231.897, 89.1735, 292.909, 244.860], abs=1e-3)
    assert third.ignore.tolist() == [False, False, False, False, True]
    assert fourth.identities.tolist() == [40, -1, -1]  # of two annotations, the later one
    assert read.accounting.changed == {"turned box, the upright box around it taken": 1}
    assert read.accounting.dropped == {
        "region of another annotation of the same task": 6,
        "region of an annotation that was skipped": 2,
        "task that nobody has annotated": 2,
    }
    assert read.accounting.rows == read.accounting.kept + 10


def test_boxes_are_per_cent_of_the_image(tmp_path: Path) -> None:
    [scene] = read(tmp_path, task(rectangle())).scenes
    assert scene.boxes.tolist() == [[20, 20, 80, 60]]
    assert (scene.image_id, scene.width, scene.height, scene.camera, scene.time) == ("a.jpg", 200, 100, None, None)


@pytest.mark.parametrize(
    ("answer", "identity"),
    [
        ({"text": ["7"]}, 7),
        ({"text": " 7 "}, 7),
        ({"number": 7}, 7),
        ({"choices": ["7"]}, 7),
        ({"text": ["0"]}, 0),
        ({"text": [""]}, -1),
        ({"text": ["-1"]}, -1),
        ({"text": []}, -1),
    ],
)
def test_who_a_region_is(tmp_path: Path, answer: dict[str, Any], identity: int) -> None:
    [scene] = read(tmp_path, task(rectangle(), says(answer))).scenes
    assert scene.identities.tolist() == [identity]


def test_what_is_said_of_another_region_or_of_the_image_counts_for_none(tmp_path: Path) -> None:
    whole = {"type": "textarea", "from_name": "person_id", "value": {"text": ["3"]}}
    other = says({"text": ["bright"]}, name="remark")
    relation = {"type": "relation", "from_id": "r1", "to_id": "r2"}
    [scene] = read(
        tmp_path, task(rectangle(), rectangle(50, id="r2"), says({"text": ["4"]}, "r2"), whole, other, relation)
    ).scenes
    assert scene.identities.tolist() == [-1, 4]


def test_labels_say_who_it_is_where_no_control_does(tmp_path: Path) -> None:
    named = rectangle(value={"rectanglelabels": ["person 12"]})
    overruled = rectangle(50, id="r2", value={"rectanglelabels": ["person 13"]})
    [scene] = read(tmp_path, task(named, overruled, says({"text": ["14"]}, "r2"))).scenes
    assert scene.identities.tolist() == [12, 14]


def test_what_counts_neither_way(tmp_path: Path) -> None:
    label = rectangle(value={"rectanglelabels": ["Ignore"]})
    choice = [rectangle(50, id="r2"), says({"choices": ["yes"]}, "r2", "ignore")]
    [scene] = read(tmp_path, task(label, *choice, rectangle(60, id="r3"))).scenes
    assert scene.ignore.tolist() == [True, True, False]


def test_other_labels_and_shapes_are_left_out_and_counted(tmp_path: Path) -> None:
    dog = rectangle(value={"rectanglelabels": ["dog"]}, id="r2")
    polygon = {"id": "r3", "type": "polygonlabels", "value": {"points": [[1, 1], [2, 2], [3, 1]]}}
    ellipse = {"id": "r4", "type": "ellipselabels", "value": {"x": 1, "y": 1, "radiusX": 3, "radiusY": 4}}
    loaded = read(tmp_path, task(rectangle(), dog, polygon, ellipse))
    assert loaded.accounting.dropped == {
        "category 'dog'": 1,
        "region of the type 'polygonlabels'": 1,
        "region of the type 'ellipselabels'": 1,
    }
    assert (loaded.accounting.rows, loaded.accounting.kept) == (4, 1)
    chosen = read(tmp_path, task(rectangle(), dog, polygon, ellipse), people=["dog"])
    assert chosen.accounting.dropped["category 'person'"] == 1


def test_a_turned_box_becomes_the_upright_box_around_it(tmp_path: Path) -> None:
    # 60 x 40 pixels at (100, 20), turned by 90 degrees clockwise about that corner: 40 x 60 to its left.
    loaded = read(tmp_path, task(rectangle(50, 20, 30, 40, value={"rotation": 90})))
    assert loaded.scenes[0].boxes[0] == pytest.approx([60, 20, 100, 80], abs=1e-4)
    assert loaded.accounting.changed == {"turned box, the upright box around it taken": 1}
    full = read(tmp_path, task(rectangle(value={"rotation": 360})))
    assert full.accounting.changed == {}


def test_of_several_annotations_one_counts(tmp_path: Path) -> None:
    def annotation(x: float, **more: Any) -> dict[str, Any]:
        return {"result": [rectangle(x)]} | more

    early, late = annotation(1, updated_at="2026-01-01T10:00:00Z"), annotation(2, updated_at="2026-01-02T09:00:00Z")
    [scene] = read(tmp_path, task(annotations=[late, early])).scenes
    assert scene.boxes[0, 0] == 4
    [scene] = read(tmp_path, task(annotations=[late, early | {"ground_truth": True}])).scenes
    assert scene.boxes[0, 0] == 2
    loaded = read(tmp_path, task(annotations=[late | {"was_cancelled": True}, early]))
    assert loaded.scenes[0].boxes[0, 0] == 2
    assert loaded.accounting.dropped == {"region of an annotation that was skipped": 1}


def test_a_scene_without_people_was_annotated_all_the_same(tmp_path: Path) -> None:
    data = {"image": "a.jpg", "width": 200, "height": 100}
    [scene] = read(tmp_path, task(data=data)).scenes
    assert (len(scene.boxes), scene.width) == (0, 200)


@pytest.mark.parametrize(
    ("given", "there", "name"),
    [
        ("/data/local-files/?d=images/a%20b.jpg", "images/a b.jpg", "images/a b.jpg"),
        ("/data/local-files/?d=project/images/a.jpg", "images/a.jpg", "images/a.jpg"),
        ("/data/upload/3/0a1b2c3d-a.jpg", "a.jpg", "a.jpg"),
        ("s3://bucket/door/a.jpg", "door/a.jpg", "door/a.jpg"),
        ("https://host:8080/x/a.jpg?token=1", "a.jpg", "a.jpg"),
        ("..\\..\\images\\a.jpg", "images/a.jpg", "images/a.jpg"),
        ("../secret/../a.jpg", "a.jpg", "a.jpg"),
    ],
)
def test_where_an_image_is(tmp_path: Path, given: str, there: str, name: str) -> None:
    place = tmp_path / there
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(b"")
    [scene] = read(tmp_path, task(rectangle(), data={"image": given}), require_images=True).scenes
    assert (scene.image_id, scene.path) == (name, place)


@pytest.mark.parametrize(
    ("tasks", "problem"),
    [
        ([task(rectangle(), says({"text": ["Anna"]}))], r"region 'r1': person_id must be a whole number, got 'Anna'"),
        ([task(rectangle(), says({"text": ["1", "2"]}))], "has several person_ids, 1, 2; leave one"),
        ([task(rectangle(), says({"text": ["-4"]}))], "person_id must be -1 or more"),
        ([task(rectangle(image_rotation=90))], "the image was turned by 90 degrees while it was annotated"),
        ([task(rectangle(original_width=0))], "original_width and original_height must be whole numbers above 0"),
        ([task(rectangle(value={"x": "left"}))], r"must be finite numbers \(per cent\), got \['left', 20, 30, 40\]"),
        ([task(rectangle(value={"rotation": None}))], "rotation must be a number of degrees, got None"),
        ([task(rectangle(value={"width": -1}))], "has no area inside"),
        ([task(rectangle() | {"value": 3})], "value must be an object, got 3"),
        ([task("text")], "a result must be an object, not str"),
        ([task(rectangle(), data={"text": "a"})], "data names no image; the key is called image"),
        ([task(rectangle(), data={"image": "a.jpg", "time": "noon"})], "time must be a number of seconds, got 'noon'"),
        ([task(rectangle()), task(rectangle())], "the image 'a.jpg' occurs more than once"),
        ([task(rectangle(), rectangle(id="r2", original_width=9))], "images of different sizes: 9x100, 200x100"),
        ([{"id": 1}], "has no data, so it is no task of Label Studio"),
        ([{"id": 1, "image": "a.jpg", "label": []}], "is Label Studio's JSON-MIN"),
        ([task(annotations=[7])], "annotations must be a list of objects; export as JSON"),
        ([{}, 5], r"\[1\]: a task must be an object, not int"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, tasks: list[Any], problem: str) -> None:
    with pytest.raises(DatasetError, match=problem):
        read(tmp_path, *tasks)


def test_a_bad_region_can_be_skipped_and_is_listed(tmp_path: Path) -> None:
    bad = [rectangle(50, id="r2"), says({"text": ["x"]}, "r2")]
    loaded = read(tmp_path, task(rectangle(), *bad), skip_bad=True)
    assert len(loaded.scenes[0].boxes) == 1
    assert (loaded.accounting.rows, loaded.accounting.kept, len(loaded.accounting.skipped)) == (2, 1, 1)


def test_missing_images_and_queries_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no such image: .*a\.jpg; say where the images are"):
        read(tmp_path, task(rectangle()), require_images=True)
    with pytest.raises(DatasetError, match="has no queries; leave queries out"):
        read(tmp_path, task(rectangle()), queries="q.json")


def test_tasks_that_nobody_has_annotated_are_no_set(tmp_path: Path) -> None:
    unseen = {"data": {"image": "a.jpg"}, "predictions": [{"result": [rectangle()]}]}
    with pytest.raises(DatasetError, match="has no scene that can be used: 1 task that nobody has annotated"):
        read(tmp_path, unseen)
