"""Which samples form which batch: pure functions of the seed and the epoch, so that a run resumes exactly."""

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
        order = np.argsort(identities, kind="stable")
        starts = np.flatnonzero(np.diff(identities[order])) + 1
        self._samples = np.split(order, starts) if len(order) else []
        if len(self._samples) < num_identities:
            raise ValueError(f"{len(self._samples)} identities are too few for batches of {num_identities}")
        firsts = np.array([samples[0] for samples in self._samples], dtype=np.int64)
        self._weights = np.ones(len(firsts)) if weights is None else weights[firsts]
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
