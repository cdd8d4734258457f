"""Nearest neighbours in Lance's table of people: by its index, or comparing everybody who passes."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from personsearch.gallery.index import no_neighbours
from personsearch.gallery.ivf import PROBED_PER_WANTED
from personsearch.gallery.rows import unit
from personsearch.gallery.stores.engine import NEIGHBOURS_WITH_ROWS, Near, in_parts, widened
from personsearch.gallery.stores.lance_rows import person_records, vectors
from personsearch.results import Floats

#: So few people who meet a condition are read and compared here. Lance would read everybody's embedding for it: for the
#: 10,000 of a million people, 340 ms instead of 75.
FEW = 25_000
#: So many times as many people as are wanted are compared again by their embeddings as stored.
REFINED = 4


def nearest(table: Any, queries: Floats, count: int, condition: str | None, *, lists: int, probes: int) -> Near:
    """Return nearest neighbours among the people who meet a condition; see ``Engine.nearest``.

    Args:
        table: a version of the people.
        queries: (Q, D) float32, unit length.
        count: neighbours of each.
        condition: in Lance's SQL; None = everybody.
        lists: of the index; 0 = there is none.
        probes: lists that a search without a condition probes.
    """
    there = int(table.count_rows(condition))
    count = min(count, there)
    if not count or not len(queries):
        return Near(*no_neighbours(len(queries)))
    if condition is not None and there <= FEW:
        return compare(table, queries, count, condition)
    ask = partial(search, table, count=count, condition=condition)
    everybody = partial(ask, probes=None)
    if not lists:
        return in_parts(everybody, queries)
    enough = math.ceil(PROBED_PER_WANTED * count * lists / there)
    found = in_parts(partial(ask, probes=min(max(probes, enough), lists)), queries)
    ids, similarities = widened(found.ids, count, -1), widened(found.similarities, count, -np.inf)
    short = np.flatnonzero((ids < 0).any(axis=1))
    if not len(short):
        return found
    more = in_parts(everybody, queries[short])  # the index missed some who are there
    ids[short], similarities[short] = widened(more.ids, count, -1), widened(more.similarities, count, -np.inf)
    return Near(ids, similarities, [*found.people, *more.people])


def compare(table: Any, queries: Floats, count: int, condition: str) -> Near:
    """Return nearest neighbours of those who meet a condition, all of whom are read."""
    rows = table.scanner(filter=condition, late_materialization=True).to_table()
    numbers, stored = rows.column("id").to_numpy(), unit(vectors(rows))

    def ask(part: Floats) -> Near:
        near = part @ stored.T
        best = np.argsort(-near, axis=1, kind="stable")[:, :count]
        people = person_records(rows.take(np.unique(best))) if best.size <= NEIGHBOURS_WITH_ROWS else []
        return Near(numbers[best], np.take_along_axis(near, best, 1), people)

    return in_parts(ask, queries)


def search(table: Any, queries: Floats, count: int, condition: str | None, probes: int | None) -> Near:
    """Return what Lance finds, comparing everybody unless ``probes`` lists are given."""
    how: dict[str, Any] = {"use_index": False}
    if probes is not None:
        how = {"minimum_nprobes": probes, "refine_factor": REFINED}
    whole = count * len(queries) <= NEIGHBOURS_WITH_ROWS
    columns = [*(table.schema.names if whole else ["id"]), "_distance"]
    # Cosine, not dot: galleries bring embeddings to unit length, which half precision loses, before they compare.
    wanted = {"column": "embedding", "q": queries, "k": count, "metric": "cosine", **how}
    rows = table.scanner(columns=columns, filter=condition, nearest=wanted, prefilter=True).to_table()
    number = rows.column("query_index").to_numpy()
    near = 1 - rows.column("_distance").to_numpy()
    order = np.lexsort((-near, number))
    number, near, found = number[order], near[order], rows.column("id").to_numpy()[order]
    place = np.arange(len(number)) - np.searchsorted(number, number)
    width = int(place.max()) + 1 if len(place) else 0
    ids = np.full((len(queries), width), -1, np.int64)
    similarities = np.full((len(queries), width), -np.inf, np.float32)
    ids[number, place], similarities[number, place] = found, near
    return Near(ids, similarities, person_records(rows) if whole else [])
