"""Which samples form which batch: pure functions of the seed and the epoch, so that a run resumes exactly."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

Batches = list[list[int]]


def class_aware_batches(
    identities: NDArray[np.int64], num_identities: int, num_instances: int, *, seed: int, epoch: int
) -> Batches:
    """Class-aware sampling (paper section 3.2): P identities, K instances of each, per batch.

    Every identity's samples are shuffled and cut into chunks of K; an identity with fewer is filled up by random
    repetition. Batches of P random identities take a chunk from each, until fewer than P identities have chunks left.

    Args:
        identities: (N,) label of each sample, all >= 0.
        num_identities: P.
        num_instances: K.
        seed: of the run.
        epoch: from 1.

    Returns:
        Batches of P * K sample indices; an identity's K stand together.

    Raises:
        ValueError: there are fewer than P identities.
    """
    rng = np.random.default_rng([seed, epoch])
    chunks: dict[int, list[NDArray[np.int64]]] = {}
    for identity in np.unique(identities).tolist():
        rows = rng.permutation(np.flatnonzero(identities == identity))
        if len(rows) < num_instances:
            rows = np.concatenate([rows, rng.choice(rows, num_instances - len(rows))])
        whole = len(rows) // num_instances * num_instances
        chunks[identity] = list(rows[:whole].reshape(-1, num_instances))
    if len(chunks) < num_identities:
        raise ValueError(f"{len(chunks)} identities are too few for batches of {num_identities}")
    batches = []
    left = sorted(chunks)
    while len(left) >= num_identities:
        chosen = rng.choice(left, num_identities, replace=False).tolist()
        batches.append([int(row) for identity in chosen for row in chunks[identity].pop()])
        left = [identity for identity in left if chunks[identity]]
    return batches


def shuffled_batches(
    groups: Sequence[Hashable], batch_size: int, *, seed: int, epoch: int, multiple_of: int = 1
) -> Batches:
    """Shuffle samples into batches that never mix groups (canvas sizes).

    Args:
        groups: (N,) group of each sample.
        batch_size: of all batches but each group's last.
        seed: of the run.
        epoch: from 1.
        multiple_of: each group's last batch is cut to a multiple of this, so that it divides into parts.
    """
    rng = np.random.default_rng([seed, epoch])
    waiting: dict[Hashable, list[int]] = {}
    batches: Batches = []
    for row in rng.permutation(len(groups)).tolist():
        batch = waiting.setdefault(groups[row], [])
        batch.append(row)
        if len(batch) == batch_size:
            batches.append(waiting.pop(groups[row]))
    last = [batch[: len(batch) // multiple_of * multiple_of] for batch in waiting.values()]
    return batches + [batch for batch in last if batch]
