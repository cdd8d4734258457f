import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from personsearch.calibration import CALIBRATION_FILE
from personsearch.errors import ConfigError, PersonSearchError, WeightsMismatchError, WeightsNotFoundError
from personsearch.models import ModelConfig, build
from personsearch.weights.files import (
    BACKBONE_FILE,
    CONFIG_FILE,
    MODEL_FILE,
    fingerprint,
    folder_contents,
    load_network,
    save_folder,
)
from tests.toy_calibration import calibration


@pytest.fixture
def folder(tiny_config: ModelConfig, tmp_path: Path) -> Path:
    return save_folder(tmp_path / "weights", tiny_config, build(tiny_config).state_dict())


def rewrite(folder: Path, **changes: torch.Tensor | None) -> None:
    tensors = load_file(folder / MODEL_FILE)
    for key, value in changes.items():
        name = key.replace("__", ".")
        if value is None:
            del tensors[name]
        else:
            tensors[name] = value
    save_file(tensors, folder / MODEL_FILE)


def test_round_trip(folder: Path, tiny_config: ModelConfig) -> None:
    network, digest = load_network(folder)
    assert network.config == tiny_config
    assert not network.training
    assert len(digest) == 64
    assert sorted(file.name for file in folder.iterdir()) == [CONFIG_FILE, MODEL_FILE]


def test_an_embedding_layer_is_stored_with_its_length(folder: Path, tiny_config: ModelConfig, tmp_path: Path) -> None:
    config = tiny_config.model_copy(update={"reid": tiny_config.reid.model_copy(update={"embedding": 24})})
    other = save_folder(tmp_path / "other", config, build(config).state_dict())
    network, digest = load_network(other)
    assert network.config.embedding_size == 24
    assert json.loads((other / CONFIG_FILE).read_text())["reid"]["embedding"] == 24
    assert "embedding" not in json.loads((folder / CONFIG_FILE).read_text())["reid"]
    assert digest != load_network(folder)[1]
    shutil.copy(folder / MODEL_FILE, other / MODEL_FILE)
    with pytest.raises(WeightsMismatchError, match=r"missing identification\.embedding\.weight"):
        load_network(other)


def test_fingerprint_follows_tensors_and_preprocessing_but_not_the_name(tiny_config: ModelConfig) -> None:
    state = build(tiny_config).state_dict()
    digest = fingerprint(tiny_config, state)
    assert digest == fingerprint(tiny_config.model_copy(update={"name": "other"}), dict(reversed(state.items())))
    sizes = tiny_config.input.model_copy(update={"min_size": 64})
    assert digest != fingerprint(tiny_config.model_copy(update={"input": sizes}), state)
    assert digest != fingerprint(tiny_config, {**state, "base.bn1.bias": state["base.bn1.bias"] + 1})
    assert digest != fingerprint(tiny_config, {key: value.half() for key, value in state.items()})


def test_missing_unexpected_and_misshapen_tensors_are_listed(folder: Path) -> None:
    rewrite(folder, base__bn1__bias=None, extra=torch.zeros(1), base__bn1__weight=torch.zeros(3))
    with pytest.raises(WeightsMismatchError) as error:
        load_network(folder)
    for part in ("missing base.bn1.bias", "unexpected extra", "base.bn1.weight is (3,), expected (64,)"):
        assert part in str(error.value)


def test_numbers_that_are_not_finite_are_refused(folder: Path) -> None:
    rewrite(folder, base__bn1__bias=torch.full((64,), float("nan")))
    with pytest.raises(WeightsMismatchError, match=r"base\.bn1\.bias has values that are not finite"):
        load_network(folder)


def test_a_damaged_file_is_refused(folder: Path) -> None:
    path = folder / MODEL_FILE
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(WeightsMismatchError, match="damaged or not a safetensors file"):
        load_network(folder)


def test_a_misspelt_config_key_is_named(folder: Path) -> None:
    config = json.loads((folder / CONFIG_FILE).read_text())
    config["backbon"] = config.pop("backbone")
    (folder / CONFIG_FILE).write_text(json.dumps(config))
    with pytest.raises(ConfigError, match="did you mean 'backbone'"):
        load_network(folder)
    (folder / CONFIG_FILE).write_text("{")
    with pytest.raises(WeightsMismatchError, match="not valid JSON"):
        load_network(folder)


def test_missing_folders_and_files(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsNotFoundError, match="no such folder"):
        load_network(tmp_path / "none")
    (folder / MODEL_FILE).unlink()
    with pytest.raises(WeightsNotFoundError, match="no such file"):
        load_network(folder)
    (folder / CONFIG_FILE).unlink()
    with pytest.raises(WeightsNotFoundError, match=r"config\.json"):
        load_network(folder)


def test_a_backbone_of_step_one_is_refused_with_the_next_command(
    tiny_config: ModelConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = save_folder("step1", tiny_config, {"a": torch.zeros(1)}, file=BACKBONE_FILE)
    with pytest.raises(WeightsNotFoundError, match=r"run 'personsearch train finetune RECIPE init=\./step1'"):
        load_network(folder)


def test_a_folder_has_the_files_of_its_contents_alone(tiny_config: ModelConfig, tmp_path: Path) -> None:
    tensors = {"a": torch.arange(3.0)}
    calibrated = save_folder(tmp_path, tiny_config, tensors, calibration=calibration())
    assert {file.name for file in calibrated.iterdir()} == {CONFIG_FILE, MODEL_FILE, CALIBRATION_FILE}
    contents = folder_contents(tiny_config, tensors)
    save_folder(tmp_path, tiny_config, tensors)  # the calibration was that of the weights before
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == contents


def fuzz_weights(folder: Path, scratch: Path, times: int) -> int:
    """Load damaged weights and return how many were refused; those that load must have another fingerprint."""
    rng = np.random.default_rng(times)
    _, expected = load_network(folder)
    refused = named = 0
    for number in range(times):
        target = scratch / str(number)
        shutil.copytree(folder, target)
        file = target / (MODEL_FILE if number % 3 else CONFIG_FILE)
        data = bytearray(file.read_bytes())
        header = 8 + int.from_bytes(data[:8], "little") if file.name == MODEL_FILE else len(data)
        reach = header if number % 2 else len(data)  # half of the time in the header alone
        if rng.random() < 0.1:
            del data[rng.integers(len(data)) :]
        for position in rng.integers(min(reach, len(data)) or 1, size=rng.choice([1, 3, 20])) if data else ():
            data[position] ^= 1 << int(rng.integers(8))
        changed = bytes(data) != file.read_bytes()
        file.write_bytes(data)
        try:
            _, fingerprint = load_network(target)
        except PersonSearchError as error:
            refused += 1
            named += str(target) in str(error)
        else:
            # A changed number makes another network, which galleries know by its fingerprint; a changed name does not.
            renamed = file.name == CONFIG_FILE and fingerprint == expected
            assert not changed or fingerprint != expected or renamed
        shutil.rmtree(target)
    assert named == refused
    return refused


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_weights_are_refused_or_have_another_fingerprint(folder: Path, tmp_path: Path) -> None:
    assert fuzz_weights(folder, tmp_path / "scratch", 15) > 5


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_five_hundred_damaged_weights(folder: Path, tmp_path: Path) -> None:
    fuzz_weights(folder, tmp_path / "scratch", 500)
