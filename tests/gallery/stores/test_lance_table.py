"""Many processes at Lance's tables: writers, killed ones, optimizers and purges at once, and what is left in files."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

pytest.importorskip("lance")

import lance
import pyarrow as pa
from lance.commit import CommitConflictError
from lance.dataset import DatasetOptimizer

from personsearch.errors import GalleryError, GalleryLockedError
from personsearch.gallery.catalogue import Filters
from personsearch.gallery.stores import lance_rows, lance_table
from personsearch.gallery.stores.engine import Where
from personsearch.gallery.stores.lance import LanceEngine, open_lance
from personsearch.gallery.stores.lance_table import Table
from tests.gallery import toy
from tests.gallery.stores.lance_help import (
    SPAWN,
    check_toy_scenes,
    check_writers_of_the_same,
    contents,
    finish,
    opened,
    put,
    running,
    stored,
    wait_for_lines,
    write_batches,
)

EVERYBODY = Where(filters=Filters())


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"lance://{tmp_path}/gallery"


def batches(count: int, size: int = 8, prefix: str = "s") -> list[list[str]]:
    return [[f"{prefix}{number}-{one}" for one in range(size)] for number in range(count)]


def people_table(tmp_path: Path) -> Table:
    return Table("lance://it", f"{tmp_path}/gallery/people.lance", {})


def insert(names: list[str]) -> Callable[[object], object]:
    """Return what stores people in a table in one commit."""
    people = [one for name in names for one in stored(name, toy.scene(name))[1]]

    def action(table: lance.LanceDataset) -> object:
        merge = table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
        return merge.use_index(False).conflict_retries(0).execute(lance_rows.person_table(people, table.schema))

    return action


def test_writers_of_the_same_scenes_leave_each_of_them_once(tmp_path: Path, address: str) -> None:
    check_writers_of_the_same(address, batches(8), tmp_path, 3)


def test_a_killed_writer_loses_nothing_acknowledged(tmp_path: Path, address: str) -> None:
    work = batches(2000)
    for kill in range(2):
        lines = len(wait_for_lines(tmp_path / "acknowledged", 0)) if kill else 0
        writer = SPAWN.Process(target=write_batches, args=(address, work, tmp_path / "acknowledged"))
        with running(writer):
            acknowledged = wait_for_lines(tmp_path / "acknowledged", lines + 5)
        there = {one.image_id for part in open_lance(address).every_scene() for one in part}
        assert {name for number in acknowledged for name in work[int(number)]} <= there
    engine = open_lance(address)
    put(engine, [name for names in work[:8] for name in names])  # goes on where it ended
    engine.purge()
    known = there | {name for names in work[:8] for name in names}
    assert {one.image_id for part in engine.every_scene() for one in part} == known
    tracked = set(engine._people.latest().tracked_files().read_all().column("path").to_pylist())
    on_disk = {f"data/{file.name}" for file in (tmp_path / "gallery/people.lance/data").iterdir()}
    assert on_disk <= tracked  # of what was never finished nothing is left


def purge_and_tidy(address: str, until: object) -> None:
    """Purge and optimize until told to stop; in another process."""
    engine = open_lance(address)
    lance_table.SMALL_FILES = 4
    while not until.is_set():  # type: ignore[attr-defined]
        engine.tidy()
        engine.purge()


@pytest.mark.slow
def test_purges_optimizers_and_writers_at_once_lose_nothing(tmp_path: Path, address: str) -> None:
    opened(address)
    stop = SPAWN.Event()
    work = [batches(10, prefix=f"writer{one} ") for one in range(2)]
    writers = [
        SPAWN.Process(target=write_batches, args=(address, own, tmp_path / f"acknowledged{one}"))
        for one, own in enumerate(work)
    ]
    cleaners = [SPAWN.Process(target=purge_and_tidy, args=(address, stop)) for _ in range(2)]
    with running(*cleaners, *writers):
        finish(*writers)
        stop.set()
        finish(*cleaners)
    engine = open_lance(address)
    check_toy_scenes(engine, [name for own in work for names in own for name in names])
    for table in (engine._scenes, engine._people):
        assert table.latest().config() == {}


def test_a_purge_does_not_take_a_file_that_is_being_written(tmp_path: Path, address: str) -> None:
    engine = opened(address)
    put(engine, ["before"])
    tries: list[int] = []
    people = stored("while it is purged", toy.scene("while it is purged"))[1]

    def action(table: lance.LanceDataset) -> None:
        merge = table.merge_insert("id").when_not_matched_insert_all().use_index(False)
        transaction, _ = merge.execute_uncommitted(lance_rows.person_table(people, table.schema))
        tries.append(1)
        if len(tries) == 1:
            open_lance(address).purge()  # its files are written, but no version names them
        lance.LanceDataset.commit(table, transaction)

    people_table(tmp_path).write(action)
    assert len(tries) == 2
    assert engine.people([one.id for one in people]) == {one.id: one for one in people}


def test_keys_are_unique_after_a_purge_too(tmp_path: Path, address: str) -> None:
    engine = opened(address)
    put(engine, ["a"])
    engine.purge()
    people = stored("b", toy.scene("b"))[1]
    tries: list[int] = []

    def action(table: lance.LanceDataset) -> None:
        def rows() -> Iterator[pa.RecordBatch]:
            tries.append(1)
            if len(tries) == 1:
                engine.put_people(people)  # the same rows, by a quicker writer
            yield from lance_rows.person_table(people, table.schema).to_batches()

        merge = table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
        source = pa.RecordBatchReader.from_batches(table.schema, rows())
        merge.use_index(False).conflict_retries(0).execute(source)

    people_table(tmp_path).write(action)
    assert len(tries) == 2
    assert len(engine.people_in(["b"])) == len(people) == engine.counts()[1] - len(toy.scene("a"))


def test_writers_wait_while_a_purge_is_announced_and_not_for_a_dead_one(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(opened(address), ["a"])
    table = people_table(tmp_path)
    table.configure({f"{lance_table.PURGING}somebody": ""})
    monkeypatch.setattr(lance_table, "PATIENCE", 0.2)
    with pytest.raises(GalleryLockedError, match="lance://it: others wrote all the time"):
        table.write(insert(["b"]))
    monkeypatch.setattr(lance_table, "PATIENCE", 60.0)
    monkeypatch.setattr(lance_table, "PURGE", 0.2)
    table.write(insert(["b"]))
    assert table.latest().config() == {}
    assert len(open_lance(address).people_in(["b"])) == len(toy.scene("b"))


def test_while_an_index_is_built_a_purge_leaves_unfinished_files_alone(
    tmp_path: Path, address: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = opened(address)
    put(engine, ["a", "b"])
    folder = tmp_path / "gallery/people.lance"
    unfinished = folder / "data/0000.lance"
    with engine._people.building() as alone:
        assert alone
        with people_table(tmp_path).building() as both:
            assert not both
        unfinished.write_bytes(b"x")
        engine.purge()
    assert "an index is being built" in caplog.text
    assert unfinished.exists()
    engine._people.configure({f"{lance_table.BUILDING}killed": str(time.time() - 2 * lance_table.BUILD)})
    engine.purge()
    assert not unfinished.exists()
    assert engine._people.latest().config() == {}
    assert len(engine.people_in(["a"])) == len(toy.scene("a"))


def test_a_conflict_is_tried_again_and_at_last_an_error(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(address)
    table = people_table(tmp_path)
    tries: list[int] = []

    def conflict(_: object) -> None:
        tries.append(1)
        raise CommitConflictError("Retryable commit conflict for version 3")

    monkeypatch.setattr(lance_table, "PATIENCE", 0.1)
    with pytest.raises(GalleryLockedError, match="try again, with fewer writers"):
        table.write(conflict)
    assert len(tries) > 2

    def broken(_: object) -> None:
        raise OSError("the disk is on fire, /home/runner/work/lance/rust/x.rs:1:2")

    for use in (table.write, table.read):
        with pytest.raises(GalleryError, match=r"^lance://it: the disk is on fire\. Check the address"):
            use(broken)


@pytest.mark.parametrize("kind", ["exact", "ivf"])
def test_of_erased_rows_no_file_has_anything(tmp_path: Path, address: str, kind: str) -> None:
    names = [f"nobody-else-is-called-{number:04d}" for number in range(200)]
    engine = opened(address)
    put(engine, names)
    engine.rebuild(kind)  # type: ignore[arg-type]
    assert ("IVF" in engine.describe()) == (kind == "ivf")
    erased = [name for name in names[50:60] if len(toy.scene(name))]
    people = engine.people_in(erased)
    secrets = [name.encode() for name in erased] + [one.embedding for one in people]
    folder = tmp_path / "gallery"

    def leaks() -> int:
        return sum(secret in data for data in contents(folder).values() for secret in secrets)

    assert leaks() >= len(secrets)  # so they would be found
    stale = (folder / "people.lance/data").iterdir().__next__().read_bytes()
    (folder / "people.lance/data/1111.lance").write_bytes(stale)  # as a killed writer leaves it
    engine.delete_scenes(erased)
    engine.delete_people([one.id for one in people])
    assert leaks() >= len(secrets)
    engine.purge()
    assert leaks() == 0
    check_toy_scenes(engine, [name for name in names if name not in erased])
    (query,) = queries = toy.unit_rows(1, toy.DIM, seed=3)
    assert len(query)
    ids, _, _ = engine.nearest(queries, 10_000, EVERYBODY)
    assert set(ids[0].tolist()) == {one.id for part in engine.every_person() for one in part}
    engine.purge()  # finds nothing to do
    check_toy_scenes(engine, [name for name in names if name not in erased])


def test_what_is_kept_in_memory_is_shared_by_all_who_have_a_gallery_open(address: str) -> None:
    engine = opened(address)
    put(engine, ["a", "b", "c"])
    readers = [open_lance(address) for _ in range(3)]
    for reader in readers:
        check_toy_scenes(reader, ["a", "b", "c"])
    engine.delete_scenes(["a"])
    engine.delete_people([one.id for one in engine.people_in(["a"])])
    engine.purge()
    for reader in readers:
        check_toy_scenes(reader, ["b", "c"])
        caches = {(one._people._cache, one._scenes._cache) for one in (engine, *readers)}
        assert len(caches) == 1
    other = open_lance(f"{address}-too")
    assert other.meta() is None
    assert other._people._cache not in {engine._people._cache, None}


def test_a_closed_gallery_keeps_nothing_in_memory(address: str) -> None:
    engine, reader = opened(address), open_lance(address)
    put(engine, ["a"])
    check_toy_scenes(reader, ["a"])
    places = {engine._people.uri, engine._scenes.uri}
    engine.close()
    assert places <= set(lance_table._CACHES)
    reader.close()
    assert not places & set(lance_table._CACHES)
    check_toy_scenes(reader, ["a"])


def test_a_gallery_in_the_place_of_a_deleted_one_is_read_from_its_own_files(address: str) -> None:
    old = opened(address)
    put(old, ["a", "b", "c"])
    queries = toy.unit_rows(1, toy.DIM, seed=3)
    old.nearest(queries, 10, EVERYBODY)
    shutil.rmtree(address.removeprefix("lance://"))
    new = opened(address)
    put(new, ["d"])
    wanted = {one.id for one in stored("d", toy.scene("d"))[1]}
    for engine in (new, old, open_lance(address)):
        check_toy_scenes(engine, ["d"])
        assert set(engine.nearest(queries, 10, EVERYBODY).ids[0].tolist()) == wanted


def test_a_reader_goes_on_after_a_purge(tmp_path: Path, address: str) -> None:
    engine, reader = opened(address), open_lance(address)
    put(engine, ["a", "b", "c"])
    old = reader._scenes.latest()
    tries: list[int] = []

    def action(table: lance.LanceDataset) -> int:
        tries.append(1)
        if len(tries) == 1:
            engine.delete_scenes(["a"])
            engine.purge()
        return int(table.to_table().num_rows)

    assert reader._scenes.read(action) == 2
    assert len(tries) == 2
    assert old is not None
    assert set(reader.scenes(["a", "b", "c"])) == {"b", "c"}


def test_reading_everything_is_of_one_moment_or_an_error(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = opened(address)
    for number in range(3):
        put(engine, [f"s{number}"])
    moment = engine.every_scene()
    first = next(moment)
    put(engine, ["later"])
    assert [one.image_id for part in (first, *moment) for one in part] == ["s0", "s1", "s2"]

    def failing() -> object:
        raise OSError("Not found: people.lance/data/1.lance")
        yield

    monkeypatch.setattr(lance_table.Table, "read", lambda *_: failing())
    with pytest.raises(GalleryError, match="tidied up while it was being read; start again"):
        list(engine.every_scene())


def test_tidying_puts_small_files_together_and_keeps_what_is_being_read(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lance_table, "SMALL_FILES", 6)
    engine = opened(address)
    names = [f"s{number}" for number in range(6)]
    for name in names[:5]:
        put(engine, [name])
    engine.tidy()
    assert len(engine._scenes.latest().get_fragments()) == 5  # too few to be worth it
    put(engine, names[5:])
    old = lance.dataset(engine._scenes.uri)
    engine.tidy()
    assert len(engine._scenes.latest().get_fragments()) == 1
    assert old.to_table().num_rows == 6  # an hour long
    check_toy_scenes(engine, names)
    monkeypatch.setattr(lance_table, "KEEP", timedelta(0))
    for number in range(6):
        put(engine, [f"t{number}"])
    engine.tidy()
    assert len(engine._scenes.latest().versions()) == 1


def test_tidying_gives_way_to_others(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lance_table, "SMALL_FILES", 2)
    engine = opened(address)
    for number in range(3):
        put(engine, [f"s{number}"])
    called: list[int] = []

    def conflict(*_: object, **__: object) -> None:
        called.append(1)
        raise CommitConflictError("Retryable commit conflict for version 3")

    monkeypatch.setattr(DatasetOptimizer, "compact_files", conflict)
    engine.tidy()
    assert len(called) == 2


def test_what_is_acknowledged_is_on_the_disk(tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = opened(address)
    put(engine, ["a"])
    synced: list[Path] = []
    real = lance_table._sync

    def sync(path: Path) -> None:
        assert path.exists()
        synced.append(path)
        real(path)

    monkeypatch.setattr(lance_table, "_sync", sync)
    folder = tmp_path / "gallery/scenes.lance"
    before = set(folder.rglob("*"))
    put_again = stored("a", toy.scene("a"), "door")[0]
    engine.put_scenes([put_again])
    new = {path for path in set(folder.rglob("*")) - before if path.is_file() and path.suffix != ".txn"}
    assert {path.suffix for path in new} == {".lance", ".arrow", ".manifest"} - (
        set() if any(path.suffix == ".arrow" for path in new) else {".arrow"}
    )
    assert new | {path.parent for path in new} <= set(synced)


def test_a_table_that_is_not_there_is_no_gallery(tmp_path: Path) -> None:
    engine: LanceEngine = open_lance(f"lance://{tmp_path}/none")
    for use in (engine.purge, engine.tidy, engine.describe, lambda: engine.rebuild("ivf"), engine.counts):
        with pytest.raises(GalleryError, match="there is no gallery here"):
            use()
