"""What a similarity means: the probability of "same person", and thresholds that keep false matches rare.

A calibration is fitted to annotated pairs (``personsearch.evaluation.fit_calibration``) and stored beside the weights
as ``calibration.json``. It belongs to these weights alone, and holds for scenes like those it was fitted to.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from personsearch.durable import write_durably
from personsearch.errors import ConfigError, WeightsMismatchError
from personsearch.results import Match

CALIBRATION_FILE = "calibration.json"
#: Version of the file's layout.
FORMAT = 1
#: A false-match rate has a threshold only if at least so many pairs of different people would lie above it.
ENOUGH_PAIRS = 10
#: And only if these pairs are of at least so many people on either side. In simulated worlds of 15 to 120 people, whose
#: true thresholds are known, 98 % of the 95 % intervals then held the true one, and 93 % in the worst kind of world.
#: With 15 people on either side it was 78 % in the worst kind, without this rule 68 %.
ENOUGH_PEOPLE = 20


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """The similarity from which strangers are rarely taken for the same person.

    Attributes:
        rate: share of the pairs of different people that lie at or above ``similarity``: the false-match rate of one
            comparison, not of a search.
        similarity: keep matches of at least this; None = there were too few pairs, or too few people, to say.
        low: lower end of its 95 % interval, from a bootstrap over people.
        high: upper end of that interval.
        true_match_rate: share of the pairs of the same person at or above ``similarity``.
    """

    rate: float
    similarity: float | None = None
    low: float | None = None
    high: float | None = None
    true_match_rate: float | None = None


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A rising map from similarity to probability, and thresholds.

    Attributes:
        weights: fingerprint of the weights whose similarities these are.
        dataset: name of the set it was fitted to.
        digest: ``Dataset.digest`` of that set.
        identities: how many labelled people are in the pairs.
        same_pairs: how many pairs are of one person.
        different_pairs: how many pairs are of two people.
        similarities: the knots, strictly rising; below the first and above the last the map is constant.
        probabilities: at the knots, rising, above 0 and below 1.
        thresholds: by falling rate.

    Example:
        >>> calibration = searcher.calibration
        >>> low, high = calibration.probability([0.2, 0.9])
        >>> bool(low < 0.05 < high)
        True
        >>> calibration.threshold(1e-3).similarity == gallery.calibration.threshold(1e-3).similarity
        True
        >>> calibration.lack_of(1e-12).partition(" (")[0]  # why a rate has no threshold
        'too few pairs of different people'
        >>> [match] = calibration.fill(gallery.search(detections.embeddings[0], k=1))
        >>> match.probability == float(calibration.probability(match.similarity))
        True
    """

    weights: str
    dataset: str
    digest: str
    identities: int
    same_pairs: int
    different_pairs: int
    similarities: tuple[float, ...]
    probabilities: tuple[float, ...]
    thresholds: tuple[Threshold, ...]

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            raise ValueError(problem)

    @property
    def prior(self) -> float:
        """Share of same-person pairs among the pairs that it was fitted to."""
        return self.same_pairs / (self.same_pairs + self.different_pairs)

    def probability(self, similarity: ArrayLike, *, prior: float | None = None) -> NDArray[np.float64]:
        """Return the probability that two people of this similarity are the same person.

        Args:
            similarity: of any shape.
            prior: share of same-person pairs among the pairs that are compared, between 0 and 1; default: that of the
                set it was fitted to. Another share changes the odds in proportion (Bayes' rule).

        Returns:
            Probabilities of the same shape.

        Raises:
            ConfigError: the prior is not between 0 and 1.
        """
        probability = np.interp(np.asarray(similarity, np.float64), self.similarities, self.probabilities)
        if prior is None:
            return np.asarray(probability)
        if not 0 < prior < 1:
            raise ConfigError(f"prior must be between 0 and 1, got {prior}")
        odds = probability / (1 - probability) * (prior / (1 - prior)) / (self.prior / (1 - self.prior))
        return np.asarray(odds / (1 + odds))

    def threshold(self, rate: float) -> Threshold:
        """Return the threshold of a false-match rate.

        Raises:
            ConfigError: the calibration has no threshold for this rate; lists the rates that have one.
        """
        usable = [threshold for threshold in self.thresholds if threshold.similarity is not None]
        have = ", ".join(f"{threshold.rate:g}" for threshold in usable) or "none"
        for threshold in self.thresholds:
            if math.isclose(threshold.rate, rate, rel_tol=1e-6):
                if threshold.similarity is None:
                    raise ConfigError(
                        f"false-match rate {rate:g}: the calibration on {self.dataset} had {self.lack_of(rate)} for "
                        f"it; rates it has: {have}. Calibrate on a larger set, or give min_similarity"
                    )
                return threshold
        raise ConfigError(f"false-match rate {rate:g}: not in the calibration; rates it has: {have}")

    def lack_of(self, rate: float) -> str:
        """Return what there was too little of for a false-match rate without a threshold."""
        if rate * self.different_pairs < ENOUGH_PAIRS:
            return f"too few pairs of different people ({self.different_pairs})"
        return f"too few people (fewer than {ENOUGH_PEOPLE} on one side of the pairs above it)"

    def fill(self, matches: Sequence[Match]) -> list[Match]:
        """Return the matches with their ``probability`` filled in."""
        values = self.probability([match.similarity for match in matches]).tolist()
        return [replace(match, probability=value) for match, value in zip(matches, values, strict=True)]

    def to_json(self) -> bytes:
        """Return the content of ``calibration.json``."""
        return (json.dumps({"format": FORMAT, **asdict(self)}, indent=2, allow_nan=False) + "\n").encode()

    def save(self, folder: str | Path) -> Path:
        """Write ``calibration.json`` into the folder of the weights, whole or not at all; return its path."""
        path = Path(folder) / CALIBRATION_FILE
        write_durably(path, self.to_json())
        return path


