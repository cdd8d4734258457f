"""Weights on the Hugging Face Hub: fetched with the real client, checked, and published in one commit."""

from __future__ import annotations

import logging
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from huggingface_hub import HfApi, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from torch import Tensor

from personsearch.calibration import CALIBRATION_FILE, Calibration
from personsearch.durable import sha256_of
from personsearch.errors import ConfigError, WeightsError, WeightsMismatchError, WeightsNotFoundError
from personsearch.models import ModelConfig
from personsearch.version import __version__
from personsearch.weights.card import model_card
from personsearch.weights.files import CONFIG_FILE, MODEL_FILE, fingerprint, save_folder

logger = logging.getLogger(__name__)

LIBRARY = "personsearch"
CARD_FILE = "README.md"
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class HubName:
    """``org/repo`` and the revision of it, if one was named."""

    repo: str
    revision: str | None

    @classmethod
    def parse(cls, text: str, revision: str | None = None) -> HubName:
        """Read ``org/repo[@revision]``.

        Raises:
            ConfigError: ``revision`` is given twice, and differently.
        """
        repo, _, inline = text.partition("@")
        if inline and revision and inline != revision:
            raise ConfigError(f"{text}: names revision {inline!r}, but revision={revision!r} was given too")
        return cls(repo, revision or inline or None)

    def __str__(self) -> str:
        return self.repo if self.revision is None else f"{self.repo}@{self.revision}"


def fetch(
    name: HubName,
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
    token: str | None = None,
) -> Path:
    """Return the cached folder of a repository's weights, downloading what is missing; a calibration is optional.

    A revision of 40 hex digits that is cached makes no network call.

    Raises:
        WeightsNotFoundError: names repository, revision, file, cache and what to do.
        WeightsMismatchError: a cached file is damaged.
    """
    paths = [
        fetch_file(name, file, cache_dir=cache_dir, local_files_only=local_files_only, token=token)
        for file in (CONFIG_FILE, MODEL_FILE)
    ]
    folder = paths[0].parent
    _fetch_calibration(
        HubName(name.repo, revision_of(folder)), cache_dir=cache_dir, local_files_only=local_files_only, token=token
    )
    return folder


def _fetch_calibration(
    name: HubName, *, cache_dir: str | os.PathLike[str] | None, local_files_only: bool, token: str | None
) -> None:
    """Fetch the calibration of a commit, if it has one; whether it has is asked once and remembered in the cache."""
    kept_in = None if cache_dir is None else os.fspath(cache_dir)
    cached = try_to_load_from_cache(name.repo, CALIBRATION_FILE, cache_dir=kept_in, revision=name.revision)
    if cached is not None:  # a path, or the note that there is none
        return
    try:
        _hub_file(name, CALIBRATION_FILE, cache_dir=cache_dir, local_files_only=local_files_only, token=token)
    except LocalEntryNotFoundError:
        logger.info("%s: whether it has a %s cannot be asked now", name, CALIBRATION_FILE)
    except EntryNotFoundError:
        pass
    except Exception as error:  # as in _download
        _explain(name, CALIBRATION_FILE, cache_dir, error)


def fetch_file(
    name: HubName,
    file: str,
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
    token: str | None = None,
) -> Path:
    """Return one cached file of a repository, downloading it if need be. See :func:`fetch`."""
    path = _download(name, file, cache_dir=cache_dir, local_files_only=local_files_only, token=token)
    _check_blob(path)
    return path


