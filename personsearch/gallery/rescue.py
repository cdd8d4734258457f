"""Out of a damaged gallery, everything that is provably as it was stored."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from personsearch.errors import GalleryCorruptError, GalleryError
from personsearch.gallery.gallery import Gallery
from personsearch.gallery.rows import (
    EMBEDDING,
    IMAGE_COLUMNS,
    PERSON_COLUMNS,
    ImageRow,
    PersonRow,
    content_digest,
    stored_vectors,
)
from personsearch.gallery.store import DATABASE, UNREADABLE, meta_checksum
from personsearch.results import Detections, RescueReport, Spec

#: Row numbers tried one by one where a scan meets a broken page.
MAX_PROBED = 5_000_000


def rescue(damaged: Path, new: Path, spec: Spec | None = None) -> RescueReport:
    """Copy every scene that can be read and whose checksums are right into a new gallery.

    Reads by row number only, around broken pages and indexes. The damaged gallery is not changed.

    Args:
        damaged: folder of the damaged gallery.
        new: folder of the gallery to be made.
        spec: of the weights that it was made with, where it cannot even say that any more.

    Raises:
        GalleryError: there is no database, or the new folder holds one.
        GalleryCorruptError: its description cannot be read, and there is no ``spec``.
    """
    file = damaged / DATABASE
    if not file.exists():
        raise GalleryError(f"{damaged}: no gallery here")
    if (new / DATABASE).exists():
        raise GalleryError(f"{new}: is a gallery already; name a new folder")
    saved = people = 0
    lost: list[str] = []
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as db:
        db.text_factory = lambda raw: raw.decode("utf-8", "replace")
        spec = _spec(db, file, spec)
        stored = _stored(db)
        of_scene: dict[int, list[int]] = defaultdict(list)
        for number in _row_numbers(db, "person"):
            person = _person(db, number)
            if person is not None and person.intact:
                of_scene[person.image].append(number)
        with Gallery.open(new, spec) as gallery:
            for number in _row_numbers(db, "image"):
                row = _row(db, "image", IMAGE_COLUMNS, number)
                if row is None:
                    lost.append(f"scene {number}, whose name cannot be read")
                    continue
                scene = ImageRow(*row)
                found = [person for one in of_scene[number] if (person := _person(db, one)) is not None]
                detections = _detections(scene, found, spec.embedding_size)
                if detections is None:
                    lost.append(str(scene.image_id))
                    continue
                extra = json.loads(scene.extra)
                gallery.add(scene.image_id, detections, camera=scene.camera, time=scene.time, extra=extra)
                saved += 1
                people += len(detections)
    return RescueReport(saved=saved, people=people, lost=tuple(lost), stored=stored)


def _spec(db: sqlite3.Connection, file: Path, given: Spec | None) -> Spec:
    try:
        meta = dict(db.execute("SELECT key, value FROM meta"))
        if meta["checksum"] != meta_checksum(meta):
            raise ValueError("a letter of it has changed")
        return Spec(name=meta["weights"], fingerprint=meta["fingerprint"], embedding_size=int(meta["embedding_size"]))
    except (*UNREADABLE, KeyError, ValueError) as error:
        if given is not None:
            return given
        raise GalleryCorruptError(
            f"{file}: cannot be read so far as to tell which weights it was made with ({error}); name them "
            "(--weights), restore a backup, or index anew"
        ) from None


def _stored(db: sqlite3.Connection) -> int | None:
    try:
        return int(db.execute("SELECT value FROM meta WHERE key = 'images'").fetchone()[0])
    except (*UNREADABLE, TypeError, ValueError):
        return None


def _row_numbers(db: sqlite3.Connection, table: str) -> Iterator[int]:
    """Yield the row numbers of a table, rising; a broken page hides its own rows only."""
    found: set[int] = set()
    whole = False
    for order in ("ASC", "DESC"):
        try:
            found.update(row[0] for row in db.execute(f"SELECT id FROM {table} NOT INDEXED ORDER BY id {order}"))
            whole = True
            break
        except UNREADABLE:
            continue
    if not whole and found:
        for number in range(min(found), min(max(found), min(found) + MAX_PROBED)):
            if number not in found and _row(db, table, ("id",), number) is not None:
                found.add(number)
    yield from sorted(found)


def _row(db: sqlite3.Connection, table: str, columns: tuple[str, ...], number: int) -> tuple[Any, ...] | None:
    try:
        row = db.execute(f"SELECT {', '.join(columns)} FROM {table} NOT INDEXED WHERE id = ?", (number,)).fetchone()
    except UNREADABLE:
        return None
    return None if row is None else tuple(row)


def _person(db: sqlite3.Connection, number: int) -> PersonRow | None:
    row = _row(db, "person", PERSON_COLUMNS, number)
    return None if row is None else PersonRow.of(row)


def _detections(scene: ImageRow, people: list[PersonRow], dim: int) -> Detections | None:
    """Return a scene's people if scene and people are, together, what was stored."""
    if not scene.intact:
        return None
    try:
        vectors = stored_vectors([person.embedding for person in people], dim)
    except ValueError:
        return None
    detections = Detections(
        boxes=np.array([person.box for person in people], dtype=np.float32).reshape(-1, 4),
        scores=np.array([person.score for person in people], dtype=np.float32),
        embeddings=vectors.astype(EMBEDDING).astype(np.float32),
        image_size=(scene.height, scene.width),
    )
    same = content_digest(detections, scene.camera, scene.time, scene.extra) == scene.digest
    return detections if same else None
