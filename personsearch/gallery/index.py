"""Nearest neighbours over the gallery's embeddings, exact: in FAISS, or in numpy without it.

An index returns candidates; ``view.py`` computes their similarity again from the database, so an index can be slow or
miss somebody, but never report a wrong similarity. This is the only file that imports faiss.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Literal, Protocol, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from personsearch.gallery.growing import GrowingArray
from personsearch.results import Floats

logger = logging.getLogger(__name__)

IndexKind: TypeAlias = Literal["auto", "exact", "ivf"]
KINDS = get_args(IndexKind)
Ids: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]

#: Vectors for exact search are held in half precision above this many bytes; with a GPU there is memory for more.
HALF_ABOVE = 1 << 30
HALF_ABOVE_GPU = 1 << 34
#: Largest k of FAISS's GPU search.
GPU_MAX_K = 2048
#: From this many people on, those who lack FAISS are told what it would bring.
FAISS_PAYS_FROM = 100_000

CHUNK = 50_000
QUERIES_AT_ONCE = 64


class Index(Protocol):
    """Embeddings under rising ids, and the search among them.

    Attributes:
        ids: (N,) int64 rising.
        margin: how far a returned similarity may be from the true one at most.
    """

    margin: float

    @property
    def ids(self) -> Ids:
        """Return the ids in the index."""

    def add(self, ids: Ids, vectors: Floats) -> None:
        """Add embeddings (N, D) float32 under ids (N,), which must rise and lie above all ids in the index."""

    def keep(self, wanted: Mask) -> None:
        """Drop the rows that are not wanted, (N,)."""

    def search(self, queries: Floats, k: int, allowed: Mask | None = None) -> tuple[Ids, Floats]:
        """Return each query's nearest neighbours, by falling similarity.

        Args:
            queries: (Q, D) float32.
            k: neighbours per query at most.
            allowed: (N,) which rows to choose from; None = all.

        Returns:
            Ids (Q, n) int64 and similarities (Q, n) float32, where n is k or the size of the index if that is smaller.
            Id -1 fills the rows of queries with fewer neighbours.
        """

    def stored(self) -> Iterator[tuple[Ids, Floats]]:
        """Yield ids and embeddings (n, D) float32 of the index, some thousands of rows at a time, in any order."""

    def describe(self) -> str:
        """Describe the index in a few words."""


@cache
def faiss_module() -> Any | None:
    """Return faiss, configured; None where it is not installed.

    FAISS takes its thread count from OpenMP, which it shares with torch if torch was imported first: setting it here
    would change torch's too, so it is left alone.
    """
    if importlib.util.find_spec("faiss") is None:
        return None
    import faiss

    if not hasattr(faiss, "IndexFlatIP"):  # an uninstalled build leaves an empty folder behind
        logger.warning("faiss is installed without its library; reinstall it: pip install 'personsearch[cpu]'")
        return None
    # Always use BLAS: several times as fast for batches. By default FAISS uses it from 250 queries on at 512-d.
    faiss.cvar.distance_compute_blas_threshold = 1
    return faiss


def exact_index(dim: int, expected: int) -> Index:
    """Return an empty exact index for about ``expected`` people: FAISS where it is installed, numpy otherwise."""
    faiss = faiss_module()
    if faiss is None:
        if expected >= FAISS_PAYS_FROM:
            _recommend_faiss()
        return NumpyIndex(dim)
    return FlatIndex(faiss, dim, half=half_precision(expected, dim, on_gpu=_gpus(faiss) > 0))


def half_precision(people: int, dim: int, *, on_gpu: bool = False) -> bool:
    """Return whether the embeddings (people, dim) are to be held in half precision."""
    return people * dim * 4 > (HALF_ABOVE_GPU if on_gpu else HALF_ABOVE)


@cache  # once per process
def _recommend_faiss() -> None:
    logger.info(
        "searching with numpy, which compares the query with everybody; at this size faiss would search inverted "
        "lists, about ten times as fast: pip install 'personsearch[cpu]' (or [gpu])"
    )


class NumpyIndex:
    """All embeddings in memory, compared one by one."""

    margin = 1e-5

    def __init__(self, dim: int) -> None:
        self._ids = GrowingArray(np.int64)
        self._vectors = GrowingArray(np.float32, (dim,))

    @property
    def ids(self) -> Ids:
        """Return the ids in the index."""
        return self._ids.array

    def add(self, ids: Ids, vectors: Floats) -> None:
        """See Index."""
        self._ids.extend(ids)
        self._vectors.extend(vectors)

    def keep(self, wanted: Mask) -> None:
        """See Index."""
        self._ids.keep(wanted)
        self._vectors.keep(wanted)

    def search(self, queries: Floats, k: int, allowed: Mask | None = None) -> tuple[Ids, Floats]:
        """See Index."""
        k = min(k, len(self._ids))
        rows = np.arange(len(self._ids)) if allowed is None else np.flatnonzero(allowed)
        vectors = self._vectors.array if allowed is None else self._vectors.array[rows]
        ids = np.full((len(queries), k), -1, dtype=np.int64)
        best = np.full((len(queries), k), -np.inf, dtype=np.float32)
        for start in range(0, len(queries), QUERIES_AT_ONCE):
            for number, similarities in enumerate(queries[start : start + QUERIES_AT_ONCE] @ vectors.T, start):
                top = np.argpartition(-similarities, k - 1)[:k] if k < len(rows) else np.arange(len(rows))
                top = top[np.argsort(-similarities[top], kind="stable")]
                ids[number, : len(top)] = self.ids[rows[top]]
                best[number, : len(top)] = similarities[top]
        return ids, best

    def stored(self) -> Iterator[tuple[Ids, Floats]]:
        """See Index."""
        yield self.ids, self._vectors.array

    def describe(self) -> str:
        """See Index."""
        return "exact, numpy"


class FlatIndex:
    """All embeddings in FAISS, compared one by one; on a GPU where faiss has one."""

    def __init__(self, faiss: Any, dim: int, *, half: bool) -> None:
        self._faiss = faiss
        self._half = half
        if half:
            codes = faiss.ScalarQuantizer.QT_fp16
            self._flat = faiss.IndexScalarQuantizer(dim, codes, faiss.METRIC_INNER_PRODUCT)
        else:
            self._flat = faiss.IndexFlatIP(dim)
        self.margin = 1e-3 if half else 1e-5
        self._ids = GrowingArray(np.int64)
        self._gpu: Any | None = None

    @property
    def ids(self) -> Ids:
        """Return the ids in the index."""
        return self._ids.array

    def add(self, ids: Ids, vectors: Floats) -> None:
        """See Index."""
        self._flat.add(np.ascontiguousarray(vectors))
        self._ids.extend(ids)
        self._gpu = None

    def keep(self, wanted: Mask) -> None:
        """See Index."""
        self._flat.remove_ids(selector(self._faiss, ~wanted))  # the others move up and stay in order
        self._ids.keep(wanted)
        self._gpu = None

    def search(self, queries: Floats, k: int, allowed: Mask | None = None) -> tuple[Ids, Floats]:
        """See Index."""
        if not len(self._ids):
            return no_neighbours(len(queries))
        k = min(k, len(self._ids))
        if allowed is None:
            index = self._on_gpu() if k <= GPU_MAX_K else self._flat
            similarities, rows = index.search(queries, k)
        else:
            chosen = self._faiss.SearchParameters(sel=selector(self._faiss, allowed))
            similarities, rows = self._flat.search(queries, k, params=chosen)
        return np.where(rows < 0, -1, self.ids[rows]), similarities

    def stored(self) -> Iterator[tuple[Ids, Floats]]:
        """See Index."""
        for start in range(0, len(self._ids), CHUNK):
            ids = self.ids[start : start + CHUNK]
            yield ids, self._flat.reconstruct_n(start, len(ids))

    def describe(self) -> str:
        """See Index."""
        where = "FAISS on the GPU" if _gpus(self._faiss) and not self._half else "FAISS"
        return f"exact, {where}{', half precision' if self._half else ''}"

    def _on_gpu(self) -> Any:
        """Return the copy on the GPU, made again after a change; the index itself where there is no GPU."""
        if self._half or not _gpus(self._faiss):
            return self._flat
        if self._gpu is None:
            resources = self._faiss.StandardGpuResources()
            self._gpu = self._faiss.index_cpu_to_gpu(resources, 0, self._flat)
        return self._gpu


@contextmanager
def one_thread(faiss: Any) -> Iterator[None]:
    """Let FAISS work in the calling thread alone; other threads, and torch in this one afterwards, keep theirs.

    OpenMP keeps a number of threads for every thread that calls it. Each of those has a crew of its own, which waits
    for more work by spinning: several that search at once would take the cores from each other.
    """
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def selector(faiss: Any, mask: Mask) -> Any:
    """Return FAISS's filter that lets the numbers pass at which the mask is true."""
    return faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))


def no_neighbours(queries: int) -> tuple[Ids, Floats]:
    """Return the ids and similarities (queries, 0) that an empty index finds."""
    return np.zeros((queries, 0), dtype=np.int64), np.zeros((queries, 0), dtype=np.float32)


def _gpus(faiss: Any) -> int:
    return int(faiss.get_num_gpus()) if hasattr(faiss, "StandardGpuResources") else 0
