"""From a gallery to files and back: the same boxes, people, cameras and times."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from personsearch import Detections, Gallery
from personsearch.datasets import Dataset, load_dataset
from personsearch.errors import ConfigError, GalleryError, ImageError
from personsearch.exchange.export import export_gallery
from personsearch.exchange.records import Format, Selection
from personsearch.people import NewScene, NewTrack, NewView
from tests.exchange.galleries import SIZE, box_at, extra_of, gallery_of, picture, seen, three_people
from tests.gallery.toy import spec
from tests.pictures.films import film

WIDTH, HEIGHT = SIZE

#: How far a box may be from what was stored: bit for bit, hundredths of a pixel, float64 and back.
PRECISION = {"coco": 0.0, "cvat": 0.005 + 1e-5, "label-studio": 1e-4}


def corners(limit: int) -> st.SearchStrategy[tuple[float, float]]:
    """Return two corners along one side, float32, at least two pixels apart."""
    side = st.floats(0, limit, width=32)
    return st.tuples(side, side).map(sorted).filter(lambda two: two[1] - two[0] >= 2).map(lambda two: (two[0], two[1]))


BOXES = st.builds(lambda x, y: (x[0], y[0], x[1], y[1]), corners(WIDTH), corners(HEIGHT))
SCENES = st.lists(
    st.tuples(
        st.sampled_from([None, "door", 'Tür <1> & "2"']),
        st.sampled_from([None, 0.0, -3.25, 1760000000.123]),
        st.dictionaries(st.integers(0, 4), BOXES, max_size=3),
    ),
    min_size=1,
    max_size=4,
)


def accepted(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return tasks as Label Studio exports them once every prediction has been submitted unchanged."""
    return [
        {
            "id": number,
            "data": task["data"],
            "annotations": [{"id": number, "result": task["predictions"][0]["result"]}],
        }
        for number, task in enumerate(tasks, start=1)
    ]


def read_back(folder: Path, format: str) -> Dataset:
    """Return what an export holds, as training reads it."""
    if format == "coco":
        return load_dataset(folder, split="train", allow_empty=True)
    if format == "cvat":
        return load_dataset(folder, split="train", allow_empty=True)
    tasks = json.loads((folder / "tasks.json").read_text())
    (folder / "corrected.json").write_text(json.dumps(accepted(tasks)))
    return load_dataset(folder / "corrected.json", split="train", allow_empty=True)


@pytest.mark.parametrize("format", ["coco", "cvat", "label-studio"])
@given(scenes=SCENES, late=st.dictionaries(st.integers(0, 4), BOXES, min_size=1, max_size=2))
@settings(max_examples=10, deadline=None)
def test_what_is_loaded_again_is_what_was_stored(
    tmp_path_factory: pytest.TempPathFactory, format: Format, scenes: list[Any], late: dict[int, Any]
) -> None:
    folder = tmp_path_factory.mktemp("exchange")
    named = [(f"{number}.png", *scene) for number, scene in enumerate(scenes)]
    with gallery_of(folder, named) as gallery:
        gallery.add("late.png", seen(late), extra=picture(folder / "late.png", 99))  # after the grouping: no label
        report = export_gallery(gallery, folder / "out", format=format, selection=Selection(empty=True), progress=False)
        stored = gallery.scenes.page(limit=99, newest_first=False)
        people = gallery.scenes.people([scene.image_id for scene in stored])
    loaded = read_back(folder / "out", format)
    assert loaded.accounting.kept == loaded.accounting.rows == report.boxes == sum(map(len, people))
    assert (loaded.accounting.changed, loaded.accounting.dropped) == ({}, {})
    assert len(loaded.scenes) == len(stored) == report.scenes
    for scene, ours, there in zip(loaded.scenes, stored, people, strict=True):
        assert (scene.camera, scene.time, scene.width, scene.height) == (ours.camera, ours.time, WIDTH, HEIGHT)
        assert scene.identities.tolist() == [-1 if one.person_id is None else one.person_id for one in there]
        wanted = np.array([one.box for one in there], np.float32).reshape(-1, 4)
        np.testing.assert_allclose(scene.boxes, wanted, rtol=0, atol=PRECISION[format])
        assert scene.path.read_bytes() == Path(str(ours.extra["path"])).read_bytes()


