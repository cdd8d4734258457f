"""Which detection of a frame continues which track: evidence from place and appearance, weighed as log-odds.

A track and a detection belong together if that is likelier than that two people are seen. Appearance counts for much
when a person was out of sight for a while, place when the last look was a moment ago, and one gives way to the other
smoothly as time passes: so one rule serves cameras of 25 frames a second and of one, and joins what was hidden.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personsearch.results import Floats
from personsearch.tracking.views import cut_off

Doubles = NDArray[np.float64]

# Fitted and chosen on the train split of the synthetic footage; benchmarks/tracks.py measures them.
#: Log-odds for one unit of similarity between a track's mean embedding and a detection.
LIKENESS_WEIGHT = 14.0
#: Similarity that speaks neither for one person nor for two.
LIKENESS_EVEN = 0.7
#: How far a box wanders from one look to the next, as a share of the person's height: at once, and for each second.
SPREAD, SPREAD_PER_SECOND = 0.12, 1.0
#: How much the height of a box changes (natural logarithm).
HEIGHT_SPREAD = 0.25
#: How much of its weight dissimilarity keeps where either box is cut off by the picture's edge and the other was seen
#: less than so many seconds ago: half a body, coming in or going out, looks like somebody else.
CUT_TRUST, CUT_SECONDS = 0.5, 1.0
#: No evidence of place speaks more strongly against.
LEAST_PLACE = -30.0


@dataclass(frozen=True, eq=False)
class Lasts:
    """Where and when tracks were last seen, and what they look like.

    Attributes:
        boxes: (T, 4) xyxy.
        seconds: (T,).
        embeddings: (T, D), mean of all frames, unit length.
    """

    boxes: Doubles
    seconds: Doubles
    embeddings: Doubles


def evidence(lasts: Lasts, boxes: Floats, embeddings: Floats, seconds: float, image_size: tuple[int, int]) -> Doubles:
    """Return (T, N): the log-odds that a detection continues a track.

    Args:
        lasts: of T tracks.
        boxes: (N, 4) xyxy of this frame.
        embeddings: (N, D).
        seconds: of this frame.
        image_size: (height, width) of the frame.
    """
    gap = np.abs(seconds - lasts.seconds)[:, None]
    before, now = lasts.boxes, boxes.astype(np.float64)
    tall, height = _heights(before)[:, None], _heights(now)[None, :]
    size = np.sqrt(tall * height)
    moved = ((_centres(before)[:, None] - _centres(now)[None, :]) ** 2).sum(axis=-1) / size**2
    spread = SPREAD + SPREAD_PER_SECOND * gap
    # A Gaussian around the last place, against anywhere in the picture; both in units of the person's height.
    anywhere = image_size[0] * image_size[1] / size**2
    place = np.log(anywhere / (2 * np.pi * spread**2)) - moved / (2 * spread**2)
    growth = np.log(height / tall) / HEIGHT_SPREAD
    shape = -np.log(HEIGHT_SPREAD) - growth**2 / 2
    likeness = LIKENESS_WEIGHT * (lasts.embeddings @ embeddings.astype(np.float64).T - LIKENESS_EVEN)
    cut = cut_off(before, image_size)[:, None] | cut_off(now, image_size)[None, :]
    likeness = np.where(cut & (gap <= CUT_SECONDS) & (likeness < 0), CUT_TRUST * likeness, likeness)
    odds: Doubles = likeness + np.maximum(place, LEAST_PLACE) + shape
    return odds


def pair(odds: Doubles) -> list[tuple[int, int]]:
    """Return (track, detection) pairs, the surest first: each track and each detection at most once, odds above even.

    Taking the surest pair first does as well here as the assignment of the greatest sum, and needs no other library.
    """
    left = odds.copy()
    pairs = []
    while left.size:
        track, detection = np.unravel_index(left.argmax(), left.shape)
        if not left[track, detection] > 0:
            break
        pairs.append((int(track), int(detection)))
        left[track], left[:, detection] = -np.inf, -np.inf
    return pairs


def _centres(boxes: Doubles) -> Doubles:
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def _heights(boxes: Doubles) -> Doubles:
    return np.maximum(boxes[:, 3] - boxes[:, 1], 1.0)
