"""SQLite, the truth: one transaction per scene, nothing acknowledged before it is on the disk, a checksum per row."""

from __future__ import annotations

import json
import sqlite3
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from personsearch.errors import GalleryCorruptError, GalleryError, GalleryLockedError
from personsearch.gallery.faults import DATABASE, UNREADABLE, damaged, gallery_error, locked
from personsearch.gallery.meta import check_format, meta_of, spec_of
from personsearch.gallery.reading import Stamp, connect_reader, stamp_of
from personsearch.gallery.rows import (
    EMBEDDING,
    IMAGE_COLUMNS,
    PERSON_COLUMNS,
    ImageRow,
    PersonRow,
    storable,
    stored_detections,
    stored_vectors,
)
from personsearch.results import Floats, Spec

Row = TypeVar("Row", ImageRow, PersonRow)

BUSY_SECONDS = 10.0
CHUNK = 20_000
#: The meta key of State.labellings, which a gallery has from its first such change on.
LABELLINGS = "labellings"

#: What was noted about scenes whose ids are a prefix and a number; galleries have it from their first note on.
_NOTES = """
CREATE TABLE IF NOT EXISTS note (
    prefix TEXT PRIMARY KEY, content BLOB NOT NULL, checksum INTEGER NOT NULL) WITHOUT ROWID
"""
#: What a number may consist of: the rest of an image_id is the prefix.
NUMBER = "0123456789.-"
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE image (
    id INTEGER PRIMARY KEY AUTOINCREMENT, image_id TEXT NOT NULL UNIQUE, camera TEXT, time REAL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, extra TEXT NOT NULL, digest BLOB NOT NULL,
    checksum INTEGER NOT NULL);
CREATE TABLE person (
    id INTEGER PRIMARY KEY AUTOINCREMENT, image INTEGER NOT NULL REFERENCES image (id),
    x1 REAL NOT NULL, y1 REAL NOT NULL, x2 REAL NOT NULL, y2 REAL NOT NULL,
    score REAL NOT NULL, embedding BLOB NOT NULL, checksum INTEGER NOT NULL);
