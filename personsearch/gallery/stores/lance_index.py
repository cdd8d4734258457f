"""The index of Lance's table of people: when it is made, how, and how well it finds.

The index is inverted lists over 8-bit copies of the embeddings (``IVF_SQ``), and what it finds is compared again with
the embeddings as they are stored. People who came after the index are compared one by one.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import lance
import numpy as np
import pyarrow as pa

from personsearch.gallery.index import IndexKind, faiss_module
from personsearch.gallery.ivf import (
    LEAST_LISTS,
    LISTS_PER_ROOT_IN_ENGINES,
    RECALL,
    RECALL_QUERIES,
    TRAINING_PER_LIST,
    learn_centroids,
    lists_for,
)
from personsearch.gallery.rows import unit
from personsearch.gallery.stores import lance_rows
from personsearch.gallery.stores.engine import widened
from personsearch.gallery.stores.lance_nearest import search
from personsearch.gallery.stores.lance_table import Table

logger = logging.getLogger(__name__)

#: From this many people on, ``auto`` is an index: comparing one query with so many takes about 60 ms on two cores, and
#: in object storage all of the embeddings have to be fetched first.
INDEX_FROM = 100_000
#: So many people who are not in the index yet are put into it.
FRESH = 50_000
#: They are put into a segment of their own, which is searched too; so many are merged into one.
SEGMENTS = 8
#: The lists are learnt anew when there are this many times as many people.
OUTGROWN = 2

#: Which list a row goes into, as Lance takes it.
_PARTITIONS = pa.schema([("row_id", pa.uint64()), ("partition", pa.uint32())])

#: Where the facts about the index are recorded, and its name.
RECORD = "personsearch.index"
NAME = "embedding"


@dataclass(frozen=True)
class IndexFacts:
    """What is recorded about the index.

    Attributes:
        kind: what the user asked for.
        lists: how many lists the index has; 0 = there is none.
        people: how many there were when the lists were learnt, or could not be.
        probes: how many lists a search probes.
        recall: recall@10 measured with them, 0..1.
    """

    kind: IndexKind = "auto"
    lists: int = 0
    people: int = 0
    probes: int = 0
    recall: float = 0.0

    def describe(self) -> str:
        """Describe the index in a few words."""
        if not self.lists:
            return "exact, Lance"
        return f"IVF, Lance: {self.lists} lists, {self.probes} probed, recall@10 {self.recall:.3f}"


def facts_of(table: Any) -> IndexFacts:
    """Return what is recorded about the index of a version of the people."""
    recorded = table.config().get(RECORD)
    return IndexFacts(**json.loads(recorded)) if recorded else IndexFacts()


def rebuild(people: Table, kind: IndexKind | None) -> None:
    """Make the index of the people anew, or drop it; see ``Engine.rebuild``."""
    table = people.latest()
    kind = kind or facts_of(table).kind
    count = table.count_rows()
    # FAISS has eight times as many. With twice as many, a search among 400,000 people takes 9 ms instead of 13, but to
    # put 50,000 more into them, which is Lance's own work, 4 s instead of 2.
    lists = lists_for(count, LISTS_PER_ROOT_IN_ENGINES)
    if kind == "exact" or (kind == "auto" and count < INDEX_FROM):
        _drop(people, IndexFacts(kind=kind))
    elif lists < LEAST_LISTS:
        logger.warning("%s stays with exact search: %d people are too few for an index", people.address, count)
        _drop(people, IndexFacts(kind=kind, people=count))
    else:
        with people.building() as alone:
            if not alone:
                logger.warning("%s: somebody else is building the index", people.address)
                return
            _build(people, IndexFacts(kind=kind, lists=lists, people=count))


def _drop(people: Table, facts: IndexFacts) -> None:
    people.configure({RECORD: json.dumps(asdict(facts))})
    if any(one.name == NAME for one in people.latest().describe_indices()):
        people.write(lambda table: table.drop_index(NAME))


def _build(people: Table, facts: IndexFacts) -> None:
    with TemporaryDirectory(prefix="personsearch-") as folder:
        people.write(
            lambda table: table.create_index(
                "embedding",
                "IVF_SQ",
                name=NAME,
                metric="cosine",
                replace=True,
                num_partitions=facts.lists,
                # Otherwise Lance joins lists to ones of 8,192 when people are put into them, and searches slowly then.
                target_partition_size=facts.people // facts.lists,
                sample_rate=TRAINING_PER_LIST,
                **_sorted_into_lists(table, facts.lists, Path(mkdtemp(dir=folder)) / "lists"),
            )
        )
    table = people.latest()
    rng = np.random.default_rng(0)
    rows = np.sort(rng.choice(table.count_rows(), min(RECALL_QUERIES, table.count_rows()), replace=False))
    queries = unit(lance_rows.vectors(table.take(rows.tolist(), columns=["embedding"])))
    least = search(table, queries, 11, None, None).similarities[:, -1:] - 1e-6  # the first is the query itself
    probes = 1
    while True:
        similarities = widened(search(table, queries, 11, None, probes).similarities, 11, -np.inf)
        recall = float((similarities[:, 1:] >= least).mean())
        if recall >= RECALL:
            facts = replace(facts, probes=probes, recall=recall)
            people.configure({RECORD: json.dumps(asdict(facts))})
            return
        if probes >= facts.lists:
            logger.warning("%s stays with exact search: the index reaches recall@10 %.3f", people.address, recall)
            _drop(people, IndexFacts(kind=facts.kind, people=facts.people))
            return
        probes = min(2 * probes, facts.lists)


def _sorted_into_lists(table: Any, lists: int, place: Path) -> dict[str, Any]:
    """Learn the lists, and write which list each person of this version goes into, with FAISS and numpy.

    Lance would do both, but without BLAS, several times as slowly.

    Args:
        table: of people; it is this version that the index must be made of.
        lists: how many.
        place: a folder to be made.

    Returns:
        What tells Lance; nothing where FAISS is not installed, and it does the work itself.
    """
    faiss = faiss_module()
    if faiss is None:
        return {}
    rng = np.random.default_rng(0)
    sample = rng.choice(table.count_rows(), min(TRAINING_PER_LIST * lists, table.count_rows()), replace=False)
    learnt = learn_centroids(
        faiss, unit(lance_rows.vectors(table.take(np.sort(sample).tolist(), columns=["embedding"]))), lists
    )
    stored = learnt.astype(np.float16)  # what Lance compares queries with
    centroids = unit(stored)

    def batches() -> Iterator[pa.RecordBatch]:
        scan = table.scanner(columns=["embedding"], with_row_id=True, batch_size=lance_rows.ROWS_AT_ONCE)
        for batch in scan.to_batches():
            nearest_list = (unit(lance_rows.vectors(batch)) @ centroids.T).argmax(axis=1)
            yield pa.record_batch([batch.column("_rowid"), pa.array(nearest_list, pa.uint32())], schema=_PARTITIONS)

    lance.write_dataset(batches(), str(place), _PARTITIONS, max_rows_per_file=10**9)
    return {
        "ivf_centroids": pa.FixedSizeListArray.from_arrays(pa.array(stored.ravel()), stored.shape[1]),
        "precomputed_partition_dataset": str(place),
    }


def tidy(people: Table) -> None:
    """Put people into the index who came after it, and make it where it pays."""
    table = people.latest()
    facts, count = facts_of(table), table.count_rows()
    outgrown = count >= OUTGROWN * max(facts.people, 1)
    if outgrown and (facts.kind == "ivf" or (facts.kind == "auto" and count >= INDEX_FROM)):
        rebuild(people, None)
    elif facts.lists and _fresh(table) > FRESH:
        with people.building() as alone:
            if alone:
                people.write(_put_into_index)


def _put_into_index(table: Any) -> None:
    segments = len(_segments(table))
    merged = {"num_indices_to_merge": segments} if segments >= SEGMENTS else {}
    table.optimize.optimize_indices(index_names=[NAME], **merged)


def _segments(table: Any) -> list[Any]:
    return [segment for one in table.describe_indices() if one.name == NAME for segment in one.segments]


def _fresh(table: Any) -> int:
    """Return how many people are not in the index."""
    covered = {number for segment in _segments(table) for number in segment.fragment_ids}
    return sum(one.physical_rows for one in table.get_fragments() if one.fragment_id not in covered)
