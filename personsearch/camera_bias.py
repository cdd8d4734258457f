"""Camera bias: what a camera adds to the embeddings of everybody before it.

Everybody before one camera shares its light, colours and view from above, so strangers before one camera are a little
more alike than strangers elsewhere, and a person less like themselves before another. A camera's bias is the mean
embedding of its people less the mean of all. It needs nothing but the cameras' names.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from personsearch.results import Floats

#: How many people a camera needs so that half of its mean counts: that of a few is mostly the few people themselves.
HALF_AT = 8.0


def camera_biases(
    vectors: Floats, cameras: NDArray[np.int64], num_cameras: int, half_at: float = HALF_AT
) -> NDArray[np.float64]:
    """Return what each camera adds (C, D): its mean less the mean of all, times n / (n + half_at) for n people.

    Args:
        vectors: (N, D) embeddings.
        cameras: (N,) the camera of each, from 0.
        num_cameras: C; a camera without people adds nothing.
        half_at: how many people make half of a mean count.
    """
    counts = np.bincount(cameras, minlength=num_cameras)
    biases = np.zeros((num_cameras, vectors.shape[1]))
    if not len(vectors):
        return biases
    mean = vectors.mean(axis=0, dtype=np.float64)
    for camera in np.flatnonzero(counts).tolist():
        share = counts[camera] / (counts[camera] + half_at)
        biases[camera] = share * (vectors[cameras == camera].mean(axis=0, dtype=np.float64) - mean)
    return biases


def without_bias(vectors: NDArray[np.floating[Any]], biases: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return vectors (N, D) less their biases (N, D), unit length."""
    rest = vectors.astype(np.float64) - biases
    return np.asarray(rest / np.maximum(np.linalg.norm(rest, axis=1, keepdims=True), np.finfo(np.float32).tiny))
