import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from personsearch import Gallery, PersonSearcher
from personsearch.errors import ImageError
from personsearch.sources import Known, Source, Sources
from tests.support import video


def wanted(_: str) -> bool:
    return True


def images(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)


def scenes(sources: Sources) -> list[Source]:
    found = [scene for entry in sources.entries for scene in sources.scenes(entry, wanted)]
    assert all(isinstance(scene, Source) for scene in found)
    return found  # type: ignore[return-value]


def test_files_urls_and_pictures_in_memory_know_their_file(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    given = {"one": str(tmp_path / "a.jpg"), "two": "https://example.org/a.jpg", "three": np.zeros((4, 4, 3), np.uint8)}
    assert [(scene.image_id, scene.file) for scene in scenes(Sources.of(given))] == [
        ("one", tmp_path / "a.jpg"),
        ("two", None),
        ("three", None),
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"cameras": {"a.jpg": 3}}, "camera of 'a.jpg' must be a string, got 3"),
        ({"times": {"a.jpg": "noon"}}, "time of 'a.jpg' must be a finite number of seconds, got 'noon'"),
        ({"times": {"a.jpg": float("nan")}}, "finite number of seconds, got nan"),
        ({"every": 0}, "every must be at least 1, got 0"),
    ],
)
def test_cameras_and_times_that_cannot_be_stored_are_refused_at_once(
    given: dict[str, Any], message: str, tmp_path: Path
) -> None:
    images(tmp_path, "a.jpg")
    with pytest.raises(ImageError, match=message):
        Sources.of(tmp_path, **given)


def test_video_frames_are_named_by_their_time(tmp_path: Path) -> None:
    path = video(tmp_path / "clip.mp4")
    sources = Sources.of(path, every=5, cameras={"clip.mp4": "door"}, times={"clip.mp4": 1000.0})
    found = scenes(sources)
    assert [s.image_id for s in found] == [f"clip.mp4#t={t:.3f}" for t in (0, 0.5, 1.0, 1.5)]
    assert [(s.camera, s.time) for s in found] == [("door", 1000.0 + t) for t in (0, 0.5, 1.0, 1.5)]


def test_of_stored_scenes_only_what_is_given_now_is_told(tmp_path: Path) -> None:
    path = video(tmp_path / "clip.mp4")
    given = {"cameras": {"clip.mp4#t=1.000": "yard"}, "times": {"clip.mp4": 1000.0, "clip.mp4#t=0.000": 3.0}}
    for labels, expected in (
        ({}, [(None, None), (None, None)]),
        (given, [(None, 3.0), ("yard", 1001.0)]),
    ):
        sources = Sources.of(path, every=10, **labels)  # type: ignore[arg-type]
        [entry] = sources.entries
        known = list(sources.scenes(entry, lambda _: False))
        assert all(isinstance(one, Known) for one in known)
        assert [(one.camera, one.time) for one in known if isinstance(one, Known)] == expected


def test_a_video_that_breaks_in_the_middle_keeps_what_came_before(
    tiny_searcher: PersonSearcher, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    whole = video(tmp_path / "whole.ts", frames=60)
    data = bytearray(whole.read_bytes())
    (photos / "a.ts").write_bytes(data[: len(data) // 2])  # broken off: what is there is read
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    (photos / "b.ts").write_bytes(data)
    (photos / "c.mp4").write_bytes(b"no video")
    images(photos, "d.png")
    report = tiny_searcher.index(photos, tmp_path / "g", every=5)
    with Gallery.open(tmp_path / "g", mode="r") as gallery:
        ids = gallery.image_ids()
        assert gallery.check() == []
    for name in ("a.ts#", "b.ts#"):
        assert 2 <= sum(one.startswith(name) for one in ids) < 12
    assert "d.png" in ids
    assert ("c.mp4") in dict(report.failed)
    assert report.added == len(ids)


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
def test_a_name_that_is_not_utf8_is_reported(tiny_searcher: PersonSearcher, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    images(photos, "a.png", "b.png")
    os.rename(os.fsencode(photos / "a.png"), os.fsencode(photos) + b"/\xff.png")
    report = tiny_searcher.index(photos, tmp_path / "g")
    assert report.added == 1
    [(name, reason)] = report.failed
    assert "\\udcff.png" in name or "xff.png" in name
    assert "is not valid UTF-8" in reason
