import builtins
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from personsearch.datasets import load_dataset
from personsearch.errors import ConfigError, MissingExtraError
from personsearch.synth.labels import choose_queries, merge
from personsearch.synth.layouts import check_layout, picture_names, write_tables
from tests.synth.pictures import appearance, bytes_of, frame, job, small_plan


def test_names() -> None:
    jobs = small_plan(num_frames=3)
    names = picture_names(jobs, "coco")
    assert names["s1c1_0000"] == "train/s1c1_0000.jpg"
    assert names["s2c2_0004"] == "test/s2c2_0004.jpg"
    prw = picture_names(jobs, "prw")
    # The test split's cameras are 1 and 2; lights alternate from frame to frame.
    assert prw["s2c1_0000"] == "frames/c1s1_000001.jpg"
    assert prw["s2c1_0001"] == "frames/c1s2_000001.jpg"
    assert prw["s2c1_0002"] == "frames/c1s1_000002.jpg"
    assert prw["s1c2_0000"] == "frames/c4s1_000001.jpg"
    assert len(set(prw.values())) == len(prw) == sum(len(job.frames) for job in jobs)


def test_layout_is_checked_first(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="'voc' does not exist; choose one of coco, prw"):
        check_layout("voc")
    real = builtins.__import__

    def without_scipy(name: str, *rest: Any) -> Any:
        if name.startswith("scipy"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_scipy)
    check_layout("coco")
    with pytest.raises(MissingExtraError, match=r"personsearch\[data\]"):
        check_layout("prw")


def one_set(folder: Path, layout: str) -> None:
    """Write a training picture and two test pictures by two cameras, each of one labelled person and two others."""
    jobs = [
        job([frame([appearance()], name="a")], "train", "s1", "s1c1"),
        job([frame([appearance()], name="b")], "test", "s2", "s2c1"),
        job([frame([appearance()], name="c")], "test", "s2", "s2c2"),
    ]
    names = picture_names(jobs, layout)
    images = []
    for number, one in enumerate(jobs):
        name = names[one.frames[0].name]
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        picture = np.full((200, 300, 3), 90, np.uint8)
        cv2.rectangle(picture, (40, 30), (89, 169), (0, 0, 250), -1)
        cv2.imwrite(str(path), picture)
        rows = [
            {"label": 5, "seed": 55, "bbox": [40.0, 30.0, 50.0, 140.0], "visibility": 0.9},
            {"label": -1, "seed": 9, "bbox": [200.0, 30.5, 40.0, 100.0], "visibility": 0.8},
            {"label": 6, "seed": 66, "bbox": [240.0, 30.0, 40.0, 100.0], "visibility": 0.2},
        ]
        row = {"file_name": name, "width": 300, "height": 200, "camera": one.camera, "scene": one.scene, "time": number}
        images.append({**row, "annotations": rows})
    again = {**images[0], "file_name": "frames/again.jpg"}
    tables = {"train": merge("train", [images[0], again]), "test": merge("test", images[1:])}
    write_tables(folder, tables, choose_queries(tables["test"], 0), layout)


def test_coco(tmp_path: Path) -> None:
    one_set(tmp_path, "coco")
    test = load_dataset(tmp_path)
    scenes = test.scenes
    assert [scene.image_id for scene in scenes] == ["test/b.jpg", "test/c.jpg"]
    assert [scene.camera for scene in scenes] == ["s2c1", "s2c2"]
    assert scenes[0].boxes[0].tolist() == [40, 30, 90, 170]
    assert scenes[0].identities.tolist() == [0, -1, -1]
    assert scenes[0].ignore.tolist() == [False, False, True]
    assert [query.image_id for query in test.queries] == ["test/b.jpg", "test/c.jpg"]
    assert load_dataset(tmp_path, "train", require_images=False).scenes[0].identities.tolist() == [0, -1, -1]


def test_prw_files_are_what_its_readers_expect(tmp_path: Path) -> None:
    scipy_io = pytest.importorskip("scipy.io", reason="PRW's .mat files need scipy")
    one_set(tmp_path, "prw")

    def values(name: str, key: str) -> Any:
        return scipy_io.loadmat(tmp_path / name)[key]

    assert [str(row[0][0]) for row in values("frame_test.mat", "img_index_test")] == ["c1s1_000001", "c2s1_000001"]
    assert [str(row[0][0]) for row in values("frame_train.mat", "img_index_train")] == ["c3s1_000001", "again"]
    assert values("ID_train.mat", "ID_train").ravel().tolist() == [1]
    assert values("ID_test.mat", "ID_test2").ravel().tolist() == [2]
    boxes = values("annotations/c1s1_000001.jpg.mat", "box_new")
    assert boxes.tolist() == [[2, 40, 30, 50, 140], [-2, 200, 30.5, 40, 100], [-2, 240, 30, 40, 100]]
    lines = (tmp_path / "query_info.txt").read_bytes().decode()
    assert lines == "2 40.0 30.0 50.0 140.0 c1s1_000001\r\n2 40.0 30.0 50.0 140.0 c2s1_000001\r\n"
    crop = cv2.imread(str(tmp_path / "query_box" / "2_c1s1_000001.jpg"))
    assert crop.shape == (140, 50, 3)
    # Only the red rectangle, up to what JPEG does to its edge; the background is 90.
    assert crop[..., 2].min() > 180
    assert crop[..., 0].max() < 45
    assert load_dataset(tmp_path, format="coco").scenes[0].path.is_file()


def test_same_labels_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("scipy.io", reason="PRW's .mat files need scipy")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        one_set(tmp_path / name, "prw")
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")


def test_training_labels_come_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("scipy.io", reason="PRW's .mat files need scipy")
    written: list[str] = []
    monkeypatch.setattr("personsearch.synth.layouts.write_durably", lambda path, data: written.append(path.name))
    one_set(tmp_path, "prw")
    assert written[-1] == "train.json"
    assert written.count("train.json") == 1
    assert {"test.json", "queries.json", "query_info.txt", "frame_test.mat"} <= set(written)


def test_split_without_people(tmp_path: Path) -> None:
    pytest.importorskip("scipy.io", reason="PRW's .mat files need scipy")
    tables = {"train": merge("train", []), "test": merge("test", [])}
    write_tables(tmp_path, tables, [], "prw")
    assert load_dataset(tmp_path, format="coco", allow_empty=True).scenes == ()
