"""Numbers about a set's scenes that checks and plots share. They leave out ignored boxes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personsearch.datasets.scene import Scene

#: Share of the identities that are the head of the long tail: those with the most boxes.
HEAD_SHARE = 0.2


def labels_of(scenes: Sequence[Scene]) -> NDArray[np.int64]:
    """Return (N,) identities of all labelled boxes, scene after scene."""
    parts = [scene.identities[(scene.identities >= 0) & ~scene.ignore] for scene in scenes]
    return np.concatenate([np.zeros(0, np.int64), *parts])


def boxes_per_identity(scenes: Sequence[Scene]) -> NDArray[np.int64]:
    """Return (I,) the number of boxes of each identity, in order of identity."""
    return np.unique(labels_of(scenes), return_counts=True)[1].astype(np.int64)


def people_per_scene(scenes: Sequence[Scene]) -> NDArray[np.int64]:
    """Return (S,) the number of people in each scene, labelled or not."""
    return np.array([int((~scene.ignore).sum()) for scene in scenes], dtype=np.int64)


def cameras_of_identities(scenes: Sequence[Scene]) -> dict[int, set[str]]:
    """Map each identity, in order, to the known cameras that see it."""
    cameras: dict[int, set[str]] = defaultdict(set)
    for scene in scenes:
        if scene.camera is not None:
            for identity in scene.identities[(scene.identities >= 0) & ~scene.ignore].tolist():
                cameras[identity].add(scene.camera)
    return dict(sorted(cameras.items()))


def cameras_per_identity(scenes: Sequence[Scene]) -> NDArray[np.int64]:
    """Return (I,) the number of cameras that see each identity, without those that no known camera sees."""
    return np.array([len(cameras) for cameras in cameras_of_identities(scenes).values()], dtype=np.int64)


def head_count(identities: int, share: float = HEAD_SHARE) -> int:
    """Return how many identities are the head: their share of all, rounded, and at least one."""
    return max(1, round(share * identities))


def head_share(counts: NDArray[Any], share: float = HEAD_SHARE) -> float:
    """Return the share (0..1) of all boxes that belong to the most frequent identities.

    Args:
        counts: (I,) boxes of each identity, in any order.
        share: of the identities, the most frequent ones; see :func:`head_count`.
    """
    ordered = np.sort(counts)[::-1]
    return float(ordered[: head_count(len(ordered), share)].sum() / max(ordered.sum(), 1))
