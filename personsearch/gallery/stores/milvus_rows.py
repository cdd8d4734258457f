"""How scenes and people are written in Milvus's collections, conditions on them, and the partitions of time.

Milvus 2.3 knows neither null nor half precision. A camera is stored with a colon before it and no camera as an empty
text, no time as ``timed = false``, and an embedding as float32, which holds every float16 number.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from personsearch.errors import GalleryError
from personsearch.gallery.catalogue import names_of
from personsearch.gallery.rows import EMBEDDING, storable
from personsearch.gallery.stores.engine import PersonRecord, SceneRecord, Where, after_prefix
from personsearch.gallery.stores.milvus_link import Unit

Value = TypeVar("Value", str, int)

#: Bytes of a text in Milvus.
LONGEST = 65_535
#: Ids in one condition, and bytes of one.
IDS_AT_ONCE = 4_096
_BYTES_AT_ONCE = 1 << 20

SCENE_FIELDS = (
    "image_id", "camera", "timed", "time", "width", "height", "extra", "digest", "content", "people", "added",
    "checksum",
)  # fmt: skip
PERSON_FIELDS = (
    "id", "image_id", "rank", "content", "camera", "timed", "time", "x1", "y1", "x2", "y2", "score", "checksum",
    "embedding",
)  # fmt: skip
_TEXTS = {"image_id": LONGEST, "camera": LONGEST, "extra": LONGEST, "digest": 64, "place": 255}
_REALS = {"time", "x1", "y1", "x2", "y2", "score"}

#: The partition of scenes without a time, and the one of those for whom there is no other; Milvus makes the latter.
UNTIMED = "untimed"
SHARED = "_default"
#: Partitions at most: Milvus 2.3 allows 4,096, later ones 1,024 at first.
PARTITIONS = 1_000
_PARTITION = re.compile(r"(?:day|hour|month)_(m?)(\d+)")


def schema(pymilvus: Any, table: str, embedding_size: int, description: str = "") -> Any:
    """Return the schema of ``scenes`` or ``people``."""
    kinds = pymilvus.DataType
    made = pymilvus.MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False, description=description)
    key, *others = SCENE_FIELDS if table == "scenes" else (*PERSON_FIELDS[:-1], "place")
    for name in (key, *others):
        if name in _TEXTS:
            made.add_field(name, kinds.VARCHAR, max_length=_TEXTS[name], is_primary=name == key)
        else:
            kind = kinds.BOOL if name == "timed" else kinds.DOUBLE if name in _REALS else kinds.INT64
            made.add_field(name, kind, is_primary=name == key)
    # Every collection must have vectors.
    made.add_field("embedding", kinds.FLOAT_VECTOR, dim=2 if table == "scenes" else embedding_size)
    return made


def scene_row(scene: SceneRecord) -> dict[str, Any]:
    """Return a scene as Milvus stores it.

    Raises:
        GalleryError: one of its texts is too long or no Unicode.
    """
    row = {name: getattr(scene, name) for name in SCENE_FIELDS if name not in ("camera", "timed", "time", "digest")}
    row |= _labels(scene) | {"digest": scene.digest.hex(), "embedding": [0.0, 0.0]}
    _check_texts(scene.image_id, row)
    return row


def scene_record(row: Any) -> SceneRecord:
    """Return a scene from what Milvus stores."""
    return SceneRecord(
        image_id=row["image_id"],
        camera=camera_of(row),
        time=_time(row),
        width=row["width"],
        height=row["height"],
        extra=row["extra"],
        digest=bytes.fromhex(row["digest"]),
        content=row["content"],
        people=row["people"],
        added=row["added"],
        checksum=row["checksum"],
    )


def person_row(person: PersonRecord, place: str) -> dict[str, Any]:
    """Return a person as Milvus stores it in a partition."""
    row = {name: getattr(person, name) for name in ("id", "image_id", "rank", "content", "score", "checksum")}
    row |= dict(zip(("x1", "y1", "x2", "y2"), person.box, strict=True))
    row |= _labels(person) | {"place": place}
    row["embedding"] = np.frombuffer(person.embedding, EMBEDDING).astype(np.float32)
    _check_texts(person.image_id, row)
    return row


def person_record(row: Any) -> PersonRecord:
    """Return a person from what Milvus stores."""
    return PersonRecord(
        id=row["id"],
        image_id=row["image_id"],
        rank=row["rank"],
        content=row["content"],
        camera=camera_of(row),
        time=_time(row),
        box=(row["x1"], row["y1"], row["x2"], row["y2"]),
        score=row["score"],
        embedding=np.asarray(row["embedding"], np.float32).astype(EMBEDDING).tobytes(),
        checksum=row["checksum"],
    )


def _labels(record: SceneRecord | PersonRecord) -> dict[str, Any]:
    return {
        "camera": stored_camera(record.camera),
        "timed": record.time is not None,
        "time": 0.0 if record.time is None else float(record.time),
    }


def stored_camera(camera: str | None) -> str:
    """Return a camera as it is stored."""
    return "" if camera is None else f":{camera}"


def camera_of(row: Any) -> str | None:
    """Return the camera of a stored row."""
    return row["camera"][1:] if row["camera"] else None


def _time(row: Any) -> float | None:
    return row["time"] if row["timed"] else None


def _check_texts(image_id: str, row: dict[str, Any]) -> None:
    for name in ("image_id", "camera", "extra"):
        text = row.get(name, "")
        if not storable(text):
            raise GalleryError(f"scene {image_id!r}: Milvus stores Unicode only, and its {name} is none")
        if len(text) > LONGEST // 4 and len(text.encode()) > LONGEST:
            raise GalleryError(
                f"scene {image_id[:80]!r}: its {name} has {len(text.encode()):,} bytes and Milvus takes {LONGEST:,}; "
                "shorten it"
            )


def quoted(text: str) -> str:
    """Return a text as a condition takes it; JSON's escapes are Milvus's."""
    return json.dumps(text, ensure_ascii=False)


def among(name: str, values: Iterable[Value], *, without: bool = False) -> str:
    """Return the condition that a field is one of some values, or none of them."""
    listed = ",".join(str(int(one)) if isinstance(one, (int, np.integer)) else quoted(one) for one in values)
    return f"{name} {'not in' if without else 'in'} [{listed}]"


def batches(values: Collection[Value]) -> Iterator[list[Value]]:
    """Yield values in lists that fit into a condition; texts that nobody can have stored are left out."""
    batch: list[Value] = []
    size = 0
    for one in values:
        if isinstance(one, str) and not storable(one):
            continue
        length = len(one.encode()) if isinstance(one, str) else 20
        if batch and (len(batch) == IDS_AT_ONCE or size + length > _BYTES_AT_ONCE):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += length
    if batch:
        yield batch


def condition(where: Where) -> str | None:
    """Return whom to search as a condition, empty for everybody; None where nobody can pass."""
    filters, parts = where.filters, []
    cameras = None if filters.cameras is None else [one for one in names_of(filters.cameras) if storable(one)]
    if where.only_camera is not None:
        [only] = where.only_camera
        if cameras is not None and only not in cameras:
            return None
        cameras = None
        if only is not None and not storable(only):
            return None
        parts.append(f"camera == {quoted(stored_camera(only))}")
    if cameras is not None:
        if not cameras:
            return None
        parts.append(among("camera", map(stored_camera, cameras)))
    for bound, sign in ((filters.since, ">="), (filters.until, "<=")):
        if bound is not None:
            if math.isnan(bound):
                return None
            parts.append(f"timed == true and time {compared(sign, bound)}")
    names = [one for one in names_of(filters.exclude_images or ()) if storable(one)]
    if names:
        parts.append(among("image_id", dict.fromkeys(names), without=True))
    if where.exclude:
        parts.append(among("id", where.exclude, without=True))
    return " and ".join(parts)


def begins(name: str, prefix: str) -> str:
    """Return the condition that a text begins so, empty where any does."""
    if not prefix:
        return ""
    end = after_prefix(prefix)
    condition = f"{name} >= {quoted(prefix)}"
    return condition if end is None else f"{condition} and {name} < {quoted(end)}"


def compared(sign: str, number: float) -> str:
    """Return the end of a condition that compares with a number; Milvus has no word for infinity."""
    largest = sys.float_info.max
    return f"{sign} {min(max(float(number), -largest), largest)!r}"


@dataclass(frozen=True)
class Partitions:
    """In which partition of time people are stored; times are seconds since any moment.

    Attributes:
        unit: how much time a partition holds; months are those of the calendar, counted from 1970.
    """

    unit: Unit

    def number(self, time: float) -> float:
        """Return the number of the partition of a time; it never falls as time rises."""
        seconds = 3600 if self.unit == "hour" else 86400
        number = time // seconds if math.isfinite(time) else time
        if self.unit != "month" or abs(number) > 1e9:
            return number
        day = np.datetime64(int(number), "D")
        return float(day.astype("datetime64[M]").astype(np.int64))

    def name(self, time: float | None) -> str:
        """Return the partition of a time."""
        if self.unit == "none":
            return SHARED
        if time is None:
            return UNTIMED
        number = self.number(time)
        if not abs(number) < 1e9:  # nobody's clock, or none at all
            return SHARED
        return f"{self.unit}_{'m' if number < 0 else ''}{abs(int(number))}"

    def reached(self, names: Sequence[str], since: float | None, until: float | None) -> list[str] | None:
        """Return those of the partitions that may hold somebody of a span of time; None = all."""
        if since is None and until is None:
            return None
        first = -math.inf if since is None else self.number(since)
        last = math.inf if until is None else self.number(until)
        return [name for name in names if name != UNTIMED and _within(name, first, last)]


def _within(name: str, first: float, last: float) -> bool:
    number = _number(name)
    return number is None or first <= number <= last


def _number(name: str) -> int | None:
    found = _PARTITION.fullmatch(name)
    return None if found is None else (-1 if found[1] else 1) * int(found[2])
