"""An engine in the memory of a test, which can be told to fail at any of its writes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from personsearch.gallery.index import IndexKind, NumpyIndex
from personsearch.gallery.rows import stored_vectors, unit
from personsearch.gallery.stores.engine import Near, PersonRecord, SceneRecord, Where


class KilledError(Exception):
    """The process ends here."""


class MemoryEngine:
    """What ``Engine`` says, word for word, over two dicts."""

    address = "memory://test"
    margin = 1e-5
    scenes_at_once = 4

    def __init__(self) -> None:
        self.facts: dict[str, str] | None = None
        self.scene_rows: dict[str, SceneRecord] = {}
        self.person_rows: dict[int, PersonRecord] = {}
        self.writes_left: int | None = None
        self.half = False  # the last write before the end is done in part, where an engine may do so
        self.tidied = 0
        self.kind: IndexKind = "auto"

    def _write(self) -> None:
        if self.writes_left is not None:
            self.writes_left -= 1
            if self.writes_left < 0:
                raise KilledError

    def meta(self) -> dict[str, str] | None:
        return self.facts

    def create(self, meta: Mapping[str, str], embedding_size: int) -> None:
        self._write()
        self.facts = dict(meta)

    def put_people(self, people: Sequence[PersonRecord]) -> None:
        rows = {one.id: one for one in people}
        try:
            self._write()
        except KilledError:
            if self.half:
                self.person_rows |= dict(list(rows.items())[: len(rows) // 2])
            raise
        self.person_rows |= rows

    def put_scenes(self, scenes: Sequence[SceneRecord]) -> None:
        self._write()
        self.scene_rows |= {one.image_id: one for one in scenes}

    def scenes(self, image_ids: Collection[str]) -> dict[str, SceneRecord]:
        return {one: self.scene_rows[one] for one in image_ids if one in self.scene_rows}

    def people(self, detection_ids: Collection[int]) -> dict[int, PersonRecord]:
        return {one: self.person_rows[one] for one in detection_ids if one in self.person_rows}

    def people_in(self, image_ids: Collection[str]) -> list[PersonRecord]:
        wanted = set(image_ids)
        return [one for one in self.person_rows.values() if one.image_id in wanted]

    def every_scene(self, prefix: str = "") -> Iterator[list[SceneRecord]]:
        yield [one for one in self.scene_rows.values() if one.image_id.startswith(prefix)]

    def every_person(self) -> Iterator[list[PersonRecord]]:
        rows = list(self.person_rows.values())
        yield rows[::2]
        yield rows[1::2]

    def every_owner(self) -> Iterator[list[tuple[int, str, int]]]:
        yield [(one.id, one.image_id, one.content) for one in self.person_rows.values()]

    def nearest(self, queries: np.ndarray, count: int, where: Where) -> Near:
        people = sorted((one for one in self.person_rows.values() if _passes(one, where)), key=lambda one: one.id)
        index = NumpyIndex(queries.shape[1])
        vectors = stored_vectors([one.embedding for one in people], queries.shape[1])
        index.add(np.array([one.id for one in people], np.int64), unit(vectors))
        return Near(*index.search(queries, count), people[::2])  # the others are asked for

    def cameras(self, where: Where) -> list[str | None]:
        return list({one.camera: None for one in self.person_rows.values() if _passes(one, where)})

    def counts(self) -> tuple[int, int]:
        return len(self.scene_rows), len(self.person_rows)

    def labels(self) -> tuple[dict[str, int], int]:
        cameras = sorted(one.camera for one in self.scene_rows.values() if one.camera is not None)
        timed = sum(one.time is not None for one in self.scene_rows.values())
        return {one: cameras.count(one) for one in cameras}, timed

    def delete_scenes(self, image_ids: Collection[str]) -> None:
        self._write()
        for one in list(image_ids):
            self.scene_rows.pop(one, None)

    def delete_people(self, detection_ids: Collection[int]) -> None:
        self._write()
        for one in list(detection_ids):
            self.person_rows.pop(one, None)

    def before(self, time: float) -> list[str]:
        return [one.image_id for one in self.scene_rows.values() if one.time is not None and one.time < time]

    def purge(self) -> None:
        self._write()

    def tidy(self) -> None:
        self.tidied += 1

    def rebuild(self, kind: IndexKind | None) -> None:
        self.kind = kind or self.kind

    def describe(self) -> str:
        return f"{self.kind}, memory"

    def close(self) -> None:
        pass


def _passes(one: PersonRecord, where: Where) -> bool:
    filters = where.filters
    return (
        one.id not in where.exclude
        and (where.only_camera is None or one.camera == where.only_camera[0])
        and (filters.cameras is None or one.camera in filters.cameras)
        and (filters.since is None or (one.time is not None and one.time >= filters.since))
        and (filters.until is None or (one.time is not None and one.time <= filters.until))
        and one.image_id not in (filters.exclude_images or ())
    )
