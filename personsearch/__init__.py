"""Find a person across a gallery of scene images.

Public names load on first use (PEP 562): importing the package loads neither torch, training nor faiss.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from personsearch.version import __version__ as __version__

if TYPE_CHECKING:
    from personsearch.calibration import Calibration
    from personsearch.errors import PersonSearchError
    from personsearch.gallery import Gallery
    from personsearch.models.config import ModelConfig
    from personsearch.people import Gates, Person
    from personsearch.pictures.drawing import draw
    from personsearch.pictures.matches import draw_matches
    from personsearch.pictures.people import draw_people
    from personsearch.results import Detections, IndexReport, Match, Matches, QueryPerson, Sighting, Spec, Track
    from personsearch.searcher import PersonSearcher
    from personsearch.weights.entries import list_weights

_HOMES = {
    "Calibration": "personsearch.calibration",
    "Detections": "personsearch.results",
    "Gallery": "personsearch.gallery",
    "Gates": "personsearch.people",
    "IndexReport": "personsearch.results",
    "Match": "personsearch.results",
    "Matches": "personsearch.results",
    "ModelConfig": "personsearch.models.config",
    "Person": "personsearch.people",
    "PersonSearchError": "personsearch.errors",
    "PersonSearcher": "personsearch.searcher",
    "QueryPerson": "personsearch.results",
    "Sighting": "personsearch.results",
    "Spec": "personsearch.results",
    "Track": "personsearch.results",
    "draw": "personsearch.pictures.drawing",
    "draw_matches": "personsearch.pictures.matches",
    "draw_people": "personsearch.pictures.people",
    "list_weights": "personsearch.weights.entries",
}

__all__ = [
    "Calibration",
    "Detections",
    "Gallery",
    "Gates",
    "IndexReport",
    "Match",
    "Matches",
    "ModelConfig",
    "Person",
    "PersonSearchError",
    "PersonSearcher",
    "QueryPerson",
    "Sighting",
    "Spec",
    "Track",
    "draw",
    "draw_matches",
    "draw_people",
    "list_weights",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'personsearch' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
