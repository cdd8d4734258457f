"""Which samples form which batch: pure functions of the seed and the epoch, so that a run resumes exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Batches = list[list[int]]


class ClassAwareSampler:
    """Class-aware sampling (paper section 3.1): P identities per batch, K instances of each.

    In an epoch every identity's samples are shuffled and cut into chunks of K; an identity with fewer than K is filled
    up by random repetition. Each batch takes a chunk from each of P random identities, until fewer than P identities
    have chunks left. How many batches that makes depends on the draw.
    """

    def __init__(self, identities: NDArray[np.int64], num_identities: int, num_instances: int, *, seed: int) -> None:
        """Sort the samples by identity, once for all epochs.

        Args:
            identities: (N,) label of each sample.
            num_identities: P.
            num_instances: K.
            seed: of the run.

        Raises:
            ValueError: there are fewer than P identities.
        """
        order = np.argsort(identities, kind="stable")
        starts = np.flatnonzero(np.diff(identities[order])) + 1
        self._samples = np.split(order, starts) if len(order) else []
        if len(self._samples) < num_identities:
            raise ValueError(f"{len(self._samples)} identities are too few for batches of {num_identities}")
        self._num_identities = num_identities
        self._num_instances = num_instances
        self._seed = seed

    def batches(self, epoch: int) -> Batches:
        """Return the batches of an epoch (counted from 1): P * K sample indices each, an identity's K in a row."""
        rng = np.random.default_rng([self._seed, epoch])
        chunks = [self._chunks(samples, rng) for samples in self._samples]
        batches = []
        remaining = np.arange(len(chunks))  # identities that have chunks left
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


def shuffled_batches(num_samples: int, batch_size: int, *, seed: int, epoch: int, multiple_of: int = 1) -> Batches:
    """Shuffle samples into batches.

    Args:
        num_samples: N.
        batch_size: of every batch except the last, which takes what is left.
        seed: of the run.
        epoch: from 1.
        multiple_of: the last batch is cut to a multiple of this, so that it divides into parts.
    """
    rows = np.random.default_rng([seed, epoch]).permutation(num_samples).tolist()
    kept = num_samples - num_samples % batch_size % multiple_of
    return [rows[start : min(start + batch_size, kept)] for start in range(0, kept, batch_size)]
