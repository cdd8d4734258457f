import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from personsearch.gallery.index import ExactIndex


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.integers(1, 35))
def test_the_k_best_in_order_with_ties_by_id(values: list[int], k: int) -> None:
    index = ExactIndex(1)
    index.add(np.arange(len(values)) + 10, np.array(values, np.float32)[:, None])
    [(ids, similarities)] = index.search(np.ones((1, 1), np.float32), k)
    expected = sorted(range(len(values)), key=lambda row: (-values[row], row))[:k]
    assert ids.tolist() == [row + 10 for row in expected]
    assert similarities.tolist() == [values[row] for row in expected]


def test_allowed_ids_only() -> None:
    index = ExactIndex(2)
    index.add(np.array([1, 2, 3]), np.eye(2, dtype=np.float32)[[0, 1, 0]])
    [(ids, _)] = index.search(np.array([[1, 0]], np.float32), 5, allowed=np.array([2, 3, 9]))
    assert ids.tolist() == [3, 2]
