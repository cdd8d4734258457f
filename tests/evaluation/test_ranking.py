import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from personsearch.evaluation.ranking import average_precision, rank


def test_average_precision_by_hand() -> None:
    # right, wrong, right: (1/1 + 2/3) / 2
    got = average_precision(np.array([True, False, True]), np.array([0.9, 0.8, 0.7]))
    assert got == pytest.approx((1 + 2 / 3) / 2)


def test_equal_scores_are_one_threshold() -> None:
    assert average_precision(np.array([True, False]), np.array([0.5, 0.5])) == pytest.approx(0.5)
    assert average_precision(np.array([False, True]), np.array([0.5, 0.5])) == pytest.approx(0.5)


def test_a_mean_over_nothing_relevant_is_no_number() -> None:
    assert np.isnan(average_precision(np.zeros(3, bool), np.arange(3.0)))
    assert np.isnan(average_precision(np.zeros(0, bool), np.zeros(0)))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=1, max_size=40))
def test_agrees_with_scikit_learn(rows: list[tuple[bool, int]]) -> None:
    relevant = np.array([r for r, _ in rows])
    scores = np.array([s / 6 for _, s in rows])
    if relevant.any():
        assert average_precision(relevant, scores) == pytest.approx(
            average_precision_score(relevant, scores), abs=1e-12
        )


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=1, max_size=40),
    st.sampled_from(["stable", "reversed", "last"]),
)
def test_the_head_of_a_ranking_is_enough_for_scikit_learn_s_figure(rows: list[tuple[bool, int]], ties: str) -> None:
    relevant = np.array([r for r, _ in rows])
    scores = np.array([s / 6 for _, s in rows], np.float32)
    head = rank(scores, relevant, ties, at_least=3)
    if relevant.any():
        wanted = average_precision_score(relevant, scores)
        assert head.precisions.sum() / relevant.sum() == pytest.approx(wanted, abs=1e-12)
    place = {
        "stable": lambda i: (-scores[i], i),
        "reversed": lambda i: (-scores[i], -i),
        "last": lambda i: (-scores[i], relevant[i], i),
    }[ties]
    whole = sorted(range(len(rows)), key=place)
    assert len(head.order) >= min(3, len(rows))
    assert head.order.tolist() == whole[: len(head.order)]
    assert head.ranks.tolist() == np.flatnonzero(relevant[whole]).tolist()
