import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from personsearch.datasets import Dataset, load_dataset
from personsearch.errors import DatasetError
from personsearch.train.finetune import validation_queries
from tests.datasets.layouts import balanced, blank, cells, save, small_prw, turn, write_prw
from tests.support import SHARED


def test_training_people_are_numbered_in_order_of_their_ids(tmp_path: Path) -> None:
    dataset = load_dataset(small_prw(tmp_path / "set"), "train")
    first, second = dataset.scenes
    assert (first.image_id, first.path, first.camera) == (
        "c1s1_000001.jpg",
        tmp_path / "set" / "frames" / "c1s1_000001.jpg",
        "c1",
    )
    assert (first.width, first.height, first.time) == (200, 100, None)
    assert first.identities.tolist() == [1, -1]  # 8 is the second of {3, 8}; -2 is a person without a label
    assert second.identities.tolist() == [0]
    assert second.boxes.tolist() == [[10.5, 10, 30.5, 50]]
    assert second.camera == "c6"
    assert dataset.queries == ()
    assert balanced(dataset)


def test_the_test_split_knows_training_people_as_such(tmp_path: Path) -> None:
    dataset = load_dataset(small_prw(tmp_path / "set"))
    assert dataset.name == "set/test"  # not official: its figures are not PRW's
    first, second = dataset.scenes
    assert first.identities.tolist() == [3, 2, 1]  # 900 and 7 follow the two of training; 8 is one of those
    # x = -5 is clipped after the width was added, so the right edge stays; the second 900 of the frame has no label.
    assert second.boxes.tolist() == [[0, 10, 15, 50], [150, 50, 200, 100], [10, 10, 19, 19]]
    assert second.identities.tolist() == [2, 3, -1]
    assert dataset.accounting.changed == {
        "clipped to the image": 2,
        "identity repeated in one image, kept without a label": 1,
    }
    assert [(query.image_id, query.identity, query.box.tolist()) for query in dataset.queries] == [
        ("c2s1_000003.jpg", 3, [10, 10, 30, 50]),
        ("c3s1_000004.jpg", 2, [0, 10, 15, 50]),
    ]
    assert all(query.gallery is None for query in dataset.queries)
    assert balanced(dataset)


@pytest.mark.parametrize("key", ["anno_file", "anno_previous"])
def test_other_keys_of_annotations(tmp_path: Path, key: str) -> None:
    root = small_prw(tmp_path)
    save(root / "annotations" / "c1s1_000001.jpg.mat", key, np.array([[3, 1, 2, 3, 4]], dtype=np.uint8))
    [box] = load_dataset(root, "train").scenes[0].boxes.tolist()
    assert box == [1, 2, 4, 6]


def test_uint8_does_not_overflow(tmp_path: Path) -> None:
    root = small_prw(tmp_path)
    save(root / "annotations" / "c1s1_000001.jpg.mat", "box_new", np.array([[3, 180, 2, 80, 90]], dtype=np.uint8))
    assert load_dataset(root, "train").scenes[0].boxes.tolist() == [[180, 2, 200, 92]]


def test_protocols(tmp_path: Path) -> None:
    root = small_prw(tmp_path / "set")
    with pytest.raises(DatasetError, match=r"prwmini_query_info\.txt: no such query list; .* mini; or give a file"):
        load_dataset(root, queries="mini")
    (root / "prwmini_query_info.txt").write_text("7 60 10 20 40 c2s1_000003\n\n")
    mini = load_dataset(root, queries="mini")
    assert (mini.name, len(mini.queries)) == ("set/test-mini", 1)
    assert len(load_dataset(root, queries=root / "prwmini_query_info.txt").queries) == 1
    with pytest.raises(DatasetError, match="the training split has no queries, so 'mini' cannot be read"):
        load_dataset(root, "train", queries="mini")
    with pytest.raises(DatasetError, match="has no split 'val'; choose train or test"):
        load_dataset(root, "val")


def test_images_elsewhere(tmp_path: Path) -> None:
    root = small_prw(tmp_path / "set")
    (root / "frames").rename(tmp_path / "elsewhere")
    assert load_dataset(root, images=tmp_path / "elsewhere").scenes[0].path.parent == tmp_path / "elsewhere"


def _annotation(rows: Any, key: str = "box_new") -> Any:
    return lambda root: save(root / "annotations" / "c2s1_000003.jpg.mat", key, np.array(rows))


def _cut(name: str) -> Any:
    return lambda root: (root / name).write_bytes((root / name).read_bytes()[:150])


