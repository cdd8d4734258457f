"""Re-ranking: similarities other than the plain one, made from what a search has at hand. Off by default.

Each method is a frozen record of its parameters; its ``ranker`` returns what ``evaluate_search`` takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from personsearch.errors import ConfigError
from personsearch.evaluation.rerank.cameras import CameraMeans, CameraSimilarity
from personsearch.evaluation.rerank.companions import Companions
from personsearch.evaluation.rerank.context import ContextMatching
from personsearch.evaluation.rerank.expansion import QueryExpansion
from personsearch.evaluation.rerank.k_reciprocal import KReciprocal
from personsearch.evaluation.rerank.searched import Searched
from personsearch.evaluation.search import Ranker


class Reranker(Protocol):
    """The parameters of a method."""

    def ranker(self, searched: Searched) -> Ranker:
        """Return the similarities of this method."""


#: Methods by the name that ``--rerank`` takes, with the parameters of their papers, if there are any.
RERANKERS: Mapping[str, Reranker] = MappingProxyType(
    {
        "context": ContextMatching(),
        "context-mean": ContextMatching(score="mean"),
        "k-reciprocal": KReciprocal(),
        "expansion": QueryExpansion(),
        "alpha-expansion": QueryExpansion(alpha=3.0),
        "companions": Companions(),
        "camera-mean": CameraMeans(),
        "camera-similarity": CameraSimilarity(),
    }
)


def reranker_of(name: str) -> Reranker:
    """Return a method by name.

    Raises:
        ConfigError: there is no such method; lists those there are.
    """
    if name not in RERANKERS:
        raise ConfigError(f"there is no re-ranking method {name!r}; methods are: {', '.join(RERANKERS)}")
    return RERANKERS[name]


__all__ = [
    "RERANKERS",
    "CameraMeans",
    "CameraSimilarity",
    "Companions",
    "ContextMatching",
    "KReciprocal",
    "QueryExpansion",
    "Reranker",
    "Searched",
    "reranker_of",
]
