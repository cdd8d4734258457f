"""Names of weights: one grammar for ``PersonSearcher.from_pretrained``, a recipe's ``init`` and the command line.

========================================  ====================================================================
``stl-mrfp-small``                        an entry of ``weights.toml``, the list that comes with the package
``package://stl-mrfp-small``              the same, even where a folder of that name exists
``./folder``, ``/folder``, ``~/folder``   a weights folder; a ``Path`` always means a folder or file
``run/weights``, ``runs/a/weights``       the same, where the folder is there and weights are in it
``net.pth``, ``./net.safetensors``        a file of tensors: ``.pth``, ``.pt`` or ``.safetensors``
``org/repo``, ``org/repo@revision``       a repository on the Hugging Face Hub
``hf://org/repo[@revision][/file]``       the same, even where a folder of that name exists; or one file of it
========================================  ====================================================================

A folder is a folder: where one with weights in it lies at exactly the path that a string spells, the string means it,
whatever else has that name, and the log says so; ``package://`` and ``hf://`` mean the others. Where a file or a folder
without weights lies there, the string is refused, and the error gives both unambiguous spellings. So what is here is
never asked of the Hub.
"""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from personsearch.errors import ConfigError

logger = logging.getLogger(__name__)

#: How names of files of tensors end.
TENSOR_SUFFIXES = (".pth", ".pt", ".safetensors")

_HUB, _PACKAGE = "hf://", "package://"
_LOCAL_PREFIXES = (".", "/", "~")
#: In ``org/repo@revision`` everything after the @ is the revision: branches may have slashes.
_REPO = re.compile(r"(?P<repo>[^/@.~][^/@]*/[^/@]+)(?:@(?P<revision>.+))?")
#: Before a file a revision has no slash, except for those that the Hub itself gives to pull requests.
_REPO_FILE = re.compile(
    r"(?P<repo>[^/@.~][^/@]*/[^/@]+)(?:@(?P<revision>refs/(?:pr|convert)/[^/@]+|[^/@]+))?(?:/(?P<file>.+))?"
)


