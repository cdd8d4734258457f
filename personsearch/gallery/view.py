"""What is held in memory of a gallery to search it, kept up with the database."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from personsearch.errors import GalleryCorruptError
from personsearch.gallery.cache import Cached, CacheError, CacheNote, has_cache, read_cache, sweep, write_cache
from personsearch.gallery.catalogue import Catalogue, Filters
from personsearch.gallery.index import CHUNK, Index, IndexKind, exact_index, faiss_module, half_precision
from personsearch.gallery.ivf import IVF_FROM, IVFIndex, train_ivf
from personsearch.gallery.rows import EMBEDDING, ImageRow, PersonRow, stored_vectors, unit
from personsearch.gallery.store import State, Store, damaged
from personsearch.results import Floats, Match

logger = logging.getLogger(__name__)

#: Candidates asked for beyond k, so that ties at the border are mostly settled at once.
SPARE = 8
#: The cache is written anew when this share of the people is not in it.
STALE = 0.1
#: Inverted lists are trained anew when the gallery has grown by this factor.
RETRAIN = 2.0


class View:
    """Index and catalogue of a store. Call :meth:`refresh` and what reads the store inside ``store.snapshot()``."""

    def __init__(self, path: Path, store: Store, dim: int) -> None:
        self._path = path
        self._store = store
        self._dim = dim
        self._cache_was_bad = False
        self._forget()

    def _forget(self) -> None:
        self.index: Index | None = None
        self._catalogue = Catalogue()
        self._deletions = 0
        self._trained_for = 0

    @property
    def kind(self) -> IndexKind:
        """The kind of index that the gallery is to have."""
        kinds: dict[str, IndexKind] = {"exact": "exact", "ivf": "ivf"}
        return kinds.get(self._store.meta.get("index", "auto"), "auto")

    def refresh(self) -> Index:
        """Bring index and catalogue up to the database, and return the index."""
        state = self._store.state()
        if self.index is None:
            self._load(state)
        index = self.index
        if index is None:
            raise RuntimeError("no index was loaded")
        if state.deletions != self._deletions:
            self._drop_erased(index)
            self._deletions = state.deletions
        if state.last_image > self._catalogue.last_image:
            for scene in self._store.images(self._catalogue.last_image):
                self._catalogue.add(scene)
            for chunk in self._store.people(int(index.ids[-1]) if len(index.ids) else 0):
                self._add(index, chunk)
                self._catalogue.scene_of.extend(np.array([person.image for person in chunk]))
        found = (len(self._catalogue), len(index.ids))
        if found != (state.images, state.people):
            what = f"{state.images} scenes with {state.people} people were stored, {found[0]} with {found[1]} are found"
            raise GalleryCorruptError(damaged(self._path, what))
        return index

    def _drop_erased(self, index: Index) -> None:
        wanted = np.isin(index.ids, self._store.ids("person"))
        self._catalogue.keep(self._store.ids("image"))
        if not wanted.all():
            index.keep(wanted)
            self._catalogue.scene_of.keep(wanted)

    def _load(self, state: State) -> None:
        """Take the cache if it is what the database says, else begin with nothing."""
        self._forget()
        self.index = exact_index(self._dim, state.people)
        note = CacheNote.parse(state.cache)
        if note is None:
            return
        try:
            cached = read_cache(self._path, note)
        except CacheError as error:
            self._cache_was_bad = True
            logger.warning("%s: the cached index is %s; rebuilding it from the database", self._path, error)
            return
        self._deletions = note.deletions
        self._catalogue.scene_of.extend(cached.images)
        faiss = faiss_module()
        if cached.centroids is not None and faiss is not None:
            half = half_precision(len(cached.ids), self._dim)
            self.index = IVFIndex(faiss, cached.centroids, half=half, nprobe=cached.nprobe, recall=cached.recall)
            self._trained_for = len(cached.ids)
        for start in range(0, len(cached.ids), CHUNK):
            part = slice(start, start + CHUNK)
            ids, vectors = cached.ids[part], unit(cached.vectors[part])
            if isinstance(self.index, IVFIndex) and cached.lists is not None:
                self.index.add_to(ids, vectors, cached.lists[part])
            else:
                self.index.add(ids, vectors)

    def search(
        self, queries: Floats, k: int, filters: Filters, min_similarity: float | None, one_per_image: bool
    ) -> list[list[Match]]:
        """Return the matches of each query (Q, D); see ``Gallery.search_batch``."""
        index = self.refresh()
        allowed = self._catalogue.allowed(filters)
        results: list[list[Match]] = [[] for _ in queries]
        pending = list(range(len(queries)))
        wanted = k + SPARE
        while pending:
            ids, similarities = index.search(queries[pending], wanted, allowed)
            known = self._store.find_people(np.unique(ids[ids >= 0]).tolist())
            unsettled = []
            for number, row_ids, row_similarities in zip(pending, ids, similarities, strict=True):
                found = row_ids[row_ids >= 0].tolist()
                results[number] = self._ranked(queries[number], found, known, min_similarity, one_per_image)
                if len(found) < wanted:
                    continue  # everybody was looked at
                # Nobody who was not returned can be more similar than this.
                reach = float(row_similarities[-1]) + index.margin
                full = len(results[number]) >= k and results[number][k - 1].similarity > reach
                if not full and (min_similarity is None or reach >= min_similarity):
                    unsettled.append(number)
            pending = unsettled
            wanted *= 4
        return [matches[:k] for matches in results]

    def _ranked(
        self,
        query: Floats,
        ids: list[int],
        known: dict[int, tuple[PersonRow, ImageRow]],
        min_similarity: float | None,
        one_per_image: bool,
    ) -> list[Match]:
        """Return candidates with their true similarity, in order."""
        try:
            people = [known[one] for one in ids]
        except KeyError as error:
            raise GalleryCorruptError(damaged(self._path, f"person {error} cannot be found")) from None
        # In double precision, so that the same person has the same similarity whatever comes along.
        vectors = unit(self._vectors([person for person, _ in people])).astype(np.float64)
        similarities = (vectors @ query.astype(np.float64)).astype(np.float32)
        order = np.lexsort((np.array(ids), -similarities))
        matches: list[Match] = []
        seen: set[str] = set()
        for row in order.tolist():
            person, scene = people[row]
            similarity = float(similarities[row])
            if min_similarity is not None and similarity < min_similarity:
                break
            if one_per_image and scene.image_id in seen:
                continue
            seen.add(scene.image_id)
            matches.append(_match(person, scene, similarity))
        return matches

    def save(self, *, force: bool = False, kind: IndexKind | None = None) -> None:
        """Write the cache where the one on the disk lacks much, or in any case; for the writer only.

        Raises:
            GalleryError: ``kind`` is ``"ivf"`` and faiss is not installed.
        """
        state = self._store.state()
        if not force and (not state.people or self._is_fresh(state)):
            return
        if force:
            self._forget()
            self.index = exact_index(self._dim, state.people)
        index = self._train_if_due(self.refresh(), kind or self.kind, state.people)
        ivf = index if isinstance(index, IVFIndex) else None
        vectors = np.empty((len(index.ids), self._dim), dtype=EMBEDDING)
        start = 0
        for chunk in self._store.people(0):
            vectors[start : start + len(chunk)] = self._vectors(chunk)
            start += len(chunk)
        cached = Cached(
            ids=index.ids,
            images=self._catalogue.scene_of.array,
            vectors=vectors,
            centroids=ivf.centroids if ivf else None,
            lists=ivf.lists if ivf else None,
            nprobe=ivf.nprobe if ivf else 0,
            recall=ivf.recall if ivf else 0.0,
        )
        note = write_cache(self._path, cached, state.deletions)
        with self._store.transaction():
            self._store.write_meta("cache", str(note))
            if kind is not None:
                self._store.write_meta("index", kind)
        sweep(self._path, keep=note)

    def _is_fresh(self, state: State) -> bool:
        """Return whether the cache on the disk spares the next opening most of the work."""
        note = CacheNote.parse(state.cache)
        if note is None or self._cache_was_bad or note.deletions != state.deletions or not has_cache(self._path, note):
            return False
        return state.people - note.people <= STALE * state.people

    def drop_cache(self) -> None:
        """Delete the cache, which holds what is being erased; call inside the transaction that erases."""
        sweep(self._path)
        self._store.write_meta("cache", "")

    def _train_if_due(self, index: Index, kind: IndexKind, people: int) -> Index:
        wanted = kind == "ivf" or (kind == "auto" and people >= IVF_FROM and faiss_module() is not None)
        if not wanted:
            return index
        if isinstance(index, IVFIndex) and people < RETRAIN * self._trained_for:
            return index
        if people >= IVF_FROM:
            logger.info("%s: training the index for %d people", self._path, people)
        exact = index
        if isinstance(index, IVFIndex):
            exact = exact_index(self._dim, people)
            for chunk in self._store.people(0):
                self._add(exact, chunk)
        self.index = train_ivf(exact, self._dim) or exact
        self._trained_for = people
        return self.index

    def problems(self) -> list[str]:
        """Compare index and database; nothing when they agree."""
        index = self.refresh()
        rows = {int(one): row for row, one in enumerate(index.ids)}
        vectors = np.empty((len(rows), self._dim), dtype=np.float32)
        for ids, part in index.stored():
            vectors[[rows[int(one)] for one in ids]] = part
        start = 0
        for chunk in self._store.people(0):
            same = np.allclose(unit(self._vectors(chunk)), vectors[start : start + len(chunk)], atol=1e-3)
            if not same or [person.id for person in chunk] != index.ids[start : start + len(chunk)].tolist():
                return ["the index differs from the database; rebuild() mends it"]
            start += len(chunk)
        note = CacheNote.parse(self._store.state().cache)
        try:
            if note is not None:
                read_cache(self._path, note)
        except CacheError as error:
            return [f"the cached index is {error}; rebuild() mends it"]
        return []

    def _add(self, index: Index, people: list[PersonRow]) -> None:
        index.add(np.array([person.id for person in people]), unit(self._vectors(people)))

    def _vectors(self, people: list[PersonRow]) -> NDArray[np.float16]:
        try:
            return stored_vectors([person.embedding for person in people], self._dim)
        except ValueError as error:
            raise GalleryCorruptError(damaged(self._path, str(error))) from None


def _match(person: PersonRow, scene: ImageRow, similarity: float) -> Match:
    x1, y1, x2, y2 = person.box
    return Match(
        detection_id=person.id,
        image_id=scene.image_id,
        box=(x1, y1, x2, y2),
        similarity=similarity,
        score=person.score,
        camera=scene.camera,
        time=scene.time,
        extra=json.loads(scene.extra),
    )
