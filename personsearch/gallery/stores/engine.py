"""What a gallery needs of an engine that many machines share: two tables, of scenes and of people.

Engines promise single tables at most, so a scene is written in an order that keeps it whole: its people first, then
its own row. People count only if the scene's row is there and says that it is of their content; ``shared.py`` sees to
that, so that an engine need not know it.
"""

from __future__ import annotations

import hashlib
import json
import sys
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from personsearch.gallery.catalogue import Filters
from personsearch.gallery.index import QUERIES_AT_ONCE, Ids, IndexKind, no_neighbours
from personsearch.gallery.rows import EMBEDDING, ImageRow, PersonRow
from personsearch.results import Detections, Floats


@dataclass(frozen=True)
class SceneRecord:
    """A scene as an engine stores it; ``image_id`` is its key.

    Attributes:
        image_id: the caller's name of it.
        camera: the camera that took it, if known.
        time: seconds, if known.
        width: pixels.
        height: pixels.
        extra: the caller's JSON.
        digest: sha256 of the scene's content with its people, camera and time; 32 bytes.
        content: of its people, see :func:`content_of`; 0..2**63 - 1.
        people: how many it has.
        added: nanoseconds since 1970 on the clock of the machine that added it.
        checksum: CRC32 of the rest, 0..2**32 - 1.
    """

    image_id: str
    camera: str | None
    time: float | None
    width: int
    height: int
    extra: str
    digest: bytes
    content: int
    people: int
    added: int
    checksum: int

    @classmethod
    def of(cls, row: ImageRow, content: int, people: int, added: int) -> SceneRecord:
        """Return the record of a scene."""
        facts = (row.image_id, row.camera, row.time, row.width, row.height, row.extra, row.digest)
        return cls(*facts, content, people, added, _scene_sum(*facts, content, people, added))

    @property
    def intact(self) -> bool:
        """Whether the record is as it was written."""
        facts = (self.image_id, self.camera, self.time, self.width, self.height, self.extra, self.digest)
        return self.checksum == _scene_sum(*facts, self.content, self.people, self.added)

    def row(self) -> ImageRow:
        """Return the scene as galleries know it; its row number is 0."""
        return ImageRow(0, self.image_id, self.camera, self.time, self.width, self.height, self.extra, self.digest)


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """A person as an engine stores it; ``id`` is the key.

    Attributes:
        id: detection_id, see :func:`detection_ids`; 0..2**63 - 1.
        image_id: of the scene.
        rank: place among the people of the scene, from 0.
        content: of the scene that the person was stored with.
        camera: of the scene, for filters; what counts is the scene's own record.
        time: of the scene, for filters.
        box: x1, y1, x2, y2 in pixels of the scene.
        score: detector confidence.
        embedding: float16 numbers as bytes, unit length up to rounding.
        checksum: CRC32 of id, image_id, rank, content, box, score and embedding; 0..2**32 - 1.
    """

    id: int
    image_id: str
    rank: int
    content: int
    camera: str | None
    time: float | None
    box: tuple[float, float, float, float]
    score: float
    embedding: bytes
    checksum: int

    @property
    def intact(self) -> bool:
        """Whether the record is as it was written; camera and time may be anything."""
        facts = (self.id, self.image_id, self.rank, self.content, self.box, self.score)
        return self.checksum == _person_sum(*facts, self.embedding)

    def row(self) -> PersonRow:
        """Return the person as galleries know it; the scene's row number is 0."""
        return PersonRow(self.id, 0, self.box, self.score, self.embedding)


@dataclass(frozen=True, kw_only=True)
class Where:
    """Which people to search.

    Attributes:
        filters: which scenes; ``exclude_images`` too.
        exclude: detection_ids to leave out.
        only_camera: people of this camera only, in a tuple of one, ``(None,)`` for those without; None = of any.
    """

    filters: Filters
    exclude: Collection[int] = ()
    only_camera: tuple[str | None] | None = None


