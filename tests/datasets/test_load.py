import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personsearch.datasets import load_dataset, splits_of
from personsearch.datasets.formats.coco import read_coco
from personsearch.datasets.formats.ledger import Ledger
from personsearch.errors import DatasetError, MissingExtraError
from tests.datasets.layouts import balanced, blank, small_cuhk, small_prw, write_mot
from tests.support import SHARED, toy_set

IMAGE = {"id": 1, "file_name": "a.png", "width": 100, "height": 80}


def write(folder: Path, name: str, **tables: Any) -> Path:
    from PIL import Image

    folder.mkdir(exist_ok=True)
    for row in tables.get("images", []):
        Image.new("L", (row["width"], row["height"])).save(folder / row["file_name"])
    path = folder / name
    path.write_text(json.dumps(tables))
    return path


def row(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": number, "image_id": 1, "bbox": [10 * number, 2, 9, 40], **fields}


def test_the_format_is_recognised_by_its_files(tmp_path: Path) -> None:
    assert load_dataset(toy_set(tmp_path / "toy").parent, "train").name == "train"
    assert load_dataset(small_prw(tmp_path / "prw")).name == "other-prw/test"
    assert load_dataset(write_mot(tmp_path / "walk", ["1,1,1,1,5,5,1"])).name == "mot/walk"
    with pytest.raises(DatasetError, match="no such file or folder"):
        load_dataset(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=r"not a set in a known format\. The known formats: COCO.*Market-1501"):
        load_dataset(tmp_path / "empty")
    with pytest.raises(
        DatasetError, match="no format 'voc'; choose one of coco, prw, cuhk-sysu, mot, mot-shared, market"
    ):
        load_dataset(tmp_path / "empty", format="voc")


def test_two_formats_in_one_folder_need_a_choice(tmp_path: Path) -> None:
    root = small_prw(tmp_path / "both")
    (root / "test.json").write_text(json.dumps({"images": [], "annotations": []}))
    with pytest.raises(DatasetError, match=r"looks like coco and prw; say which with format \(--format\)"):
        load_dataset(root)
    assert len(load_dataset(root, format="prw").scenes) == 2
    with pytest.raises(DatasetError, match=r"both \(test\): has no scene that can be used: it has no images"):
        load_dataset(root, format="coco")
    assert load_dataset(root, format="coco", allow_empty=True).scenes == ()


def test_rendered_sets_in_prw_layout_can_be_read(tmp_path: Path) -> None:
    pytest.importorskip("cv2", reason="opencv is not installed")
    from personsearch.synth.layouts import write_tables

    root = tmp_path / "synth"
    image = {"id": 1, "file_name": "frames/c1s1_000001.jpg", "width": 100, "height": 80}
    other = {**image, "file_name": "frames/c2s1_000001.jpg"}
    for one in (image, other):
        blank(root / str(one["file_name"]), 100, 80)
    table = {"identities": [{}], "categories": [], "annotations": [row(1, person_id=0), row(2, person_id=-1)]}
    tables = {"train": {**table, "images": [image]}, "test": {**table, "images": [other]}}
    write_tables(root, tables, [{"image_id": 1, "annotation_id": 1, "person_id": 0}], "prw")
    train, test = (load_dataset(root, split, format="prw") for split in ("train", "test"))
    assert (train.name, test.name) == ("synth/train", "synth/test")
    assert train.scenes[0].identities.tolist() == [0, -1]
    assert test.scenes[0].identities.tolist() == [1, -1]  # a different person from training's
    assert [query.identity for query in test.queries] == [1]


def test_scipy_is_needed_for_mat_files_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = small_prw(tmp_path / "prw")
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'personsearch\[data\]'"):
        load_dataset(root)
    assert len(load_dataset(toy_set(tmp_path / "toy")).scenes) == 8


def test_queries_beside_a_coco_file_are_used_if_they_are_its_own(tmp_path: Path) -> None:
    test = write(tmp_path, "test.json", images=[IMAGE], annotations=[row(1, person_id=4), row(2)])
    write(tmp_path, "other.json", images=[IMAGE], annotations=[row(1, person_id=5), row(2)])
    write(tmp_path, "queries.json", queries=[{"annotation_id": 1, "person_id": 4}])
    assert [query.identity for query in load_dataset(test).queries] == [4]
    assert load_dataset(tmp_path).name == "test"
    assert load_dataset(tmp_path / "other.json").queries == ()
    assert load_dataset(test, "train").queries == ()
    with pytest.raises(DatasetError, match=r"queries\[0\]: query 0 names no labelled annotation of"):
        load_dataset(tmp_path / "other.json", queries=tmp_path / "queries.json")
    # The list of a folder must be that of its test.json.
    write(tmp_path, "queries.json", queries=[{"annotation_id": 1}, {"annotation_id": 2}, 7])
    with pytest.raises(DatasetError, match="2 rows or files"):
        load_dataset(tmp_path)
    dataset = load_dataset(tmp_path, skip_bad=True)
    assert len(dataset.queries) == 1
    assert balanced(dataset)


def test_ignored_people_cannot_be_searched_for(tmp_path: Path) -> None:
    test = write(tmp_path, "test.json", images=[IMAGE], annotations=[row(1, person_id=4, ignore=1)])
    write(tmp_path, "queries.json", queries=[{"annotation_id": 1}])
    with pytest.raises(DatasetError, match="query 0 names no labelled annotation"):
        load_dataset(test)


def test_missing_images_name_their_row(tmp_path: Path) -> None:
    path = write(tmp_path, "test.json", images=[IMAGE], annotations=[row(1), row(2)])
    (tmp_path / "a.png").rename(tmp_path / "b.png")
    with pytest.raises(DatasetError, match=r"test\.json: image 1: no such image: .*a\.png"):
        load_dataset(path)
    with pytest.raises(
        DatasetError, match=r"test\.json: has no scene that can be used: 1 malformed, the first: .*a\.png"
    ):
        load_dataset(path, skip_bad=True)
    dataset = load_dataset(path, skip_bad=True, allow_empty=True)
    assert dataset.accounting.dropped == {"image cannot be used": 2}
    assert balanced(dataset)
    (tmp_path / "below").mkdir()
    (tmp_path / "b.png").rename(tmp_path / "below" / "a.png")
    assert load_dataset(path, images=tmp_path / "below").scenes[0].path.is_file()


def test_what_cvat_exports(tmp_path: Path) -> None:
    attributes = [
        {"person_id": "5", "track_id": 1, "occluded": False},
        {"track_id": 3},
        {"person_id": "", "track_id": 4},
        {"occluded": True},
        {"person_id": 6, "ignore": True},
    ]
    rows = [row(number, category_id=1, attributes=one) for number, one in enumerate(attributes, 1)]
    categories = [{"id": 1, "name": "worker", "supercategory": ""}]
    dataset = load_dataset(write(tmp_path, "a.json", images=[IMAGE], annotations=rows, categories=categories))
    assert dataset.scenes[0].identities.tolist() == [5, 3, -1, -1, -1]
    assert dataset.scenes[0].ignore.tolist() == [False] * 4 + [True]


def test_what_label_studio_exports(tmp_path: Path) -> None:
    categories = [{"id": 0, "name": "person 7"}, {"id": 1, "name": "Person"}, {"id": 2, "name": "dog"}]
    rows = [row(number, category_id=number - 1, segmentation=[], iscrowd=0, ignore=0) for number in (1, 2, 3)]
    dataset = load_dataset(write(tmp_path, "a.json", images=[IMAGE], annotations=rows, categories=categories))
    assert dataset.scenes[0].identities.tolist() == [7, -1]
    assert dataset.accounting.dropped == {"category 'dog'": 1}
    assert balanced(dataset)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"annotations": [row(1, category_id=1)]}, "has no list 'categories'"),
        (
            {"annotations": [row(1, category_id=2)], "categories": [{"id": 1, "name": "person"}]},
            r"annotation 1 of a\.png: category_id 2 is not among the categories",
        ),
        (
            {
                "annotations": [row(1, category_id=1), row(2, category_id=1), row(3, category_id=2)],
                "categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}, {"id": 3, "name": "person"}],
            },
            r"none of the categories in use is called person: dog \(2\), cat \(1\), person \(0\); say which .*--people",
        ),
        ({"annotations": [row(1, category_id=1)], "categories": [{"name": "x"}]}, r"categories\[0\] needs an id"),
        ({"annotations": [row(1, person_id="bob")]}, r"annotation 1 of a\.png: person_id must be a whole number"),
        ({"annotations": [row(1, person_id=1.5)]}, "person_id must be a whole number, got 1.5"),
        ({"annotations": [row(1, person_id=True)]}, "person_id must be a whole number, got True"),
        ({"annotations": [row(1, bbox=[1, 2, "3", 4])]}, "four finite numbers"),
        ({"annotations": [3]}, r"annotations\[0\] must be an object, not int"),
    ],
)
def test_mistakes_in_coco_files(tmp_path: Path, tables: dict[str, Any], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load_dataset(write(tmp_path, "a.json", images=[IMAGE], **tables))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": "wide"}, r"image 1: width and height must be whole numbers above 0, got 'wide', 80"),
        ({"height": 0}, "got 100, 0"),
        ({"time": "noon"}, r"image 1: time must be a number of seconds, got 'noon'"),
        ({"file_name": 7}, "file_name must be a path, got 7"),
    ],
)
def test_mistakes_of_images(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"images": [{**IMAGE, **change}], "annotations": []}))
    with pytest.raises(DatasetError, match=message):
        load_dataset(path)


