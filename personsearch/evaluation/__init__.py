"""The protocols of person search on plain arrays (numpy only)."""

from personsearch.evaluation.detection import DetectionResult, evaluate_detection
from personsearch.evaluation.evaluate import Report, evaluate, evaluate_observations, truth_as_detections
from personsearch.evaluation.ranking import average_precision
from personsearch.evaluation.reid import ReidResult, evaluate_reid
from personsearch.evaluation.rows import GalleryRows, gallery_rows
from personsearch.evaluation.rules import PRESETS, Rules, rules_of
from personsearch.evaluation.search import Ranked, Ranker, SearchResult, evaluate_search

__all__ = [
    "PRESETS",
    "DetectionResult",
    "GalleryRows",
    "Ranked",
    "Ranker",
    "ReidResult",
    "Report",
    "Rules",
    "SearchResult",
    "average_precision",
    "evaluate",
    "evaluate_detection",
    "evaluate_observations",
    "evaluate_reid",
    "evaluate_search",
    "gallery_rows",
    "rules_of",
    "truth_as_detections",
]
