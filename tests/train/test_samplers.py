from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from personsearch.train.samplers import class_aware_batches, shuffled_batches

LONG_TAIL = np.repeat(np.arange(10), [1, 1, 2, 3, 4, 5, 8, 9, 40, 100])


def test_every_batch_holds_p_identities_k_times() -> None:
    batches = class_aware_batches(LONG_TAIL, 4, 4, seed=0, epoch=1)
    assert batches
    for batch in batches:
        assert sorted(Counter(LONG_TAIL[batch].tolist()).values()) == [4, 4, 4, 4]


def test_rare_identities_are_filled_by_repetition_and_come_once_an_epoch() -> None:
    batches = class_aware_batches(LONG_TAIL, 2, 4, seed=0, epoch=1)
    drawn = Counter(row for batch in batches for row in batch)
    assert drawn[0] == 4  # the identity with one sample
    assert set(drawn) >= {0, 1}


def test_frequent_identities_lose_their_weight() -> None:
    shares = Counter(LONG_TAIL[[r for b in class_aware_batches(LONG_TAIL, 4, 4, seed=0, epoch=1) for r in b]].tolist())
    assert shares[9] / sum(shares.values()) < 100 / len(LONG_TAIL) / 1.5


def test_a_function_of_seed_and_epoch() -> None:
    first = class_aware_batches(LONG_TAIL, 4, 4, seed=3, epoch=2)
    assert first == class_aware_batches(LONG_TAIL, 4, 4, seed=3, epoch=2)
    assert first != class_aware_batches(LONG_TAIL, 4, 4, seed=3, epoch=3)
    assert first != class_aware_batches(LONG_TAIL, 4, 4, seed=4, epoch=2)


def test_too_few_identities_are_an_error() -> None:
    with pytest.raises(ValueError, match="too few"):
        class_aware_batches(np.zeros(9, np.int64), 2, 4, seed=0, epoch=1)


@given(st.lists(st.sampled_from("abc"), max_size=40), st.integers(1, 7), st.integers(1, 5))
def test_shuffled_batches_hold_everything_once_and_never_mix(groups: list[str], size: int, epoch: int) -> None:
    batches = shuffled_batches(groups, size, seed=0, epoch=epoch)
    assert sorted(row for batch in batches for row in batch) == list(range(len(groups)))
    for batch in batches:
        assert len(batch) <= size
        assert len({groups[row] for row in batch}) == 1
