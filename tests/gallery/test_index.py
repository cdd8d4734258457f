"""All kinds of index answer alike."""

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

faiss: Any = pytest.importorskip("faiss")

DIM = 8


def unit_rows(count: int, seed: int, spread: float = 1.0, centres: int = 0) -> np.ndarray:
    """Random directions; with ``centres``, gathered around so many of them."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, DIM)) * spread
    if centres:
        rows += rng.normal(size=(centres, DIM))[rng.integers(centres, size=count)]
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def exhaustive_ivf(half: bool) -> IVFIndex:
    return IVFIndex(faiss_module(), unit_rows(5, 9), half=half, nprobe=5)


KINDS: dict[str, Callable[[], Index]] = {
    "numpy": lambda: NumpyIndex(DIM),
    "flat": lambda: FlatIndex(faiss_module(), DIM, half=False),
    "flat-half": lambda: FlatIndex(faiss_module(), DIM, half=True),
    "ivf": lambda: exhaustive_ivf(False),
    "ivf-half": lambda: exhaustive_ivf(True),
}
kinds = pytest.mark.parametrize("kind", KINDS)


def expected(vectors: np.ndarray, ids: np.ndarray, query: np.ndarray, k: int) -> list[float]:
    return np.sort(vectors @ query)[::-1][:k].tolist()


@kinds
@given(st.integers(0, 40), st.integers(1, 50), st.integers(0, 100), st.data())
def test_the_k_nearest_of_those_allowed(kind: str, count: int, k: int, seed: int, data: st.DataObject) -> None:
    vectors, queries = unit_rows(count, seed), unit_rows(3, seed + 1)
    ids = np.cumsum(np.random.default_rng(seed).integers(1, 4, size=count)).astype(np.int64)
    index = KINDS[kind]()
    cut = count // 2
    index.add(ids[:cut], vectors[:cut])
    index.add(ids[cut:], vectors[cut:])
    wanted = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)), dtype=bool)
    for allowed in (None, wanted):
        chosen = np.ones(count, dtype=bool) if allowed is None else allowed
        found, similarities = index.search(queries, k, allowed)
        for row, query in enumerate(queries):
            there = found[row] >= 0
            assert np.allclose(similarities[row][there], expected(vectors[chosen], ids, query, k), atol=index.margin)
            assert np.isin(found[row][there], ids[chosen]).all()
            assert len(set(found[row][there].tolist())) == there.sum() == min(k, chosen.sum())
    if count:
        index.keep(wanted)
        assert index.ids.tolist() == ids[wanted].tolist()
        held = {int(one): vector for part, rows in index.stored() for one, vector in zip(part, rows, strict=True)}
        assert held.keys() == set(ids[wanted].tolist())
        for one, vector in zip(ids[wanted], vectors[wanted], strict=True):
            assert np.allclose(held[int(one)], vector, atol=1e-3)
        found, _ = index.search(queries, k)
        assert set(found[found >= 0].tolist()) <= set(ids[wanted].tolist())


def test_half_precision_above_a_gigabyte() -> None:
    assert "half" not in exact_index(512, 400_000).describe()
    assert "half" in exact_index(512, 600_000).describe()


def trained(vectors: np.ndarray) -> IVFIndex | None:
    exact = FlatIndex(faiss_module(), DIM, half=False)
    exact.add(np.arange(len(vectors)) * 2 + 7, vectors)
    return train_ivf(exact, DIM)


def test_inverted_lists_reach_the_recall_that_they_report() -> None:
    vectors = unit_rows(6000, 1, spread=0.05, centres=300)
    ivf = trained(vectors)
    assert ivf is not None
    assert ivf.nprobe <= ivf.num_lists / 4
    assert ivf.recall >= 0.98
    queries = vectors[::31]
    found, _ = ivf.search(queries, 11)
    tenth = np.sort(queries @ vectors.T, axis=1)[:, -11]
    pairs = zip(found, queries, tenth, strict=True)
    hits = [vectors[(row[1:] - 7) // 2] @ query >= least - 1e-6 for row, query, least in pairs]
    assert np.mean(hits) >= 0.97  # other queries than those it was tuned with
    assert f"recall@10 {ivf.recall:.3f}" in ivf.describe()


def test_inverted_lists_look_further_for_a_large_k() -> None:
    vectors = unit_rows(6000, 1, spread=0.05, centres=300)
    ivf = trained(vectors)
    assert ivf is not None
    found, _ = ivf.search(vectors[:2], 6000)
    assert (np.sort(found) == np.arange(6000) * 2 + 7).all()


def test_without_a_gain_the_search_stays_exact_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3000, 64)).astype(np.float32)  # nothing to gather in 64 dimensions
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    exact = FlatIndex(faiss_module(), 64, half=False)
    exact.add(np.arange(3000), rows)
    with caplog.at_level(logging.WARNING, "personsearch"):
        assert train_ivf(exact, 64) is None
        assert trained(unit_rows(50, 0)) is None
    assert "stays with exact search: inverted lists reach" in caplog.text
    assert "50 people are too few" in caplog.text


def test_batches_go_through_blas_and_threads_are_left_alone() -> None:
    import torch

    before = torch.get_num_threads()
    assert faiss_module().cvar.distance_compute_blas_threshold == 1
    index = KINDS["flat"]()
    index.add(np.arange(100), unit_rows(100, 0))
    index.search(unit_rows(16, 1), 5)
    assert torch.get_num_threads() == before


def test_without_faiss_numpy_searches_and_says_once_what_faiss_brings(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from personsearch.gallery import index as module
    from personsearch.gallery import ivf

    monkeypatch.setattr(module, "faiss_module", lambda: None)
    monkeypatch.setattr(ivf, "faiss_module", lambda: None)
    module._praise_faiss.cache_clear()
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
    vectors, queries = unit_rows(5000, 3), unit_rows(20, 4)
    index = FlatIndex(faiss_module(), DIM, half=False)
    index.add(np.arange(5000), vectors)
    assert "GPU" in index.describe()
    for k in (10, 4000):  # the second is more than FAISS's GPU search takes
        _, similarities = index.search(queries, k)
        assert np.allclose(similarities, -np.sort(-(queries @ vectors.T), axis=1)[:, :k], atol=1e-5)
