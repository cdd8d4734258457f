"""Who is whom, in the database: the person that each stored detection belongs to, and what was decided by hand.

The tables are made with the first grouping. SQLite itself keeps them whole, also under versions that know nothing of
them: whatever erases a detection erases what is said of it, a person (with the name) who has no detection left is gone,
and so is a decision that is about nobody any more.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, cast

from personsearch.gallery.store import Store, row_sum
from personsearch.people import Decision

#: The meta key of what the last grouping was told.
SETTINGS = "grouping"

_SCHEMA = (
    """
CREATE TABLE IF NOT EXISTS individual (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, checksum INTEGER NOT NULL)
""",
    """
CREATE TABLE IF NOT EXISTS belonging (
    person INTEGER PRIMARY KEY REFERENCES person (id) ON DELETE CASCADE, individual INTEGER NOT NULL,
    by_hand INTEGER NOT NULL, checksum INTEGER NOT NULL)
""",
    "CREATE INDEX IF NOT EXISTS belonging_to ON belonging (individual)",
    """
CREATE TABLE IF NOT EXISTS decision (
    id INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT NOT NULL, made REAL NOT NULL, individuals TEXT NOT NULL, name TEXT,
    checksum INTEGER NOT NULL)
""",
    """
CREATE TABLE IF NOT EXISTS decided (
    decision INTEGER NOT NULL REFERENCES decision (id) ON DELETE CASCADE,
    person INTEGER NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    individual INTEGER NOT NULL, name TEXT, by_hand INTEGER NOT NULL, checksum INTEGER NOT NULL,
    PRIMARY KEY (decision, person)) WITHOUT ROWID
""",
    "CREATE INDEX IF NOT EXISTS decided_about ON decided (person)",
    """
CREATE TRIGGER IF NOT EXISTS nobody_left AFTER DELETE ON belonging
WHEN NOT EXISTS (SELECT 1 FROM belonging WHERE individual = OLD.individual)
BEGIN DELETE FROM individual WHERE id = OLD.individual; END
""",
    """
CREATE TRIGGER IF NOT EXISTS everybody_moved AFTER UPDATE OF individual ON belonging
WHEN NOT EXISTS (SELECT 1 FROM belonging WHERE individual = OLD.individual)
BEGIN DELETE FROM individual WHERE id = OLD.individual; END
""",
    """
