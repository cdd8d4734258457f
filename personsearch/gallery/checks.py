"""What a gallery refuses to take in or to be asked with."""

from __future__ import annotations

import math

import numpy as np

from personsearch.calibration import Calibration
from personsearch.errors import GalleryError, GalleryMismatchError
from personsearch.results import Detections, Floats, is_unit


def check_scene(image_id: str, detections: Detections, dim: int) -> None:
    """Refuse a scene without a usable name, or with numbers that are none.

    Raises:
        GalleryError: says which.
    """
    if not isinstance(image_id, str) or not image_id:
        raise GalleryError(f"image_id must be a text that is not empty, got {image_id!r}")
    if image_id != image_id.encode("utf-8", "replace").decode():
        raise GalleryError(f"image_id {image_id!r} is no text that can be stored (UTF-8)")
    check_vectors(f"image {image_id!r}", detections.embeddings, dim)
    for name, values in (("boxes", detections.boxes), ("scores", detections.scores)):
        if not np.isfinite(values).all():
            raise GalleryError(f"image {image_id!r}: {name} must be finite")


def check_vectors(name: str, vectors: Floats, dim: int) -> None:
    """Refuse embeddings that are not (N, dim), finite and of unit length.

    Raises:
        GalleryError: names them.
    """
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        raise GalleryError(f"{name}: embeddings must be (N, {dim}), got {vectors.shape}")
    if not np.isfinite(vectors).all():
        raise GalleryError(f"{name}: embeddings must be finite")
    if not is_unit(vectors).all():
        raise GalleryError(f"{name}: embeddings must be of unit length")


def check_calibration(name: str, calibration: Calibration | None, fingerprint: str) -> None:
    """Refuse a calibration of other weights than those whose embeddings are compared.

    Raises:
        GalleryMismatchError: names both.
    """
    if calibration is not None and calibration.weights != fingerprint:
        raise GalleryMismatchError(
            f"{name}: holds embeddings of weights {fingerprint[:12]}, the calibration belongs to "
            f"{calibration.weights[:12]}; give the calibration that lies beside the gallery's weights"
        )


def seconds(image_id: str, time: float | None) -> float | None:
    """Return a scene's time as it is stored.

    Raises:
        GalleryError: it is not finite.
    """
    if time is None:
        return None
    if not math.isfinite(time):
        raise GalleryError(f"image {image_id!r}: time must be a finite number of seconds, got {time}")
    return float(time) + 0.0  # SQLite keeps -0.0 as 0.0
