"""Weights by name: the way from a name to a network."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from personsearch.calibration import Calibration, read_calibration
from personsearch.durable import sha256_of
from personsearch.errors import ConfigError, WeightsMismatchError, WeightsNotFoundError
from personsearch.models import PersonSearchNetwork
from personsearch.results import Spec
from personsearch.weights.entries import WeightsEntry, WeightsFile, entry_of, package_folder
from personsearch.weights.files import load_network
from personsearch.weights.hub import HubOptions, commit_of, fetch, fetch_file
from personsearch.weights.names import Folder, HubRepo, Packaged, TensorFile, WeightsName, parse_name

logger = logging.getLogger(__name__)

#: What ``from_pretrained`` loads by default, spelled so that a folder of that name does not make it ambiguous.
DEFAULT = "package://stl-mrfp-small"


@dataclass(frozen=True, eq=False)
class LoadedWeights:
    """Weights that were located, checked and loaded.

    Attributes:
        spec: name, revision, fingerprint and embedding size.
        network: in float32 on the CPU, in evaluation mode.
        calibration: what their similarities mean, where the weights have one.
    """

    spec: Spec
    network: PersonSearchNetwork
    calibration: Calibration | None = None


def load_weights(
    name: str | os.PathLike[str], *, revision: str | None = None, options: HubOptions | None = None
) -> LoadedWeights:
    """Load the weights that a name means; see ``personsearch.weights.names``.

    Args:
        name: of weights with their configuration: no lone file of tensors.
        revision: of a Hub repository.
        options: how to reach the Hub.

    Raises:
        ConfigError: the name is malformed, ambiguous or means a lone file; or a revision is given where none belongs.
        WeightsNotFoundError: nothing has that name, or it cannot be downloaded.
        WeightsMismatchError: a hash, key or shape is wrong.
    """
    source = parse_name(name, revision)
    if isinstance(source, TensorFile):
        raise ConfigError(
            f"{source}: a file of tensors has no configuration, so it cannot be searched with; give the folder that "
            "holds it and config.json. Backbone weights, such as ImageNet's, are for a recipe's init"
        )
    if isinstance(source, HubRepo) and source.file is not None:
        raise ConfigError(
            f"{source}: names one file of a repository, which has no configuration; write hf://{source.repo} for its "
            "weights (a branch whose name has a slash goes into revision=). Single files are for a recipe's init"
        )
    folder = locate(source, options)
    network, digest = load_network(folder)
    spec = Spec(
        name=source.repo if isinstance(source, HubRepo) else str(source),
        revision=_revision(source, folder),
        fingerprint=digest,
        embedding_size=network.config.embedding_size,
    )
    return LoadedWeights(spec, network, read_calibration(folder, digest))


def pinned_name(spec: Spec) -> str:
    """Return the name under which weights that were loaded once are found again: of the Hub's, with their revision."""
    return spec.name if spec.revision is None or "/" not in spec.name else f"{spec.name}@{spec.revision}"


def load_again(spec: Spec, options: HubOptions | None = None) -> LoadedWeights:
    """Load weights that were loaded before.

    Raises:
        WeightsError: they are not where they were, or others are.
    """
    loaded = load_weights(pinned_name(spec), options=options)
    if loaded.spec.fingerprint != spec.fingerprint:
        raise WeightsMismatchError(
            f"{spec.name}: holds other weights now ({loaded.spec.fingerprint[:12]}) than those that were loaded "
            f"({spec.fingerprint[:12]}); load it again"
        )
    return loaded


def locate(source: WeightsName, options: HubOptions | None = None) -> Path:
    """Return the folder or file that a parsed name means, downloaded where necessary and verified.

    Args:
        source: from :func:`personsearch.weights.names.parse_name`.
        options: how to reach the Hub.

    Returns:
        A file for a ``TensorFile`` and for one file of a repository, a folder otherwise.

    Raises:
        WeightsNotFoundError: nothing has that name, or it cannot be downloaded.
        WeightsMismatchError: a file has another sha256 than the cache or ``weights.toml`` says.
    """
    match source:
        case Packaged(name):
            return _locate_entry(name, entry_of(name), options)
        case HubRepo():
            return fetch(source, options) if source.file is None else fetch_file(source, options)
        case Folder(path):
            if not path.is_dir():
                raise WeightsNotFoundError(f"{source}: no such folder; give one that save_pretrained or training wrote")
        case TensorFile(path):
            if not path.is_file():
                raise WeightsNotFoundError(f"{source}: no such file")
    return path


def _revision(source: WeightsName, folder: Path) -> str | None:
    if isinstance(source, HubRepo):
        return commit_of(folder)
    return entry_of(source.name).revision if isinstance(source, Packaged) else None


def _locate_entry(name: str, entry: WeightsEntry, options: HubOptions | None) -> Path:
    logger.info("weights %s: licence %s", name, entry.license)
    if entry.repo is not None:
        folder = fetch(HubRepo(entry.repo, entry.revision), options)
        remedy = "delete the cached file and fetch it again"
    else:
        folder = package_folder() / str(entry.package)
        remedy = "reinstall personsearch"
    for file in entry.files:
        _verify(folder / file.name, file, remedy)
    return folder


def _verify(path: Path, expected: WeightsFile, remedy: str) -> None:
    if not path.is_file():
        raise WeightsNotFoundError(f"{path}: missing; {remedy}")
    actual = sha256_of(path)
    if actual != expected.sha256:
        raise WeightsMismatchError(f"{path}: sha256 is {actual}, but weights.toml says {expected.sha256}; {remedy}")
