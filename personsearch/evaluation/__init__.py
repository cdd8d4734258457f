"""The protocols of person search on plain arrays (numpy only)."""

from personsearch.evaluation.detection import DetectionResult, evaluate_detection
from personsearch.evaluation.ranking import average_precision
from personsearch.evaluation.reid import ReidResult, evaluate_reid
from personsearch.evaluation.search import SearchResult, evaluate_search

__all__ = [
    "DetectionResult",
    "ReidResult",
    "SearchResult",
    "average_precision",
    "evaluate_detection",
    "evaluate_reid",
    "evaluate_search",
]
