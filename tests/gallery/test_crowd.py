"""The similarity by default: as many pairs of strangers above it as there are pairs of one person."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from personsearch.calibration import Calibration, Threshold
from personsearch.errors import ConfigError
from personsearch.gallery import crowd
from personsearch.gallery.crowd import FEWEST_STRANGERS, HIGHEST_RATE, default_similarity
from personsearch.gallery.grouping import group
from personsearch.gallery.units import Units
from tests.gallery.test_grouping import plane, units_of
from tests.toy_calibration import calibration

DIM = 64


def normal(rates: tuple[float, ...] = (1e-2, 1e-3, 1e-4), *, true_match_rate: float = 0.75) -> Calibration:
    """A calibration whose strangers' similarities are normal with standard deviation 1/8, as random directions' are."""
    return replace(
        calibration(),
        thresholds=tuple(
            Threshold(rate=rate, similarity=similarity_of(rate), low=0.0, high=1.0, true_match_rate=true_match_rate)
            for rate in rates
        ),
    )


def similarity_of(rate: float) -> float:
    return -NormalDist().inv_cdf(rate) / math.sqrt(DIM)


def crowd_of(people: int, times: int, seed: int = 0) -> Units:
    """People whose embeddings are the same each time, to all comers in random directions."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(rng.normal(size=(people, DIM)), times, axis=0)
    return units_of(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def test_it_is_the_similarity_of_the_share_of_pairs_that_are_of_one_person() -> None:
    """Of 400 people, twice each, 1 of 799 pairs is of one person; all of them are above, where 3 of 4 were promised."""
    expected = similarity_of(1 / 799 / 0.75)
    assert default_similarity(normal(), crowd_of(400, 2)) == pytest.approx(expected, abs=0.02)
    assert default_similarity(normal(true_match_rate=1), crowd_of(400, 2)) == pytest.approx(
        similarity_of(1 / 799), abs=0.02
    )


def test_it_rises_with_the_crowd_and_falls_with_how_often_people_come() -> None:
    by_crowd = [default_similarity(normal(), crowd_of(people, 3)) for people in (20, 100, 500)]
    assert by_crowd == sorted(by_crowd)
    assert by_crowd[2] - by_crowd[0] > 0.1
    assert default_similarity(normal(), crowd_of(100, 6)) < by_crowd[1] - 0.02


def test_it_never_goes_below_the_highest_rate_nor_above_the_fewest_strangers() -> None:
    often = units_of(np.tile(plane(30), (40, 1)))
    assert default_similarity(normal(), often) == pytest.approx(similarity_of(HIGHEST_RATE), abs=0.01)
    # Nobody is like anybody here: opposite directions, and at right angles to each other.
    never = units_of(np.concatenate([np.eye(DIM), -np.eye(DIM)]))
    assert default_similarity(normal(), never) == pytest.approx(similarity_of(FEWEST_STRANGERS / 128), abs=0.01)
    assert -1 <= default_similarity(normal(), units_of(np.zeros((0, DIM)))) <= 1
    assert -1 <= default_similarity(normal(), units_of(plane(0))) <= 1


def test_pairs_that_cannot_be_or_are_decided_are_not_counted() -> None:
    """Twins of every scene look the same; they would be taken for pairs of one person."""
    twins = crowd_of(200, 2)
    counted = default_similarity(normal(), twins)
    told_apart = replace(twins, scenes=np.arange(400) // 2)
    assert default_similarity(normal(), told_apart) > counted + 0.05
    by_hand = replace(twins, fixed=np.arange(400) // 2)
    assert default_similarity(normal(), by_hand) == pytest.approx(similarity_of(FEWEST_STRANGERS / 400), abs=0.01)


def test_order_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    units = crowd_of(150, 2)
    whole = default_similarity(normal(), units)
    order = np.random.default_rng(1).permutation(300)
    assert default_similarity(normal(), units[order]) == whole
    monkeypatch.setattr(crowd, "CELLS", 1000)
    assert default_similarity(normal(), units) == whole
    monkeypatch.setattr(crowd, "SAMPLE", 100)
    assert default_similarity(normal(), units) == pytest.approx(whole, abs=0.05)


def test_between_thresholds_and_beyond_them_it_is_linear_in_the_quantile() -> None:
    """Strangers are normal, so two thresholds say all the others."""
    units = crowd_of(300, 2)
    assert default_similarity(normal((1e-2, 1e-4)), units) == pytest.approx(
        default_similarity(normal(), units), abs=0.01
    )
    assert default_similarity(normal((1e-3, 1e-4)), units) == pytest.approx(
        default_similarity(normal(), units), abs=0.03
    )


def test_one_threshold_says_what_it_can() -> None:
    assert default_similarity(calibration(), crowd_of(20, 2)) == 0.4999


def test_without_thresholds_it_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match=r"there is no calibration .*give min_similarity, or calibrate these weights"):
        default_similarity(None, crowd_of(2, 2))
    empty = replace(calibration(), thresholds=(Threshold(rate=1e-2),))
    with pytest.raises(ConfigError, match="the calibration has no thresholds"):
        default_similarity(empty, crowd_of(2, 2))


def test_with_it_people_are_found() -> None:
    rng = np.random.default_rng(0)
    rows = np.repeat(rng.normal(size=(60, DIM)), 5, axis=0) + rng.normal(size=(300, DIM)) * 0.5
    units = units_of(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    labels = group(units, default_similarity(normal(), units))
    assert labels.tolist() == [number // 5 for number in range(300)]
