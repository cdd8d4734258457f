import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from personsearch.errors import (
    GalleryCorruptError,
    GalleryError,
    GalleryFullError,
    GalleryLockedError,
    PersonSearchError,
)
from personsearch.gallery import store as store_module
from personsearch.gallery.faults import DATABASE
from personsearch.gallery.rows import ImageRow
from personsearch.gallery.store import Store
from tests.gallery.toy import people, spec


def insert(store: Store, name: str, count: int, time: float | None = None) -> None:
    detections = people(count, seed=count)
    with store.transaction():
        row = ImageRow.new(name, detections, None, time, "{}")
        store.insert(row, detections.boxes, detections.scores, detections.embeddings)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Scenes a, b and c with one, none and three people at 1, unknown and 3 s."""
    with closing(Store(tmp_path, readonly=False, create=spec())) as opened:
        for name, count, time in (("a", 1, 1.0), ("b", 0, None), ("c", 3, 3.0)):
            insert(opened, name, count, time)
        yield opened


def test_counts(store: Store) -> None:
    state = store.state()
    assert (state.images, state.people, state.deletions) == (3, 4, 0)
    assert (state.last_image, state.last_person, state.cache) == (3, 4, "")
    assert store.image_ids() == ["a", "b", "c"]
    assert store.ids("image").tolist() == [1, 2, 3]
    assert store.ids("person").tolist() == [1, 2, 3, 4]


def test_rows_above_a_number(store: Store) -> None:
    assert [scene.image_id for scene in store.images(1)] == ["b", "c"]
    [chunk] = store.people(1)
    assert [(person.id, person.image) for person in chunk] == [(2, 3), (3, 3), (4, 3)]
    assert np.allclose(store.vectors(chunk), people(3, seed=3).embeddings, atol=1e-3)
    assert list(store.people(4)) == []


def test_people_come_in_chunks(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "CHUNK", 3)
    assert [[person.id for person in chunk] for chunk in store.people(0)] == [[1, 2, 3], [4]]


def test_people_with_their_scenes(store: Store) -> None:
    stored = store.find_people([4, 1, 77])
    assert {number: scene.image_id for number, (_, scene) in stored.items()} == {1: "a", 4: "c"}
    assert stored[4][0].box == tuple(people(3, seed=3).boxes[2].tolist())


def test_deleting_counts_and_leaves_no_person_behind(store: Store) -> None:
    with store.transaction():
        assert store.delete(["c", "unknown"]) == 1
    with store.transaction():
        assert store.delete(["c"]) == 0
        assert store.delete_before(1.0) == 0
    state = store.state()
    assert (state.images, state.people, state.deletions) == (2, 1, 1)
    with store.transaction():
        assert store.delete_before(1.5) == 1  # b has no time and stays
    assert store.image_ids() == ["b"]
    assert store.ids("person").tolist() == []
    insert(store, "d", 1)
    assert store.state().last_person == 5  # numbers are not reused
    assert store.problems() == []


def test_an_error_in_a_transaction_undoes_all_of_it(store: Store) -> None:
    before = store.state()

    def delete_and_fail() -> None:
        with store.transaction():
            assert store.delete(["a", "c"]) == 2
            raise KeyError

    with pytest.raises(KeyError):
        delete_and_fail()
    assert store.state() == before
    assert store.image_ids() == ["a", "b", "c"]


def test_a_snapshot_sees_nothing_that_is_committed_meanwhile(store: Store) -> None:
    with closing(Store(store.path, readonly=True, create=None)) as reader:
        with reader.snapshot():
            assert reader.state().images == 3
            insert(store, "d", 1)
            assert reader.state().images == 3
        assert reader.state().images == 4


def test_a_reader_writes_nothing(store: Store) -> None:
    reader = Store(store.path, readonly=True, create=None)
    with closing(reader), pytest.raises(GalleryError, match="cannot be written to"):
        insert(reader, "d", 1)


def test_the_first_creator_decides(store: Store) -> None:
    with closing(Store(store.path, readonly=False, create=spec(fingerprint="0" * 64))) as again:
        assert again.spec == spec()
        assert again.state().images == 3


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("DELETE FROM image WHERE image_id = 'c'", "belongs to no scene"),
        ("UPDATE meta SET value = '9' WHERE key = 'people'", "holds 3 scenes and 4 people, 3 and 9 were stored"),
        ("UPDATE person SET score = 0.1 WHERE id = 2", "person 2 differs from what was stored"),
        ("UPDATE image SET time = 2.0 WHERE id = 1", "scene 1 differs from what was stored"),
        ("DROP INDEX person_of_image", ""),
    ],
)
def test_what_the_examination_finds(change: str, problem: str, store: Store) -> None:
    assert store.problems() == []
    with closing(sqlite3.connect(store.path / DATABASE)) as db, db:
        db.execute(change)
    problems = store.problems()
    assert bool(problems) == bool(problem)
    assert all(problem in one for one in problems)


def test_counts_that_cannot_be_read(store: Store) -> None:
    with closing(sqlite3.connect(store.path / DATABASE)) as db, db:
        db.execute("UPDATE meta SET value = 'many' WHERE key = 'people'")
    with pytest.raises(GalleryCorruptError, match="personsearch gallery rescue"):
        store.state()


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        (sqlite3.SQLITE_BUSY, GalleryLockedError, "another process is writing to it; try again later"),
        (sqlite3.SQLITE_FULL, GalleryFullError, "the disk is full"),
        (sqlite3.SQLITE_IOERR_WRITE, GalleryError, "the disk failed to read or write"),
        (sqlite3.SQLITE_NOTADB, GalleryCorruptError, "damaged, or not a gallery"),
    ],
)
def test_sqlite_s_errors_become_the_gallery_s(
    code: int, kind: type[PersonSearchError], message: str, store: Store
) -> None:
    error = sqlite3.OperationalError("as SQLite says it")
    error.sqlite_errorcode = code
    with pytest.raises(kind, match=message) as caught, store.transaction():
        raise error
    assert type(caught.value) is kind
    assert str(store.path / DATABASE) in str(caught.value)


def test_a_closed_database_says_so(tmp_path: Path) -> None:
    store = Store(tmp_path, readonly=False, create=spec())
    store.close()
    with pytest.raises(GalleryError, match="the gallery is closed"):
        store.state()
