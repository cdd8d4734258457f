"""Which samples form which batch: pure functions of their arguments, so that a run resumes exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Batches = list[list[int]]


def repetitions(weights: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return how often each sample comes in an epoch: its weight, up to chance where that is not a whole number.

    Of the samples with one weight, a random share as large as the weight's fraction comes once more. Whole weights draw
    nothing from ``rng``.

    Args:
        weights: (N,), positive.
        rng: decides.
    """
    counts = np.floor(weights).astype(np.int64)
    for weight in np.unique(weights[weights % 1 > 0]).tolist():
        rows = np.flatnonzero(weights == weight)
        counts[rng.choice(rows, round(weight % 1 * len(rows)), replace=False)] += 1
    return counts


def _by_identity(identities: NDArray[np.int64], at_least: int) -> list[NDArray[np.int64]]:
    """Return the rows of each identity, by rising label.

    Raises:
        ValueError: there are fewer identities than ``at_least``, the P of a batch.
    """
    order = np.argsort(identities, kind="stable")
    starts = np.flatnonzero(np.diff(identities[order])) + 1
    samples = np.split(order, starts) if len(order) else []
    if len(samples) < at_least:
        raise ValueError(f"{len(samples)} identities are too few for batches of {at_least}")
    return samples


def _weights_of(samples: list[NDArray[np.int64]], weights: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Return the weight of each identity, from that of its first sample."""
    firsts = np.array([rows[0] for rows in samples], dtype=np.int64)
    return np.ones(len(firsts)) if weights is None else weights[firsts]


class ClassAwareSampler:
    """Class-aware sampling (paper section 3.1): P identities per batch, K instances of each.

    In an epoch every identity's samples are shuffled and cut into chunks of K; an identity with fewer than K is filled
    up by random repetition. Each batch takes a chunk from each of P random identities, until fewer than P identities
    have chunks left. How many batches that makes depends on the draw.
    """

    def __init__(
        self,
        identities: NDArray[np.int64],
        num_identities: int,
        num_instances: int,
        *,
        seed: int,
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        """Sort the samples by identity, once for all epochs.

        Args:
            identities: (N,) label of each sample.
            num_identities: P.
            num_instances: K.
            seed: of the run.
            weights: (N,) how often an epoch shows the identity of each sample, the same for all samples of an identity:
                0.5 = a random half of these identities, another in every epoch. Default: 1 for all.

        Raises:
            ValueError: there are fewer than P identities.
        """
        self._samples = _by_identity(identities, num_identities)
        self._weights = _weights_of(self._samples, weights)
        self._num_identities = num_identities
        self._num_instances = num_instances
        self._seed = seed

    def batches(self, epoch: int) -> Batches:
        """Return the batches of an epoch (counted from 1): P * K sample indices each, an identity's K in a row."""
        rng = np.random.default_rng([self._seed, epoch])
        times = repetitions(self._weights, rng).tolist()
        chunks = [
            [chunk for _ in range(number) for chunk in self._chunks(samples, rng)]
            for samples, number in zip(self._samples, times, strict=True)
        ]
        batches = []
        remaining = np.array([i for i, own in enumerate(chunks) if own], dtype=np.int64)  # who has chunks left
        while len(remaining) >= self._num_identities:
            chosen = rng.choice(remaining, self._num_identities, replace=False).tolist()
            batches.append([sample for identity in chosen for sample in chunks[identity].pop()])
            used_up = [identity for identity in chosen if not chunks[identity]]
            if used_up:
                remaining = remaining[~np.isin(remaining, used_up)]
        return batches

    def _chunks(self, samples: NDArray[np.int64], rng: np.random.Generator) -> list[list[int]]:
        shuffled = rng.permutation(samples)
        if len(shuffled) < self._num_instances:
            shuffled = np.concatenate([shuffled, rng.choice(shuffled, self._num_instances - len(shuffled))])
        whole = len(shuffled) // self._num_instances * self._num_instances
        chunks: list[list[int]] = shuffled[:whole].reshape(-1, self._num_instances).tolist()
        return chunks


def nearest_neighbours(embeddings: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Return, for each embedding, the rows of the others that are most similar to it.

    Args:
        embeddings: (N, D), of unit length.
        count: how many, less than N.

    Returns:
        (N, count), the most similar first; of equally similar ones the lower row.
    """
    nearest = np.empty((len(embeddings), count), dtype=np.int64)
    for start in range(0, len(embeddings), 1024):  # the table of all similarities may be larger than memory
        similarities = embeddings[start : start + 1024] @ embeddings.T
        own = np.arange(len(similarities))
        similarities[own, start + own] = -np.inf
        nearest[start : start + 1024] = np.argsort(-similarities, axis=1, kind="stable")[:, :count]
    return nearest


class NeighbourSampler:
    """Hard-identity mining by graph sampling: an identity and the P - 1 nearest to it, K instances of each.

    In an epoch each identity comes first in one batch. With whom is given: the idea is that of Liao and Shao, "Graph
    Sampling Based Deep Metric Learning for Generalizable Person Re-Identification", CVPR 2022, in which the nearest are
    found at the beginning of every epoch, by one sample of each identity.
    """

    def __init__(
        self,
        identities: NDArray[np.int64],
        num_identities: int,
        num_instances: int,
        *,
        seed: int,
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        """Sort the samples by identity, once for all epochs.

        Args:
            identities: (N,) label of each sample.
            num_identities: P.
            num_instances: K.
            seed: of the run.
            weights: (N,) how often an identity comes first in an epoch, see :class:`ClassAwareSampler`. As a neighbour
                of others it comes whatever its weight.

        Raises:
            ValueError: there are fewer than P identities.
        """
        self._samples = _by_identity(identities, num_identities)
        self._weights = _weights_of(self._samples, weights)
        self._num_others = num_identities - 1
        self._num_instances = num_instances
        self._seed = seed

    def one_of_each(self, epoch: int) -> NDArray[np.int64]:
        """Return a random sample of each identity: (C,) rows, by rising label."""
        # A stream of its own: the batches of the epoch draw from its parent.
        [rng] = np.random.default_rng([self._seed, epoch]).spawn(1)
        return np.array([rng.choice(rows) for rows in self._samples], dtype=np.int64)

    def neighbours(self, embeddings: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return who goes into a batch with whom, from embeddings (C, D) of the rows of :meth:`one_of_each`.

        Returns:
            (C, P - 1) numbers of identities, counted from 0 by rising label.
        """
        return nearest_neighbours(embeddings, self._num_others)

    def batches(self, epoch: int, neighbours: NDArray[np.int64] | None) -> Batches:
        """Return the batches of an epoch: P * K sample indices each, an identity's K in a row.

        Args:
            epoch: from 1.
            neighbours: (C, P - 1) as :meth:`neighbours` returned; None = nothing is known, the others are random ones.
        """
        rng = np.random.default_rng([self._seed, epoch])
        firsts = np.repeat(np.arange(len(self._samples)), repetitions(self._weights, rng))
        batches = []
        for first in rng.permutation(firsts).tolist():
            if neighbours is None:
                others = rng.choice(len(self._samples) - 1, self._num_others, replace=False)
                others += others >= first  # anybody but the first
            else:
                others = neighbours[first]
            batches.append([row for one in (first, *others.tolist()) for row in self._instances(one, rng)])
        return batches

    def _instances(self, identity: int, rng: np.random.Generator) -> list[int]:
        rows = rng.permutation(self._samples[identity])[: self._num_instances]
        missing = self._num_instances - len(rows)
        return [*rows.tolist(), *(rng.choice(rows, missing).tolist() if missing else ())]


def shuffled_batches(
    weights: NDArray[np.float64], batch_size: int, *, seed: int, epoch: int, multiple_of: int = 1
) -> Batches:
    """Shuffle samples into batches.

    Args:
        weights: (N,) of each sample, see :func:`repetitions`.
        batch_size: of every batch except the last, which takes what is left.
        seed: of the run.
        epoch: from 1.
        multiple_of: the last batch is cut to a multiple of this, so that it divides into parts.
    """
    rng = np.random.default_rng([seed, epoch])
    once = np.repeat(np.arange(len(weights)), repetitions(weights, rng))
    rows = once[rng.permutation(len(once))].tolist()
    kept = len(rows) - len(rows) % batch_size % multiple_of
    return [rows[start : min(start + batch_size, kept)] for start in range(0, kept, batch_size)]
