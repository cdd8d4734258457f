import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from personsearch.datasets import Dataset, Scene, load_dataset
from personsearch.errors import DatasetError
from personsearch.evaluation import PRESETS, evaluate_detection, evaluate_search
from personsearch.evaluation.evaluate import truth_as_detections
from tests.datasets.layouts import balanced, blank, cells, save, small_box, small_cuhk, struct, turn, write_cuhk
from tests.support import SHARED


def test_training_images_are_sorted_and_labelled_by_exact_box(tmp_path: Path) -> None:
    dataset = load_dataset(small_cuhk(tmp_path / "set"), "train")
    first, second = dataset.scenes
    assert (first.image_id, first.path) == ("s1.jpg", tmp_path / "set" / "Image" / "SSM" / "s1.jpg")
    assert first.boxes.tolist() == [[10, 10, 40, 70]]
    assert first.identities.tolist() == [0]
    assert second.identities.tolist() == [1, 0]  # entries of Train.mat, in their order
    assert dataset.name == "set/train"
    assert dataset.accounting.dropped == {"width or height of 0 or less": 1}
    assert dataset.accounting.changed == {"label whose box is not in Images.mat, left out": 1}
    assert balanced(dataset)


def _galleries(dataset: Dataset) -> list[tuple[tuple[str, ...], list[float]]]:
    """Names, and left edges of the boxes."""
    lists = [query.gallery for query in dataset.queries]
    return [(one.image_ids, one.boxes[:, 0].tolist()) for one in lists if one is not None]


def _same(got: list[Any], expected: list[Any]) -> bool:
    return all(g[0] == e[0] and np.array_equal(g[1], e[1], equal_nan=True) for g, e in zip(got, expected, strict=True))


def test_galleries_are_listed_as_in_the_file(tmp_path: Path) -> None:
    dataset = load_dataset(small_cuhk(tmp_path / "set"))
    assert dataset.name == "set/G100"
    assert [scene.image_id for scene in dataset.scenes] == ["s4.jpg", "s3.jpg", "s5.jpg", "s6.jpg", "s7.jpg"]
    first, second = dataset.queries
    # 200 + 100 is 44 in uint8.
    assert (first.image_id, first.box.tolist(), first.identity) == ("s3.jpg", [200, 10, 300, 90], 5532)
    assert (second.image_id, second.box.tolist(), second.identity) == ("s4.jpg", [60, 10, 90, 70], 5533)
    nan = np.nan
    assert _same(
        _galleries(dataset),
        [
            (("s4.jpg", "s5.jpg", "s6.jpg"), [10, nan, nan]),
            (("s5.jpg", "s5.jpg", "s4.jpg", "s3.jpg", "s7.jpg"), [10, 10, 60, nan, nan]),
        ],
    )
    assert [scene.identities.tolist() for scene in dataset.scenes] == [[5532, 5533], [5532, -1], [5533, -1], [-1], [-1]]
    assert dataset.scenes[4].boxes.tolist() == [[1, 1, 300, 61]]
    assert dataset.accounting.changed == {"clipped to the image": 1}
    assert balanced(dataset)


def test_the_full_set_continues_with_the_rest_of_the_pool(tmp_path: Path) -> None:
    dataset = load_dataset(small_cuhk(tmp_path / "set"), queries="all")
    nan = np.nan
    assert _same(
        _galleries(dataset),
        [
            (("s4.jpg", "s5.jpg", "s6.jpg", "s7.jpg"), [10, nan, nan, nan]),  # not s3, the query's own
            (("s5.jpg", "s5.jpg", "s4.jpg", "s3.jpg", "s6.jpg", "s7.jpg"), [10, 10, 60, nan, nan, nan]),
        ],
    )


def test_subsets_have_other_keys_and_the_same_identities(tmp_path: Path) -> None:
    root = small_cuhk(tmp_path / "set")
    occlusion = load_dataset(root, queries="occlusion")
    assert occlusion.name == "set/occlusion"
    assert [query.identity for query in occlusion.queries] == [5533]
    resolution = load_dataset(root, queries="resolution")
    assert [query.identity for query in resolution.queries] == [5534]  # nobody of TestG50
    assert resolution.scenes[3].identities.tolist() == [5534]
    assert resolution.scenes[2].identities.tolist() == [5533, 5534]


