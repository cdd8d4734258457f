import csv
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from personsearch import Gallery, PersonSearcher, sources
from personsearch.errors import ImageError
from personsearch.sources import Sources, check_sources, read_sidecar
from tests.support import video


def wanted(_: str) -> bool:
    return True


def images(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)


def ids(sources: Sources) -> list[str]:
    return [s.image_id for entry in sources.entries for s in sources.scenes(entry, wanted) if s is not None]


def test_a_folder_gives_paths_below_it_in_order(tmp_path: Path) -> None:
    images(tmp_path, "b.jpg", "a/z.png", "a/k.jpg")
    (tmp_path / "notes.txt").write_text("not an image")
    assert ids(Sources.of(tmp_path)) == ["a/k.jpg", "a/z.png", "b.jpg"]
    assert ids(Sources.of(str(tmp_path))) == ["a/k.jpg", "a/z.png", "b.jpg"]


def test_a_glob_is_relative_to_its_fixed_part(tmp_path: Path) -> None:
    images(tmp_path, "day1/a.jpg", "day2/a.jpg", "day2/b.png")
    assert ids(Sources.of(f"{tmp_path}/*/a.jpg")) == ["day1/a.jpg", "day2/a.jpg"]
    assert ids(Sources.of(f"{tmp_path}/**/*.png")) == ["day2/b.png"]


def test_one_file_lists_and_mappings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images(tmp_path, "x/a.jpg", "x/b.jpg")
    assert ids(Sources.of(tmp_path / "x" / "a.jpg")) == ["a.jpg"]
    monkeypatch.chdir(tmp_path)
    assert ids(Sources.of(["x/a.jpg", Path("x/b.jpg")])) == ["x/a.jpg", "x/b.jpg"]
    assert ids(Sources.of({"one": np.zeros((4, 4, 3), np.uint8)})) == ["one"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("/nowhere/at/all", "no such folder, file or glob"),
        ("/nowhere/*.jpg", "matches no image or video"),
        ([np.zeros((4, 4, 3), np.uint8)], "has no name; give a mapping"),
        (["a.jpg", "a.jpg"], "'a.jpg' occurs twice"),
    ],
)
def test_mistakes_are_named(given: object, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        Sources.of(given)  # type: ignore[arg-type]


def test_a_url_in_a_mapping_is_not_taken_for_a_file() -> None:
    sources = Sources.of({"a": "https://example.org/a.jpg"})
    [source] = [source for entry in sources.entries for source in sources.scenes(entry, wanted)]
    assert source is not None
    assert (source.image, source.file, source.extra) == ("https://example.org/a.jpg", None, {})


def test_a_file_in_a_mapping_is_found_again(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    sources = Sources.of({"one": str(tmp_path / "a.jpg")})
    [source] = [source for entry in sources.entries for source in sources.scenes(entry, wanted)]
    assert source is not None
    assert source.extra == {"path": str(tmp_path / "a.jpg")}


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


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="holds no image or video"):
        Sources.of(tmp_path)
    with pytest.raises(ImageError, match="holds no image or video"):
        check_sources(str(tmp_path))


@pytest.mark.parametrize("given", ["/nowhere/at/all", "/nowhere/*.jpg", ["a.jpg", "a.jpg"]])
def test_the_check_refuses_in_the_same_words(given: str | list[str]) -> None:
    with pytest.raises(ImageError) as expected:
        Sources.of(given)
    with pytest.raises(ImageError) as actual:
        check_sources(given)
    assert str(actual.value) == str(expected.value)


def test_the_check_stops_at_the_first_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images(tmp_path, *(f"{n}.jpg" for n in range(20)))
    looked_at: list[Path] = []
    monkeypatch.setattr(sources, "is_media", lambda path: looked_at.append(path) is None)
    for given in (str(tmp_path), f"{tmp_path}/*.jpg", str(tmp_path / "3.jpg"), "https://example.org/a.jpg"):
        check_sources(given)
    assert len(looked_at) == 2  # one in the folder, one of the glob
    assert len(Sources.of(tmp_path).entries) == 20


def test_video_frames_are_named_by_their_time(tmp_path: Path) -> None:
    path = video(tmp_path / "clip.mp4")
    sources = Sources.of(path, every=5, cameras={"clip.mp4": "door"}, times={"clip.mp4": 1000.0})
    found = [s for entry in sources.entries for s in sources.scenes(entry, wanted)]
    assert [s.image_id for s in found if s] == [f"clip.mp4#t={t:.3f}" for t in (0, 0.5, 1.0, 1.5)]
    assert [(s.camera, s.time) for s in found if s] == [("door", 1000.0 + t) for t in (0, 0.5, 1.0, 1.5)]


def test_unwanted_frames_are_not_converted(tmp_path: Path) -> None:
    sources = Sources.of(video(tmp_path / "clip.mp4"), every=10)
    [entry] = sources.entries
    assert list(sources.scenes(entry, lambda _: False)) == [None, None]


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


def test_sidecar(tmp_path: Path) -> None:
    path = tmp_path / "sidecar.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("image_id", "camera", "time"), ("a.jpg", "c1", "2.5"), ("b.jpg", "", "")])
    assert read_sidecar(path) == ({"a.jpg": "c1"}, {"a.jpg": 2.5})
    path.write_text("image_id,camera,time\na.jpg,c1,noon\n")
    with pytest.raises(ImageError, match="line 2: time 'noon'"):
        read_sidecar(path)
    path.write_text("a.jpg,c1,3\n")
    with pytest.raises(ImageError, match="must name the columns"):
        read_sidecar(path)
