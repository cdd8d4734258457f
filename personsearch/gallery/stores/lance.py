"""A gallery in Lance's format: two tables in a folder or in object storage, which any number of processes share.

Nothing is served: every process opens the files. ``lance_table.py`` says how writers keep out of each other's way.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from personsearch.errors import GalleryCorruptError, GalleryError, MissingExtraError
from personsearch.gallery.index import IndexKind
from personsearch.gallery.stores.engine import Near, PersonRecord, SceneRecord, Where
from personsearch.results import Floats

os.environ.setdefault("LANCE_LOG", "error")  # it warns of conflicts that are tried again here
try:
    from personsearch.gallery.stores import lance_index, lance_nearest, lance_rows
    from personsearch.gallery.stores.lance_table import FAULTS, Table, is_gone
except ModuleNotFoundError as error:
    if error.name not in ("lance", "pyarrow"):
        raise
    raise MissingExtraError("a gallery at lance:// needs pylance: pip install 'personsearch[lance]'") from None

if TYPE_CHECKING:
    import pyarrow as pa

Record = TypeVar("Record", SceneRecord, PersonRecord)
Row = TypeVar("Row")

#: Ids that one reading of a table is asked for.
IDS_AT_ONCE = 10_000


class LanceEngine:
    """See ``Engine``: every call looks for the newest version of the tables first."""

    #: The query is rounded to half precision, which moves a similarity by 2**-11 at most.
    margin = 1e-3
    #: A write makes a version and a file; with 256 scenes in each, a gallery of 10**7 scenes has seen 40,000.
    scenes_at_once = 256

    def __init__(self, address: str, root: str, options: dict[str, str]) -> None:
        """Take a place that may or may not hold a gallery.

        Args:
            address: as the user wrote it.
            root: a folder, or what Lance takes for one.
            options: of Lance's object store, in addition to those that it reads from the environment.
        """
        self.address = address
        self._scenes = Table(address, f"{root}/scenes.lance", options)
        self._people = Table(address, f"{root}/people.lance", options)

    def meta(self) -> dict[str, str] | None:
        """See Engine."""
        people = self._people.find()
        if people is None:
            return None
        try:
            facts = json.loads(people.schema.metadata[lance_rows.FACTS.encode()])
        except (TypeError, KeyError, ValueError):
            raise GalleryCorruptError(
                f"{self.address}: people.lance there is not a gallery's; give another address, or restore a backup"
            ) from None
        return {str(key): str(value) for key, value in facts.items()}

    def create(self, meta: Mapping[str, str], embedding_size: int) -> None:
        """See Engine."""
        # The facts are written with the people. Whoever is first decides, and then there are scenes for certain.
        self._scenes.create(lance_rows.SCENES)
        self._people.create(lance_rows.people_schema(meta, embedding_size))

    def put_people(self, people: Sequence[PersonRecord]) -> None:
        """See Engine."""
        if people:
            _put(self._people, "id", lance_rows.person_table(people, self._people.latest().schema))

    def put_scenes(self, scenes: Sequence[SceneRecord]) -> None:
        """See Engine."""
        if scenes:
            _put(self._scenes, "image_id", lance_rows.scene_table(scenes))

    def scenes(self, image_ids: Collection[str]) -> dict[str, SceneRecord]:
        """See Engine."""
        found = _among(self._scenes, "image_id", image_ids, lance_rows.scene_records)
        return {one.image_id: one for one in found}

    def people(self, detection_ids: Collection[int]) -> dict[int, PersonRecord]:
        """See Engine."""
        return {one.id: one for one in _among(self._people, "id", detection_ids, lance_rows.person_records)}

    def people_in(self, image_ids: Collection[str]) -> list[PersonRecord]:
        """See Engine."""
        return _among(self._people, "image_id", image_ids, lance_rows.person_records)

    def every_scene(self, prefix: str = "") -> Iterator[list[SceneRecord]]:
        """See Engine; a purge or an hour's writing meanwhile is an error."""
        return _every(self._scenes, lance_rows.scene_records, lance_rows.begins("image_id", prefix))

    def every_person(self) -> Iterator[list[PersonRecord]]:
        """See Engine; a purge or an hour's writing meanwhile is an error."""
        return _every(self._people, lance_rows.person_records)

    def every_owner(self) -> Iterator[list[tuple[int, str, int]]]:
        """See Engine; a purge or an hour's writing meanwhile is an error."""
        return _every(self._people, lance_rows.owners, columns=lance_rows.OWNER)

    def nearest(self, queries: Floats, count: int, where: Where) -> Near:
        """See Engine."""
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        condition = lance_rows.passes(where)

        def read(table: Any) -> Near:
            facts = lance_index.facts_of(table)
            return lance_nearest.nearest(table, queries, count, condition, lists=facts.lists, probes=facts.probes)

        return self._people.read(read)

    def cameras(self, where: Where) -> list[str | None]:
        """See Engine."""
        condition = lance_rows.passes(where)
        seen: dict[str | None, None] = {}
        for camera in self._people.read(lambda table: _column(table, "camera", condition)).unique().to_pylist():
            seen[camera] = None
        return list(seen)

    def counts(self) -> tuple[int, int]:
        """See Engine."""
        scenes, people = (table.read(lambda one: int(one.count_rows())) for table in (self._scenes, self._people))
        return scenes, people

    def labels(self) -> tuple[dict[str, int], int]:
        """See Engine."""

        def read(table: Any) -> tuple[dict[str, int], int]:
            cameras = _column(table, "camera", "camera IS NOT NULL").value_counts().to_pylist()
            found = {one["values"]: int(one["counts"]) for one in cameras}
            return dict(sorted(found.items())), int(table.count_rows("time IS NOT NULL"))

        return self._scenes.read(read)

    def delete_scenes(self, image_ids: Collection[str]) -> None:
        """See Engine."""
        _delete(self._scenes, "image_id", image_ids)

    def delete_people(self, detection_ids: Collection[int]) -> None:
        """See Engine."""
        _delete(self._people, "id", detection_ids)

    def before(self, time: float) -> list[str]:
        """See Engine."""
        condition = lance_rows.below("time", time)
        found: list[str] = self._scenes.read(lambda table: _column(table, "image_id", condition)).to_pylist()
        return found

    def purge(self) -> None:
        """See Engine; files that hold deleted rows are written anew, and old versions go, whoever reads them."""
        self._scenes.purge()
        self._people.purge()

    def tidy(self) -> None:
        """See Engine."""
        self._scenes.tidy()
        self._people.tidy()
        lance_index.tidy(self._people)

    def rebuild(self, kind: IndexKind | None) -> None:
        """See Engine; with "auto" there is an index from ``lance_index.INDEX_FROM`` people on."""
        lance_index.rebuild(self._people, kind)

    def describe(self) -> str:
        """See Engine."""
        return lance_index.facts_of(self._people.latest()).describe()

    def close(self) -> None:
        """See Engine."""
        self._scenes.close()
        self._people.close()


