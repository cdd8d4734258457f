"""The few views that are kept of a track: alike frames form a group, and the best picture of each group stands for it.

Groups are merged as frames come, so that a track holds a handful of them however long it lasts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from personsearch.boxes import box_coverage
from personsearch.results import Detections, Floats

#: Groups of a track while it is followed; more than the views that are kept, as what looks alike is known only later.
MAX_GROUPS = 8
#: A box that comes as near to the picture's edge as this share of its height may be cut off there.
EDGE = 0.02
#: What a view is worth that is cut off by the edge, beside one that is whole.
CUT = 0.3


@dataclass(frozen=True, eq=False, kw_only=True)
class View:
    """A view of a track.

    Attributes:
        image_id: the frame.
        row: which of its detections.
        seconds: of the frame.
        box: (4,) float32 xyxy, pixels of the frame.
        score: detector confidence 0..1.
        image_size: (height, width) of the frame.
        embedding: (D,) float32, unit length: the mean of the frames it stands for.
        own_embedding: (D,) float32, unit length: of this frame alone.
        frames: how many frames of the track it stands for.
        quality: how good a picture it is, compared with others of its track.
    """

    image_id: str
    row: int
    seconds: float
    box: Floats
    score: float
    image_size: tuple[int, int]
    embedding: Floats
    own_embedding: Floats
    frames: int
    quality: float


@dataclass(eq=False)
class Group:
    """Alike frames of a track: their sum, their number, and the best of them."""

    total: NDArray[np.float64]
    best: View

    @classmethod
    def of(cls, view: View) -> Group:
        """Return the group of one frame."""
        return cls(view.own_embedding.astype(np.float64), view)

    @property
    def frames(self) -> int:
        """How many frames are in it."""
        return self.best.frames

    def joined(self, other: Group) -> Group:
        """Return both as one; of two equally good pictures, the earlier one stands for it."""
        best = self.best if self.best.quality >= other.best.quality else other.best
        return Group(self.total + other.total, _with_frames(best, self.frames + other.frames))


def cut_off(boxes: NDArray[np.float64], image_size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return (N,): whether boxes (N, 4) come so near to the edge of the picture that it may cut the person off.

    Args:
        boxes: xyxy pixels.
        image_size: (height, width) of the picture.
    """
    height, width = image_size
    room = np.stack([boxes[:, 0], boxes[:, 1], width - boxes[:, 2], height - boxes[:, 3]], axis=1)
    cut: NDArray[np.bool_] = room.min(axis=1) < EDGE * (boxes[:, 3] - boxes[:, 1])
    return cut


def qualities(detections: Detections, sharpness: Floats) -> NDArray[np.float64]:
    """Return (N,): how good a picture of its person each detection is; comparable within a track.

    Sharp, large, sure, whole (not cut off by the picture's edge) and open (not covered by other people's boxes).

    Args:
        detections: of one frame.
        sharpness: (N,) of each; see :func:`personsearch.tracking.sharpness_of`.
    """
    boxes = detections.boxes.astype(np.float64)
    tall = boxes[:, 3] - boxes[:, 1]
    cut = cut_off(boxes, detections.image_size)
    covered = box_coverage(boxes, boxes)
    np.fill_diagonal(covered, 0)
    # Who stands lower in the picture stands nearer to the camera, and covers the others.
    covered = np.where(boxes[None, :, 3] > boxes[:, None, 3], covered, 0.5 * covered).max(axis=1, initial=0)
    whole = np.where(cut, CUT, 1.0)
    quality: NDArray[np.float64] = (
        detections.scores.astype(np.float64) * whole * (1 - 0.9 * covered) * np.sqrt(tall * (1 + sharpness))
    )
    return quality


def merged(groups: list[Group], most: int) -> list[Group]:
    """Merge the most alike groups until at most so many are left.

    What a merger costs is Ward's: how much farther the frames are from their group's mean. So a single odd frame, such
    as one of a person half hidden, does not take a view of its own from groups of many frames.
    """
    groups = list(groups)
    while len(groups) > most:
        counts = np.array([group.frames for group in groups], dtype=np.float64)
        means = np.stack([group.total for group in groups]) / counts[:, None]
        squares = (means**2).sum(axis=1)
        distance = squares[:, None] + squares[None, :] - 2 * means @ means.T
        cost = distance * counts[:, None] * counts[None, :] / (counts[:, None] + counts[None, :])
        cost[np.tril_indices(len(groups))] = np.inf
        first, second = np.unravel_index(cost.argmin(), cost.shape)
        groups[first] = groups[first].joined(groups[second])
        del groups[second]
    return groups


def views_of(groups: list[Group], most: int) -> tuple[View, ...]:
    """Return at most so many views, the best one first, each with the mean embedding of its group."""
    kept = sorted(merged(groups, most), key=lambda group: -group.best.quality)
    return tuple(_with_embedding(group.best, group.total) for group in kept)


def unit(total: NDArray[np.float64]) -> Floats:
    """Return a sum of embeddings at unit length."""
    return (total / max(float(np.linalg.norm(total)), 1e-12)).astype(np.float32)


def _with_frames(view: View, frames: int) -> View:
    return replace(view, frames=frames)


def _with_embedding(view: View, total: NDArray[np.float64]) -> View:
    return replace(view, embedding=unit(total))
