"""Every kind of index gives the same answers."""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from personsearch.errors import GalleryError
from personsearch.gallery.index import FlatIndex, Index, NumpyIndex, exact_index, faiss_module
from personsearch.gallery.ivf import IVFIndex, train_ivf
from tests.gallery.toy import unit_rows

faiss: Any = pytest.importorskip("faiss")

DIM = 8


def vectors_of(count: int, seed: int) -> np.ndarray:
    return unit_rows(count, DIM, seed)


def exhaustive_ivf(half: bool) -> IVFIndex:
    return IVFIndex(faiss_module(), vectors_of(5, 9), half=half, nprobe=5)


KINDS: dict[str, Callable[[], Index]] = {
    "numpy": lambda: NumpyIndex(DIM),
    "flat": lambda: FlatIndex(faiss_module(), DIM, half=False),
    "flat-half": lambda: FlatIndex(faiss_module(), DIM, half=True),
    "ivf": lambda: exhaustive_ivf(False),
    "ivf-half": lambda: exhaustive_ivf(True),
}
kinds = pytest.mark.parametrize("kind", KINDS)


def highest(vectors: np.ndarray, query: np.ndarray, k: int) -> list[float]:
    return np.sort(vectors @ query)[::-1][:k].tolist()


@kinds
@given(st.integers(0, 40), st.integers(1, 50), st.integers(0, 100), st.data())
def test_the_k_nearest_of_those_allowed(kind: str, count: int, k: int, seed: int, data: st.DataObject) -> None:
    vectors, queries = vectors_of(count, seed), vectors_of(3, seed + 1)
    ids = np.cumsum(np.random.default_rng(seed).integers(1, 4, size=count)).astype(np.int64)
    index = KINDS[kind]()
    cut = count // 2
    index.add(ids[:cut], vectors[:cut])
    index.add(ids[cut:], vectors[cut:])
    wanted = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)), dtype=bool)
    for allowed in (None, wanted):
        chosen = np.ones(count, dtype=bool) if allowed is None else allowed
        neighbours, similarities = index.search(queries, k, allowed)
        assert neighbours.shape == similarities.shape == (3, min(k, count))
        for row, query in enumerate(queries):
            real = neighbours[row] >= 0
            assert np.allclose(similarities[row][real], highest(vectors[chosen], query, k), atol=index.margin)
            assert np.isin(neighbours[row][real], ids[chosen]).all()
            assert len(set(neighbours[row][real].tolist())) == real.sum() == min(k, chosen.sum())
    if count:
        index.keep(wanted)
        assert index.ids.tolist() == ids[wanted].tolist()
        stored = {int(one): vector for part, rows in index.stored() for one, vector in zip(part, rows, strict=True)}
        assert stored.keys() == set(ids[wanted].tolist())
        for one, vector in zip(ids[wanted], vectors[wanted], strict=True):
            assert np.allclose(stored[int(one)], vector, atol=1e-3)
        neighbours, _ = index.search(queries, k)
        assert set(neighbours[neighbours >= 0].tolist()) <= set(ids[wanted].tolist())


@kinds
def test_a_k_beyond_all_memory_returns_everybody(kind: str) -> None:
    index = KINDS[kind]()
    assert index.search(vectors_of(2, 1), 10**12)[0].shape == (2, 0)
    index.add(np.array([3, 5]), vectors_of(2, 0))
    neighbours, _ = index.search(vectors_of(2, 1), 10**12)
    assert np.sort(neighbours).tolist() == [[3, 5], [3, 5]]


def test_half_precision_above_a_gigabyte() -> None:
    assert "half" not in exact_index(512, 400_000).describe()
    assert "half" in exact_index(512, 600_000).describe()


def test_batches_go_through_blas_and_threads_are_left_alone() -> None:
    import torch

    before = torch.get_num_threads()
    assert faiss_module().cvar.distance_compute_blas_threshold == 1
    index = KINDS["flat"]()
    index.add(np.arange(100), vectors_of(100, 0))
    index.search(vectors_of(16, 1), 5)
    assert torch.get_num_threads() == before


def test_without_faiss_numpy_searches_and_says_once_what_faiss_would_bring(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from personsearch.gallery import index as module
    from personsearch.gallery import ivf

    monkeypatch.setattr(module, "faiss_module", lambda: None)
    monkeypatch.setattr(ivf, "faiss_module", lambda: None)
    module._recommend_faiss.cache_clear()
    with caplog.at_level(logging.INFO, "personsearch"):
        assert isinstance(exact_index(8, 100), NumpyIndex)
        assert not caplog.records
        assert isinstance(exact_index(8, 1_000_000), NumpyIndex)
        exact_index(8, 1_000_000)
    assert [record.message for record in caplog.records].count(caplog.records[0].message) == 1
    assert "pip install 'personsearch[cpu]'" in caplog.text
    with pytest.raises(GalleryError, match="needs faiss"):
        train_ivf(NumpyIndex(8), 8)


@pytest.mark.gpu
def test_the_gpu_finds_what_the_cpu_finds() -> None:
    if not hasattr(faiss, "StandardGpuResources") or not faiss.get_num_gpus():
        pytest.skip("this build of faiss has no GPU")
    vectors, queries = vectors_of(5000, 3), vectors_of(20, 4)
    index = FlatIndex(faiss_module(), DIM, half=False)
    index.add(np.arange(5000), vectors)
    assert "GPU" in index.describe()
    for k in (10, 4000):  # the second is more than FAISS's GPU search takes
        _, similarities = index.search(queries, k)
        assert np.allclose(similarities, -np.sort(-(queries @ vectors.T), axis=1)[:, :k], atol=1e-5)
