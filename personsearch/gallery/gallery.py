"""``Gallery``: people of many scenes, kept durably and searched by similarity."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
from filelock import FileLock

from personsearch.calibration import Calibration, stricter
from personsearch.errors import GalleryCorruptError, GalleryError, GalleryMismatchError
from personsearch.gallery.catalogue import Filters
from personsearch.gallery.checks import check_calibration, check_scene, check_vectors, seconds
from personsearch.gallery.index import KINDS, IndexKind
from personsearch.gallery.lock import acquire_writer_lock
from personsearch.gallery.rows import ImageRow, content_digest, stored_vectors, unit
from personsearch.gallery.store import Store
from personsearch.gallery.view import View
from personsearch.results import Detections, Floats, GalleryInfo, Match, Spec

logger = logging.getLogger(__name__)


class Gallery:
    """People of many scenes in a folder. Open one with :meth:`open`, best in a ``with`` block.

    SQLite is the truth: a scene that :meth:`add` returned for survives a kill and a power cut. One process writes
    (``mode="a"``), any number read (``mode="r"``) and see new scenes as they are committed.
    """

    def __init__(self, path: Path, store: Store, lock: FileLock | None) -> None:
        self.path = path
        self._calibration: Calibration | None = None
        self._store = store
        self._lock = lock
        self._closed = False
        self._threads = threading.RLock()
        self.embedding_size = int(store.meta["embedding_size"])
        self._view = View(path, store, self.embedding_size)

    @property
    def calibration(self) -> Calibration | None:
        """What a similarity means here: fills each match's probability.

        Raises:
            GalleryMismatchError: when set, it belongs to other weights than those whose embeddings are stored.
        """
        return self._calibration

    @calibration.setter
    def calibration(self, calibration: Calibration | None) -> None:
        check_calibration(str(self.path), calibration, self._store.meta["fingerprint"])
        self._calibration = calibration

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        spec: Spec | None = None,
        *,
        mode: Literal["a", "r"] = "a",
        calibration: Calibration | None = None,
    ) -> Gallery:
        """Open a gallery.

        Args:
            path: its folder.
            spec: of the weights whose embeddings go in or are compared; a new gallery needs one. Without it an
                existing gallery is opened as it is.
            mode: ``"a"`` to add and search, made if need be; ``"r"`` to search only.
            calibration: of these weights (``searcher.calibration``); searches then fill each match's probability and
                take ``max_false_match_rate``.

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
            lock = acquire_writer_lock(folder)
        try:
            gallery = cls(folder, Store(folder, readonly=mode == "r", create=create), lock)
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        try:
            if spec is not None:
                gallery.require(spec)
            gallery.calibration = calibration
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
        """Close the gallery and let others write. The writer leaves a cache of the index, so that opening is quick."""
        self._close(save=True)

    def _close(self, *, save: bool) -> None:
        with self._threads:
            if self._closed:
                return
            self._closed = True
            try:
                if self._lock is not None and save:
                    self._save_cache()
            finally:
                self._store.close()
                if self._lock is not None:
                    self._lock.release()
                    self._lock = None

    def _save_cache(self) -> None:
        try:
            self._store.truncate_log()
            self._view.save()
        except (OSError, GalleryError) as error:  # nothing is lost but time; a damaged database is told when it is used
            logger.warning("%s: no cache of the index is left (%s); the next opening takes longer", self.path, error)

    def __enter__(self) -> Gallery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close(save=kind is None)  # on Ctrl-C, be quick

    def __contains__(self, image_id: object) -> bool:
        with self._threads:
            return isinstance(image_id, str) and self._store.digest(image_id) is not None

    def __len__(self) -> int:
        """Return the number of people."""
        with self._threads:
            return self._store.state().people

    @property
    def num_images(self) -> int:
        """Number of scenes, those without people included."""
        with self._threads:
            return self._store.state().images

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
        check_scene(image_id, detections, self.embedding_size)
        time = seconds(image_id, time)
        height, width = detections.image_size
        text = json.dumps(extra or {}, sort_keys=True)
        digest = content_digest(detections, camera, time, text)
        row = ImageRow(0, image_id, camera, time, width, height, text, digest)
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
                self._view.drop_cache()
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
                if count:
                    self._view.drop_cache()
            if count and not self._store.truncate_log():
                logger.warning(
                    "%s: a reader is still searching; the erased rows leave the write-ahead log when the gallery is "
                    "closed after it is done",
                    self.path,
                )
        return count

    def search(
        self,
        embedding: Floats,
        k: int = 10,
        *,
        cameras: Sequence[str] | None = None,
        since: float | None = None,
        until: float | None = None,
        exclude_images: Sequence[str] | None = None,
        min_similarity: float | None = None,
        max_false_match_rate: float | None = None,
        one_per_image: bool = False,
    ) -> list[Match]:
        """Find the people most similar to one embedding (D,); see :meth:`search_batch` for everything else.

        Returns:
            Matches by falling similarity; equal ones by detection_id.
        """
        embedding = np.asarray(embedding, dtype=np.float32)
        if embedding.ndim != 1:
            raise GalleryError(f"embedding must be ({self.embedding_size},), got {embedding.shape}")
        [matches] = self.search_batch(
            embedding[None],
            k,
            cameras=cameras,
            since=since,
            until=until,
            exclude_images=exclude_images,
            min_similarity=min_similarity,
            max_false_match_rate=max_false_match_rate,
            one_per_image=one_per_image,
        )
        return matches

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
        max_false_match_rate: float | None = None,
        one_per_image: bool = False,
    ) -> list[list[Match]]:
        """Find the people most similar to each embedding.

        Args:
            embeddings: (Q, D) unit length.
            k: matches per query at most.
            cameras: only scenes of these.
            since: only scenes at this time (seconds) or later.
            until: only scenes before or at this time.
            exclude_images: image_ids to leave out, e.g. the query's own.
            min_similarity: drop matches below it.
            max_false_match_rate: keep only matches as similar as at most this share of pairs of different people.
            one_per_image: keep each scene's best match only.

        Returns:
            For each query its matches by falling similarity, equal ones by detection_id; with their probability where
            the gallery has a calibration.

        Raises:
            ConfigError: a rate is given, and there is no calibration or it has no threshold for it.
            GalleryError: an embedding has another length or is not finite and unit length.
        """
        min_similarity = stricter(min_similarity, max_false_match_rate, self._calibration)
        embeddings = np.asarray(embeddings, dtype=np.float32)
        check_vectors("query", embeddings, self.embedding_size)
        if k < 1:
            raise GalleryError(f"k must be at least 1, got {k}")
        filters = Filters(cameras=cameras, since=since, until=until, exclude_images=exclude_images)
        with self._threads, self._store.snapshot():
            matches = self._view.search(embeddings, k, filters, min_similarity, one_per_image)
        return matches if self._calibration is None else [self._calibration.fill(one) for one in matches]

    def embedding(self, detection_id: int) -> Floats:
        """Return the embedding (D,) float32 of a stored person, to search for their like without a network.

        Raises:
            GalleryError: nobody has this id.
        """
        with self._threads:
            found = self._store.find_people([detection_id])
        if detection_id not in found:
            raise GalleryError(f"{self.path}: nobody has detection_id {detection_id}")
        embedding: Floats = unit(stored_vectors([found[detection_id][0].embedding], self.embedding_size))[0]
        return embedding

    def rebuild(self, index: IndexKind | None = None) -> str:
        """Make the search index anew from the database.

        Args:
            index: what it is to be from now on: ``"exact"``, ``"ivf"`` (inverted lists: fast, and may miss somebody;
                needs faiss) or ``"auto"`` (exact up to 200,000 people, inverted lists above); default as it is. Kept
                in the gallery, so for its writer only.

        Returns:
            What it is now, in words.

        Raises:
            GalleryError: there is no such kind, or it needs faiss.
        """
        if index is not None:
            self._writable()
            if index not in KINDS:
                raise GalleryError(f"index must be one of {', '.join(KINDS)}, got {index!r}")
        with self._threads:
            if self._lock is not None:
                self._view.save(force=True, kind=index)
            else:
                self._view = View(self.path, self._store, self.embedding_size)
            return self._described()

    def info(self) -> GalleryInfo:
        """Return what the gallery holds and how it is searched."""
        with self._threads:
            index = self._described()
            state, meta = self._store.state(), self._store.meta
            return GalleryInfo(
                images=state.images,
                people=state.people,
                weights=meta["weights"],
                fingerprint=meta["fingerprint"],
                embedding_size=self.embedding_size,
                index=index,
            )

    def check(self) -> list[str]:
        """Examine every row of the database, the index and its cache.

        Returns:
            The problems; none when all is well.
        """
        with self._threads, self._store.snapshot():
            try:
                return self._store.problems() or self._view.problems()
            except GalleryCorruptError as error:
                return [str(error)]

    def _described(self) -> str:
        with self._store.snapshot():
            return self._view.refresh().describe()

    def _writable(self) -> None:
        if self._lock is None:
            raise GalleryError(f"{self.path}: is open for reading only; open it with mode='a'")
