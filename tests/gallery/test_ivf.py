"""Inverted lists reach the recall that they report, or are not used."""

import logging
import math
from typing import Any

import numpy as np
import pytest

from personsearch.gallery.index import FlatIndex, faiss_module
from personsearch.gallery.ivf import IVFIndex, train_ivf
from tests.gallery.toy import unit_rows

faiss: Any = pytest.importorskip("faiss")

DIM = 8


def gathered() -> np.ndarray:
    """Look-alikes around 300 centres, as inverted lists need them."""
    return unit_rows(6000, DIM, 1, spread=0.05, centres=300)


def trained(vectors: np.ndarray) -> IVFIndex | None:
    exact = FlatIndex(faiss_module(), DIM, half=False)
    exact.add(np.arange(len(vectors)) * 2 + 7, vectors)
    return train_ivf(exact, DIM)


def test_inverted_lists_reach_the_recall_that_they_report() -> None:
    vectors = gathered()
    ivf = trained(vectors)
    assert ivf is not None
    assert ivf.nprobe <= ivf.num_lists / 4
    assert ivf.recall >= 0.98
    queries = vectors[::31]
    neighbours, _ = ivf.search(queries, 11)
    tenth = np.sort(queries @ vectors.T, axis=1)[:, -11]
    pairs = zip(neighbours, queries, tenth, strict=True)
    hits = [vectors[(row[1:] - 7) // 2] @ query >= least - 1e-6 for row, query, least in pairs]
    assert np.mean(hits) >= 0.97  # other queries than those it was tuned with
    assert f"recall@10 {ivf.recall:.3f}" in ivf.describe()


def test_one_query_is_searched_by_the_thread_that_asks() -> None:
    ivf = trained(gathered())
    assert ivf is not None
    searched_by: list[int] = []

    class Watched:
        def __init__(self, index: Any) -> None:
            self.index = index

        def search(self, *arguments: Any, **options: Any) -> Any:
            searched_by.append(faiss.omp_get_max_threads())
            return self.index.search(*arguments, **options)

    ivf._ivf = Watched(ivf._ivf)
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(3)
    try:
        for queries in (gathered()[:1], gathered()[:2]):
            ivf.search(queries, 11)
        assert searched_by == [1, 3]
        assert faiss.omp_get_max_threads() == 3
    finally:
        faiss.omp_set_num_threads(before)


def test_a_large_k_probes_more_lists() -> None:
    vectors = gathered()
    ivf = trained(vectors)
    assert ivf is not None
    neighbours, _ = ivf.search(vectors[:2], 6000)
    assert (np.sort(neighbours) == np.arange(6000) * 2 + 7).all()


def test_without_a_gain_the_search_stays_exact_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    rows = unit_rows(3000, 64, 0)  # in 64 dimensions nobody is near anybody
    exact = FlatIndex(faiss_module(), 64, half=False)
    exact.add(np.arange(3000), rows)
    with caplog.at_level(logging.WARNING, "personsearch"):
        assert train_ivf(exact, 64) is None
        assert trained(unit_rows(50, DIM, 0)) is None
    assert "stays with exact search: inverted lists reach" in caplog.text
    assert "50 people are too few" in caplog.text


@pytest.mark.parametrize("count", [200, 6000, 24_335, 24_336, 200_000, 3_000_000])
def test_the_number_of_lists_says_how_many_people_they_were_trained_for(count: int) -> None:
    num_lists = min(round(4 * math.sqrt(count)), count // 39)  # the rule of train_ivf
    ivf = IVFIndex(faiss_module(), unit_rows(num_lists, 2, 0), half=False)
    assert ivf.trained_for == pytest.approx(count, rel=0.025 if count > 200 else 0.03)
