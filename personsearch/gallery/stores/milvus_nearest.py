"""Searching a gallery's people in Milvus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from personsearch.gallery.index import no_neighbours
from personsearch.gallery.stores import milvus_rows as rows
from personsearch.gallery.stores.engine import NEIGHBOURS_WITH_ROWS, Near, Where, in_parts
from personsearch.gallery.stores.milvus_link import PartitionGoneError
from personsearch.gallery.stores.milvus_tables import MOST, Tables
from personsearch.results import Floats


def nearest(tables: Tables, queries: Floats, count: int, where: Where) -> Near:
    """Return each query's nearest neighbours; see ``Engine.nearest``."""
    condition = rows.condition(where)
    tables.refresh_now_and_then()
    while condition is not None:
        places = _reached(tables, where)
        if places == []:
            break
        try:
            ask = partial(_nearest, tables, count=count, condition=condition, places=places)
            return in_parts(ask, queries)
        except PartitionGoneError:
            continue  # somebody dropped one by hand
    return Near(*no_neighbours(len(queries)))


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


def _nearest(tables: Tables, queries: Floats, count: int, condition: str, places: Sequence[str] | None) -> Near:
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


def _padded(found: Sequence[Any]) -> Near:
    """Return what Milvus found."""
    ids = np.full((len(found), max(map(len, found))), -1, np.int64)
    similarities = np.full(ids.shape, -np.inf, np.float32)
    for number, hits in enumerate(found):
        ids[number, : len(hits)] = [hit["id"] for hit in hits]
        similarities[number, : len(hits)] = [hit["distance"] for hit in hits]
    whole = [hit["entity"] for hits in found for hit in hits if "embedding" in hit["entity"]]
    return Near(ids, similarities, [rows.person_record(one) for one in whole])


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
        # Rows that come along save a read, which would wait for the server's clock again.
        output_fields=list(rows.PERSON_FIELDS) if limit * len(queries) <= NEIGHBOURS_WITH_ROWS else ["id"],
        search_params=dict(parameters),
        consistency_level="Strong",
        **options,
    )
    return list(found)


def _compare_all(tables: Tables, queries: Floats, count: int, condition: str, places: Sequence[str] | None) -> Near:
    """Return the nearest neighbours of everybody who passes, page by page: slow, for where Milvus returns too few."""
    best = no_neighbours(len(queries))
    for page in tables.pages("people", ["embedding"], condition, places):
        vectors = np.array([row["embedding"] for row in page], np.float32)
        ids = np.array([row["id"] for row in page], np.int64)
        both = np.concatenate([best[0], np.broadcast_to(ids, (len(queries), len(ids)))], axis=1)
        similarities = np.concatenate([best[1], queries @ vectors.T], axis=1)
        order = np.argsort(-similarities, axis=1, kind="stable")[:, :count]
        best = np.take_along_axis(both, order, 1), np.take_along_axis(similarities, order, 1)
    return Near(*best)
