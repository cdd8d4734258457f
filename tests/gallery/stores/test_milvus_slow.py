"""Milvus servers that are killed, what is left in their files, and indexes of many people: minutes each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time as clock
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from personsearch import Gallery
from personsearch.errors import GalleryError, GalleryLockedError
from personsearch.gallery.catalogue import Filters
from personsearch.gallery.rows import unit
from personsearch.gallery.stores import milvus_tables
from personsearch.gallery.stores.engine import PersonRecord, Where
from personsearch.gallery.stores.milvus import open_milvus
from tests.gallery import toy
from tests.gallery.stores.milvus_help import people, person, scene
from tests.gallery.stores.milvus_server import MilvusServer, need_milvus
from tests.gallery.stores.test_conformance import ROOT, WRITER, expected, scenes, shown

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MilvusServer]:
    need_milvus()
    # Messages are written to files of 64 kB, which go when a minute has passed.
    one = MilvusServer(tmp_path / "milvus", "rocksmq.rocksmqPageSize=65536", "rocksmq.retentionTimeInMinutes=1")
    one.folder.mkdir()
    one.start()
    yield one
    one.stop()


def test_a_killed_server_loses_nothing_acknowledged(server: MilvusServer) -> None:
    address = f"milvus://{server.place}/g"
    with Gallery.open(address, toy.spec()):
        pass
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, address],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ},
    )
    assert child.stdout is not None
    last = -1
    for line in child.stdout:
        last = int(line)
        if last >= 60:
            break
    server.kill()
    rest, errors = child.communicate(timeout=100)
    last = int(rest.split()[-1]) if rest.split() else last
    assert "GalleryError" in errors
    assert server.place in errors
    started = clock.monotonic()
    with pytest.raises(GalleryError, match=f"no server answers at {server.place}"):
        Gallery.open(address, mode="r")
    assert clock.monotonic() - started < 30
    server.start()
    stored = scenes(last + 3)
    with Gallery.open(address, toy.spec()) as gallery:
        assert set(gallery.image_ids()) >= {one.image_id for one in stored}
        assert gallery.check() == []
        gallery.add_batch(scenes(last + 6))
        assert gallery.check() == []
        query = toy.unit_rows(1, toy.DIM, seed=4)[0]
        assert shown(gallery.search(query, 20)) == expected(scenes(last + 6), query, 20)


def test_a_client_whose_server_comes_back_goes_on(server: MilvusServer) -> None:
    engine = open_milvus(f"milvus://{server.place}/g")
    engine.create({"format": "1"}, toy.DIM)
    engine.put_scenes([scene("a")])
    server.kill()
    with pytest.raises(GalleryError, match="Nothing acknowledged is lost"):
        engine.counts()
    server.start()
    assert engine.scenes(["a"]) == {"a": scene("a")}
    engine.put_scenes([scene("b")])
    assert engine.counts() == (2, 0)
    engine.close()


def holding(folder: Path, needles: list[bytes]) -> list[str]:
    """Return the files in which one of the texts stands."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and path.parent.name not in ("bin", "logs"):
            try:
                content = path.read_bytes()
            except FileNotFoundError:  # the server does away with it
                continue
            if any(one in content for one in needles):
                found.append(str(path.relative_to(folder)))
    return found


def test_erased_people_leave_the_files(server: MilvusServer) -> None:
    engine = open_milvus(f"milvus://{server.place}/g")
    engine.create({"format": "1"}, toy.DIM)
    gone, stay = people("gone-3f9a", 5, seed=1, time=5.0), people("stay-77c1", 5, seed=2, time=5.0)
    needles = [as_stored(gone[:1]).tobytes(), b"gone-3f9a"]
    engine.put_people([*gone, *stay])
    engine.put_scenes([scene("gone-3f9a", time=5.0), scene("stay-77c1", time=5.0)])
    for table in engine._tables.names.values():
        engine._link.client.flush(table, timeout=30)
    assert holding(server.folder / "data" / "insert_log", [needles[0]])
    engine.delete_people([one.id for one in gone])
    engine.delete_scenes(["gone-3f9a"])
    engine.purge()
    assert engine.counts() == (1, 5)
    until = clock.monotonic() + 60
    while holding(server.folder / "data" / "insert_log", needles) and clock.monotonic() < until:
        clock.sleep(1)
    assert holding(server.folder / "data" / "insert_log", needles) == []
    assert holding(server.folder / "data" / "insert_log", [as_stored(stay[:1]).tobytes()])
    engine.close()


def as_stored(records: list[PersonRecord]) -> np.ndarray:
    """Return embeddings (N, D) float32 as they are stored: not quite of unit length."""
    return np.stack([np.frombuffer(one.embedding, np.float16) for one in records]).astype(np.float32)


