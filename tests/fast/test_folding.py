import pytest
import torch
from torch import nn

from personsearch.fast.folding import InstanceHalf, fold_batch_norms
from personsearch.models.backbone import IBN, BaseNetwork, build_resnet


def random_statistics(module: nn.Module) -> None:
    """Give every norm weights and statistics unlike those it begins with."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.running_mean, -1, 1)
            nn.init.uniform_(norm.running_var, 0.1, 3)
        if isinstance(norm, (nn.BatchNorm2d, nn.InstanceNorm2d)):
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.uniform_(norm.bias, -1, 1)


def test_a_batch_norm_becomes_factor_and_summand() -> None:
    # (3 x - 1) / sqrt(4 + 0) * 2 + 5 = 3 x + 4
    pair = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1, eps=0)).eval()
    nn.init.constant_(pair[0].weight, 3)
    nn.init.constant_(pair[1].running_mean, 1)
    nn.init.constant_(pair[1].running_var, 4)
    nn.init.constant_(pair[1].weight, 2)
    nn.init.constant_(pair[1].bias, 5)
    fold_batch_norms(pair)
    assert isinstance(pair[1], nn.Identity)
    assert pair[0].weight.item() == 3
    assert pair[0].bias.item() == 4


@pytest.mark.parametrize("backbone", ["resnet18_ibn_a", "resnet50_ibn_a", "resnet18"])
def test_a_folded_base_network_computes_the_same(backbone: str) -> None:
    torch.manual_seed(0)
    base = BaseNetwork(build_resnet(backbone)).eval()
    random_statistics(base)
    images = torch.randn(2, 3, 64, 96)
    with torch.inference_mode():
        expected = base(images)
        fold_batch_norms(base)
        computed = base(images.to(memory_format=torch.channels_last))
    assert not any(isinstance(module, (nn.BatchNorm2d, IBN)) for module in base.modules())
    for one, other in zip(expected, computed, strict=True):
        assert (one - other).abs().max() < 1e-5 * one.abs().max()


@pytest.mark.parametrize("level", [0.0, 50.0])
def test_the_instance_half_is_instance_norm(level: float) -> None:
    torch.manual_seed(0)
    norm = IBN(8).eval()
    random_statistics(norm)
    maps = level + torch.randn(2, 8, 6, 10, generator=torch.Generator().manual_seed(1))
    maps[0] *= 3  # each image has statistics of its own
    expected = norm.IN(maps[:, :4].double().float())
    computed = InstanceHalf(norm)(maps.clone(memory_format=torch.channels_last))
    assert torch.allclose(computed[:, :4], expected, atol=1e-4)
    assert torch.equal(computed[:, 4:], maps[:, 4:])


def test_what_cannot_be_folded_is_refused() -> None:
    with pytest.raises(ValueError, match="without bias"):
        fold_batch_norms(nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)))
