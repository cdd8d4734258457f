"""``Gallery``: people of many scenes, kept durably and searched by similarity."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol

import numpy as np
from filelock import FileLock, Timeout

from personsearch.errors import GalleryError, GalleryLockedError, GalleryMismatchError
from personsearch.gallery.index import ExactIndex
from personsearch.gallery.store import STORED, ImageRow, Store
from personsearch.results import Detections, Floats, Match

UNIT_TOLERANCE = 1e-2
LOCK = "writer.lock"
OWNER = "writer.pid"


class Spec(Protocol):
    """What a gallery must know of the weights: a searcher's ``spec`` has it."""

    @property
    def name(self) -> str:
        """Name of the weights, for messages."""

    @property
    def fingerprint(self) -> str:
        """Tells embeddings of different weights apart."""

    @property
    def embedding_size(self) -> int:
        """Length of an embedding."""


class Gallery:
    """People of many scenes in a folder. Open one with :meth:`open`, best in a ``with`` block.

    SQLite is the truth: a scene that :meth:`add` returned for survives a kill and a power cut. One process writes
    (``mode="a"``), any number read (``mode="r"``) and see new scenes as they are committed.
    """

    def __init__(self, path: Path, store: Store, lock: FileLock | None) -> None:
        self.path = path
        self._store = store
        self._lock = lock
        self._threads = threading.RLock()
        self.embedding_size = int(store.meta["embedding_size"])
        self._index = ExactIndex(self.embedding_size)
        self._indexed = (0, 0)

    @classmethod
    def open(cls, path: str | os.PathLike[str], spec: Spec | None = None, *, mode: Literal["a", "r"] = "a") -> Gallery:
        """Open a gallery.

        Args:
            path: its folder.
            spec: of the weights whose embeddings go in or are compared; a new gallery needs one. Without it an
                existing gallery is opened as it is.
            mode: ``"a"`` to add and search, made if need be; ``"r"`` to search only.

        Raises:
            GalleryError: there is no gallery and no spec to make one.
            GalleryMismatchError: it holds embeddings of other weights.
            GalleryLockedError: another process has it open for writing (``mode="a"``).
            GalleryCorruptError: the database is damaged.
        """
        if mode not in ("a", "r"):
            raise ValueError(f"mode must be 'a' or 'r', got {mode!r}")
        folder = Path(path)
        create = None
        lock = None
        if mode == "a":
            if spec is not None:
                folder.mkdir(parents=True, exist_ok=True)
                create = {
                    "fingerprint": spec.fingerprint,
                    "weights": spec.name,
                    "embedding_size": str(spec.embedding_size),
                }
            elif not folder.is_dir():
                raise GalleryError(f"{folder}: no gallery here; give the spec of the weights to make one")
            lock = _acquire(folder)
        try:
            gallery = cls(folder, Store(folder, readonly=mode == "r", create=create), lock)
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        if spec is not None:
            try:
                gallery.require(spec)
            except GalleryMismatchError:
                gallery.close()
                raise
        return gallery

    def require(self, spec: Spec) -> None:
        """Refuse weights other than those whose embeddings the gallery holds.

        Raises:
            GalleryMismatchError: names both.
        """
        held = self._store.meta
        if held["fingerprint"] != spec.fingerprint:
            raise GalleryMismatchError(
                f"{self.path}: holds embeddings of {held['weights']} ({held['fingerprint'][:12]}), not of {spec.name} "
                f"({spec.fingerprint[:12]}); they cannot be compared. Use those weights, or index into a new gallery"
            )

    def close(self) -> None:
        """Close the gallery and let others write."""
        self._store.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Gallery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __contains__(self, image_id: object) -> bool:
        with self._threads:
            return isinstance(image_id, str) and self._store.digest(image_id) is not None

    def __len__(self) -> int:
        """Return the number of people."""
        with self._threads:
            return self._store.counts()[1]

    @property
    def num_images(self) -> int:
        """Number of scenes, those without people included."""
        with self._threads:
            return self._store.counts()[0]

    def image_ids(self) -> list[str]:
        """Return the ids of all scenes, in the order they were added."""
        with self._threads:
            return self._store.image_ids()

    def add(
        self,
        image_id: str,
        detections: Detections,
        *,
        camera: str | None = None,
        time: float | None = None,
        extra: dict[str, Any] | None = None,
        replace: bool = False,
    ) -> bool:
        """Store a scene; when this returns it is on the disk.

        Args:
            image_id: the caller's name of the scene.
            detections: its people, possibly none.
            camera: which camera took it.
            time: seconds on the caller's clock.
            extra: anything JSON can hold; comes back with every match.
            replace: take the place of a scene of that id with other content.

        Returns:
            True if it was stored now, False if it was there already with the same content.

        Raises:
            GalleryError: the gallery is open for reading only, or a vector is not finite and unit length.
            GalleryMismatchError: a scene of that id has other content.
            GalleryFullError: the disk is full; nothing of the scene is stored.
        """
        self._writable()
        self._check(image_id, detections)
        height, width = detections.image_size
        text = json.dumps(extra or {}, sort_keys=True)
        row = ImageRow(
            image_id=image_id,
            camera=camera,
            time=time,
            width=width,
            height=height,
            extra=text,
            digest=_digest(detections, camera, time, text),
        )
        with self._threads, self._store.transaction():
            stored = self._store.digest(image_id)
            if stored == row.digest:
                return False
            if stored is not None:
                if not replace:
                    raise GalleryMismatchError(
                        f"{self.path}: image {image_id!r} is stored with other content; "
                        "give replace=True to exchange it, or another image_id"
                    )
                self._store.delete([image_id])
            self._store.insert(row, detections.boxes, detections.scores, detections.embeddings)
        return True

    def remove(self, image_ids: Iterable[str] | None = None, *, before: float | None = None) -> int:
        """Erase scenes and their people; the rows are overwritten in the file.

        Args:
            image_ids: which; unknown ones are passed over.
            before: all scenes with a time below this.

        Returns:
            How many scenes were erased.

        Raises:
            GalleryError: neither is given, or the gallery is open for reading only.
        """
        self._writable()
        if isinstance(image_ids, str):
            image_ids = [image_ids]
        if image_ids is None and before is None:
            raise GalleryError("remove() needs image_ids or before; to erase everything delete the folder")
        count = 0
        with self._threads:
            with self._store.transaction():
                if image_ids is not None:
                    count += self._store.delete(list(image_ids))
                if before is not None:
                    count += self._store.delete_before(before)
            self._store.truncate_log()
        return count

    def search(self, embedding: Floats, k: int = 10, **filters: Any) -> list[Match]:
        """Find the people most similar to one embedding. See :meth:`search_batch` for the filters.

        Args:
            embedding: (D,) unit length.
            k: matches at the most.
            **filters: cameras, since, until, exclude_images, min_similarity, one_per_image.

        Returns:
            Matches by falling similarity; equal ones by detection_id.
        """
        embedding = np.asarray(embedding, dtype=np.float32)
        if embedding.ndim != 1:
            raise GalleryError(f"embedding must be ({self.embedding_size},), got {embedding.shape}")
        return self.search_batch(embedding[None], k, **filters)[0]

    def search_batch(
        self,
        embeddings: Floats,
        k: int = 10,
        *,
        cameras: Sequence[str] | None = None,
        since: float | None = None,
        until: float | None = None,
        exclude_images: Sequence[str] | None = None,
        min_similarity: float | None = None,
        one_per_image: bool = False,
    ) -> list[list[Match]]:
        """Find the people most similar to each embedding.

        Args:
            embeddings: (Q, D) unit length.
            k: matches per query at the most.
            cameras: only scenes of these.
            since: only scenes at this time (seconds) or later.
            until: only scenes before or at this time.
            exclude_images: image_ids to leave out, e.g. the query's own.
            min_similarity: drop matches below it.
            one_per_image: keep each scene's best match only.

        Raises:
            GalleryError: an embedding has another length or is not finite and unit length.
        """
        embeddings = np.asarray(embeddings, dtype=np.float32)
        self._check_vectors(embeddings, "query")
        if k < 1:
            raise GalleryError(f"k must be at least 1, got {k}")
        with self._threads:
            self._refresh()
            allowed = self._store.matching(cameras, since, until, exclude_images)
            return [self._matches(embedding, k, allowed, min_similarity, one_per_image) for embedding in embeddings]

    def rebuild(self) -> None:
        """Throw the index away and make it anew from the database."""
        with self._threads:
            self._index = ExactIndex(self.embedding_size)
            self._indexed = (0, 0)
            self._refresh()

    def check(self) -> list[str]:
        """Examine database and index; return the problems, none when all is well."""
        with self._threads:
            problems = self._store.problems()
            if problems:
                return problems
            self._refresh()
            ids, vectors = self._store.vectors(0, self.embedding_size)
            if not np.isfinite(vectors).all():
                problems.append("some embeddings are not finite")
            if not np.array_equal(ids, self._index.ids) or not np.array_equal(vectors, self._index.vectors):
                problems.append("the index differs from the database; rebuild() mends it")
            return problems

    def _matches(
        self, embedding: Floats, k: int, allowed: Any, min_similarity: float | None, one_per_image: bool
    ) -> list[Match]:
        wanted = k
        while True:
            [(ids, similarities)] = self._index.search(embedding[None], wanted, allowed)
            people = self._store.people(ids.tolist())
            matches: list[Match] = []
            seen: set[str] = set()
            for detection_id, similarity in zip(ids.tolist(), similarities.tolist(), strict=True):
                person = people.get(detection_id)
                if person is None or (min_similarity is not None and similarity < min_similarity):
                    continue
                if one_per_image and person.image_id in seen:
                    continue
                seen.add(person.image_id)
                matches.append(Match(similarity=similarity, **vars(person)))
            if len(matches) >= k or len(ids) < wanted:
                return matches[:k]
            if min_similarity is not None and similarities[-1] < min_similarity:
                return matches
            wanted *= 4  # several people of one scene crowded others out

    def _refresh(self) -> None:
        """Bring the index up to what the database holds."""
        state = self._store.state()
        if state == self._indexed:
            return
        if state[0] != self._indexed[0]:
            self._index = ExactIndex(self.embedding_size)
            self._indexed = (state[0], 0)
        ids, vectors = self._store.vectors(self._indexed[1], self.embedding_size)
        if len(ids):
            self._index.add(ids, vectors)
        self._indexed = (state[0], int(ids[-1]) if len(ids) else self._indexed[1])

    def _writable(self) -> None:
        if self._lock is None:
            raise GalleryError(f"{self.path}: is open for reading only; open it with mode='a'")

    def _check(self, image_id: str, detections: Detections) -> None:
        if not isinstance(image_id, str) or not image_id:
            raise GalleryError(f"image_id must be a text that is not empty, got {image_id!r}")
        self._check_vectors(detections.embeddings, f"image {image_id!r}")
        for name, values in (("boxes", detections.boxes), ("scores", detections.scores)):
            if not np.isfinite(values).all():
                raise GalleryError(f"image {image_id!r}: {name} must be finite")

    def _check_vectors(self, vectors: Floats, name: str) -> None:
        if vectors.ndim != 2 or vectors.shape[1] != self.embedding_size:
            raise GalleryError(f"{name}: embeddings must be (N, {self.embedding_size}), got {vectors.shape}")
        if not np.isfinite(vectors).all():
            raise GalleryError(f"{name}: embeddings must be finite")
        if len(vectors) and np.abs(np.linalg.norm(vectors, axis=1) - 1).max() > UNIT_TOLERANCE:
            raise GalleryError(f"{name}: embeddings must be of unit length")


def _acquire(folder: Path) -> FileLock:
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        owner = folder / OWNER
        pid = owner.read_text(encoding="ascii").strip() if owner.exists() else "unknown"
        raise GalleryLockedError(
            f"{folder}: process {pid} has it open for writing; close it there, or open it with mode='r'"
        ) from None
    (folder / OWNER).write_text(str(os.getpid()), encoding="ascii")
    return lock


def _digest(detections: Detections, camera: str | None, time: float | None, extra: str) -> bytes:
    """Identify a scene's content as it will be stored."""
    digest = hashlib.sha256(json.dumps([camera, time, extra, *detections.image_size]).encode())
    for array in (detections.boxes, detections.scores, detections.embeddings.astype(STORED)):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()
