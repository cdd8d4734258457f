"""What every store of a gallery must do; ``conftest.py`` lists them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

from personsearch import Detections, Gallery, Match
from personsearch.errors import GalleryError, GalleryMismatchError
from personsearch.people import NewScene
from tests.gallery import toy
from tests.gallery.stores.conftest import Place

ROOT = Path(__file__).parents[3]
Passes: TypeAlias = Callable[[NewScene], bool]
#: Names and cameras that a filter written as text could trip over.
CAMERAS = (None, "door", "o'brien", 'say "hi"', "back\\slash", "größe 雪", "")


def scenes(count: int, *, first: int = 0) -> list[NewScene]:
    """Return scenes of 0 to 6 people, each camera in turn, every fourth without a time."""
    found = []
    for number in range(first, first + count):
        name = f"{number:03}'\"\\ü.jpg"
        time = None if number % 4 == 3 else number * 1.5
        camera = CAMERAS[number % len(CAMERAS)]
        found.append(
            NewScene(
                image_id=name, detections=toy.scene(name), camera=camera, time=time, extra={"n": number, "q": "'\"\\"}
            )
        )
    return found


def expected(stored: Sequence[NewScene], query: np.ndarray, k: int, passes: Passes = lambda scene: True) -> list[tuple]:
    """Return what comparing everybody in numpy finds, as (image_id, box)."""
    rows = []
    for scene in stored:
        if passes(scene):
            vectors = scene.detections.embeddings.astype(np.float16).astype(np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            similarities = (vectors.astype(np.float64) @ query.astype(np.float64)).astype(np.float32)
            boxes = scene.detections.boxes.tolist()
            rows += [(-one, scene.image_id, tuple(box)) for one, box in zip(similarities.tolist(), boxes, strict=True)]
    return [(name, box) for _, name, box in sorted(rows)[:k]]


def shown(matches: Sequence[Match]) -> list[tuple]:
    return [(match.image_id, match.box) for match in matches]


def same(one: Detections, other: Detections) -> bool:
    """Whether two scenes have the same people, their embeddings as they are stored."""
    return (
        one.boxes.tobytes() == other.boxes.tobytes()
        and one.scores.tobytes() == other.scores.tobytes()
        and one.embeddings.astype(np.float16).tobytes() == other.embeddings.astype(np.float16).tobytes()
        and one.image_size == other.image_size
    )


def test_ids_are_listed_by_how_they_begin(place: Place) -> None:
    last = chr(sys.maxunicode)
    names = [
        "a",
        "a%",
        "a%b",
        "a_b",
        "ab",
        "a'b",
        'a"b',
        "a\\b",
        "b",
        "\ud7ff",
        "\ud7ffz",
        "\ue000",
        last,
        f"{last}z",
        "z" + last,
    ]
    with place.open() as gallery:
        gallery.add_batch([NewScene(image_id=name, detections=toy.scene(name)) for name in names])
        for prefix in ["", *names, "a" + last, "nobody's", last * 2]:
            assert gallery.image_ids(prefix) == [name for name in names if name.startswith(prefix)], prefix


def test_what_was_added_is_there_and_adding_it_again_changes_nothing(place: Place) -> None:
    batch = scenes(10)
    with place.open() as gallery:
        assert gallery.add_batch(batch) == [True] * 10
        assert gallery.add_batch(batch[:4] + scenes(1, first=10)) == [False] * 4 + [True]
        assert not gallery.add(
            batch[0].image_id,
            batch[0].detections,
            camera=batch[0].camera,
            time=batch[0].time,
            extra=dict(batch[0].extra),
        )
    batch = scenes(11)
    with place.open("r") as gallery:
        assert gallery.num_images == 11
        assert len(gallery) == sum(len(scene.detections) for scene in batch)
        assert gallery.image_ids() == [scene.image_id for scene in batch]
        assert gallery.image_ids("00") == [scene.image_id for scene in batch[:10]]
        assert gallery.check() == []
        assert batch[0].image_id in gallery
        assert "none" not in gallery
        assert gallery.spec == toy.spec()
        there = {scene.image_id: scene for scene in gallery.everything()}
        info = gallery.info()
    assert set(there) == {scene.image_id for scene in batch}
    for scene in batch:
        found = there[scene.image_id]
        assert same(found.detections, scene.detections)
        assert (found.camera, found.time, found.extra) == (scene.camera, scene.time, scene.extra)
    cameras = [scene.camera for scene in batch if scene.camera is not None]
    assert info.cameras == {one: cameras.count(one) for one in sorted(cameras)}
    assert info.timed == sum(scene.time is not None for scene in batch)
    assert (info.images, info.people) == (11, sum(len(scene.detections) for scene in batch))


def test_every_filter_finds_what_numpy_finds(place: Place) -> None:
    stored = scenes(28)
    queries = toy.unit_rows(3, toy.DIM, seed=5)
    with place.open() as gallery:
        gallery.add_batch(stored[:15])
        gallery.add_batch(stored[15:])

        def check(passes: Passes, **filters: Any) -> None:
            for query, ranking in zip(queries, gallery.search_batch(queries, 7, **filters), strict=True):
                assert shown(ranking) == expected(stored, query, 7, passes)

        check(lambda scene: True)
        for camera in CAMERAS[1:]:
            check(lambda scene, camera=camera: scene.camera == camera, cameras=[camera])
        check(lambda scene: scene.camera in ("door", 'say "hi"'), cameras=["door", 'say "hi"', "no such"])
        check(lambda scene: scene.camera == "door", cameras="door")
        check(lambda scene: False, cameras=[])
        check(lambda scene: scene.time is not None and scene.time >= 12, since=12)
        check(lambda scene: scene.time is not None and scene.time <= 12, until=12)
        check(lambda scene: scene.time is not None and 6 <= scene.time <= 24, since=6, until=24)
        check(
            lambda scene: scene.camera == "o'brien" and scene.time is not None and scene.time >= 3,
            cameras=["o'brien"],
            since=3,
        )
        names = [scene.image_id for scene in stored[2:20]]
        check(lambda scene: scene.image_id not in names, exclude_images=[*names, "none"])
        first = gallery.search(queries[0], 3)
        rest = gallery.search(queries[0], 50, exclude_detections=[first[0].detection_id, 12345])
        assert shown(rest) == expected(stored, queries[0], 51)[1:]
        everybody = gallery.search(queries[0], 10_000)
        assert shown(everybody) == expected(stored, queries[0], 10_000)
        close = [match for match in everybody if match.similarity >= 0.2]
        assert gallery.search(queries[0], 10_000, min_similarity=0.2) == close
        best = {}
        for match in everybody:
            best.setdefault(match.image_id, match)
        assert gallery.search(queries[0], 6, one_per_image=True) == list(best.values())[:6]
        each = gallery.search(queries[0], 2, per_camera=True)
        per: dict[str | None, list[Match]] = {}
        for match in everybody:
            per.setdefault(match.camera, []).append(match)
        wanted = [match for ranking in per.values() for match in ranking[:2]]
        assert each == sorted(wanted, key=lambda one: (-one.similarity, one.detection_id))
        again = gallery.search(queries[0], 5, like=[everybody[4].detection_id], unlike=[everybody[0].detection_id])
        assert everybody[0].detection_id not in [match.detection_id for match in again]
        with pytest.raises(GalleryError, match="nobody has detection_id 12345"):
            gallery.search(queries[0], like=[12345])
        one = everybody[0]
        assert np.dot(gallery.embedding(one.detection_id), queries[0]) == pytest.approx(one.similarity, abs=1e-6)
        [sighting] = gallery.sightings([one.detection_id])
        assert (sighting.image_id, sighting.box, sighting.extra) == (one.image_id, one.box, one.extra)
        with pytest.raises(GalleryError, match="nobody has detection_id 12345"):
            gallery.embedding(12345)


def test_other_content_is_refused_and_replaced_only_if_asked(place: Place) -> None:
    name = "a.jpg"
    with place.open() as gallery:
        gallery.add(name, toy.people(3, seed=1), time=1.0)
        gallery.add("b.jpg", toy.people(2, seed=9), time=1.0)
        with pytest.raises(
            GalleryMismatchError, match=r"'a.jpg' is stored with other content.*3 people.*given.*2 people"
        ):
            gallery.add(name, toy.people(2, seed=2), time=1.0)
        assert len(gallery) == 5
        assert gallery.add(name, toy.people(2, seed=2), time=1.0, replace=True)
        assert gallery.check() == []
        assert len(gallery) == 4
        old = gallery.search(toy.people(3, seed=1).embeddings[0], 10)
        assert old[0].similarity < 0.99
        assert gallery.search(toy.people(2, seed=2).embeddings[1], 1)[0].similarity == pytest.approx(1, abs=1e-3)


def test_a_label_changes_filters_and_nothing_else(place: Place) -> None:
    stored = scenes(6)
    with place.open() as gallery:
        gallery.add_batch(stored)
        query = toy.unit_rows(1, toy.DIM, seed=8)[0]
        before = gallery.search(query, 100)
        name = stored[1].image_id
        assert gallery.label(name, camera="gate", time=99.0)
        assert not gallery.label(name, camera="gate")
        assert gallery.label(name, time=98.0)
        with pytest.raises(GalleryError, match="no image 'none'"):
            gallery.label("none", camera="gate")
        after = gallery.search(query, 100)
        assert [match.detection_id for match in after] == [match.detection_id for match in before]
        moved = [match.detection_id for match in after if match.image_id == name]
        assert moved
        assert [match.detection_id for match in gallery.search(query, 100, cameras=["gate"])] == moved
        assert [match.detection_id for match in gallery.search(query, 100, since=90)] == moved
        assert not {*moved} & {match.detection_id for match in gallery.search(query, 100, until=90)}
        assert gallery.check() == []
        scene = gallery.scene(name)
        assert scene is not None
        assert (scene.camera, scene.time) == ("gate", 98.0)


def test_erased_rows_are_gone(place: Place) -> None:
    stored = scenes(12)
    gone = stored[3]
    assert len(gone.detections), "the scene that is erased has people"
    vector = gone.detections.embeddings[0].astype(np.float16).tobytes()
    with place.open() as gallery:
        gallery.add_batch(stored)
        assert gallery.remove([gone.image_id, "none"]) == 1
        assert gallery.remove([gone.image_id]) == 0
        assert gallery.remove(before=6.0) == 3  # numbers 0, 1 and 2; number 3 had no time
        assert gallery.image_ids() == [scene.image_id for scene in stored[4:]]
        assert gallery.scene(gone.image_id) is None
        query = gone.detections.embeddings[0]
        assert shown(gallery.search(query, 5)) == expected(stored[4:], query, 5)
        assert gallery.check() == []
        with pytest.raises(GalleryError, match="needs image_ids or before"):
            gallery.remove()
    with place.open("r") as gallery:
        assert len(gallery) == sum(len(scene.detections) for scene in stored[4:])
    if place.files is not None and place.kind != "memory":
        files = [path for path in place.files.rglob("*") if path.is_file()]
        assert files
        for path in files:
            content = path.read_bytes()
            assert vector not in content, path
            assert gone.image_id.encode() not in content, path


def test_embeddings_of_other_weights_are_refused(place: Place) -> None:
    with place.open() as gallery:
        gallery.add_batch(scenes(2))
        with pytest.raises(GalleryMismatchError, match="cannot be compared"):
            gallery.require(toy.spec(fingerprint="e" * 64))
    with pytest.raises(GalleryMismatchError, match="cannot be compared"):
        place.open(spec=toy.spec(fingerprint="e" * 64))
    with place.open() as gallery:
        assert gallery.num_images == 2
        for wrong, why in ((np.ones((1, toy.DIM)), "unit length"), (np.ones((1, 3)), r"must be \(N, 16\)")):
            bad = Detections(
                boxes=np.zeros((1, 4), np.float32),
                scores=np.zeros(1, np.float32),
                embeddings=wrong.astype(np.float32),
                image_size=(10, 10),
            )
            with pytest.raises(GalleryError, match=why):
                gallery.add_batch([*scenes(1, first=7), NewScene(image_id="bad", detections=bad)])
        assert gallery.num_images == 2


def test_a_reader_cannot_write_and_nobody_reads_what_is_not_there(place: Place) -> None:
    with pytest.raises(GalleryError, match="there is no gallery here"):
        place.open("r")
    with place.open() as gallery:
        gallery.add_batch(scenes(2))
    with place.open("r") as gallery:
        for write in (
            lambda: gallery.add_batch(scenes(1, first=5)),
            lambda: gallery.remove(["a"]),
            lambda: gallery.label("a", camera="b"),
        ):
            with pytest.raises(GalleryError, match="open for reading only"):
                write()
    with pytest.raises(GalleryError, match="is closed"):
        gallery.add_batch(scenes(1))


def test_a_reader_sees_what_was_written_after_it_opened(place: Place) -> None:
    with place.open() as writer, place.open("r") as reader:
        query = toy.unit_rows(1, toy.DIM, seed=1)[0]
        assert reader.search(query, 3) == []
        stored: list[NewScene] = []
        for number in range(3):
            stored += scenes(2, first=2 * number)
            writer.add_batch(stored[-2:])
            assert shown(reader.search(query, 100)) == expected(stored, query, 100)
        writer.remove([stored[0].image_id])
        assert shown(reader.search(query, 100)) == expected(stored[1:], query, 100)


def test_a_batch_needs_names_of_its_own(place: Place) -> None:
    with place.open() as gallery:
        with pytest.raises(GalleryError, match="'x' is given twice"):
            gallery.add_batch([NewScene(image_id="x", detections=toy.people(1, seed=n)) for n in range(2)])
        assert gallery.add_batch([]) == []
        assert gallery.num_images == 0


def test_an_index_made_anew_finds_the_same(place: Place) -> None:
    stored = scenes(8)
    query = toy.unit_rows(1, toy.DIM, seed=4)[0]
    with place.open() as gallery:
        gallery.add_batch(stored)
        assert "exact" in gallery.rebuild("exact")
        assert shown(gallery.search(query, 9)) == expected(stored, query, 9)
        assert "exact" in gallery.info().index


WRITER = """
import sys
from tests.gallery import toy
from tests.gallery.stores.test_conformance import scenes
from personsearch import Gallery

