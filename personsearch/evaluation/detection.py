"""Detection average precision and recall by the definition that person-search papers share.

It is not COCO AP: one IoU threshold, and AP is multiplied by recall.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personsearch.boxes import box_coverage, box_iou, mutual_best
from personsearch.datasets.scene import Scene
from personsearch.evaluation.ranking import average_precision
from personsearch.evaluation.rules import PRESETS, Rules
from personsearch.evaluation.spaces import truth_of
from personsearch.results import Detections, Floats

IOU = 0.5


@dataclass(frozen=True, eq=False, kw_only=True)
class DetectionResult:
    """Detection quality over a set; AP never exceeds recall. Where nobody is annotated, the figures are NaN.

    Attributes:
        ap: average precision x recall.
        recall: share of people found.
        labelled_recall: share of the people with an identity who are found when only they are looked for.
        people: how many annotated people count.
        labelled: how many of them have an identity.
        detections: how many detections count (N).
        scores: (N,) float32, their scores, falling.
        hits: (N,) bool, which of them found somebody.
    """

    ap: float
    recall: float
    labelled_recall: float
    people: int
    labelled: int
    detections: int
    scores: Floats
    hits: NDArray[np.bool_]

    def curve(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (K,) recall and (K,) precision at each score that occurs, from the highest score down.

        Where nobody is annotated, recall is NaN.
        """
        last_of_tie = np.append(np.diff(self.scores) != 0, True)[: len(self.scores)]
        hits = np.cumsum(self.hits)[last_of_tie]
        recall = hits / self.people if self.people else np.full(len(hits), np.nan)
        return recall, hits / (np.flatnonzero(last_of_tie) + 1)


def evaluate_detection(
    detections: Mapping[str, Detections], scenes: Sequence[Scene], rules: Rules = PRESETS["standard"]
) -> DetectionResult:
    """Match detections to people and pool them over all scenes.

    A detection and a person form a hit when their IoU is at least 0.5 and each is the other's best. Labelled and
    unlabelled people count alike. A detection on an ignored box that hits nobody counts neither way.

    Args:
        detections: by image_id; a scene without an entry has none.
        scenes: the annotated set.
        rules: the protocol: which scores and which scenes count.
    """
    hits, scores = [np.zeros(0, dtype=bool)], [np.zeros(0, dtype=np.float32)]
    people = labelled = labelled_hits = 0
    for scene in scenes:
        truth, identities = truth_of(scene, rules)
        has_label = identities >= rules.first_label
        detected = detections.get(scene.image_id)
        kept = np.zeros(0, dtype=bool) if detected is None else detected.scores >= rules.detection_score_threshold
        if not kept.any() and rules.empty_scenes == "skip":
            continue
        people += len(truth)
        labelled += int(has_label.sum())
        if detected is None or not kept.any():
            continue
        boxes = detected.boxes[kept]
        hit = hits_of(boxes, truth)
        counts = hit | ~on_ignored(boxes, scene.boxes[scene.ignore])
        hits.append(hit[counts])
        scores.append(detected.scores[kept][counts])
        labelled_hits += len(mutual_best(boxes, truth[has_label], IOU)[0])
    relevant, pooled = np.concatenate(hits), np.concatenate(scores)
    recall = float(relevant.sum() / people) if people else math.nan
    precision = average_precision(relevant, pooled) if relevant.any() or not people else 0.0
    order = np.argsort(-pooled, kind="stable")
    return DetectionResult(
        ap=precision * recall,
        recall=recall,
        labelled_recall=labelled_hits / labelled if labelled else math.nan,
        people=people,
        labelled=labelled,
        detections=len(relevant),
        scores=pooled[order],
        hits=relevant[order],
    )


def hits_of(boxes: Floats, truth: Floats) -> NDArray[np.bool_]:
    """Return (N,) bool: which of the boxes (N, 4) form a hit with a box of the truth (M, 4), each the other's best."""
    hit = np.zeros(len(boxes), dtype=bool)
    hit[mutual_best(boxes, truth, IOU)[0]] = True
    return hit


def on_ignored(boxes: Floats, ignored: Floats) -> NDArray[np.bool_]:
    """Return (N,) bool: which boxes (N, 4) lie on an ignored one (M, 4): IoU at least 0.5, or more than half inside."""
    if not len(ignored):
        return np.zeros(len(boxes), dtype=bool)
    on = (box_iou(boxes, ignored) >= IOU) | (box_coverage(boxes, ignored) > 0.5)
    return np.asarray(on.any(axis=1))


@dataclass(frozen=True, eq=False)
class Judged:
    """The detections of a scene above a threshold, beside its annotated people.

    Attributes:
        scene: the scene.
        detections: those with the score or more.
        person: (K,) int64, row of the annotated box that each detection is of; -1 = of none.
        missed: (M,) int64, rows of annotated people, not ignored, of whom no detection is.
    """

    scene: Scene
    detections: Detections
    person: NDArray[np.int64]
    missed: NDArray[np.int64]

    @property
    def false(self) -> NDArray[np.int64]:
        """Rows of detections that are of nobody."""
        return np.flatnonzero(self.person < 0)

    @property
    def errors(self) -> int:
        """How many people were missed, and how many detections are of nobody."""
        return len(self.missed) + len(self.false)


def judge(scene: Scene, detections: Detections, score: float) -> Judged:
    """Compare the detections of a scene that have at least a score with its annotated people."""
    kept = detections[detections.scores >= score]
    rows, people = mutual_best(kept.boxes, scene.boxes, IOU)
    person = np.full(len(kept), -1, dtype=np.int64)
    person[rows] = people
    missed = np.setdiff1d(np.flatnonzero(~scene.ignore), people)
    return Judged(scene, kept, person, missed)
