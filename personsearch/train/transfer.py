"""Where training starts: step 1's backbone, whole weights or ImageNet's; and a list of what was loaded.

Nothing stays random by accident: a source that lacks a tensor it must have is refused (paper section 3.1, step 2).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from personsearch.errors import WeightsMismatchError, WeightsNotFoundError
from personsearch.train.checkpoint import is_checkpoint, network_of
from personsearch.train.imagenet import IMAGENET, locate_imagenet
from personsearch.weights.files import BACKBONE_FILE, MODEL_FILE, read_tensors
from personsearch.weights.names import parse_name
from personsearch.weights.registry import locate

logger = logging.getLogger(__name__)

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
EMBEDDING = "identification.embedding."
#: What a backbone does not bring, and those of its tensors that are not used on purpose.
FRESH = ("detector.", "identification.bnneck.", EMBEDDING)
LEFT_BEHIND = ("identification.bnneck.",)
#: Stage of torchvision's and IBN-Net's ResNets -> part of the backbone; their classifier is not used.
RESNET = {"conv1": "base", "bn1": "base", "layer1": "base", "layer2": "base"} | {
    "layer3": "identification",
    "layer4": "identification",
}
RESNET_CLASSIFIER = "fc."
#: Counters that older files lack and that nothing depends on.
COUNTER = ".num_batches_tracked"


@dataclass(frozen=True)
class TransferReport:
    """What a network starts from.

    Attributes:
        source: folder or file that the tensors came from.
        loaded: keys of the network that were loaded.
        fresh: keys of the network that stay as they were built.
    """

    source: str
    loaded: tuple[str, ...]
    fresh: tuple[str, ...]

    def __str__(self) -> str:
        """Return one line for the log."""
        named = [key for key in self.fresh if not key.endswith(COUNTER)]
        parts = sorted({key.split(".")[0] if key.startswith("detector") else key for key in named})
        left = f"left as built: {', '.join(parts)}" if parts else "nothing left as built"
        return f"loaded {len(self.loaded)} tensors from {self.source}; {left}"


def transfer(network: nn.Module, source: str | Path) -> TransferReport:
    """Load weights into a network.

    Args:
        network: a PersonSearchNetwork, or step 1's ReidNetwork.
        source: a name of weights, see ``personsearch.weights.names``: an entry of ``weights.toml``; a weights folder of
            ``pretrain`` or ``finetune``; a checkpoint of a run (``./run/last.pt``); a Hub repository with weights; or a
            file of ImageNet weights as IBN-Net or torchvision publishes them, local or in a repository
            (``hf://org/repo/file.pth``). ``imagenet`` is the public file of the network's backbone, wherever it is
            kept: see :func:`personsearch.train.imagenet.locate_imagenet`.

    Raises:
        ConfigError: the name is malformed or ambiguous.
        WeightsNotFoundError: nothing has that name, or it cannot be downloaded.
        WeightsMismatchError: a tensor is missing, has no place in the network, or has another shape.
    """
    path = _locate(source, _backbone_of(network))
    if path.is_file():
        tensors, plain = _read_file(path)
        if plain:
            return _load(network, path, backbone_of_resnet(tensors, path), whole=False)
        return _load(network, path, tensors, whole=any(key.startswith("detector.") for key in tensors))
    whole = path / MODEL_FILE
    if whole.exists():
        return _load(network, whole, read_tensors(whole), whole=True)
    backbone = path / BACKBONE_FILE
    if not backbone.exists():
        raise WeightsNotFoundError(
            f"{path}: holds neither {MODEL_FILE} nor {BACKBONE_FILE}; give a weights folder of pretrain or finetune"
        )
    return _load(network, backbone, read_tensors(backbone), whole=False)


def require_init(init: str | None, backbone: str, *, checkpoint: Path) -> None:
    """Find what a recipe's ``init`` names before anything else takes time; what is in it is seen later.

    Args:
        init: a name of weights; None = random.
        backbone: of the model.
        checkpoint: of the run. Where it exists, ``init`` is not read.

    Raises:
        PersonSearchError: see :func:`transfer`.
    """
    if init is not None and not checkpoint.exists():
        _locate(init, backbone)


def start_from(network: nn.Module, init: str | None, *, checkpoint: Path | None = None) -> None:
    """Load what a recipe's ``init`` names, and log what was loaded and what stays random. See :func:`transfer`.

    Args:
        network: a PersonSearchNetwork, or step 1's ReidNetwork.
        init: a name of weights; None = stay random.
        checkpoint: of the run. Where it exists it replaces all weights, so ``init`` is not read: its source may be gone
            by now, or the name be one that an older version understood.
    """
    if checkpoint is not None and checkpoint.exists():
        logger.info("init is not read: the run continues from %s", checkpoint)
    elif init is None:
        logger.warning("init is not set: the whole network starts from random weights")
    else:
        logger.info("%s", transfer(network, init))


def backbone_of_resnet(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Rename the tensors of a ResNet from torchvision's and IBN-Net's names to those of step 1's backbone.

    Args:
        tensors: by their names in the file.
        path: of the file, for messages.

    Returns:
        The same tensors by their keys in ``ReidNetwork``, without those of the classifier.

    Raises:
        WeightsMismatchError: a tensor is none of a ResNet's.
    """
    renamed = {}
    for key, tensor in tensors.items():
        key = key.removeprefix("module.")  # saved from DataParallel
        if key.startswith(RESNET_CLASSIFIER):
            continue
        stage = key.split(".")[0]
        if stage not in RESNET:
            raise WeightsMismatchError(
                f"{path}: {key} is not a tensor of a ResNet as torchvision or IBN-Net names them; "
                "to start from weights that personsearch wrote, give their folder"
            )
        renamed[f"{RESNET[stage]}.{key}"] = tensor
    return renamed


def _locate(source: str | Path, backbone: str) -> Path:
    if source != IMAGENET:  # a Path never is: it always means a folder or file
        return locate(parse_name(source))
    if os.path.lexists(IMAGENET):
        logger.info("init %s: the public weights are taken; write ./%s for what is here", IMAGENET, IMAGENET)
    return locate_imagenet(backbone)


def _backbone_of(network: nn.Module) -> str:
    """Return the name of a network's backbone by what is in its conv2_x."""
    first = {key.removeprefix("base.layer1.0.") for key in network.state_dict() if key.startswith("base.layer1.0.")}
    return ("resnet50" if "conv3.weight" in first else "resnet18") + ("_ibn_a" if "bn1.IN.weight" in first else "")


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
                remedy = "use weights of the same backbone"
                if key.startswith(EMBEDDING):
                    remedy = f"set model.reid.embedding={len(tensor)}, as these weights have it"
                raise WeightsMismatchError(f"{path}: {key} {tuple(tensor.shape)} does not fit this model; {remedy}")
            state[target] = tensor.to(state[target].dtype)
            loaded.append(target)
    fresh = tuple(key for key in state if key not in set(loaded))
    may_be_fresh = () if whole else FRESH  # nothing starts with an empty tuple of prefixes
    missing = [key for key in fresh if not key.startswith(may_be_fresh) and not key.endswith(COUNTER)]
    if missing:
        remedy = "Use weights of the same backbone and architecture"
        if missing[0].startswith(EMBEDDING):
            remedy = "Leave model.reid.embedding out, as these weights have no such layer, or start from a backbone"
        raise WeightsMismatchError(
            f"{path}: lacks {len(missing)} tensors of this model, among them {missing[0]}; they would stay random. "
            f"{remedy}"
        )
    network.load_state_dict(state)
    return TransferReport(str(path), tuple(loaded), fresh)


def _targets(key: str, path: Path) -> list[str]:
    if key.startswith(LEFT_BEHIND):
        return []
    for prefix, targets in TRANSFER.items():
        if key.startswith(prefix):
            return [target + key.removeprefix(prefix) for target in targets]
    raise WeightsMismatchError(f"{path}: {key} is not a tensor of step 1's backbone; give a folder of pretrain")


def _read_file(path: Path) -> tuple[Mapping[str, Tensor], bool]:
    """Return the tensors of a file, and whether they are plain tensors rather than a run's checkpoint."""
    if path.suffix == ".safetensors":
        return read_tensors(path), True
    try:
        data: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types for damaged and for unsafe files
        raise WeightsMismatchError(
            f"{path}: not a plain file of tensors ({str(error).splitlines()[0]}); save its state_dict alone"
        ) from None
    if is_checkpoint(data):
        return network_of(data), False
    if isinstance(data, dict) and isinstance(data.get("state_dict"), dict):
        data = data["state_dict"]
    if not isinstance(data, dict) or not all(isinstance(value, Tensor) for value in data.values()) or not data:
        raise WeightsMismatchError(f"{path}: holds no state dict of tensors; save the network's state_dict")
    return data, True
