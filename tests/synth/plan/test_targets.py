"""Quantiles as targets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from personsearch.synth.plan.targets import HeightTarget, at, counts_at

quantiles = st.lists(st.integers(1, 500), min_size=2, max_size=30).map(sorted)


def test_between_two_quantiles_by_hand() -> None:
    # Half-way between 1/2 and 1/6 is 1/3.
    assert at([2, 6], np.array([0, 0.5, 1])) == pytest.approx([2, 3, 6])
    assert at([1, 2, 6], np.array([0, 0.5, 0.75])) == pytest.approx([1, 2, 3])
    assert counts_at([2, 2, 3], np.array([0.1, 0.5, 0.9])).tolist() == [2, 2, 3]


@given(quantiles)
def test_values_at_the_levels_of_quantiles_are_the_quantiles(numbers: list[int]) -> None:
    assert at(numbers, np.linspace(0, 1, len(numbers))) == pytest.approx(numbers)
    drawn = counts_at(numbers, np.linspace(0, 1, 301))
    assert (np.diff(drawn) >= 0).all()
    assert (drawn[0], drawn[-1]) == (numbers[0], numbers[-1])


def test_bins_by_hand() -> None:
    target = HeightTarget([0.1, 0.2, 0.4, 1.0])
    assert target.bins(np.array([[0.0, 0.05, 0.15], [0.3, 0.5, 1.0]])).tolist() == [[-1, 0, 0], [1, 2, 2]]


def test_a_bin_that_is_too_full_is_refused_until_the_others_catch_up() -> None:
    target = HeightTarget([0.1, 0.2, 0.4, 1.0])
    first = np.array([0])
    admitted = 0
    while target.admits(first):
        target.add(first)
        admitted += 1
    # Of three bins, one may hold 1.04 / 3 of all boxes and 2 more: 3 <= 3.04, but 4 > 3.39.
    assert admitted == 3
    assert 0 not in target.wanted(np.random.default_rng(0)).tolist()
    assert target.admits(np.array([1, 2]))
    target.add(np.array([1, 2]))
    assert target.admits(first)  # 4 <= 1.04 * 6 / 3 + 2


def test_wanted_bins_come_in_random_order() -> None:
    target, rng = HeightTarget([0.1, 0.2, 0.4, 1.0]), np.random.default_rng(0)
    orders = {tuple(target.wanted(rng).tolist()) for _ in range(60)}
    assert {tuple(sorted(order)) for order in orders} == {(0, 1, 2)}
    assert len(orders) == 6
