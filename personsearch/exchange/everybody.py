"""Everybody in a picture of whom only views of tracks are stored: the stored people and those the network finds now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from personsearch.boxes import mutual_best
from personsearch.exchange.records import ExportedPerson

#: Overlap from which a box that is found now is that of a stored person.
MIN_IOU = 0.5


def newcomers(stored: Sequence[tuple[float, ...]], found: Sequence[tuple[float, ...]]) -> NDArray[np.int64]:
    """Return the rows of the boxes found now that are no stored person's.

    Args:
        stored: boxes of the stored people, pixels of the scene.
        found: boxes that the network finds in the picture now, in the same pixels.
    """
    boxes = np.array(found, dtype=np.float32).reshape(-1, 4)
    own = np.array(stored, dtype=np.float32).reshape(-1, 4)
    return np.setdiff1d(np.arange(len(boxes)), mutual_best(boxes, own, MIN_IOU)[0])


def with_everybody(stored: Sequence[ExportedPerson], new: Sequence[ExportedPerson]) -> tuple[ExportedPerson, ...]:
    """Return the stored people and the new ones; a new one who has the label of another in the scene loses it.

    Example:
        >>> known = ExportedPerson(box=(10, 10, 30, 70), score=0.9, person_id=7)
        >>> other = ExportedPerson(box=(80, 10, 99, 70), score=0.8, person_id=8, track_id=3)
        >>> again = replace(other, box=(50, 10, 70, 70))
        >>> [one.person_id for one in with_everybody([known], [other, again])]
        [7, 8, None]
    """
    taken = {one.person_id for one in stored}
    kept = []
    for one in new:
        free = one.person_id is not None and one.person_id not in taken
        taken.add(one.person_id)
        kept.append(one if free else replace(one, person_id=None, name=None, track_id=None))
    return (*stored, *kept)
