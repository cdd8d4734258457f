"""The two collections of a gallery in Milvus: made, loaded, asked and written to."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import time as clock
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypeVar

from personsearch.errors import GalleryError, GalleryLockedError
from personsearch.gallery.stores import milvus_rows as rows
from personsearch.gallery.stores.milvus_index import IndexFacts
from personsearch.gallery.stores.milvus_link import (
    PATIENCE,
    Address,
    GoneError,
    Link,
    PartitionGoneError,
    UnloadedError,
)

logger = logging.getLogger(__name__)

Table: TypeAlias = Literal["scenes", "people"]
TABLES: tuple[Table, Table] = ("scenes", "people")
Answer = TypeVar("Answer")

#: Rows and neighbours that Milvus returns at most.
MOST = 16_384
#: Bytes of rows in one message to the server or from it; it takes 64 MB.
_BYTES_AT_ONCE = 16 << 20
#: Seconds for flushing and unloading, and for loading to go forward.
SLOW = 300.0
#: Seconds for which what is known of the index is taken to hold. Searches are exact without it, and slower.
INDEX_HOLDS = 60.0
#: Milvus's words for the index of scenes, who have no embedding.
_NO_INDEX = {"index_type": "FLAT", "metric_type": "L2", "params": {}}


class Tables:
    """Two collections; whatever is missing of them is made when they are used.

    Attributes:
        address: of the gallery, for messages.
        link: to the server.
        names: of the collections.
        embedding_size: length of an embedding.
        index: of the people, as far as is known here.
        partitions: of the people.
    """

    def __init__(self, address: Address, link: Link) -> None:
        self.address = address.shown
        self.link = link
        self.names: dict[Table, str] = {table: f"{address.name}_{table}" for table in TABLES}
        self.embedding_size = 0
        self.index = IndexFacts()
        self.partitions = rows.Partitions(address.partition)
        self._known: set[str] = set()
        self._refreshed = -math.inf

    def facts(self) -> dict[str, str] | None:
        """Return what was recorded about the gallery; None where there is none."""
        name = self.names["scenes"]
        try:
            found = self.link.ask("open the gallery", self.link.client.describe_collection, name)
        except GoneError:
            return None
        try:
            facts = json.loads(found["description"])
            meta, size = dict(facts["meta"]), int(facts["embedding_size"])
            partitions = rows.Partitions(facts["partition"])
        except (ValueError, KeyError, TypeError):
            raise GalleryError(
                f"{self.address}: the server has a collection {name} that is no gallery; choose another name"
            ) from None
        self.embedding_size, self.partitions = size, partitions
        return meta

    def create(self, meta: Mapping[str, str], embedding_size: int) -> None:
        """Make the collections; those of another writer who did so meanwhile stay, with what that one recorded."""
        unit = self.partitions.unit
        facts = {"meta": dict(sorted(meta.items())), "embedding_size": embedding_size, "partition": unit}
        self._make("scenes", json.dumps(facts))
        self.mend()

    def _make(self, table: Table, description: str = "") -> None:
        """Make a collection; one that is there already stays, whatever it is."""
        client, name = self.link.client, self.names[table]
        if self.link.ask("look for the gallery", client.has_collection, name):
            return
        try:
            self.link.ask(
                "make a collection",
                client.create_collection,
                name,
                schema=rows.schema(self.link.pymilvus, table, self.embedding_size, description),
                num_shards=1,  # one channel, so that what is written at once is written together
                consistency_level="Strong",
            )
        except GalleryError:
            if not self.link.ask("look for the gallery", client.has_collection, name):  # else another writer made it
                raise

    def mend(self) -> None:
        """Make what is missing of the collections, and load them."""
        if self.facts() is None:
            raise GalleryError(f"{self.address}: the gallery was deleted")
        self._make("people")
        self.refresh()
        for table, built in (("scenes", _NO_INDEX), ("people", self.index.built)):
            name = self.names[table]  # type: ignore[index]
            self._mend_index(name, built)
            self._load(name)
        for name in self.names.values():
            self._wait_loaded(name)

    def _load(self, name: str) -> None:
        """Have the server begin to load a collection into its memory."""
        self.link.ask("load", self.link.client.load_collection, name, _async=True)

    def _wait_loaded(self, name: str) -> None:
        """Wait until a collection is loaded, which may take as long as it goes forward.

        Raises:
            GalleryLockedError: it did not go forward any more.
        """
        progress, until = 0, clock.monotonic() + SLOW
        while True:
            found = self.link.ask("load", self.link.client.get_load_state, name)
            if found["state"].name == "Loaded":
                return
            if found["state"].name != "Loading":  # somebody makes its index anew
                self._load(name)
            elif found["progress"] != progress:
                progress, until = found["progress"], clock.monotonic() + SLOW
            if clock.monotonic() > until:
                raise GalleryLockedError(
                    f"{self.address}: Milvus has loaded {progress} % of {name}, and nothing more for {SLOW:.0f} s; "
                    "see its log, or try again later"
                )
            clock.sleep(0.05)

    def _mend_index(self, name: str, wanted: Mapping[str, Any]) -> None:
        """Have the index of a collection made, if it is not the one there; the server builds it later."""
        client = self.link.client
        there = self._index_of(name)
        if there is not None:
            lists = {"nlist": int(there["nlist"])} if "nlist" in there else {}
            if (there["index_type"], lists) == (wanted["index_type"], wanted["params"]):
                return
            self.link.ask("unload", client.release_collection, name, seconds=SLOW)
            with contextlib.suppress(UnloadedError):  # somebody else was quicker
                self.link.ask("drop the index", client.drop_index, name, "embedding")
        parameters = client.prepare_index_params()
        parameters.add_index("embedding", index_name="embedding", **wanted)
        self.link.ask("make the index", client.create_index, name, parameters, sync=False)

    def _index_of(self, name: str) -> dict[str, Any] | None:
        names = self.link.ask("ask for its index", self.link.client.list_indexes, name, "embedding")
        return self.link.ask("ask for its index", self.link.client.describe_index, name, names[0]) if names else None

    def refresh(self) -> None:
        """Take in what is recorded about the index."""
        found = self.link.ask("open the gallery", self.link.client.describe_collection, self.names["people"])
        self.index = IndexFacts.of(found.get("properties") or {})
        self._refreshed = clock.monotonic()

    def refresh_now_and_then(self) -> None:
        """Take in what others may have recorded meanwhile."""
        if clock.monotonic() - self._refreshed > INDEX_HOLDS:
            with contextlib.suppress(GoneError):  # what is missing is made by the search
                self.refresh()

    def record(self, facts: IndexFacts) -> None:
        """Record what the index is to be, and have it made so."""
        client = self.link.client
        # Twice: what 2.3.5 keeps when it is started again is what was recorded before the last time.
        for _ in range(2):
            self.ask("record the index", client.alter_collection_properties, self.names["people"], facts.as_property())
        self.mend()

    def ask(
        self, what: str, call: Callable[..., Answer], *arguments: Any, seconds: float | None = None, **options: Any
    ) -> Answer:
        """Call the server as ``Link.ask`` does; if the collections are not whole or not loaded, mend that first."""
        until = clock.monotonic() + PATIENCE
        while True:
            try:
                return self.link.ask(what, call, *arguments, seconds=seconds, **options)
            except (GoneError, UnloadedError) as error:
                if clock.monotonic() > until:
                    raise GalleryLockedError(str(error)) from None
                self.mend()

    def query(self, table: Table, condition: str, fields: Sequence[str], **options: Any) -> list[Any]:
        """Return rows that meet a condition, by default as of after all writes."""
        options = {"consistency_level": "Strong", **options}
        client, name = self.link.client, self.names[table]
        found = self.ask(f"read {table}", client.query, name, filter=condition, output_fields=list(fields), **options)
        return list(found)

    def count(self, table: Table, condition: str, **options: Any) -> int:
        """Return how many rows meet a condition; a person in two partitions counts twice."""
        return int(self.query(table, condition, ["count(*)"], **options)[0]["count(*)"])

    def pages(
        self, table: Table, fields: Sequence[str], condition: str = "", places: Sequence[str] | None = None
    ) -> Iterator[list[Any]]:
        """Yield rows that meet a condition by rising key, some at a time, from some partitions or all."""
        key = "image_id" if table == "scenes" else "id"
        size = self.at_once if "embedding" in fields else 4096 if "extra" in fields else MOST
        options: dict[str, Any] = {} if places is None else {"partition_names": list(places)}
        if not self.link.version.startswith("2.3."):
            # These return any rows, unless they are asked for the smallest keys, and more than the limit then: so many
            # of each segment. 2.3 returns the smallest keys, and never more.
            options["reduce_stop_for_best"], size = "True", max(1, size // 16)
        after = f"{key} >= ''" if table == "scenes" else f"{key} >= 0"
        while True:
            whole = f"({condition}) and {after}" if condition else after
            page = self.query(table, whole, [key, *fields], limit=size, **options)
            if not page:
                return
            yield page
            last = max(row[key] for row in page)
            after = f"{key} > {rows.quoted(last) if isinstance(last, str) else last}"

    @property
    def at_once(self) -> int:
        """How many people with their embeddings go into one message."""
        return min(8192, max(1, _BYTES_AT_ONCE // (4 * self.embedding_size + 500)))

    def upsert(self, table: Table, stored: list[dict[str, Any]], place: str = rows.SHARED) -> None:
        """Write rows, in the place of those that have their keys in this partition."""
        client, name = self.link.client, self.names[table]
        try:
            self.ask(f"store {table}", client.upsert, name, stored, partition_name=place)
        except PartitionGoneError:  # somebody dropped it by hand
            self._known.discard(place)
            self.places({place})
            self.ask(f"store {table}", client.upsert, name, stored, partition_name=place)

    def delete(self, table: Table, condition: str, **options: Any) -> None:
        """Delete rows by their keys, from one partition or all."""
        self.ask(f"delete {table}", self.link.client.delete, self.names[table], filter=condition, **options)

    def list_partitions(self) -> list[str]:
        """Return the partitions of the people."""
        return list(self.ask("list partitions", self.link.client.list_partitions, self.names["people"]))

    def places(self, wanted: Collection[str]) -> dict[str, str]:
        """Return for each partition the one that takes its place: itself, made if need be, while there may be more."""
        if not self._known.issuperset(wanted):
            self._known = set(self.list_partitions())
        places = {}
        for name in sorted(wanted):
            if name not in self._known and len(self._known) >= rows.PARTITIONS:
                logger.warning(
                    "%s: there are %d partitions of time already, so what is new goes to a common one, which is "
                    "searched every time; make a gallery with ?partition=month or none instead",
                    self.address,
                    len(self._known),
                )
                places[name] = rows.SHARED
                continue
            places[name] = name
            if name not in self._known:
                self._make_partition(name)
        return places

    def _make_partition(self, name: str) -> None:
        try:
            self.ask("make a partition", self.link.client.create_partition, self.names["people"], name)
        except GalleryError:
            if name not in self.list_partitions():  # else another writer made it meanwhile
                raise
        self._known.add(name)
