from pathlib import Path

import pytest
import torch

from personsearch.errors import ConfigError, WeightsMismatchError, WeightsNotFoundError
from personsearch.models import ModelConfig, ReidNetwork, build, preset
from personsearch.train.transfer import start_from, transfer
from personsearch.weights.files import BACKBONE_FILE, MODEL_FILE, save_folder
from tests.train.imagenet import LAYOUTS, imagenet_file


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


def test_training_can_start_from_whole_weights(tiny_config: ModelConfig, tmp_path: Path) -> None:
    source = build(tiny_config)
    folder = save_folder(tmp_path / "whole", tiny_config, source.state_dict())
    report = transfer(build(tiny_config), folder)
    assert report.fresh == ()


def with_embedding(config: ModelConfig, length: int) -> ModelConfig:
    return config.model_copy(update={"reid": config.reid.model_copy(update={"embedding": length})})


def test_a_backbone_starts_a_network_whose_embedding_layer_stays_as_built(
    backbone: Path, tiny_config: ModelConfig
) -> None:
    network = build(with_embedding(tiny_config, 24))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    report = transfer(network, backbone)
    layer = ["identification.embedding.weight", "identification.embedding.bias"]
    assert set(layer) <= set(report.fresh)
    assert all(torch.equal(network.state_dict()[key], before[key]) for key in layer)
    assert "identification.embedding.weight" in str(report)


@pytest.mark.parametrize(
    ("there", "here", "message"),
    [
        (24, None, r"embedding\.\w+ \(24.*\) does not fit this model; set model\.reid\.embedding=24"),
        (24, 32, r"embedding\.\w+ \(24.*\) does not fit this model; set model\.reid\.embedding=24"),
        (None, 32, r"lacks 2 tensors .*embedding\.weight; they would stay random\. Leave model\.reid\.embedding out"),
    ],
)
def test_whole_weights_with_another_embedding_layer_are_refused(
    there: int | None, here: int | None, message: str, tiny_config: ModelConfig, tmp_path: Path
) -> None:
    source, target = (
        tiny_config if length is None else with_embedding(tiny_config, length) for length in (there, here)
    )
    folder = save_folder(tmp_path / "whole", source, build(source).state_dict())
    with pytest.raises(WeightsMismatchError, match=message):
        transfer(build(target), folder)
    assert transfer(build(source), folder).fresh == ()


def test_another_backbone_is_refused(backbone: Path) -> None:
    other = ModelConfig.model_validate({"backbone": "resnet50_ibn_a"})
    with pytest.raises(WeightsMismatchError, match="does not fit this model"):
        transfer(build(other), backbone)


def test_a_folder_without_weights_is_refused(tiny_config: ModelConfig, tmp_path: Path) -> None:
    with pytest.raises(WeightsNotFoundError, match=rf"{tmp_path}: holds neither {MODEL_FILE} nor {BACKBONE_FILE}"):
        transfer(build(tiny_config), tmp_path)


def test_the_tensor_file_of_a_weights_folder_is_not_an_imagenet_file(tiny_config: ModelConfig, backbone: Path) -> None:
    with pytest.raises(WeightsMismatchError, match=r"not a tensor of a ResNet .* give their folder"):
        transfer(build(tiny_config), backbone / BACKBONE_FILE)


@pytest.mark.parametrize("backbone", LAYOUTS)
@pytest.mark.parametrize(("counters", "prefix"), [(True, ""), (False, "module.")])
def test_imagenet_weights_fill_the_whole_backbone(backbone: str, counters: bool, prefix: str, tmp_path: Path) -> None:
    tensors = imagenet_file(tmp_path / "net.pth", backbone, counters=counters, prefix=prefix)
    small = {"detector": {"head_width": 16}, "reid": {"roi_size": (8, 4)}}
    config = ModelConfig.model_validate({"backbone": backbone, **small})
    first = ReidNetwork(backbone, config.embedding_size)
    report = transfer(first, tmp_path / "net.pth")
    assert all(key.startswith("identification.bnneck") for key in report.fresh if not key.endswith("batches_tracked"))
    state = first.state_dict()
    assert torch.equal(state["base.layer2.0.conv1.weight"], tensors["layer2.0.conv1.weight"])
    assert torch.equal(state["identification.layer4.1.bn2.running_var"], tensors["layer4.1.bn2.running_var"])
    network = build(config)
    report = transfer(network, str(tmp_path / "net.pth"))
    assert "left as built: detector, identification.bnneck" in str(report)
    state = network.state_dict()
    for name, value in tensors.items():
        if name.startswith("layer2.") and "tracked" not in name:
            assert torch.equal(state[f"pooling.neck.{name.removeprefix('layer2.')}"], value)