class Near(NamedTuple):
    """The nearest neighbours of Q queries.

    Attributes:
        ids: (Q, n) int64, by falling similarity; -1 fills the rows of queries with fewer neighbours.
        similarities: (Q, n) float32.
        people: of the neighbours, in any order, those whose rows came along; the others have to be asked for.
    """

    ids: Ids
    similarities: Floats
    people: Sequence[PersonRecord] = ()


#: Rows of so many neighbours come along.
NEIGHBOURS_WITH_ROWS = 4096


class Engine(Protocol):
    """Two tables and a few facts beside them, used by one thread at a time.

    What a method has written is durable, and every later read sees it, in this process and all others, when the method
    returns. Writers in other processes may do anything meanwhile; a conflict is tried again, and only a
    ``GalleryLockedError`` after many times. Errors of the engine become a ``GalleryError`` that names the address and
    says what to do. Lists of ids may be empty or long (100,000).

    Attributes:
        address: as the user wrote it, without secrets, for messages.
        margin: how far a similarity that :meth:`nearest` returns may be from the true one at most.
        scenes_at_once: how many scenes are worth one write.
    """

    address: str
    margin: float
    scenes_at_once: int

    def meta(self) -> dict[str, str] | None:
        """Return what was recorded about the gallery; None where there is no gallery."""

    def create(self, meta: Mapping[str, str], embedding_size: int) -> None:
        """Make the tables with these facts; do nothing where another writer made them meanwhile."""

    def put_people(self, people: Sequence[PersonRecord]) -> None:
        """Store people; those whose id is there already are replaced."""

    def put_scenes(self, scenes: Sequence[SceneRecord]) -> None:
        """Store scenes, all or none of them; those whose image_id is there already are replaced."""

    def scenes(self, image_ids: Collection[str]) -> dict[str, SceneRecord]:
        """Return the scenes among these ids."""

    def people(self, detection_ids: Collection[int]) -> dict[int, PersonRecord]:
        """Return the people among these ids."""

    def people_in(self, image_ids: Collection[str]) -> list[PersonRecord]:
        """Return the people that were stored with scenes of these ids, in any order, whatever their content."""

    def every_scene(self, prefix: str = "") -> Iterator[list[SceneRecord]]:
        """Yield all scenes, some thousands at a time, in any order, as they are at one moment.

        Args:
            prefix: only those whose image_id begins so.
        """

    def every_person(self) -> Iterator[list[PersonRecord]]:
        """Yield all people, some thousands at a time, in any order, as they are at one moment."""

    def every_owner(self) -> Iterator[list[tuple[int, str, int]]]:
        """Yield id, image_id and content of all people, likewise, without reading the rest of them."""

    def nearest(self, queries: Floats, count: int, where: Where) -> Near:
        """Return each query's nearest neighbours; fewer than ``count`` means that there are no more.

        Args:
            queries: (Q, D) float32, unit length.
            count: neighbours per query at most; may be larger than the table.
            where: which people to choose from. A scene without a time passes no bound of time.
        """

    def cameras(self, where: Where) -> list[str | None]:
        """Return the cameras whose people pass, each once; None for people without one."""

    def counts(self) -> tuple[int, int]:
        """Return how many scenes and people the tables hold."""

    def labels(self) -> tuple[dict[str, int], int]:
        """Return how many scenes each known camera took, by rising name, and how many scenes have a time."""

    def delete_scenes(self, image_ids: Collection[str]) -> None:
        """Delete the rows of scenes."""

    def delete_people(self, detection_ids: Collection[int]) -> None:
        """Delete people."""

    def before(self, time: float) -> list[str]:
        """Return the image_ids of scenes with a time below this."""

    def purge(self) -> None:
        """See to it that what was deleted is in no file that the engine keeps, as far as that is in its power."""

    def tidy(self) -> None:
        """Do what keeps the engine quick after many writes, if it is due; called now and then, and on closing."""

    def rebuild(self, kind: IndexKind | None) -> None:
        """Make the index anew; ``kind`` holds from now on, None = as before."""

    def describe(self) -> str:
        """Describe engine and index in a few words, such as ``exact, Lance``."""

    def close(self) -> None:
        """Let go of connections."""


