"""Judges which detections of a query's gallery are right, wrong, or neither."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personsearch.boxes import box_iou, paired_iou
from personsearch.datasets.dataset import Dataset
from personsearch.evaluation.rows import GalleryRows
from personsearch.evaluation.rules import Rules
from personsearch.evaluation.spaces import SearchSpace, truth_of
from personsearch.results import Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class Candidates:
    """The P detections of a query's gallery, in the order in which equal similarities rank.

    Attributes:
        rows: (P,) int64 rows of the gallery's table; a row may occur twice.
        starts: (M + 1,) int64; entry m of the search space has ``rows[starts[m]:starts[m + 1]]``.
    """

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, space: SearchSpace, table: GalleryRows) -> Candidates:
        """Return the detections of the space's scenes."""
        counts = table.starts[space.scenes + 1] - table.starts[space.scenes]
        return cls(rows=_ranges(table.starts[space.scenes], counts), starts=np.append(0, np.cumsum(counts)))


def iou_thresholds(boxes: Floats, rules: Rules) -> NDArray[np.float64]:
    """Return (N,) the IoU that a detection needs with each of these people's boxes (N, 4)."""
    if rules.iou_rule == "fixed":
        return np.full(len(boxes), rules.iou)
    width, height = (boxes[:, 2:] - boxes[:, :2]).astype(np.float64).T
    return np.asarray(np.minimum(rules.iou, width * height / ((width + 10) * (height + 10))))


def best_identities(dataset: Dataset, table: GalleryRows, rules: Rules) -> NDArray[np.int64]:
    """Return (N,) int64: for each detection the identity of the annotated box that it overlaps best.

    -1 = that box has no label, or the detection overlaps no box enough.
    """
    labels = np.full(len(table.scene), -1, dtype=np.int64)
    for number, scene in enumerate(dataset.scenes):
        rows = slice(table.starts[number], table.starts[number + 1])
        boxes, identities = truth_of(scene, rules)
        if rows.start == rows.stop or not len(boxes):
            continue
        iou = box_iou(table.boxes[rows], boxes)
        best = iou.argmax(axis=1)
        enough = _enough(iou.max(axis=1), iou_thresholds(boxes, rules)[best], rules)
        labels[rows] = np.where(enough, identities[best], -1)
    return labels


def judge(
    space: SearchSpace,
    candidates: Candidates,
    similarity: Floats,
    table: GalleryRows,
    rules: Rules,
    same_person: NDArray[np.bool_] | None,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Judge the detections of a query's gallery.

    Args:
        space: where the person is.
        candidates: P detections.
        similarity: (P,) of each to the query.
        table: the detections' boxes.
        rules: what makes a detection right.
        same_person: (P,) bool, with ``positives="every"``: which detections overlap the person best; otherwise None.

    Returns:
        (P,) bool, which are right; (P,) bool, which are junk, to be left out of the ranking. The others are wrong.
    """
    counts = candidates.starts[space.shows + 1] - candidates.starts[space.shows]
    at = _ranges(candidates.starts[space.shows], counts)
    box = np.repeat(np.arange(len(space.shows)), counts)
    iou = paired_iou(table.boxes[candidates.rows[at]], space.boxes[box])
    enough = _enough(iou, iou_thresholds(space.boxes, rules)[box], rules)
    on_junk = space.junk[space.shows][box]

    right, junk = np.zeros((2, len(candidates.rows)), dtype=bool)
    junk[at[enough & on_junk]] = True
    if rules.junk_iou is not None:
        junk[at[~enough & (iou >= rules.junk_iou)]] = True
    if same_person is not None:
        right = same_person & ~np.repeat(space.junk, np.diff(candidates.starts))
        junk |= same_person & ~right
    else:
        good = np.flatnonzero(enough & ~on_junk)
        index = -at[good] if rules.ties == "reversed" else at[good]
        order = good[np.lexsort((index, -similarity[at[good]], box[good]))]
        right[at[order[np.diff(box[order], prepend=-1) != 0]]] = True
    return right, junk & ~right


def _enough(iou: NDArray[np.float64], threshold: NDArray[np.float64], rules: Rules) -> NDArray[np.bool_]:
    return np.asarray(iou >= threshold if rules.iou_inclusive else iou > threshold)


def _ranges(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return start, start + 1, ... for the count of each run, one run after the other."""
    ends = np.cumsum(counts)
    return np.repeat(starts - (ends - counts), counts) + np.arange(ends[-1] if len(ends) else 0)
