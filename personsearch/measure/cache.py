"""Keeps observations on disk, so that a second protocol takes seconds (numpy only)."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from personsearch.datasets.scene import Scene
from personsearch.durable import replace_durably
from personsearch.evaluation.observations import Observations
from personsearch.results import Detections

logger = logging.getLogger(__name__)

#: Environment variable that names the folder for everything that can be deleted and computed again.
VARIABLE = "PERSONSEARCH_CACHE"
#: Version of the file's layout.
FORMAT = 1


def default_folder() -> Path:
    """Return where observations are kept: below ``$PERSONSEARCH_CACHE``, else below the user's cache folder."""
    if named := os.environ.get(VARIABLE):
        return Path(named) / "observations"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "personsearch" / "observations"


def key_of(scenes: Sequence[Scene], made_with: Mapping[str, str | float]) -> str:
    """Return 64 hex digits that change with everything that a network's view of the scenes depends on.

    Identities, cameras and queries are not part of it: a relabelled set and other queries need no second look. An image
    counts by its size in bytes and its modification time.

    Args:
        scenes: with their annotated boxes; the images must exist.
        made_with: weights, score threshold, dtype, version ...
    """
    digest = hashlib.sha256(json.dumps({"format": FORMAT, **made_with}, sort_keys=True).encode())
    for scene in scenes:
        image = scene.path.stat()
        digest.update(repr((scene.image_id, image.st_size, image.st_mtime_ns, scene.boxes.shape)).encode())
        digest.update(np.ascontiguousarray(scene.boxes, dtype=np.float32).tobytes())
    return digest.hexdigest()


def digest_of(detections: Mapping[str, Detections]) -> str:
    """Return 64 hex digits that change with the boxes and scores of detections by image_id, not with embeddings."""
    digest = hashlib.sha256()
    for name, people in detections.items():
        digest.update(repr((name, people.image_size, len(people))).encode())
        for array in (people.boxes, people.scores):
            digest.update(np.ascontiguousarray(array, dtype=np.float32).tobytes())
    return digest.hexdigest()


def save(folder: Path, key: str, observed: Observations) -> None:
    """Write ``<key>.safetensors``, whole or not at all. If the disk refuses, the log says so and nothing stops."""
    names = list(observed.detections)
    arrays = {
        "detected.boxes": np.concatenate([observed.detections[name].boxes for name in names]),
        "detected.scores": np.concatenate([observed.detections[name].scores for name in names]),
        "detected.embeddings": np.concatenate([observed.detections[name].embeddings for name in names]),
        "detected.counts": np.array([len(observed.detections[name]) for name in names], np.int64),
        "image_sizes": np.array([observed.detections[name].image_size for name in names], np.int64),
        "given.boxes": np.concatenate([observed.boxes[name] for name in names]),
        "given.embeddings": np.concatenate([observed.embeddings[name] for name in names]),
        "given.counts": np.array([len(observed.boxes[name]) for name in names], np.int64),
    }
    about = json.dumps({"key": key, "images": names, "seconds": observed.seconds, "computed_on": observed.computed_on})
    header = {"about": about, "sha256": _digest(about, arrays)}
    path = folder / f"{key}.safetensors"
    temporary = folder / f".{key}.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(arrays, temporary, metadata=header)
        replace_durably(temporary, path)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        logger.warning("%s: cannot be written (%s); the next evaluation will run the network again", path, error)


def load(folder: Path, key: str, weights: str) -> Observations | None:
    """Read what :func:`save` wrote.

    Args:
        folder: of the cache.
        key: from :func:`key_of`.
        weights: fingerprint that the observations are labelled with; the key vouches for it.

    Returns:
        None where there is no such file, or where it is damaged; then the log says so.
    """
    path = folder / f"{key}.safetensors"
    if not path.is_file():
        return None
    try:
        return _read(path, key, weights)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        logger.warning("%s: damaged (%s); running the network again", path, error)
        return None


def _read(path: Path, key: str, weights: str) -> Observations:
    with safe_open(path, framework="np") as file:
        header = file.metadata() or {}
        arrays: dict[str, NDArray[Any]] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    about = json.loads(header["about"])
    if about["key"] != key or header["sha256"] != _digest(header["about"], arrays):
        raise ValueError("its content does not match its name or checksum")
    detections, boxes, embeddings = {}, {}, {}
    detected = _slices(arrays["detected.counts"])
    given = _slices(arrays["given.counts"])
    for name, size, rows, given_rows in zip(
        about["images"], arrays["image_sizes"].tolist(), detected, given, strict=True
    ):
        detections[name] = Detections(
            boxes=arrays["detected.boxes"][rows],
            scores=arrays["detected.scores"][rows],
            embeddings=arrays["detected.embeddings"][rows],
            image_size=(size[0], size[1]),
            image_id=name,
        )
        boxes[name] = arrays["given.boxes"][given_rows]
        embeddings[name] = arrays["given.embeddings"][given_rows]
    return Observations(
        weights=weights,
        detections=detections,
        boxes=boxes,
        embeddings=embeddings,
        seconds=float(about["seconds"]),
        computed_on=str(about["computed_on"]),
    )


def _slices(counts: NDArray[np.int64]) -> list[slice]:
    ends = np.cumsum(counts).tolist()
    return [slice(end - count, end) for end, count in zip(ends, counts.tolist(), strict=True)]


def _digest(about: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256(about.encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
