import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import personsearch
from personsearch import Match
from personsearch.calibration import (
    CALIBRATION_FILE,
    Threshold,
    parse_calibration,
    read_calibration,
    stricter,
)
from personsearch.errors import ConfigError, WeightsMismatchError
from tests.toy_calibration import calibration

SHIPPED = Path(personsearch.__file__).parent / "assets" / "weights" / "stl-mrfp-small"


def test_probability_by_hand() -> None:
    assert calibration().probability([-1, 0.2, 0.3, 0.4, 0.6, 1]) == pytest.approx([0.1, 0.1, 0.3, 0.5, 0.9, 0.9])
    assert calibration().prior == 0.1


def test_another_prior_by_bayes() -> None:
    # the pairs' odds are 1:9; at 1:1 the odds of every similarity are nine times as high
    assert calibration().probability(0.4, prior=0.5) == pytest.approx(0.9)
    assert calibration().probability(0.6, prior=0.5) == pytest.approx(81 / 82)
    assert calibration().probability(0.4, prior=0.1) == pytest.approx(0.5)
    for prior in (0, 1, float("nan")):
        with pytest.raises(ConfigError, match="prior must be between 0 and 1"):
            calibration().probability(0.4, prior=prior)


@given(st.lists(st.floats(-1, 1), min_size=2), st.one_of(st.none(), st.floats(0.001, 0.999)))
def test_probability_never_falls_as_similarity_rises(similarities: list[float], prior: float | None) -> None:
    probabilities = calibration().probability(sorted(similarities), prior=prior)
    assert (np.diff(probabilities) >= -1e-12).all()
    assert ((probabilities > 0) & (probabilities < 1)).all()


def test_thresholds_are_had_by_rate() -> None:
    assert calibration().threshold(0.01).similarity == 0.4999
    with pytest.raises(ConfigError, match=r"0\.001: the calibration on toys/test had too few pairs .*\(900\).*: 0\.01"):
        calibration().threshold(1e-3)
    with pytest.raises(ConfigError, match=r"0\.05: not in the calibration; rates it has: 0\.01"):
        calibration().threshold(0.05)


def test_why_a_rate_has_no_threshold() -> None:
    """Nine of 900 pairs are too few for one in a hundred; where pairs abound, it is people that lacked."""
    assert calibration().lack_of(0.01) == "too few pairs of different people (900)"
    many = replace(calibration(), different_pairs=1_000_000, thresholds=(Threshold(rate=1e-3),))
    with pytest.raises(ConfigError, match=r"0\.001: .* had too few people \(fewer than 20 on one side .*it has: none"):
        many.threshold(1e-3)


def test_the_shipped_calibration_is_sound() -> None:
    shipped = read_calibration(SHIPPED)
    assert shipped is not None
    assert all(shipped.threshold(rate).similarity for rate in (1e-2, 1e-3, 1e-4))
    assert 0 < shipped.probability(-1) < 1e-3
    assert 0.99 < shipped.probability(1) < 1


def test_the_stricter_of_a_similarity_and_a_rate() -> None:
    assert stricter(0.3, None, None) == 0.3
    assert stricter(None, None, None) is None
    assert stricter(None, 0.01, calibration()) == 0.4999
    assert stricter(0.3, 0.01, calibration()) == 0.4999
    assert stricter(0.7, 0.01, calibration()) == 0.7
    with pytest.raises(ConfigError, match=r"needs a calibration, and there is none.*--calibrate"):
        stricter(0.3, 0.01, None)


def test_matches_are_filled() -> None:
    match = Match(detection_id=1, image_id="a", box=(0, 0, 1, 1), similarity=0.5, score=0.9)
    assert calibration().fill([match]) == [replace(match, probability=pytest.approx(0.7))]
    assert calibration().fill([]) == []


def test_round_trip(tmp_path: Path) -> None:
    assert read_calibration(tmp_path) is None
    path = calibration().save(tmp_path)
    assert path == tmp_path / CALIBRATION_FILE
    assert read_calibration(tmp_path) == read_calibration(tmp_path, "f" * 64) == calibration()


def test_a_calibration_of_other_weights_is_refused(tmp_path: Path) -> None:
    calibration("e" * 64).save(tmp_path)
    with pytest.raises(WeightsMismatchError, match="belongs to weights eeeeeeeeeeee, not to these"):
        read_calibration(tmp_path, "f" * 64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format 2, expected 1"),
        ({"similarities": [0.2, 0.2, 0.6]}, "similarities must rise"),
        ({"probabilities": [0.1, 0.9, 0.5]}, "similarities must rise"),
        ({"probabilities": [0.0, 0.5, 0.9]}, "similarities must rise"),
        ({"probabilities": [0.1, 0.5]}, "numbers of equal length"),
        ({"probabilities": [0.1, 0.5, "0.9"]}, "numbers of equal length"),
        ({"similarities": [], "probabilities": []}, "numbers of equal length"),
        ({"similarities": 3}, "similarities must be a list"),
        ({"same_pairs": 0}, "whole numbers above 0"),
        ({"weights": None}, "must be strings"),
        ({"thresholds": [{"rate": 0.1, "similarity": 0.4}]}, "either all of its numbers or none"),
        ({"thresholds": [{"rate": 2}]}, "rate between 0 and 1"),
        ({"thresholds": [{"rat": 0.1}]}, "rat"),
        ({"more": 1}, "more"),
    ],
)
def test_values_that_make_no_sense_are_named(change: dict[str, object], message: str) -> None:
    data = json.loads(calibration().to_json()) | change
    with pytest.raises(WeightsMismatchError, match=rf"x\.json: not a calibration .*{message}.*delete it"):
        parse_calibration(json.dumps(data), "x.json")


def test_missing_keys_and_damage_are_named(tmp_path: Path) -> None:
    data = json.loads(calibration().to_json())
    for key in data:
        with pytest.raises(WeightsMismatchError, match=r"x\.json: not a calibration"):
            parse_calibration(json.dumps({k: v for k, v in data.items() if k != key}), "x.json")
    for text in (b"[]", b"null", b"{", b"\xff\xfe\xfa", b""):
        with pytest.raises(WeightsMismatchError, match=r"x\.json"):
            parse_calibration(text, "x.json")


@given(st.data())
def test_a_damaged_file_is_refused_or_reads_as_a_sound_calibration(data: st.DataObject) -> None:
    text = bytearray(calibration().to_json())
    for position in data.draw(st.lists(st.integers(0, len(text) - 1), min_size=1, max_size=4)):
        text[position] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found = parse_calibration(bytes(text), "x.json")
    except WeightsMismatchError:
        return
    assert 0 < found.probability(0.5) < 1
