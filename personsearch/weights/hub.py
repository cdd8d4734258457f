"""Weights on the Hugging Face Hub: downloaded with its own client, checked, and published in one commit."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    hf_hub_download,
    try_to_load_from_cache,
)
from huggingface_hub.constants import DEFAULT_REVISION
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from torch import Tensor

from personsearch.calibration import CALIBRATION_FILE, Calibration, read_calibration
from personsearch.durable import sha256_of, write_durably
from personsearch.errors import ConfigError, WeightsError, WeightsMismatchError, WeightsNotFoundError
from personsearch.models import ModelConfig
from personsearch.version import __version__
from personsearch.weights.card import model_card
from personsearch.weights.files import (
    CONFIG_FILE,
    MODEL_FILE,
    fingerprint,
    folder_contents,
    load_network,
    read_config,
    read_tensors,
)
from personsearch.weights.names import HubRepo, parse_repo

logger = logging.getLogger(__name__)

LIBRARY = "personsearch"
CARD_FILE = "README.md"
COMMIT_MESSAGE = "Upload weights with personsearch"
_COMMIT = re.compile("[0-9a-f]{40}")
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class HubOptions:
    """How to reach the Hub.

    Attributes:
        cache_dir: folder that keeps the downloaded files; None = the Hub client's own.
        local_files_only: use what is cached and make no network call.
        token: of an account that may read the repository; None = that of ``hf auth login``.
    """

    cache_dir: str | os.PathLike[str] | None = None
    local_files_only: bool = False
    token: str | None = None


def fetch(name: HubRepo, options: HubOptions | None = None) -> Path:
    """Return the cached folder of a repository's weights, downloading what is missing; a calibration is optional.

    All files come from one commit: a branch or tag is resolved once, with one HEAD request, so a push between two
    downloads cannot mix commits. A commit that is cached makes no network call.

    Args:
        name: ``file`` is not used.
        options: default: the client's cache and token.

    Returns:
        The folder, named by the commit.

    Raises:
        ConfigError: the Hub does not allow such a name.
        WeightsNotFoundError: names repository, revision, file, cache and what to do.
        WeightsMismatchError: a cached file is damaged.
    """
    options = options or HubOptions()
    commit = _resolve_commit(name, CONFIG_FILE, options)
    folder = _checked_file(name, commit, CONFIG_FILE, options).parent
    _checked_file(name, commit, MODEL_FILE, options)
    _fetch_calibration(name, commit, options)
    _remember(name, commit, folder)
    return folder


def fetch_file(name: HubRepo, options: HubOptions | None = None) -> Path:
    """Return ``name.file``, one cached file of a repository, downloading it if need be. See :func:`fetch`."""
    if name.file is None:
        raise ValueError(f"{name}: names no file")
    options = options or HubOptions()
    commit = _resolve_commit(name, name.file, options)
    path = _checked_file(name, commit, name.file, options)
    _remember(name, commit, path.parents[name.file.count("/")])
    return path


def commit_of(folder: Path) -> str:
    """Return the commit that a folder of :func:`fetch` holds: the cache names its folders by it."""
    return folder.name


def publish(
    repo_id: str,
    config: ModelConfig,
    tensors: dict[str, Tensor],
    *,
    calibration: Calibration | None = None,
    license: str,
    train_data: str,
    metrics: Mapping[str, float] | None = None,
    private: bool | None = None,
    token: str | None = None,
    branch: str | None = None,
    create_pr: bool = False,
    commit_message: str = COMMIT_MESSAGE,
) -> str:
    """Upload weights in one commit; see ``PersonSearcher.push_to_hub``. An existing model card is never overwritten.

    A calibration goes with the weights; where they have none, the commit deletes the one of the repository's former
    weights.

    Returns:
        The commit, 40 hex digits: pin it.

    Raises:
        ConfigError: ``repo_id`` is not ``org/repo``.
        WeightsError: the Hub refused or cannot be reached.
    """
    repo_id = parse_repo(repo_id)
    digest = fingerprint(config, tensors)
    card = model_card(repo_id, config, digest, license=license, train_data=train_data, metrics=metrics)
    contents = folder_contents(config, tensors, calibration=calibration)
    api = HfApi(token=token, library_name=LIBRARY, library_version=__version__)
    try:
        api.create_repo(repo_id, private=private, exist_ok=True)
        if branch is not None:
            api.create_branch(repo_id, branch=branch, exist_ok=True)
        if not api.file_exists(repo_id, CARD_FILE, revision=branch):
            contents[CARD_FILE] = card.encode()
        operations: list[CommitOperationAdd | CommitOperationDelete] = [
            CommitOperationAdd(file, data) for file, data in contents.items()
        ]
        if calibration is None and api.file_exists(repo_id, CALIBRATION_FILE, revision=branch):
            operations.append(CommitOperationDelete(CALIBRATION_FILE))
        commit = api.create_commit(
            repo_id, operations, revision=branch, create_pr=create_pr, commit_message=commit_message
        )
    except HFValidationError as error:
        raise ConfigError(f"{repo_id}: not the name of a repository on the Hub ({error}); write org/repo") from None
    except RepositoryNotFoundError:
        raise WeightsError(
            f"{repo_id}: the Hub refused; log in with 'hf auth login', or give a token that may write there"
        ) from None
    except (OSError, RuntimeError) as error:  # HfHubHTTPError is an OSError; failed uploads raise RuntimeError
        raise WeightsError(
            f"{repo_id}: the upload failed ({_short(error)}); nothing was committed, so try again"
        ) from None
    return str(commit.oid)


@dataclass(frozen=True)
class Published:
    """What :func:`publish_folder` uploaded: ``org/repo``, its new commit, and the weights' fingerprint."""

    repo: str
    commit: str
    fingerprint: str


