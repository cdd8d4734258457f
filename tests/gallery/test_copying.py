"""A gallery copied from one store to another, killed in between, and compared bit for bit."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from personsearch import Gallery
from personsearch.errors import GalleryCorruptError, GalleryError, GalleryMismatchError
from personsearch.gallery import CopyReport, copy
from personsearch.gallery.copying import copy_stores
from personsearch.gallery.faults import DATABASE
from personsearch.gallery.stores.opening import open_store
from personsearch.gallery.stores.protocol import Incoming, Outcome
from personsearch.gallery.stores.shared import SharedStore
from tests.gallery import toy
from tests.gallery.people.test_people import ALIKE, filled, follow
from tests.gallery.stores.memory import MemoryEngine
from tests.gallery.stores.milvus_server import milvus_server
from tests.gallery.test_rescue_rest import damage

__all__ = ["milvus_server"]
ROOT = Path(__file__).parents[2]
_number = itertools.count()
SPEC = toy.spec(revision="a" * 40, fast_decode=True)
#: Scenes of a toy gallery, and the people in them.
SCENES = 40
PEOPLE = sum(len(toy.scene(f"{number}.jpg")) for number in range(SCENES))


def fill(gallery: Gallery, numbers: Sequence[int] = range(SCENES)) -> None:
    for number in numbers:
        camera = None if number % 5 == 4 else f"camera {number % 3}"
        time = None if number % 7 == 6 else number * 0.1
        name = f"{number}.jpg"
        gallery.add(name, toy.scene(name), camera=camera, time=time, extra={"path": f"/ü/{name}", "n": [number]})


@pytest.fixture
def source(tmp_path: Path) -> Path:
    with Gallery.open(tmp_path / "source", SPEC) as gallery:
        fill(gallery)
    return tmp_path / "source"


@pytest.fixture(params=["folder", "lance", pytest.param("milvus", marks=pytest.mark.slow)])
def destination(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of a gallery that is not there yet."""
    folder = tmp_path / "destination"
    if request.param == "folder":
        return str(folder)
    if request.param == "milvus":
        return f"milvus://{request.getfixturevalue('milvus_server')}/copy{next(_number)}"
    pytest.importorskip("lance")
    return f"lance://{folder}"


def content(gallery: str | Path) -> dict[str, tuple[object, ...]]:
    """Return what a gallery holds, by image_id, as bytes."""
    with Gallery.open(gallery, mode="r") as opened:
        assert opened.check() == []
        return {
            scene.image_id: (
                scene.camera,
                scene.time,
                scene.extra,
                scene.detections.image_size,
                scene.detections.boxes.tobytes(),
                scene.detections.scores.tobytes(),
                scene.detections.embeddings.astype(np.float16).tobytes(),
            )
            for scene in opened.everything()
        }


def facts(report: CopyReport) -> tuple[int, ...]:
    return report.copied, report.there, report.labelled, report.num_refused, report.num_differences, report.only_there


def test_a_copy_is_the_same_in_any_store_and_on_the_way_back(source: Path, destination: str, tmp_path: Path) -> None:
    report = copy(source, destination, progress=False)
    assert facts(report) == (SCENES, 0, 0, 0, 0, 0)
    assert (report.scenes, report.people, report.differences) == (SCENES, PEOPLE, ())
    assert content(destination) == content(source)
    assert facts(copy(destination, tmp_path / "back", progress=False)) == (SCENES, 0, 0, 0, 0, 0)
    assert content(tmp_path / "back") == content(source)
    with Gallery.open(destination, mode="r") as gallery, Gallery.open(tmp_path / "back", mode="r") as back:
        assert gallery.spec == back.spec == SPEC
        query = toy.people(1, seed=1).embeddings[0]
        assert [(match.image_id, match.box, match.similarity) for match in gallery.search(query, 5)] == [
            (match.image_id, match.box, match.similarity) for match in back.search(query, 5)
        ]


