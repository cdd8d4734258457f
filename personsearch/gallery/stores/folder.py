"""A gallery in a folder: SQLite is the truth, FAISS or numpy searches, one process writes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
from filelock import FileLock

from personsearch.errors import GalleryCorruptError, GalleryError
from personsearch.gallery.cameras import Correction
from personsearch.gallery.faults import damaged
from personsearch.gallery.index import Ids, IndexKind, Mask
from personsearch.gallery.people.decisions import check_decisions
from personsearch.gallery.rows import ImageRow, stored_detections, unit
from personsearch.gallery.searching import Found, Wanted
from personsearch.gallery.sightings import sightings
from personsearch.gallery.store import Store
from personsearch.gallery.stores.protocol import Incoming, Outcome
from personsearch.gallery.track_rows import all_tracks, find_tracks, tracks_of
from personsearch.gallery.upkeep import Upkeep
from personsearch.gallery.view import View
from personsearch.results import Detections, Floats, Sighting, Spec

logger = logging.getLogger(__name__)

#: Scenes that are read at once when all are.
SCENES_AT_ONCE = 500


class FolderStore:
    """The store of a gallery in a folder; see ``SceneStore`` for what is not described here.

    Attributes:
        database: SQLite, which also holds tracks and people.
    """

    scenes_at_once = 1  # each is acknowledged on its own

    def __init__(self, database: Store, lock: FileLock | None) -> None:
        self.database = database
        self.name = str(database.path)
        self.embedding_size = database.embedding_size
        self._lock = lock  # None for a reader
        self._upkeep = Upkeep(database)
        self.view = View(database, self._upkeep)

    @property
    def spec(self) -> Spec:
        """See SceneStore."""
        return self.database.spec

    @property
    def writable(self) -> bool:
        """See SceneStore."""
        return self._lock is not None

    def put(self, scenes: Sequence[Incoming], *, replace: bool) -> list[Outcome]:
        """See SceneStore; one transaction for all of them."""
        outcomes: list[Outcome] = []
        with self.database.transaction():
            for scene in scenes:
                digest = self.database.digest(scene.row.image_id)
                if digest == scene.row.digest:
                    outcomes.append("there")
                    continue
                if digest is not None:
                    if not replace:
                        outcomes.append("differs")
                        continue
                    self._drop_cache()
                    self.database.delete([scene.row.image_id])
                people = scene.detections
                self.database.insert(scene.row, people.boxes, people.scores, people.embeddings)
                outcomes.append("stored")
        return outcomes

    def stored(self, image_ids: Collection[str]) -> dict[str, ImageRow]:
        """See SceneStore."""
        found = (self.database.image(image_id) for image_id in image_ids)
        return {row.image_id: row for row in found if row is not None}

    def scenes(self, image_ids: Collection[str]) -> dict[str, Incoming]:
        """See SceneStore."""
        with self.database.snapshot():
            return {name: Incoming(row, self._detections(row)) for name, row in self.stored(image_ids).items()}

    def _detections(self, row: ImageRow) -> Detections:
        try:
            return stored_detections(row, self.database.people_of(row), self.embedding_size)
        except ValueError as error:
            raise GalleryCorruptError(damaged(self.database.path, str(error))) from None

    def relabel(self, image_id: str, camera: str | None, time: float | None) -> bool | None:
        """See SceneStore."""
        with self.database.transaction():
            row = self.database.image(image_id)
            if row is None:
                return None
            camera, time = row.camera if camera is None else camera, row.time if time is None else time
            if (camera, time) == (row.camera, row.time):
                return False
            self.database.label(row.labelled(self._detections(row), camera, time))
        return True

    def remove(self, image_ids: Collection[str], before: float | None) -> int:
        """See SceneStore."""

        def erase() -> int:
            count = self.database.delete(list(image_ids)) if image_ids else 0
            return count if before is None else count + self.database.delete_before(before)

        return self.erase(erase)

    def erase(self, erase: Callable[[], int]) -> int:
        """Erase in a transaction, so that afterwards it is in no file of the gallery; return how much that was."""
        with self.database.transaction():
            count = erase()
            if count:
                self._drop_cache()
        if count and not self.database.truncate_log():
            logger.warning(
                "%s: a reader is still searching; the erased rows stay in the write-ahead log until the gallery is "
                "closed after that search",
                self.name,
            )
        return count

    def _drop_cache(self) -> None:
        """Delete the cache; what is in it goes on in memory, or inverted lists would have to be trained again."""
        self.view.load()
        self._upkeep.drop_cache()

    def everything(self) -> Iterator[Incoming]:
        """See SceneStore; in the order they were added."""
        last = 0
        while True:
            with self.database.snapshot():  # a short one each, so that others may read in between
                rows = self.database.find_images("WHERE id > ? ORDER BY id LIMIT ?", (last, SCENES_AT_ONCE))
                scenes = [Incoming(row, self._detections(row)) for row in rows]
            if not scenes:
                return
            yield from scenes
            last = scenes[-1].row.id

    def image_ids(self, prefix: str) -> list[str]:
        """See SceneStore."""
        return self.database.image_ids(prefix)

    def counts(self) -> tuple[int, int]:
        """See SceneStore."""
        state = self.database.state()
        return state.images, state.people

    def labels(self) -> tuple[dict[str, int], int]:
        """See SceneStore."""
        return self.database.labels()

    def note(self, prefix: str, content: bytes) -> None:
        """See SceneStore; it is never forgotten."""
        with self.database.transaction():
            self.database.note(prefix, content)

    def noted(self, prefix: str) -> bytes | None:
        """See SceneStore."""
        return self.database.noted(prefix)

    @contextmanager
    def candidates(self, wanted: Wanted) -> Iterator[FolderCandidates]:
        """See SceneStore."""
        with self.database.snapshot():
            yield FolderCandidates(self.database, self.view, wanted)

    def sightings(self, detection_ids: Collection[int]) -> dict[int, Sighting]:
        """See SceneStore."""
        with self.database.snapshot():
            return sightings(self.database, detection_ids)

    def embeddings(self, detection_ids: Collection[int]) -> dict[int, Floats]:
        """See SceneStore."""
        found = self.database.find_people(detection_ids)
        vectors = unit(self.database.vectors([person for person, _ in found.values()]))
        return dict(zip(found, vectors, strict=True))

    def describe(self) -> str:
        """See SceneStore."""
        with self.database.snapshot():
            return self.view.refresh().describe()

    def rebuild(self, index: IndexKind | None) -> str:
        """See SceneStore; a reader loads the index again."""
        if self._lock is None:
            self.view = View(self.database, self._upkeep)
        else:
            self.view.start(self._upkeep.empty(self.database.state()))
            self._write_cache(index)
        return self.describe()

    def check(self) -> list[str]:
        """See SceneStore."""
        with self.database.snapshot():
            try:
                return self._problems()
            except GalleryCorruptError as error:
                return [str(error)]

    def _problems(self) -> list[str]:
        problems = self.database.problems()
        if not problems:
            all_tracks(self.database)  # what is said of people is checked as it is read
            check_decisions(self.database)
        return problems or self._upkeep.problems(self.view.refresh())

    def close(self, *, save: bool) -> None:
        """See SceneStore; a writer lets others write, and leaves a cache of the index where it pays."""
        try:
            if self._lock is not None and save:
                self._save_cache()
        finally:
            self.database.close()
            self.view = View(self.database, self._upkeep)  # the index may be most of the memory
            if self._lock is not None:
                self._lock.release()
                self._lock = None

    def _save_cache(self) -> None:
        try:
            self.database.truncate_log()
            if self._upkeep.is_due(self.database.state()):
                self._write_cache()
        except (OSError, GalleryError) as error:  # only time is lost; damage is reported when the database is used
            logger.warning("%s: the index was not cached (%s); the next opening takes longer", self.name, error)

    def _write_cache(self, kind: IndexKind | None = None) -> None:
        index = self.view.refresh()
        self.view.index = self._upkeep.save(index, self.view.catalogue.scene_of.array, kind)


class FolderCandidates:
    """Those among whom a search of a folder ranks, in one snapshot of its database; see ``Candidates``."""

    def __init__(self, database: Store, view: View, wanted: Wanted) -> None:
        self.name = str(database.path)
        self._database = database
        self._index = view.refresh()
        self._correction = _correction(view, wanted)
        if self._correction is not None:
            self._index = self._correction.index
        self.margin = self._index.margin
        allowed = view.allowed(wanted.filters, _excluded(database, wanted))
        self._parts: list[Mask | None] = [*view.by_camera(allowed)] if wanted.per_camera else [allowed]

    @property
    def parts(self) -> Sequence[Mask | None]:
        """See Candidates: which rows of the index are of a part, (N,); None = all."""
        return self._parts

    def nearest(self, queries: Floats, count: int, part: Mask | None) -> tuple[Ids, Floats]:
        """See Candidates."""
        return self._index.search(queries, count, part)

    def found(self, ids: Sequence[int]) -> Found:
        """See Candidates."""
        stored = self._database.find_people(ids)
        there = [one for one in ids if one in stored]
        if len(there) < len(ids):
            lost = np.setdiff1d(ids, there)
            if np.isin(lost, self._index.ids).any():
                missing = f"person {lost[np.isin(lost, self._index.ids)][0]} is missing"
                raise GalleryCorruptError(damaged(self._database.path, missing))
        people = [stored[one] for one in there]
        vectors = unit(self._database.vectors([person for person, _ in people])).astype(np.float64)
        if self._correction is not None:
            vectors = self._correction.apply(vectors, [scene.camera for _, scene in people])
        return Found(there, vectors, [scene.id for _, scene in people])

    def tracks(self, ids: Sequence[int]) -> Mapping[int, int]:
        """See Candidates."""
        return {number: track.track_id for number, track in tracks_of(self._database, ids).items()}

    def sightings(self, ids: Collection[int]) -> Mapping[int, Sighting]:
        """See Candidates."""
        return sightings(self._database, ids)

    def unbiased(self, queries: Floats, camera: str | None) -> Floats:
        """See Candidates."""
        if self._correction is None:
            return queries
        return self._correction.apply(queries, [camera] * len(queries)).astype(np.float32)


def _correction(view: View, wanted: Wanted) -> Correction | None:
    """Return the gallery without camera bias; None where that is not asked for."""
    if not wanted.camera_bias:
        return None
    found = view.corrected(wanted.camera_bias)
    found.require(wanted.query_camera)
    return found


def _excluded(database: Store, wanted: Wanted) -> set[int]:
    """Return the detection_ids to leave out."""
    tracks = [*find_tracks(database, wanted.exclude_tracks).values()] if wanted.exclude_tracks else []
    tracks += tracks_of(database, wanted.unlike).values() if wanted.unlike else []
    listed = (*wanted.exclude_detections, *wanted.unlike)
    return {*listed, *(row for track in tracks for row in track.detection_ids)}