def test_the_report_counts_what_was_written(tmp_path: Path) -> None:
    with three_people(tmp_path) as gallery:
        gallery.people.name(1, "Anna")
        report = export_gallery(gallery, tmp_path / "out", progress=False)
        again = [
            one.person_id for there in gallery.scenes.people(["a.jpg", "b.png", "c.jpg", "d.jpg"]) for one in there
        ]
    assert (report.scenes, report.boxes, report.labelled, report.persons) == (4, 6, 6, 3)
    assert (report.added, report.partial, report.failed, report.splits) == (0, 0, (), {})
    assert report.files == (tmp_path / "out" / "train.json",)
    written = json.loads(report.files[0].read_text())
    assert sorted(row["person_id"] for row in written["annotations"]) == sorted(again)
    assert [image["image_id"] for image in written["images"]] == ["a.jpg", "c.jpg", "b.png", "d.jpg"]  # by time
    assert written["annotations"][0]["name"] == "Anna"
    assert {row["score"] for row in written["annotations"]} == {0.75}
    assert not list((tmp_path / "out").glob("*.jsonl"))


def test_a_gallery_that_was_not_grouped_has_people_without_labels(tmp_path: Path) -> None:
    with gallery_of(tmp_path, [("a.jpg", None, None, {0: box_at(4)})], grouped=False) as gallery:
        report = export_gallery(gallery, tmp_path / "out", progress=False)
    assert (report.boxes, report.labelled) == (1, 0)
    assert load_dataset(tmp_path / "out", split="train").scenes[0].identities.tolist() == [-1]


def test_a_smaller_picture_has_smaller_boxes(tmp_path: Path) -> None:
    with gallery_of(tmp_path, [("a.jpg", None, None, {0: (24, 16, 96, 64)})]) as gallery:
        export_gallery(gallery, tmp_path / "out", max_side=72, progress=False)
    [scene] = load_dataset(tmp_path / "out", split="train").scenes
    with Image.open(scene.path) as shown:
        assert (scene.width, scene.height) == shown.size == (72, 48)
    assert scene.boxes.tolist() == [[18, 12, 72, 48]]


def test_pictures_that_are_gone_are_reported_and_the_rest_is_exported(tmp_path: Path) -> None:
    with three_people(tmp_path) as gallery:
        gallery.add("array", seen({0: box_at(4)}))
        (tmp_path / "a.jpg").unlink()
        picture(tmp_path / "c.jpg", seed=77)
        report = export_gallery(gallery, tmp_path / "out", progress=False)
    assert dict(report.failed) == {
        "a.jpg": f"{tmp_path / 'a.jpg'}: is no longer there",
        "c.jpg": f"{tmp_path / 'c.jpg'}: has changed since it was indexed; index it again (--replace)",
        "array": "array: was not indexed from a file",
    }
    assert report.scenes == 2
    assert len(load_dataset(tmp_path / "out", split="train").scenes) == 2


def test_without_a_single_picture_nothing_is_finished_and_it_can_be_tried_again(tmp_path: Path) -> None:
    with gallery_of(tmp_path, [("a.jpg", None, None, {0: box_at(4)})]) as gallery:
        kept = (tmp_path / "a.jpg").rename(tmp_path / "kept.jpg")
        with pytest.raises(ImageError, match=r"not one of the 1 pictures can be had; the first: .*no longer there"):
            export_gallery(gallery, tmp_path / "out", progress=False)
        kept.rename(tmp_path / "a.jpg")
        assert export_gallery(gallery, tmp_path / "out", progress=False).scenes == 1


def test_what_cannot_be_exported_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with three_people(tmp_path) as gallery:
        for problem, options in {
            "format must be one of coco, cvat, label-studio, got 'voc'": {"format": "voc"},
            "max_side must be at least 64": {"max_side": 10},
            "test_share must be from 0 to below 1": {"test_share": 1.0},
            "test_share is for coco": {"test_share": 0.5, "format": "cvat"},
            "no scene with people is left": {"selection": Selection(cameras=["nowhere"])},
        }.items():
            with pytest.raises(ConfigError, match=problem):
                export_gallery(gallery, out, progress=False, **options)  # type: ignore[arg-type]
        with pytest.raises(GalleryError, match="there is no person 9 here"):
            export_gallery(gallery, out, selection=Selection(persons=[9]), progress=False)
        for inside in (gallery.path, gallery.path / "index" / "out", gallery.path / ".." / "gallery"):
            with pytest.raises(ConfigError, match="is in the gallery itself"):
                export_gallery(gallery, inside, progress=False)
    with (
        gallery_of(tmp_path / "other", [("a.jpg", None, None, {0: box_at(4)})]) as gallery,
        pytest.raises(ConfigError, match="a test split needs two people at least"),
    ):
        export_gallery(gallery, out, test_share=0.5, progress=False)
    assert not out.exists()


