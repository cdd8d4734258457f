"""SQLite, the truth: one transaction per image, nothing acknowledged that is not on the disk."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personsearch.errors import (
    GalleryCorruptError,
    GalleryError,
    GalleryFullError,
    GalleryLockedError,
    GalleryMismatchError,
)
from personsearch.results import Floats

DATABASE = "gallery.sqlite"
FORMAT = "1"
BUSY_SECONDS = 10.0

#: Embeddings are stored in half precision: 1 kB a person at 512-d, similarities exact to about 1e-4.
STORED = np.float16

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE image (
    id INTEGER PRIMARY KEY, image_id TEXT NOT NULL UNIQUE, camera TEXT, time REAL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, extra TEXT NOT NULL, digest BLOB NOT NULL);
CREATE TABLE person (
    id INTEGER PRIMARY KEY AUTOINCREMENT, image INTEGER NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    x1 REAL NOT NULL, y1 REAL NOT NULL, x2 REAL NOT NULL, y2 REAL NOT NULL,
    score REAL NOT NULL, embedding BLOB NOT NULL);
CREATE INDEX person_of_image ON person (image);
CREATE INDEX image_of_camera ON image (camera);
CREATE INDEX image_of_time ON image (time);
"""


@dataclass(frozen=True, kw_only=True)
class ImageRow:
    """A scene as stored."""

    image_id: str
    camera: str | None
    time: float | None
    width: int
    height: int
    extra: str
    digest: bytes


@dataclass(frozen=True, kw_only=True)
class PersonRow:
    """A person as stored, with what is known of the scene."""

    detection_id: int
    image_id: str
    box: tuple[float, float, float, float]
    score: float
    camera: str | None
    time: float | None
    extra: dict[str, Any]