def _queries(text: str) -> Any:
    return lambda root: (root / "query_info.txt").write_text(text)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_cut("annotations/c2s1_000003.jpg.mat"), r"c2s1_000003\.jpg\.mat: is not a readable \.mat file: truncated"),
        (_cut("frame_test.mat"), r"frame_test\.mat: is not a readable \.mat file"),
        (_annotation([[1, 2, 3, 4, 5]], key="boxes"), "has no box_new or anno_file or anno_previous; it holds boxes"),
        (_annotation([[1, 2, 3, 4]]), r"must hold rows of id, x, y, width, height, but holds 1x4 int64"),
        (_annotation(["text"]), r"must hold rows of id, x, y, width, height"),
        (_annotation([[7, 1, 2, np.nan, 5]]), r"c2s1_000003\.jpg\.mat: row 1: bbox must be four finite numbers"),
        (_annotation([[7, 1, 2, 3, 4], [7, 1, 2, -3, 5]]), r"row 2: bbox \[1.0, 2.0, -3.0, 5.0\] has no area"),
        (_annotation([[7, 500, 2, 3, 4]]), "has no area inside the 200x100 image"),
        (_annotation([[5, 1, 2, 3, 4]]), r"row 1: id 5 is neither -2 nor in ID_train\.mat or ID_test\.mat"),
        (_annotation([[np.nan, 1, 2, 3, 4]]), r"row 1: id nan is neither"),
        (lambda root: (root / "annotations" / "c2s1_000003.jpg.mat").unlink(), r"c2s1_000003\.jpg\.mat: no such file"),
        (lambda root: (root / "frames" / "c2s1_000003.jpg").unlink(), r"frames/c2s1_000003\.jpg: no such file"),
        (
            lambda root: (root / "frames" / "c2s1_000003.jpg").write_text("x"),
            r"c2s1_000003\.jpg: cannot be read as an image",
        ),
        (
            lambda root: save(root / "frame_test.mat", "img_index_test", np.array([1, 2])),
            r"img_index_test\(1\): expected",
        ),
        (
            lambda root: save(root / "frame_test.mat", "img_index_test", cells(["c1"] * 2)),
            "lists c1.jpg more than once",
        ),
        (lambda root: save(root / "ID_test.mat", "ID_test2", np.array([1.5])), r"ID_test\.mat: ID_test2 must hold ids"),
        (lambda root: save(root / "ID_train.mat", "IDs", np.array([1])), r"has no ID_train; it holds IDs"),
        (_queries("7 1 2 3 4"), r"query_info\.txt: line 1: expected id x y width height frame, got 5 words"),
        (_queries("\n7 1 2 3l 4 c2s1_000003\n"), r"line 2: expected numbers, got 7 1 2 3l 4"),
        (_queries("7 1 2 3 4 c1s1_000001"), "frame c1s1_000001 is not among the usable test frames"),
        (_queries("5 1 2 3 4 c2s1_000003"), r"id 5 is in neither"),
        (_queries("7 1 2 0 4 c2s1_000003"), "has no area"),
    ],
)
def test_mistakes_name_file_and_row(tmp_path: Path, damage: Any, message: str) -> None:
    root = small_prw(tmp_path / "set")
    damage(root)
    with pytest.raises(DatasetError, match=message):
        load_dataset(root)


def test_bad_rows_and_files_can_be_skipped(tmp_path: Path) -> None:
    root = small_prw(tmp_path / "set")
    _annotation([[7, 1, 2, -3, 4], [900, 1, 2, 3, 4], [5, 1, 2, 3, 4]])(root)
    (root / "frames" / "c3s1_000004.jpg").unlink()
    with pytest.raises(DatasetError, match="4 rows or files cannot be used") as raised:
        load_dataset(root)
    assert "row 1" in str(raised.value)
    assert "--skip-bad" in str(raised.value)
    dataset = load_dataset(root, skip_bad=True)
    assert [len(scene.boxes) for scene in dataset.scenes] == [1]
    assert [problem.row for problem in dataset.accounting.skipped] == ["row 3", "row 1", "", "line 2"]
    assert dataset.accounting.dropped == {"image cannot be used": 3}
    assert dataset.accounting.rows == 8  # six boxes, a missing frame, and a query that pointed into it
    assert balanced(dataset)
    assert len(dataset.queries) == 1


def test_frames_whose_camera_is_unknown(tmp_path: Path) -> None:
    root = write_prw(tmp_path, {}, {"x1": [[-2, 1, 2, 3, 4]]}, [1], [2], [])
    with pytest.raises(DatasetError, match="does not begin with its camera"):
        load_dataset(root)


