"""What weights' similarities mean, without loading the weights."""

import subprocess
import sys
from pathlib import Path

import pytest

from personsearch.errors import WeightsMismatchError, WeightsNotFoundError
from personsearch.results import Spec
from personsearch.weights.registry import DEFAULT, load_weights
from personsearch.weights.remembered import remembered_calibration
from tests.toy_calibration import calibration


def spec(name: str, fingerprint: str, revision: str | None = None) -> Spec:
    return Spec(name=name, revision=revision, fingerprint=fingerprint, embedding_size=16)


def test_that_of_the_packaged_weights_is_the_one_they_load_with() -> None:
    loaded = load_weights(DEFAULT)
    assert loaded.calibration is not None
    assert remembered_calibration(loaded.spec) == loaded.calibration


def test_that_of_a_folder_belongs_to_the_same_weights(tmp_path: Path) -> None:
    kept = calibration()
    assert remembered_calibration(spec(str(tmp_path), kept.weights)) is None
    assert remembered_calibration(spec(str(tmp_path / "gone"), kept.weights)) is None
    kept.save(tmp_path)
    assert remembered_calibration(spec(str(tmp_path), kept.weights)) == kept
    with pytest.raises(WeightsMismatchError, match="belongs to weights"):
        remembered_calibration(spec(str(tmp_path), "0" * 64))


def test_that_of_the_hub_is_read_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    kept, commit = calibration(), "c" * 40
    wanted = spec("org/repo", kept.weights, commit)
    assert remembered_calibration(wanted) is None
    folder = tmp_path / "models--org--repo" / "snapshots" / commit
    folder.mkdir(parents=True)
    kept.save(folder)
    assert remembered_calibration(wanted) == kept


def test_a_name_that_is_gone_is_an_error() -> None:
    with pytest.raises(WeightsNotFoundError, match="no weights of this name"):
        remembered_calibration(spec("never-listed", "f" * 64))


def test_it_loads_no_torch() -> None:
    code = "import sys; import personsearch.weights.remembered; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
