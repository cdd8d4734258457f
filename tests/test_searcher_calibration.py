"""The calibration of a searcher's weights: loaded, used and saved with them."""

import json
from pathlib import Path

import pytest

from personsearch import PersonSearcher
from personsearch.calibration import CALIBRATION_FILE, read_calibration
from personsearch.errors import ConfigError, WeightsMismatchError
from personsearch.models import ModelConfig, build
from personsearch.weights.files import load_network, save_folder
from tests.support import Run, toy_scene
from tests.toy_calibration import calibration

PEOPLE = [(0, 10, 10), (1, 60, 20), (2, 115, 8)]


@pytest.fixture
def calibrated(tiny_searcher: PersonSearcher, tmp_path: Path) -> PersonSearcher:
    folder = tiny_searcher.save_pretrained(tmp_path / "weights")
    calibration(tiny_searcher.spec.fingerprint).save(folder)
    return PersonSearcher.from_pretrained(folder, device="cpu")


def test_it_is_loaded_and_saved_with_the_weights(calibrated: PersonSearcher, tmp_path: Path) -> None:
    assert calibrated.calibration == calibration(calibrated.spec.fingerprint)
    again = PersonSearcher.from_pretrained(calibrated.save_pretrained(tmp_path / "copy"), device="cpu")
    assert again.calibration == calibrated.calibration
    assert again.spec.fingerprint == calibrated.spec.fingerprint  # which a calibration is not part of


def test_it_follows_the_weights_into_another_dtype(calibrated: PersonSearcher, tmp_path: Path) -> None:
    half = PersonSearcher.from_pretrained(tmp_path / "weights", device="cpu", dtype="bfloat16")
    again = PersonSearcher.from_pretrained(half.save_pretrained(tmp_path / "half"), device="cpu")
    assert again.spec.fingerprint != calibrated.spec.fingerprint
    assert again.calibration == calibration(again.spec.fingerprint)


def test_other_weights_in_the_folder_lose_it(
    calibrated: PersonSearcher, tiny_config: ModelConfig, tmp_path: Path
) -> None:
    other = build(tiny_config)
    save_folder(tmp_path / "weights", tiny_config, other.state_dict())
    assert read_calibration(tmp_path / "weights") is None
    assert PersonSearcher.from_pretrained(tmp_path / "weights", device="cpu").calibration is None
    with pytest.raises(WeightsMismatchError, match="belongs to weights"):
        PersonSearcher(other, calibration=calibrated.calibration, device="cpu")


def test_a_damaged_one_or_one_of_other_weights_is_refused(tiny_searcher: PersonSearcher, tmp_path: Path) -> None:
    folder = tiny_searcher.save_pretrained(tmp_path)
    (folder / CALIBRATION_FILE).write_text("{")
    with pytest.raises(WeightsMismatchError, match=r"calibration\.json: not valid JSON"):
        PersonSearcher.from_pretrained(folder, device="cpu")
    calibration("e" * 64).save(folder)
    with pytest.raises(WeightsMismatchError, match="belongs to weights eeeeeeeeeeee"):
        PersonSearcher.from_pretrained(folder, device="cpu")
    assert load_network(folder)[1] == tiny_searcher.spec.fingerprint


def test_search_with_probabilities_and_rates(calibrated: PersonSearcher, tmp_path: Path, run: Run) -> None:
    scene = tmp_path / "0.png"
    toy_scene(PEOPLE).save(scene)
    calibrated.index({"0.png": scene, "1.png": toy_scene(PEOPLE[:1], seed=1)}, tmp_path / "g")
    matches = calibrated.search(tmp_path / "g", scene, k=20)
    assert {match.probability for match in matches} <= set(
        calibrated.calibration.probability([match.similarity for match in matches]).tolist()
    )
    sure = calibrated.search(tmp_path / "g", scene, k=20, max_false_match_rate=1e-2)
    assert sure == [match for match in matches if match.similarity >= 0.4999]
    with pytest.raises(ConfigError, match="too few pairs"):
        calibrated.search(tmp_path / "g", scene, max_false_match_rate=1e-3)

    asked = ("search", tmp_path / "g", scene, "--weights", tmp_path / "weights", "--device", "cpu")
    printed = run(*asked, "--max-false-match-rate", "0.01", "-k", "20", "--json")
    assert [row["detection_id"] for row in json.loads(printed.out)["matches"]] == [match.detection_id for match in sure]
    assert "probability" in run(*asked).out
    refused = run(*asked, "--max-false-match-rate", "0.5")
    assert refused.code == 2
    assert "rates it has: 0.01" in refused.err


def test_without_one_a_rate_is_refused(tiny_searcher: PersonSearcher, tmp_path: Path) -> None:
    tiny_searcher.index({"0": toy_scene(PEOPLE)}, tmp_path / "g")
    assert tiny_searcher.search(tmp_path / "g", toy_scene(PEOPLE))[0].probability is None
    with pytest.raises(ConfigError, match=r"there is none.*--calibrate"):
        tiny_searcher.search(tmp_path / "g", toy_scene(PEOPLE), max_false_match_rate=1e-2)


def test_the_shipped_weights_are_calibrated(searcher: PersonSearcher) -> None:
    shipped = searcher.calibration
    assert shipped is not None
    assert shipped.dataset == "synthetic set of seed 13, test split"  # which training did not see
    limits = [shipped.threshold(rate) for rate in (1e-2, 1e-3, 1e-4)]
    assert [limit.similarity for limit in limits] == sorted(limit.similarity for limit in limits)
    assert all(limit.low < limit.similarity < limit.high for limit in limits)
    assert shipped.probability(0.9) > 0.9 > 0.1 > shipped.probability(0.3)