def test_a_second_copy_brings_the_first_up_to_date(source: Path, destination: str) -> None:
    copy(source, destination, progress=False)
    assert facts(copy(source, destination, progress=False)) == (0, SCENES, 0, 0, 0, 0)
    with Gallery.open(source) as gallery:
        fill(gallery, range(SCENES, SCENES + 3))
        gallery.label("1.jpg", camera="gate")
        gallery.label("4.jpg", camera="gate", time=99.0)
        gallery.remove(["2.jpg"])
        gallery.add("3.jpg", toy.people(4, seed=7), camera="camera 0", time=0.5, replace=True)
    with Gallery.open(destination) as gallery:
        gallery.add("of its own.jpg", toy.people(1, seed=3))
        gallery.label("9.jpg", camera="where the source knows none")
    stored = content(destination)
    report = copy(source, destination, progress=False)
    # 2.jpg and the destination's own are left; 3.jpg has other people, and 9.jpg a camera that cannot be taken away.
    assert facts(report) == (3, SCENES - 5, 2, 2, 2, 2)
    assert report.refused == ("9.jpg", "3.jpg")
    assert report.differences[0] == "9.jpg: camera None there 'where the source knows none'"
    assert report.differences[1] == (
        f"3.jpg: time 0.5 there {3 * 0.1}, extra {{}} there {{'n': [3], 'path': '/ü/3.jpg'}}, "
        f"number of people 4 there {len(toy.scene('3.jpg'))}"
    )
    there, wanted = content(destination), content(source)
    assert {name: there[name] for name in ("2.jpg", "3.jpg", "9.jpg", "of its own.jpg")} == {
        name: stored[name] for name in ("2.jpg", "3.jpg", "9.jpg", "of its own.jpg")
    }
    assert all(there[name] == scene for name, scene in wanted.items() if name not in report.refused)


def test_what_differs_is_found_and_named(source: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert facts(copy(source, other, progress=False))[4] == 0
    people = toy.scene("1.jpg")
    assert len(people) > 2
    boxes, embeddings = people.boxes.copy(), people.embeddings.copy()
    boxes[1, 3] = np.nextafter(boxes[1, 3], np.float32(1e9))
    embeddings[2, 0] = np.nextafter(np.float16(embeddings[2, 0]), np.float16(9))
    moved = replace(people, boxes=boxes, embeddings=embeddings)
    with Gallery.open(other) as gallery:
        gallery.add("1.jpg", moved, camera="camera 1", time=0.1, extra={"path": "/ü/1.jpg", "n": [1]}, replace=True)
        gallery.remove(["5.jpg"])
        gallery.label("8.jpg", time=0.81)
    before = (other / DATABASE).read_bytes()
    report = copy(source, other, verify_only=True, progress=False)
    assert facts(report) == (0, 0, 0, 0, 3, 0)
    assert report.differences == (
        "1.jpg: another box of person 1, another embedding of person 2",
        "5.jpg: is not there",
        "8.jpg: time 0.8 there 0.81",
    )
    assert (other / DATABASE).read_bytes() == before
    with pytest.raises(GalleryError, match="there is no gallery"):
        copy(source, tmp_path / "none", verify_only=True)


def test_what_cannot_be_copied_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="onto itself"):
        copy(source, f"{source.parent}/x/../{source.name}/")
    with pytest.raises(GalleryError, match="there is no gallery"):
        copy(tmp_path / "none", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    with Gallery.open(tmp_path / "others", toy.spec(fingerprint="b" * 64, fast_decode=True)):
        pass
    with pytest.raises(GalleryMismatchError, match="holds embeddings of toy"):
        copy(source, tmp_path / "others")
    damage(source, "UPDATE person SET score = 0.5 WHERE id = 20")
    with pytest.raises(GalleryCorruptError, match="person 20 differs"):
        copy(source, tmp_path / "new", progress=False)


def test_a_lost_person_is_no_difference_that_stays_unseen(source: Path, tmp_path: Path) -> None:
    damage(source, "DELETE FROM person WHERE id = 1")  # what is left of the scene is intact, row by row
    report = copy(source, tmp_path / "new", progress=False)
    assert report.num_differences == 1
    assert "damaged checksum" in report.differences[0]


KILLED = """
import os, signal, sys
from personsearch.gallery import copy, copying
from personsearch.gallery.stores.folder import FolderStore

copying.AT_ONCE = 7
calls = 0
def fatal(write):
    def wrapped(*arguments, **named):
        global calls
        calls += 1
        if calls == 3 and sys.argv[3] == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        done = write(*arguments, **named)
        if calls == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return done
    return wrapped

engine = None
if sys.argv[2].startswith("lance://"):
    from personsearch.gallery.stores.lance import LanceEngine as engine
elif sys.argv[2].startswith("milvus://"):
    from personsearch.gallery.stores.milvus import MilvusEngine as engine
if engine is not None:
    engine.scenes_at_once = 7
    engine.put_scenes = fatal(engine.put_scenes)
else:
    FolderStore.put = fatal(FolderStore.put)
copy(sys.argv[1], sys.argv[2], progress=False)
"""


@pytest.mark.parametrize(("when", "stored"), [("before", 14), ("after", 21)])
def test_killed_and_run_again(source: Path, destination: str, when: str, stored: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(source), destination, when], cwd=ROOT, env={**os.environ}, check=False
    )
    assert done.returncode == -signal.SIGKILL
    wanted = content(source)
    with Gallery.open(destination, mode="r") as gallery:
        assert gallery.check() == []
        assert gallery.image_ids() == list(wanted)[:stored]
    assert facts(copy(source, destination, progress=False)) == (SCENES - stored, stored, 0, 0, 0, 0)
    assert content(destination) == wanted


