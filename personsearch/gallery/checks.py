"""What a gallery refuses to store, or to be searched with."""

from __future__ import annotations

import json
import math
from collections.abc import Container, Iterable, Mapping
from typing import Any

import numpy as np

from personsearch.calibration import Calibration
from personsearch.errors import GalleryError, GalleryMismatchError
from personsearch.gallery.rows import ImageRow, storable
from personsearch.gallery.store import NUMBER
from personsearch.people import NewScene
from personsearch.results import Detections, Floats, Spec, is_unit


def scene_row(scene: NewScene, dim: int) -> ImageRow:
    """Return the row of a scene yet to be stored; see ``Gallery.add`` and :func:`check_scene`.

    Raises:
        GalleryError: names the scene and what cannot be stored.
    """
    name, detections, camera = scene.image_id, scene.detections, scene.camera
    check_scene(name, detections, camera, dim)
    return ImageRow.new(name, detections, camera, seconds(name, scene.time), json_text(name, scene.extra))


def check_scene(image_id: str, detections: Detections, camera: str | None, dim: int) -> None:
    """Refuse a scene without a usable image_id or camera, or with numbers that are not finite.

    Args:
        image_id: the caller's name of the scene.
        detections: its people.
        camera: the camera that took it, if known.
        dim: the gallery's embedding size.

    Raises:
        GalleryError: names the scene and what is wrong with it.
    """
    if not isinstance(image_id, str) or not image_id:
        raise GalleryError(f"image_id must be a string that is not empty, got {image_id!r}")
    if not storable(image_id):
        raise GalleryError(f"image_id {image_id!r} cannot be stored: it is not valid Unicode; use another name")
    check_camera(image_id, camera)
    check_vectors(f"image {image_id!r}", detections.embeddings, dim)
    for name, values in (("boxes", detections.boxes), ("scores", detections.scores)):
        if not np.isfinite(values).all():
            raise GalleryError(f"image {image_id!r}: {name} must be finite")


def check_camera(image_id: str, camera: str | None) -> None:
    """Refuse a camera that cannot be stored.

    Raises:
        GalleryError: it is neither a string of valid Unicode nor None.
    """
    if camera is not None and not (isinstance(camera, str) and storable(camera)):
        raise GalleryError(f"image {image_id!r}: camera must be a string of valid Unicode or None, got {camera!r}")


def check_there(name: str, wanted: Iterable[int], there: Container[int]) -> None:
    """Refuse detection_ids that nobody has.

    Args:
        name: the gallery's, and what they were given as, for the message.
        wanted: the ids.
        there: those that somebody has.

    Raises:
        GalleryError: names the first that nobody has.
    """
    for number in wanted:
        if number not in there:
            raise GalleryError(f"{name}: nobody has detection_id {number}; matches carry valid ones")


def check_prefix(prefix: str) -> None:
    """Refuse the prefix of a note that cannot be stored.

    Raises:
        GalleryError: it ends in a number, or is not valid Unicode.
    """
    if not storable(prefix) or prefix != prefix.rstrip(NUMBER):
        raise GalleryError(f"the prefix {prefix!r} of a note ends in a number, or is not valid UTF-8")


def check_vectors(name: str, vectors: Floats, dim: int) -> None:
    """Refuse embeddings that are not (N, dim), finite and of unit length.

    Args:
        name: whose embeddings they are, for the message.
        vectors: (N, dim) float32 if all is well.
        dim: the gallery's embedding size.

    Raises:
        GalleryError: says what is wrong.
    """
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        raise GalleryError(f"{name}: embeddings must be (N, {dim}), got {vectors.shape}")
    if not np.isfinite(vectors).all():
        raise GalleryError(f"{name}: embeddings must be finite")
    if not is_unit(vectors).all():
        raise GalleryError(f"{name}: embeddings must be of unit length; divide each by its norm")


def check_spec(name: str, own: Spec, other: Spec) -> None:
    """Refuse weights other than those whose embeddings a gallery holds, and pictures that are read in another way.

    Args:
        name: the gallery's, for the message.
        own: what the gallery was made with.
        other: what it is to be used with.

    Raises:
        GalleryMismatchError: names both.
    """
    if own.fingerprint != other.fingerprint:
        raise GalleryMismatchError(
            f"{name}: holds embeddings of {own.name} ({own.fingerprint[:12]}), not of {other.name} "
            f"({other.fingerprint[:12]}), and they cannot be compared; use {own.name}, or index into a new gallery"
        )
    if own.fast_decode != other.fast_decode:
        made, asked = ("with", "without") if own.fast_decode else ("without", "with")
        todo = "add it (--fast-decode)" if own.fast_decode else "leave it out"
        raise GalleryMismatchError(
            f"{name}: was made {made} fast_decode and is used {asked} it; as that moves embeddings a little, a gallery "
            f"holds one kind of them; {todo}, or index into a new gallery"
        )


def check_calibration(name: str, calibration: Calibration | None, fingerprint: str) -> None:
    """Refuse a calibration of other weights than those whose embeddings a gallery holds.

    Args:
        name: the gallery's, for the message.
        calibration: None passes.
        fingerprint: of the gallery's weights.

    Raises:
        GalleryMismatchError: names the fingerprints of both.
    """
    if calibration is not None and calibration.weights != fingerprint:
        raise GalleryMismatchError(
            f"{name}: holds embeddings of weights {fingerprint[:12]}, but the calibration belongs to "
            f"{calibration.weights[:12]}; use the calibration that lies beside the gallery's weights"
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


def json_text(image_id: str, extra: Mapping[str, Any] | None) -> str:
    """Return a scene's extra as it is stored.

    Raises:
        GalleryError: JSON cannot hold it.
    """
    try:
        return json.dumps(extra or {}, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise GalleryError(f"image {image_id!r}: extra must be what JSON can hold ({error})") from None