def test_queries_may_be_a_file(tmp_path: Path) -> None:
    root = small_cuhk(tmp_path / "set")
    file = root / "annotation" / "test" / "train_test" / "TestG100.mat"
    assert load_dataset(root, queries=file).name == "set/TestG100"
    file.rename(tmp_path / "mine.mat")
    assert len(load_dataset(root, queries=tmp_path / "mine.mat").queries) == 2
    with pytest.raises(DatasetError, match=r"TestG100\.mat: no such file"):
        load_dataset(root)
    with pytest.raises(DatasetError, match=r"G200: is neither a file nor a protocol of CUHK-SYSU, which has G50, G100"):
        load_dataset(root, queries="G200")
    with pytest.raises(DatasetError, match="the training split has no queries, so 'G50' cannot be read"):
        load_dataset(root, "train", queries="G50")
    with pytest.raises(DatasetError, match="has no split 'val'"):
        load_dataset(root, "val")


IMAGES, POOL = "annotation/Images.mat", "annotation/pool.mat"
TRAIN, G50 = "annotation/test/train_test/Train.mat", "annotation/test/train_test/TestG50.mat"
BOX = small_box((10, 10, 30, 60))


def _query(name: str, box: Any, gallery: Any) -> Any:
    query = struct(("imname", "idlocate", "ishard", "idname"), [(name, box, 0, "p1")])
    return struct(("Query", "Gallery"), [(query, struct(("imname", "idlocate", "ishard"), gallery))])


def _image(box: Any) -> Any:
    return struct(("imname", "nAppear", "box"), [("s3.jpg", 1, struct(("idlocate", "ishard"), [(box, 0)]))])


@pytest.mark.parametrize(
    ("file", "key", "value", "message"),
    [
        (IMAGES, "Image", 1, r"Images\.mat: has no Img; it holds Image"),
        (IMAGES, "Img", np.array([1.0]), r"Images\.mat: Img\(1\): expected imname, nAppear, box"),
        (IMAGES, "Img", _image(np.array([1, 2, 3])), r"Images\.mat: Img\(1\)\.box\(1\): expected x, y, width, height"),
        (IMAGES, "Img", _image(np.array([1, np.nan, 3, 4])), r"Img\(1\)\.box\(1\): bbox must be four finite numbers"),
        (
            IMAGES,
            "Img",
            _image(np.array([400, 1, 3, 4])),
            r"Img\(1\)\.box\(1\): bbox .* has no area inside the 300x100",
        ),
        (POOL, "pool", cells(["s3.jpg", "s9.jpg"]), r"pool\.mat: pool\(2\): s9\.jpg is not in Images\.mat"),
        (POOL, "pool", cells(["s3.jpg", "s3.jpg"]), r"pool\(2\): s3\.jpg is listed more than once"),
        (POOL, "pool", cells([1.0, "s3.jpg"]), r"pool\(1\): expected a name, got"),
        (G50, "TestG50", np.array([1, 2]), r"TestG50\(1\): expected Query \(imname, idlocate, ishard, idname\)"),
        (G50, "TestG50", _query("s9.jpg", BOX, []), r"TestG50\(1\)\.Query: s9\.jpg is not in the pool"),
        (G50, "TestG50", _query("s3.jpg", np.array([1, 2]), []), r"TestG50\(1\): expected .* got array"),
        (
            G50,
            "TestG50",
            _query("s3.jpg", BOX, [("s9.jpg", BOX, 0)]),
            r"\(1\)\.Gallery\(1\): s9\.jpg is not in the pool",
        ),
        (
            G50,
            "TestG50",
            _query("s3.jpg", BOX, [("s4.jpg", np.ones(3), 0)]),
            r"TestG50\(1\)\.Gallery\(1\): expected imn",
        ),
        (
            G50,
            "TestG50",
            _query("s3.jpg", BOX, [("s4.jpg", np.array([900, 1, 2, 3]), 0)]),
            r"Gallery\(1\): bbox .* no a",
        ),
    ],
)
def test_mistakes_name_file_and_row(tmp_path: Path, file: str, key: str, value: Any, message: str) -> None:
    root = small_cuhk(tmp_path / "set")
    save(root / file, key, value)
    with pytest.raises(DatasetError, match=message):
        load_dataset(root, queries="G50")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.array([1.0]), r"Train\.mat: Train\(1\): expected idname, nAppear, scene"),
        (
            cells([struct(("idname", "nAppear", "scene"), [("p1", 1, struct(("a", "b", "c"), [(5, BOX, 0)]))])]),
            r"Train\(1\)\.scene\(1\): expected imname, idlocate, ishard",
        ),
    ],
)
def test_mistakes_in_the_training_list(tmp_path: Path, value: Any, message: str) -> None:
    root = small_cuhk(tmp_path / "set")
    save(root / TRAIN, "Train", value)
    with pytest.raises(DatasetError, match=message):
        load_dataset(root, "train")


