"""Everybody in a picture of whom only views of tracks are stored: the stored people and those the network finds now."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from personsearch.boxes import mutual_best
from personsearch.exchange.records import ExportedPerson

#: Overlap from which a box that is found now is that of a stored person.
MIN_IOU = 0.5


def with_everybody(
    stored: Sequence[ExportedPerson], found: Sequence[tuple[tuple[float, float, float, float], float]]
) -> tuple[ExportedPerson, ...]:
    """Return the stored people, and those found now who are none of them, as people without a label.

    Stored people keep their own boxes and scores. One who is not found now stays.

    Args:
        stored: boxes in pixels of the scene.
        found: box, in the same pixels, and score of everybody whom the network finds in the picture now.

    Example:
        >>> known = ExportedPerson(box=(10, 10, 30, 70), score=0.9, person_id=7)
        >>> again, other = ((11, 10, 31, 71), 0.9), ((80, 10, 99, 70), 0.8)
        >>> [(one.person_id, one.box) for one in with_everybody([known], [again, other])]
        [(7, (10, 10, 30, 70)), (None, (80, 10, 99, 70))]
    """
    boxes = np.array([box for box, _ in found], dtype=np.float32).reshape(-1, 4)
    own = np.array([one.box for one in stored], dtype=np.float32).reshape(-1, 4)
    same = set(mutual_best(boxes, own, MIN_IOU)[0].tolist())
    new = (ExportedPerson(box=box, score=score) for row, (box, score) in enumerate(found) if row not in same)
    return (*stored, *new)
