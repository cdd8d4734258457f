"""The calibration of weights that were loaded once, without loading them again, or torch, or asking the Hub."""

from __future__ import annotations

from pathlib import Path

from personsearch.calibration import CALIBRATION_FILE, Calibration, read_calibration
from personsearch.results import Spec
from personsearch.weights.entries import entry_of, package_folder
from personsearch.weights.names import Folder, HubRepo, Packaged, parse_name


def remembered_calibration(spec: Spec) -> Calibration | None:
    """Return what the similarities of weights mean, as the calibration beside them says it.

    Args:
        spec: of the weights, as a gallery records it.

    Returns:
        The calibration; None where the weights are no longer there, have none, or are on the Hub and not in its cache.

    Raises:
        ConfigError: their name means something else here.
        WeightsNotFoundError: no weights have this name any more.
        WeightsMismatchError: the file is damaged, or other weights lie where these were.
    """
    source = parse_name(spec.name)
    match source:
        case Folder(path):
            return read_calibration(path, spec.fingerprint)
        case Packaged(name):
            entry = entry_of(name)
            if entry.package is not None:
                return read_calibration(package_folder() / entry.package, spec.fingerprint)
            return _cached(str(entry.repo), entry.revision, spec.fingerprint)
        case HubRepo(repo):
            return _cached(repo, spec.revision, spec.fingerprint)
    return None


def _cached(repo: str, revision: str | None, fingerprint: str) -> Calibration | None:
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(repo, CALIBRATION_FILE, revision=revision)
    return read_calibration(Path(path).parent, fingerprint) if isinstance(path, str) else None