def revision_of(folder: Path) -> str:
    """Return the commit that a cached folder holds: the cache names its folders by it."""
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
    commit_message: str = "Upload weights with personsearch",
) -> str:
    """Upload weights in one commit; see ``PersonSearcher.push_to_hub``. An existing model card is never overwritten.

    A calibration goes with the weights; one that the repository has of former weights is deleted.

    Returns:
        The commit, 40 hex digits: pin it.

    Raises:
        WeightsError: the Hub refused or cannot be reached.
    """
    digest = fingerprint(config, tensors)
    card = model_card(repo_id, config, digest, license=license, train_data=train_data, metrics=metrics)
    api = HfApi(token=token, library_name=LIBRARY)
    try:
        api.create_repo(repo_id, private=private, exist_ok=True)
        if branch is not None:
            api.create_branch(repo_id, branch=branch, exist_ok=True)
        with tempfile.TemporaryDirectory() as staged:
            save_folder(staged, config, tensors, calibration=calibration)
            if not api.file_exists(repo_id, CARD_FILE, revision=branch):
                (Path(staged) / CARD_FILE).write_text(card, encoding="utf-8")
            calibrated = calibration is not None
            stale = not calibrated and api.file_exists(repo_id, CALIBRATION_FILE, revision=branch)
            done = api.upload_folder(
                repo_id=repo_id,
                folder_path=staged,
                revision=branch,
                create_pr=create_pr,
                commit_message=commit_message,
                delete_patterns=CALIBRATION_FILE if stale else None,  # it belongs to the former weights
            )
    except HFValidationError as error:
        raise ConfigError(f"{repo_id}: no repository name ({error}); write org/repo") from None
    except RepositoryNotFoundError:
        raise WeightsError(
            f"{repo_id}: the Hub refused; log in with 'hf auth login', or give a token that may write there"
        ) from None
    except (OSError, RuntimeError) as error:  # HfHubHTTPError is an OSError; failed uploads raise RuntimeError
        raise WeightsError(f"{repo_id}: the upload failed ({_short(error)}); nothing was committed, retry") from None
    return str(done.oid)


def _download(
    name: HubName,
    file: str,
    *,
    cache_dir: str | os.PathLike[str] | None,
    local_files_only: bool,
    token: str | None,
) -> Path:
    try:
        return _hub_file(name, file, cache_dir=cache_dir, local_files_only=local_files_only, token=token)
    except Exception as error:  # the client raises its own, httpx's and the system's errors
        _explain(name, file, cache_dir, error)


def _hub_file(
    name: HubName,
    file: str,
    *,
    cache_dir: str | os.PathLike[str] | None,
    local_files_only: bool,
    token: str | None,
) -> Path:
    return Path(
        hf_hub_download(
            name.repo,
            file,
            revision=name.revision,
            cache_dir=None if cache_dir is None else os.fspath(cache_dir),
            local_files_only=local_files_only,
            token=token,
            library_name=LIBRARY,
            library_version=__version__,
        )
    )


def _explain(name: HubName, file: str, cache_dir: str | os.PathLike[str] | None, error: Exception) -> NoReturn:
    """Turn the client's error into one that says what to do."""
    where = f"{name}: {file}"
    if isinstance(error, HFValidationError):
        raise ConfigError(f"{name}: no repository name; write org/repo or org/repo@revision") from None
    if isinstance(error, RepositoryNotFoundError):
        raise WeightsNotFoundError(
            f"{name}: no such repository, or it is private; check the name, log in with 'hf auth login' or give token="
        ) from None
    if isinstance(error, RevisionNotFoundError):
        raise WeightsNotFoundError(f"{name}: no such revision in {name.repo}") from None
    if isinstance(error, LocalEntryNotFoundError):
        cache = "the Hub's cache" if cache_dir is None else os.fspath(cache_dir)
        raise WeightsNotFoundError(
            f"{where}: not in {cache}, and the Hub cannot be asked (offline, or it does not answer); "
            f"with a connection run: personsearch weights fetch {name}"
        ) from None
    if isinstance(error, EntryNotFoundError):
        raise WeightsNotFoundError(f"{where}: not in the repository; it holds no weights of this package") from None
    if isinstance(error, HfHubHTTPError):
        raise WeightsNotFoundError(f"{where}: the Hub answered with an error ({_short(error)}); try again") from None
    raise WeightsNotFoundError(
        f"{where}: the download broke off ({_short(error)}); nothing was kept of this file, run it again"
    ) from None


def _check_blob(path: Path) -> None:
    """Compare a cached large file with the sha256 that the cache names it by."""
    expected = path.resolve().name
    if _SHA256.fullmatch(expected) and sha256_of(path) != expected:
        raise WeightsMismatchError(
            f"{path}: the cached file is damaged (its sha256 is not {expected}); delete it and fetch again"
        )


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]
