"""A weights folder: ``config.json`` (the ModelConfig) beside ``model.safetensors``. Strict, hashed, atomic.

It may also hold a ``calibration.json``, which is not part of the fingerprint.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from personsearch.calibration import CALIBRATION_FILE, Calibration
from personsearch.config import parse
from personsearch.durable import write_durably
from personsearch.errors import WeightsMismatchError, WeightsNotFoundError
from personsearch.models import ModelConfig, PersonSearchNetwork, build
from personsearch.weights.names import Folder

CONFIG_FILE = "config.json"
MODEL_FILE = "model.safetensors"
#: What STL step 1 leaves: no detector, so it cannot search.
BACKBONE_FILE = "backbone.safetensors"


def save_folder(
    folder: str | Path,
    config: ModelConfig,
    tensors: dict[str, Tensor],
    *,
    file: str = MODEL_FILE,
    metadata: dict[str, str] | None = None,
    calibration: Calibration | None = None,
) -> Path:
    """Write a weights folder; each file appears whole or not at all.

    Args:
        folder: created if it does not exist.
        config: architecture and preprocessing.
        tensors: by state-dict key, on any device.
        file: name of the tensor file.
        metadata: free text for the safetensors header.
        calibration: of these weights. Without one, the calibration of weights stored here before is deleted.

    Returns:
        The folder.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    contents = folder_contents(config, tensors, file=file, metadata=metadata, calibration=calibration)
    (folder / CALIBRATION_FILE).unlink(missing_ok=True)
    for name, data in contents.items():
        write_durably(folder / name, data)
    return folder


def folder_contents(
    config: ModelConfig,
    tensors: dict[str, Tensor],
    *,
    file: str = MODEL_FILE,
    metadata: dict[str, str] | None = None,
    calibration: Calibration | None = None,
) -> dict[str, bytes]:
    """Return the files of a weights folder by name, the tensor file first; see :func:`save_folder`."""
    stored = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
    contents = {
        file: save(stored, metadata={"format": "pt", **(metadata or {})}),
        CONFIG_FILE: (json.dumps(config.model_dump(mode="json"), indent=2) + "\n").encode(),
    }
    if calibration is not None:
        contents[CALIBRATION_FILE] = calibration.to_json()
    return contents


def read_config(folder: Path) -> ModelConfig:
    """Read ``config.json``.

    Raises:
        WeightsNotFoundError: the folder has no ``config.json``.
        ConfigError: it has an unknown key or a wrong type.
        WeightsMismatchError: it is not JSON.
    """
    path = folder / CONFIG_FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError:
        inner, remedy = folder / "weights", "give one that save_pretrained or training wrote"
        if (inner / CONFIG_FILE).is_file():
            remedy = f"its weights are in {inner}"
        raise WeightsNotFoundError(f"{folder}: no readable {CONFIG_FILE} in this folder; {remedy}") from None
    except ValueError as error:
        raise WeightsMismatchError(f"{path}: not valid JSON ({error}); copy or download the weights again") from None
    if not isinstance(data, dict):
        raise WeightsMismatchError(f"{path}: must hold a JSON object")
    return parse(ModelConfig, data, str(path))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file onto the CPU, in the dtypes it stores.

    Raises:
        WeightsNotFoundError: the file does not exist.
        WeightsMismatchError: the file is damaged.
    """
    if not path.is_file():
        raise WeightsNotFoundError(f"{path}: no such file")
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsMismatchError(
            f"{path}: damaged or not a safetensors file ({error}); copy or download it again"
        ) from None


def load_network(folder: str | Path) -> tuple[PersonSearchNetwork, str]:
    """Build the network that a folder describes and load its tensors, strictly.

    Returns:
        The network in float32, in evaluation mode, and its fingerprint.

    Raises:
        WeightsNotFoundError: a file is missing, or the folder holds a backbone only.
        WeightsMismatchError: keys, shapes or values are not those of the configuration.
    """
    folder = Path(folder)
    if folder.is_file():
        raise WeightsNotFoundError(f"{folder}: a file; give the weights folder that holds it")
    if not folder.is_dir():
        raise WeightsNotFoundError(f"{folder}: no such folder; give one that save_pretrained or training wrote")
    config = read_config(folder)
    path = folder / MODEL_FILE
    if not path.exists() and (folder / BACKBONE_FILE).exists():
        raise WeightsNotFoundError(
            f"{folder}: holds the backbone of STL step 1, which cannot detect people; "
            f"run 'personsearch train finetune RECIPE init={Folder(folder)}' and give the folder that it writes"
        )
    tensors = read_tensors(path)
    network = build(config)
    fill(network, tensors, str(path))
    return network.eval(), fingerprint(config, tensors)


def fill(network: torch.nn.Module, tensors: dict[str, Tensor], where: str) -> None:
    """Load a state dict strictly: same keys, same shapes, finite numbers.

    Raises:
        WeightsMismatchError: lists what differs.
    """
    expected = network.state_dict()
    problems = [f"missing {key}" for key in expected if key not in tensors]
    problems += [f"unexpected {key}" for key in tensors if key not in expected]
    for key, tensor in tensors.items():
        if key not in expected:
            continue
        if tensor.shape != expected[key].shape:
            problems.append(f"{key} is {tuple(tensor.shape)}, expected {tuple(expected[key].shape)}")
        elif tensor.is_floating_point() != expected[key].is_floating_point():
            problems.append(f"{key} is {tensor.dtype}, expected {expected[key].dtype}")
        elif tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            problems.append(f"{key} has values that are not finite")
    if problems:
        shown = "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
        raise WeightsMismatchError(
            f"{where}: does not fit {CONFIG_FILE} beside it: {shown}; use the two files of one training"
        )
    network.load_state_dict(tensors)


def fingerprint(config: ModelConfig, tensors: dict[str, Tensor]) -> str:
    """Return the sha256 over the tensors as stored and everything else that changes an embedding, as 64 hex digits.

    The name of the configuration is left out: the same weights have one fingerprint whatever their name.
    """
    digest = hashlib.sha256()
    settings: dict[str, Any] = config.model_dump(mode="json", exclude={"name"})
    digest.update(json.dumps(settings, sort_keys=True).encode())
    for key in sorted(tensors):
        tensor = tensors[key].detach().cpu().contiguous()
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