def test_truncated_files(tmp_path: Path) -> None:
    root = small_cuhk(tmp_path / "set")
    (root / G50).write_bytes((root / G50).read_bytes()[:-900])
    with pytest.raises(DatasetError, match=r"TestG50\.mat: is not a readable \.mat file: truncated or damaged"):
        load_dataset(root, queries="G50")


def test_bad_rows_and_files_can_be_skipped(tmp_path: Path) -> None:
    root = small_cuhk(tmp_path / "set")
    (root / "Image" / "SSM" / "s5.jpg").unlink()
    (root / "Image" / "SSM" / "s3.jpg").write_text("x")
    dataset = load_dataset(root, skip_bad=True)
    assert [scene.image_id for scene in dataset.scenes] == ["s4.jpg", "s6.jpg", "s7.jpg"]
    assert [(Path(p.file).name, p.row) for p in dataset.accounting.skipped] == [
        ("s3.jpg", ""),
        ("s5.jpg", ""),
        ("TestG100.mat", "TestG100(1).Query"),
    ]
    assert dataset.accounting.changed["gallery entry of an image that cannot be used, left out"] == 3
    [(names, _)] = _galleries(dataset)
    assert names == ("s4.jpg", "s7.jpg")
    assert balanced(dataset)


G100 = SHARED / "cuhk-sysu-protocol" / "TestG100.mat"


@pytest.fixture(scope="module")
def raw() -> Any:
    """The real protocol as scipy reads it."""
    from scipy.io import loadmat

    return loadmat(G100)["TestG100"].ravel()


@pytest.fixture
def official(raw: Any, tmp_path: Path) -> Path:
    """The real TestG100.mat, and made-up files that fit it: every image it lists, with the boxes it names."""
    root = tmp_path / "CUHK"
    images: dict[str, dict[tuple[int, ...], None]] = {}
    for item in raw:
        for entry in (*item["Query"].ravel(), *item["Gallery"].ravel()):
            boxes = images.setdefault(str(entry[0][0]), {})
            if entry[1].size:
                boxes[tuple(int(value) for value in entry[1].ravel())] = None
    listed = {name: list(boxes) for name, boxes in images.items()}
    write_cuhk(root, listed, list(images), [], {})
    shutil.copy(G100, root / "annotation" / "test" / "train_test")
    picture = blank(root / "blank.jpg", 4000, 4000)
    (root / "Image" / "SSM").mkdir(parents=True)
    for name in images:
        os.link(picture, root / "Image" / "SSM" / name)
    return root


#: Queries whose person the file shows twice in one image; for 493 it is the query's own image.
REPEATED = [493, 1633, 1997, 2561]


