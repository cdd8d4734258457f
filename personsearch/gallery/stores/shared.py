"""A gallery in an engine that many machines share: what keeps scenes whole over an engine's two tables.

A scene's row is written after its people and names their content, so that a scene is there with all of its people or
not at all. Erasing and replacing go the other way round: the scene's row first stops naming its people. What a killed
process leaves between two steps is seen by nobody; the same call again, or :meth:`SharedStore.rebuild`, clears it away.
"""

from __future__ import annotations

import json
import time as clock
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace as changed
from typing import TypeVar

import numpy as np

from personsearch.batching import chunks
from personsearch.errors import GalleryCorruptError, GalleryError
from personsearch.gallery.catalogue import Filters, names_of
from personsearch.gallery.index import Ids, IndexKind
from personsearch.gallery.meta import check_format, meta_of, spec_of
from personsearch.gallery.rows import ImageRow, storable, stored_detections, stored_vectors, unit
from personsearch.gallery.searching import Found, Wanted
from personsearch.gallery.stores.engine import Engine, PersonRecord, SceneRecord, Where, content_of, person_records
from personsearch.gallery.stores.protocol import Incoming, Outcome
from personsearch.results import Detections, Floats, Sighting, Spec

Record = TypeVar("Record", SceneRecord, PersonRecord)

#: Of a scene that is being erased: its row is there until its people are gone.
ERASED = bytes(32)
#: Scenes or people that are worked on at a time where it may be all of them.
CHUNK = 10_000
#: The engine is asked whether it wants tidying up after this many writes.
TIDY_AFTER = 64


