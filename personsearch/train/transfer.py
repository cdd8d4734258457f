"""Handing step 1's backbone to step 2: which tensors go where, and a list of what was loaded (paper section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from personsearch.errors import WeightsMismatchError
from personsearch.weights.files import BACKBONE_FILE, MODEL_FILE, read_tensors

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
#: Tensors of the backbone that stay behind on purpose.
LEFT_BEHIND = ("identification.bnneck.",)


@dataclass(frozen=True)
class TransferReport:
    """Keys of the network that were loaded, and those that start as they were built."""

    loaded: tuple[str, ...]
    fresh: tuple[str, ...]


def transfer(network: nn.Module, folder: str | Path) -> TransferReport:
    """Fill a network from a weights folder: a backbone of step 1, or whole weights of the same architecture.

    Args:
        network: a PersonSearchNetwork.
        folder: of ``pretrain`` or ``finetune``.

    Raises:
        WeightsNotFoundError: there is no such file.
        WeightsMismatchError: a tensor has no place in the network, or another shape.
    """
    folder = Path(folder)
    whole = (folder / MODEL_FILE).exists()
    path = folder / (MODEL_FILE if whole else BACKBONE_FILE)
    state = network.state_dict()
    loaded = []
    for key, tensor in read_tensors(path).items():
        targets = [key] if whole else _targets(key, path)
        for target in targets:
            if target.startswith("pooling.") and not whole and target not in state:
                continue  # the single-level baseline has no neck
            if target not in state or state[target].shape != tensor.shape:
                raise WeightsMismatchError(
                    f"{path}: {key} {tuple(tensor.shape)} does not fit this model; use weights of the same backbone"
                )
            state[target] = tensor.to(state[target].dtype)
            loaded.append(target)
    network.load_state_dict(state)
    return TransferReport(tuple(loaded), tuple(key for key in state if key not in set(loaded)))


def _targets(key: str, path: Path) -> list[str]:
    if key.startswith(LEFT_BEHIND):
        return []
    for prefix, targets in TRANSFER.items():
        if key.startswith(prefix):
            return [target + key.removeprefix(prefix) for target in targets]
    raise WeightsMismatchError(f"{path}: {key} is no tensor of a step-1 backbone")
