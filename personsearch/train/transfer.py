"""Where weights start: step 1's backbone, whole weights, or ImageNet's, and a list of what was loaded.

Nothing stays random by accident: every tensor that a source of its kind must have is asked for (paper section 3.2).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from personsearch.errors import WeightsMismatchError, WeightsNotFoundError
from personsearch.weights.files import BACKBONE_FILE, MODEL_FILE, read_tensors
from personsearch.weights.hub import HubName, fetch, fetch_file
from personsearch.weights.registry import locate

logger = logging.getLogger(__name__)

HUB = "hf://"
FILES = (".pth", ".pt", ".safetensors")

#: Prefix in the backbone -> prefixes in the person-search network. conv3_x goes into the base network and, as a
#: separate copy, into MRFP's neck. The BNNeck starts fresh: the paper transfers the backbone.
TRANSFER = {
    "base.conv1.": ("base.conv1.",),
    "base.bn1.": ("base.bn1.",),
    "base.layer1.": ("base.layer1.",),
    "base.layer2.": ("base.layer2.", "pooling.neck."),
    "identification.layer3.": ("identification.layer3.",),
    "identification.layer4.": ("identification.layer4.",),
}
#: What a backbone does not bring, and tensors of it that stay behind on purpose.
FRESH = ("detector.", "identification.bnneck.")
LEFT_BEHIND = ("identification.bnneck.",)
#: Stage of torchvision's and IBN-Net's ResNets -> part of the backbone; their classifier stays behind.
RESNET = {"conv1": "base", "bn1": "base", "layer1": "base", "layer2": "base"} | {
    "layer3": "identification",
    "layer4": "identification",
}
RESNET_CLASSIFIER = "fc."
#: Counters that old files lack and nothing depends on.
COUNTER = ".num_batches_tracked"


@dataclass(frozen=True)
class TransferReport:
    """Where tensors came from; keys of the network that were loaded, and those that start as they were built."""

    source: str
    loaded: tuple[str, ...]
    fresh: tuple[str, ...]

    def __str__(self) -> str:
        """Say it in a line for the log."""
        named = [key for key in self.fresh if not key.endswith(COUNTER)]
        parts = sorted({key.split(".")[0] if key.startswith("detector") else key for key in named})
        left = f"left as built: {', '.join(parts)}" if parts else "nothing left as built"
        return f"loaded {len(self.loaded)} tensors from {self.source}; {left}"


def transfer(network: nn.Module, source: str | Path) -> TransferReport:
    """Fill a network.

    Args:
        network: a PersonSearchNetwork, or step 1's ReidNetwork.
        source: a weights folder of ``pretrain`` or ``finetune``; a file (.pth, .pt, .safetensors) with ImageNet's
            weights of IBN-Net or torchvision; ``hf://org/repo[@revision][/file]`` with either; or a name of
            ``weights.toml``, which has no ``/``.

    Raises:
        WeightsNotFoundError: there is nothing.
        WeightsMismatchError: a tensor is missing, has no place in the network, or another shape.
    """
    path = _located(source)
    if path.is_dir() and (path / MODEL_FILE).exists():
        return _load(network, path / MODEL_FILE, read_tensors(path / MODEL_FILE), whole=True)
    if path.is_file():
        return _load(network, path, backbone_of_resnet(_read_file(path), path), whole=False)
    return _load(network, path / BACKBONE_FILE, read_tensors(path / BACKBONE_FILE), whole=False)


def start_from(network: nn.Module, init: str | None) -> None:
    """Fill a network as a recipe's ``init`` says, and say in the log what was loaded and what is random."""
    if init is None:
        logger.warning("init is not set: the whole network starts from random weights")
    else:
        logger.info("%s", transfer(network, init))


def backbone_of_resnet(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Rename the tensors of a ResNet as torchvision and IBN-Net name them to those of step 1's backbone.

    Raises:
        WeightsMismatchError: it has a tensor that no ResNet has.
    """
    renamed = {}
    for key, tensor in tensors.items():
        key = key.removeprefix("module.")  # saved from DataParallel
        if key.startswith(RESNET_CLASSIFIER):
            continue
        stage = key.split(".")[0]
        if stage not in RESNET:
            raise WeightsMismatchError(f"{path}: {key} is no tensor of a ResNet as torchvision or IBN-Net names them")
        renamed[f"{RESNET[stage]}.{key}"] = tensor
    return renamed


def _load(network: nn.Module, path: Path, tensors: Mapping[str, Tensor], *, whole: bool) -> TransferReport:
    state = network.state_dict()
    searches = any(key.startswith("detector.") for key in state)
    loaded = []
    for key, tensor in tensors.items():
        targets = _targets(key, path) if searches and not whole else [key]
        for target in targets:
            if target.startswith("pooling.") and not whole and target not in state:
                continue  # the single-level baseline has no neck
            if target not in state or state[target].shape != tensor.shape:
                raise WeightsMismatchError(
                    f"{path}: {key} {tuple(tensor.shape)} does not fit this model; use weights of the same backbone"
                )
            state[target] = tensor.to(state[target].dtype)
            loaded.append(target)
    fresh = tuple(key for key in state if key not in set(loaded))
    expected = () if whole else FRESH  # no text starts with an empty tuple of prefixes
    missing = [key for key in fresh if not key.startswith(expected) and not key.endswith(COUNTER)]
    if missing:
        raise WeightsMismatchError(
            f"{path}: lacks {len(missing)} tensors of this model, {missing[0]} among them; they would stay random. "
            "Use weights of the same backbone and architecture"
        )
    network.load_state_dict(state)
    return TransferReport(str(path), tuple(loaded), fresh)


def _targets(key: str, path: Path) -> list[str]:
    if key.startswith(LEFT_BEHIND):
        return []
    for prefix, targets in TRANSFER.items():
        if key.startswith(prefix):
            return [target + key.removeprefix(prefix) for target in targets]
    raise WeightsMismatchError(f"{path}: {key} is no tensor of a step-1 backbone")


def _located(source: str | Path) -> Path:
    text = str(source)
    if text.startswith(HUB):
        found = re.fullmatch(r"(?P<repo>[^/@]+/[^/@]+)(@(?P<revision>[^/]+))?(/(?P<file>.+))?", text.removeprefix(HUB))
        if found is None:
            raise WeightsNotFoundError(f"{text}: write hf://org/repo, hf://org/repo@revision or hf://org/repo/file.pth")
        name = HubName(found["repo"], found["revision"])
        return fetch(name) if found["file"] is None else fetch_file(name, found["file"])
    if isinstance(source, str) and "/" not in text and not text.endswith(FILES) and not text.startswith((".", "~")):
        return locate(text)
    path = Path(text).expanduser()
    if not path.exists():
        raise WeightsNotFoundError(f"{path}: no such file or weights folder")
    return path


def _read_file(path: Path) -> Mapping[str, Tensor]:
    if path.suffix == ".safetensors":
        return read_tensors(path)
    try:
        data: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types for damaged and for unsafe files
        raise WeightsMismatchError(f"{path}: is no plain file of tensors ({str(error).splitlines()[0]})") from None
    if isinstance(data, dict) and isinstance(data.get("state_dict"), dict):
        data = data["state_dict"]
    if not isinstance(data, dict) or not all(isinstance(value, Tensor) for value in data.values()) or not data:
        raise WeightsMismatchError(f"{path}: holds no state dict of tensors")
    return data
