"""Embeddings on their way to a client and back: base64 of little-endian float32."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

import numpy as np

from personsearch.results import Detections, Floats, is_unit
from personsearch.serve.faults import Refused
from personsearch.serve.records import FoundPeople, FoundPerson


def to_text(embedding: Floats) -> str:
    """Write an embedding (D,).

    Example:
        >>> to_text(np.array([1.0, 0.0], dtype=np.float32))
        'AACAPwAAAAA='
    """
    return base64.b64encode(np.ascontiguousarray(embedding, dtype="<f4").tobytes()).decode("ascii")


def from_texts(texts: Sequence[str], size: int) -> Floats:
    """Read embeddings (N, size) float32, unit length.

    Args:
        texts: as :func:`to_text` writes them.
        size: of an embedding.

    Raises:
        Refused: one is no base64, has another length, or is not finite and of unit length.
    """
    rows = []
    for number, text in enumerate(texts):
        name = f"embeddings[{number}]"
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise Refused(400, f"{name}: is no base64") from None
        if len(data) != 4 * size:
            raise Refused(
                400, f"{name}: holds {len(data)} bytes, but an embedding of these weights is {size} float32 numbers"
            )
        rows.append(np.frombuffer(data, dtype="<f4").astype(np.float32))
    vectors = np.stack(rows)
    if not np.isfinite(vectors).all() or not is_unit(vectors).all():
        raise Refused(400, "embeddings: each must be finite and of unit length; send those of /api/detect as they are")
    return vectors


def found_people(detections: Detections, *, scored: bool = True) -> FoundPeople:
    """Return the record of the people of a picture."""
    height, width = detections.image_size
    return FoundPeople(
        width=width,
        height=height,
        people=[
            FoundPerson(
                box=(box[0], box[1], box[2], box[3]), score=score if scored else None, embedding=to_text(embedding)
            )
            for box, score, embedding in zip(
                detections.boxes.tolist(), detections.scores.tolist(), detections.embeddings, strict=True
            )
        ],
    )
