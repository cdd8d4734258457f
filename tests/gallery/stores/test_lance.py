"""An engine in Lance's format; ``test_conformance.py`` holds the gallery over it to the protocol."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lance")

import lance
import pyarrow as pa

from personsearch import Detections
from personsearch.errors import GalleryCorruptError, GalleryError, MissingExtraError
from personsearch.gallery.catalogue import Filters
from personsearch.gallery.stores import lance as module
from personsearch.gallery.stores.engine import PersonRecord, Where
from personsearch.gallery.stores.lance import LanceEngine, open_lance
from tests.gallery import toy
from tests.gallery.stores.lance_help import SPAWN, create, finish, opened, put, running, stored, vector

#: Names that a careless condition would stumble over.
ODD = [
    "it's",
    "''",
    '"x"',
    "back\\slash'",
    "%_*",
    "tür 漢字 😀",
    "a\0b",
    "line\nbreak",
    "'); DROP TABLE people; --",
    "",
]
EVERYBODY = Where(filters=Filters())


@pytest.fixture
def engine(tmp_path: Path) -> LanceEngine:
    return opened(f"lance://{tmp_path}/gallery")


def with_people(engine: LanceEngine, count: int, cameras: int = 1) -> list[PersonRecord]:
    """Store people, four to a scene, with the odd names as cameras."""
    scenes, everybody = [], []
    for number in range(0, count, 4):
        camera = [None, *ODD][number // 4 % cameras] if cameras > 1 else None
        time = None if number % 5 == 0 else float(number)
        scene, people = stored(f"scene '{number}'", toy.people(4, seed=number), camera, time)
        scenes.append(scene)
        everybody += people
    engine.put_scenes(scenes)
    engine.put_people(everybody)
    return everybody


def ranked(people: list[PersonRecord], query: np.ndarray, count: int) -> list[int]:
    similarities = np.array([vector(one) @ query for one in people])
    return [people[row].id for row in np.argsort(-similarities)[:count]]


def test_records_come_back_bit_for_bit(engine: LanceEngine) -> None:
    numbers = np.array([0.0, -0.0, 6e-8, -6e-8, 65504, -65504, 0.1, 1 / 3] * 2, np.float16)
    people, scenes = [], []
    for number, name in enumerate(ODD):
        camera, time = (None, None) if number == 0 else (name, number / 3 - 1e9)
        scene, (one,) = stored(name, toy.people(1, seed=number), camera, time)
        scenes.append(replace(scene, extra='{"a": "\\"ü\'"}', digest=bytes(range(32)), content=2**63 - 1, added=2**62))
        people.append(replace(one, id=2**63 - 1 - number, box=(0.1, -1e9, 1 / 3, 1e-30), embedding=numbers.tobytes()))
    engine.put_scenes(scenes)
    engine.put_people(people)
    assert engine.scenes(ODD) == {one.image_id: one for one in scenes}
    assert engine.people([one.id for one in people]) == {one.id: one for one in people}
    for one in people:
        assert engine.people_in([one.image_id]) == [one]
    assert [one for part in engine.every_scene() for one in part] == scenes
    assert [one for part in engine.every_person() for one in part] == people


def test_rows_with_a_key_that_is_there_are_replaced(engine: LanceEngine) -> None:
    scene, people = stored("a", toy.people(3, seed=1), "door", 1.0)
    other, _ = stored("b", toy.people(1, seed=2))
    engine.put_scenes([scene])
    engine.put_people(people)
    engine.put_scenes([other, replace(scene, camera="hall"), replace(scene, camera="gate", time=None)])
    engine.put_people([replace(people[1], camera="gate", time=None)])
    assert engine.scenes(["a", "b"]) == {"a": replace(scene, camera="gate", time=None), "b": other}
    expected = {people[0].id: people[0], people[1].id: replace(people[1], camera="gate", time=None)}
    assert engine.people([people[0].id, people[1].id]) == expected
    assert engine.counts() == (2, 3)


def test_ids_may_be_none_many_or_no_text_at_all(engine: LanceEngine) -> None:
    put(engine, ["a", "b"])
    (scene, people) = stored("a", toy.scene("a"))
    assert engine.scenes([]) == engine.people([]) == {}
    assert engine.people_in([]) == []
    assert set(engine.scenes([f"nobody's {number}" for number in range(100_000)] + ["a"])) == {"a"}
    assert engine.scenes(["\udcff", "a"]) == {"a": scene}
    assert len(engine.people([*range(100_000), *(one.id for one in people)])) == len(people)
    engine.put_people([])
    engine.put_scenes([])
    engine.delete_people([])
    engine.delete_scenes(["\udcff"])
    assert engine.counts() == (2, len(people) + len(toy.scene("b")))


def test_deleted_rows_are_deleted_and_no_others(engine: LanceEngine) -> None:
    put(engine, ODD)
    people = engine.people_in(ODD[:3])
    engine.delete_scenes([*ODD[:3], *(f"no {number}" for number in range(100_000))])
    engine.delete_people([one.id for one in people])
    assert set(engine.scenes(ODD)) == set(ODD[3:])
    assert engine.people_in(ODD[:3]) == []
    assert engine.counts() == (len(ODD) - 3, sum(len(toy.scene(name)) for name in ODD[3:]))


@pytest.mark.parametrize(
    "where",
    [
        EVERYBODY,
        Where(filters=Filters(cameras=ODD[:3])),
        Where(filters=Filters(cameras="it's")),
        Where(filters=Filters(cameras=[])),
        Where(filters=Filters(since=20.0, until=61.0)),
        Where(filters=Filters(since=float("-inf"))),
        Where(filters=Filters(until=float("inf"))),
        Where(filters=Filters(exclude_images=["scene '8'", "scene '12'", "no such"])),
        Where(filters=Filters(since=4.0), only_camera=("''",)),
        Where(filters=Filters(), only_camera=(None,)),
    ],
    ids=str,
)
def test_nearest_is_what_numpy_finds(engine: LanceEngine, where: Where) -> None:
    everybody = with_people(engine, 160, cameras=len(ODD) + 1)
    filters = where.filters
    cameras = [filters.cameras] if isinstance(filters.cameras, str) else filters.cameras
    passing = [
        one
        for one in everybody
        if (cameras is None or one.camera in cameras)
        and (filters.since is None or (one.time is not None and one.time >= filters.since))
        and (filters.until is None or (one.time is not None and one.time <= filters.until))
        and one.image_id not in (filters.exclude_images or ())
        and (where.only_camera is None or one.camera == where.only_camera[0])
    ]
    queries = toy.unit_rows(3, toy.DIM, seed=5)
    ids, similarities, _ = engine.nearest(queries, 7, where)
    for query, found, near in zip(queries, ids, similarities, strict=True):
        assert found.tolist() == ranked(passing, query, 7)
        by_id = {one.id: one for one in passing}
        true = np.array([vector(by_id[number]) @ query for number in found.tolist()])
        assert np.abs(near - true).max(initial=0) < 1e-3
    assert set(engine.cameras(where)) == {one.camera for one in passing}


@pytest.mark.slow
def test_those_left_out_may_be_many(engine: LanceEngine) -> None:
    everybody = with_people(engine, 40)
    (query,) = queries = toy.unit_rows(1, toy.DIM, seed=5)
    first = ranked(everybody, query, 40)
    out = [*first[:6], *range(100_000)]
    images = [f"no '{number}'" for number in range(100_000)]
    ids, _, _ = engine.nearest(queries, 5, Where(filters=Filters(exclude_images=images), exclude=out))
    assert ids.tolist() == [first[6:11]]


def test_more_may_be_asked_for_than_there_are(engine: LanceEngine) -> None:
    queries = toy.unit_rows(150, toy.DIM, seed=6)
    ids, similarities, _ = engine.nearest(queries, 5, EVERYBODY)
    assert (ids.shape, similarities.shape) == ((150, 0), (150, 0))
    everybody = with_people(engine, 8)
    ids, similarities, _ = engine.nearest(queries, 5_000, EVERYBODY)
    assert ids.dtype == np.int64
    assert similarities.dtype == np.float32
    assert ids.tolist() == [ranked(everybody, query, 8) for query in queries]
    assert (np.diff(similarities) <= 0).all()
    assert engine.nearest(queries[:0], 5, EVERYBODY)[0].shape == (0, 0)


def test_similarities_are_within_the_margin_of_the_true_ones(engine: LanceEngine) -> None:
    everybody = with_people(engine, 400)
    # As long as rounding leaves them, and longer: galleries compare them at unit length.
    longer = np.frombuffer(everybody[0].embedding, np.float16) * np.float16(1.01)
    everybody[0] = replace(everybody[0], embedding=longer.tobytes())
    engine.put_people(everybody)
    queries = np.stack([vector(one) for one in everybody[:50]]).astype(np.float32)
    ids, similarities, _ = engine.nearest(queries, 400, EVERYBODY)
    by_id = {one.id: vector(one) for one in everybody}
    true = np.array(
        [[by_id[number] @ query for number in row] for query, row in zip(queries, ids.tolist(), strict=True)]
    )
    assert np.abs(similarities - true).max() < engine.margin / 2


def test_counts_labels_and_times(engine: LanceEngine) -> None:
    assert engine.counts() == (0, 0)
    assert engine.labels() == ({}, 0)
    assert engine.cameras(EVERYBODY) == []
    for number, (camera, time) in enumerate([("b", 3.0), ("it's", None), (None, -1.0), ("b", 0.5)]):
        engine.put_scenes([stored(f"s{number}", toy.people(1, seed=number), camera, time)[0]])
    assert engine.labels() == ({"b": 2, "it's": 1}, 3)
    assert list(engine.labels()[0]) == ["b", "it's"]
    assert sorted(engine.before(3.0)) == ["s2", "s3"]
    assert engine.before(-1.0) == []


def test_everybody_sees_what_was_just_written(tmp_path: Path) -> None:
    one, other = opened(f"lance://{tmp_path}/g"), open_lance(f"lance://{tmp_path}/g")
    assert other.counts() == (0, 0)
    for number in range(5):
        put(one if number % 2 else other, [f"s{number}"])
        assert one.counts()[0] == other.counts()[0] == number + 1
    one.delete_scenes(["s0"])
    assert set(other.scenes(["s0", "s1"])) == {"s1"}


def test_a_gallery_says_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    engine = open_lance("lance://not there/yet")
    assert engine.meta() is None
    with pytest.raises(GalleryError, match="lance://not there/yet: there is no gallery here"):
        engine.counts()
    facts = {"fingerprint": "it's ü", "embedding_size": "8"}
    engine.create(facts, 8)
    engine.create({"fingerprint": "another"}, 16)
    assert engine.meta() == open_lance(f"lance://{tmp_path}/not there/yet").meta() == facts
    assert engine.describe() == "exact, Lance"
    engine.close()
    lance.write_dataset(pa.table({"a": [1]}), str(tmp_path / "other/people.lance"))
    with pytest.raises(GalleryCorruptError, match=r"people\.lance there is not a gallery's"):
        open_lance(f"lance://{tmp_path}/other").meta()


def test_embeddings_of_another_length_are_refused(engine: LanceEngine) -> None:
    wide = Detections(
        boxes=np.zeros((1, 4), np.float32),
        scores=np.ones(1, np.float32),
        embeddings=np.ones((1, 2 * toy.DIM), np.float32),
        image_size=(9, 9),
    )
    with pytest.raises(ValueError, match="not 16 numbers long"):
        engine.put_people(stored("a", wide)[1])


def test_creators_at_once_make_one_gallery(tmp_path: Path) -> None:
    start = SPAWN.Barrier(3)
    sizes = (8, 16, 32)
    creators = [
        SPAWN.Process(target=create, args=(f"lance://{tmp_path}/g", f"of {size}", size, start)) for size in sizes
    ]
    with running(*creators):
        finish(*creators)
    engine = open_lance(f"lance://{tmp_path}/g")
    meta = engine.meta()
    assert meta is not None
    size = int(meta["embedding_size"])
    assert meta["fingerprint"] == f"of {size}"
    assert engine.counts() == (0, 0)
    assert engine.nearest(toy.unit_rows(1, size, seed=1), 3, EVERYBODY)[0].shape == (1, 0)
    schema = lance.dataset(f"{tmp_path}/g/people.lance").schema
    assert schema.field("embedding").type == pa.list_(pa.float16(), size)


@pytest.mark.parametrize("address", ["lance://", "lance:///", "lance://s3://", "lance://s3:///prefix"])
def test_an_address_names_a_place(address: str) -> None:
    with pytest.raises(GalleryError, match="an address is lance:// and a folder"):
        open_lance(address)


@pytest.mark.parametrize("address", ["lance://s3://key:secret@bucket/people", "lance://az://c/p?sig=secret"])
def test_keys_in_an_address_are_refused_and_not_shown(address: str) -> None:
    with pytest.raises(GalleryError, match="neither keys nor options") as caught:
        open_lance(address)
    assert "secret" not in str(caught.value)


@pytest.mark.slow  # Lance asks again for 4 s
def test_what_cannot_be_reached_is_an_error_of_the_gallery(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(GalleryError, match=r"^lance://.*file: .* Check the address"):
        opened(f"lance://{tmp_path}/file")


def test_lance_is_loaded_only_for_galleries_in_it() -> None:
    code = "import sys, personsearch.gallery.gallery; sys.exit('lance' in sys.modules or 'pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_lance_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lance", None)
    for name in [name for name in sys.modules if name.startswith("personsearch.gallery.stores.lance")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("personsearch.gallery.stores.lance_table", raising=False)
    with pytest.raises(MissingExtraError, match=r"pip install 'personsearch\[lance\]'"):
        __import__("personsearch.gallery.stores.lance")
    assert module.open_lance is open_lance
