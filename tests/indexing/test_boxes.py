"""Scenes whose boxes come from elsewhere: what is stored, what is skipped, and what is refused."""

import json
import logging
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from personsearch import Gallery, PersonSearcher
from personsearch.errors import ConfigError, ImageError
from personsearch.given import read_detections
from personsearch.results import Detections
from tests.support import toy_scene, video

PEOPLE = [(0, 10, 10), (1, 60, 20)]
FOUND: dict[str, Any] = {
    "a.png": {"boxes": [[60, 20, 80, 80], [-4, 8, 31, 72]], "scores": [0.5, 0.75]},
    "b.png": [],
    "c.png": [[100, 30, 170, 90]],
}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, name in enumerate(FOUND):
        toy_scene(PEOPLE, seed=number).save(folder / name)
    return folder


def content(folder: Path) -> list[Any]:
    """Return each scene of a gallery with its people: boxes, scores and embeddings."""
    with Gallery.open(folder, mode="r") as gallery:
        assert gallery.check() == []
        people = gallery.sightings(range(1, len(gallery) + 1)) if len(gallery) else []
        return [
            (
                gallery.scene(name),
                [
                    (one.box, one.score, gallery.embedding(one.detection_id).tolist())
                    for one in people
                    if one.image_id == name
                ],
            )
            for name in gallery.image_ids()
        ]


def test_given_boxes_are_stored_with_the_embeddings_of_embed_boxes(
    tiny_searcher: PersonSearcher, photos: Path, tmp_path: Path
) -> None:
    report = tiny_searcher.index(photos, tmp_path / "g", boxes=FOUND, batch_size=2)
    assert (report.added, report.people, report.failed, report.complete) == (3, 3, (), True)
    scenes = {scene.image_id: (scene, people) for scene, people in content(tmp_path / "g")}
    boxes = [(0.0, 8.0, 31.0, 72.0), (60.0, 20.0, 80.0, 80.0)]  # clipped, by falling score
    assert [(box, score) for box, score, _ in scenes["a.png"][1]] == list(zip(boxes, [0.75, 0.5], strict=True))
    for name, given in (("a.png", boxes), ("c.png", [(100.0, 30.0, 160.0, 90.0)])):
        expected = tiny_searcher.embed_boxes(photos / name, given)
        # The gallery keeps them in half precision.
        assert np.allclose([rows for _, _, rows in scenes[name][1]], expected, atol=1e-3)
    assert scenes["b.png"][1] == []
    assert all(len(scene.extra["boxes"]) == 64 for scene, _ in scenes.values())


def test_a_detector_sees_every_new_picture_once_in_order(
    tiny_searcher: PersonSearcher, photos: Path, tmp_path: Path
) -> None:
    shown: list[np.ndarray[Any, Any]] = []

    def detector(pixels: np.ndarray[Any, Any]) -> Any:
        shown.append(pixels)
        return list(FOUND.values())[len(shown) - 1]

    assert tiny_searcher.index(photos, tmp_path / "g", boxes=detector, batch_size=2).people == 3
    for pixels, name in zip(shown, FOUND, strict=True):
        assert pixels.dtype == np.uint8
        assert np.array_equal(pixels, np.asarray(Image.open(photos / name)))
    tiny_searcher.index(photos, tmp_path / "same", boxes=FOUND, batch_size=2)
    assert content(tmp_path / "g") == content(tmp_path / "same")
    again = tiny_searcher.index(photos, tmp_path / "g", boxes=detector)
    assert (again.added, again.skipped, len(shown)) == (0, 3, 3)


def test_a_detector_that_fails_ends_the_run_and_what_was_stored_stays(
    tiny_searcher: PersonSearcher, photos: Path, tmp_path: Path
) -> None:
    asked = 0

    def detector(pixels: object) -> Any:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise MemoryError("the card is full")
        return []

    with pytest.raises(MemoryError, match="the card is full") as raised:
        tiny_searcher.index(photos, tmp_path / "g", boxes=detector, batch_size=1)
    assert raised.value.__notes__ == ["raised by the detector that was given as boxes, for c.png"]
    assert [scene.image_id for scene, _ in content(tmp_path / "g")] == ["a.png", "b.png"]
    assert tiny_searcher.index(photos, tmp_path / "g", boxes=detector).added == 1


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (
            None,
            FOUND,
            "the gallery holds this picture with our detector's boxes already; index it without boxes as",
        ),
        (
            FOUND,
            None,
            "the gallery holds this picture with boxes that were given already; index it with them",
        ),
        (FOUND, {**FOUND, "a.png": [[1, 1, 20, 60]]}, "holds this picture with other boxes already (a.png); index it"),
        (lambda _: [], FOUND, "the gallery holds this picture with other boxes already (a.png)"),
    ],
)
def test_the_same_picture_with_other_boxes_is_not_skipped(
    first: Any, second: Any, message: str, tiny_searcher: PersonSearcher, photos: Path, tmp_path: Path
) -> None:
    tiny_searcher.index(photos, tmp_path / "g", boxes=first)
    before = content(tmp_path / "g")
    report = tiny_searcher.index(photos, tmp_path / "g", boxes=second)
    assert report.added == 0
    assert report.failed[0][0] == "a.png"
    assert message in report.failed[0][1]
    assert "or replace what is stored (--replace)" in report.failed[0][1]
    assert content(tmp_path / "g") == before
    replaced = tiny_searcher.index(photos, tmp_path / "g", boxes=second, replace=True)
    assert replaced.complete
    assert replaced.added + replaced.skipped == 3
    tiny_searcher.index(photos, tmp_path / "fresh", boxes=second)
    with Gallery.open(tmp_path / "g", mode="r") as one, Gallery.open(tmp_path / "fresh", mode="r") as other:
        assert {name: one.scene(name) for name in one.image_ids()} == {
            name: other.scene(name) for name in other.image_ids()
        }
        assert len(one) == len(other)


