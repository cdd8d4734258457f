"""Searching a gallery's people in Milvus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from personsearch.gallery.index import QUERIES_AT_ONCE, Ids, no_neighbours
from personsearch.gallery.stores import milvus_rows as rows
from personsearch.gallery.stores.engine import Where
from personsearch.gallery.stores.milvus_link import PartitionGoneError
from personsearch.gallery.stores.milvus_tables import MOST, Tables
from personsearch.results import Floats


def nearest(tables: Tables, queries: Floats, count: int, where: Where) -> tuple[Ids, Floats]:
    """Return each query's nearest neighbours; see ``Engine.nearest``."""
    condition = rows.condition(where)
    while condition is not None:
        places = _reached(tables, where)
        if places == []:
            break
        try:
            return merged(
                [
                    _nearest(tables, queries[start : start + QUERIES_AT_ONCE], count, condition, places)
                    for start in range(0, len(queries), QUERIES_AT_ONCE)
                ]
            )
        except PartitionGoneError:
            continue  # somebody dropped one by hand
    return no_neighbours(len(queries))


def cameras(tables: Tables, where: Where) -> list[str | None]:
    """Return the cameras whose people pass."""
    condition, places = rows.condition(where), _reached(tables, where)
    if condition is None or places == []:
        return []
    options = {} if places is None else {"partition_names": places}
    found: list[str] = []
    while True:
        parts = [condition] if condition else []
        if found:
            parts.append(rows.among("camera", found, without=True))
        # Those that are not known yet, among some thousands of people at a time.
        page = tables.query("people", " and ".join(parts) or "id >= 0", ["camera"], limit=MOST, **options)
        if not page:
            return [rows.camera_of({"camera": one}) for one in found]
        found += dict.fromkeys(row["camera"] for row in page)


def _reached(tables: Tables, where: Where) -> list[str] | None:
    """Return the partitions in which to look; None = all."""
    since, until = where.filters.since, where.filters.until
    if since is None and until is None:
        return None
    return tables.partitions.reached(tables.list_partitions(), since, until)


def _nearest(
    tables: Tables, queries: Floats, count: int, condition: str, places: Sequence[str] | None
) -> tuple[Ids, Floats]:
    options = {} if places is None else {"partition_names": list(places)}
    limit = min(count, MOST)
    approximate = tables.index.lists > 0 and not condition and places is None
    people = tables.count("people", "", consistency_level="Eventually") if approximate else 0
    parameters = tables.index.search(limit, people, filtered=not approximate)
    found = _search(tables, queries, limit, condition, parameters, options)
    if approximate and min(map(len, found)) < limit:  # the probed lists hold too few
        found = _search(tables, queries, limit, condition, tables.index.search(limit, people, filtered=True), options)
    fewest = min(map(len, found))
    if fewest < count:
        # Milvus returns so many at most, and one of two copies; are there more?
        passing = tables.count("people", condition, consistency_level="Eventually", **options)
        if passing > fewest:
            return _compare_all(tables, queries, count, condition, places)
    return _padded(found)


def _padded(found: Sequence[Any]) -> tuple[Ids, Floats]:
    """Return what Milvus found as ids (Q, n) and similarities (Q, n)."""
    ids = np.full((len(found), max(map(len, found))), -1, np.int64)
    similarities = np.full(ids.shape, -np.inf, np.float32)
    for number, hits in enumerate(found):
        ids[number, : len(hits)] = [hit["id"] for hit in hits]
        similarities[number, : len(hits)] = [hit["distance"] for hit in hits]
    return ids, similarities


def _search(
    tables: Tables,
    queries: Floats,
    limit: int,
    condition: str,
    parameters: Mapping[str, Any],
    options: Mapping[str, Any],
) -> list[Any]:
    found = tables.ask(
        "search",
        tables.link.client.search,
        tables.names["people"],
        data=list(np.ascontiguousarray(queries, np.float32)),
        limit=limit,
        filter=condition,
        output_fields=["id"],
        search_params=dict(parameters),
        consistency_level="Strong",
        **options,
    )
    return list(found)


def _compare_all(
    tables: Tables, queries: Floats, count: int, condition: str, places: Sequence[str] | None
) -> tuple[Ids, Floats]:
    """Return the nearest neighbours of everybody who passes, page by page: slow, for where Milvus returns too few."""
    best = no_neighbours(len(queries))
    for page in tables.pages("people", ["embedding"], condition, places):
        vectors = np.array([row["embedding"] for row in page], np.float32)
        ids = np.array([row["id"] for row in page], np.int64)
        both = np.concatenate([best[0], np.broadcast_to(ids, (len(queries), len(ids)))], axis=1)
        similarities = np.concatenate([best[1], queries @ vectors.T], axis=1)
        order = np.argsort(-similarities, axis=1, kind="stable")[:, :count]
        best = np.take_along_axis(both, order, 1), np.take_along_axis(similarities, order, 1)
    return best


def merged(parts: Sequence[tuple[Ids, Floats]]) -> tuple[Ids, Floats]:
    """Return the neighbours (Q, n) of all queries from those of some each, filled up with -1."""
    if not parts:
        return no_neighbours(0)
    longest = max(ids.shape[1] for ids, _ in parts)
    ids = [np.pad(found, ((0, 0), (0, longest - found.shape[1])), constant_values=-1) for found, _ in parts]
    similarities = [np.pad(one, ((0, 0), (0, longest - one.shape[1])), constant_values=-np.inf) for _, one in parts]
    return np.concatenate(ids), np.concatenate(similarities)
