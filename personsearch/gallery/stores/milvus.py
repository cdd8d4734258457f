"""A gallery in Milvus: a server or a cluster that many machines search and write to at once.

Tested with a server of version 2.3.5 (the standalone server of the package ``milvus``) and pymilvus 3.0.2. Scenes and
people are two collections, ``NAME_scenes`` and ``NAME_people``. The description of the first holds what was recorded
about the gallery: of several who make a collection at once with different descriptions, Milvus lets one succeed.

- Scenes are in one partition, as a scene's one row must be replaced in one step; people are in partitions of time,
  which a search between two times names. None is ever dropped: another writer may be about to store a scene in it.
- Milvus's keys are unique in a partition only. People whose scene's time changed are written to their new partition
  first and deleted from the old one then; who is in both meanwhile is found once, under one of the two times.
- All reads are strong: they wait for the server's clock to pass the last write, up to 0.4 s with its default of
  ``proxy.timeTickInterval: 200`` (milliseconds).
- :meth:`MilvusEngine.every_scene` shows each scene that is there all the time once, but not all as of one moment.
"""

from __future__ import annotations

import time as clock
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from personsearch.errors import GalleryError
from personsearch.gallery.index import IndexKind
from personsearch.gallery.stores import milvus_rows as rows
from personsearch.gallery.stores.engine import Near, PersonRecord, SceneRecord, Where
from personsearch.gallery.stores.milvus_index import IndexFacts, longest_work, tuned, wait_built, wanted_lists
from personsearch.gallery.stores.milvus_link import Address, Link, PartitionGoneError, parse_address
from personsearch.gallery.stores.milvus_nearest import cameras, nearest
from personsearch.gallery.stores.milvus_tables import SLOW, TABLES, Tables
from personsearch.results import Floats


def open_milvus(address: str) -> MilvusEngine:
    """Connect to a Milvus server.

    Args:
        address: see :func:`personsearch.gallery.stores.milvus_link.parse_address`.

    Raises:
        MissingExtraError: pymilvus is not installed.
        GalleryError: it is no address, or no server answers there.
    """
    where = parse_address(address)
    return MilvusEngine(where, Link(where))


