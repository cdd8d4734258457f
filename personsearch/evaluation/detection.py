"""Detection average precision and recall, by the definition that person-search papers share.

It is not COCO AP: one IoU threshold, and AP is multiplied by recall.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from personsearch.datasets.scene import Scene
from personsearch.evaluation.ranking import average_precision, box_coverage, box_iou
from personsearch.results import Detections, Floats

IOU = 0.5


@dataclass(frozen=True, kw_only=True)
class DetectionResult:
    """Detection quality over a set; AP never exceeds recall.

    Attributes:
        ap: average precision x recall.
        recall: share of people found.
        people: annotated people that count.
        detections: detections that count.
    """

    ap: float
    recall: float
    people: int
    detections: int


def evaluate_detection(
    detections: Mapping[str, Detections], scenes: Sequence[Scene], *, score_threshold: float = 0.5
) -> DetectionResult:
    """Match detections to people and pool them over all scenes.

    A detection and a person form a hit when their IoU is at least 0.5 and each is the other's best. Labelled and
    unlabelled people count alike. Detections on ignored boxes that hit nobody count neither way.

    Args:
        detections: by image_id; a scene without an entry has none, and its people still count.
        scenes: the annotated set.
        score_threshold: lower detections are dropped first.
    """
    hits, scores, people = [], [], 0
    for scene in scenes:
        truth = scene.boxes[~scene.ignore]
        people += len(truth)
        found = detections.get(scene.image_id)
        if found is None:
            continue
        kept = found.scores >= score_threshold
        boxes = found.boxes[kept]
        hit = _mutual_best(boxes, truth)
        counts = hit | ~_on_ignored(boxes, scene.boxes[scene.ignore])
        hits.append(hit[counts])
        scores.append(found.scores[kept][counts])
    relevant = np.concatenate([np.zeros(0, dtype=bool), *hits])
    recall = float(relevant.sum() / people) if people else 0.0
    ap = average_precision(relevant, np.concatenate([np.zeros(0, dtype=np.float32), *scores])) * recall
    return DetectionResult(ap=ap, recall=recall, people=people, detections=len(relevant))


def _mutual_best(boxes: Floats, truth: Floats) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    if not len(boxes) or not len(truth):
        return np.zeros(len(boxes), dtype=bool)
    iou = box_iou(boxes, truth)
    best_truth, best_box = iou.argmax(axis=1), iou.argmax(axis=0)
    rows = np.arange(len(boxes))
    return np.asarray((best_box[best_truth] == rows) & (iou[rows, best_truth] >= IOU))


def _on_ignored(boxes: Floats, ignored: Floats) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    if not len(ignored):
        return np.zeros(len(boxes), dtype=bool)
    on = (box_iou(boxes, ignored) >= IOU) | (box_coverage(boxes, ignored) > 0.5)
    return np.asarray(on.any(axis=1))
