from pathlib import Path

import pytest

from personsearch.datasets import load_dataset
from personsearch.errors import DatasetError
from tests.datasets.layouts import balanced, blank


@pytest.fixture
def market(tmp_path: Path) -> Path:
    root = tmp_path / "Market"
    for name in (
        "bounding_box_train/0002_c1s1_000451_03.jpg",
        "bounding_box_train/0007_c3s3_077419_00.jpg",
        "bounding_box_test/-1_c1s1_000401_03.jpg",
        "bounding_box_test/0000_c2s1_000151_01.jpg",
        "bounding_box_test/0003_c4s6_015641_00.jpg",
        "query/0003_c1s6_015971_00.jpg",
    ):
        blank(root / name, 64, 128)
    (root / "bounding_box_test" / "Thumbs.db").touch()
    return root


def test_each_crop_is_a_scene(market: Path) -> None:
    dataset = load_dataset(market, "train")
    assert dataset.name == "Market/train"
    first, second = dataset.scenes
    assert first.image_id == "bounding_box_train/0002_c1s1_000451_03.jpg"
    assert (first.width, first.height, first.camera) == (64, 128, "c1")
    assert first.boxes.tolist() == [[0, 0, 64, 128]]
    assert (first.identities.tolist(), second.identities.tolist()) == ([2], [7])
    assert dataset.queries == ()
    assert balanced(dataset)


def test_junk_is_ignored_and_distractors_have_no_label(market: Path) -> None:
    dataset = load_dataset(market)
    assert [scene.identities.tolist() for scene in dataset.scenes] == [[-1], [-1], [3], [3]]
    assert [scene.ignore.tolist() for scene in dataset.scenes] == [[True], [False], [False], [False]]
    assert [(query.image_id, query.identity) for query in dataset.queries] == [("query/0003_c1s6_015971_00.jpg", 3)]
    assert dataset.accounting.dropped == {"not a picture (.db)": 1}
    assert balanced(dataset)


def test_mistakes_name_the_file(market: Path) -> None:
    blank(market / "query" / "somebody.jpg")
    (market / "query" / "0009_c1s6_015971_00.jpg").write_text("x")
    with pytest.raises(DatasetError, match=r"2 rows or files") as raised:
        load_dataset(market)
    assert "somebody.jpg: its name does not begin with person and camera" in str(raised.value)
    assert "0009_c1s6_015971_00.jpg: cannot be read as an image: empty, damaged" in str(raised.value)
    dataset = load_dataset(market, skip_bad=True)
    assert len(dataset.scenes) == 4
    assert balanced(dataset)


def test_other_layouts_are_refused(market: Path) -> None:
    with pytest.raises(DatasetError, match="has no split 'val'; choose train or test"):
        load_dataset(market, "val")
    with pytest.raises(DatasetError, match="in its own folders"):
        load_dataset(market, images=market)
    for path in (market / "query").iterdir():
        path.unlink()
    (market / "query").rmdir()
    with pytest.raises(DatasetError, match="query: no such folder"):
        load_dataset(market)


def test_what_market_says_of_its_people_is_counted(market: Path) -> None:
    assert load_dataset(market).accounting.changed == {
        "-1 is Market's number of bad crops: ignored": 1,
        "0000 is Market's number of distractors: kept without a label": 1,
    }


@pytest.mark.parametrize("folder", ["query", "bounding_box_train"])
def test_a_person_0_outside_the_distractors_is_a_person(market: Path, folder: str) -> None:
    blank(market / folder / "0000_c5s1_000001_00.jpg", 64, 128)
    dataset = load_dataset(market)
    zeros = [scene.image_id for scene in dataset.scenes if scene.identities[0] == 0]
    assert "bounding_box_test/0000_c2s1_000151_01.jpg" in zeros
    assert (
        len(zeros) == dataset.accounting.changed["0000 taken for a person, as bounding_box_train or query has it, too"]
    )
    assert (0 in {query.identity for query in dataset.queries}) == (folder == "query")


@pytest.mark.parametrize("suffix", ["webp", "PNG", "jpeg", "tif", "bmp"])
@pytest.mark.parametrize(
    ("name", "person", "camera"),
    [
        ("0007_c2s1_000151_01", 7, "c2"),
        ("0007_C012_00000013_0", 7, "c12"),
        ("0007_cam3_000013", 7, "c3"),
        ("0007/c2_17", 7, "c2"),
        ("7/frame_c04", 7, "c4"),
        ("0007/0007_c2s1_000151_01", 7, "c2"),
        ("0007/17", 7, None),
        ("-1/17", -1, None),
    ],
)
def test_names_of_crops(tmp_path: Path, name: str, person: int, camera: str | None, suffix: str) -> None:
    blank(tmp_path / "set" / "bounding_box_train" / f"{name}.{suffix}", 20, 40)
    [scene] = load_dataset(tmp_path / "set", "train").scenes
    assert (scene.identities.tolist(), scene.camera, scene.ignore.tolist()) == ([person], camera, [person < 0])
    assert scene.image_id == f"bounding_box_train/{name}.{suffix}"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "somebody/1.jpg",
            r"somebody/1\.jpg: the name of its folder is not the number of a person; name crops by person",
        ),
        ("0007/0008_c1_1.jpg", r"its name says person 0008, its folder 0007; correct one"),
        (
            "0007.jpg",
            "its name does not begin with person and camera; name crops by person and camera, as in 0002_c1s1",
        ),
        (f"{2**63}_c1.jpg", "the person's number 9223372036854775808 is too large"),
        (f"{'9' * 60}_c1.jpg", "its name does not begin with person and camera"),
    ],
)
def test_names_that_do_not_say_who_it_is(tmp_path: Path, name: str, message: str) -> None:
    blank(tmp_path / "set" / "bounding_box_train" / name, 20, 40)
    blank(tmp_path / "set" / "bounding_box_train" / "1_c1.jpg", 20, 40)
    with pytest.raises(DatasetError, match=message):
        load_dataset(tmp_path / "set", "train")
    dataset = load_dataset(tmp_path / "set", "train", skip_bad=True)
    assert (len(dataset.scenes), len(dataset.accounting.skipped)) == (1, 1)


def test_folders_without_a_crop_are_an_error(tmp_path: Path) -> None:
    for name in ("bounding_box_test", "query"):
        (tmp_path / name).mkdir()
    with pytest.raises(DatasetError, match=rf"^{tmp_path} \(test\): has no scene that can be used: it has no images$"):
        load_dataset(tmp_path)
    for name in ("notes.txt", "clip.mp4", "README"):
        (tmp_path / "query" / name).touch()
    with pytest.raises(
        DatasetError, match=r"used: 1 not a picture \(README\); 1 not a picture \(\.mp4\); 1 not a picture \(\.txt"
    ):
        load_dataset(tmp_path)


def test_crops_have_no_categories(market: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"the format has no categories to choose people from; leave people \(--people\) out"
    ):
        load_dataset(market, people=["person"])
