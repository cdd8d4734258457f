"""What is listed, how it is named, and how it becomes tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pytest

from personsearch import Gallery
from personsearch.errors import ImageError, MissingExtraError
from personsearch.indexing.same_content import Held
from personsearch.results import Detections, Spec
from personsearch.scale.answers import Answer
from personsearch.scale.inputs import Input, inputs_in, inputs_of, list_all, tasks_of
from personsearch.sources import Sources
from tests.scale.help import album


@pytest.fixture
def bucket() -> str:
    files = fsspec.filesystem("memory")
    files.rm("/", recursive=True) if files.ls("/") else None
    for name in ("b/10.png", "b/9.jpg", "a/1.png", "clip.mp4", "notes.txt", "README"):
        files.pipe(f"/site/{name}", b"x")
    return "memory://site"


def test_names_are_those_of_a_disk(bucket: str, tmp_path: Path) -> None:
    listing = list_all(bucket, "")
    assert [(entry.image_id, entry.image, entry.is_video) for entry in listing.entries] == [
        ("a/1.png", "memory:///site/a/1.png", False),
        ("b/10.png", "memory:///site/b/10.png", False),
        ("b/9.jpg", "memory:///site/b/9.jpg", False),
        ("clip.mp4", "memory:///site/clip.mp4", True),
    ]
    assert listing.passed_over == {".txt": 1, "without a suffix": 1}
    assert [entry.image_id for entry in list_all(f"{bucket}/*/*.png", "p").entries] == ["p/a/1.png", "p/b/10.png"]
    assert [entry.image_id for entry in list_all(f"{bucket}/b/9.jpg", "").entries] == ["9.jpg"]
    assert [entry.image_id for entry in list_all(f"{bucket}/README", "").entries] == ["README"]
    [picture] = album(tmp_path / "photos", 1).values()
    several = list_all([f"{bucket}/b", picture], "")
    assert [entry.image_id for entry in several.entries] == [
        picture.as_posix(),
        "memory:///site/b/10.png",
        "memory:///site/b/9.jpg",
    ]
    mapped = list_all({"x": f"{bucket}/clip.mp4", "y": picture, "z": b"bytes"}, "")
    assert {entry.image_id: entry.is_video for entry in mapped.entries} == {"x": True, "y": False, "z": False}


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ("memory://nowhere", "memory://nowhere: there is no image or video"),
        ("memory://site/notes*", r"there is no image or video \(1 .txt passed over\)"),
        ("nothing://site", "nothing://site: not an address that fsspec opens"),
        ({"x": np.zeros((3, 3, 3), np.uint8)}, "x: workers take paths, URLs and encoded bytes, not ndarray"),
    ],
)
def test_what_is_not_there_is_refused(images: Any, message: str, bucket: str) -> None:
    with pytest.raises(ImageError, match=message):
        list_all(images, "")


def test_the_same_name_twice_is_refused(bucket: str) -> None:
    twice: Any = {1: b"x", "1": f"{bucket}/a/1.png"}
    with pytest.raises(ImageError, match="'p/1' occurs twice"):
        list_all(twice, "p")
    assert len(list_all([f"{bucket}/a", f"{bucket}/a/1.png"], "").entries) == 1  # the same file


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ImportError("no s3fs")

    monkeypatch.setattr(fsspec.core, "url_to_fs", refuse)
    with pytest.raises(MissingExtraError, match=r"pip install 'personsearch\[s3\]'"):
        list_all("s3://bucket/folder", "")


def test_inputs_say_what_is_known_of_them(tmp_path: Path) -> None:
    pictures = album(tmp_path / "photos", 3)
    (tmp_path / "photos" / "clip.mp4").write_bytes(b"x")
    spec = Spec(name="w", fingerprint="0" * 64, embedding_size=2)
    nobody = Detections(
        boxes=np.zeros((0, 4), np.float32),
        scores=np.zeros(0, np.float32),
        embeddings=np.zeros((0, 2), np.float32),
        image_size=(96, 160),
    )
    cameras = {"00.png": "door", "clip.mp4": "yard", "clip.mp4#t=1.000": "roof", "other": "x"}
    sources = Sources.of(str(tmp_path / "photos"), cameras=cameras)
    with Gallery.open(tmp_path / "g", spec) as gallery:
        for name in ("00.png", "clip.mp4#t=0.000", "clip.mp4#t=1.000"):
            gallery.add(name, nobody)
        gallery.note("clip.mp4#t=", b"read")
        found = list(inputs_of(sources, gallery, compare=True))
        by_name = list(inputs_of(sources, gallery, compare=False))
        scene, frame = gallery.scene("00.png"), gallery.scene("clip.mp4#t=0.000")
    names = ("clip.mp4#t=0.000", "clip.mp4#t=1.000")
    first, second, _, clip = found
    assert first == Input("00.png", str(pictures["00.png"]), False, {"00.png": "door"}, {}, Held(("00.png",), scene))
    assert isinstance(second, Input)
    assert second.held == Held()
    assert isinstance(clip, Input)
    assert clip.cameras == {"clip.mp4": "yard", "clip.mp4#t=1.000": "roof"}
    assert clip.held == Held(names, frame, b"read")
    assert isinstance(by_name[0], Answer)
    assert (by_name[0].kind, by_name[0].image_id, by_name[0].camera) == ("there", "00.png", "door")
    assert by_name[1:] == found[1:]
    tasks = list(tasks_of([one for one in found if isinstance(one, Input)], 2))
    inputs = [[str(one.image_id) for one in inputs_in(pa.table({"task": [task]}))] for task in tasks]
    assert inputs == [["00.png", "01.png"], ["clip.mp4"], ["02.png"]]


def test_rows_of_a_dataset_are_inputs(tmp_path: Path) -> None:
    table = pa.table(
        {
            "image_id": ["a", None, "c", "d"],
            "path": [None, "s3://bucket/b.mp4", "c.png", None],
            "bytes": [b"picture", None, None, None],
            "camera": ["door", None, None, None],
            "time": [None, 5.0, None, None],
            "other": [1, 2, 3, 4],
        }
    )
    *inputs, none = inputs_in(table)
    assert isinstance(none, Answer)
    assert (none.kind, none.image_id) == ("refused", "d")
    assert "has no picture or no name" in none.text
    assert inputs == [
        Input("a", b"picture", False, {"a": "door"}, {}),
        Input("s3://bucket/b.mp4", "s3://bucket/b.mp4", True, {}, {"s3://bucket/b.mp4": 5.0}),
        Input("c", str(Path("c.png").absolute()), False),
    ]
    with pytest.raises(ImageError, match="has the columns bytes, other; it needs 'path', or 'image_id' and 'bytes'"):
        inputs_in(table.select(["bytes", "other"]))
