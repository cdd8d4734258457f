from pathlib import Path

import pytest
import torch

from personsearch.errors import WeightsMismatchError, WeightsNotFoundError
from personsearch.models import ModelConfig, ReidNetwork, build
from personsearch.train.transfer import transfer
from personsearch.weights.files import BACKBONE_FILE, save_folder


@pytest.fixture
def backbone(tiny_config: ModelConfig, tmp_path: Path) -> Path:
    torch.manual_seed(7)
    network = ReidNetwork(tiny_config.backbone, tiny_config.embedding_size)
    return save_folder(tmp_path / "step1", tiny_config, network.state_dict(), file=BACKBONE_FILE)


def test_lists_exactly_what_was_loaded_and_what_is_fresh(backbone: Path, tiny_config: ModelConfig) -> None:
    network = build(tiny_config)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    report = transfer(network, backbone)
    after = network.state_dict()
    assert set(report.loaded) | set(report.fresh) == set(after)
    assert not set(report.loaded) & set(report.fresh)
    prefixes = {key.split(".")[0] for key in report.fresh}
    assert prefixes == {"detector", "identification"}
    assert all(key.startswith(("detector.", "identification.bnneck.")) for key in report.fresh)
    assert all(torch.equal(after[key], before[key]) for key in report.fresh)
    weights = [key for key in report.loaded if key.endswith("conv1.weight")]
    assert all(not torch.equal(after[key], before[key]) for key in weights)


def test_the_neck_is_a_copy_of_conv3(backbone: Path, tiny_config: ModelConfig) -> None:
    network = build(tiny_config)
    transfer(network, backbone)
    state = network.state_dict()
    for key, value in state.items():
        if key.startswith("pooling.neck."):
            twin = state[key.replace("pooling.neck.", "base.layer2.")]
            assert torch.equal(value, twin)
            assert value.data_ptr() != twin.data_ptr()


def test_the_baseline_takes_the_same_backbone(backbone: Path, tiny_config: ModelConfig) -> None:
    plain = tiny_config.model_copy(update={"reid": tiny_config.reid.model_copy(update={"pooling": "roialign"})})
    report = transfer(build(plain), backbone)
    assert not any(key.startswith("pooling") for key in report.loaded)


def test_whole_weights_can_be_gone_on_from(tiny_config: ModelConfig, tmp_path: Path) -> None:
    source = build(tiny_config)
    folder = save_folder(tmp_path / "whole", tiny_config, source.state_dict())
    report = transfer(build(tiny_config), folder)
    assert report.fresh == ()


def test_another_backbone_is_refused(backbone: Path) -> None:
    other = ModelConfig.model_validate({"backbone": "resnet50_ibn_a"})
    with pytest.raises(WeightsMismatchError, match="does not fit this model"):
        transfer(build(other), backbone)


def test_an_empty_folder_is_named(tiny_config: ModelConfig, tmp_path: Path) -> None:
    with pytest.raises(WeightsNotFoundError, match=str(tmp_path)):
        transfer(build(tiny_config), tmp_path)
