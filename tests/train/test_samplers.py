from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from personsearch.train.samplers import (
    Batches,
    ClassAwareSampler,
    NeighbourSampler,
    nearest_neighbours,
    repetitions,
    shuffled_batches,
)

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
    with pytest.raises(ValueError, match="1 identities are too few for batches of 2"):
        NeighbourSampler(np.zeros(9, np.int64), 2, 4, seed=0)


def test_nearest_neighbours_of_a_table_of_similarities() -> None:
    similarities = np.array([[1, 0.9, 0.1, 0.5], [0.9, 1, 0.2, 0.4], [0.1, 0.2, 1, 0.3], [0.5, 0.4, 0.3, 1]])
    embeddings = np.linalg.cholesky(similarities).astype(np.float32)  # L with L L^T = similarities
    np.testing.assert_allclose(embeddings @ embeddings.T, similarities, atol=1e-6)
    assert nearest_neighbours(embeddings, 3).tolist() == [[1, 3, 2], [0, 3, 2], [3, 1, 0], [0, 1, 2]]
    assert nearest_neighbours(embeddings, 1).tolist() == [[1], [0], [3], [0]]


def test_nobody_neighbours_himself_and_the_first_of_equals_wins() -> None:
    embeddings = np.array([[0, 1], [1, 0], [1, 0], [1, 0]], dtype=np.float32)
    assert nearest_neighbours(embeddings, 2).tolist() == [[1, 2], [2, 3], [1, 3], [1, 2]]


def test_neighbours_of_many_are_those_of_the_whole_table() -> None:
    embeddings = np.random.default_rng(0).integers(-9, 10, (1500, 6)).astype(np.float32)  # exact dot products
    similarities = embeddings @ embeddings.T
    np.fill_diagonal(similarities, -np.inf)
    expected = [sorted(range(1500), key=lambda other: -row[other])[:4] for row in similarities[1000:1050]]
    assert nearest_neighbours(embeddings, 4)[1000:1050].tolist() == expected


def test_batches_of_neighbours_by_hand() -> None:
    labels = np.array([7, 7, 3, 3, 9, 9, 5, 5])  # identities 0 to 3 are the labels 3, 5, 7, 9
    graph = np.array([[2, 1], [3, 0], [0, 3], [1, 2]])
    batches = NeighbourSampler(labels, 3, 2, seed=0).batches(2, graph)
    people = sorted(labels[batch].tolist() for batch in batches)
    assert people == [[3, 3, 7, 7, 5, 5], [5, 5, 9, 9, 3, 3], [7, 7, 3, 3, 9, 9], [9, 9, 5, 5, 7, 7]]
    assert all(len(set(batch)) == 6 for batch in batches)  # both crops of each
    assert [labels[batch[0]] for batch in batches] != sorted({*labels.tolist()})  # in random order


@given(st.lists(st.integers(1, 6), min_size=2, max_size=20), st.data())
def test_batches_of_neighbours_hold_p_identities_k_times(counts: list[int], data: st.DataObject) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    p, k = data.draw(st.integers(2, len(counts))), data.draw(st.integers(1, 5))
    seed, epoch = data.draw(st.integers(0, 2**31)), data.draw(st.integers(1, 9))
    sampler = NeighbourSampler(labels, p, k, seed=seed)
    rows = sampler.one_of_each(epoch)
    assert labels[rows].tolist() == list(range(len(counts)))
    embeddings = np.random.default_rng(seed).normal(size=(len(rows), 3)).astype(np.float32)
    graph = sampler.neighbours(embeddings)
    for neighbours in (None, graph):
        batches = sampler.batches(epoch, neighbours)
        people = np.array([labels[batch].reshape(p, k) for batch in batches])
        assert (people == people[:, :, :1]).all()  # an identity's instances stand together
        assert all(len(set(batch[:, 0].tolist())) == p for batch in people)
        assert sorted(people[:, 0, 0].tolist()) == list(range(len(counts)))  # everybody comes first once
        for batch in np.array(batches).reshape(-1, k).tolist():
            assert len(set(batch)) == min(k, counts[labels[batch[0]]])
        assert batches == sampler.batches(epoch, neighbours)
    assert all(batch[1:, 0].tolist() == graph[batch[0, 0]].tolist() for batch in people)


def test_batches_of_neighbours_follow_from_seed_and_epoch() -> None:
    sampler = NeighbourSampler(LONG_TAIL, 3, 4, seed=0)
    graph = sampler.neighbours(np.eye(10, dtype=np.float32))
    assert sampler.batches(2, graph) != sampler.batches(3, graph)
    assert sampler.batches(2, graph) != NeighbourSampler(LONG_TAIL, 3, 4, seed=1).batches(2, graph)
    assert sampler.one_of_each(2).tolist() == sampler.one_of_each(2).tolist()
    assert sampler.one_of_each(2).tolist() != sampler.one_of_each(3).tolist()
    # Before anything is known, everybody meets everybody.
    met = {(a, b) for epoch in range(1, 60) for batch in sampler.batches(epoch, None) for a, b in pairs(batch)}
    assert len(met) == 90


def pairs(batch: list[int]) -> list[tuple[int, int]]:
    """Who comes first in a batch of three, with each of the other two."""
    first, *others = LONG_TAIL[batch[::4]].tolist()
    return [(first, other) for other in others]


def test_a_weight_says_how_often_an_identity_comes_first() -> None:
    labels = np.repeat(np.arange(60), 4)
    sampler = NeighbourSampler(labels, 2, 4, seed=0, weights=np.repeat([0.5, 1.0, 2.0], 80))
    firsts = [Counter(labels[batch[0]] for batch in sampler.batches(epoch, None)) for epoch in (1, 2)]
    for counts in firsts:
        assert [sum(counts[i] for i in range(20 * s, 20 * s + 20)) for s in range(3)] == [10, 20, 40]
        assert {counts[i] for i in range(40, 60)} == {2}
    assert firsts[0] != firsts[1]


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
