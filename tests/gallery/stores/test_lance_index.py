"""The index of Lance's table of people: what it finds, when it is made, and what it owns up to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lance")

from personsearch import Detections
from personsearch.gallery.catalogue import Filters
from personsearch.gallery.index import IndexKind
from personsearch.gallery.stores import lance_index, lance_nearest
from personsearch.gallery.stores.engine import PersonRecord, Where
from personsearch.gallery.stores.lance import LanceEngine, open_lance
from tests.gallery import toy
from tests.gallery.stores.lance_help import opened, stored, vector

EVERYBODY = Where(filters=Filters())
PEOPLE = 2000


@pytest.fixture
def engine(tmp_path: Path) -> LanceEngine:
    return opened(f"lance://{tmp_path}/gallery")


def with_people(
    engine: LanceEngine, count: int = PEOPLE, *, seed: int = 1, camera: str | None = None, centres: int = 200
) -> list[PersonRecord]:
    """Store people, who look like one of ``centres`` each."""
    detections = Detections(
        boxes=np.zeros((count, 4), np.float32) + np.arange(count)[:, None],
        scores=np.full(count, 0.5, np.float32),
        embeddings=toy.unit_rows(count, toy.DIM, seed=seed, spread=0.3, centres=centres),
        image_size=(9, 9),
    )
    scene, people = stored(f"of {seed}", detections, camera)
    engine.put_people(people)
    engine.put_scenes([scene])
    return people


def exact(people: list[PersonRecord], queries: np.ndarray, count: int) -> np.ndarray:
    ids = np.array([one.id for one in people])
    similarities = queries @ np.stack([vector(one) for one in people]).T
    return ids[np.argsort(-similarities, axis=1)[:, :count]]


def recall(engine: LanceEngine, people: list[PersonRecord], where: Where = EVERYBODY) -> float:
    """Return how many of the first ten are found, for people of the gallery."""
    queries = np.stack([vector(one) for one in people[::20]]).astype(np.float32)
    ids, _, _ = engine.nearest(queries, 10, where)
    pairs = zip(ids.tolist(), exact(people, queries, 10).tolist(), strict=True)
    return float(np.mean([len(set(found) & set(true)) / 10 for found, true in pairs]))


def test_an_index_finds_them_and_says_how_well(engine: LanceEngine) -> None:
    people = with_people(engine)
    engine.rebuild("ivf")
    facts = lance_index.facts_of(engine._people.latest())
    assert facts.lists == 22  # half the root of 2,000
    assert facts.people == PEOPLE
    assert 0.98 <= facts.recall <= 1
    assert engine.describe() == f"IVF, Lance: 22 lists, {facts.probes} probed, recall@10 {facts.recall:.3f}"
    assert 0.95 <= recall(engine, people) <= 1
    assert engine.describe() == open_lance(engine.address).describe()
    engine.rebuild(None)
    assert "IVF" in engine.describe()
    engine.rebuild("exact")
    assert engine.describe() == "exact, Lance"
    assert engine._people.latest().describe_indices() == []
    assert recall(engine, people) == 1


@pytest.mark.parametrize("kind", ["exact", "ivf"])
def test_whoever_is_found_comes_along(engine: LanceEngine, kind: IndexKind) -> None:
    people = with_people(engine)
    engine.rebuild(kind)
    queries = np.stack([vector(one) for one in people[:20]]).astype(np.float32)
    everybody = {one.id: one for one in people}
    for where in (EVERYBODY, Where(filters=Filters(), exclude=[people[0].id])):
        near = engine.nearest(queries, 3, where)
        assert {one.id: one for one in near.people} == {one: everybody[one] for one in near.ids.ravel().tolist()}


@pytest.mark.parametrize("faiss", [True, False])
def test_the_lists_hold_everybody_with_and_without_faiss(
    engine: LanceEngine, monkeypatch: pytest.MonkeyPatch, faiss: bool
) -> None:
    if faiss:
        pytest.importorskip("faiss")
    else:
        monkeypatch.setattr(lance_index, "faiss_module", lambda: None)
    people = with_people(engine)
    engine.delete_people([one.id for one in people[:300]])
    engine.put_people(people[:100])
    engine.rebuild("ivf")
    table = engine._people.latest()
    lists = lance_index.facts_of(table).lists
    queries = np.stack([vector(one) for one in people[:2]]).astype(np.float32)
    ids = lance_nearest.search(table, queries, len(people), None, lists).ids
    there = {one.id for one in (*people[:100], *people[300:])}
    assert all(set(row) == there and len(row) == len(there) for row in ids.tolist())
    assert recall(engine, [*people[:100], *people[300:]]) >= 0.97


def test_who_came_after_the_index_is_found_and_who_went_is_not(engine: LanceEngine) -> None:
    people = with_people(engine)
    engine.rebuild("ivf")
    people += with_people(engine, 100, seed=2, centres=0)
    gone, people = people[::50], [one for number, one in enumerate(people) if number % 50]
    engine.delete_people([one.id for one in gone])
    late = [vector(one) for one in people[-40:]]
    ids, similarities, _ = engine.nearest(np.stack(late).astype(np.float32), 1, EVERYBODY)
    assert ids[:, 0].tolist() == [one.id for one in people[-40:]]
    assert (similarities > 0.999).all()
    ids, _, _ = engine.nearest(np.stack([vector(one) for one in gone]).astype(np.float32), 5, EVERYBODY)
    assert not set(ids.ravel().tolist()) & {one.id for one in gone}
    moved = replace(people[0], embedding=people[-1].embedding)
    engine.put_people([moved])
    ids, _, _ = engine.nearest(vector(moved)[None].astype(np.float32), 2, EVERYBODY)
    assert set(ids[0].tolist()) == {people[0].id, people[-1].id}


@pytest.mark.parametrize("few", [0, 10_000])
def test_with_an_index_every_count_and_filter_is_answered_in_full(
    engine: LanceEngine, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(lance_nearest, "FEW", few)  # 0: those who pass are searched by the index too
    door = with_people(engine, 300, seed=1, camera="it's the door")
    everybody = [*door, *with_people(engine, seed=2)]
    engine.rebuild("ivf")
    queries = toy.unit_rows(3, toy.DIM, seed=9)
    for people, where in (
        (everybody, EVERYBODY),
        (door, Where(filters=Filters(cameras=["it's the door"]))),
        (door[:3], Where(filters=Filters(cameras=["it's the door"]), exclude=[one.id for one in door[3:]])),
    ):
        ids, _, _ = engine.nearest(queries, 5_000, where)
        assert ids.shape == (3, len(people))
        assert all(set(row) == {one.id for one in people} for row in ids.tolist())
        ids, _, _ = engine.nearest(queries, 3, where)
        assert (ids >= 0).all()
        assert ids.shape == (3, 3)


def test_where_the_index_misses_some_everybody_is_compared(
    engine: LanceEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = with_people(engine)
    engine.rebuild("ivf")
    real = lance_nearest.search
    asked: list[int | None] = []

    def miss(table, queries, count, condition, probes):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        asked.append(probes)
        hits = real(table, queries, count, condition, probes)
        if probes is not None:
            hits.ids[1, 2:] = -1  # as an index may that probes too few lists
        return hits

    monkeypatch.setattr(lance_nearest, "search", miss)
    queries = np.stack([vector(one) for one in people[:3]]).astype(np.float32)
    ids, _, _ = engine.nearest(queries, 4, EVERYBODY)
    assert asked[1:] == [None]
    assert ids[1].tolist() == exact(people, queries, 4)[1].tolist()


def test_auto_makes_an_index_where_it_pays(engine: LanceEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lance_index, "INDEX_FROM", 1500)
    with_people(engine, 1000, seed=1)
    engine.rebuild("auto")
    engine.tidy()
    assert engine.describe() == "exact, Lance"
    with_people(engine, 600, seed=2)
    engine.tidy()
    assert "20 lists" in engine.describe()
    monkeypatch.setattr(lance_index, "FRESH", 500)
    people = with_people(engine, 501, seed=3)
    assert lance_index._fresh(engine._people.latest()) == 501
    engine.tidy()  # puts them into the lists that there are
    assert lance_index._fresh(engine._people.latest()) == 0
    assert "20 lists" in engine.describe()
    ids, _, _ = engine.nearest(np.stack([vector(one) for one in people[:9]]).astype(np.float32), 1, EVERYBODY)
    assert ids[:, 0].tolist() == [one.id for one in people[:9]]
    with_people(engine, 1100, seed=4)
    engine.tidy()  # twice as many as the lists were made for
    assert "28 lists" in engine.describe()
    engine.rebuild("exact")
    engine.tidy()
    assert engine.describe() == "exact, Lance"


def test_segments_of_the_index_are_merged_when_there_are_many(
    engine: LanceEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lance_index, "FRESH", 10)
    monkeypatch.setattr(lance_index, "SEGMENTS", 3)
    people = with_people(engine)
    engine.rebuild("ivf")
    counts = []
    for seed in range(2, 7):
        people += with_people(engine, 50, seed=seed)
        engine.tidy()
        table = engine._people.latest()
        assert lance_index._fresh(table) == 0
        counts.append(len(lance_index._segments(table)))
    assert max(counts) <= 3
    lists = [one["num_partitions"] for one in table.stats.index_stats(lance_index.NAME)["indices"]]
    assert set(lists) == {lance_index.facts_of(table).lists}
    assert min(counts[1:]) == 1
    found = lance_nearest.search(table, vector(people[0])[None].astype(np.float32), len(people), None, 1000)
    assert set(found.ids[0].tolist()) == {one.id for one in people}
    assert recall(engine, people) >= 0.97


def test_an_index_that_cannot_have_the_recall_is_not_used(
    engine: LanceEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lance_index, "RECALL", 1.01)
    with_people(engine, 400)
    engine.rebuild("ivf")
    assert "stays with exact search: the index reaches recall@10" in caplog.text
    assert engine.describe() == "exact, Lance"
    assert engine._people.latest().describe_indices() == []
    assert lance_index.facts_of(engine._people.latest()) == lance_index.IndexFacts(kind="ivf", people=400)
    engine.tidy()  # nor is it tried again before there are many more
    assert caplog.text.count("stays with exact search") == 1


def test_a_few_people_need_no_index(engine: LanceEngine, caplog: pytest.LogCaptureFixture) -> None:
    with_people(engine, 100)
    engine.rebuild("ivf")
    assert "100 people are too few for an index" in caplog.text
    assert engine.describe() == "exact, Lance"
    with_people(engine, 400, seed=2)
    engine.tidy()  # what was asked for is made when there are enough
    assert "IVF, Lance: 11 lists" in engine.describe()


def test_one_builds_at_a_time(engine: LanceEngine, caplog: pytest.LogCaptureFixture) -> None:
    with_people(engine, 400)
    with open_lance(engine.address)._people.building():
        engine.rebuild("ivf")
        assert "somebody else is building the index" in caplog.text
        assert engine.describe() == "exact, Lance"
    engine.rebuild("ivf")
    assert "IVF" in engine.describe()
