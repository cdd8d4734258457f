import logging
from pathlib import Path

import numpy as np
import pytest

from personsearch import Gallery, PersonSearcher
from tests.support import toy_scene, video

PEOPLE = [(0, 10, 10), (1, 60, 20)]


def test_every_scene_is_stored_under_its_own_name_whatever_order_batches_are_made_in(
    tiny_searcher: PersonSearcher, tmp_path: Path
) -> None:
    sizes = [(160, 96), (96, 160), (160, 96), (160, 96), (96, 96), (96, 160), (160, 96)]  # three kinds of canvas
    scenes = {f"{n}": toy_scene(PEOPLE, *size, seed=n) for n, size in enumerate(sizes)}
    report = tiny_searcher.index(dict(scenes), tmp_path / "g", batch_size=2)
    assert (report.added, report.skipped, report.failed) == (7, 0, ())
    with Gallery.open(tmp_path / "g", mode="r") as gallery:
        assert len(gallery.image_ids()) == 7
        for name, scene in scenes.items():
            alone = tiny_searcher.detect(scene)
            [match] = gallery.search(alone.embeddings[0], k=1)
            assert match.image_id == name
            assert match.box == pytest.approx(alone.boxes[0].tolist(), abs=1e-2)


def test_what_cannot_be_read_is_reported_and_the_rest_is_indexed(
    tiny_searcher: PersonSearcher, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scenes = {"a": toy_scene(PEOPLE), "b": b"not an image", "c": toy_scene(PEOPLE, seed=1)}
    with caplog.at_level(logging.WARNING, "personsearch"):
        report = tiny_searcher.index(scenes, tmp_path / "g", batch_size=1)
    assert report.added == 2
    assert [name for name, _ in report.failed] == ["b"]
    assert "not indexed: b: <12 bytes>: cannot be read" in caplog.text
    again = tiny_searcher.index(scenes, tmp_path / "g")
    assert (again.added, again.skipped, len(again.failed)) == (0, 2, 1)


def test_cameras_and_times_that_match_no_image_are_reported(
    tiny_searcher: PersonSearcher, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clip = video(tmp_path / "clip.mp4", frames=4)
    given = {"clip.mp4": "door", "clip.mp4#t=0.100": "yard", "./clip.mp4": "typo"}
    times = {"clip.mp4": 5.0, "clap.mp4": 7.0}
    with caplog.at_level(logging.WARNING, "personsearch"):
        report = tiny_searcher.index(clip, tmp_path / "g", cameras=given, times=times)
    assert report.added == 4
    assert report.unmatched == ("./clip.mp4", "clap.mp4")
    assert "2 of the image_ids given with a camera or a time match no image, the first is './clip.mp4'" in caplog.text
    again = tiny_searcher.index(clip, tmp_path / "g", cameras=given, times={"clip.mp4": 5.0})
    assert (again.skipped, again.unmatched) == (4, ("./clip.mp4",))


def test_arrays_in_opencvs_order_are_indexed_as_what_they_show(tiny_searcher: PersonSearcher, tmp_path: Path) -> None:
    rgb = np.asarray(toy_scene(PEOPLE))
    tiny_searcher.index({"a": rgb}, tmp_path / "rgb")
    tiny_searcher.index({"a": rgb[:, :, ::-1]}, tmp_path / "bgr", channel_order="BGR")
    tiny_searcher.index({"a": rgb[:, :, ::-1]}, tmp_path / "wrong")
    stored = []
    for name in ("rgb", "bgr", "wrong"):
        with Gallery.open(tmp_path / name, mode="r") as gallery:
            stored.append(gallery.embedding(1))
    assert np.array_equal(stored[0], stored[1])
    assert not np.allclose(stored[0], stored[2], atol=1e-3)