def open_lance(address: str) -> LanceEngine:
    """Return the engine at an address: ``lance://`` and a folder, or ``lance://s3://bucket/prefix``, ``gs://``, ``az://``.

    Keys, region and endpoint of object storage come from the environment, such as AWS_ENDPOINT_URL.

    Raises:
        GalleryError: the address has no place in it, or has keys in it.
    """
    place = address.removeprefix("lance://")
    found = re.match(r"([a-z][a-z0-9+.-]*)://([^/]*)(.*)", place)
    if found is not None and ("@" in found[2] or "?" in place):
        raise GalleryError(
            f"lance://{found[1]}://...: the address of a gallery must hold neither keys nor options; "
            "give them in the environment, such as AWS_ACCESS_KEY_ID (docs/scale.md)"
        )
    if not place.strip("/") or (found is not None and not found[2]):
        raise GalleryError(f"{address}: an address is lance:// and a folder, or lance://s3://bucket/prefix")
    if found is None:
        return LanceEngine(address, str(Path(place).absolute()), {})
    return LanceEngine(address, place.rstrip("/"), _options())


def _options() -> dict[str, str]:
    """Return what Lance does not read from the environment: that an endpoint at http:// is meant so."""
    endpoints = (os.environ.get(f"AWS_ENDPOINT{end}", "") for end in ("_URL_S3", "_URL", ""))
    return {"allow_http": "true"} if any(one.startswith("http://") for one in endpoints) else {}


def _put(table: Table, key: str, rows: pa.Table) -> None:
    """Store rows; those whose key is there already are replaced."""
    # Without an index of the key: merges through one do not notice that another writer stores the same new row.
    # Without Lance's own retries, which do not wait for purges.
    table.write(
        lambda one: (
            one.merge_insert(key)
            .when_matched_update_all()
            .when_not_matched_insert_all()
            .use_index(False)
            .conflict_retries(0)
            .execute(rows)
        )
    )


def _delete(table: Table, key: str, values: Collection[Any]) -> None:
    # A merge rather than a condition, which would be kept in the table's log.
    if values:
        rows = lance_rows.keys(key, list(values), table.latest().schema)
        table.write(
            lambda one: one.merge_insert(key).when_matched_delete().use_index(False).conflict_retries(0).execute(rows)
        )


def _among(
    table: Table, column: str, values: Collection[Any], records: Callable[[pa.Table], list[Record]]
) -> list[Record]:
    """Return the records that have one of these values in a column."""
    listed = list(dict.fromkeys(values))
    if not listed:
        return []

    def read(one: Any) -> list[Record]:
        found: list[Record] = []
        for start in range(0, len(listed), IDS_AT_ONCE):
            condition = lance_rows.among(column, listed[start : start + IDS_AT_ONCE])
            # Late: first the ids alone, then the rest of those who are wanted.
            found += records(one.scanner(filter=condition, late_materialization=True).to_table())
        return found

    return table.read(read)


def _every(
    table: Table,
    records: Callable[[pa.RecordBatch], list[Row]],
    condition: str | None = None,
    columns: list[str] | None = None,
) -> Iterator[list[Row]]:
    scan = {"batch_size": lance_rows.ROWS_AT_ONCE, "filter": condition, "columns": columns}
    batches = iter(table.read(lambda one: one.scanner(**scan).to_batches()))
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except FAULTS as error:
            if is_gone(error):
                raise GalleryError(f"{table.address}: it was tidied up while it was being read; start again") from error
            raise table.fault(error) from error
        yield records(batch)


def _column(table: Any, name: str, condition: str | None) -> Any:
    return table.scanner(columns=[name], filter=condition).to_table().column(name)