with Gallery.open(sys.argv[1], toy.spec()) as gallery:
    for start in range(0, 10_000, 3):
        gallery.add_batch(scenes(3, first=start))
        print(start, flush=True)
"""


def test_a_killed_writer_loses_nothing_acknowledged(place: Place) -> None:
    if place.kind == "memory":
        pytest.skip("it dies with its process; test_shared.py ends it at every write")
    with place.open():
        pass
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, place.address], cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    assert child.stdout is not None
    last = -1
    for line in child.stdout:
        last = int(line)
        if last >= 12:
            break
    child.send_signal(signal.SIGKILL)
    rest, _ = child.communicate()
    last = int(rest.split()[-1]) if rest.split() else last
    stored = scenes(last + 3)
    with place.open() as gallery:
        there = set(gallery.image_ids())
        assert there >= {scene.image_id for scene in stored}
        assert gallery.check() == []
        added = gallery.add_batch(scenes(last + 6))  # goes on where it stopped
        assert added[: last + 3] == [False] * (last + 3)
        assert gallery.check() == []
        query = toy.unit_rows(1, toy.DIM, seed=4)[0]
        assert shown(gallery.search(query, 20)) == expected(scenes(last + 6), query, 20)


def test_what_only_folders_keep_is_said(place: Place) -> None:
    with place.open() as gallery:
        gallery.add_batch(scenes(2))
        if place.kind == "folder":
            assert len(gallery.tracks) == 0
            assert gallery.path == place.files
            return
        parts = {
            "people": "people who were grouped",
            "tracks": "tracks",
            "scenes": "pages of scenes by time",
            "path": "a path",
        }
        for part, words in parts.items():
            with pytest.raises(GalleryError, match=f"only a gallery in a folder has {words}"):
                getattr(gallery, part)
        query = toy.unit_rows(1, toy.DIM, seed=4)[0]
        for wrong, why in (({"camera_bias": 0.5}, "camera_bias"), ({"one_per_track": True}, "tracks")):
            with pytest.raises(GalleryError, match=f"a gallery in a folder.*|{why}"):
                gallery.search(query, **wrong)
        gallery.note("clip.mp4#t=", b"x")  # may be forgotten
        assert gallery.noted("clip.mp4#t=") is None


def test_a_gallery_is_a_gallery(place: Place) -> None:
    with place.open() as gallery:
        assert isinstance(gallery, Gallery)
        assert gallery.name == (place.address or place.engine.address)
        assert gallery.scenes_at_once >= 1