class Store:
    """The gallery's database. All methods raise the gallery errors of ``personsearch.errors``."""

    def __init__(self, path: Path, *, readonly: bool, create: Mapping[str, str] | None) -> None:
        """Open the database in folder ``path``.

        Args:
            path: the gallery's folder.
            readonly: refuse all writing.
            create: meta values of a new gallery, written when there is none; None = it must exist.
        """
        self.path = path
        file = path / DATABASE
        if create is None and not file.exists():
            raise GalleryError(f"{path}: no gallery here; index some images into it first")
        with self._translated():
            if readonly:
                self._db = sqlite3.connect(
                    f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS, check_same_thread=False
                )
            else:
                self._db = sqlite3.connect(file, timeout=BUSY_SECONDS, check_same_thread=False)
        try:
            self._prepare(readonly, create)
        except BaseException:
            self._db.close()
            raise

    def _prepare(self, readonly: bool, create: Mapping[str, str] | None) -> None:
        with self._translated():
            self._db.isolation_level = None  # transactions are begun and ended here, never by the driver
            self._db.execute("PRAGMA foreign_keys = ON")
            if not readonly:
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = FULL")
                self._db.execute("PRAGMA secure_delete = ON")
            if create is not None:
                self._create(create)
            self.meta = dict(self._db.execute("SELECT key, value FROM meta").fetchall())
        if self.meta.get("format") != FORMAT:
            raise GalleryMismatchError(
                f"{self.path}: gallery format {self.meta.get('format')!r}, this version reads {FORMAT!r}; index anew"
            )

    def close(self) -> None:
        """Close the database."""
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
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def digest(self, image_id: str) -> bytes | None:
        """Return what identifies a stored scene's content, or None where it is not stored."""
        with self._translated():
            row = self._db.execute("SELECT digest FROM image WHERE image_id = ?", (image_id,)).fetchone()
        return None if row is None else bytes(row[0])

    def insert(self, image: ImageRow, boxes: Floats, scores: Floats, embeddings: Floats) -> None:
        """Store a scene and its people; call inside a transaction."""
        cursor = self._db.execute(
            "INSERT INTO image (image_id, camera, time, width, height, extra, digest) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (image.image_id, image.camera, image.time, image.width, image.height, image.extra, image.digest),
        )
        rows = zip(boxes.tolist(), scores.tolist(), embeddings.astype(STORED), strict=True)
        self._db.executemany(
            "INSERT INTO person (image, x1, y1, x2, y2, score, embedding) VALUES (?, ?, ?, ?, ?, ?, ?)",
            ((cursor.lastrowid, *box, score, embedding.tobytes()) for box, score, embedding in rows),
        )

    def delete(self, image_ids: Sequence[str]) -> int:
        """Delete scenes with their people; call inside a transaction. Returns how many there were."""
        return self._delete("image_id IN (SELECT value FROM json_each(?))", json.dumps(list(image_ids)))

    def delete_before(self, time: float) -> int:
        """Delete scenes of an earlier time with their people; call inside a transaction. Returns how many."""
        return self._delete("time < ?", time)

    def _delete(self, where: str, value: object) -> int:
        count = self._db.execute(f"DELETE FROM image WHERE {where}", (value,)).rowcount
        if count:
            self._db.execute(
                "INSERT INTO meta VALUES ('deletions', '1') "
                "ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + 1"
            )
        return count

    def truncate_log(self) -> None:
        """Fold the write-ahead log into the database, so that erased rows are in neither file."""
        with self._translated():
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def counts(self) -> tuple[int, int]:
        """Return (scenes, people)."""
        with self._translated():
            images, people = self._db.execute(
                "SELECT (SELECT COUNT(*) FROM image), (SELECT COUNT(*) FROM person)"
            ).fetchone()
        return images, people

    def image_ids(self) -> list[str]:
        """Return the ids of all scenes, in the order they were added."""
        with self._translated():
            return [row[0] for row in self._db.execute("SELECT image_id FROM image ORDER BY id")]

    def state(self) -> tuple[int, int]:
        """Return (deletions so far, highest detection_id): what an index compares itself with."""
        with self._translated():
            deletions = self._db.execute("SELECT value FROM meta WHERE key = 'deletions'").fetchone()
            highest = self._db.execute("SELECT MAX(id) FROM person").fetchone()
        return int(deletions[0]) if deletions else 0, highest[0] or 0

    def vectors(self, after: int, dim: int) -> tuple[NDArray[np.int64], Floats]:
        """Return the ids and embeddings (N, D) float32, unit length, of people with an id above ``after``."""
        with self._translated():
            rows = self._db.execute("SELECT id, embedding FROM person WHERE id > ? ORDER BY id", (after,)).fetchall()
        ids = np.array([row[0] for row in rows], dtype=np.int64)
        raw = b"".join(row[1] for row in rows)
        if len(raw) != len(rows) * dim * np.dtype(STORED).itemsize:
            raise GalleryCorruptError(f"{self.path / DATABASE}: an embedding is not {dim} numbers long")
        vectors = np.frombuffer(raw, dtype=STORED).astype(np.float32).reshape(-1, dim)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return ids, (vectors / np.maximum(norms, np.finfo(np.float32).tiny)).astype(np.float32)

    def matching(
        self,
        cameras: Sequence[str] | None,
        since: float | None,
        until: float | None,
        exclude_images: Sequence[str] | None,
    ) -> NDArray[np.int64] | None:
        """Return the ids of people whose scene passes the filters; None where there is no filter."""
        # json_each takes any number of values; SQL's own parameters are limited.
        conditions = {
            "image.camera IN (SELECT value FROM json_each(?))": _json_list(cameras),
            "image.time >= ?": since,
            "image.time <= ?": until,
            "image.image_id NOT IN (SELECT value FROM json_each(?))": _json_list(exclude_images),
        }
        used = {condition: value for condition, value in conditions.items() if value is not None}
        if not used:
            return None
        query = f"SELECT person.id FROM person JOIN image ON image.id = person.image WHERE {' AND '.join(used)}"
        with self._translated():
            rows = self._db.execute(query, tuple(used.values())).fetchall()
        return np.array([row[0] for row in rows], dtype=np.int64)

    def people(self, ids: Iterable[int]) -> dict[int, PersonRow]:
        """Return the stored people among ``ids``; ids that are gone are absent."""
        found = {}
        with self._translated():
            for detection_id in ids:
                row = self._db.execute(
                    "SELECT image_id, x1, y1, x2, y2, score, camera, time, extra FROM person "
                    "JOIN image ON image.id = person.image WHERE person.id = ?",
                    (detection_id,),
                ).fetchone()
                if row is not None:
                    found[detection_id] = PersonRow(
                        detection_id=detection_id,
                        image_id=row[0],
                        box=(row[1], row[2], row[3], row[4]),
                        score=row[5],
                        camera=row[6],
                        time=row[7],
                        extra=json.loads(row[8]),
                    )
        return found

    def problems(self) -> list[str]:
        """Return what SQLite's integrity check and the foreign keys complain of; nothing when all is well."""
        with self._translated():
            integrity = [row[0] for row in self._db.execute("PRAGMA integrity_check")]
            orphans = self._db.execute("PRAGMA foreign_key_check").fetchall()
        found = [] if integrity == ["ok"] else integrity
        return found + [f"person {row[1]} belongs to no scene" for row in orphans]

    def _create(self, meta: Mapping[str, str]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        if self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone() is None:
            for statement in _SCHEMA.split(";"):
                if statement.strip():
                    self._db.execute(statement)
            self._db.executemany("INSERT INTO meta VALUES (?, ?)", [("format", FORMAT), *meta.items()])
        self._db.execute("COMMIT")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn SQLite's errors into the gallery's."""
        file = self.path / DATABASE
        try:
            yield
        except sqlite3.OperationalError as error:
            code = getattr(error, "sqlite_errorcode", None)
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise GalleryLockedError(f"{file}: another process is writing to it; try again later") from None
            if code == sqlite3.SQLITE_FULL:
                raise GalleryFullError(f"{file}: the disk is full; what was acknowledged is kept") from None
            raise GalleryError(f"{file}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise GalleryCorruptError(f"{file}: damaged, or not a gallery ({error})") from None


def _json_list(names: Sequence[str] | None) -> str | None:
    """Return names as a JSON array; a single text counts as one name."""
    if names is None:
        return None
    return json.dumps([names] if isinstance(names, str) else list(names))
