"""Companions: the people beside the query vote for scenes that show them too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personsearch.errors import ConfigError
from personsearch.evaluation.rerank.searched import Searched
from personsearch.evaluation.search import Ranker


@dataclass(frozen=True, kw_only=True)
class Companions:
    """Raise the rows of scenes in which the query's companions are found too.

    Each companion's vote for a row is how far its highest similarity to the *other* rows of that scene exceeds
    ``floor``. The row's similarity rises by ``weight`` times the mean vote. Unlike context matching, this changes every
    row a little, and needs no assignment.

    Attributes:
        people: how many companions vote, those of highest score.
        floor: similarity below which a companion has no vote.
        weight: of the votes.
    """

    people: int = 5
    floor: float = 0.5
    weight: float = 0.5

    def __post_init__(self) -> None:
        if self.people < 1 or not -1 <= self.floor < 1 or not self.weight >= 0:
            raise ConfigError(f"people must be at least 1, floor from -1 to below 1, and weight at least 0, got {self}")

    def ranker(self, searched: Searched) -> Ranker:
        """Return the similarities of this method."""
        rows = searched.rows

        def rank(query: int, allowed: NDArray[np.int64]) -> NDArray[np.floating]:
            similarity = searched.similarity(query, allowed)
            companions = searched.companions[query][: self.people]
            if not len(companions) or not len(allowed):
                return similarity
            scene, group = np.unique(rows.scene[allowed], return_inverse=True)
            likeness = searched.products(companions, allowed).clip(self.floor) - self.floor  # (A, people)
            votes = np.stack([_best_of_the_others(column, group, len(scene)) for column in likeness.T])
            return np.asarray(similarity + self.weight * votes.mean(axis=0))

        return rank


def _best_of_the_others(values: NDArray[np.floating], group: NDArray[np.int64], groups: int) -> NDArray[np.floating]:
    """Return for each value (A,), none negative, the highest of the others in its group; 0 where it is alone."""
    order = np.lexsort((-values, group))
    first = np.searchsorted(group[order], np.arange(groups))
    best_row = order[first]
    second = np.zeros(groups, values.dtype)
    has_second = np.bincount(group, minlength=groups) > 1
    second[has_second] = values[order[first[has_second] + 1]]
    others = values[best_row][group]
    others[best_row] = second
    return others
