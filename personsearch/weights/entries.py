"""The entries of ``weights.toml``: what has a name, with its files, figures and licence. Loads no torch."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from pydantic import Field, model_validator

from personsearch.config import StrictModel, parse
from personsearch.errors import WeightsNotFoundError


def package_folder() -> Path:
    """Return where the package lies, which packaged weights are a part of."""
    return Path(str(files("personsearch")))


class WeightsFile(StrictModel):
    """One file of an entry: its name, sha256 (64 hex digits) and size in bytes."""

    name: str = Field(min_length=1)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    bytes: int = Field(ge=1)


class WeightsEntry(StrictModel):
    """One entry of ``weights.toml``.

    Attributes:
        arch: name of the model preset.
        package: folder inside the package that holds the files; None where ``repo`` does.
        repo: ``org/repo`` on the Hub; None where ``package`` is given.
        revision: commit of ``repo``, 40 hex digits.
        files: every file with its hash and size.
        train_data: what the weights were trained on.
        license: SPDX identifier of the weights' licence.
        license_link: where the licence can be read.
        commercial: whether the licence allows commercial use.
        metrics: figure -> fraction, measured by ``measured_with``.
        measured_with: the command that measured the figures.
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


@cache
def list_weights() -> Mapping[str, WeightsEntry]:
    """Return the entries of ``weights.toml`` by name.

    Example:
        >>> personsearch.list_weights()["stl-mrfp-small"].license
        'CC0-1.0'
    """
    packed = package_folder() / "weights.toml"
    path = packed if packed.exists() else packed.parent.parent / "weights.toml"  # in a checkout it lies at the root
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: parse(WeightsEntry, entry, f"{path} [{name}]") for name, entry in data.items()}


def entry_of(name: str) -> WeightsEntry:
    """Return one entry of ``weights.toml``.

    Raises:
        WeightsNotFoundError: there is no such entry; the message lists those there are.
    """
    entries = list_weights()
    if name not in entries:
        raise WeightsNotFoundError(
            f"{name}: no weights of this name; there are {', '.join(entries)}. For a folder or file write ./{name}, "
            "for a repository on the Hub org/repo"
        )
    return entries[name]
