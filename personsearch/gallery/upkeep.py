"""Looking after the index: the cache on the disk, the training of inverted lists, and the check for damage.

Searching uses only the cache, and only when a gallery is opened; see ``view.py``.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personsearch.gallery.cache import Cached, CacheError, CacheNote, has_cache, read_cache, sweep, write_cache
from personsearch.gallery.index import CHUNK, Index, IndexKind, exact_index, faiss_module, half_precision
from personsearch.gallery.ivf import IVF_FROM, IVFIndex, train_ivf
from personsearch.gallery.rows import EMBEDDING, unit
from personsearch.gallery.store import State, Store

logger = logging.getLogger(__name__)

#: The cache is written again when more than this share of the people is not in it.
STALE = 0.1
#: Inverted lists are trained again when the gallery has grown by this factor.
RETRAIN = 2.0
#: How far a vector of the index may be from the database's: half precision rounds.
VECTOR_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Loaded:
    """An index to begin with; empty where there was no usable cache.

    Attributes:
        index: holds the people of the cache, N of them.
        scenes: (N,) int64, row number of each person's scene.
        deletions: the database's count of deletions when the cache was written.
    """

    index: Index
    scenes: NDArray[np.int64]
    deletions: int


class Upkeep:
    """Reads, writes and examines the cached index of a store. Only the gallery's writer may write."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cache_is_bad = False

    @property
    def kind(self) -> IndexKind:
        """The kind of index that the gallery is to have."""
        kinds: dict[str, IndexKind] = {"exact": "exact", "ivf": "ivf"}
        return kinds.get(self._store.meta.get("index", "auto"), "auto")

    def load(self, state: State) -> Loaded:
        """Return the cached index if it is the one that the database names, otherwise an empty index.

        Args:
            state: the database's, from the snapshot in which the index is going to be used.
        """
        note = CacheNote.parse(state.cache)
        if note is None:
            return self.empty(state)
        try:
            cached = read_cache(self._store.path, note)
        except CacheError as error:
            self._cache_is_bad = True
            logger.warning("%s: the cached index is %s; rebuilding it from the database", self._store.path, error)
            return self.empty(state)
        return Loaded(self._index_of(cached, state), cached.images, note.deletions)

    def empty(self, state: State) -> Loaded:
        """Return an empty exact index with room for the people of the database."""
        return Loaded(exact_index(self._store.embedding_size, state.people), np.zeros(0, dtype=np.int64), 0)

    def _index_of(self, cached: Cached, state: State) -> Index:
        dim = self._store.embedding_size
        faiss = faiss_module()
        index: Index
        if cached.centroids is None or faiss is None:
            index = exact_index(dim, state.people)
        else:
            half = half_precision(len(cached.ids), dim)
            index = IVFIndex(faiss, cached.centroids, half=half, nprobe=cached.nprobe, recall=cached.recall)
        for start in range(0, len(cached.ids), CHUNK):
            part = slice(start, start + CHUNK)
            ids, vectors = cached.ids[part], unit(cached.vectors[part])
            if isinstance(index, IVFIndex) and cached.lists is not None:
                index.add_to(ids, vectors, cached.lists[part])
            else:
                index.add(ids, vectors)
        return index

    def is_due(self, state: State) -> bool:
        """Return whether a new cache would spare the next opening work worth the writing."""
        if not state.people:
            return False
        note = CacheNote.parse(state.cache)
        if note is None or self._cache_is_bad or note.deletions != state.deletions:
            return True
        return not has_cache(self._store.path, note) or state.people - note.people > STALE * state.people

    def save(self, index: Index, scenes: NDArray[np.int64], kind: IndexKind | None = None) -> Index:
        """Write the cache, after training inverted lists if they are due.

        Args:
            index: holds all N people of the database.
            scenes: (N,) int64, row number of each person's scene.
            kind: the kind of index that the gallery is to have from now on; None = as before.

        Returns:
            The index to search with from now on: the one given, or the newly trained one.

        Raises:
            GalleryError: ``kind`` is ``"ivf"`` and faiss is not installed.
            OSError: the disk is full or refuses; the cache is as it was.
        """
        index = self._trained_if_due(index, kind or self.kind)
        ivf = index if isinstance(index, IVFIndex) else None
        vectors = np.empty((len(index.ids), self._store.embedding_size), dtype=EMBEDDING)
        start = 0
        for people in self._store.people(0):
            vectors[start : start + len(people)] = self._store.vectors(people)
            start += len(people)
        cached = Cached(
            ids=index.ids,
            images=scenes,
            vectors=vectors,
            centroids=ivf.centroids if ivf else None,
            lists=ivf.lists if ivf else None,
            nprobe=ivf.nprobe if ivf else 0,
            recall=ivf.recall if ivf else 0.0,
        )
        note = write_cache(self._store.path, cached, self._store.state().deletions)
        with self._store.transaction():
            self._store.write_meta("cache", str(note))
            if kind is not None:
                self._store.write_meta("index", kind)
        sweep(self._store.path, keep=note)
        self._cache_is_bad = False
        return index

    def drop_cache(self) -> None:
        """Delete the cache, which holds what is being erased; call inside the transaction that erases."""
        sweep(self._store.path)
        self._store.write_meta("cache", "")

    def _trained_if_due(self, index: Index, kind: IndexKind) -> Index:
        people = len(index.ids)
        wanted = kind == "ivf" or (kind == "auto" and people >= IVF_FROM and faiss_module() is not None)
        if not wanted or (isinstance(index, IVFIndex) and people < RETRAIN * index.trained_for):
            return index
        if people >= IVF_FROM:
            logger.info("%s: training the index for %d people", self._store.path, people)
        exact = index
        if isinstance(index, IVFIndex):
            exact = exact_index(self._store.embedding_size, people)
            for chunk in self._store.people(0):
                exact.add(np.array([person.id for person in chunk]), unit(self._store.vectors(chunk)))
        return train_ivf(exact, self._store.embedding_size) or exact

    def problems(self, index: Index) -> list[str]:
        """Compare an index that is up to date, and the cache, with the database.

        Returns:
            The problems; empty where they agree.

        Raises:
            GalleryCorruptError: a row of the database is damaged.
        """
        position = {int(one): row for row, one in enumerate(index.ids)}
        vectors = np.empty((len(position), self._store.embedding_size), dtype=np.float32)
        for ids, part in index.stored():
            vectors[[position[int(one)] for one in ids]] = part
        start = 0
        for people in self._store.people(0):
            end = start + len(people)
            same = np.allclose(unit(self._store.vectors(people)), vectors[start:end], atol=VECTOR_TOLERANCE)
            if not same or [person.id for person in people] != index.ids[start:end].tolist():
                return ["the index differs from the database; rebuild() repairs it"]
            start = end
        note = CacheNote.parse(self._store.state().cache)
        try:
            if note is not None:
                read_cache(self._store.path, note)
        except CacheError as error:
            return [f"the cached index is {error}; rebuild() repairs it"]
        return []
