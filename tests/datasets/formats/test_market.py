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
