"""Keeps what a network saw of a data set, so that a second protocol costs seconds (numpy only)."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from personsearch.datasets.scene import Scene
from personsearch.durable import replace_durably
from personsearch.results import Detections, Floats

logger = logging.getLogger(__name__)

#: Environment variable with the folder of everything that may be deleted and made again.
VARIABLE = "PERSONSEARCH_CACHE"
FORMAT = 1


@dataclass(frozen=True, eq=False, kw_only=True)
class Seen:
    """Detections and embedded boxes of scenes, by image_id.

    Attributes:
        detections: of every scene.
        boxes: (K, 4) float32 xyxy that were embedded: the annotated ones first, then queries' that are none of them.
        embeddings: (K, D) float32 of those.
        seconds: that the network took.
        computed_on: device and dtype, e.g. ``cpu float32``.
    """

    detections: Mapping[str, Detections]
    boxes: Mapping[str, Floats]
    embeddings: Mapping[str, Floats]
    seconds: float
    computed_on: str


def default_folder() -> Path:
    """Return where observations are kept: below ``$PERSONSEARCH_CACHE``, else below the user's cache folder."""
    if named := os.environ.get(VARIABLE):
        return Path(named) / "observations"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "personsearch" / "observations"


def key_of(scenes: Sequence[Scene], **made_with: str | float) -> str:
    """Return 64 hex digits that change with anything a network's view of the scenes depends on.

    Identities, cameras and queries are not among it: relabelled scenes and other queries need no second pass. A picture
    counts by its size in bytes and its time of change.

    Args:
        scenes: with their annotated boxes; the pictures are there.
        **made_with: weights, score threshold, dtype, version...
    """
    digest = hashlib.sha256(json.dumps({"format": FORMAT, **made_with}, sort_keys=True).encode())
    for scene in scenes:
        picture = scene.path.stat()
        digest.update(repr((scene.image_id, picture.st_size, picture.st_mtime_ns, scene.boxes.shape)).encode())
        digest.update(np.ascontiguousarray(scene.boxes, dtype=np.float32).tobytes())
    return digest.hexdigest()


def save(folder: Path, key: str, seen: Seen) -> None:
    """Write ``<key>.safetensors``, whole or not at all. A disk that refuses is told in the log and stops nothing."""
    names = list(seen.detections)
    arrays = {
        "detected.boxes": np.concatenate([seen.detections[name].boxes for name in names]),
        "detected.scores": np.concatenate([seen.detections[name].scores for name in names]),
        "detected.embeddings": np.concatenate([seen.detections[name].embeddings for name in names]),
        "detected.counts": np.array([len(seen.detections[name]) for name in names], np.int64),
        "image_sizes": np.array([seen.detections[name].image_size for name in names], np.int64),
        "given.boxes": np.concatenate([seen.boxes[name] for name in names]),
        "given.embeddings": np.concatenate([seen.embeddings[name] for name in names]),
        "given.counts": np.array([len(seen.boxes[name]) for name in names], np.int64),
    }
    about = json.dumps({"key": key, "images": names, "seconds": seen.seconds, "computed_on": seen.computed_on})
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
        logger.warning("%s: cannot be kept (%s); the next evaluation runs the network again", path, error)


def load(folder: Path, key: str) -> Seen | None:
    """Read what :func:`save` wrote; None where there is nothing, or where it is damaged, which the log tells."""
    path = folder / f"{key}.safetensors"
    if not path.is_file():
        return None
    try:
        return _read(path, key)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        logger.warning("%s: damaged (%s); the network runs again", path, error)
        return None


def _read(path: Path, key: str) -> Seen:
    with safe_open(path, framework="np") as file:
        header = file.metadata() or {}
        arrays: dict[str, NDArray[Any]] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    about = json.loads(header["about"])
    if about["key"] != key or header["sha256"] != _digest(header["about"], arrays):
        raise ValueError("it does not hold what its name says")
    detections, boxes, embeddings = {}, {}, {}
    found = _parts(arrays["detected.counts"])
    given = _parts(arrays["given.counts"])
    for name, size, rows, asked in zip(about["images"], arrays["image_sizes"].tolist(), found, given, strict=True):
        detections[name] = Detections(
            boxes=arrays["detected.boxes"][rows],
            scores=arrays["detected.scores"][rows],
            embeddings=arrays["detected.embeddings"][rows],
            image_size=(size[0], size[1]),
            image_id=name,
        )
        boxes[name], embeddings[name] = arrays["given.boxes"][asked], arrays["given.embeddings"][asked]
    return Seen(
        detections=detections,
        boxes=boxes,
        embeddings=embeddings,
        seconds=float(about["seconds"]),
        computed_on=str(about["computed_on"]),
    )


def _parts(counts: NDArray[np.int64]) -> list[slice]:
    ends = np.cumsum(counts).tolist()
    return [slice(end - count, end) for end, count in zip(ends, counts.tolist(), strict=True)]


def _digest(about: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256(about.encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