def test_files_of_another_network_or_with_holes_are_refused(tmp_path: Path) -> None:
    tensors = imagenet_file(tmp_path / "net.pth", "resnet18")
    with pytest.raises(WeightsMismatchError, match=r"layer1\.0\.bn1\.weight .* does not fit this model"):
        transfer(ReidNetwork("resnet18_ibn_a", 512), tmp_path / "net.pth")
    del tensors["layer3.1.conv2.weight"]
    torch.save(tensors, tmp_path / "hole.pth")
    with pytest.raises(WeightsMismatchError, match=r"lacks 1 tensors .*layer3\.1\.conv2\.weight; .* stay random"):
        transfer(ReidNetwork("resnet18", 512), tmp_path / "hole.pth")
    torch.save({"encoder.weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(WeightsMismatchError, match=r"encoder\.weight is not a tensor of a ResNet"):
        transfer(ReidNetwork("resnet18", 512), tmp_path / "other.pth")


class Harmful:
    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("this must never run",))


def test_a_file_that_would_run_code_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"conv1.weight": Harmful()}, tmp_path / "evil.pth")
    with pytest.raises(WeightsMismatchError, match="not a plain file of tensors"):
        transfer(ReidNetwork("resnet18", 512), tmp_path / "evil.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(WeightsMismatchError, match="holds no state dict"):
        transfer(ReidNetwork("resnet18", 512), tmp_path / "list.pth")
    assert "must never run" not in capsys.readouterr().out


def test_a_packaged_name_loads_whole_weights() -> None:
    assert transfer(build(preset("stl-mrfp-small")), "stl-mrfp-small").fresh == ()


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("none-such", WeightsNotFoundError, "none-such: no weights of this name"),
        ("hf://nobody", ConfigError, "hf://nobody: write hf://org/repo"),
        ("./none-such", WeightsNotFoundError, r"\./none-such: no such folder"),
        ("none.pth", WeightsNotFoundError, r"\./none\.pth: no such file"),
        ("runs/synth-pretrain/weights", ConfigError, r"write \./runs/synth-pretrain/weights for a folder"),
    ],
)
def test_names_that_lead_nowhere(
    source: str, error: type[Exception], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        transfer(ReidNetwork("resnet18", 512), source)


def test_a_relative_folder_is_one_with_and_without_its_dot(
    backbone: Path, tiny_config: ModelConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(backbone.parent)
    assert transfer(build(tiny_config), "./step1").loaded
    assert transfer(build(tiny_config), "step1").loaded


def test_a_checkpoint_of_either_step_gives_its_network(tiny_config: ModelConfig, tmp_path: Path) -> None:
    whole, first = build(tiny_config), ReidNetwork(tiny_config.backbone, tiny_config.embedding_size)
    for name, network in (("whole.pt", whole), ("first.pt", first)):
        task = {f"network.{key}": value for key, value in network.state_dict().items()}
        torch.save({"task": {**task, "classifier.weight": torch.zeros(3, 512)}, "mean": None}, tmp_path / name)
    fresh = build(tiny_config)
    assert transfer(fresh, tmp_path / "whole.pt").fresh == ()
    assert all(torch.equal(value, whole.state_dict()[key]) for key, value in fresh.state_dict().items())
    report = transfer(build(tiny_config), str(tmp_path / "first.pt"))
    assert all(key.startswith(("detector.", "identification.bnneck.")) for key in report.fresh)
    assert transfer(ReidNetwork("resnet18_ibn_a", 512), tmp_path / "first.pt").fresh == ()


def test_a_run_that_continues_does_not_read_init(
    tiny_config: ModelConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    network = build(tiny_config)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    checkpoint = tmp_path / "last.pt"
    with pytest.raises(ConfigError, match=r"write \./runs/synth-pretrain/weights"):
        start_from(network, "runs/synth-pretrain/weights", checkpoint=checkpoint)
    checkpoint.touch()
    with caplog.at_level("INFO"):
        start_from(network, "runs/synth-pretrain/weights", checkpoint=checkpoint)
    assert f"init is not read: the run continues from {checkpoint}" in caplog.text
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_the_log_says_what_was_loaded_and_what_stays_random(
    backbone: Path, tiny_config: ModelConfig, caplog: pytest.LogCaptureFixture
) -> None:
    network = build(tiny_config)
    start_from(network, None)
    assert "the whole network starts from random weights" in caplog.text
    with caplog.at_level("INFO"):
        start_from(network, str(backbone))
    assert "left as built: detector, identification.bnneck.bias" in caplog.text
