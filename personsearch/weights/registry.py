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
from typing import Any

from pydantic import Field, model_validator

from personsearch.calibration import Calibration, read_calibration
from personsearch.config import StrictModel, parse
from personsearch.durable import sha256_of
from personsearch.errors import ConfigError, WeightsMismatchError, WeightsNotFoundError
from personsearch.models import PersonSearchNetwork
from personsearch.results import Spec
from personsearch.weights.files import load_network
from personsearch.weights.hub import HubName, fetch, revision_of

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
        package: folder of the files inside the package, or None.
        repo: repository on the Hub, or None; one of the two is given.
        revision: commit in ``repo``, 40 hex digits.
        files: with hash and size.
        train_data: what they were trained on.
        license: SPDX identifier of the weights.
        license_link: where it can be read.
        commercial: whether it allows commercial use.
        metrics: figure -> fraction, measured as ``measured_with`` says.
        measured_with: the command.
    """

    arch: str
    package: str | None = None
    repo: str | None = None
    revision: str | None = Field(None, pattern="^[0-9a-f]{40}$")
    files: tuple[WeightsFile, ...] = Field(min_length=1)
    train_data: str
    license: str
    license_link: str
    commercial: bool
    metrics: dict[str, float]
    measured_with: str

    @model_validator(mode="after")
    def _has_a_place(self) -> WeightsEntry:
        if (self.package is None) == (self.repo is None):
            raise ValueError("give either package or repo")
        if self.repo is not None and self.revision is None:
            raise ValueError("a repo needs its revision: 40 hex digits")
        return self


@dataclass(frozen=True, eq=False)
class FoundWeights:
    """Weights that were found, checked and loaded."""

    spec: Spec
    network: PersonSearchNetwork
    calibration: Calibration | None = None


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

    Without ``/`` a name is an entry of ``weights.toml``; ``org/repo[@revision]`` is a repository on the Hub; a
    ``Path``, or a string that begins with ``.``, ``/`` or ``~``, is a folder. The disk is never guessed at.

    Raises:
        ConfigError: a revision is given where none belongs, or twice.
        WeightsNotFoundError: nothing of that name.
        WeightsMismatchError: a hash, key or shape is wrong.
    """
    is_folder = isinstance(name, os.PathLike) or name.startswith((".", "/", "~"))
    if is_folder or "/" not in os.fspath(name):
        if revision is not None:
            raise ConfigError(f"{name}: revision={revision!r} is for repositories on the Hub (org/repo) only")
        if is_folder:
            return _loaded(str(name), None, Path(name).expanduser())
    hub_options = {"cache_dir": cache_dir, "local_files_only": local_files_only, "token": token}
    folder = locate(os.fspath(name), revision=revision, **hub_options)
    if "/" in os.fspath(name):
        return _loaded(HubName.parse(os.fspath(name)).repo, revision_of(folder), folder)
    entry = entry_of(os.fspath(name))
    logger.info("weights %s: licence %s", name, entry.license)
    return _loaded(os.fspath(name), entry.revision, folder)


def _loaded(name: str, revision: str | None, folder: Path) -> FoundWeights:
    network, digest = load_network(folder)
    size = network.config.embedding_size
    spec = Spec(name=name, revision=revision, fingerprint=digest, embedding_size=size)
    return FoundWeights(spec, network, read_calibration(folder, digest))


def locate(name: str, *, revision: str | None = None, **hub_options: Any) -> Path:
    """Return the folder of an entry of ``weights.toml`` or of ``org/repo[@revision]``, fetched and verified.

    Args:
        name: see :func:`resolve`; no folders.
        revision: of a repository.
        **hub_options: cache_dir, local_files_only, token.
    """
    if "/" in name:
        return fetch(HubName.parse(name, revision), **hub_options)
    entry = entry_of(name)
    if entry.repo is not None:
        folder = fetch(HubName(entry.repo, entry.revision), **hub_options)
        advice = "delete the cached file and fetch again"
    else:
        folder = Path(str(files("personsearch"))) / str(entry.package)
        advice = "install personsearch again"
    for file in entry.files:
        _verify(folder / file.name, file, advice)
    return folder


def _verify(path: Path, expected: WeightsFile, advice: str) -> None:
    if not path.is_file():
        raise WeightsNotFoundError(f"{path}: missing; {advice}")
    actual = sha256_of(path)
    if actual != expected.sha256:
        raise WeightsMismatchError(f"{path}: sha256 is {actual}, weights.toml says {expected.sha256}; {advice}")