def test_boxes_that_cannot_be_used_are_refused_by_name_and_the_rest_is_stored(
    tiny_searcher: PersonSearcher, photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = {"a.png": [[200, 0, 220, 60]], "c.png": FOUND["c.png"], "d.png": []}
    with caplog.at_level(logging.WARNING, "personsearch"):
        report = tiny_searcher.index(photos, tmp_path / "g", boxes=found)
    assert report.added == 1
    assert [name for name, _ in report.failed] == ["a.png", "b.png"]
    assert "a.png, row 0: box (200, 0, 220, 60) has no area inside the 160x96 image" in report.failed[0][1]
    assert "b.png: no boxes are given for this picture; where nobody is, give an empty list" in report.failed[1][1]
    assert "boxes are given for 1 picture not among what is indexed, the first is 'd.png'" in caplog.text
    with pytest.raises(ImageError, match=r"boxes are given for 'photos/a\.png' and so on, but none of these names is"):
        tiny_searcher.index(photos, tmp_path / "g", boxes={"photos/a.png": []})
    with pytest.raises(ConfigError, match="a crop is its person's box: give crops or boxes, not both"):
        tiny_searcher.index(photos, tmp_path / "g", crops=True, boxes=FOUND)


def test_a_file_of_results_stores_nobody_where_it_has_no_row(
    tiny_searcher: PersonSearcher, photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps([{"image_id": "c.png", "category_id": 1, "bbox": [100, 30, 70, 60], "score": 0.5}]))
    with caplog.at_level(logging.INFO, "personsearch"):
        report = tiny_searcher.index(photos, tmp_path / "g", boxes=read_detections(path))
    assert (report.added, report.people, report.without_row, report.complete) == (3, 1, 2, True)
    assert "2 scenes without a row in the file of detections, so with nobody" in caplog.text
    again = tiny_searcher.index(photos, tmp_path / "g", boxes=read_detections(path))
    assert (again.skipped, again.without_row) == (3, 0)
    other = tmp_path / "other.json"
    other.write_text(json.dumps([{"image_id": "b.png", "bbox": [100, 30, 50, 60], "score": 0.5}]))
    changed = tiny_searcher.index(photos, tmp_path / "g", boxes=read_detections(other))
    assert [name for name, _ in changed.failed] == ["b.png", "c.png"]  # nobody is in a.png in both


def test_frames_of_a_video_are_asked_for_and_a_change_in_one_is_noticed(
    tiny_searcher: PersonSearcher, tmp_path: Path
) -> None:
    clip = video(tmp_path / "clip.mp4", frames=4)
    shapes = []

    def detector(pixels: np.ndarray[Any, Any]) -> Any:
        shapes.append(pixels.shape)
        return [[4, 4, 20, 40]] if len(shapes) > 1 else []

    assert tiny_searcher.index(clip, tmp_path / "g", boxes=detector).people == 3
    assert shapes == [(48, 64, 3)] * 4
    assert tiny_searcher.index(clip, tmp_path / "g", boxes=detector).skipped == 4
    assert len(shapes) == 4
    names = [scene.image_id for scene, _ in content(tmp_path / "g")]
    same: dict[str, Any] = {name: [[4, 4, 20, 40]] if name != names[0] else [] for name in names}
    assert tiny_searcher.index(clip, tmp_path / "g", boxes=same).skipped == 4
    other = tiny_searcher.index(clip, tmp_path / "g", boxes={**same, names[2]: []})
    [(name, reason)] = other.failed
    assert name == "clip.mp4"
    assert f"holds this video with other boxes already ({names[2]})" in reason
    plain = tiny_searcher.index(clip, tmp_path / "g")
    assert "holds this video with boxes that were given already" in plain.failed[0][1]


def test_people_of_a_detector_are_followed(tiny_searcher: PersonSearcher, tmp_path: Path) -> None:
    clip = video(tmp_path / "clip.mp4", frames=6)
    scores = iter(np.linspace(0.5, 0.75, 6))
    report = tiny_searcher.index(
        clip, tmp_path / "g", tracks=True, boxes=lambda _: {"boxes": [[10, 4, 30, 44]], "scores": [next(scores)]}
    )
    assert (report.tracks, report.complete) == (1, True)
    with Gallery.open(tmp_path / "g", mode="r") as gallery:
        [track] = gallery.tracks.all()
        assert track.frames == 6
        views = gallery.sightings(track.detection_ids)
        assert {one.box for one in views} == {(10.0, 4.0, 30.0, 44.0)}
        assert all(one.extra["tracks"] and len(one.extra["boxes"]) == 64 for one in views)
    again = tiny_searcher.index(clip, tmp_path / "g", tracks=True, boxes=lambda _: pytest.fail("asked again"))
    assert (again.added, again.skipped, again.complete) == (0, report.added, True)
    own = tiny_searcher.index(clip, tmp_path / "g", tracks=True)
    assert "holds this video with boxes that were given already" in own.failed[0][1]
    nobody = tiny_searcher.index(clip, tmp_path / "g", tracks=True, boxes=lambda _: [], replace=True)
    assert (nobody.tracks, nobody.people) == (0, 0)  # what a detector finds is not asked for before what is stored


def test_a_frame_without_boxes_is_refused_and_the_track_goes_on(tiny_searcher: PersonSearcher, tmp_path: Path) -> None:
    clip = video(tmp_path / "clip.mp4", frames=4)
    tiny_searcher.index(clip, tmp_path / "names", boxes=lambda _: [])
    names = [scene.image_id for scene, _ in content(tmp_path / "names")]
    found = {name: [[10, 4, 30, 44]] for name in names if name != names[1]}
    report = tiny_searcher.index(clip, tmp_path / "g", tracks=True, boxes=found)
    assert [name for name, _ in report.failed] == [names[1]]
    with Gallery.open(tmp_path / "g", mode="r") as gallery:
        assert [track.frames for track in gallery.tracks.all()] == [3]


CHILD = """
import sys
import torch
from personsearch import PersonSearcher
torch.set_num_threads(1)
searcher = PersonSearcher.from_pretrained(sys.argv[1], device="cpu")

def detector(pixels):
    print("asked", flush=True)
    if sys.argv[4] == "wait" and detector.asked == 5:
        sys.stdin.read()  # until it is killed
    detector.asked += 1
    height, width = pixels.shape[:2]
    return {"boxes": [[pixels[0, 0, 0] % 40, 4, width - 20, height]], "scores": [pixels[0, 0, 1] / 255]}

detector.asked = 0
report = searcher.index(sys.argv[2], sys.argv[3], boxes=detector, batch_size=1, progress=False)
assert report.complete, report
"""


@pytest.mark.slow
def test_a_run_that_was_killed_continues_and_asks_only_for_the_rest(
    tiny_searcher: PersonSearcher, tmp_path: Path
) -> None:
    weights = tiny_searcher.save_pretrained(tmp_path / "weights")
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(8):
        toy_scene(PEOPLE, seed=number).save(photos / f"{number}.png")

    command: list[str | Path] = [sys.executable, "-c", CHILD, weights, photos, tmp_path / "g"]
    with subprocess.Popen([*command, "wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        for _ in range(6):
            assert killed.stdout.readline() == "asked\n"
        killed.send_signal(signal.SIGKILL)
    before = content(tmp_path / "g")
    assert 2 <= len(before) <= 5
    second = subprocess.run([*command, "on"], capture_output=True, text=True, check=True)
    assert second.stdout.count("asked") == 8 - len(before)

    def detector(pixels: np.ndarray[Any, Any]) -> Any:
        height, width = pixels.shape[:2]
        return {"boxes": [[pixels[0, 0, 0] % 40, 4, width - 20, height]], "scores": [pixels[0, 0, 1] / 255]}

    whole = PersonSearcher.from_pretrained(weights, device="cpu")
    assert whole.index(photos, tmp_path / "whole", boxes=detector, batch_size=1).added == 8
    assert content(tmp_path / "g") == content(tmp_path / "whole")


def test_our_own_detections_may_be_given_again(tiny_searcher: PersonSearcher, photos: Path, tmp_path: Path) -> None:
    own = {name: tiny_searcher.detect(photos / name) for name in FOUND}
    assert all(isinstance(one, Detections) and len(one) for one in own.values())
    assert tiny_searcher.index(photos, tmp_path / "g", boxes=own).people == sum(map(len, own.values()))
