"""``weights.toml``: which weights exist, where their files are, what they are worth and under which licence."""

from __future__ import annotations

import logging
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from pydantic import Field

from personsearch.config import StrictModel, parse
from personsearch.errors import WeightsMismatchError, WeightsNotFoundError
from personsearch.models import PersonSearchNetwork
from personsearch.weights.files import load_network, sha256_of

logger = logging.getLogger(__name__)

DEFAULT = "stl-mrfp-small"


class WeightsFile(StrictModel):
    """One file of an entry."""

    name: str = Field(min_length=1)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    bytes: int = Field(ge=1)


class WeightsEntry(StrictModel):
    """One entry of ``weights.toml``.

    Attributes:
        arch: name of the model preset.
        package: folder of the files inside the package.
        files: with hash and size.
        train_data: what they were trained on.
        license: SPDX identifier of the weights.
        metrics: figure -> value, measured as ``measured_with`` says.
    """

    arch: str
    package: str
    files: tuple[WeightsFile, ...] = Field(min_length=1)
    train_data: str
    license: str
    license_link: str
    commercial: bool
    metrics: dict[str, float]
    measured_with: str


@dataclass(frozen=True, eq=False)
class FoundWeights:
    """Weights that were found, checked and loaded."""

    name: str
    revision: str | None
    fingerprint: str
    network: PersonSearchNetwork


@cache
def list_weights() -> Mapping[str, WeightsEntry]:
    """Return the entries of ``weights.toml`` by name."""
    packed = Path(str(files("personsearch"))) / "weights.toml"
    path = packed if packed.exists() else packed.parent.parent / "weights.toml"  # in a checkout it lies at the root
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: parse(WeightsEntry, entry, f"{path} [{name}]") for name, entry in data.items()}


def entry_of(name: str) -> WeightsEntry:
    """Return one entry of ``weights.toml``.

    Raises:
        WeightsNotFoundError: no such name; lists those there are.
    """
    entries = list_weights()
    if name not in entries:
        raise WeightsNotFoundError(
            f"{name}: no such weights; there are {', '.join(entries)}. For a folder write ./{name}"
        )
    return entries[name]


def resolve(
    name: str | os.PathLike[str],
    *,
    revision: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
    token: str | None = None,
) -> FoundWeights:
    """Find weights by the rule of names and load them.

    Without ``/`` a name is an entry of ``weights.toml``; a ``Path``, or a string that begins with ``.``, ``/`` or
    ``~``, is a folder. The disk is never guessed at.

    Raises:
        WeightsNotFoundError: nothing of that name.
        WeightsMismatchError: a hash, key or shape is wrong.
    """
    if isinstance(name, os.PathLike) or name.startswith((".", "/", "~")):
        folder = Path(name).expanduser()
        network, digest = load_network(folder)
        return FoundWeights(str(name), None, digest, network)
    if "/" in name:
        raise WeightsNotFoundError(
            f"{name}: the Hugging Face Hub is not supported yet; download the folder and give its path (./{name})"
        )
    entry = entry_of(name)
    folder = Path(str(files("personsearch"))) / entry.package
    for file in entry.files:
        _verify(folder / file.name, file)
    network, digest = load_network(folder)
    logger.info("weights %s: licence %s", name, entry.license)
    return FoundWeights(name, None, digest, network)


def _verify(path: Path, expected: WeightsFile) -> None:
    if not path.is_file():
        raise WeightsNotFoundError(f"{path}: missing from the installed package; install personsearch again")
    actual = sha256_of(path)
    if actual != expected.sha256:
        raise WeightsMismatchError(
            f"{path}: sha256 is {actual}, weights.toml says {expected.sha256}; install personsearch again"
        )
