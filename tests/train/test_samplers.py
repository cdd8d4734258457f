from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from personsearch.train.samplers import Batches, ClassAwareSampler, repetitions, shuffled_batches

LONG_TAIL = np.repeat(np.arange(10), [1, 1, 2, 3, 4, 5, 8, 9, 40, 100])


def class_aware(identities: NDArray[np.int64], p: int, k: int, *, seed: int = 0, epoch: int = 1) -> Batches:
    return ClassAwareSampler(identities, p, k, seed=seed).batches(epoch)


def straightforward(identities: NDArray[np.int64], p: int, k: int, *, seed: int, epoch: int) -> Batches:
    """Class-aware sampling as it was first written: searches all samples once for every identity."""
    rng = np.random.default_rng([seed, epoch])
    chunks: dict[int, list[NDArray[np.int64]]] = {}
    for identity in np.unique(identities).tolist():
        rows = rng.permutation(np.flatnonzero(identities == identity))
        if len(rows) < k:
            rows = np.concatenate([rows, rng.choice(rows, k - len(rows))])
        whole = len(rows) // k * k
        chunks[identity] = list(rows[:whole].reshape(-1, k))
    batches = []
    left = sorted(chunks)
    while len(left) >= p:
        chosen = rng.choice(left, p, replace=False).tolist()
        batches.append([int(row) for identity in chosen for row in chunks[identity].pop()])
        left = [identity for identity in left if chunks[identity]]
    return batches


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=200), st.integers(1, 6), st.integers(1, 5), st.integers(0, 2**31)
)
def test_batches_are_those_of_the_straightforward_way(labels: list[int], p: int, k: int, seed: int) -> None:
    identities = np.array(labels, dtype=np.int64)
    if len(set(labels)) < p:
        with pytest.raises(ValueError, match="too few"):
            ClassAwareSampler(identities, p, k, seed=seed)
        return
    sampler = ClassAwareSampler(identities, p, k, seed=seed)
    for epoch in (2, 1, 7):  # in any order
        assert sampler.batches(epoch) == straightforward(identities, p, k, seed=seed, epoch=epoch)


def test_batches_of_a_long_tail_are_those_of_the_straightforward_way() -> None:
    rng = np.random.default_rng(3)
    identities = rng.permutation(np.repeat(rng.choice(10_000, 300, replace=False), rng.geometric(0.1, 300)))
    got = ClassAwareSampler(identities, 16, 4, seed=1).batches(5)
    assert len(got) > 10
    assert got == straightforward(identities, 16, 4, seed=1, epoch=5)


def test_every_batch_holds_p_identities_k_times() -> None:
    batches = class_aware(LONG_TAIL, 4, 4)
    assert batches
    for batch in batches:
        labels = LONG_TAIL[batch].reshape(4, 4)
        assert (labels == labels[:, :1]).all()  # an identity's instances stand together
        assert sorted(Counter(labels.ravel().tolist()).values()) == [4, 4, 4, 4]


def test_rare_identities_are_filled_up_by_repetition_and_come_once_an_epoch() -> None:
    drawn = Counter(row for batch in class_aware(LONG_TAIL, 2, 4) for row in batch)
    assert drawn[0] == 4  # the identity with one sample
    assert set(drawn) >= {0, 1}


def test_frequent_identities_lose_their_weight() -> None:
    shares = Counter(LONG_TAIL[[row for batch in class_aware(LONG_TAIL, 4, 4) for row in batch]].tolist())
    assert shares[9] / sum(shares.values()) < 100 / len(LONG_TAIL) / 1.5


def test_batches_are_a_function_of_seed_and_epoch() -> None:
    first = class_aware(LONG_TAIL, 4, 4, seed=3, epoch=2)
    assert first == class_aware(LONG_TAIL, 4, 4, seed=3, epoch=2)
    assert first != class_aware(LONG_TAIL, 4, 4, seed=3, epoch=3)
    assert first != class_aware(LONG_TAIL, 4, 4, seed=4, epoch=2)


def test_too_few_identities_are_an_error() -> None:
    with pytest.raises(ValueError, match="1 identities are too few for batches of 2"):
        ClassAwareSampler(np.zeros(9, np.int64), 2, 4, seed=0)
    with pytest.raises(ValueError, match="0 identities are too few"):
        ClassAwareSampler(np.zeros(0, np.int64), 2, 4, seed=0)


@given(st.integers(0, 40), st.integers(1, 7), st.integers(1, 5))
def test_shuffled_batches_hold_everything_once(num: int, size: int, epoch: int) -> None:
    batches = shuffled_batches(np.ones(num), size, seed=0, epoch=epoch)
    assert sorted(row for batch in batches for row in batch) == list(range(num))
    assert [len(batch) for batch in batches[:-1]] == [size] * (len(batches) - 1)


@given(st.integers(0, 40), st.integers(1, 3), st.integers(1, 3))
def test_the_last_batch_is_cut_to_what_divides(num: int, parts: int, per_part: int) -> None:
    batches = shuffled_batches(np.ones(num), parts * per_part, seed=0, epoch=1, multiple_of=parts)
    assert all(len(batch) % parts == 0 and batch for batch in batches)
    assert num - sum(map(len, batches)) == num % parts


def test_repetitions_by_hand() -> None:
    weights = np.array([0.5] * 8 + [1.0] * 3 + [2.25] * 4)
    counts = repetitions(weights, np.random.default_rng(0))
    assert sorted(counts[:8].tolist()) == [0] * 4 + [1] * 4
    assert counts[8:11].tolist() == [1, 1, 1]
    assert sorted(counts[11:].tolist()) == [2, 2, 2, 3]


def test_half_a_set_is_another_half_in_every_epoch() -> None:
    weights = np.array([0.5] * 20 + [2.0] * 5)
    drawn = [
        Counter(row for batch in shuffled_batches(weights, 4, seed=1, epoch=epoch) for row in batch) for epoch in (1, 2)
    ]
    for counts in drawn:
        assert sum(counts.values()) == 20
        assert [counts[row] for row in range(20, 25)] == [2] * 5
    assert drawn[0] != drawn[1]
    assert shuffled_batches(weights, 4, seed=1, epoch=1) == shuffled_batches(weights, 4, seed=1, epoch=1)


def test_class_aware_sampling_weighs_identities() -> None:
    identities = np.repeat(np.arange(60), 4)
    weights = np.repeat([0.5, 1.0, 2.0], 80)
    sampler = ClassAwareSampler(identities, 2, 4, seed=0, weights=weights)
    batches = sampler.batches(1)
    assert batches == sampler.batches(1)
    drawn = Counter(identities[[row for batch in batches for row in batch]].tolist())
    of_set = [sum(drawn[i] for i in range(20 * s, 20 * s + 20)) / 4 for s in range(3)]
    assert sum(of_set) >= 66  # of 10 + 20 + 40: the last chunks may be of one identity
    assert of_set[0] <= 10
    assert of_set[1] <= 20
    assert of_set[2] >= 34
    for batch in batches:
        assert len(set(identities[batch].tolist())) == 2