def test_which_splits_a_set_has(tmp_path: Path) -> None:
    both = ("train", "test")
    assert splits_of(small_prw(tmp_path / "prw")) == both
    (tmp_path / "prw" / "frame_test.mat").unlink()
    assert splits_of(tmp_path / "prw") == ("train",)
    assert splits_of(small_cuhk(tmp_path / "cuhk")) == both
    sequence = write_mot(tmp_path / "mot" / "train" / "A", ["1,1,10,10,20,40,1,1,1"])
    assert splits_of(tmp_path / "mot") == ("train",)
    assert splits_of(sequence, format="mot-shared") == ("test",)
    (tmp_path / "crops" / "bounding_box_test").mkdir(parents=True)
    assert splits_of(tmp_path / "crops") == ("test",)
    with pytest.raises(DatasetError, match="no such file or folder"):
        splits_of(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="no format 'voc'; choose one of coco, prw"):
        splits_of(tmp_path, format="voc")


value = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.floats(), st.text(max_size=2))
fields = st.fixed_dictionaries(
    {},
    optional={
        "id": value,
        "image_id": st.one_of(st.integers(1, 3), value),
        "bbox": st.one_of(value, st.lists(st.one_of(st.floats(-20, 90), value), min_size=3, max_size=5)),
        "person_id": value,
        "ignore": value,
        "iscrowd": value,
        "category_id": st.integers(1, 3),
        "attributes": st.one_of(value, st.fixed_dictionaries({}, optional={"track_id": value, "person_id": value})),
    },
)
IMAGES = [IMAGE, {**IMAGE, "id": 2, "file_name": "b.png"}, {"id": 3}]
CATEGORIES = [{"id": 1, "name": "person"}, {"id": 2, "name": "dog"}]


@given(annotations=st.lists(st.one_of(fields, value), max_size=6), data=st.data())
def test_every_row_is_accounted_for(
    annotations: list[Any], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    images = data.draw(st.lists(st.sampled_from(IMAGES), max_size=4))
    path = tmp_path_factory.getbasetemp() / "rows.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": CATEGORIES}))
    ledger = Ledger()
    file = read_coco(path, None, ledger)
    account = ledger.close(file.scenes, skip_bad=True)
    assert account.rows == account.kept + sum(account.dropped.values()) + len(account.skipped)
    assert account.kept + sum(account.dropped.values()) <= len(annotations)


@pytest.mark.skipif(not (SHARED / "synth-mini").exists(), reason="../shared/data/synth-mini is not here")
def test_synth_mini() -> None:
    train, test = (load_dataset(SHARED / "synth-mini", split) for split in ("train", "test"))
    assert (train.name, len(train.scenes), train.queries) == ("train", 984, ())
    assert (test.name, len(test.scenes), len(test.queries)) == ("test", 396, 220)
    assert (train.accounting.rows, train.accounting.changed, train.accounting.dropped) == (8357 + 480, {}, {})
