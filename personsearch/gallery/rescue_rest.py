"""Save from a damaged gallery what it says beside its scenes: notes, tracks, people and decisions."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from personsearch.gallery.faults import UNREADABLE
from personsearch.gallery.people.decisions import SETTINGS, Belonging, assign, prepare
from personsearch.gallery.store import Store, note_sum, row_sum
from personsearch.gallery.track_rows import COLUMNS, LAST_TRACK, ViewRow, keep_track_ids, prepare_tracks, store_views


def copy_rest(db: sqlite3.Connection, store: Store, ids: Mapping[int, int], *, whole: bool) -> int:
    """Copy what is said of saved scenes and their people into a new gallery; call inside a transaction of it.

    Args:
        db: the damaged gallery.
        store: the new one, which holds the scenes that were saved.
        ids: detection_id in the damaged gallery -> detection_id in the new one.
        whole: whether all scenes were saved; if not, notes about scenes may not be true any more.

    Returns:
        How many of the rows that can be seen are damaged; they are left out.
    """
    damaged = _copy_notes(db, store) if whole else 0
    return damaged + _copy_tracks(db, store, ids) + _copy_belongings(db, store, ids) + _copy_decisions(db, store, ids)


def _copy_notes(db: sqlite3.Connection, store: Store) -> int:
    rows = _scan(db, "note", "prefix, content, checksum")
    intact = [
        (prefix, content)
        for prefix, content, checksum in rows
        if isinstance(prefix, str) and isinstance(content, bytes) and checksum == note_sum(prefix, content)
    ]
    for prefix, content in intact:
        store.note(prefix, content)
    return len(rows) - len(intact)


def _copy_tracks(db: sqlite3.Connection, store: Store, ids: Mapping[int, int]) -> int:
    rows = [ViewRow(*row) for row in _scan(db, "track_view", COLUMNS)]
    intact = [row for row in rows if row.intact]
    if rows:
        prepare_tracks(store)
        store_views(store, [replace(row, person=ids[row.person]) for row in intact if row.person in ids])
        last = max((row.track for row in intact), default=0)
        with suppress(*UNREADABLE, TypeError, ValueError):
            last = max(last, int(db.execute("SELECT value FROM meta WHERE key = ?", (LAST_TRACK,)).fetchone()[0]))
        keep_track_ids(store, last)
    return len(rows) - len(intact)


def _copy_belongings(db: sqlite3.Connection, store: Store, ids: Mapping[int, int]) -> int:
    rows = _scan(db, "belonging", "person, individual, by_hand, checksum")
    if not rows:
        return 0
    names = {row[0]: row for row in _scan(db, "individual", "id, name, checksum")}
    settings = _scan(db, "meta", "value", f"WHERE key = '{SETTINGS}'")
    prepare(store, str(settings[0][0]) if settings else "")
    damaged = 0
    to: dict[int, Belonging] = {}
    for person, individual, by_hand, checksum in rows:
        named = names.get(individual)
        if checksum != row_sum((person, individual, by_hand)) or named is None:
            damaged += 1
        elif person in ids:
            intact = named[2] == row_sum(named[:2])
            to[ids[person]] = Belonging(individual, bool(by_hand), named[1] if intact else None)
    assign(store, to)
    return damaged + sum(bool(row[2] != row_sum(row[:2])) for row in names.values())


def _copy_decisions(db: sqlite3.Connection, store: Store, ids: Mapping[int, int]) -> int:
    decisions = _scan(db, "decision", "id, what, made, individuals, name, checksum")
    intact = {row[0] for row in decisions if row[5] == row_sum(row[1:5])}
    damaged = len(decisions) - len(intact)
    about: set[int] = set()
    decided = []
    for row in _scan(db, "decided", "decision, person, individual, name, by_hand, checksum"):
        if row[5] != row_sum(row[:5]):
            damaged += 1
        elif row[0] in intact and row[1] in ids:
            content = (row[0], ids[row[1]], *row[2:5])
            decided.append((*content, row_sum(content)))
            about.add(row[0])
    for row in decisions:
        if row[0] in about:
            store.write("INSERT INTO decision VALUES (?, ?, ?, ?, ?, ?)", row)
    for row in decided:
        store.write("INSERT INTO decided VALUES (?, ?, ?, ?, ?, ?)", row)
    return damaged


def _scan(db: sqlite3.Connection, table: str, columns: str, where: str = "") -> list[tuple[Any, ...]]:
    """Return the rows of a table as far as they can be read, which may not be there at all."""
    rows: list[tuple[Any, ...]] = []
    with suppress(*UNREADABLE):
        for row in db.execute(f"SELECT {columns} FROM {table} {where}"):
            rows.append(tuple(row))  # noqa: PERF401 - what was read before a broken page counts
    return rows
