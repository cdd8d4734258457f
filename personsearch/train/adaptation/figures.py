"""What weights are worth at a place: figures on composites of held-back pictures, and on the pictures themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from personsearch.datasets import Dataset
from personsearch.evaluation.evaluate import evaluate_observations
from personsearch.measure.observe import observe
from personsearch.searcher import PersonSearcher

#: Figure -> whether more of it is better.
FIGURES: Mapping[str, bool] = {"AP": True, "recall": True, "mAP": True, "false per empty picture": False}
#: A figure that moves less than this has not fallen.
NOISE = 0.002


def figures_of_place(
    searcher: PersonSearcher, composites: Dataset, empty: Sequence[Path], *, progress: bool | None = None
) -> dict[str, float]:
    """Measure a searcher at a place.

    Args:
        searcher: the weights in question.
        composites: held-back pictures with rendered people.
        empty: the held-back pictures themselves, in which every detection is false.
        progress: None = bars on a terminal.

    Returns:
        AP and recall of detection and mAP of search as fractions, by preset ``standard``; false detections per empty
        picture, from the weights' own threshold on. NaN = nothing counted.
    """
    measured = evaluate_observations(observe(searcher, composites, progress=progress), composites).figures()
    found = searcher.detect(list(empty), progress=False)
    return {
        "AP": measured["AP"],
        "recall": measured["recall"],
        "mAP": measured.get("mAP", math.nan),
        "false per empty picture": sum(len(people) for people in found) / len(empty),
    }


def fallen(before: Mapping[str, float], after: Mapping[str, float]) -> list[str]:
    """Return which figures got worse; one that counted nothing on either side did not."""
    return [name for name, more in FIGURES.items() if (before[name] - after[name]) * (1 if more else -1) > NOISE]


def figure_text(name: str, value: float) -> str:
    """Write a figure: per cent, or a plain number of detections."""
    if math.isnan(value):
        return "-"
    return f"{value:.2f}" if name.startswith("false") else f"{100 * value:.1f} %"