def false_match_rate(similarity: float, calibration: Calibration | None) -> float | None:
    """Return the smallest rate of a calibration whose threshold a similarity reaches; None where it reaches none.

    At most this share of the pairs of different people look so alike.

    Args:
        similarity: of two people.
        calibration: of the weights; None = there is none, and so no rate.
    """
    if calibration is None:
        return None
    reached = [
        one.rate for one in calibration.thresholds if one.similarity is not None and similarity >= one.similarity
    ]
    return min(reached, default=None)


def stricter(
    min_similarity: float | None, max_false_match_rate: float | None, calibration: Calibration | None
) -> float | None:
    """Return the higher of a similarity and the threshold of a false-match rate; None where neither is given.

    Raises:
        ConfigError: a rate is given, but there is no calibration, or it has no threshold for this rate.
    """
    if max_false_match_rate is None:
        return min_similarity
    if calibration is None:
        raise ConfigError(
            "max_false_match_rate needs a calibration, and there is none: open the gallery with the one of its weights "
            "(calibration=searcher.calibration), make one with 'personsearch evaluate WEIGHTS DATASET --calibrate', or "
            "give min_similarity"
        )
    threshold = calibration.threshold(max_false_match_rate).similarity
    if min_similarity is None or threshold is None:
        return threshold
    return max(min_similarity, threshold)


def read_calibration(folder: str | Path, fingerprint: str | None = None) -> Calibration | None:
    """Read the calibration beside weights; None where there is none.

    Args:
        folder: of the weights.
        fingerprint: of the weights that it must belong to; None = of any.

    Raises:
        WeightsMismatchError: the file is damaged, or belongs to other weights.
    """
    path = Path(folder) / CALIBRATION_FILE
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WeightsMismatchError(f"{path}: cannot be read ({error.strerror})") from None
    calibration = parse_calibration(text, str(path))
    if fingerprint is not None and calibration.weights != fingerprint:
        raise WeightsMismatchError(
            f"{path}: belongs to weights {calibration.weights[:12]}, not to these ({fingerprint[:12]}); "
            "delete it, or calibrate these weights"
        )
    return calibration


def parse_calibration(text: str | bytes, where: str) -> Calibration:
    """Read the content of ``calibration.json``, strictly.

    Args:
        text: the JSON.
        where: its name, for messages.

    Raises:
        WeightsMismatchError: a key is missing or unknown, or a value is not valid.
    """
    try:
        data = json.loads(text)
    except ValueError as error:  # bytes that are not text raise it too
        raise WeightsMismatchError(f"{where}: not valid JSON ({error}); delete it, or calibrate again") from None
    try:
        return _from(data)
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise WeightsMismatchError(f"{where}: not a calibration ({what}); delete it, or calibrate again") from None


def _from(data: Any) -> Calibration:
    if not isinstance(data, dict):
        raise TypeError("must hold a JSON object")
    if data["format"] != FORMAT:
        raise ValueError(f"format {data['format']!r}, expected {FORMAT}")
    fields = {key: value for key, value in data.items() if key != "format"}
    for key in ("similarities", "probabilities", "thresholds"):
        if not isinstance(fields[key], list):
            raise TypeError(f"{key} must be a list")
        fields[key] = tuple(fields[key])
    fields["thresholds"] = tuple(Threshold(**threshold) for threshold in fields["thresholds"])
    return Calibration(**fields)


def _problem(calibration: Calibration) -> str:
    """Return what is wrong; "" where nothing is."""
    texts = (calibration.weights, calibration.dataset, calibration.digest)
    counts = (calibration.identities, calibration.same_pairs, calibration.different_pairs)
    if not all(isinstance(text, str) for text in texts):
        return "weights, dataset and digest must be strings"
    if not all(type(count) is int and count > 0 for count in counts):
        return "identities, same_pairs and different_pairs must be whole numbers above 0"
    x, y = calibration.similarities, calibration.probabilities
    if not x or len(x) != len(y) or not _numbers(*x, *y):
        return "similarities and probabilities must be lists of numbers of equal length"
    if not (np.diff(x) > 0).all() or not (np.diff(y) >= 0).all() or not 0 < y[0] <= y[-1] < 1:
        return "similarities must rise, and probabilities must rise with them between 0 and 1"
    for threshold in calibration.thresholds:
        values = (threshold.similarity, threshold.low, threshold.high, threshold.true_match_rate)
        known = [value for value in values if value is not None]
        if not _numbers(threshold.rate, *known) or not 0 < threshold.rate < 1 or len(known) not in (0, len(values)):
            return "a threshold must have a rate between 0 and 1, and either all of its numbers or none"
    return ""


def _numbers(*values: Any) -> bool:
    return all(type(value) in (int, float) and math.isfinite(value) for value in values)
