"""ResNets with Instance-Batch Normalisation (IBN-a), split as the paper splits them (section 3.3)."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet


class IBN(nn.Module):
    """Instance-Batch Normalisation: InstanceNorm on the first half of the channels, BatchNorm on the rest.

    Submodules are called ``IN`` and ``BN`` as in IBN-Net (paper ref [27]), so that its checkpoints fit.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.sizes = [channels // 2, channels - channels // 2]
        self.IN = nn.InstanceNorm2d(self.sizes[0], affine=True)
        self.BN = nn.BatchNorm2d(self.sizes[1])

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` (N, C, H, W) normalised, in the same shape."""
        first, second = x.split(self.sizes, dim=1)
        return torch.cat([self.IN(first.contiguous()), self.BN(second.contiguous())], dim=1)


_LAYOUTS: dict[str, tuple[type[BasicBlock] | type[Bottleneck], list[int], bool]] = {
    "resnet50_ibn_a": (Bottleneck, [3, 4, 6, 3], True),
    "resnet18_ibn_a": (BasicBlock, [2, 2, 2, 2], True),
    "resnet50": (Bottleneck, [3, 4, 6, 3], False),
    "resnet18": (BasicBlock, [2, 2, 2, 2], False),
}


def build_resnet(name: str) -> ResNet:
    """Build torchvision's ResNet with random weights, IBN-a where the name says so, and conv5_x at stride 1.

    The paper changes the stride of conv5_x alone (section 3.3): conv4_x keeps its 2. The classifier is removed.

    Args:
        name: one of ``resnet50_ibn_a``, ``resnet18_ibn_a``, ``resnet50``, ``resnet18``.
    """
    block, layers, ibn = _LAYOUTS[name]
    net = ResNet(block, layers)
    if ibn:
        for stage in (net.layer1, net.layer2, net.layer3):
            for unit in stage:
                unit.bn1 = IBN(unit.bn1.num_features)
    for module in net.layer4[0].modules():
        if isinstance(module, nn.Conv2d) and module.stride == (2, 2):
            module.stride = (1, 1)
    net.fc = nn.Identity()
    return net


class BaseNetwork(nn.Module):
    """conv1 to conv3_x, shared by detection and identification (paper section 3.3)."""

    def __init__(self, resnet: ResNet) -> None:
        super().__init__()
        self.conv1 = resnet.conv1
        self.bn1 = resnet.bn1
        self.relu = resnet.relu
        self.maxpool = resnet.maxpool
        self.layer1 = resnet.layer1
        self.layer2 = resnet.layer2

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return conv2_x (stride 4) and conv3_x (stride 8) of normalised images (N, 3, H, W)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        low = self.layer1(x)
        return low, self.layer2(low)


class IdentificationNetwork(nn.Module):
    """conv4_x and conv5_x, global average pooling and a BatchNorm neck (paper section 3.3; BNNeck of ref [24]).

    With ``embedding``, a linear layer behind the neck makes embeddings of that length, as OIM has them.
    """

    def __init__(self, resnet: ResNet, channels: int, embedding: int | None = None) -> None:
        super().__init__()
        self.layer3 = resnet.layer3
        self.layer4 = resnet.layer4
        self.bnneck = nn.BatchNorm1d(channels)
        self.bnneck.bias.requires_grad_(False)
        self.embedding = None if embedding is None else nn.Linear(channels, embedding)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the pooled feature (N, D) and what follows the neck (N, E), of conv3_x maps (N, C, H, W)."""
        # The neck subtracts what all features share, which magnifies rounding errors: from the mean on, in float32.
        pooled = self.layer4(self.layer3(x)).float().mean(dim=(2, 3))
        necked: Tensor = self.bnneck(pooled)
        if self.embedding is None:
            return pooled, necked
        with torch.autocast(necked.device.type, enabled=False):
            return pooled, self.embedding(necked.float())

    def keep_float32(self) -> None:
        """Bring what follows the mean back to float32, after the network was cast to another dtype."""
        self.bnneck.float()
        if self.embedding is not None:
            self.embedding.float()


class ReidNetwork(nn.Module):
    """The whole backbone on Re-ID crops: what STL step 1 trains (paper section 3.1).

    Its parts have the names that they have in the person-search network, which is initialised from them.
    """

    def __init__(self, backbone: str, channels: int) -> None:
        super().__init__()
        resnet = build_resnet(backbone)
        self.base = BaseNetwork(resnet)
        self.identification = IdentificationNetwork(resnet, channels)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Return features before and after the BNNeck, each (N, D), of normalised crops (N, 3, H, W)."""
        features: tuple[Tensor, Tensor] = self.identification(self.base(crops)[1])
        return features


def copy_of_conv3(backbone: str) -> nn.Sequential:
    """Return a new conv3_x stage: the neck of MRFP, which shares no parameters with the base network."""
    stage: nn.Sequential = build_resnet(backbone).layer2
    return nn.Sequential(OrderedDict(stage.named_children()))
