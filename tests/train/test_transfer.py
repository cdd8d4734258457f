from pathlib import Path

import pytest
import torch

from personsearch.errors import WeightsMismatchError, WeightsNotFoundError
from personsearch.models import ModelConfig, ReidNetwork, build, preset
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


def imagenet_keys(blocks: list[int], convs: int, *, ibn: bool, counters: bool) -> list[str]:
    """The key list of a ResNet as torchvision (with counters) and IBN-Net (older, without) save it."""

    def norm(name: str, split: bool = False) -> list[str]:
        kinds = ["weight", "bias", "running_mean", "running_var"] + (["num_batches_tracked"] if counters else [])
        if not split:
            return [f"{name}.{kind}" for kind in kinds]
        return [f"{name}.IN.weight", f"{name}.IN.bias", *[f"{name}.BN.{kind}" for kind in kinds]]

    keys = ["conv1.weight", *norm("bn1")]
    for stage, count in enumerate(blocks, start=1):
        for block in range(count):
            where = f"layer{stage}.{block}"
            for conv in range(1, convs + 1):
                keys += [f"{where}.conv{conv}.weight", *norm(f"{where}.bn{conv}", ibn and conv == 1 and stage < 4)]
            if block == 0 and (convs == 3 or stage > 1):
                keys += [f"{where}.downsample.0.weight", *norm(f"{where}.downsample.1")]
    return [*keys, "fc.weight", "fc.bias"]


LAYOUTS = {
    "resnet50_ibn_a": ([3, 4, 6, 3], 3, True),
    "resnet18_ibn_a": ([2, 2, 2, 2], 2, True),
    "resnet50": ([3, 4, 6, 3], 3, False),
    "resnet18": ([2, 2, 2, 2], 2, False),
}


def imagenet_file(path: Path, backbone: str, *, counters: bool = True, prefix: str = "") -> dict[str, torch.Tensor]:
    """Write a made-up file of ImageNet weights; returns its tensors by key without prefix."""
    network = ReidNetwork(backbone, 2048 if "50" in backbone else 512).state_dict()
    shapes = {key.split(".", 1)[1]: value for key, value in network.items() if "bnneck" not in key}
    generator = torch.Generator().manual_seed(3)
    tensors = {}
    for key in imagenet_keys(*LAYOUTS[backbone][:2], ibn=LAYOUTS[backbone][2], counters=counters):
        if key.startswith("fc."):
            tensors[key] = torch.zeros((1000, 8) if key == "fc.weight" else (1000,))
        elif key.endswith("num_batches_tracked"):
            tensors[key] = torch.tensor(7)
        else:
            tensors[key] = torch.rand(shapes[key].shape, generator=generator)
    torch.save({prefix + key: value for key, value in tensors.items()}, path)
    return tensors


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
    with pytest.raises(WeightsMismatchError, match=r"lacks 1 tensors .*layer3\.1\.conv2\.weight .* stay random"):
        transfer(ReidNetwork("resnet18", 512), tmp_path / "hole.pth")
    torch.save({"encoder.weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(WeightsMismatchError, match=r"encoder\.weight is no tensor of a ResNet"):
        transfer(ReidNetwork("resnet18", 512), tmp_path / "other.pth")


class Harmful:
    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("this must never run",))


def test_a_file_that_would_run_code_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"conv1.weight": Harmful()}, tmp_path / "evil.pth")
    with pytest.raises(WeightsMismatchError, match="is no plain file of tensors"):
        transfer(ReidNetwork("resnet18", 512), tmp_path / "evil.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(WeightsMismatchError, match="holds no state dict"):
        transfer(ReidNetwork("resnet18", 512), tmp_path / "list.pth")
    assert "must never run" not in capsys.readouterr().out


def test_names_lead_where_they_say(tmp_path: Path) -> None:
    network = build(preset("stl-mrfp-small"))
    assert transfer(network, "stl-mrfp-small").fresh == ()
    for source, message in [
        ("none-such", "no such weights"),
        ("hf://nobody", "write hf://org/repo"),
        ("./none-such", "no such file or weights folder"),
        ("none.pth", "no such file or weights folder"),
    ]:
        with pytest.raises(WeightsNotFoundError, match=message):
            transfer(network, source)