def publish_folder(
    repo_id: str, folder: Path, *, license: str, train_data: str, private: bool | None = None, token: str | None = None
) -> Published:
    """Upload a weights folder in one commit, its tensors in the dtype they are stored in; see :func:`publish`.

    Raises:
        WeightsNotFoundError: a file is missing, or the folder holds a backbone only.
        WeightsMismatchError: keys, shapes or values are not those of the configuration, or the calibration belongs to
            other weights.
    """
    repo = parse_repo(repo_id)
    _, digest = load_network(folder)  # refuses what from_pretrained would refuse
    commit = publish(
        repo,
        read_config(folder),
        read_tensors(folder / MODEL_FILE),
        calibration=read_calibration(folder, digest),
        license=license,
        train_data=train_data,
        private=private,
        token=token,
    )
    return Published(repo, commit, digest)


def _resolve_commit(name: HubRepo, file: str, options: HubOptions) -> str:
    """Return the commit of a branch or tag: with one HEAD request or, offline, as the cache remembers it."""
    if name.revision is not None and _COMMIT.fullmatch(name.revision):
        return name.revision
    try:
        info = hf_hub_download(
            name.repo,
            file,
            revision=name.revision,
            cache_dir=_cache_dir(options),
            local_files_only=options.local_files_only,
            token=options.token,
            library_name=LIBRARY,
            library_version=__version__,
            dry_run=True,
        )
    except Exception as error:  # the client's own, those of its HTTP library, the system's
        _explain(name, file, options, error)
    return info.commit_hash


def _remember(name: HubRepo, commit: str, snapshot: Path) -> None:
    """Note in the cache which commit a branch or tag stands for, so that its name also works offline.

    The client notes it when it downloads a file by branch; here files are downloaded by commit.
    """
    revision = name.revision or DEFAULT_REVISION
    if _COMMIT.fullmatch(revision):
        return
    path = snapshot.parent.parent / "refs" / revision
    with contextlib.suppress(OSError):  # a cache that cannot be written to is as good as before
        if not path.is_file() or path.read_text(encoding="utf-8") != commit:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(path, commit.encode())


def _checked_file(name: HubRepo, commit: str, file: str, options: HubOptions) -> Path:
    try:
        path = _download(name.repo, commit, file, options)
    except Exception as error:  # as in _resolve_commit
        _explain(name, file, options, error)
    _check_blob(path)
    return path


def _fetch_calibration(name: HubRepo, commit: str, options: HubOptions) -> None:
    """Fetch the calibration of a commit, if it has one; the cache remembers that it has none."""
    cached = try_to_load_from_cache(name.repo, CALIBRATION_FILE, cache_dir=_cache_dir(options), revision=commit)
    if cached is not None:  # a path, or the mark that there is none
        return
    try:
        _download(name.repo, commit, CALIBRATION_FILE, options)
    except LocalEntryNotFoundError:
        logger.info("%s: cannot ask the Hub now whether these weights have a %s", name, CALIBRATION_FILE)
    except EntryNotFoundError:
        pass
    except Exception as error:  # as in _resolve_commit
        _explain(name, CALIBRATION_FILE, options, error)


def _download(repo: str, commit: str, file: str, options: HubOptions) -> Path:
    path = hf_hub_download(
        repo,
        file,
        revision=commit,
        cache_dir=_cache_dir(options),
        local_files_only=options.local_files_only,
        token=options.token,
        library_name=LIBRARY,
        library_version=__version__,
    )
    return Path(path)


def _cache_dir(options: HubOptions) -> str | None:
    return None if options.cache_dir is None else os.fspath(options.cache_dir)


def _explain(name: HubRepo, file: str, options: HubOptions, error: Exception) -> NoReturn:
    """Raise, in place of the client's error, one that says what to do."""
    source = replace(name, file=None)
    where = f"{source}: {file}"
    if isinstance(error, HFValidationError):
        raise ConfigError(
            f"{source}: not the name of a repository on the Hub; write org/repo or org/repo@revision"
        ) from None
    if isinstance(error, RepositoryNotFoundError):
        raise WeightsNotFoundError(
            f"{source}: no such repository on the Hub, or it is private; check the name, log in with 'hf auth login' "
            f"or give a token. For a folder write ./{name.repo}"
        ) from None
    if isinstance(error, RevisionNotFoundError):
        raise WeightsNotFoundError(
            f"{source}: {name.repo} has no such revision; give a branch, a tag or a whole commit"
        ) from None
    if isinstance(error, LocalEntryNotFoundError):
        cache = "the Hub's cache" if options.cache_dir is None else os.fspath(options.cache_dir)
        raise WeightsNotFoundError(
            f"{where}: not in {cache}, and the Hub cannot be reached (offline, or it does not answer); "
            f"with a connection run: personsearch weights fetch {name}"
        ) from None
    if isinstance(error, EntryNotFoundError):
        remedy = "check its path" if name.file else "give a repository with weights of this package"
        raise WeightsNotFoundError(f"{where}: the repository has no such file; {remedy}") from None
    if isinstance(error, HfHubHTTPError):
        raise WeightsNotFoundError(f"{where}: the Hub answered with an error ({_short(error)}); try again") from None
    raise WeightsNotFoundError(
        f"{where}: the download failed ({_short(error)}); nothing of this file was kept, so try again"
    ) from None


def _check_blob(path: Path) -> None:
    """Compare a cached large file with the sha256 that the cache names it by."""
    expected = path.resolve().name
    if _SHA256.fullmatch(expected) and sha256_of(path) != expected:
        raise WeightsMismatchError(
            f"{path}: the cached file is damaged (its sha256 is not {expected}); delete it and fetch it again"
        )


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]
