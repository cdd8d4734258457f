"""Inverted lists (IVF): search only the nearest lists, for galleries too big to compare with everybody."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personsearch.errors import GalleryError
from personsearch.gallery.growing import GrowingArray
from personsearch.gallery.index import (
    Ids,
    Index,
    Mask,
    faiss_module,
    half_precision,
    no_neighbours,
    one_thread,
    selector,
)
from personsearch.results import Floats

logger = logging.getLogger(__name__)

#: From this many people on, ``auto`` is inverted lists instead of exact search.
IVF_FROM = 200_000

#: recall@10 that inverted lists must reach, compared with exact search for the gallery's own rows.
RECALL = 0.98
RECALL_QUERIES = 200
#: The probed lists must hold this many times as many people as are wanted.
PROBED_PER_WANTED = 10
TRAINING_PER_LIST = 64
#: FAISS wants at least this many points per list.
LEAST_PER_LIST = 39
#: With fewer lists than this, exact search is as good.
LEAST_LISTS = 4
#: Lists of a gallery in a folder, per square root of its people; engines, which make theirs more slowly, get fewer.
LISTS_PER_ROOT = 4.0
LISTS_PER_ROOT_IN_ENGINES = 0.5


class IVFIndex:
    """Inverted lists in FAISS: the lists nearest to the query are searched, the others skipped.

    A filtered search probes all lists and is exact. The index keeps the list of each row, so that a cache can hold
    plain arrays.

    Attributes:
        centroids: (L, D) float32, the centre of each list.
        num_lists: number of lists, L.
        nprobe: how many lists a search probes.
        recall: recall@10 measured with ``nprobe``, 0..1.
    """

    def __init__(self, faiss: Any, centroids: Floats, *, half: bool, nprobe: int = 1, recall: float = 0.0) -> None:
        self._faiss = faiss
        self._half = half
        self.nprobe = nprobe
        self.recall = recall
        self.margin = 1e-3 if half else 1e-5
        self.centroids = centroids
        self.num_lists, dim = centroids.shape
        self._quantizer = faiss.IndexFlatIP(dim)
        self._quantizer.add(np.ascontiguousarray(centroids))
        metric = faiss.METRIC_INNER_PRODUCT
        if half:
            codes = faiss.ScalarQuantizer.QT_fp16
            self._ivf = faiss.IndexIVFScalarQuantizer(self._quantizer, dim, self.num_lists, codes, metric, False)
        else:
            self._ivf = faiss.IndexIVFFlat(self._quantizer, dim, self.num_lists, metric)
        self._ivf.is_trained = True
        self._ids = GrowingArray(np.int64)
        self._lists = GrowingArray(np.int32)

    @property
    def ids(self) -> Ids:
        """Return the ids in the index."""
        return self._ids.array

    @property
    def lists(self) -> NDArray[np.int32]:
        """Return the list that each row is in, (N,) int32."""
        return self._lists.array

    @property
    def trained_for(self) -> float:
        """About how many people there were when the lists were trained: the inverse of :func:`lists_for`."""
        return float(max((self.num_lists / LISTS_PER_ROOT) ** 2, self.num_lists * LEAST_PER_LIST))

    def add(self, ids: Ids, vectors: Floats) -> None:
        """See Index."""
        if len(ids):
            self.add_to(ids, vectors, self._quantizer.search(np.ascontiguousarray(vectors), 1)[1][:, 0])

    def add_to(self, ids: Ids, vectors: Floats, lists: NDArray[Any]) -> None:
        """Add embeddings whose lists (N,) are known; otherwise see Index."""
        vectors, ids = np.ascontiguousarray(vectors), np.ascontiguousarray(ids)
        wide = np.ascontiguousarray(lists, dtype=np.int64)
        pointer = self._faiss.swig_ptr
        self._ivf.add_core(len(ids), pointer(vectors), pointer(ids), pointer(wide))
        self._ids.extend(ids)
        self._lists.extend(wide)

    def keep(self, wanted: Mask) -> None:
        """See Index."""
        self._ivf.remove_ids(selector(self._faiss, self._by_id(~wanted)))
        self._ids.keep(wanted)
        self._lists.keep(wanted)

    def search(self, queries: Floats, k: int, allowed: Mask | None = None) -> tuple[Ids, Floats]:
        """See Index."""
        if not len(self._ids):
            return no_neighbours(len(queries))
        k = min(k, len(self._ids))
        if allowed is None:
            enough = math.ceil(PROBED_PER_WANTED * k * self.num_lists / len(self._ids))
            return self._probe(queries, k, min(max(self.nprobe, enough), self.num_lists))
        return self._probe(queries, k, self.num_lists, selector(self._faiss, self._by_id(allowed)))

    def _probe(self, queries: Floats, k: int, nprobe: int, chosen: Any = None) -> tuple[Ids, Floats]:
        parameters = self._faiss.SearchParametersIVF(nprobe=nprobe, sel=chosen)
        # FAISS shares work out by queries; of one, only the search for the nearest lists would be, which takes no time.
        with one_thread(self._faiss) if len(queries) == 1 else nullcontext():
            similarities, ids = self._ivf.search(queries, k, params=parameters)
        return ids, similarities

    def tune(self, queries: Floats) -> bool:
        """Choose the smallest ``nprobe``, a power of two, that reaches RECALL.

        Args:
            queries: (Q, D) float32, rows of the index itself.

        Returns:
            Whether a quarter of the lists is enough; with more, exact search is as good.
        """
        _, exact = self._probe(queries, 11, self.num_lists)
        tenth = exact[:, -1:] - 1e-6  # the first is the query itself
        self.nprobe = 1
        while True:
            _, similarities = self._probe(queries, 11, self.nprobe)
            self.recall = float((similarities[:, 1:] >= tenth).mean())
            if self.recall >= RECALL:
                return bool(self.nprobe <= self.num_lists // 4)
            if self.nprobe == self.num_lists:
                return False
            self.nprobe = min(self.nprobe * 2, self.num_lists)

    def stored(self) -> Iterator[tuple[Ids, Floats]]:
        """See Index."""
        lists = self._ivf.invlists
        dtype = np.float16 if self._half else np.float32
        for number in range(self.num_lists):
            size = lists.list_size(number)
            if size:
                ids = self._faiss.rev_swig_ptr(lists.get_ids(number), size).copy()
                codes = self._faiss.rev_swig_ptr(lists.get_codes(number), size * self._ivf.code_size)
                yield ids, codes.view(dtype).reshape(size, -1).astype(np.float32)

    def describe(self) -> str:
        """See Index."""
        return (
            f"IVF, FAISS{', half precision' if self._half else ''}: {self.num_lists} lists, "
            f"{self.nprobe} probed, recall@10 {self.recall:.3f}"
        )

    def _by_id(self, rows: Mask) -> Mask:
        """Turn a mask over rows into one over ids."""
        mask = np.zeros(int(self.ids[-1]) + 1, dtype=bool)
        mask[self.ids[rows]] = True
        return mask


def train_ivf(exact: Index, dim: int, *, seed: int = 0) -> IVFIndex | None:
    """Make inverted lists of the people in an exact index.

    Args:
        exact: the people, N of them.
        dim: length of an embedding.
        seed: of the clustering and of the rows that the recall is measured with.

    Returns:
        The lists; None where they cannot have both the recall and a gain. The log says why.

    Raises:
        GalleryError: faiss is not installed.
    """
    faiss = faiss_module()
    if faiss is None:
        raise GalleryError("an IVF index needs faiss: pip install 'personsearch[cpu]' (or [gpu])")
    count = len(exact.ids)
    lists = lists_for(count, LISTS_PER_ROOT)
    if lists < LEAST_LISTS:
        logger.warning("the gallery stays with exact search: %d people are too few for inverted lists", count)
        return None
    rng = np.random.default_rng(seed)
    order = rng.permutation(count)
    vectors = _rows(exact, np.sort(exact.ids[order[: TRAINING_PER_LIST * lists]]), dim)
    ivf = IVFIndex(faiss, learn_centroids(faiss, vectors, lists, seed=seed), half=half_precision(count, dim))
    for ids, part in exact.stored():  # an exact index yields its rows in order
        ivf.add(ids, part)
    queries = vectors[rng.permutation(len(vectors))[:RECALL_QUERIES]]
    if not ivf.tune(queries):
        logger.warning(
            "the gallery stays with exact search: inverted lists reach recall@10 %.3f with %d of %d probed, no gain",
            ivf.recall,
            ivf.nprobe,
            lists,
        )
        return None
    return ivf


def lists_for(people: float, per_root: float) -> int:
    """Return how many inverted lists so many people get: ``per_root`` times their square root, if that fills them."""
    return min(round(per_root * math.sqrt(people)), int(people) // LEAST_PER_LIST)


def learn_centroids(faiss: Any, vectors: Floats, lists: int, *, seed: int = 0) -> Floats:
    """Return the centres (lists, D) of inverted lists, learnt from vectors (N, D) float32; all have unit length."""
    clustering = faiss.Kmeans(vectors.shape[1], lists, niter=10, spherical=True, seed=seed)
    clustering.train(vectors)
    return np.asarray(clustering.centroids, np.float32)


def _rows(index: Index, ids: Ids, dim: int) -> Floats:
    """Return the vectors of the given ids."""
    parts = [vectors[np.isin(stored, ids)] for stored, vectors in index.stored()]
    return np.ascontiguousarray(np.concatenate(parts)) if parts else np.zeros((0, dim), dtype=np.float32)