class MilvusEngine:
    """Scenes and people in Milvus; see ``Engine`` for what is not described here."""

    #: An embedding's length is 1 up to half precision, 2**-11, and Milvus compares it as it is.
    margin = 6e-4
    scenes_at_once = 256

    def __init__(self, address: Address, link: Link) -> None:
        self.address = address.shown
        self._link = link
        self._tables = Tables(address, link)

    def meta(self) -> dict[str, str] | None:
        """See Engine."""
        return self._tables.facts()

    def create(self, meta: Mapping[str, str], embedding_size: int) -> None:
        """See Engine."""
        self._tables.create(meta, embedding_size)

    def put_people(self, people: Sequence[PersonRecord]) -> None:
        """See Engine."""
        latest = {one.id: one for one in people}
        if not latest:
            return
        name = self._tables.partitions.name
        places = self._tables.places({name(one.time) for one in latest.values()})
        target = {one.id: places[name(one.time)] for one in latest.values()}
        placed: dict[str, list[dict[str, Any]]] = {}
        for one in latest.values():
            placed.setdefault(target[one.id], []).append(rows.person_row(one, target[one.id]))
        elsewhere = {} if self._tables.partitions.unit == "none" else self._elsewhere(target)
        size = self._tables.at_once
        for place, group in placed.items():
            for start in range(0, len(group), size):
                self._tables.upsert("people", group[start : start + size], place)
        for place, ids in elsewhere.items():
            self._delete_people(ids, place)

    def _elsewhere(self, target: Mapping[int, str]) -> dict[str, list[int]]:
        """Return who is stored in another partition than is wanted, by partition."""
        found: dict[str, list[int]] = {}
        for batch in rows.batches(target):
            condition = rows.among("id", batch)
            stored = self._tables.query("people", condition, ["id", "place"])
            # Of those whom a killed writer left in two partitions, Milvus shows one; it counts both.
            if stored and self._tables.count("people", condition, consistency_level="Eventually") > len(stored):
                stored = [
                    {"id": row["id"], "place": place}
                    for place in self._tables.list_partitions()
                    for row in self._tables.query("people", condition, ["id"], partition_names=[place])
                ]
            for row in stored:
                if row["place"] != target[row["id"]]:
                    found.setdefault(row["place"], []).append(row["id"])
        return found

    def put_scenes(self, scenes: Sequence[SceneRecord]) -> None:
        """See Engine."""
        if scenes:
            self._tables.upsert("scenes", list({one.image_id: rows.scene_row(one) for one in scenes}.values()))

    def delete_scenes(self, image_ids: Collection[str]) -> None:
        """See Engine."""
        for batch in rows.batches(image_ids):
            self._tables.delete("scenes", rows.among("image_id", batch))

    def delete_people(self, detection_ids: Collection[int]) -> None:
        """See Engine."""
        self._delete_people(detection_ids)

    def _delete_people(self, detection_ids: Collection[int], place: str | None = None) -> None:
        options = {} if place is None else {"partition_name": place}
        for batch in rows.batches(detection_ids):
            try:
                self._tables.delete("people", rows.among("id", batch), **options)
            except PartitionGoneError:
                return

    def scenes(self, image_ids: Collection[str]) -> dict[str, SceneRecord]:
        """See Engine."""
        found = {}
        for batch in rows.batches(image_ids):
            for row in self._tables.query("scenes", rows.among("image_id", batch), rows.SCENE_FIELDS):
                found[row["image_id"]] = rows.scene_record(row)
        return found

    def people(self, detection_ids: Collection[int]) -> dict[int, PersonRecord]:
        """See Engine."""
        found = {}
        for batch in rows.batches(detection_ids):
            for row in self._tables.query("people", rows.among("id", batch), rows.PERSON_FIELDS):
                found[row["id"]] = rows.person_record(row)
        return found

    def people_in(self, image_ids: Collection[str]) -> list[PersonRecord]:
        """See Engine."""
        return [
            rows.person_record(row)
            for batch in rows.batches(image_ids)
            for page in self._tables.pages("people", rows.PERSON_FIELDS, rows.among("image_id", batch))
            for row in page
        ]

    def every_scene(self, prefix: str = "") -> Iterator[list[SceneRecord]]:
        """See Engine; a scene that is there all the time comes once, but not all are of one moment."""
        for page in self._tables.pages("scenes", rows.SCENE_FIELDS, rows.begins("image_id", prefix)):
            yield [rows.scene_record(row) for row in page]

    def every_person(self) -> Iterator[list[PersonRecord]]:
        """See Engine and :meth:`every_scene`."""
        for page in self._tables.pages("people", rows.PERSON_FIELDS):
            yield [rows.person_record(row) for row in page]

    def every_owner(self) -> Iterator[list[tuple[int, str, int]]]:
        """See Engine and :meth:`every_scene`."""
        for page in self._tables.pages("people", ["image_id", "content"]):
            yield [(row["id"], row["image_id"], row["content"]) for row in page]

    def nearest(self, queries: Floats, count: int, where: Where) -> Near:
        """See Engine."""
        return nearest(self._tables, queries, count, where)

    def cameras(self, where: Where) -> list[str | None]:
        """See Engine."""
        return cameras(self._tables, where)

    def counts(self) -> tuple[int, int]:
        """See Engine."""
        return self._tables.count("scenes", ""), self._tables.count("people", "")

    def labels(self) -> tuple[dict[str, int], int]:
        """See Engine."""
        known: dict[str, int] = {}
        timed = 0
        for page in self._tables.pages("scenes", ["camera", "timed"]):
            for row in page:
                camera = rows.camera_of(row)
                if camera is not None:
                    known[camera] = known.get(camera, 0) + 1
                timed += bool(row["timed"])
        return dict(sorted(known.items())), timed

    def before(self, time: float) -> list[str]:
        """See Engine."""
        return [row["image_id"] for page in self._tables.pages("scenes", [], _before(time)) for row in page]

    def purge(self) -> None:
        """See Engine: have the server write its files anew without what was deleted.

        It does away with the old files when they are older than ``dataCoord.gc.dropTolerance`` (3 hours), and looks for
        such each ``dataCoord.gc.interval`` (1 hour); with both at seconds they are gone within a minute. What is not in
        a client's power is the server's log of messages: Pulsar and Kafka keep it for as long as they are told, and the
        standalone server's RocksMQ for ``rocksmq.retentionTimeInMinutes`` (3 days) at least, as it only deletes whole
        pages (``rocksmq.rocksmqPageSize``) and leaves the rest to RocksDB. Nobody can read it through Milvus.
        """
        client, ask = self._link.client, self._tables.ask
        names = [self._tables.names[table] for table in TABLES]
        for name in names:
            ask("flush", client.flush, name, seconds=SLOW)
        jobs = [ask("compact", client.compact, name) for name in names]
        until = clock.monotonic() + longest_work(self._tables.count("people", ""))
        for job in jobs:
            while ask("compact", client.get_compaction_state, job) == "Executing":
                if clock.monotonic() > until:
                    raise GalleryError(
                        f"{self.address}: what was deleted is gone for all readers, but Milvus has not written its "
                        "files anew yet; see its log, and remove again later"
                    )
                clock.sleep(0.1)

    def tidy(self) -> None:
        """See Engine: Milvus compacts by itself."""

    def rebuild(self, kind: IndexKind | None) -> None:
        """See Engine; searches by others wait some seconds meanwhile, twice."""
        client, ask, name = self._link.client, self._tables.ask, self._tables.names["people"]
        people, partitions = self._tables.count("people", ""), len(self._tables.list_partitions())
        self._tables.refresh()
        kind = kind or self._tables.index.kind
        lists = wanted_lists(kind, people, partitions, self._tables.embedding_size)
        if lists:
            facts = IndexFacts(kind, lists, lists)
            ask("flush", client.flush, name, seconds=SLOW)
            self._tables.record(facts)
            wait_built(self._link, name, people)
            # Until they are loaded again, parts may be searched by what the server made up in haste.
            ask("unload", client.release_collection, name, seconds=SLOW)
            self._tables.mend()
            better = tuned(self._link, name, facts)
            if better is not None:
                self._tables.record(better)
                return
        self._tables.record(IndexFacts(kind))

    def describe(self) -> str:
        """See Engine."""
        self._tables.refresh()
        return self._tables.index.describe(self._link.version)

    def close(self) -> None:
        """See Engine."""
        self._link.close()


def _before(time: float) -> str:
    return f"timed == true and time {rows.compared('<', time)}"
