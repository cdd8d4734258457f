"""Save from a damaged gallery everything that is provably as it was stored."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from personsearch.errors import GalleryCorruptError, GalleryError
from personsearch.gallery.faults import DATABASE, UNREADABLE
from personsearch.gallery.gallery import Gallery
from personsearch.gallery.meta import spec_of, without_revision
from personsearch.gallery.opening import open_folder
from personsearch.gallery.reading import connect_reader
from personsearch.gallery.rescue_rest import copy_rest
from personsearch.gallery.rows import (
    IMAGE_COLUMNS,
    PERSON_COLUMNS,
    ImageRow,
    PersonRow,
    content_digest,
    stored_detections,
)
from personsearch.gallery.store import BUSY_SECONDS
from personsearch.results import Detections, RescueReport, Spec

#: How many row numbers are tried one by one where a scan meets a broken page.
MAX_PROBED = 5_000_000


def rescue(damaged: Path, new: Path, spec: Spec | None = None) -> RescueReport:
    """Copy every scene that can be read and whose checksums are right into a new gallery.

    Reads by row number only, around broken pages and indexes, and leaves the damaged gallery as it is.

    Args:
        damaged: folder of the damaged gallery.
        new: folder of the gallery to make.
        spec: the weights that the damaged gallery was made with; used only if it does not say so any more.

    Returns:
        What was saved, and what was lost.

    Raises:
        GalleryError: there is no database in ``damaged``, or there is one in ``new``.
        GalleryCorruptError: the weights cannot be read from the damaged gallery, and there is no ``spec``.
    """
    file = damaged / DATABASE
    if not file.exists():
        raise GalleryError(f"{damaged}: there is no gallery here; name the folder of the damaged one")
    if (new / DATABASE).exists():
        raise GalleryError(f"{new}: there is a gallery here already; name a new folder")
    saved = people = 0
    lost: list[str] = []
    were: dict[str, list[int]] = {}
    with closing(connect_reader(file, BUSY_SECONDS)[0]) as db:
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
                rows = [person for one in of_scene[number] if (person := _person(db, one)) is not None]
                detections = _detections(scene, rows, spec.embedding_size)
                if detections is None:
                    lost.append(str(scene.image_id))
                    continue
                extra = json.loads(scene.extra)
                gallery.add(scene.image_id, detections, camera=scene.camera, time=scene.time, extra=extra)
                were[scene.image_id] = [row.id for row in rows]
                saved += 1
                people += len(detections)
        left_out = _copy_rest(db, new, were, whole=not lost and stored in (None, saved))
    return RescueReport(saved=saved, people=people, lost=tuple(lost), stored=stored, left_out=left_out)


def _copy_rest(db: sqlite3.Connection, new: Path, were: Mapping[str, Sequence[int]], *, whole: bool) -> int:
    """Copy notes, tracks and people; return how many rows are damaged.

    Args:
        db: the damaged gallery.
        new: folder of the new one.
        were: image_id -> detection_ids that the scene's people had, rising.
        whole: whether all scenes were saved.
    """
    store, lock = open_folder(new, write=True, spec=None)
    try:
        ids: dict[int, int] = {}
        for image_id, old in were.items():
            scene = store.image(image_id)
            if scene is not None:
                ids.update(zip(old, (person.id for person in store.people_of(scene)), strict=True))
        with store.transaction():
            return copy_rest(db, store, ids, whole=whole)
    finally:
        store.close()
        if lock is not None:
            lock.release()


def _spec(db: sqlite3.Connection, file: Path, given: Spec | None) -> Spec:
    try:
        meta = dict(db.execute("SELECT key, value FROM meta"))
        try:
            return spec_of(meta)
        except ValueError:
            return spec_of(without_revision(meta))
    except (*UNREADABLE, ValueError) as error:
        if given is not None:
            return given
        raise GalleryCorruptError(
            f"{file}: which weights it was made with cannot be read any more ({error}); name them (--weights), "
            "restore a backup, or index the images again"
        ) from None


def _stored(db: sqlite3.Connection) -> int | None:
    try:
        return int(db.execute("SELECT value FROM meta WHERE key = 'images'").fetchone()[0])
    except (*UNREADABLE, TypeError, ValueError):
        return None


def _row_numbers(db: sqlite3.Connection, table: str) -> Iterator[int]:
    """Yield the row numbers of a table, in rising order; a broken page hides only its own rows."""
    numbers: set[int] = set()
    whole = False
    for order in ("ASC", "DESC"):
        try:
            numbers.update(row[0] for row in db.execute(f"SELECT id FROM {table} NOT INDEXED ORDER BY id {order}"))
            whole = True
            break
        except UNREADABLE:
            continue
    if not whole and numbers:
        first, last = min(numbers), max(numbers)
        for number in range(first, min(last, first + MAX_PROBED)):
            if number not in numbers and _row(db, table, ("id",), number) is not None:
                numbers.add(number)
    yield from sorted(numbers)


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
    """Return a scene's people; None unless scene and people together are what was stored."""
    if not scene.intact:
        return None
    try:
        detections = stored_detections(scene, people, dim)
    except ValueError:
        return None
    intact = content_digest(detections, scene.camera, scene.time, scene.extra) == scene.digest
    return detections if intact else None
