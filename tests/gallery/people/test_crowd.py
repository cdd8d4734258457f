"""The similarity by default: from which on pairs of appearances would be told best, one by one."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from personsearch.calibration import Calibration, Threshold
from personsearch.errors import ConfigError
from personsearch.gallery.people import crowd
from personsearch.gallery.people.crowd import FEWEST_STRANGERS, default_similarity
from personsearch.gallery.people.grouping import group
from personsearch.gallery.people.units import Units
from tests.gallery.people.test_grouping import plane, units_of
from tests.toy_calibration import calibration

DIM = 64


def normal(rates: tuple[float, ...] = (1e-2, 1e-3, 1e-4)) -> Calibration:
    """A calibration whose strangers' similarities are normal with standard deviation 1/8, as random directions' are."""
    return replace(
        calibration(),
        thresholds=tuple(
            Threshold(rate=rate, similarity=similarity_of(rate), low=0.0, high=1.0, true_match_rate=0.75)
            for rate in rates
        ),
    )


def similarity_of(rate: float) -> float:
    return -NormalDist().inv_cdf(rate) / math.sqrt(DIM)


def crowd_of(people: int, times: int, *, noise: float = 0.0, seed: int = 0) -> Units:
    """People in random directions; two appearances of one have a similarity of about 1 / (1 + noise**2)."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(rng.normal(size=(people, DIM)), times, axis=0)
    rows += rng.normal(size=rows.shape) * noise
    return units_of(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def test_it_lies_below_the_pairs_of_one_person_and_above_most_strangers() -> None:
    """40 people, twice each, 0.35 like themselves: higher, none of them would be found, lower, more strangers."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(40, DIM))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    other = rng.normal(size=(40, DIM))
    other -= (other * centres).sum(axis=1, keepdims=True) * centres
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    units = units_of(np.concatenate([centres, 0.35 * centres + math.sqrt(1 - 0.35**2) * other]))
    assert default_similarity(normal(), units) == pytest.approx(0.345, abs=0.006)  # of bins 0.005 wide


def test_it_rises_with_the_crowd_and_falls_with_how_often_people_come() -> None:
    by_crowd = [default_similarity(normal(), crowd_of(people, 3, noise=1.2)) for people in (10, 80, 500)]
    assert by_crowd == sorted(by_crowd)
    assert by_crowd[2] - by_crowd[0] > 0.1
    seldom, often = (default_similarity(normal(), crowd_of(60, times, noise=1.4)) for times in (2, 12))
    assert often < seldom - 0.01


def test_it_is_between_the_lowest_threshold_and_the_fewest_strangers() -> None:
    """Within a bin of 0.005."""
    for noise in (1.5, 2, 3, 5):
        hardly_alike = crowd_of(3, 20, noise=noise)
        assert similarity_of(1e-2) <= default_similarity(normal(), hardly_alike) < 0.36
    exactly_alike = crowd_of(60, 2)
    most = similarity_of(FEWEST_STRANGERS / 120)
    assert default_similarity(normal(), exactly_alike) == pytest.approx(most, abs=0.006)
    nobody_twice = units_of(np.concatenate([np.eye(DIM), -np.eye(DIM)]))
    assert default_similarity(normal(), nobody_twice) == pytest.approx(similarity_of(FEWEST_STRANGERS / 128), abs=0.006)
    assert -1 <= default_similarity(normal(), units_of(np.zeros((0, DIM)))) <= 1
    assert -1 <= default_similarity(normal(), units_of(plane(0))) <= 1


def test_pairs_that_cannot_be_or_are_decided_are_not_counted() -> None:
    """Quadruplets in every scene look much the same; they would be taken for pairs of one person."""
    alike = crowd_of(20, 4, noise=1.5)
    nobody_twice = similarity_of(FEWEST_STRANGERS / 80)
    assert default_similarity(normal(), alike) < nobody_twice - 0.03
    told_apart = replace(alike, scenes=np.arange(80) // 4)
    assert default_similarity(normal(), told_apart) == pytest.approx(nobody_twice, abs=0.006)
    by_hand = replace(alike, fixed=np.arange(80) // 4)
    assert default_similarity(normal(), by_hand) == pytest.approx(nobody_twice, abs=0.006)


def test_strangers_who_are_more_alike_than_the_calibration_knows_are_not_taken_for_one_person() -> None:
    """All of 400 appearances are of different people, a little like each other."""
    rows = np.random.default_rng(0).normal(size=(400, DIM)) + np.full(DIM, 0.12)
    units = units_of(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    assert default_similarity(normal(), units) > similarity_of(1e-3)


def test_order_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    units = crowd_of(150, 2, noise=1.0)
    whole = default_similarity(normal(), units)
    order = np.random.default_rng(1).permutation(300)
    assert default_similarity(normal(), units[order]) == whole
    monkeypatch.setattr(crowd, "CELLS", 1000)
    assert default_similarity(normal(), units) == whole
    monkeypatch.setattr(crowd, "SAMPLE", 100)
    assert default_similarity(normal(), units) == pytest.approx(whole, abs=0.05)


def test_between_thresholds_and_beyond_them_it_is_linear_in_the_quantile() -> None:
    """Strangers are normal, so two thresholds say all the others."""
    units = crowd_of(300, 2, noise=1.0)
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
    units = crowd_of(60, 5, noise=0.6)
    labels = group(units, default_similarity(normal(), units))
    assert labels.tolist() == [number // 5 for number in range(300)]
