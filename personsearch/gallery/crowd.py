"""From which similarity appearances are taken for one person where nobody says: it follows from who is there."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from personsearch.calibration import ENOUGH_PAIRS, Calibration, Threshold
from personsearch.errors import ConfigError
from personsearch.gallery.units import Units, cannot_be_one, content_order
from personsearch.people import Gates

#: Where nobody seems to come twice, the false-match rate is that of so many strangers for each appearance.
FEWEST_STRANGERS = 0.2
#: The highest false-match rate of a default, however often people come.
HIGHEST_RATE = 0.05
#: Appearances that are compared with all others to see how many pairs are of one person.
SAMPLE = 1000
#: Pairs that are looked at together.
CELLS = 2**22


def default_similarity(calibration: Calibration | None, units: Units, gates: Gates = Gates()) -> float:  # noqa: B008
    """Return the mean similarity from which appearances are joined where nobody says otherwise.

    Pairs of strangers grow with the square of the crowd, those of one person do not, so a fixed similarity joins more
    strangers the larger the crowd is. Therefore the share of pairs that are of one person is estimated first: of the
    pairs above a threshold of the calibration, its false-match rate says how many are of strangers, and its true-match
    rate how many of one person are missing. The default is the similarity that as many pairs of strangers reach as
    there are pairs of one person. Between the thresholds of the calibration, and beyond them, similarities are taken to
    be linear in the quantile of a normal distribution.

    Args:
        calibration: of the weights that made the embeddings.
        units: what is to be grouped; their order changes nothing.
        gates: as :func:`group` takes them; pairs that cannot be one person are not counted.

    Returns:
        -1 to 1.

    Raises:
        ConfigError: there is no calibration, or it has no thresholds.
    """
    thresholds = () if calibration is None else calibration.thresholds
    known = [_Known.of(one) for one in thresholds if one.similarity is not None]
    if not known:
        lacking = "there is no calibration" if calibration is None else "the calibration has no thresholds"
        raise ConfigError(
            f"{lacking} to say from which similarity appearances are joined: give min_similarity, or calibrate these "
            "weights with 'personsearch evaluate WEIGHTS DATASET --calibrate'"
        )
    if len(known) == 1:
        return known[0].similarity
    share = _share_of_one_person(known, units, gates)
    rate = max(share, FEWEST_STRANGERS / max(1, len(units)))
    return _similarity_at(known, min(rate, HIGHEST_RATE))


@dataclass(frozen=True)
class _Known:
    """A threshold that the calibration has."""

    rate: float
    similarity: float
    true_match_rate: float

    @classmethod
    def of(cls, threshold: Threshold) -> _Known:
        return cls(threshold.rate, threshold.similarity or 0.0, threshold.true_match_rate or 0.0)


def _share_of_one_person(known: list[_Known], units: Units, gates: Gates) -> float:
    """Estimate which share of the pairs that could be of one person is.

    The lowest rate serves at which enough strangers are to be expected: the lower it is, the less it matters whether
    strangers are as alike here as where the calibration was made, and the fewer pairs there are to count.
    """
    units = units[content_order(units)]
    chosen = np.unique(np.linspace(0, len(units) - 1, min(SAMPLE, len(units))).astype(np.int64))
    above, pairs = np.zeros(len(known), np.int64), 0
    step = max(1, CELLS // max(1, len(units)))
    for start in range(0, len(chosen), step):
        rows = chosen[start : start + step]
        a, b = (grid.reshape(-1) for grid in np.meshgrid(rows, np.arange(len(units)), indexing="ij"))
        by_hand = (units.fixed[a] >= 0) & (units.fixed[b] >= 0)
        undecided = (a != b) & ~by_hand & ~cannot_be_one(units, gates, a, b)
        similarity = (units.embeddings[rows] @ units.embeddings.T).reshape(-1)[undecided]
        pairs += len(similarity)
        above += np.array([(similarity >= one.similarity).sum() for one in known])
    counted = sorted(zip(known, above.tolist(), strict=True), key=lambda pair: -pair[0].rate)
    enough = [(one, count) for one, count in counted if one.rate * pairs >= 2 * ENOUGH_PAIRS]  # seen from both sides
    one, count = (enough or counted[:1])[-1]
    of_one = max(0.0, count / max(1, pairs) - one.rate) / max(one.true_match_rate - one.rate, 1e-9)
    return min(of_one, 1.0)


def _similarity_at(known: list[_Known], rate: float) -> float:
    """Return the similarity of a false-match rate, from the two thresholds that are nearest to it."""
    known = sorted(known, key=lambda one: -one.rate)
    upper = min(max(1, sum(one.rate > rate for one in known)), len(known) - 1)
    low, high = known[upper - 1], known[upper]
    slope = (high.similarity - low.similarity) / (_quantile(high.rate) - _quantile(low.rate))
    return min(max(low.similarity + slope * (_quantile(rate) - _quantile(low.rate)), -1.0), 1.0)


def _quantile(rate: float) -> float:
    """Return how many standard deviations above the mean a normal distribution is exceeded at this rate."""
    return -NormalDist().inv_cdf(rate)
