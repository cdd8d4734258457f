"""Milvus as an engine, against a real server; ``test_conformance.py`` holds the gallery over it to the common suite."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from personsearch.errors import GalleryError
from personsearch.gallery.catalogue import Filters
from personsearch.gallery.stores import milvus_nearest, milvus_rows, milvus_tables
from personsearch.gallery.stores.engine import PersonRecord, SceneRecord, Where
from personsearch.gallery.stores.milvus import MilvusEngine, open_milvus
from tests.gallery import toy
from tests.gallery.stores.milvus_help import people, person, scene, vectors

DAY = 86400.0
META = {"format": "1", "name": "toy"}
#: Texts that a filter written as text could trip over.
TEXTS = ('say "hi"', "o'brien", "back\\slash", "größe 雪 𝄞", "new\nline", "tab\t", "%s {x}", "a] or id > 0", "")
_number = itertools.count()


@pytest.fixture
def address(milvus_server: str) -> str:
    return f"milvus://{milvus_server}/e{next(_number)}"


@pytest.fixture(scope="module")
def shared(milvus_server: str) -> Iterator[str]:
    """Yield the address of a gallery that tests leave empty: to make one takes two seconds."""
    where = f"milvus://{milvus_server}/shared"
    made = open_milvus(where)
    made.create(META, toy.DIM)
    yield where
    made.close()


@pytest.fixture
def engine(shared: str) -> Iterator[MilvusEngine]:
    """Yield an empty gallery."""
    opened = open_milvus(shared)
    assert opened.meta() == META
    yield opened
    drop_partitions(opened, [one for one in opened._tables.list_partitions() if one != "_default"])
    opened.delete_people([one.id for one in everybody(opened)])
    opened.delete_scenes([one.image_id for one in every_scene(opened)])
    opened.close()


def drop_partitions(engine: MilvusEngine, names: Sequence[str]) -> None:
    client, people = engine._link.client, engine._tables.names["people"]
    for name in names:
        client.release_partitions(people, [name])
        client.drop_partition(people, name)


def everybody(engine: MilvusEngine) -> list[PersonRecord]:
    return [one for page in engine.every_person() for one in page]


def every_scene(engine: MilvusEngine) -> list[SceneRecord]:
    return [one for page in engine.every_scene() for one in page]


def exact(stored: list[PersonRecord], queries: np.ndarray, count: int) -> list[list[int]]:
    """Return the ids of the nearest neighbours by the embeddings as they are stored."""
    raw = np.stack([np.frombuffer(one.embedding, np.float16) for one in stored]).astype(np.float32)
    order = np.argsort(-(queries @ raw.T), axis=1)[:, :count]
    return [[stored[row].id for row in ranking] for ranking in order.tolist()]


def where(only: tuple[str | None] | None = None, exclude: tuple[int, ...] = (), **filters: object) -> Where:
    return Where(filters=Filters(**filters), exclude=exclude, only_camera=only)  # type: ignore[arg-type]


def test_everything_comes_back_as_it_was(engine: MilvusEngine) -> None:
    assert engine.counts() == (0, 0)
    assert every_scene(engine) == everybody(engine) == []
    labels = [(None, None), ("", 0.0), *((text, 1.5) for text in TEXTS), ("far", -1e9), ("later", 3e9)]
    scenes = [
        scene(f"{number}{text}", camera=camera, time=time, extra='{"q": "\'\\""}')
        for number, ((camera, time), text) in enumerate(zip(labels, itertools.cycle(TEXTS), strict=False))
    ]
    stored = [
        one
        for number, row in enumerate(scenes)
        for one in people(row.image_id, 3, seed=number, camera=row.camera, time=row.time)
    ]
    stored[0] = replace(stored[0], id=0)
    # Milvus never finds the key 2**63 - 1 again; that a digest is just this will not happen.
    stored[1] = replace(stored[1], id=2**63 - 2, rank=2**40, content=2**63 - 1, checksum=2**32 - 1)
    engine.put_people([])
    engine.put_scenes([])
    engine.put_people([*stored, replace(stored[5], camera="first of two")][::-1])
    engine.put_scenes(scenes)
    engine.put_scenes(scenes)
    with_people = {one.image_id for one in stored}
    for one in (engine, open_milvus(engine.address)):
        assert one.meta() == META
        assert one.counts() == (len(scenes), len(stored))
        assert one.scenes([row.image_id for row in scenes]) == {row.image_id: row for row in scenes}
        assert one.people([someone.id for someone in stored]) == {someone.id: someone for someone in stored}
        assert sorted(one.people_in(with_people), key=lambda x: x.id) == sorted(stored, key=lambda x: x.id)
        assert sorted(every_scene(one), key=lambda x: x.image_id) == sorted(scenes, key=lambda x: x.image_id)
        assert sorted(everybody(one), key=lambda x: x.id) == sorted(stored, key=lambda x: x.id)
    one.close()
    assert engine.scenes(["none", "\udce4"]) == engine.people([12345]) == {}
    assert engine.people_in([]) == []
    counted = {camera: [row.camera for row in scenes].count(camera) for camera, _ in labels if camera is not None}
    assert engine.labels() == (dict(sorted(counted.items())), len(scenes) - 1)
    assert set(engine.cameras(where())) == {camera for camera, _ in labels}
    assert engine.cameras(where(cameras=["far", "no such"], until=0.0)) == ["far"]
    assert engine.before(1.5) == sorted(row.image_id for row in scenes if row.time is not None and row.time < 1.5)
    engine.delete_scenes([row.image_id for row in scenes[2:]])
    engine.delete_people([someone.id for someone in stored[6:]])
    assert [row.image_id for row in every_scene(engine)] == sorted(row.image_id for row in scenes[:2])
    assert {someone.id for someone in everybody(engine)} == {someone.id for someone in stored[:6]}
    assert engine.describe() == "exact, Milvus 2.3.5"


def test_filters_find_what_numpy_finds(engine: MilvusEngine) -> None:
    cameras = (None, *TEXTS)
    stored = [
        one
        for number in range(40)
        for one in people(
            f"{number}{TEXTS[number % len(TEXTS)]}",
            3,
            seed=number,
            camera=cameras[number % len(cameras)],
            time=None if number % 4 == 3 else number * DAY / 8,
        )
    ]
    engine.put_people(stored)
    queries = toy.unit_rows(70, toy.DIM, seed=9)

    def check(passes: Callable[[PersonRecord], bool], wanted: Where, count: int = 7, asked: int = 3) -> None:
        ids, similarities, found_people = engine.nearest(queries[:asked], count, wanted)
        chosen = [one for one in stored if passes(one)]
        everybody_found = {one for one in ids.ravel().tolist() if one >= 0}
        assert {one.id: one for one in found_people} == {one.id: one for one in chosen if one.id in everybody_found}
        assert ids.shape == similarities.shape == (asked, min(count, len(chosen)))
        assert ids.dtype == np.int64
        assert similarities.dtype == np.float32
        if chosen:
            assert ids.tolist() == exact(chosen, queries[:asked], count)
            place = {one.id: row for row, one in enumerate(chosen)}
            true = queries[:asked] @ vectors(chosen).T
            found = np.array([[true[row, place[one]] for one in ids[row]] for row in range(asked)])
            assert np.abs(found - similarities).max() < engine.margin
            assert (np.diff(similarities, axis=1) <= 0).all()

    check(lambda one: True, where(), asked=70)
    check(lambda one: True, where(), count=1000)
    for camera in TEXTS:
        check(lambda one, camera=camera: one.camera == camera, where(cameras=[camera]))
        check(lambda one, camera=camera: one.camera == camera, where((camera,)))
    check(lambda one: one.camera is None, where((None,)))
    check(lambda one: False, where(cameras=[]))
    check(lambda one: False, where(since=900 * DAY))
    check(lambda one: one.time is not None and one.time >= 2 * DAY, where(since=2 * DAY))
    check(lambda one: one.time is not None and one.time <= DAY, where(until=DAY), count=100)
    check(lambda one: one.time is not None, where(since=float("-inf")), count=100)
    gone = {one.image_id for one in stored[:60]}
    check(lambda one: one.image_id not in gone, where(exclude_images=sorted(gone)))
    check(lambda one: one not in stored[50:90], where(exclude=tuple(one.id for one in stored[50:90])))
    strangers = [f"{'x' * 30}{number}" for number in range(100_000)]
    check(lambda one: one.image_id not in gone, where(exclude_images=[*strangers, *gone]))
    ids, _, _ = engine.nearest(queries[:0], 5, where())
    assert ids.shape == (0, 0)


def test_a_scene_whose_time_changes_leaves_no_copy(engine: MilvusEngine) -> None:
    moved = people("a", 3, seed=1, camera="door", time=0.5 * DAY)
    stays = people("b", 2, seed=2, time=None)
    engine.put_people([*moved, *stays])
    later = [replace(one, time=7.5 * DAY) for one in moved]
    engine.put_people(later)
    assert engine.counts() == (0, 5)
    query = vectors(moved[:1])
    [found], _, _ = engine.nearest(query, 9, where(since=7 * DAY))
    assert set(found) == {one.id for one in moved}
    assert engine.nearest(query, 9, where(until=7 * DAY))[0].size == 0
    assert sorted(everybody(engine), key=lambda one: one.id) == sorted([*later, *stays], key=lambda one: one.id)
    # A writer that is killed between the two steps leaves such copies.
    engine._tables.upsert("people", [milvus_rows.person_row(one, "day_0") for one in moved], "day_0")
    assert engine.counts() == (0, 8)
    assert len(everybody(engine)) == 5
    assert len(engine.people_in(["a", "b"])) == 5
    assert len(engine.people([one.id for one in moved])) == 3
    [found], similarities, _ = engine.nearest(query, 9, where())
    assert found.tolist() == exact([*moved, *stays], query, 9)[0]
    assert (np.diff(similarities) <= 0).all()
    engine.put_people(later)
    assert engine.counts() == (0, 5)
    assert engine.nearest(query, 9, where(until=7 * DAY))[0].size == 0
    engine._tables.upsert("people", [milvus_rows.person_row(one, "day_0") for one in moved], "day_0")
    engine.delete_people([one.id for one in moved])
    assert engine.counts() == (0, 2)


def test_partitions_are_shared_when_there_are_many_and_made_again_when_somebody_dropped_them(
    engine: MilvusEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(milvus_rows, "PARTITIONS", 4)
    stored = [person(number, image_id=str(number), time=number * DAY) for number in range(5)]
    stored.append(person(9, image_id="untimed"))
    engine.put_people(stored)
    # Milvus's own, day_0, day_1 and day_2.
    assert set(engine._tables.list_partitions()) == {"_default", "day_0", "day_1", "day_2"}
    assert "there are 4 partitions of time already" in caplog.text
    query = vectors(stored[3:4])
    for since, until in ((3 * DAY, 4 * DAY), (3 * DAY, None), (2 * DAY, 2 * DAY), (None, DAY)):
        [found], _, _ = engine.nearest(query, 10, where(since=since, until=until))
        inside = [
            one.id
            for one in stored
            if one.time is not None and (since or 0.0) <= one.time <= (9 * DAY if until is None else until)
        ]
        assert sorted(found) == sorted(inside)
    other = open_milvus(engine.address)
    assert other.meta() == META
    drop_partitions(other, ["day_0", "day_1"])
    other.close()
    assert {one.id for one in everybody(engine)} == {one.id for one in stored[2:]}
    engine.put_people(stored[:2])  # its partitions are gone, which it does not know
    assert {one.id: one for one in everybody(engine)} == {one.id: one for one in stored}


def test_pages_miss_nobody_and_more_is_found_than_milvus_returns(
    engine: MilvusEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = [person(number, image_id=str(number % 50), time=(number % 6) * DAY) for number in range(400)]
    engine.put_people(stored[:150])
    client, name = engine._link.client, engine._tables.names["people"]
    client.flush(name, timeout=30)  # from here on these are in files, and the others in memory
    engine.put_people(stored[150:])
    monkeypatch.setattr(milvus_tables, "_BYTES_AT_ONCE", 39 * (4 * toy.DIM + 500))
    assert engine._tables.at_once == 39
    pages = list(engine.every_person())
    assert [len(page) for page in pages] == [39] * 10 + [10]
    ids = [one.id for page in pages for one in page]
    assert ids == sorted(one.id for one in stored)
    assert sorted(engine.people_in([str(one) for one in range(50)]), key=lambda one: one.id) == sorted(
        stored, key=lambda one: one.id
    )
    monkeypatch.setattr(milvus_nearest, "MOST", 20)
    queries = toy.unit_rows(2, toy.DIM, seed=3)
    for count in (20, 21, 395, 500):
        found, similarities, _ = engine.nearest(queries, count, where())
        assert found.tolist() == exact(stored, queries, count)
        assert similarities.shape == found.shape
    late = [one for one in stored if one.time is not None and one.time >= 3 * DAY]
    assert engine.nearest(queries, 300, where(since=3 * DAY))[0].tolist() == exact(late, queries, 300)


def test_of_several_who_make_a_gallery_one_decides(address: str) -> None:
    start = threading.Barrier(4)

    def make(number: int) -> dict[str, str] | None:
        engine = open_milvus(f"{address}?partition={('day', 'none', 'hour', 'month')[number]}")
        start.wait()
        engine.create({"by": str(number)}, 8 * (number + 1))
        facts = engine.meta()
        row = person(number, image_id=str(number))
        size = 8 * (int((facts or {})["by"]) + 1)
        engine.put_people([replace(row, embedding=np.full(size, 0.25, np.float16).tobytes())])
        engine.put_scenes([scene(str(number))])
        assert engine.scenes([str(number)])
        engine.close()
        return facts

    with ThreadPoolExecutor(4) as pool:
        facts = list(pool.map(make, range(4)))
    assert facts[0] is not None
    assert facts == [facts[0]] * 4
    engine = open_milvus(address)
    assert engine.meta() == facts[0]
    assert engine.counts() == (4, 4)
    assert engine._tables.partitions.unit == ("day", "none", "hour", "month")[int(facts[0]["by"])]
    engine.create({"by": "too late"}, 4)
    assert engine.meta() == facts[0]
    engine.close()


def test_readers_see_a_replaced_scene_all_the_time(engine: MilvusEngine) -> None:
    names = [str(number) for number in range(20)]
    engine.put_scenes([scene(name, added=0) for name in names])
    done = threading.Event()

    def write() -> None:
        writer = open_milvus(engine.address)
        for added in range(1, 40):
            writer.put_scenes([scene(name, added=added) for name in names])
        writer.close()
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    seen = [0]
    while not done.is_set():
        found = engine.scenes(names)
        assert set(found) == set(names)
        assert len({one.added for one in found.values()}) == 1  # those of one write, together
        seen.append(found["0"].added)
    thread.join()
    assert seen == sorted(seen)
    assert {one.added for one in engine.scenes(names).values()} == {39}
    assert engine.counts() == (20, 0)


def test_collections_of_somebody_else(milvus_server: str) -> None:
    pymilvus = pytest.importorskip("pymilvus")
    client = pymilvus.MilvusClient(f"http://{milvus_server}", dedicated=True)
    schema = client.create_schema(description="mine")
    schema.add_field("id", pymilvus.DataType.INT64, is_primary=True)
    schema.add_field("v", pymilvus.DataType.FLOAT_VECTOR, dim=2)
    client.create_collection("other_scenes", schema=schema)
    engine = open_milvus(f"milvus://{milvus_server}/other")
    for call in (engine.meta, lambda: engine.create(META, 4)):
        with pytest.raises(GalleryError, match="has a collection other_scenes that is no gallery"):
            call()
    client.drop_collection("other_scenes")
    client.close()
    engine.close()


def test_deleted_people_stay_away(engine: MilvusEngine) -> None:
    engine.put_people([person(number, time=number * DAY) for number in range(3)])
    engine.put_scenes([scene("a"), scene("b")])
    engine.delete_people([person(0).id])
    engine.delete_scenes(["a"])
    engine.purge()
    engine.tidy()
    assert engine.counts() == (1, 2)
    engine.put_people([person(0)])
    engine.put_scenes([scene("a")])
    assert engine.counts() == (2, 3)
