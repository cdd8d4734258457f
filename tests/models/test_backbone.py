import pytest
import torch
from torch import nn

from personsearch.models.backbone import IBN, ReidNetwork, build_resnet


def test_ibn_normalises_halves_differently() -> None:
    torch.manual_seed(0)
    layer = IBN(8).train()
    x = torch.randn(4, 8, 5, 6) * 3 + torch.arange(4.0).view(4, 1, 1, 1)
    y = layer(x)
    per_image = y[:, :4].mean(dim=(2, 3))
    assert torch.allclose(per_image, torch.zeros(4, 4), atol=1e-5)  # instance half: every image by itself
    assert not torch.allclose(y[:, 4:].mean(dim=(2, 3)), torch.zeros(4, 4), atol=1e-2)
    assert torch.allclose(y[:, 4:].mean(dim=(0, 2, 3)), torch.zeros(4), atol=1e-5)  # batch half: all together


def test_ibn_splits_an_odd_number_of_channels() -> None:
    assert IBN(7)(torch.randn(2, 7, 3, 3)).shape == (2, 7, 3, 3)


def test_ibn_a_is_in_conv2_to_conv4_only() -> None:
    net = build_resnet("resnet50_ibn_a")
    for stage, expected in ((net.layer1, IBN), (net.layer2, IBN), (net.layer3, IBN), (net.layer4, nn.BatchNorm2d)):
        assert all(type(block.bn1) is expected for block in stage)
        assert all(type(block.bn2) is nn.BatchNorm2d for block in stage)
    assert "layer2.0.bn1.IN.weight" in net.state_dict()  # names of IBN-Net's checkpoints
    assert "layer2.0.bn1.BN.running_mean" in net.state_dict()


@pytest.mark.parametrize("name", ["resnet50_ibn_a", "resnet18_ibn_a", "resnet50", "resnet18"])
def test_conv4_keeps_stride_two_and_conv5_has_one(name: str) -> None:
    net = build_resnet(name).eval()
    x = torch.zeros(1, net.layer3[0].conv1.in_channels, 16, 8)
    conv4 = net.layer3(x)
    assert conv4.shape[-2:] == (8, 4)
    assert net.layer4(conv4).shape[-2:] == (8, 4)


def test_reid_network_features() -> None:
    net = ReidNetwork("resnet18_ibn_a", 512)
    pooled, necked = net(torch.randn(3, 3, 64, 32))
    assert pooled.shape == necked.shape == (3, 512)
    assert not net.identification.bnneck.bias.requires_grad