CREATE INDEX person_of_image ON person (image);
INSERT INTO meta VALUES ('images', '0'), ('people', '0'), ('deletions', '0'), ('cache', '');
"""


@dataclass(frozen=True)
class State:
    """What an index must agree with.

    Attributes:
        images: number of scenes stored.
        people: number of people stored.
        deletions: how often scenes have been erased.
        labellings: how often the camera or time of a scene has been changed.
        last_image: highest row number of a scene; 0 where there is none.
        last_person: highest detection_id; 0 where there is none.
        cache: the note of the cache that was written last; see ``cache.py``.
    """

    images: int
    people: int
    deletions: int
    labellings: int
    last_image: int
    last_person: int
    cache: str


class Store:
    """The gallery's database. All methods raise the gallery errors of ``personsearch.errors``.

    Attributes:
        path: the gallery's folder.
        meta: what the database says of the gallery, by key.
        spec: the weights whose embeddings it holds.
        embedding_size: length of an embedding.
    """

    def __init__(self, path: Path, *, readonly: bool, create: Spec | None) -> None:
        """Open the database in folder ``path``.

        Args:
            path: the gallery's folder.
            readonly: refuse all writing.
            create: the weights of a new gallery, made if there is none; None = it must exist.
        """
        self.path = path
        self._closed = False
        self._stamp: Stamp | None = None
        file = path / DATABASE
        with self._translated():
            if readonly:
                self._db, self._stamp = connect_reader(file, BUSY_SECONDS)
            else:
                self._db = sqlite3.connect(file, timeout=BUSY_SECONDS, check_same_thread=False)
        try:
            self._prepare(readonly, create)
        except BaseException:
            self._db.close()
            raise

    def _prepare(self, readonly: bool, create: Spec | None) -> None:
        with self._translated():
            self._db.isolation_level = None  # transactions begin and end here, never in the driver
            for pragma in ("foreign_keys = ON", "trusted_schema = OFF", "cell_size_check = ON"):
                self._db.execute(f"PRAGMA {pragma}")
            if not readonly:
                for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
                    self._db.execute(f"PRAGMA {pragma}")
            if create is not None:
                self._create(create)
            self.meta = dict(self._db.execute("SELECT key, value FROM meta").fetchall())
        check_format(str(self.path), self.meta)
        try:
            self.spec = spec_of(self.meta)
        except ValueError as error:
            raise GalleryCorruptError(damaged(self.path, str(error))) from None
        self.embedding_size = self.spec.embedding_size

    @property
    def unlocked(self) -> bool:
        """Whether the database is read without locks, because nothing can be written beside it; see ``reading.py``."""
        return self._stamp is not None

    def _follow(self) -> None:
        """Open a database that is read without locks again if somebody has changed it."""
        if self._stamp is None or self._closed or self._db.in_transaction or not self._has_changed():
            return
        self._db.close()
        self._db, self._stamp = connect_reader(self.path / DATABASE, BUSY_SECONDS)
        self._db.isolation_level = None

    def _has_changed(self) -> bool:
        if self._stamp is None:
            return False
        try:
            return stamp_of(self.path / DATABASE) != self._stamp
        except OSError:
            return True

    def close(self) -> None:
        """Close the database; whatever is called afterwards raises a GalleryError."""
        self._closed = True
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit on success, roll back on any error."""
        with self._translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read everything in the block from one state of the database, whatever others commit meanwhile."""
        with self._translated():
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._roll_back()

    def read(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with self._translated():
            return self._db.execute(query, values).fetchall()

    def write(self, statement: str, values: Sequence[object] = ()) -> int:
        """Change something; call inside a transaction. Returns how many rows changed."""
        return self._db.execute(statement, values).rowcount

    def has_table(self, name: str, marker: str | None = None) -> bool:
        """Whether a table is there that galleries have from its first use on.

        Args:
            name: of the table.
            marker: key of ``meta`` that is there if, and only if, the table is: so a table that was lost is noticed.
        """
        there = bool(self.read("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)))
        if marker is not None and there != bool(self.read("SELECT 1 FROM meta WHERE key = ?", (marker,))):
            raise self.corrupt(f"the table {name} is missing")
        return there

    def corrupt(self, what: str) -> GalleryCorruptError:
        """Return the error that something read from the database is not what was stored."""
        return GalleryCorruptError(damaged(self.path, what))

    def _roll_back(self) -> None:
        with suppress(sqlite3.DatabaseError):  # a damaged file fails here too, and has been reported already
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def digest(self, image_id: str) -> bytes | None:
        """Return the digest of a stored scene's content; None where no scene has this id."""
        if not storable(image_id):
            return None
        with self._translated():
            row = self._db.execute("SELECT digest FROM image WHERE image_id = ?", (image_id,)).fetchone()
        return None if row is None else bytes(row[0])

    def image(self, image_id: str) -> ImageRow | None:
        """Return a stored scene; None where no scene has this id."""
        if not storable(image_id):
            return None
        with self._translated():
            row = self._db.execute(
                f"SELECT {', '.join(IMAGE_COLUMNS)} FROM image WHERE image_id = ?", (image_id,)
            ).fetchone()
        return None if row is None else self._checked(ImageRow(*row))

    def people_of(self, image: ImageRow) -> list[PersonRow]:
        """Return the people of a stored scene, by rising id."""
        with self._translated():
            rows = self._db.execute(
                f"SELECT {', '.join(PERSON_COLUMNS)} FROM person WHERE image = ? ORDER BY id", (image.id,)
            ).fetchall()
        return [self._checked(PersonRow.of(row)) for row in rows]

    def label(self, image: ImageRow) -> None:
        """Store the camera and time of a scene that is stored already; call inside a transaction.

        Args:
            image: the scene's row as it is to be from now on.
        """
        self._update(image)
        self._db.execute("INSERT OR IGNORE INTO meta VALUES (?, '0')", (LABELLINGS,))
        self._count(labellings=1)

    def _update(self, image: ImageRow) -> None:
        columns = [f"{name} = ?" for name in IMAGE_COLUMNS[1:]]
        self._db.execute(f"UPDATE image SET {', '.join(columns)} WHERE id = ?", (*image.values(), image.id))

    def insert(self, image: ImageRow, boxes: Floats, scores: Floats, embeddings: Floats) -> range:
        """Store a scene and its people; call inside a transaction.

        Args:
            image: the scene; its row number is ignored.
            boxes: (N, 4) float32 xyxy, pixels of the scene.
            scores: (N,) float32.
            embeddings: (N, D) float32, unit length; stored in half precision.

        Returns:
            The detection_ids of the people.
        """
        cursor = self._db.execute(
            f"INSERT INTO image ({', '.join(IMAGE_COLUMNS[1:])}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", image.values()
        )
        number = cursor.lastrowid
        if number is None:
            raise RuntimeError("SQLite gave no row number")
        # + 0.0: SQLite keeps -0.0 as 0.0, and the checksum would differ.
        people = zip((boxes + 0.0).tolist(), (scores + 0.0).tolist(), embeddings.astype(EMBEDDING), strict=True)
        self._db.executemany(
            f"INSERT INTO person ({', '.join(PERSON_COLUMNS[1:])}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (PersonRow(0, number, tuple(box), score, vector.tobytes()).values() for box, score, vector in people),
        )
        self._count(images=1, people=len(boxes))
        [last] = self._db.execute("SELECT last_insert_rowid()").fetchone()
        return range(last - len(boxes) + 1, last + 1)  # AUTOINCREMENT counts up, and nobody else writes

    def delete(self, image_ids: Sequence[str]) -> int:
        """Delete scenes with their people; call inside a transaction. Returns how many scenes there were."""
        return self._delete("image_id IN (SELECT value FROM json_each(?))", json.dumps(list(image_ids)))

    def delete_before(self, time: float) -> int:
        """Delete scenes with a time below this, with their people; call inside a transaction. Returns how many."""
        return self._delete("time < ?", time)

    def delete_people(self, detection_ids: Sequence[int]) -> int:
        """Delete people and leave their scenes; call inside a transaction. Returns how many people there were."""
        found = self.find_people(detection_ids)
        self._db.execute("DELETE FROM person WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(list(found)),))
        for scene in {scene.id: scene for _, scene in found.values()}.values():
            left = stored_detections(scene, self.people_of(scene), self.embedding_size)
            self._update(scene.labelled(left, scene.camera, scene.time))
        if found:
            self._count(people=-len(found), deletions=1)
        return len(found)

    def note(self, prefix: str, content: bytes) -> None:
        """Keep something about scenes whose ids begin so, until one of them is erased; call inside a transaction."""
        self._db.execute(_NOTES)
        self._db.execute("INSERT OR REPLACE INTO note VALUES (?, ?, ?)", (prefix, content, note_sum(prefix, content)))

    def noted(self, prefix: str) -> bytes | None:
        """Return what was noted about the scenes whose ids begin so; None = nothing."""
        with self._translated():
            rows = self._notes("WHERE prefix = ?", prefix)
        return rows[0][1] if rows else None

    def _notes(self, where: str = "", *values: object) -> list[tuple[str, bytes]]:
        if not self.has_table("note"):
            return []
        rows = self._db.execute(f"SELECT prefix, content, checksum FROM note {where}", values).fetchall()
        for prefix, content, checksum in rows:
            if not (isinstance(prefix, str) and isinstance(content, bytes)) or checksum != note_sum(prefix, content):
                raise GalleryCorruptError(damaged(self.path, f"the note about {prefix!r} differs from what was stored"))
        return [(prefix, content) for prefix, content, _ in rows]

    def _delete(self, where: str, value: object) -> int:
        if self.has_table("note"):
            about = f"SELECT rtrim(image_id, '{NUMBER}') FROM image WHERE {where}"
            self._db.execute(f"DELETE FROM note WHERE prefix IN ({about})", (value,))
        people = self._db.execute(
            f"DELETE FROM person WHERE image IN (SELECT id FROM image WHERE {where})", (value,)
        ).rowcount
        images = self._db.execute(f"DELETE FROM image WHERE {where}", (value,)).rowcount
        if images:
            self._count(images=-images, people=-people, deletions=1)
        return images

    def _count(self, **changes: int) -> None:
        for key, change in changes.items():
            self._db.execute("UPDATE meta SET value = CAST(value AS INTEGER) + ? WHERE key = ?", (change, key))

    def write_meta(self, key: str, value: str) -> None:
        """Record something about the gallery; call inside a transaction."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
        self.meta[key] = value

    def truncate_log(self) -> bool:
        """Fold the write-ahead log into the database, so that erased rows are in neither file.

        Returns:
            False if a reader kept the log busy for too long; it is folded in later.
        """
        with self._translated():
            busy, _, _ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    def image_ids(self, prefix: str = "") -> list[str]:
        """Return the ids of all scenes that begin so, in the order they were added."""
        bounds: tuple[str, ...]
        if not storable(prefix):
            return []
        query, bounds = "SELECT image_id FROM image ORDER BY id", ()
        if prefix:  # by the index of the ids, which are ordered as UTF-8 is
            query = "SELECT image_id FROM image WHERE image_id >= ? AND image_id < ? ORDER BY id"
            bounds = (prefix, prefix + chr(sys.maxunicode))
        with self._translated():
            return [row[0] for row in self._db.execute(query, bounds)]

    def labels(self) -> tuple[dict[str, int], int]:
        """Return how many scenes each known camera took, and how many scenes have a time."""
        with self._translated():
            rows = self._db.execute("SELECT camera, COUNT(*) FROM image GROUP BY camera ORDER BY camera")
            cameras = {camera: count for camera, count in rows if camera is not None}
            [timed] = self._db.execute("SELECT COUNT(time) FROM image").fetchone()
        return cameras, timed

    def state(self) -> State:
        """Return the counts and the cache's note as they are now."""
        with self._translated():
            meta = dict(self._db.execute("SELECT key, value FROM meta"))
            last_image, last_person = self._db.execute(
                "SELECT (SELECT MAX(id) FROM image), (SELECT MAX(id) FROM person)"
            ).fetchone()
        try:
            images, people, deletions = (int(meta[key]) for key in ("images", "people", "deletions"))
            labellings = int(meta.get(LABELLINGS, 0))
            return State(images, people, deletions, labellings, last_image or 0, last_person or 0, meta["cache"])
        except (KeyError, ValueError) as error:
            raise GalleryCorruptError(damaged(self.path, f"counts: {error}")) from None

    def ids(self, table: str) -> NDArray[np.int64]:
        """Return the row numbers of ``"image"`` or ``"person"``, rising."""
        with self._translated():
            rows = self._db.execute(f"SELECT id FROM {table}")
            return np.sort(np.fromiter((row[0] for row in rows), dtype=np.int64))

    def images(self, after: int) -> Iterator[ImageRow]:
        """Yield the scenes with a row number above ``after``, in rising order."""
        with self._translated():
            rows = self._db.execute(f"SELECT {', '.join(IMAGE_COLUMNS)} FROM image WHERE id > ? ORDER BY id", (after,))
            for row in rows:
                yield self._checked(ImageRow(*row))

    def people(self, after: int) -> Iterator[list[PersonRow]]:
        """Yield the people with an id above ``after``, in rising order, some thousands at a time."""
        with self._translated():
            rows = self._db.execute(
                f"SELECT {', '.join(PERSON_COLUMNS)} FROM person WHERE id > ? ORDER BY id", (after,)
            )
            while chunk := rows.fetchmany(CHUNK):
                yield [self._checked(PersonRow.of(row)) for row in chunk]

    def find_images(self, rest: str, values: Sequence[object] = ()) -> list[ImageRow]:
        """Return the scenes that a query asks for, given what follows its FROM."""
        rows = self.read(f"SELECT {', '.join(IMAGE_COLUMNS)} FROM image {rest}", values)
        return [self._checked(ImageRow(*row)) for row in rows]

    def people_in(self, image_ids: Sequence[str]) -> dict[str, list[int]]:
        """Return the detection_ids of scenes, rising; scenes that are not there, or show nobody, are absent."""
        found: dict[str, list[int]] = {}
        for image_id, person in self.read(
            "SELECT image.image_id, person.id FROM image JOIN person ON person.image = image.id "
            "WHERE image.image_id IN (SELECT value FROM json_each(?)) ORDER BY person.id",
            (json.dumps([one for one in image_ids if storable(one)]),),
        ):
            found.setdefault(image_id, []).append(person)
        return found

    def find_people(self, ids: Iterable[int]) -> dict[int, tuple[PersonRow, ImageRow]]:
        """Return the stored people among ``ids`` with their scenes; ids that are gone are absent."""
        columns = [f"person.{name}" for name in PERSON_COLUMNS] + [f"image.{name}" for name in IMAGE_COLUMNS]
        query = (
            f"SELECT {', '.join(columns)} FROM json_each(?) AS wanted JOIN person ON person.id = wanted.value "
            "JOIN image ON image.id = person.image"
        )
        people = {}
        with self._translated():
            for row in self._db.execute(query, (json.dumps(list(ids)),)):
                person = self._checked(PersonRow.of(row[: len(PERSON_COLUMNS)]))
                people[person.id] = person, self._checked(ImageRow(*row[len(PERSON_COLUMNS) :]))
        return people

    def vectors(self, people: Sequence[PersonRow]) -> NDArray[np.float16]:
        """Return the embeddings (N, D) of stored people, as stored."""
        try:
            return stored_vectors([person.embedding for person in people], self.embedding_size)
        except ValueError as error:
            raise GalleryCorruptError(damaged(self.path, str(error))) from None

    def problems(self) -> list[str]:
        """Return what is wrong with the file and its rows; empty when all is well."""
        with self._translated():
            integrity = [row[0] for row in self._db.execute("PRAGMA integrity_check")]
            orphans = self._db.execute("PRAGMA foreign_key_check").fetchall()
        problems = [] if integrity == ["ok"] else integrity
        problems += [f"person {row[1]} belongs to no scene" for row in orphans]
        if problems:
            return problems
        try:
            images = sum(1 for _ in self.images(0))
            people = sum(len(chunk) for chunk in self.people(0))
            with self._translated():
                self._notes()
        except GalleryCorruptError as error:
            return [str(error)]
        state = self.state()
        if (images, people) != (state.images, state.people):
            problems.append(f"holds {images} scenes and {people} people, {state.images} and {state.people} were stored")
        return problems

    def _create(self, spec: Spec) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        if self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone() is None:
            for statement in _SCHEMA.split(";"):
                if statement.strip():
                    self._db.execute(statement)
            self._db.executemany("INSERT INTO meta VALUES (?, ?)", meta_of(spec).items())
        self._db.execute("COMMIT")

    def _checked(self, row: Row) -> Row:
        """Return the row, which must have the right checksum."""
        if not row.intact:
            kind = "person" if isinstance(row, PersonRow) else "scene"
            raise GalleryCorruptError(damaged(self.path, f"{kind} {row.id} differs from what was stored"))
        return row

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn SQLite's errors into the gallery's, and keep up with a database that is read without locks."""
        file = self.path / DATABASE
        try:
            self._follow()
            yield
        except UNREADABLE as error:
            if self._closed:
                raise GalleryError(f"{self.path}: the gallery is closed; open it again") from None
            if self._has_changed():
                raise GalleryLockedError(locked(file)) from None
            raise gallery_error(file, error) from error
        if self._has_changed():  # what was read may be half of the state before and half of the one after
            raise GalleryLockedError(locked(file))


def row_sum(content: Sequence[object]) -> int:
    """Return the checksum of a row: of its values, as SQLite gives them back."""
    return zlib.crc32(json.dumps(content, default=repr).encode())


def note_sum(prefix: str, content: bytes) -> int:
    """Return the checksum of a note."""
    return zlib.crc32(content, zlib.crc32(prefix.encode("utf-8", "replace")))