@dataclass(frozen=True)
class Packaged:
    """An entry of ``weights.toml``."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Folder:
    """A weights folder. ``str()`` is a name that means this folder, seen from the same working folder."""

    path: Path

    def __str__(self) -> str:
        return _spelled(self.path)


@dataclass(frozen=True)
class TensorFile:
    """A file of tensors, without a configuration."""

    path: Path

    def __str__(self) -> str:
        return _spelled(self.path)


@dataclass(frozen=True)
class HubRepo:
    """A repository on the Hugging Face Hub, or one file of it.

    Attributes:
        repo: ``org/repo``.
        revision: branch, tag or commit; None = ``main``.
        file: path inside the repository; None = the repository's weights.
    """

    repo: str
    revision: str | None = None
    file: str | None = None

    def __str__(self) -> str:
        text = self.repo if self.revision is None else f"{self.repo}@{self.revision}"
        return text if self.file is None else f"{_HUB}{text}/{self.file}"


WeightsName: TypeAlias = Packaged | Folder | TensorFile | HubRepo


def parse_name(name: str | os.PathLike[str], revision: str | None = None) -> WeightsName:
    """Return what a name of weights means; see the table above.

    Args:
        name: a ``Path`` is always a folder or file.
        revision: of a Hub repository, where the name itself has none.

    Raises:
        ConfigError: the name is in no form of the table, or ambiguous; or a revision is given where none belongs, or
            twice and differently.
    """
    parsed = _parse_text(name, revision) if isinstance(name, str) else _local(os.fspath(name))
    if revision is None:
        return parsed
    if not isinstance(parsed, HubRepo):
        raise ConfigError(f"{name}: revision={revision!r} is for repositories on the Hub (org/repo) only")
    if parsed.revision not in (None, revision):
        raise ConfigError(f"{name}: names revision {parsed.revision!r}, but revision={revision!r} was given too")
    return HubRepo(parsed.repo, revision, parsed.file)


def parse_repo(name: str) -> str:
    """Return the ``org/repo`` of a repository to publish to.

    Raises:
        ConfigError: the name is neither ``org/repo`` nor ``hf://org/repo``.
    """
    match = _REPO.fullmatch(name.removeprefix(_HUB))
    if match is None or match["revision"] is not None:
        raise ConfigError(f"{name}: not the name of a repository on the Hub; write org/repo")
    return match["repo"]


def _parse_text(text: str, revision: str | None) -> WeightsName:
    if text.startswith(_HUB):
        return _hub_repo(text)
    if text.startswith(_PACKAGE):
        return _packaged(text, text.removeprefix(_PACKAGE))
    if text.startswith(_LOCAL_PREFIXES):
        return _local(text)
    if "://" in text:
        raise ConfigError(f"{text}: not a name of weights; write {_HUB}org/repo for a repository on the Hub")
    if Path(text).suffix.lower() in TENSOR_SUFFIXES:
        return _local(text)
    if "/" not in text:
        otherwise = f"{_PACKAGE}{text} for the weights of that name in weights.toml"
        return _folder_here(text, otherwise) or _packaged(text, text)
    match = _REPO.fullmatch(text)
    if match is None:
        if text.strip("/") and os.path.lexists(text):  # nothing else has such a name
            return _local(text)
        raise ConfigError(
            f"{text}: not a name of weights; write ./{text} for a folder or file (there is none here now), "
            f"or org/repo[@revision] for a repository on the Hub"
        )
    if revision is not None:  # only repositories have revisions
        return HubRepo(match["repo"], match["revision"])
    return _folder_here(text, f"{_HUB}{text} for the repository on the Hub") or HubRepo(
        match["repo"], match["revision"]
    )


def _packaged(text: str, name: str) -> Packaged:
    if not name or "/" in name:
        raise ConfigError(f"{text!r}: not a name of weights; 'personsearch weights list' shows the names there are")
    if "@" in name:
        raise ConfigError(f"{text}: only repositories on the Hub (org/repo@revision) have revisions")
    return Packaged(name)


def _hub_repo(text: str) -> HubRepo:
    match = _REPO_FILE.fullmatch(text.removeprefix(_HUB))
    if match is None:
        raise ConfigError(f"{text}: write {_HUB}org/repo, {_HUB}org/repo@revision or {_HUB}org/repo/file.pth")
    return HubRepo(match["repo"], match["revision"], match["file"])


def _local(text: str) -> Folder | TensorFile:
    """Tell a folder from a file of tensors by what is on the disk; where nothing is, by the suffix."""
    path = Path(text)
    if text.startswith("~"):
        try:
            path = path.expanduser()
        except RuntimeError:
            raise ConfigError(f"{text}: there is no such home folder; write the whole path, or ./{text}") from None
    is_file = path.is_file() or (path.suffix.lower() in TENSOR_SUFFIXES and not path.is_dir())
    return TensorFile(path) if is_file else Folder(path)


def _folder_here(text: str, otherwise: str) -> Folder | None:
    """Return the weights folder at a path that could mean something else, too; None where nothing is there."""
    if not text or not os.path.lexists(text):
        return None
    path = Path(text)
    if _holds_weights(path):
        folder = Folder(path)
        logger.info("weights %s: the folder %s is taken; write %s", text, folder, otherwise)
        return folder
    what = "folder without weights" if path.is_dir() else "file"
    run = f" (its weights are in ./{text}/weights)" if _holds_weights(path / "weights") else ""
    raise ConfigError(f"{text}: ambiguous, because a {what} has this name; write ./{text} for it{run}, or {otherwise}")


def _holds_weights(path: Path) -> bool:
    try:
        return any(entry.suffix.lower() in TENSOR_SUFFIXES for entry in path.iterdir())
    except OSError:  # a file, or a folder that may not be read
        return False


def _spelled(path: Path) -> str:
    text = path.as_posix()
    return text if text.startswith((".", "/")) or path.is_absolute() else f"./{text}"
