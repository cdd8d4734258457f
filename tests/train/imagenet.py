"""Made-up files of ImageNet weights, with the keys and shapes of torchvision's and IBN-Net's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from personsearch.models import ReidNetwork


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
    """Write a made-up file of ImageNet weights.

    Args:
        path: of the file.
        backbone: one of :data:`LAYOUTS`.
        counters: whether BatchNorm's counters are in it.
        prefix: of every key in the file.

    Returns:
        The tensors by key, without the prefix.
    """
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


def start_from_imagenet(backbone: str, sha256: str, copy: tuple[str, str, str]) -> dict[str, Any]:
    """Start step 1's network from ``imagenet``, in a process of its own with a fresh Hub client.

    Args:
        backbone: of the network.
        sha256: of the file in torch's cache, which is called ``made-up.pth``.
        copy: repository, commit and sha256 of the ``model.safetensors`` on the Hub.
    """
    from personsearch.train import imagenet
    from personsearch.train.transfer import transfer
    from personsearch.weights.names import HubRepo

    repo = HubRepo(copy[0], copy[1], "model.safetensors")
    file = imagenet.ImagenetFile("https://example.org/made-up.pth", sha256, "nobody", repo, copy[2])
    vars(imagenet)["FILES"] = {backbone: file}
    return {"report": str(transfer(ReidNetwork(backbone, 512), "imagenet"))}
