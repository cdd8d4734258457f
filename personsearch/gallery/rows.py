"""A scene and a person as rows of the database, each with a checksum over its whole content.

SQLite notices a broken page but not a changed byte inside a value; these do.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personsearch.results import Detections, Floats

#: Embeddings are stored in half precision: 1 kB per person at 512-d, similarities right to about 1e-4.
EMBEDDING = np.float16

IMAGE_COLUMNS = ("id", "image_id", "camera", "time", "width", "height", "extra", "digest", "checksum")
PERSON_COLUMNS = ("id", "image", "x1", "y1", "x2", "y2", "score", "embedding", "checksum")


def storable(text: str) -> bool:
    """Whether SQLite can store a text: lone surrogates, as names of files that are not UTF-8 have them, it cannot."""
    return text == text.encode("utf-8", "replace").decode()


@dataclass(frozen=True)
class ImageRow:
    """A scene as stored.

    Attributes:
        id: row number.
        image_id: the caller's name of it.
        camera: the camera that took it, if known.
        time: seconds, if known.
        width: pixels.
        height: pixels.
        extra: the caller's JSON.
        digest: sha256 of the scene's content with its people, by which the same content is recognised.
        checksum: as read; None in a row yet to be written.
    """

    id: int
    image_id: str
    camera: str | None
    time: float | None
    width: int
    height: int
    extra: str
    digest: bytes
    checksum: int | None = None

    @classmethod
    def new(
        cls,
        image_id: str,
        detections: Detections,
        camera: str | None,
        time: float | None,
        extra: str,
    ) -> ImageRow:
        """Make the row of a scene yet to be stored; its row number is 0."""
        height, width = detections.image_size
        digest = content_digest(detections, camera, time, extra)
        return cls(0, image_id, camera, time, int(width), int(height), extra, digest)

    def labelled(self, detections: Detections, camera: str | None, time: float | None) -> ImageRow:
        """Return the row of this scene with another camera and time.

        Args:
            detections: the scene's people, as :func:`stored_detections` returns them.
            camera: from now on.
            time: from now on.
        """
        digest = content_digest(detections, camera, time, self.extra)
        return replace(self, camera=camera, time=time, digest=digest)

    def describe(self, people: int) -> str:
        """Say in words what the scene is, given how many people it has."""
        facts = [f"{self.width}x{self.height}", "1 person" if people == 1 else f"{people} people"]
        facts += [f"camera {self.camera}"] if self.camera is not None else []
        facts += [f"time {self.time:g}"] if self.time is not None else []
        path = json.loads(self.extra).get("path")
        return ", ".join(facts + ([f"from {path}"] if path else []))

    def values(self) -> tuple[Any, ...]:
        """Return the values to insert, all columns but the row number."""
        content = (self.image_id, self.camera, self.time, self.width, self.height, self.extra, self.digest)
        return *content, self._sum()

    @property
    def intact(self) -> bool:
        """Whether the row is as it was written."""
        try:
            return self.checksum == self._sum()
        except TypeError:  # a damaged value may have any type
            return False

    def _sum(self) -> int:
        content = [self.image_id, self.camera, self.time, self.width, self.height, self.extra]
        return zlib.crc32(json.dumps(content).encode(), zlib.crc32(self.digest))


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A person as stored.

    Attributes:
        id: detection_id.
        image: row number of the scene.
        box: x1, y1, x2, y2 in pixels of the scene.
        score: detector confidence.
        embedding: float16 numbers as bytes.
        checksum: as read; None in a row yet to be written.
    """

    id: int
    image: int
    box: tuple[float, ...]
    score: float
    embedding: bytes
    checksum: int | None = None

    @classmethod
    def of(cls, row: Sequence[Any]) -> PersonRow:
        """Make a row from the values of PERSON_COLUMNS."""
        return cls(row[0], row[1], tuple(row[2:6]), row[6], row[7], row[8])

    def values(self) -> tuple[Any, ...]:
        """Return the values to insert, all columns but the row number."""
        return self.image, *self.box, self.score, self.embedding, self._sum()

    @property
    def intact(self) -> bool:
        """Whether the row is as it was written."""
        try:
            return self.checksum == self._sum()
        except TypeError:
            return False

    def _sum(self) -> int:
        return zlib.crc32(repr((self.image, self.box, self.score)).encode(), zlib.crc32(self.embedding))


def stored_vectors(raw: Sequence[bytes], dim: int) -> NDArray[np.float16]:
    """Return embeddings (N, dim) as stored.

    Raises:
        ValueError: one has another length than ``dim``.
    """
    if any(len(one) != dim * np.dtype(EMBEDDING).itemsize for one in raw):
        raise ValueError(f"an embedding is not {dim} numbers long")
    return np.frombuffer(b"".join(raw), dtype=EMBEDDING).reshape(-1, dim)


def unit(vectors: NDArray[np.floating[Any]]) -> Floats:
    """Return embeddings as float32 of unit length, which rounding to half precision and taking means lose."""
    vectors = vectors.astype(np.float32)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors /= np.maximum(norms, np.finfo(np.float32).tiny)
    return vectors


def stored_detections(scene: ImageRow, people: Sequence[PersonRow], dim: int) -> Detections:
    """Return the people of a scene with exactly the numbers that are stored: embeddings in half precision.

    Args:
        scene: as stored.
        people: all of its N people, by rising id.
        dim: the gallery's embedding size.

    Raises:
        ValueError: an embedding has another length than ``dim``.
    """
    return Detections(
        boxes=np.array([person.box for person in people], dtype=np.float32).reshape(-1, 4),
        scores=np.array([person.score for person in people], dtype=np.float32),
        embeddings=stored_vectors([person.embedding for person in people], dim).astype(np.float32),
        image_size=(scene.height, scene.width),
    )


def content_digest(detections: Detections, camera: str | None, time: float | None, extra: str) -> bytes:
    """Return the sha256 of a scene's content as it will be stored."""
    height, width = detections.image_size
    digest = hashlib.sha256(json.dumps([camera, time, extra, int(height), int(width)]).encode())
    # + 0.0, because SQLite keeps -0.0 as 0.0.
    for array in (detections.boxes + 0.0, detections.scores + 0.0, detections.embeddings.astype(EMBEDDING)):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()