def test_a_test_split_shares_no_person_and_no_scene(tmp_path: Path) -> None:
    with three_people(tmp_path) as gallery:
        report = export_gallery(gallery, tmp_path / "out", test_share=0.3, progress=False)
    train, test = (load_dataset(tmp_path / "out", split=split) for split in ("train", "test"))
    known = [set(one.identities.tolist()) - {-1} for part in (train, test) for one in part.scenes]
    # Person 2 came last, at 15 s, and is in two scenes, in one of them together with person 1.
    assert len(train.scenes) == len(test.scenes) == 2
    assert not set.union(*known[:2]) & set.union(*known[2:])
    assert report.splits == {"train": (2, 2, 0), "test": (2, 1, 1)}
    assert [query.identity for query in test.queries] == [3]
    assert not {scene.image_id for scene in train.scenes} & {scene.image_id for scene in test.scenes}


def followed(folder: Path) -> Gallery:
    """Return a gallery with a film of one track: the best view, in which another person is who was not stored."""
    film(folder / "walk.mp4", frames=10)
    gallery = Gallery.open(folder / "gallery", spec())
    name = "walk.mp4#t=0.500"
    extra = extra_of(folder / "walk.mp4") | {"tracks": True}
    scene = NewScene(image_id=name, detections=seen({0: (4, 4, 20, 44)}, (64, 48)), camera="c", time=0.5, extra=extra)
    gallery.tracks.add([scene], [NewTrack(views=(NewView(image_id=name, row=0, frames=7),), first=0.1, last=0.9)])
    gallery.people.group(min_similarity=0.9)
    return gallery


def test_a_frame_of_a_film_is_cut_out_and_its_missing_people_are_counted(tmp_path: Path) -> None:
    with followed(tmp_path) as gallery:
        report = export_gallery(gallery, tmp_path / "out", progress=False)
    assert (report.scenes, report.boxes, report.partial, report.added) == (1, 1, 1, 0)
    [scene] = load_dataset(tmp_path / "out", split="train").scenes
    assert scene.path.name.startswith("walk-000000500-")
    with Image.open(scene.path) as shown:
        assert (shown.format, shown.size) == ("JPEG", (64, 48))


def test_everybody_in_a_frame_gets_a_box_where_the_network_is_asked(tmp_path: Path) -> None:
    given: list[Image.Image] = []

    def detect(pictures: list[Image.Image]) -> list[Detections]:
        given.extend(pictures)
        return [seen({0: (5, 4, 21, 44), 1: (40, 4, 60, 44)}, (64, 48)) for _ in pictures]

    with followed(tmp_path) as gallery:
        gallery.add("still.jpg", seen({2: box_at(9)}), extra=picture(tmp_path / "still.jpg"))
        report = export_gallery(gallery, tmp_path / "out", detect=detect, progress=False)
    assert [one.size for one in given] == [(64, 48)]  # of the still, everybody was stored
    assert (report.scenes, report.boxes, report.labelled, report.added, report.partial) == (2, 3, 1, 1, 0)
    frame = load_dataset(tmp_path / "out", split="train").scenes[0]
    assert frame.boxes.tolist() == [[4, 4, 20, 44], [40, 4, 60, 44]]
    assert frame.identities.tolist() == [1, -1]


KILLED = """
import sys, time
from personsearch import Gallery
from personsearch.exchange import folder
from personsearch.exchange.export import export_gallery

written = 0
durably = folder.write_durably

def write(path, data):
    global written
    written += 1
    if written == 22:  # the manifest, the first sixteen pictures, and four of the next
        path.with_name(f".{path.name}.1").write_bytes(data[:99])
        print("now", flush=True)
        time.sleep(60)
    durably(path, data)

folder.write_durably = write
export_gallery(Gallery.open(sys.argv[1], mode="r"), sys.argv[2], progress=False)
"""


def test_an_export_that_was_killed_continues(tmp_path: Path) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    scenes = [(f"{number}.jpg", "door", float(number), {number % 3: box_at(4)}) for number in range(20 + 5)]
    gallery_of(tmp_path, scenes).close()
    command = [sys.executable, "-c", KILLED, str(tmp_path / "gallery"), str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "now\n"
        child.send_signal(signal.SIGKILL)
    before = {path.name: path.stat().st_mtime_ns for path in (out / "images").iterdir()}
    assert len(before) == 21
    assert not (out / "train.json").exists()
    with Gallery.open(tmp_path / "gallery", mode="r") as gallery:
        with pytest.raises(ConfigError, match="an unfinished export of something else or with other options"):
            export_gallery(gallery, out, max_side=80, progress=False)
        export_gallery(gallery, out, progress=False)
        export_gallery(gallery, whole, progress=False)
        with pytest.raises(ConfigError, match=r"holds a finished export, which may have been corrected since"):
            export_gallery(gallery, out, progress=False)
    assert (out / "train.json").read_bytes() == (whole / "train.json").read_bytes()
    after = {path.name: path.stat().st_mtime_ns for path in (out / "images").iterdir()}
    assert after.keys() == {path.name for path in (whole / "images").iterdir()}
    assert sum(after.get(name) == moment for name, moment in before.items()) == 16