def test_no_more_than_some_scenes_are_held_at_a_time(tmp_path: Path) -> None:
    sizes = []

    class Watched(SharedStore):
        def put(self, scenes: Sequence[Incoming], *, replace: bool) -> list[Outcome]:
            sizes.append(len(scenes))
            return super().put(scenes, replace=replace)

    with Gallery.open(tmp_path / "source", SPEC) as gallery:
        fill(gallery, range(600))
    store = open_store(tmp_path / "source", write=False, spec=None)
    watched = Watched(MemoryEngine(), write=True, create=SPEC)
    report = copy_stores(store, watched, progress=False)
    store.close(save=False)
    assert facts(report) == (600, 0, 0, 0, 0, 0)
    assert sizes == [256, 256, 88]


@pytest.fixture
def known(tmp_path: Path) -> Path:
    """Return a gallery with tracks, people, decisions and a note, whose detection_ids have gaps."""
    with filled(tmp_path / "known") as gallery:
        gallery.remove(["c.jpg"])
        follow(gallery, 11, 12)
        gallery.people.group(min_similarity=ALIKE)
        gallery.people.name(1, "Anna")
        gallery.people.split(1, detections=[3])
        gallery.note("v.mp4#t=", b"read")
    return tmp_path / "known"


def test_a_folder_gets_tracks_people_and_decisions_too(known: Path, tmp_path: Path) -> None:
    report = copy(known, tmp_path / "new", progress=False)
    assert report.num_differences == 0
    assert report.left_behind == {}
    with Gallery.open(known, mode="r") as old, Gallery.open(tmp_path / "new") as new:
        assert report.carried == {
            "tracks": 1,
            "people": len(old.people.all()),
            "decisions": len(old.people.decisions()),
            "notes": 1,
        }
        assert new.check() == []
        for gallery in (old, new):
            assert gallery.noted("v.mp4#t=") == b"read"
        assert new.people.decisions() == old.people.decisions()

        def who(gallery: Gallery) -> list[object]:
            return [
                (person.person_id, person.name, person.by_hand, [(one.image_id, one.box) for one in seen])
                for person in gallery.people.all()
                for seen in [gallery.sightings(person.detection_ids)]
            ]

        assert who(new) == who(old)
        assert [(one.track_id, one.first, one.last, one.frames) for one in new.tracks.all()] == [
            (one.track_id, one.first, one.last, one.frames) for one in old.tracks.all()
        ]
    again = copy(known, tmp_path / "new", progress=False)
    assert (again.carried, again.num_differences) == (report.carried, 0)
    with Gallery.open(tmp_path / "new") as new:
        new.people.name(1, "Berta")
    changed = copy(known, tmp_path / "new", progress=False)
    assert (changed.carried, changed.left_behind) == ({}, report.carried)
    assert changed.differences == ("its tracks, people, decisions and notes are not all as in the source",)


def test_an_engine_gets_scenes_and_the_report_says_what_it_lacks(known: Path) -> None:
    store = open_store(known, write=False, spec=None)
    report = copy_stores(store, SharedStore(MemoryEngine(), write=True, create=store.spec), progress=False)
    store.close(save=False)
    assert (report.num_differences, report.carried) == (0, {})
    assert report.left_behind["tracks"] == report.left_behind["notes"] == 1
    assert report.left_behind["people"] > 1


def test_of_a_scene_that_is_refused_nothing_is_said(known: Path, tmp_path: Path) -> None:
    with Gallery.open(known, mode="r") as old:
        spec, name = old.spec, old.sightings(old.tracks.all()[0].detection_ids[:1])[0].image_id
    with Gallery.open(tmp_path / "new", spec) as new:
        new.add(name, toy.people(1, seed=77))
    report = copy(known, tmp_path / "new", progress=False)
    assert report.refused == (name,)
    assert "notes" in report.left_behind
    with Gallery.open(tmp_path / "new") as new:
        assert new.check() == []
        assert new.noted("v.mp4#t=") is None
        assert new.people.ungrouped == 1
