"""From which similarity appearances are taken for one person where nobody says: it follows from who is there."""

from __future__ import annotations

from itertools import pairwise
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from personsearch.calibration import Calibration
from personsearch.errors import ConfigError
from personsearch.gallery.people.units import Ints, Units, cannot_be_one, content_order
from personsearch.people import Gates

#: The highest similarity to choose is the one that so many strangers reach for each appearance.
FEWEST_STRANGERS = 0.2
#: How many pairs of one person there are for each appearance, at least: else a single pair would decide in a crowd.
FEWEST_PAIRS = 0.1
#: Appearances that are compared with all others.
SAMPLE = 1000
#: Bins that similarities from -1 to 1 are counted in.
BINS = 400
#: Pairs that are looked at together.
CELLS = 2**22


def default_similarity(calibration: Calibration | None, units: Units, gates: Gates = Gates()) -> float:  # noqa: B008
    """Return the mean similarity from which appearances are joined where nobody says otherwise.

    Pairs of strangers grow with the square of the crowd, those of one person do not, so a fixed similarity joins more
    strangers the larger the crowd is. Therefore it is looked at how alike the appearances are. Of the pairs that reach
    a similarity, the calibration's false-match rate says how many are of strangers; the rest is taken to be of one
    person. The default is the similarity from which on pairs, taken one by one, would be told best: with the highest F1
    (the harmonic mean of the share of pairs above it that are of one person, at least a half, and the share of pairs of
    one person that are above it). It is not below the lowest threshold of the calibration, below which nothing was
    measured. Between the thresholds, and above them, strangers are taken to be distributed normally.

    Args:
        calibration: of the weights that made the embeddings.
        units: what is to be grouped; their order changes nothing.
        gates: as :func:`group` takes them; pairs that cannot be one person are not counted.

    Returns:
        -1 to 1.

    Raises:
        ConfigError: there is no calibration, or it has no thresholds.
    """
    known = [] if calibration is None else _rising(calibration)
    if not known:
        lacking = "there is no calibration" if calibration is None else "the calibration has no thresholds"
        raise ConfigError(
            f"{lacking} to say from which similarity appearances are joined: give min_similarity, or calibrate these "
            "weights with 'personsearch evaluate WEIGHTS DATASET --calibrate'"
        )
    if len(known) == 1:
        return known[0][1]
    above, pairs = _counted(units, gates)
    similarities = np.arange(BINS) / (BINS / 2) - 1
    rates = np.array([_rate(known, similarity) for similarity in similarities.tolist()])
    lowest = int(np.argmax(similarities >= known[0][1]))
    highest = max(lowest, int((rates >= FEWEST_STRANGERS / max(1, len(units))).sum()) - 1)
    of_one = np.maximum.accumulate((above - rates * pairs).clip(0)[::-1])[::-1]
    most = max(of_one[lowest], FEWEST_PAIRS * pairs / max(1, len(units) - 1))
    # Where strangers are more alike than the calibration knows, the surplus looks like pairs of one person.
    reliable = of_one >= above / 2
    f1 = np.where(reliable, 2 * of_one / np.maximum(above + most, 1), 0)[lowest : highest + 1]
    return float(similarities[highest - int(np.argmax(f1[::-1]))])  # of equal ones the highest


def _rising(calibration: Calibration) -> list[tuple[float, float]]:
    """Return the thresholds that a calibration has as (quantile of a normal distribution, similarity), rising."""
    found: list[tuple[float, float]] = []
    for one in sorted(calibration.thresholds, key=lambda threshold: -threshold.rate):
        if one.similarity is not None and (not found or one.similarity > found[-1][1]):
            found.append((NormalDist().inv_cdf(1 - one.rate), one.similarity))
    return found


def _rate(known: list[tuple[float, float]], similarity: float) -> float:
    """Return the share of the pairs of strangers that reach a similarity."""
    lines = list(pairwise(known))
    (low, at_low), (high, at_high) = next((line for line in lines if similarity < line[1][1]), lines[-1])
    return 1 - NormalDist().cdf(low + (similarity - at_low) * (high - low) / (at_high - at_low))


def _counted(units: Units, gates: Gates) -> tuple[NDArray[np.int64], int]:
    """Count how many of the pairs that could be of one person, and are undecided, reach the lower end of each bin.

    Returns:
        (BINS,) counts, and how many pairs there are in all. Beyond :data:`SAMPLE` appearances, those of a part of them.
    """
    units = units[content_order(units)]
    chosen = np.unique(np.linspace(0, max(0, len(units) - 1), min(SAMPLE, len(units))).astype(np.int64))
    counts: Ints = np.zeros(BINS, np.int64)
    step = max(1, CELLS // max(1, len(units)))
    for start in range(0, len(chosen), step):
        rows = chosen[start : start + step]
        a, b = (grid.reshape(-1) for grid in np.meshgrid(rows, np.arange(len(units)), indexing="ij"))
        decided = (units.fixed[a] >= 0) & (units.fixed[b] >= 0)
        counted = (a != b) & ~decided & ~cannot_be_one(units, gates, a, b)
        similarity = (units.embeddings[rows] @ units.embeddings.T).reshape(-1)[counted].astype(np.float64)
        counts += np.bincount(((similarity + 1) * (BINS / 2)).astype(np.int64).clip(0, BINS - 1), minlength=BINS)
    return np.cumsum(counts[::-1])[::-1], int(counts.sum())