class SharedStore:
    """The store of a gallery in an engine; see ``SceneStore`` for what is not described here."""

    def __init__(self, engine: Engine, *, write: bool, create: Spec | None) -> None:
        """Open the gallery in an engine.

        Args:
            engine: is closed together with this.
            write: allow writing.
            create: the weights of a new gallery, made if there is none; None = it must exist.
        """
        self.name = engine.address
        self.scenes_at_once = engine.scenes_at_once
        self.writable = write
        self._engine = engine
        self._writes = 0
        meta = engine.meta()
        if meta is None and create is not None:
            engine.create(meta_of(create), create.embedding_size)
            meta = engine.meta()
        if meta is None:
            raise GalleryError(f"{self.name}: there is no gallery here; index some images into it first")
        check_format(self.name, meta)
        try:
            self.spec = spec_of(meta)
        except ValueError as error:
            raise self._corrupt(str(error)) from None
        self.embedding_size = self.spec.embedding_size

    def put(self, scenes: Sequence[Incoming], *, replace: bool) -> list[Outcome]:
        """See SceneStore.

        Where two writers store different content under one name at the same moment, the last one's stays.
        """
        there = self._engine.scenes([scene.row.image_id for scene in scenes])
        outcomes: list[Outcome] = []
        new: list[Incoming] = []
        for scene in scenes:
            old = there.get(scene.row.image_id)
            if old is not None and self._intact(old).digest == scene.row.digest:
                outcomes.append("there")
            elif old is not None and old.digest != ERASED and not replace:
                outcomes.append("differs")
            else:
                outcomes.append("stored")
                new.append(scene)
        if new:
            self._write(new)
            self._delete_other_people({one.row.image_id for one in new if one.row.image_id in there})
        return outcomes

    def _write(self, scenes: Sequence[Incoming]) -> None:
        people = [person_records(scene.row, scene.detections) for scene in scenes]
        self._engine.put_people([one for group in people for one in group])
        added = clock.time_ns()
        self._engine.put_scenes(
            [
                SceneRecord.of(scene.row, _content(scene, group), len(group), added + number)
                for number, (scene, group) in enumerate(zip(scenes, people, strict=True))
            ]
        )
        self._writes += 1
        if self._writes % TIDY_AFTER == 0:
            self._engine.tidy()

    def _delete_other_people(self, image_ids: Collection[str]) -> None:
        """Delete people who were stored with scenes of these ids and belong to them no more."""
        if not image_ids:
            return
        scenes = self._engine.scenes(image_ids)
        people = self._engine.people_in(image_ids)
        gone = [one.id for one in people if not _belongs(one, scenes.get(one.image_id))]
        if gone:
            self._engine.delete_people(gone)
            self._engine.purge()

    def stored(self, image_ids: Collection[str]) -> dict[str, ImageRow]:
        """See SceneStore."""
        return {name: one.row() for name, one in self._scenes(image_ids).items()}

    def _scenes(self, image_ids: Collection[str]) -> dict[str, SceneRecord]:
        found = self._engine.scenes([one for one in image_ids if isinstance(one, str)])
        return {name: self._intact(one) for name, one in found.items() if one.digest != ERASED}

    def people(
        self, detection_ids: Collection[int], rows: Mapping[int, PersonRecord] | None = None
    ) -> dict[int, tuple[PersonRecord, SceneRecord]]:
        """Return the people among these ids who belong to a scene, with it.

        Args:
            detection_ids: of the people.
            rows: of some of them, read before. That they still count, and when and where they were, is the scene's to
                say; the rest of a row never changes.
        """
        rows = rows or {}
        found = {one: rows[one] for one in detection_ids if one in rows}
        found |= self._engine.people([one for one in detection_ids if one not in rows])
        scenes = self._scenes({one.image_id for one in found.values()})
        return {
            number: (self._intact(one), scenes[one.image_id])
            for number, one in found.items()
            if _belongs(one, scenes.get(one.image_id))
        }

    def scenes(self, image_ids: Collection[str]) -> dict[str, Incoming]:
        """See SceneStore."""
        scenes = self._scenes(image_ids)
        return {name: Incoming(scenes[name].row(), found) for name, found in self._detections(scenes).items()}

    def _detections(self, scenes: Mapping[str, SceneRecord]) -> dict[str, Detections]:
        """Return the people of scenes by image_id.

        Raises:
            GalleryCorruptError: a scene lacks some of them.
        """
        people: dict[str, list[PersonRecord]] = {name: [] for name in scenes}
        for one in self._engine.people_in(scenes.keys()):
            if _belongs(one, scenes.get(one.image_id)):
                people[one.image_id].append(self._intact(one))
        found = {}
        for name, scene in scenes.items():
            ranked = sorted(people[name], key=lambda one: one.rank)
            if [one.rank for one in ranked] != list(range(scene.people)):
                raise self._corrupt(f"of scene {name!r} {scene.people} people were stored, and {len(ranked)} are there")
            found[name] = self._stored_detections(scene, ranked)
        return found

    def _stored_detections(self, scene: SceneRecord, people: Sequence[PersonRecord]) -> Detections:
        try:
            return stored_detections(scene.row(), [one.row() for one in people], self.embedding_size)
        except ValueError as error:
            raise self._corrupt(str(error)) from None

    def relabel(self, image_id: str, camera: str | None, time: float | None) -> bool | None:
        """See SceneStore."""
        scene = self._scenes([image_id]).get(image_id)
        if scene is None:
            return None
        camera, time = scene.camera if camera is None else camera, scene.time if time is None else time
        if (camera, time) == (scene.camera, scene.time):
            return False
        people = [one for one in self._engine.people_in([image_id]) if _belongs(one, scene)]
        row = scene.row().labelled(self._detections({image_id: scene})[image_id], camera, time)
        # People keep their ids and content; until the scene's row follows, only filters see the new label.
        self._engine.put_people([changed(one, camera=camera, time=time) for one in people])
        self._engine.put_scenes([SceneRecord.of(row, scene.content, scene.people, scene.added)])
        return True

    def remove(self, image_ids: Collection[str], before: float | None) -> int:
        """See SceneStore."""
        names = {one for one in image_ids if isinstance(one, str)}
        if before is not None:
            names |= set(self._engine.before(before))
        count = 0
        for chunk in chunks(sorted(names), CHUNK):
            scenes = self._engine.scenes(chunk)
            count += sum(one.digest != ERASED for one in scenes.values())
            self._engine.put_scenes([_erased(one) for one in scenes.values()])
            self._engine.delete_people([one.id for one in self._engine.people_in(chunk)])
            self._engine.delete_scenes(scenes.keys())
        if names:
            self._engine.purge()
        return count

    def everything(self) -> Iterator[Incoming]:
        """See SceneStore."""
        for part in self._engine.every_scene():
            for chunk in chunks(part, CHUNK // 10):
                scenes = {one.image_id: self._intact(one) for one in chunk if one.digest != ERASED}
                for name, detections in self._detections(scenes).items():
                    yield Incoming(scenes[name].row(), detections)

    def image_ids(self, prefix: str) -> list[str]:
        """See SceneStore; as far as the clocks of the machines agree that added them."""
        if not storable(prefix):
            return []
        found = [
            (one.added, one.image_id)
            for part in self._engine.every_scene(prefix)
            for one in part
            if one.digest != ERASED
        ]
        return [name for _, name in sorted(found)]

    def counts(self) -> tuple[int, int]:
        """See SceneStore; what a killed process left half stored counts too, until it is cleared away."""
        return self._engine.counts()

    def labels(self) -> tuple[dict[str, int], int]:
        """See SceneStore."""
        return self._engine.labels()

    def note(self, prefix: str, content: bytes) -> None:
        """See SceneStore; engines keep no notes, which only spare work."""

    def noted(self, prefix: str) -> bytes | None:
        """See SceneStore."""
        return None

    @contextmanager
    def candidates(self, wanted: Wanted) -> Iterator[SharedCandidates]:
        """See SceneStore."""
        yield SharedCandidates(self, self._engine, wanted)

    def sightings(self, detection_ids: Collection[int]) -> dict[int, Sighting]:
        """See SceneStore."""
        return {number: _sighting(*one) for number, one in self.people(detection_ids).items()}

    def embeddings(self, detection_ids: Collection[int]) -> dict[int, Floats]:
        """See SceneStore."""
        found = self.people(detection_ids)
        return dict(zip(found, self.vectors([one for one, _ in found.values()]), strict=True))

    def vectors(self, people: Sequence[PersonRecord]) -> Floats:
        """Return the embeddings (N, D) of stored people, unit length."""
        try:
            return unit(stored_vectors([one.embedding for one in people], self.embedding_size))
        except ValueError as error:
            raise self._corrupt(str(error)) from None

    def describe(self) -> str:
        """See SceneStore."""
        return self._engine.describe()

    def rebuild(self, index: IndexKind | None) -> str:
        """See SceneStore; also clears away what killed processes left, so nobody should write meanwhile."""
        if self.writable:
            contents: dict[str, int | None] = {}
            wanted = 0
            for part in self._engine.every_scene():
                contents |= {one.image_id: None if one.digest == ERASED else one.content for one in part}
                wanted += sum(one.people for one in part)
            erased = [name for name, content in contents.items() if content is None]
            people: list[int] = []
            if self._engine.counts()[1] != wanted:  # else nobody is left over, and asking all takes minutes
                people = [
                    number
                    for part in self._engine.every_owner()
                    for number, name, content in part
                    if contents.get(name) != content
                ]
            if erased or people:
                self._engine.delete_people(people)
                self._engine.delete_scenes(erased)
                self._engine.purge()
            self._engine.rebuild(index)
        return self.describe()

    def check(self) -> list[str]:
        """See SceneStore."""
        try:
            scenes = {
                one.image_id: (self._intact(one).content, one.people)
                for part in self._engine.every_scene()
                for one in part
                if one.digest != ERASED
            }
            there = dict.fromkeys(scenes, 0)
            for part in self._engine.every_person():
                for person in part:
                    if person.content == scenes.get(person.image_id, (None, 0))[0]:
                        there[self._intact(person).image_id] += 1
        except GalleryCorruptError as error:
            return [str(error)]
        lacking = [name for name, (_, people) in scenes.items() if there[name] != people]
        return [f"scene {name!r} has {there[name]} of its {scenes[name][1]} people" for name in lacking]

    def close(self, *, save: bool) -> None:
        """See SceneStore."""
        try:
            if save and self.writable and self._writes:
                self._engine.tidy()
        finally:
            self._engine.close()

    def _intact(self, record: Record) -> Record:
        if not record.intact:
            what = f"scene {record.image_id!r}" if isinstance(record, SceneRecord) else f"person {record.id}"
            raise self._corrupt(f"{what} differs from what was stored")
        return record

    def _corrupt(self, what: str) -> GalleryCorruptError:
        return GalleryCorruptError(
            f"{self.name}: damaged ({what}). Restore a backup, or remove the scene and index it again"
        )


class SharedCandidates:
    """Those among whom a search of an engine ranks; see ``Candidates``."""

    def __init__(self, store: SharedStore, engine: Engine, wanted: Wanted) -> None:
        if wanted.camera_bias:
            raise GalleryError(
                f"{store.name}: camera_bias can only be taken out in a gallery in a folder; leave it out"
            )
        if wanted.one_per_track or wanted.exclude_tracks:
            raise GalleryError(
                f"{store.name}: only a gallery in a folder has tracks; leave one_per_track and exclude_tracks out"
            )
        self.name = store.name
        self.margin = engine.margin
        self._store = store
        self._engine = engine
        self._known: dict[int, tuple[PersonRecord, SceneRecord]] = {}
        self._rows: dict[int, PersonRecord] = {}
        filters = wanted.filters
        plain = Filters(
            cameras=None if filters.cameras is None else names_of(filters.cameras),
            since=filters.since,
            until=filters.until,
            exclude_images=names_of(filters.exclude_images or ()),
        )
        where = Where(filters=plain, exclude={*wanted.exclude_detections, *wanted.unlike})
        self._parts = [where]
        if wanted.per_camera:
            self._parts = [changed(where, only_camera=(camera,)) for camera in engine.cameras(where)]

    @property
    def parts(self) -> Sequence[Where]:
        """See Candidates."""
        return self._parts

    def nearest(self, queries: Floats, count: int, part: Where) -> tuple[Ids, Floats]:
        """See Candidates; also returns people whom a killed writer left, and :meth:`found` does not know them."""
        near = self._engine.nearest(queries, count, part)
        self._rows |= {one.id: one for one in near.people}
        return near.ids, near.similarities

    def found(self, ids: Sequence[int]) -> Found:
        """See Candidates."""
        self._known |= self._store.people([one for one in ids if one not in self._known], self._rows)
        there = [one for one in ids if one in self._known]
        vectors = self._store.vectors([self._known[one][0] for one in there])
        return Found(there, vectors.astype(np.float64), [self._known[one][1].image_id for one in there])

    def tracks(self, ids: Sequence[int]) -> Mapping[int, int]:
        """See Candidates."""
        return {}

    def sightings(self, ids: Collection[int]) -> Mapping[int, Sighting]:
        """See Candidates."""
        return {number: _sighting(*self._known[number]) for number in ids}

    def unbiased(self, queries: Floats, camera: str | None) -> Floats:
        """See Candidates."""
        return queries


def _content(scene: Incoming, people: Sequence[PersonRecord]) -> int:
    return people[0].content if people else content_of(scene.detections)


def _belongs(person: PersonRecord, scene: SceneRecord | None) -> bool:
    return scene is not None and scene.digest != ERASED and person.content == scene.content


def _erased(scene: SceneRecord) -> SceneRecord:
    """Return the row of a scene from which on nobody sees it."""
    row = ImageRow(0, scene.image_id, None, scene.time, scene.width, scene.height, "{}", ERASED)
    return SceneRecord.of(row, 0, 0, scene.added)


def _sighting(person: PersonRecord, scene: SceneRecord) -> Sighting:
    return Sighting(
        detection_id=person.id,
        image_id=scene.image_id,
        box=person.box,
        score=person.score,
        camera=scene.camera,
        time=scene.time,
        extra=json.loads(scene.extra),
        track=None,
        person_id=None,
        person_name=None,
    )