def _check_the_authors_deletion(dataset: Dataset) -> None:
    """Evaluate boxes of the truth with made-up embeddings, where each person's boxes resemble each other a little."""
    rng, author, scenes = np.random.default_rng(0), PRESETS["stl-author"], dataset.scenes
    people = rng.normal(size=(5532 + 2900, 32))
    here = {scene.image_id: people[scene.identities] + rng.normal(size=(len(scene.boxes), 32)) for scene in scenes}
    detections = truth_as_detections(dataset, {name: _unit(rows) for name, rows in here.items()})
    some = [query for number, query in enumerate(dataset.queries) if number % 10 == 0 or number in REPEATED]
    queries = _unit(people[[query.identity for query in some]])
    detected, whole = (evaluate_detection(detections, scenes, rules) for rules in (author, PRESETS["standard"]))
    assert whole.people - detected.people == 4  # and detections of them are false alarms
    assert (int(detected.hits.sum()), int((~detected.hits).sum())) == (detected.people, 4)
    # Had he kept the left one of the two boxes instead of the first of the file, two queries would have other figures.
    his = replace(dataset, queries=tuple(some))
    left = replace(his, scenes=tuple(_left_one_labelled(scene) for scene in scenes))
    kept, other = (evaluate_search(detections, one, queries, author).average_precisions for one in (his, left))
    assert [some[row].identity - 5532 for row in np.flatnonzero(np.abs(kept - other) > 1e-9)] == [1633, 2561]


def _unit(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _left_one_labelled(scene: Scene) -> Scene:
    identities, rows = scene.identities.copy(), []
    for second, identity in scene.repeated:
        first = int(np.flatnonzero(identities == identity)[0])
        stays, goes = sorted((first, second), key=lambda row: float(scene.boxes[row, 0]))
        identities[[stays, goes]] = identity, -1
        rows.append((goes, identity))
    return replace(scene, identities=identities, repeated=tuple(rows))


@pytest.mark.skipif(not G100.exists(), reason="../shared/data/cuhk-sysu-protocol is not here")
def test_the_real_protocol(raw: Any, official: Path) -> None:
    dataset = load_dataset(official, check_counts=False)
    assert dataset.name == "cuhk-sysu/G100 (other counts)"  # 2,900 queries, but boxes that only the protocol names
    assert len(dataset.queries) == 2900
    assert len({query.image_id for query in dataset.queries}) == 2725
    lists = [query.gallery for query in dataset.queries]
    truths = [np.flatnonzero(~np.isnan(one.boxes[:, 0])) for one in lists if one is not None]
    names = [one.image_ids for one in lists if one is not None]
    assert {len(one) for one in names} == {100}
    counts = np.array([len(rows) for rows in truths])
    assert (counts.sum(), counts.min(), counts.max(), (counts == 1).sum()) == (5447, 1, 13, 1501)
    assert all(rows.tolist() == list(range(len(rows))) for rows in truths)  # true matches come first
    twice = [number for number, one in enumerate(names) if len(set(one)) < len(one)]
    assert twice == [1250, 1633, 1997, 2561]
    assert [number for number, query in enumerate(dataset.queries) if query.image_id in names[number]] == [493, 2132]
    assert [query.identity for query in dataset.queries] == list(range(5532, 5532 + 2900))
    # The four boxes that the author deletes: second ones of people of these queries, in images that show them twice.
    second = [identity - 5532 for scene in dataset.scenes for _, identity in scene.repeated]
    assert sorted(second) == REPEATED
    _check_the_authors_deletion(dataset)
    assert balanced(dataset)
    # 437 of them are uint8, in which x + width may overflow: compared with Python's integers.
    stored = [item["Query"].ravel()[0]["idlocate"].ravel() for item in raw]
    assert sum(box.dtype == np.uint8 for box in stored) == 437
    for query, (x, y, w, h) in zip(dataset.queries, [box.tolist() for box in stored], strict=True):
        assert query.box.tolist() == [x, y, x + w, y + h]
    with np.errstate(over="ignore"):
        assert any((box[:2] + box[2:] < box[:2]).any() for box in stored)  # otherwise nothing would overflow here


@pytest.mark.parametrize(("split", "name"), [("train", "s2.jpg"), ("test", "s4.jpg")])
def test_a_picture_that_exif_turns_is_refused_because_its_boxes_are_of_the_pixels_as_stored(
    tmp_path: Path, split: Literal["train", "test"], name: str
) -> None:
    root = small_cuhk(tmp_path / "set")
    turn(root / "Image" / "SSM" / name, 6)
    with pytest.raises(DatasetError, match=rf"SSM/{name}: EXIF turns this picture \(orientation 6\), .* as stored"):
        load_dataset(root, split)
    dataset = load_dataset(root, split, skip_bad=True)
    assert name not in [scene.image_id for scene in dataset.scenes]
    assert balanced(dataset)