def test_inverted_lists_are_tuned_and_filters_stay_exact(server: MilvusServer) -> None:
    engine = open_milvus(f"milvus://{server.place}/g?partition=none")
    engine.create({"format": "1"}, toy.DIM)
    stored = people("a", 20_000, seed=1, camera="door", looks=100) + people("b", 500, seed=2, camera="gate")
    for start in range(0, len(stored), 5000):
        engine.put_people(stored[start : start + 5000])
    all_vectors = as_stored(stored)
    queries = unit(all_vectors[::4000][:5] + 0.1 * toy.unit_rows(5, toy.DIM, seed=6))  # new views of some
    everyone = Where(filters=Filters())
    order = np.argsort(-(queries @ all_vectors.T), axis=1)
    best = [[stored[row].id for row in ranking] for ranking in order.tolist()]

    found, similarities, _ = engine.nearest(queries, 20_400, everyone)  # more than Milvus returns
    assert found.shape == (5, 20_400)
    place = {one.id: row for row, one in enumerate(stored)}
    true = np.take_along_axis(queries @ all_vectors.T, np.array([[place[one] for one in row] for row in found]), 1)
    assert np.abs(true - similarities).max() < engine.margin
    assert all(len(set(row)) == 20_400 for row in found.tolist())
    assert sum(len(page) for page in engine.every_person()) == len(stored)
    assert len({one.id for page in engine.every_person() for one in page}) == len(stored)

    engine.rebuild("ivf")
    facts = engine._tables.index
    assert facts.lists > 0
    assert 0 < facts.probed <= facts.lists // 4
    assert facts.recall >= 0.98
    assert "IVF, Milvus 2.3.5" in engine.describe()
    other = open_milvus(f"milvus://{server.place}/g")
    other.meta()
    for one in (engine, other):  # the other learns of it when it searches
        found, _, _ = one.nearest(queries, 10, everyone)
        overlap = np.mean([len(set(a) & set(b[:10])) / 10 for a, b in zip(found.tolist(), best, strict=True)])
        assert overlap >= 0.9
        assert one._tables.index == facts
    gate = [one for one in stored if one.camera == "gate"]
    [found], _, _ = engine.nearest(queries[:1], 600, Where(filters=Filters(cameras=["gate"])))
    assert set(found.tolist()) == {one.id for one in gate}
    server.stop()
    server.start()
    again = open_milvus(f"milvus://{server.place}/g")
    again.meta()
    again.nearest(queries, 10, everyone)
    assert again._tables.index == facts
    again.rebuild("exact")
    assert again.describe() == "exact, Milvus 2.3.5"
    assert again.nearest(queries, 10, everyone)[0].tolist() == [row[:10] for row in best]
    for one in (engine, other, again):
        one.close()


def test_what_others_took_away_is_made_again(server: MilvusServer) -> None:
    address = f"milvus://{server.place}/g"
    engine = open_milvus(address)
    engine.create({"format": "1"}, toy.DIM)
    engine.put_people([person(1)])
    client, names = engine._link.client, engine._tables.names
    client.release_collection(names["people"])
    assert engine.counts() == (0, 1)
    client.release_collection(names["people"])
    client.drop_index(names["people"], "embedding")
    [found], _, _ = engine.nearest(as_stored([person(1)]), 3, Where(filters=Filters()))
    assert found.tolist() == [person(1).id]
    client.drop_collection(names["people"])  # as if whoever made the gallery had been killed in the middle
    assert engine.counts() == (0, 0)
    engine.rebuild("exact")
    engine.rebuild(None)
    assert engine._tables.index.kind == "exact"
    other = open_milvus(address)
    assert other.describe() == "exact, Milvus 2.3.5"
    client.drop_collection(names["people"])
    client.drop_collection(names["scenes"])
    assert other.meta() is None
    with pytest.raises(GalleryError, match="the gallery was deleted"):
        other.counts()
    other.close()
    engine.close()


def test_a_server_that_cannot_load_what_it_stored_is_named(
    server: MilvusServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_milvus(f"milvus://{server.place}/g")
    engine.create({"format": "1"}, toy.DIM)
    engine.put_people([person(1)])
    engine._link.client.flush(engine._tables.names["people"], timeout=30)
    engine.close()
    server.stop()
    for log in (server.folder / "data" / "insert_log").rglob("*"):
        if log.is_file():
            log.unlink()
    server.start()
    monkeypatch.setattr(milvus_tables, "SLOW", 5.0)
    again = open_milvus(f"milvus://{server.place}/g")
    with pytest.raises(GalleryLockedError, match=r"loaded \d+ % of g_people, and nothing more for 5 s; see its log"):
        again.counts()
    again.close()


def test_a_server_ends_with_whoever_started_it(tmp_path: Path) -> None:
    need_milvus()
    code = (
        "import sys, time, pathlib\n"
        "from tests.gallery.stores.milvus_server import MilvusServer\n"
        "server = MilvusServer(pathlib.Path(sys.argv[1])); server.start()\n"
        "print(server._pid, flush=True); time.sleep(99)"
    )
    starter = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    starter.send_signal(signal.SIGKILL)
    starter.communicate()
    until = clock.monotonic() + 20
    while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
        assert clock.monotonic() < until, "the server is still there"
        clock.sleep(0.2)