def test_what_looks_like_the_official_set_must_have_its_counts(tmp_path: Path) -> None:
    root = small_prw(tmp_path / "set")
    _queries("7 60 10 20 40 c2s1_000003\n" * 2057)(root)  # as long as the official list
    with pytest.raises(DatasetError, match=r"official prw/test, but not its counts: images: expected 6,112, found 2;"):
        load_dataset(root)
    dataset = load_dataset(root, check_counts=False)
    assert (dataset.name, len(dataset.queries)) == ("prw/test (other counts)", 2057)
    (root / "frames" / "c2s1_000003.jpg").unlink()
    assert load_dataset(root, skip_bad=True).name == "prw/test (other counts)"


ALL_PRW = SHARED / "prw-annotations"
needs_prw = pytest.mark.skipif(not ALL_PRW.exists(), reason="../shared/data/prw-annotations is not here")


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The official layout at full size: made-up raw training ids and query list, blank frames, annotations in floats.

    Test frames keep their raw ids, of which 94 are of training people, so those are among the made-up ids.
    """
    root = tmp_path_factory.mktemp("full") / "PRW"
    tables = {split: json.loads((ALL_PRW / f"{split}_pid.json").read_text()) for split in ("train", "test")}
    test_ids = {479, *range(484, 932), 933}
    guests = {row["person_id"] for row in tables["test"]["annotations"]} - test_ids - {-2}
    raw = sorted(guests | {1000 + 3 * i for i in range(483 - len(guests))})
    sizes = {camera: blank(root / f"c{camera}.jpg", 1920, 1080) for camera in range(1, 6)}
    sizes[6] = blank(root / "c6.jpg", 720, 576)
    frames: dict[str, dict[str, list[list[float]]]] = {}
    (root / "frames").mkdir()
    for split, table in tables.items():
        names = {row["id"]: row["file_name"].removesuffix(".jpg") for row in table["images"]}
        frames[split] = {name: [] for name in names.values()}
        for name in names.values():
            os.link(sizes[int(name[1])], root / "frames" / f"{name}.jpg")
        for row in table["annotations"]:
            person = row["person_id"]
            person = -2 if person < 0 else raw[person] if split == "train" else person
            x, y, w, h = row["bbox"]
            frames[split][names[row["image_id"]]].append([person, x + 0.25, y - 0.125, w, h])
    lines, seen = [], set()
    for name, rows in frames["test"].items():
        for person, x, y, w, h in rows:
            if person in test_ids and (person, name[:2]) not in seen:
                seen.add((person, name[:2]))
                lines.append(f"{person} {x:f} {y:f} {w:f} {h:f} {name}")
    return write_prw(root, frames["train"], frames["test"], raw, sorted(test_ids), lines, images=False)


def _labels(dataset: Dataset) -> np.ndarray[Any, Any]:
    labels = np.concatenate([scene.identities for scene in dataset.scenes])
    return labels[labels >= 0]


@needs_prw
def test_the_official_training_split_at_full_size(full: Path) -> None:
    dataset = load_dataset(full, "train")
    assert dataset.name == "prw/train"  # the published counts hold
    assert len(dataset.scenes) == 5704
    assert dataset.accounting.rows == dataset.accounting.kept == 18048
    labels = _labels(dataset)
    assert np.unique(labels).tolist() == list(range(483))
    assert len(labels) == 14907 - 10  # ten frames repeat an identity
    assert dataset.accounting.changed["identity repeated in one image, kept without a label"] == 10
    assert sum(int((scene.identities < 0).sum()) for scene in dataset.scenes) == 3141 + 10
    # Relabelling gives back what the annotations were made from.
    table = json.loads((ALL_PRW / "train_pid.json").read_text())
    before = Counter(row["person_id"] for row in table["annotations"])
    after = Counter(labels.tolist())
    assert sum((before - after).values()) - before[-1] == 10
    assert {(scene.width, scene.height) for scene in dataset.scenes if scene.camera == "c6"} == {(720, 576)}
    # What docs/training.md says of holding out ten minutes, and of holding out sequence 2.
    assert _held_out(dataset, "s1m00") == (690, 426, 77, 57, 198)
    assert _held_out(dataset, "s2") == (579, 481, 207, 2, 4)


def _held_out(dataset: Dataset, places: str) -> tuple[int, ...]:
    """Scenes held out; people left to learn from; people held out, those of them who are queried for, and queries."""
    held = [scene for scene in dataset.scenes if str(scene.place).startswith(places)]
    known, shown = (
        {int(label) for scene in part for label in scene.identities if label >= 0}
        for part in ([scene for scene in dataset.scenes if scene not in held], held)
    )
    queries = validation_queries(held, known)
    return len(held), len(known), len(shown), len({query.identity for query in queries}), len(queries)


@needs_prw
def test_the_official_test_split_at_full_size(full: Path) -> None:
    dataset = load_dataset(full)
    assert dataset.name == "prw/test"
    assert (len(dataset.scenes), dataset.accounting.rows, dataset.accounting.kept) == (6112, 25062, 25062)
    labels = _labels(dataset)
    assert len(labels) == 19127 - 3
    assert dataset.accounting.changed["identity repeated in one image, kept without a label"] == 3
    assert len(np.unique(labels)) == 544
    assert (len(np.unique(labels[labels < 483])), int((labels < 483).sum())) == (94, 2783 - 3)
    assert sum(int((scene.identities < 0).sum()) for scene in dataset.scenes) == 5935 + 3
    assert len(dataset.queries) == 2057
    assert {query.identity for query in dataset.queries} == set(range(483, 483 + 450))
    assert not any(scene.repeated for scene in dataset.scenes)  # all three are people of training
    cameras = Counter(query.identity for query in dataset.queries)
    assert Counter(cameras.values()) == {5: 244, 6: 46, 4: 97, 3: 47, 2: 16}
    assert balanced(dataset)


def test_a_second_box_is_noted_of_people_who_are_asked_for(tmp_path: Path) -> None:
    twice = [[3, 10, 10, 20, 40], [900, 50, 10, 20, 40], [3, 90, 10, 20, 40], [900, 130, 10, 20, 40]]
    root = write_prw(tmp_path / "set", {"c1s1_000001": [twice[0], twice[2]]}, {"c2s1_000002": twice}, [3], [900], [])
    assert load_dataset(root, "train").scenes[0].repeated == ((1, 0),)
    tested = load_dataset(root).scenes[0]
    assert tested.identities.tolist() == [0, 1, -1, -1]
    assert tested.repeated == ((3, 1),)  # person 3 is of training: a known distractor


def test_a_place_is_ten_minutes_of_a_sequence(tmp_path: Path) -> None:
    places = {
        "c1s1_000000": "s1m00",
        "c6s1_014999": "s1m00",  # 25 frames a second: 9:59.96
        "c3s1_015000": "s1m10",
        "c2s4_150001": "s4m100",
        "c2_150001": None,
    }
    root = write_prw(tmp_path / "set", {name: [[1, 5, 5, 20, 40]] for name in places}, {}, [1], [2], [])
    scenes = load_dataset(root, "train").scenes
    assert {scene.image_id.removesuffix(".jpg"): scene.place for scene in scenes} == places


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_query_lists_of_other_tools(tmp_path: Path, encoding: str) -> None:
    root = small_prw(tmp_path / "set")
    mine = tmp_path / "mine.txt"
    mine.write_bytes("900 10 10 20 40 c2s1_000003\n\n7.0 60 10 20 40 c2s1_000003.jpg\n".encode(encoding))
    assert len(load_dataset(root, queries=mine).queries) == 2
    mine.write_bytes("900 0.1 0.2 0.3 0.4 c2s1_000003\n9_00 1 1 9 9 c2s1_000003\n".encode(encoding))
    with pytest.raises(DatasetError) as raised:
        load_dataset(root, queries=mine)
    assert "line 1: bbox [0.1, 0.2, 0.3, 0.4] looks like fractions of the image" in str(raised.value)
    assert "line 2: expected numbers, got 9_00 1 1 9 9" in str(raised.value)
    dataset = load_dataset(root, queries=mine, skip_bad=True)
    assert (len(dataset.queries), len(dataset.accounting.skipped)) == (0, 2)


def test_frames_have_no_categories(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no categories to choose people from; leave people \(--people\) out"):
        load_dataset(small_prw(tmp_path / "set"), people=["person"])


@pytest.mark.parametrize("ids", [[np.inf, 3], [np.nan, 3], [1.5, 3], [-1, 3]])
def test_lists_of_people_that_hold_no_ids(tmp_path: Path, ids: list[float]) -> None:
    root = small_prw(tmp_path / "set")
    save(root / "ID_train.mat", "ID_train", np.array([ids]))
    with pytest.raises(DatasetError, match=r"ID_train\.mat: ID_train must hold ids: whole numbers, 0 or more"):
        load_dataset(root, "train")


def test_a_frame_that_exif_turns_is_refused_because_its_boxes_are_of_the_pixels_as_stored(tmp_path: Path) -> None:
    root = small_prw(tmp_path / "set")
    for orientation, name in ((1, "c6s1_000002.jpg"), (3, "c1s1_000001.jpg")):
        turn(root / "frames" / name, orientation)
    with pytest.raises(DatasetError, match=r"frames/c1s1_000001\.jpg: EXIF turns this picture \(orientation 3\)"):
        load_dataset(root, "train")
    dataset = load_dataset(root, "train", skip_bad=True)
    assert [scene.image_id for scene in dataset.scenes] == ["c6s1_000002.jpg"]
    assert balanced(dataset)