CREATE TRIGGER IF NOT EXISTS about_nobody AFTER DELETE ON decided
WHEN NOT EXISTS (SELECT 1 FROM decided WHERE decision = OLD.decision)
BEGIN DELETE FROM decision WHERE id = OLD.decision; END
""",
)


@dataclass(frozen=True)
class Belonging:
    """To whom a stored detection belongs.

    Attributes:
        individual: person_id.
        by_hand: whether a decision by hand says so.
        name: of the person, if one was given.
    """

    individual: int
    by_hand: bool
    name: str | None = None


def prepare(store: Store, settings: str) -> None:
    """Make the tables if they are not there; call inside a transaction.

    Args:
        store: the database.
        settings: what a grouping is told, to be kept for the next one.
    """
    for statement in _SCHEMA:
        store.write(statement)
    store.write_meta(SETTINGS, settings)


def belongings(store: Store, detection_ids: Iterable[int] | None = None) -> dict[int, Belonging]:
    """Return to whom detections belong, by detection_id; those that have not been grouped are absent.

    Args:
        store: the database.
        detection_ids: about these; None = about all.
    """
    if detection_ids is None:
        return _belongings(store, "")
    return _belongings(store, "WHERE person IN (SELECT value FROM json_each(?))", json.dumps(list(detection_ids)))


def members(store: Store, person_ids: Collection[int]) -> dict[int, Belonging]:
    """Return to whom detections belong, by detection_id, of all that belong to some people."""
    # Of all, since a damaged row might say that it is somebody else's.
    return {row: one for row, one in belongings(store).items() if one.individual in person_ids}


def _belongings(store: Store, where: str, *values: object) -> dict[int, Belonging]:
    if not store.has_table("belonging", SETTINGS):
        return {}
    rows = store.read(f"SELECT person, individual, by_hand, checksum FROM belonging {where} ORDER BY person", values)
    intact = [row[:3] for row in rows if row[3] == row_sum(row[:3])]
    names = _names(store, {individual for _, individual, _ in intact})
    if len(intact) < len(rows) or len(names) < len({individual for _, individual, _ in intact}):
        raise store.corrupt("to whom somebody belongs differs from what was stored")
    return {person: Belonging(individual, bool(by_hand), names[individual]) for person, individual, by_hand in intact}


def ungrouped(store: Store) -> int:
    """Return how many detections have not been grouped yet."""
    if not store.has_table("belonging", SETTINGS):
        return store.state().people
    [[count]] = store.read("SELECT COUNT(*) FROM person WHERE id NOT IN (SELECT person FROM belonging)")
    return int(count)


def num_individuals(store: Store) -> int:
    """Return how many people the detections have been grouped into."""
    return int(store.read("SELECT COUNT(*) FROM individual")[0][0]) if store.has_table("individual", SETTINGS) else 0


def called(store: Store, name: str) -> int | None:
    """Return the person_id of whoever has a name; None = nobody has it."""
    rows = store.read("SELECT id FROM individual WHERE name = ?", (name,))
    return rows[0][0] if rows else None


def _names(store: Store, individuals: Collection[int]) -> dict[int, str | None]:
    rows = store.read(
        "SELECT id, name, checksum FROM individual WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps(sorted(individuals)),),
    )
    for number, name, checksum in rows:
        if checksum != row_sum((number, name)):
            raise store.corrupt(f"the name of person {number} differs from what was stored")
    return {number: name for number, name, _ in rows}


def assign(store: Store, to: Mapping[int, Belonging]) -> None:
    """Store to whom detections belong from now on; call inside a transaction, after :func:`prepare`.

    People who are named here exist from now on; those who lose their last detection are gone.

    Args:
        store: the database.
        to: detection_id -> to whom; all detections of one person give the same name.
    """
    for person, one in to.items():
        row = (person, one.individual, int(one.by_hand))
        store.write(
            "INSERT INTO belonging VALUES (?, ?, ?, ?) ON CONFLICT (person) DO UPDATE SET "
            "individual = excluded.individual, by_hand = excluded.by_hand, checksum = excluded.checksum",
            (*row, row_sum(row)),
        )
    for individual, name in sorted({(one.individual, one.name or "") for one in to.values()}):
        # Last, because somebody who was for a moment without detections has been taken away.
        store.write(
            "INSERT INTO individual VALUES (?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET name = excluded.name, checksum = excluded.checksum",
            (individual, name or None, row_sum((individual, name or None))),
        )


def new_individuals(store: Store, count: int) -> range:
    """Return person_ids that were never used; call inside a transaction, after :func:`prepare`."""
    [[last]] = store.read("SELECT COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'individual'), 0)")
    return range(last + 1, last + 1 + count)


def record(
    store: Store,
    what: Literal["merge", "split", "name"],
    made: float,
    individuals: Collection[int],
    name: str | None,
    before: Mapping[int, Belonging],
) -> None:
    """Write a decision into the journal; call inside a transaction.

    Args:
        store: the database.
        what: was decided.
        made: seconds since 1970.
        individuals: person_ids it is about.
        name: that was given.
        before: detection_id -> to whom it belonged, of every detection that the decision touches.
    """
    row = (what, made, json.dumps(list(individuals)), name)
    store.write(
        "INSERT INTO decision (what, made, individuals, name, checksum) VALUES (?, ?, ?, ?, ?)", (*row, row_sum(row))
    )
    [[number]] = store.read("SELECT last_insert_rowid()")
    for person, was in before.items():
        content = (number, person, was.individual, was.name, int(was.by_hand))
        store.write("INSERT INTO decided VALUES (?, ?, ?, ?, ?, ?)", (*content, row_sum(content)))


def decisions(store: Store) -> list[Decision]:
    """Return the decisions that stand, the first one first."""
    if not store.has_table("decision", SETTINGS):
        return []
    found = []
    for number, what, made, individuals, name, checksum in store.read(
        "SELECT id, what, made, individuals, name, checksum FROM decision ORDER BY id"
    ):
        if checksum != row_sum((what, made, individuals, name)) or what not in ("merge", "split", "name"):
            raise store.corrupt(f"decision {number} differs from what was stored")
        kind = cast(Literal["merge", "split", "name"], what)
        people = tuple(json.loads(individuals))
        found.append(Decision(decision_id=number, what=kind, made=made, people=people, name=name))
    return found


def touched(store: Store, decision_id: int) -> dict[int, Belonging]:
    """Return detection_id -> to whom it belonged before a decision, of all that are still there."""
    found = {}
    for *content, checksum in store.read(
        "SELECT decision, person, individual, name, by_hand, checksum FROM decided ORDER BY decision, person"
    ):
        if checksum != row_sum(content):
            raise store.corrupt("what a decision changed differs from what was stored")
        if content[0] == decision_id:
            found[content[1]] = Belonging(content[2], bool(content[4]), content[3])
    return found


def check_decisions(store: Store) -> None:
    """Read everything that is said about who is whom.

    Raises:
        GalleryCorruptError: something differs from what was stored.
    """
    belongings(store)
    if decisions(store):
        touched(store, 0)


def take_back(store: Store, decision_id: int) -> None:
    """Take a decision out of the journal; call inside a transaction."""
    store.write("DELETE FROM decided WHERE decision = ?", (decision_id,))  # the trigger takes the decision with it


def by_individual(found: Mapping[int, Belonging]) -> dict[int, list[int]]:
    """Return person_id -> detection_ids, both rising."""
    order = sorted(found, key=lambda person: (found[person].individual, person))
    return {number: list(rows) for number, rows in groupby(order, key=lambda person: found[person].individual)}
