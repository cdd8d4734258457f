from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from personsearch.datasets.doctor.duplicates import near_pairs


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 40), st.integers(0, 64), st.integers(1, 50))
def test_near_pairs_are_those_of_the_hamming_distance(seed: int, count: int, most: int, block: int) -> None:
    rng = np.random.default_rng(seed)
    looks = rng.random((count, 64)) < 0.5
    looks[rng.integers(count)] = looks[0] ^ (rng.random(64) < most / 64)
    near = np.concatenate([mask for _, mask in near_pairs(looks, most, block)])
    distance = (looks[:, None] != looks[None]).sum(axis=2)
    assert np.array_equal(near, np.tril(distance <= most, -1))
