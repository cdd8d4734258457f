"""The index of people in Milvus: exact, or inverted lists whose recall is measured in the gallery itself."""

from __future__ import annotations

import json
import logging
import math
import random
import time as clock
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from personsearch.errors import GalleryError
from personsearch.gallery.index import IndexKind
from personsearch.gallery.ivf import (
    IVF_FROM,
    LEAST_LISTS,
    LISTS_PER_ROOT_IN_ENGINES,
    PROBED_PER_WANTED,
    RECALL,
    RECALL_QUERIES,
    lists_for,
)
from personsearch.gallery.stores.milvus_link import Link

logger = logging.getLogger(__name__)

#: The property of the people's collection that holds :class:`IndexFacts`.
PROPERTY = "personsearch.index"
#: Milvus takes at most so many; it probes as many lists as there are.
ALL_LISTS = 65_536
#: Bytes of embeddings in one of Milvus's segments, each of which has lists of its own; ``dataCoord.segment.maxSize``.
_SEGMENT = 512 << 20
#: Seconds that work on all people may take: so many, and one more for so many people.
_WORK, _WORKED_PER_SECOND = 600.0, 200.0


@dataclass(frozen=True)
class IndexFacts:
    """What is recorded about an index.

    Attributes:
        kind: as it was asked for.
        lists: inverted lists of each segment; 0 = exact.
        probed: how many of them a search without filters probes.
        recall: recall@10 with these, measured on the gallery's own rows.
    """

    kind: IndexKind = "auto"
    lists: int = 0
    probed: int = 0
    recall: float = 1.0

    @classmethod
    def of(cls, properties: dict[str, str]) -> IndexFacts:
        """Return what the properties of the collection say."""
        return cls(**json.loads(properties[PROPERTY])) if PROPERTY in properties else cls()

    def as_property(self) -> dict[str, str]:
        """Return what to record in the properties of the collection."""
        return {PROPERTY: json.dumps(asdict(self))}

    @property
    def built(self) -> dict[str, Any]:
        """Return Milvus's words for the index."""
        lists = {"nlist": self.lists} if self.lists else {}
        return {"index_type": "IVF_FLAT" if self.lists else "FLAT", "metric_type": "IP", "params": lists}

    def search(self, count: int, people: int, *, filtered: bool) -> dict[str, Any]:
        """Return Milvus's parameters of a search for ``count`` neighbours among so many people.

        A search with filters is exact, and so is one whose caller has yet to hear of a new index.
        """
        probed = ALL_LISTS
        if self.lists and not filtered and self.probed < self.lists:
            enough = math.ceil(PROBED_PER_WANTED * count * self.lists / max(people, 1))
            probed = max(self.probed, min(enough, self.lists))
        return {"metric_type": "IP", "params": {"nprobe": probed}}

    def describe(self, version: str) -> str:
        """Describe the index in a few words."""
        if not self.lists:
            return f"exact, Milvus {version}"
        return f"IVF, Milvus {version}: {self.lists} lists, {self.probed} probed, recall@10 {self.recall:.3f}"


def wanted_lists(kind: IndexKind, people: int, partitions: int, embedding_size: int) -> int:
    """Return how many inverted lists a segment gets; 0 = exact search is better.

    Milvus learns the lists of each segment by itself, and anew when it joins segments. With eight times as many, as
    ``ivf.py`` has, that takes tens of times as long: hours for 10 million people on two cores.
    """
    if kind == "exact" or (kind == "auto" and people < IVF_FROM):
        return 0
    segment = min(people / max(partitions, 1), _SEGMENT / (4 * embedding_size))
    lists = lists_for(segment, LISTS_PER_ROOT_IN_ENGINES)
    if lists < LEAST_LISTS:
        logger.warning("the gallery stays with exact search: %d people are too few for inverted lists", people)
        return 0
    return lists


def longest_work(people: int) -> float:
    """Return the seconds after which a server that works on all people is given up, far more than two cores need."""
    return _WORK + people / _WORKED_PER_SECOND


def wait_built(link: Link, collection: str, people: int) -> None:
    """Wait until the server has built the index of all segments.

    Raises:
        GalleryError: it failed, or was not done in time.
    """
    until = clock.monotonic() + longest_work(people)
    while True:
        state = link.ask("ask for its index", link.client.describe_index, collection, "embedding")
        if state["state"] == "Failed":
            raise GalleryError(f"{collection}: Milvus failed to build the index; see its log")
        if state["state"] == "Finished" and state.get("pending_index_rows", 0) == 0:
            return
        if clock.monotonic() > until:
            raise GalleryError(f"{collection}: Milvus is still building the index; rebuild again later")
        clock.sleep(0.5)


def tuned(link: Link, collection: str, facts: IndexFacts) -> IndexFacts | None:
    """Return the facts with the fewest lists to probe, a power of two, that reach the recall of ``ivf.py``.

    Probing all lists is exact, so the server itself says what the right neighbours are.

    Args:
        link: to the server.
        collection: of people, loaded, its index built.
        facts: of the index.

    Returns:
        None where more than a quarter of the lists would be probed; exact search is as good then. The log says so.
    """
    queries = _sample(link, collection)
    tenth = _similarities(link, collection, queries, facts.lists)[:, -1:] - 1e-6  # the first is the query itself
    probed, recall = 1, 0.0
    while probed <= facts.lists // 4:
        found = _similarities(link, collection, queries, probed)
        recall = float((found[:, 1:] >= tenth).mean())
        if recall >= RECALL:
            return replace(facts, probed=probed, recall=recall)
        probed *= 2
    logger.warning(
        "the gallery stays with exact search: inverted lists reach recall@10 %.3f with %d of %d probed, no gain",
        recall,
        probed // 2,
        facts.lists,
    )
    return None


def _sample(link: Link, collection: str) -> np.ndarray:
    """Return embeddings of some people: ids are digests, so those that follow a number are anybody."""
    start = random.Random(0).randrange(1 << 62)  # noqa: S311 - a sample, no secret
    rows: list[Any] = []
    for bounds in (f"id >= {start}", f"id < {start}"):
        if len(rows) < RECALL_QUERIES:
            rows += link.ask(
                "read some people",
                link.client.query,
                collection,
                filter=bounds,
                output_fields=["embedding"],
                limit=RECALL_QUERIES,
                consistency_level="Strong",
            )
    return np.array([row["embedding"] for row in rows[:RECALL_QUERIES]], np.float32)


def _similarities(link: Link, collection: str, queries: np.ndarray, probed: int) -> np.ndarray:
    """Return the similarities (Q, 11) of the nearest neighbours, -1 where lists hold too few."""
    found = link.ask(
        "measure the recall",
        link.client.search,
        collection,
        data=list(queries),
        limit=11,
        search_params={"metric_type": "IP", "params": {"nprobe": probed}},
        output_fields=["id"],
        consistency_level="Eventually",
        seconds=120,
    )
    similarities = np.full((len(queries), 11), -1, np.float32)
    for row, hits in zip(similarities, found, strict=True):
        row[: len(hits)] = [hit["distance"] for hit in hits]
    return similarities
