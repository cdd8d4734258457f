import logging
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from personsearch import Gallery, PersonSearcher
from personsearch.errors import GalleryError, GalleryMismatchError
from personsearch.people import NewScene
from personsearch.pictures.video import Frame, Video
from personsearch.results import Detections, StoredScene
from tests.picture_server import Page, PictureServer
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


def stored(gallery: Path, image_id: str) -> StoredScene:
    with Gallery.open(gallery, mode="r") as opened:
        scene = opened.scene(image_id)
    assert scene is not None
    return scene


def folder_of(path: Path, **seeds: int) -> Path:
    path.mkdir(parents=True)
    for name, seed in seeds.items():
        toy_scene(PEOPLE, seed=seed).save(path / f"{name}.png")
    return path


def test_the_same_name_for_another_picture_is_refused_and_both_are_named(
    tiny_searcher: PersonSearcher, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = folder_of(tmp_path / "cam1", a=1, same=2), folder_of(tmp_path / "cam2", a=3, same=2, b=4)
    assert tiny_searcher.index(first, tmp_path / "g").complete
    with caplog.at_level(logging.WARNING, "personsearch"):
        report = tiny_searcher.index(second, tmp_path / "g")
    assert (report.added, report.skipped, report.complete) == (1, 1, False)
    [(name, reason)] = report.failed
    assert name == "a.png"
    assert reason == (
        f"{second / 'a.png'}: the gallery holds other content under the name 'a.png' already (from {first / 'a.png'}); "
        "keep the two apart with a prefix (--prefix), or replace what is stored (--replace)"
    )
    assert reason in caplog.text
    assert stored(tmp_path / "g", "a.png").extra["path"] == str(first / "a.png")
    apart = tiny_searcher.index(second, tmp_path / "g", prefix="cam2")
    assert (apart.added, apart.complete) == (3, True)
    with Gallery.open(tmp_path / "g", mode="r") as gallery:
        assert gallery.image_ids() == ["a.png", "same.png", "b.png", "cam2/a.png", "cam2/b.png", "cam2/same.png"]


def test_a_file_that_was_overwritten_is_not_taken_for_the_one_before(
    tiny_searcher: PersonSearcher, tmp_path: Path
) -> None:
    photos = folder_of(tmp_path / "p", a=1, b=2)
    tiny_searcher.index(photos, tmp_path / "g")
    before = stored(tmp_path / "g", "a.png").extra["sha256"]
    toy_scene(PEOPLE, 200, 100, seed=9).save(photos / "a.png")
    assert [name for name, _ in tiny_searcher.index(photos, tmp_path / "g").failed] == ["a.png"]
    report = tiny_searcher.index(photos, tmp_path / "g", replace=True)
    assert (report.added, report.skipped, report.complete) == (1, 1, True)
    after = stored(tmp_path / "g", "a.png")
    assert (after.image_size, after.extra["sha256"] == before) == ((100, 200), False)
    assert tiny_searcher.index(photos, tmp_path / "g", replace=True).skipped == 2


def test_a_clip_of_the_same_name_is_refused_whole(tiny_searcher: PersonSearcher, tmp_path: Path) -> None:
    for name, frames in (("cam1", 6), ("cam2", 9)):
        (tmp_path / name).mkdir()
        video(tmp_path / name / "clip.mp4", frames=frames)
    gallery = tmp_path / "g"
    assert tiny_searcher.index(tmp_path / "cam1", gallery, every=2).added == 3
    assert tiny_searcher.index(tmp_path / "cam1", gallery).added == 3  # the frames between, of the same file
    with Gallery.open(gallery) as opened:
        opened.remove(["clip.mp4#t=0.000"])
    report = tiny_searcher.index(tmp_path / "cam2", gallery)  # although its first frame's name is free
    assert (report.added, report.skipped) == (0, 0)
    assert [name for name, _ in report.failed] == ["clip.mp4"]
    assert str(tmp_path / "cam1" / "clip.mp4") in report.failed[0][1]
    replaced = tiny_searcher.index(tmp_path / "cam2", gallery, replace=True, every=4)
    assert (replaced.added, replaced.complete) == (3, True)
    with Gallery.open(gallery, mode="r") as opened:
        assert opened.image_ids() == [f"clip.mp4#t={t:.3f}" for t in (0, 0.4, 0.8)]
        assert opened.check() == []


def test_several_folders_in_one_call_keep_their_names_apart(
    tiny_searcher: PersonSearcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_of(tmp_path / "cam1", f=1)
    folder_of(tmp_path / "cam2", f=2)
    monkeypatch.chdir(tmp_path)
    assert tiny_searcher.index(["cam1/", "cam2/"], "g").added == 2
    assert tiny_searcher.index(["cam1", "cam2/*.png"], "g").skipped == 2
    with Gallery.open("g", mode="r") as gallery:
        assert gallery.image_ids() == ["cam1/f.png", "cam2/f.png"]


def test_pictures_in_memory_are_compared_by_what_they_show(tiny_searcher: PersonSearcher, tmp_path: Path) -> None:
    rgb = np.asarray(toy_scene(PEOPLE))
    assert tiny_searcher.index({"a": rgb}, tmp_path / "g").added == 1
    assert tiny_searcher.index({"a": rgb.copy()}, tmp_path / "g").skipped == 1
    report = tiny_searcher.index({"a": rgb[:, ::-1]}, tmp_path / "g")
    assert (report.skipped, len(report.failed)) == (0, 1)
    assert "other content under the name 'a' already (160x96)" in report.failed[0][1]
    tiny_searcher.index({"b": rgb[:, :, ::-1]}, tmp_path / "g", channel_order="BGR")
    assert len(tiny_searcher.index({"b": rgb[:, :, ::-1]}, tmp_path / "g").failed) == 1


def test_a_url_that_shows_another_picture_now(tiny_searcher: PersonSearcher, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "served", before=1, after=2)
    with PictureServer() as server:
        url = f"{server.url}/snapshot.png"
        server.pages["/snapshot.png"] = Page((folder / "before.png").read_bytes())
        assert tiny_searcher.index([url], tmp_path / "g").added == 1
        assert tiny_searcher.index([url], tmp_path / "g").skipped == 1
        server.pages["/snapshot.png"] = Page((folder / "after.png").read_bytes())
        report = tiny_searcher.index([url], tmp_path / "g")
    assert [name for name, _ in report.failed] == [url]


def test_cameras_and_times_given_later_are_stored(tiny_searcher: PersonSearcher, tmp_path: Path) -> None:
    photos = folder_of(tmp_path / "p", a=1, b=2)
    video(photos / "clip.mp4", frames=4)
    tiny_searcher.index(photos, tmp_path / "g", every=2)
    labels = {"cameras": {"a.png": "door", "clip.mp4": "yard"}, "times": {"b.png": 7.0, "clip.mp4": 100.0}}
    report = tiny_searcher.index(photos, tmp_path / "g", every=2, **labels)  # type: ignore[arg-type]
    assert (report.skipped, report.labelled, report.complete) == (4, 4, True)
    assert stored(tmp_path / "g", "a.png").camera == "door"
    assert stored(tmp_path / "g", "b.png").time == 7.0
    frame = stored(tmp_path / "g", "clip.mp4#t=0.200")
    assert (frame.camera, frame.time) == ("yard", 100.2)
    again = tiny_searcher.index(photos, tmp_path / "g", every=2)  # what is not given is left as it is
    assert (again.skipped, again.labelled) == (4, 0)
    assert stored(tmp_path / "g", "clip.mp4#t=0.200").time == 100.2


def test_scenes_of_galleries_that_recorded_no_content(
    tiny_searcher: PersonSearcher, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    photos, others = folder_of(tmp_path / "p", a=1, b=2), folder_of(tmp_path / "others", a=3, b=2)
    with Gallery.open(tmp_path / "g", tiny_searcher.spec) as gallery:
        for name in ("a.png", "b.png"):
            gallery.add(name, tiny_searcher.detect(photos / name), extra={"path": str(photos / name)})
    with caplog.at_level(logging.WARNING, "personsearch"):
        report = tiny_searcher.index(photos, tmp_path / "g")
    assert (report.skipped, report.unverified) == (2, 2)
    assert "2 scenes were stored without a digest of their content" in caplog.text
    report = tiny_searcher.index(others, tmp_path / "g")  # compared with the files that the gallery names
    assert (report.skipped, report.unverified, [name for name, _ in report.failed]) == (1, 0, ["a.png"])


def test_damage_costs_what_it_hits_and_is_reported(
    tiny_searcher: PersonSearcher, tmp_path: Path, opened: list[str]
) -> None:
    photos = folder_of(tmp_path / "p", z=1)
    whole = video(tmp_path / "whole.ts", frames=60)
    data = bytearray(whole.read_bytes())
    data[len(data) // 3 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 3)
    (photos / "a.ts").write_bytes(data)
    (photos / "notes.txt").write_text("x")
    report = tiny_searcher.index(photos, tmp_path / "g", every=3)
    assert [name for name, _ in report.damaged] == ["a.ts"]
    assert not report.complete
    assert report.passed_over == {".txt": 1}
    with Gallery.open(tmp_path / "g", mode="r") as gallery:
        frames = gallery.image_ids("a.ts#t=")
        assert "z.png" in gallery
    assert 3 < len(frames) < 20
    assert max(float(name.partition("=")[2]) for name in frames) > 5  # what comes after the damage is there
    again = tiny_searcher.index(photos, tmp_path / "g", every=3)
    assert (again.added, again.skipped, again.damaged) == (0, len(frames) + 1, report.damaged)
    assert not again.complete
    assert opened == ["a.ts"]  # once, and what was lost is said each time


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The videos that were opened to be decoded, in order."""
    opened: list[str] = []
    frames = Video.__iter__

    def counted(clip: Video) -> Iterator[Frame]:
        opened.append(Path(clip.path).name)
        return frames(clip)

    monkeypatch.setattr(Video, "__iter__", counted)
    return opened


def test_a_clip_that_is_stored_whole_is_not_decoded_again(
    tiny_searcher: PersonSearcher, tmp_path: Path, opened: list[str]
) -> None:
    clip = video(tmp_path / "clip.mp4", frames=12)
    labels = {"cameras": {"clip.mp4": "yard"}, "times": {"clip.mp4": 100.0}}
    assert tiny_searcher.index(clip, tmp_path / "g", every=3).added == 4
    for every, skipped in ((3, 4), (6, 2), (12, 1)):  # every sixth is every second one of every third
        report = tiny_searcher.index(clip, tmp_path / "g", every=every)
        assert (report.added, report.skipped, report.complete) == (0, skipped, True)
    assert opened == ["clip.mp4"]
    report = tiny_searcher.index(clip, tmp_path / "g", every=3, **labels)  # type: ignore[arg-type]
    assert (report.skipped, report.labelled, report.unmatched) == (4, 4, ())
    assert opened == ["clip.mp4"]
    assert stored(tmp_path / "g", "clip.mp4#t=0.300").time == 100.3
    assert tiny_searcher.index(clip, tmp_path / "g", every=3, **labels).labelled == 0  # type: ignore[arg-type]
    assert tiny_searcher.index(clip, tmp_path / "g", every=2).added == 4  # frames that the reading did not name
    assert tiny_searcher.index(clip, tmp_path / "g", every=2).skipped == 6
    assert opened == ["clip.mp4"] * 2


def nobody(size: int) -> Detections:
    none = np.zeros((0, 4), np.float32)
    return Detections(boxes=none, scores=none[:, 0], embeddings=np.zeros((0, size), np.float32), image_size=(48, 64))


def forget(gallery: Gallery) -> None:
    gallery.remove(["clip.mp4#t=0.500"])


def replace(gallery: Gallery) -> None:
    scene, detections = gallery.scene("clip.mp4#t=0.500"), nobody(gallery.embedding_size)
    assert scene is not None
    gallery.add(scene.image_id, detections, extra=scene.extra, replace=True)


def expire(gallery: Gallery) -> None:
    gallery.remove(before=0.35)


@pytest.mark.parametrize(("change", "added"), [(forget, 1), (replace, 0), (expire, 4)])
def test_a_clip_of_which_a_frame_is_gone_or_another_is_decoded_again(
    change: Callable[[Gallery], None],
    added: int,
    tiny_searcher: PersonSearcher,
    tmp_path: Path,
    opened: list[str],
) -> None:
    clip = video(tmp_path / "clip.mp4", frames=6)
    tiny_searcher.index(clip, tmp_path / "g")
    with Gallery.open(tmp_path / "g") as gallery:
        change(gallery)
    report = tiny_searcher.index(clip, tmp_path / "g")
    assert (report.added, report.skipped) == (added, 6 - added)
    assert opened == ["clip.mp4"] * 2
    assert tiny_searcher.index(clip, tmp_path / "g").skipped == 6
    assert opened == ["clip.mp4"] * 2


def test_a_clip_is_decoded_again_by_other_libraries_and_where_no_reading_is_noted(
    tiny_searcher: PersonSearcher, tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = video(tmp_path / "clip.mp4", frames=4)
    tiny_searcher.index(clip, tmp_path / "g")
    monkeypatch.setattr("personsearch.indexing.same_content.decoding", lambda: "another version")
    assert tiny_searcher.index(clip, tmp_path / "g").skipped == 4
    assert len(opened) == 2
    monkeypatch.undo()
    with closing(sqlite3.connect(tmp_path / "g" / "gallery.sqlite")) as db, db:  # a gallery of before
        db.execute("DROP TABLE note")
    with Gallery.open(tmp_path / "g") as gallery:
        assert gallery.noted("clip.mp4#t=") is None
        gallery.note("clip.mp4#t=", b"of a version to come")
        assert gallery.check() == []
    for _ in range(2):
        assert tiny_searcher.index(clip, tmp_path / "g").complete


def test_a_clip_that_was_interrupted_is_decoded_again(
    tiny_searcher: PersonSearcher, tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = video(tmp_path / "clip.mp4", frames=6)
    add = Gallery.add_batch

    def fails(gallery: Gallery, scenes: Sequence[NewScene], **named: Any) -> list[bool]:
        if scenes[0].image_id == "clip.mp4#t=0.500":  # the last: all were decoded
            raise GalleryMismatchError("refused")
        return add(gallery, scenes, **named)

    with monkeypatch.context() as patched:
        patched.setattr(Gallery, "add_batch", fails)
        assert tiny_searcher.index(clip, tmp_path / "g").added == 5
    report = tiny_searcher.index(clip, tmp_path / "g")
    assert (report.added, report.skipped, len(opened)) == (1, 5, 2)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_no_thread_that_decodes(
    error: type[BaseException], tiny_searcher: PersonSearcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = video(tmp_path / "clip.mp4", frames=60)
    add, stored = Gallery.add_batch, []

    def fails(gallery: Gallery, scenes: Sequence[NewScene], **named: Any) -> list[bool]:
        if len(stored) == 3:
            raise error("at the fourth")
        stored.append(scenes[0].image_id)
        return add(gallery, scenes, **named)

    monkeypatch.setattr(Gallery, "add_batch", fails)
    with pytest.raises(error, match="at the fourth") as caught:  # it holds all that the call had begun
        tiny_searcher.index(clip, tmp_path / "g", batch_size=2)
    assert caught.tb is not None
    assert [thread for thread in threading.enumerate() if thread.name == "personsearch-ahead"] == []
    monkeypatch.undo()
    report = tiny_searcher.index(clip, tmp_path / "g")
    assert (report.added, report.skipped, report.complete) == (57, 3, True)


def test_every_picture_is_one_person(tiny_searcher: PersonSearcher, tmp_path: Path) -> None:
    crops = tmp_path / "crops"
    crops.mkdir()
    for identity in range(3):
        toy_scene([(identity, 10, 10)], 40, 80, seed=identity).save(crops / f"{identity}.png")
    report = tiny_searcher.index(crops, tmp_path / "g", crops=True)
    assert (report.added, report.people) == (3, 3)
    with Gallery.open(tmp_path / "g", mode="r") as gallery:
        for number, embedding in enumerate(tiny_searcher.embed_crops(sorted(crops.iterdir()))):
            [match] = gallery.search(embedding, k=1)
            assert (match.image_id, match.box, match.score) == (f"{number}.png", (0, 0, 40, 80), 1.0)
            assert match.similarity == pytest.approx(1, abs=1e-3)


def test_how_a_thermal_picture_was_read_is_recorded(tiny_searcher: PersonSearcher, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    grey = np.asarray(toy_scene(PEOPLE).convert("L")).astype(np.uint16)
    Image.fromarray(grey * 10 + 28_000).save(tmp_path / "p" / "thermal.png")
    toy_scene(PEOPLE).save(tmp_path / "p" / "plain.png")
    tiny_searcher.index(tmp_path / "p", tmp_path / "g")
    low, high = stored(tmp_path / "g", "thermal.png").extra["value_range"]
    assert 28_000 <= low < high <= 30_550
    assert "value_range" not in stored(tmp_path / "g", "plain.png").extra


def test_a_folder_of_pictures_is_no_gallery(tiny_searcher: PersonSearcher, tmp_path: Path) -> None:
    photos = folder_of(tmp_path / "p", a=1)
    with pytest.raises(GalleryError, match="holds pictures"):
        tiny_searcher.index(photos, photos)
    assert [path.name for path in photos.iterdir()] == ["a.png"]


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file of each kind that a folder may hold."""
    folder = folder_of(tmp_path_factory.mktemp("kinds") / "k", good=1, other=2)
    video(folder / "clip.mp4", frames=2)
    (folder / "broken.jpg").write_bytes(b"no")
    (folder / "broken.mp4").write_bytes(b"no")
    (folder / "notes.txt").write_text("x")
    (folder / "empty.png").write_bytes(b"")
    return folder


FILES = {"good.png": 1, "other.png": 1, "clip.mp4": 2, "broken.jpg": 0, "broken.mp4": 0, "notes.txt": 0, "empty.png": 0}


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.sets(st.sampled_from(sorted(FILES))), second=st.sets(st.sampled_from(sorted(FILES)), min_size=1))
def test_inputs_are_added_or_there_or_refused_or_passed_over(
    first: set[str],
    second: set[str],
    kinds: Path,
    tiny_searcher: PersonSearcher,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    root = tmp_path_factory.mktemp("law")
    known: set[str] = set()
    for number, names in enumerate((first, second)):
        folder = root / str(number)
        folder.mkdir()
        for name in names:
            shutil.copy(kinds / name, folder / name)
        if not names - {"notes.txt"}:
            continue
        report = tiny_searcher.index(folder, root / "g", progress=False)
        readable = {name for name in names if FILES[name]}
        assert report.added == sum(FILES[name] for name in readable - known)
        assert report.skipped == sum(FILES[name] for name in readable & known)
        assert {name for name, _ in report.failed} == {name for name in names if name.startswith(("broken", "empty"))}
        assert sum(report.passed_over.values()) == len(names & {"notes.txt"})
        known |= readable
