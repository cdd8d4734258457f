"""Camera bias taken out of similarities, from nothing but the cameras' names; see ``personsearch.camera_bias``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personsearch.camera_bias import HALF_AT, camera_biases, without_bias
from personsearch.errors import ConfigError, DatasetError
from personsearch.evaluation.rerank.searched import Searched
from personsearch.evaluation.search import Ranker


@dataclass(frozen=True, kw_only=True)
class CameraMeans:
    """Subtract from every embedding what its camera adds: the camera's mean embedding less the mean of all.

    The mean of n rows counts ``n / (n + rows)``, since that of a few rows is mostly the few people in them.

    Attributes:
        weight: of what is subtracted, 0..1.
        rows: how many rows a camera needs so that half of its mean counts.
    """

    weight: float = 1.0
    rows: float = HALF_AT

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 1 or not self.rows >= 0:
            raise ConfigError(f"weight must be from 0 to 1 and rows at least 0, got {self}")

    def ranker(self, searched: Searched) -> Ranker:
        """Return the similarities of this method.

        Raises:
            DatasetError: a camera is unknown.
        """
        own, asked, count = _cameras(searched)
        biases = self.weight * camera_biases(searched.rows.embeddings, own, count, self.rows)
        embeddings = without_bias(searched.rows.embeddings, biases[own]).astype(np.float32)
        queries = without_bias(searched.queries, biases[asked]).astype(np.float32)

        def rank(query: int, allowed: NDArray[np.int64]) -> NDArray[np.floating]:
            return np.asarray(embeddings[allowed] @ queries[query])

        return rank


@dataclass(frozen=True, kw_only=True)
class CameraSimilarity:
    """Subtract from every similarity a share of the two cameras' similarity, as in the VisDA 2020 challenge.

    Its systems had a network trained to tell cameras apart; here, the similarity of two cameras is that of their mean
    embeddings less the mean of all.

    Attributes:
        weight: of the cameras' similarity (their 0.1).
    """

    weight: float = 0.1

    def __post_init__(self) -> None:
        if not self.weight >= 0:
            raise ConfigError(f"weight must be at least 0, got {self}")

    def ranker(self, searched: Searched) -> Ranker:
        """Return the similarities of this method.

        Raises:
            DatasetError: a camera is unknown.
        """
        own, asked, count = _cameras(searched)
        biases = camera_biases(searched.rows.embeddings, own, count, 0.0)
        directions = without_bias(biases, np.zeros_like(biases))  # of unit length
        between = directions @ directions.T

        def rank(query: int, allowed: NDArray[np.int64]) -> NDArray[np.floating]:
            return np.asarray(searched.similarity(query, allowed) - self.weight * between[asked[query], own[allowed]])

        return rank


def _cameras(searched: Searched) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Return the cameras of rows and queries, which must be known, and how many cameras there are."""
    both = np.concatenate([searched.cameras, searched.query_cameras])
    if (both < 0).any():
        raise DatasetError("the camera of a scene is unknown, but camera bias is taken out by camera; annotate cameras")
    return searched.cameras, searched.query_cameras, int(both.max(initial=-1)) + 1
