"""How scenes and people are written in Lance's tables, and conditions on them."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from personsearch.gallery.catalogue import names_of
from personsearch.gallery.rows import EMBEDDING
from personsearch.gallery.stores.engine import PersonRecord, SceneRecord, Where, after_prefix

#: What was recorded about the gallery, as JSON in the schema of the people: written when the table is made, or never.
FACTS = "personsearch"
#: Without it, two writers who store the same new row at once both succeed. Indexes of the column lift it again.
_KEY = {"lance-schema:unenforced-primary-key": "true"}

SCENES = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False, metadata=_KEY),
        pa.field("camera", pa.string()),
        pa.field("time", pa.float64()),
        pa.field("width", pa.int64(), nullable=False),
        pa.field("height", pa.int64(), nullable=False),
        pa.field("extra", pa.string(), nullable=False),
        pa.field("digest", pa.binary(), nullable=False),
        pa.field("content", pa.int64(), nullable=False),
        pa.field("people", pa.int64(), nullable=False),
        pa.field("added", pa.int64(), nullable=False),
        pa.field("checksum", pa.int64(), nullable=False),
    ]
)
_BOX = ("x1", "y1", "x2", "y2")
#: Rows read at a time where it is all of a table.
ROWS_AT_ONCE = 4096
#: What says to which scene a person belongs.
OWNER = ["id", "image_id", "content"]


def people_schema(meta: Mapping[str, str], embedding_size: int) -> pa.Schema:
    """Return the schema of the people of a gallery with these facts."""
    return pa.schema(
        [
            pa.field("id", pa.int64(), nullable=False, metadata=_KEY),
            pa.field("image_id", pa.string(), nullable=False),
            pa.field("rank", pa.int64(), nullable=False),
            pa.field("content", pa.int64(), nullable=False),
            pa.field("camera", pa.string()),
            pa.field("time", pa.float64()),
            *(pa.field(name, pa.float64(), nullable=False) for name in (*_BOX, "score")),
            pa.field("embedding", pa.list_(pa.float16(), embedding_size), nullable=False),
            pa.field("checksum", pa.int64(), nullable=False),
        ],
        metadata={FACTS: json.dumps(dict(meta))},
    )


def scene_table(scenes: Iterable[SceneRecord]) -> pa.Table:
    """Return scenes as a table; of those with the same image_id the last."""
    rows = list({one.image_id: one for one in scenes}.values())
    return pa.table({name: [getattr(one, name) for one in rows] for name in SCENES.names}, schema=SCENES)


def person_table(people: Iterable[PersonRecord], schema: pa.Schema) -> pa.Table:
    """Return people as a table; of those with the same id the last.

    Raises:
        ValueError: an embedding has another length than the table's.
    """
    rows = list({one.id: one for one in people}.values())
    field = schema.field("embedding")
    numbers = np.frombuffer(b"".join([one.embedding for one in rows]), EMBEDDING)
    if any(len(one.embedding) != field.type.list_size * numbers.itemsize for one in rows):
        raise ValueError(f"an embedding is not {field.type.list_size} numbers long")
    columns: dict[str, Any] = {
        name: [getattr(one, name) for one in rows]
        for name in ("id", "image_id", "rank", "content", "camera", "time", "score", "checksum")
    }
    columns |= {name: [one.box[place] for one in rows] for place, name in enumerate(_BOX)}
    columns["embedding"] = pa.FixedSizeListArray.from_arrays(pa.array(numbers), field.type.list_size)
    return pa.table({name: columns[name] for name in schema.names}, schema=schema)


def scene_records(table: pa.Table | pa.RecordBatch) -> list[SceneRecord]:
    """Return the scenes in a table."""
    return [SceneRecord(**row) for row in table.select(SCENES.names).to_pylist()]


def person_records(table: pa.Table | pa.RecordBatch) -> list[PersonRecord]:
    """Return the people in a table."""
    column = {name: table.column(name).to_pylist() for name in table.schema.names if name != "embedding"}
    embeddings = [one.tobytes() for one in vectors(table)]
    return [
        PersonRecord(number, image_id, rank, content, camera, time, (x1, y1, x2, y2), score, embedding, checksum)
        for number, image_id, rank, content, camera, time, x1, y1, x2, y2, score, embedding, checksum in zip(
            column["id"],
            column["image_id"],
            column["rank"],
            column["content"],
            column["camera"],
            column["time"],
            *(column[name] for name in _BOX),
            column["score"],
            embeddings,
            column["checksum"],
            strict=True,
        )
    ]


def owners(table: pa.Table | pa.RecordBatch) -> list[tuple[int, str, int]]:
    """Return :data:`OWNER` of the people in a table."""
    return list(zip(*(table.column(name).to_pylist() for name in OWNER), strict=True))


def vectors(table: pa.Table | pa.RecordBatch) -> np.ndarray[Any, np.dtype[np.float16]]:
    """Return the embeddings (N, D) float16 in a table."""
    column = table.column("embedding")
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    parts = [np.asarray(chunk.flatten().to_numpy(zero_copy_only=False)) for chunk in chunks]
    size = column.type.list_size
    return np.concatenate(parts or [np.zeros(0, EMBEDDING)]).reshape(-1, size)


def among(column: str, values: Collection[Any]) -> str:
    """Return the condition that a column has one of these values."""
    listed = [_literal(value) for value in values if _storable(value)]
    return f"{column} IN ({', '.join(listed)})" if listed else "false"


def passes(where: Where) -> str | None:
    """Return the condition on people that ``where`` sets; None where everybody passes."""
    filters = where.filters
    parts = []
    if filters.cameras is not None:
        parts.append(among("camera", names_of(filters.cameras)))
    if filters.since is not None:
        parts.append(f"time >= {_literal(float(filters.since))}")
    if filters.until is not None:
        parts.append(f"time <= {_literal(float(filters.until))}")
    if filters.exclude_images:
        parts.append(f"NOT ({among('image_id', names_of(filters.exclude_images))})")
    if where.exclude:
        parts.append(f"NOT ({among('id', where.exclude)})")
    if where.only_camera is not None:
        (camera,) = where.only_camera
        parts.append("camera IS NULL" if camera is None else among("camera", [camera]))
    return " AND ".join(f"({part})" for part in parts) or None


def begins(column: str, prefix: str) -> str | None:
    """Return the condition that a text begins so; None where any does."""
    if not prefix:
        return None
    end = after_prefix(prefix)
    condition = f"{column} >= {_literal(prefix)}"
    return condition if end is None else f"{condition} AND {column} < {_literal(end)}"


def below(column: str, value: float) -> str:
    """Return the condition that a number is there and below ``value``."""
    return f"{column} < {_literal(float(value))}"


def _storable(value: Any) -> bool:
    return not isinstance(value, str) or value == value.encode("utf-8", "replace").decode()


def _literal(value: Any) -> str:
    """Return a value as SQL, whatever is in it."""
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, float):
        return f"CAST('{value!r}' AS DOUBLE)" if not math.isfinite(value) else f"CAST({value!r} AS DOUBLE)"
    return str(int(value))


def keys(column: str, values: Sequence[Any], schema: pa.Schema) -> pa.Table:
    """Return a table of keys alone."""
    field = schema.field(column)
    return pa.table({column: pa.array([one for one in values if _storable(one)], field.type)}, pa.schema([field]))
