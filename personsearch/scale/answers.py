"""What workers answer: for each scene its people, or what became of it, as plain columns of a table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from personsearch.people import NewScene
from personsearch.results import Detections

#: Half precision is what galleries keep; arrays that were rounded to it once come to the same rows.
EMBEDDING = np.float16

#: "new" = a scene to be stored · "stored" = one that now is · "there" = one that was stored before · "refused" = an
#: input, and why · "damaged" = a video that was read in part · "erase" = scenes of a video of other content, which go
#: before its new ones come · "read" = the end of a video, with a note for the gallery.
Kind: TypeAlias = Literal["new", "stored", "there", "refused", "damaged", "erase", "read"]


@dataclass(frozen=True, eq=False)
class Answer:
    """What became of a scene or an input.

    Attributes:
        kind: see :data:`Kind`.
        image_id: of the scene or the input.
        text: why, or what was lost.
        camera: given for the scene.
        time: seconds, given for it.
        scene: to be stored.
        people: how many were stored with the scene.
        names: to be erased.
        note: for ``Gallery.note``.
        unknown: whether nothing tells what was stored before.
    """

    kind: Kind
    image_id: str
    text: str = ""
    camera: str | None = None
    time: float | None = None
    scene: NewScene | None = None
    people: int = 0
    names: tuple[str, ...] = ()
    note: bytes | None = None
    unknown: bool = field(default=False)


def new(scene: NewScene) -> Answer:
    """Return the answer that a scene is to be stored."""
    return Answer("new", scene.image_id, camera=scene.camera, time=scene.time, scene=scene)


def table_of(answers: Iterable[Answer]) -> Any:
    """Return answers as a pyarrow.Table for :func:`answers_in`.

    The people of a scene of N are bytes: boxes (N, 4) and scores (N,) float32, embeddings (N, D) float16.
    """
    import pyarrow as pa

    rows = [_row(answer) for answer in answers]
    types = {
        "kind": pa.string(),
        "image_id": pa.string(),
        "text": pa.string(),
        "camera": pa.string(),
        "time": pa.float64(),
        "people": pa.int64(),
        "names": pa.list_(pa.string()),
        "note": pa.binary(),
        "unknown": pa.bool_(),
        "height": pa.int64(),
        "width": pa.int64(),
        "extra": pa.string(),
        "size": pa.int64(),
        "boxes": pa.binary(),
        "scores": pa.binary(),
        "embeddings": pa.binary(),
    }
    return pa.table({name: pa.array([row.get(name) for row in rows], kind) for name, kind in types.items()})


def answers_in(table: Any) -> Iterator[Answer]:
    """Yield the answers of a table that :func:`table_of` made."""
    for row in table.to_pylist():
        yield Answer(
            row["kind"],
            row["image_id"],
            row["text"],
            row["camera"],
            row["time"],
            _scene(row) if row["kind"] == "new" else None,
            row["people"],
            tuple(row["names"]),
            row["note"],
            row["unknown"],
        )


def _row(answer: Answer) -> dict[str, Any]:
    row: dict[str, Any] = {
        "kind": answer.kind,
        "image_id": answer.image_id,
        "text": answer.text,
        "camera": answer.camera,
        "time": answer.time,
        "people": answer.people,
        "names": list(answer.names),
        "note": answer.note,
        "unknown": answer.unknown,
    }
    if answer.scene is not None:
        people = answer.scene.detections
        row["height"], row["width"] = map(int, people.image_size)
        row["extra"] = json.dumps(dict(answer.scene.extra))
        row["people"], row["size"] = people.embeddings.shape
        row["boxes"] = np.ascontiguousarray(people.boxes, dtype=np.float32).tobytes()
        row["scores"] = np.ascontiguousarray(people.scores, dtype=np.float32).tobytes()
        row["embeddings"] = np.ascontiguousarray(people.embeddings, dtype=EMBEDDING).tobytes()
    return row


def _scene(row: Mapping[str, Any]) -> NewScene:
    people = row["people"]
    embeddings = np.frombuffer(row["embeddings"], EMBEDDING).astype(np.float32)
    return NewScene(
        image_id=row["image_id"],
        detections=Detections(
            boxes=np.frombuffer(row["boxes"], np.float32).reshape(people, 4),
            scores=np.frombuffer(row["scores"], np.float32),
            embeddings=embeddings.reshape(people, row["size"]),
            image_size=(row["height"], row["width"]),
            image_id=row["image_id"],
        ),
        camera=row["camera"],
        time=row["time"],
        extra=json.loads(row["extra"]),
    )