def in_parts(ask: Callable[[Floats], Near], queries: Floats) -> Near:
    """Return the neighbours of all queries, asking for those of some at a time."""
    parts = [ask(queries[start : start + QUERIES_AT_ONCE]) for start in range(0, len(queries), QUERIES_AT_ONCE)]
    width = max((part.ids.shape[1] for part in parts), default=0)
    if not width:
        return Near(*no_neighbours(len(queries)))
    return Near(
        np.concatenate([widened(part.ids, width, -1) for part in parts]),
        np.concatenate([widened(part.similarities, width, -np.inf) for part in parts]),
        [one for part in parts for one in part.people],
    )


def widened(array: NDArray[Any], width: int, fill: float) -> NDArray[Any]:
    """Return rows filled up to a width."""
    return np.pad(array, ((0, 0), (0, width - array.shape[1])), constant_values=fill)


def after_prefix(prefix: str) -> str | None:
    """Return the first string after all that begin so, by code points as engines compare; None = there is none."""
    kept = prefix.rstrip(chr(sys.maxunicode))
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(following if not 0xD800 <= following <= 0xDFFF else 0xE000)


def content_of(detections: Detections) -> int:
    """Return a number for the people of a scene as they are stored, whatever its name, camera and time."""
    height, width = detections.image_size
    digest = hashlib.sha256(json.dumps([int(height), int(width)]).encode())
    for array in _stored(detections):
        digest.update(np.ascontiguousarray(array).tobytes())
    return int.from_bytes(digest.digest()[:8], "big") >> 1


def person_records(row: ImageRow, detections: Detections) -> list[PersonRecord]:
    """Return the people of a scene as an engine stores them.

    Their ids follow from what they are, so that whoever stores them again, after a failure or elsewhere at the same
    time, stores the same rows. With 10**8 people, one chance in 1,800 that two share one.
    """
    content = content_of(detections)
    boxes, scores, embeddings = _stored(detections)
    records = []
    for rank, (corners, score, vector) in enumerate(zip(boxes.tolist(), scores.tolist(), embeddings, strict=True)):
        box = (corners[0], corners[1], corners[2], corners[3])
        embedding = vector.tobytes()
        number = _detection_id(row.image_id, rank, box, score, embedding)
        facts = (number, row.image_id, rank, content, box, score)
        records.append(
            PersonRecord(
                id=number,
                image_id=row.image_id,
                rank=rank,
                content=content,
                camera=row.camera,
                time=row.time,
                box=box,
                score=score,
                embedding=embedding,
                checksum=_person_sum(*facts, embedding),
            )
        )
    return records


def _stored(detections: Detections) -> tuple[Floats, Floats, np.ndarray]:
    # + 0.0, because engines may keep -0.0 as 0.0.
    return detections.boxes + 0.0, detections.scores + 0.0, detections.embeddings.astype(EMBEDDING)


def _detection_id(
    image_id: str, rank: int, box: tuple[float, float, float, float], score: float, embedding: bytes
) -> int:
    digest = hashlib.sha256(json.dumps([image_id, rank, box, score]).encode())
    digest.update(embedding)
    return int.from_bytes(digest.digest()[:8], "big") >> 1


def _scene_sum(
    image_id: str,
    camera: str | None,
    time: float | None,
    width: int,
    height: int,
    extra: str,
    digest: bytes,
    content: int,
    people: int,
    added: int,
) -> int:
    facts = [image_id, camera, time, width, height, extra, content, people, added]
    return zlib.crc32(json.dumps(facts).encode(), zlib.crc32(digest))


def _person_sum(
    number: int,
    image_id: str,
    rank: int,
    content: int,
    box: tuple[float, float, float, float],
    score: float,
    embedding: bytes,
) -> int:
    return zlib.crc32(json.dumps([number, image_id, rank, content, box, score]).encode(), zlib.crc32(embedding))
