"""``Gallery``: the people of many scenes, stored durably and searched by similarity."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from filelock import FileLock

from personsearch.calibration import Calibration, stricter
from personsearch.errors import ConfigError, GalleryCorruptError, GalleryError, GalleryMismatchError
from personsearch.gallery import searching
from personsearch.gallery.catalogue import Filters
from personsearch.gallery.checks import (
    check_calibration,
    check_camera,
    check_prefix,
    check_spec,
    check_there,
    check_vectors,
    scene_row,
    seconds,
)
from personsearch.gallery.faults import damaged
from personsearch.gallery.index import KINDS, IndexKind
from personsearch.gallery.opening import open_folder
from personsearch.gallery.people.decisions import check_decisions, num_individuals
from personsearch.gallery.people.people import People
from personsearch.gallery.rows import ImageRow, stored_detections, unit
from personsearch.gallery.scenes import Scenes, stored_scene
from personsearch.gallery.sightings import sightings
from personsearch.gallery.store import Store
from personsearch.gallery.track_rows import all_tracks, num_tracks
from personsearch.gallery.tracks import Tracks
from personsearch.gallery.upkeep import Upkeep
from personsearch.gallery.view import View
from personsearch.results import Detections, Floats, GalleryInfo, Match, Sighting, Spec, StoredScene

logger = logging.getLogger(__name__)


class Gallery:
    """The people of many scenes, in a folder. Open one with :meth:`open`, best in a ``with`` block.

    SQLite is the truth: a scene survives a kill and a power cut as soon as :meth:`add` has returned. One process writes
    (``mode="a"``); any number read (``mode="r"``) and see new scenes as they are committed. Threads may share one
    object, and any of them may close it.

    Attributes:
        path: the folder.
        embedding_size: length of an embedding.

    Example:
        >>> with Gallery.open("people", searcher.spec, calibration=searcher.calibration) as gallery:
        ...     gallery.add("a.jpg", detections, camera="door", time=5.0)
        ...     gallery.add("b.jpg", detections[:2], camera="yard", time=9.0)
        True
        True
        >>> gallery = Gallery.open("people", mode="r")  # any number of readers, beside one writer
        >>> gallery.require(searcher.spec)  # refuses other weights
        >>> gallery.image_ids(), gallery.info().images
        (['a.jpg', 'b.jpg'], 2)
        >>> [match.image_id for match in gallery.search(detections.embeddings[0], k=2, since=6)]
        ['b.jpg', 'b.jpg']
        >>> [len(matches) for matches in gallery.search_batch(detections.embeddings[:3], k=1, cameras=["door"])]
        [1, 1, 1]
        >>> like_a_stored_person = gallery.search(gallery.embedding(1), k=3)
        >>> gallery.check()  # no problems
        []
        >>> gallery.close()
        >>> with Gallery.open("people") as gallery:
        ...     gallery.label("b.jpg", camera="gate")  # a scene that is stored already
        ...     gallery.scene("b.jpg").camera
        ...     gallery.remove(before=6)  # erases what is older
        ...     gallery.rebuild("exact").startswith("exact")
        True
        'gate'
        1
        True
    """

    def __init__(self, store: Store, lock: FileLock | None) -> None:
        self.path = store.path
        self.embedding_size = store.embedding_size
        self._calibration: Calibration | None = None
        self._store = store
        self._lock = lock  # None for a reader
        self._closed = False
        self._threads = threading.RLock()
        self._upkeep = Upkeep(store)
        self._view = View(store, self._upkeep)
        self._tracks = Tracks(store, self._threads, writable=self._writable)
        self._scenes = Scenes(store, self._threads)
        self._people = People(
            store,
            self._threads,
            calibration=lambda: self._calibration,
            writable=self._writable,
            erase=self._erase,
        )

    @property
    def people(self) -> People:
        """Who is whom here: grouping, names, and decisions by hand."""
        return self._people

    @property
    def tracks(self) -> Tracks:
        """The people who were followed through consecutive frames."""
        return self._tracks

    @property
    def scenes(self) -> Scenes:
        """The scenes by time, page by page."""
        return self._scenes

    @property
    def spec(self) -> Spec:
        """The weights that the gallery was made with; the revision is None if it recorded none."""
        return self._store.spec

    @property
    def calibration(self) -> Calibration | None:
        """What a similarity means here; with it, searches fill each match's probability.

        Raises:
            GalleryMismatchError: when set, it belongs to other weights than those whose embeddings are stored.
        """
        return self._calibration

    @calibration.setter
    def calibration(self, calibration: Calibration | None) -> None:
        check_calibration(str(self.path), calibration, self.spec.fingerprint)
        self._calibration = calibration

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        spec: Spec | None = None,
        *,
        mode: Literal["a", "r"] = "a",
        calibration: Calibration | None = None,
        wait: float = 0.0,
    ) -> Gallery:
        """Open a gallery.

        Args:
            path: its folder.
            spec: the weights whose embeddings will be added or searched for (``searcher.spec``); a new gallery needs
                one. Without it, an existing gallery opens whatever its weights.
            mode: ``"a"`` to add and search, making the gallery if there is none; ``"r"`` to search only.
            calibration: of these weights (``searcher.calibration``); searches then fill each match's probability and
                accept ``max_false_match_rate``.
            wait: seconds to wait for another writer to finish (``mode="a"``). Programs that write to one gallery for
                hours take turns by opening it for each piece of work.

        Raises:
            ValueError: the mode is neither, or ``wait`` is below 0.
            GalleryError: there is no gallery and no spec to make one, or the folder cannot be written to.
            GalleryMismatchError: it holds embeddings of other weights, or the calibration belongs to others.
            GalleryLockedError: another process has it open for writing (``mode="a"``), and did for all of ``wait``.
            GalleryCorruptError: the database is damaged.
        """
        if mode not in ("a", "r"):
            raise ValueError(f"mode must be 'a' or 'r', got {mode!r}")
        if not wait >= 0:
            raise ValueError(f"wait must be at least 0 seconds, got {wait}")
        gallery = cls(*open_folder(Path(path), write=mode == "a", spec=spec, wait=wait))
        try:
            if spec is not None:
                gallery.require(spec)
            gallery.calibration = calibration
        except GalleryMismatchError:
            gallery._close(save=False)
            raise
        return gallery

    def require(self, spec: Spec) -> None:
        """Refuse weights other than those whose embeddings the gallery holds.

        Raises:
            GalleryMismatchError: names both.
        """
        check_spec(str(self.path), self.spec, spec)

    def close(self, *, cache: bool = True) -> None:
        """Close the gallery and let others write. The writer leaves a cache of the index, which makes opening quick.

        Args:
            cache: False = leave none, for who opens a gallery every few seconds to add a little: where a cache is due,
                making it reads the whole gallery.
        """
        self._close(save=cache)

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
            if self._upkeep.is_due(self._store.state()):
                self._write_cache()
        except (OSError, GalleryError) as error:  # only time is lost; damage is reported when the database is used
            logger.warning("%s: the index was not cached (%s); the next opening takes longer", self.path, error)

    def _write_cache(self, kind: IndexKind | None = None) -> None:
        index = self._view.refresh()
        self._view.index = self._upkeep.save(index, self._view.catalogue.scene_of.array, kind)

    def __enter__(self) -> Gallery:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
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
        """Number of scenes, including those without people."""
        with self._threads:
            return self._store.state().images

    def image_ids(self, prefix: str = "") -> list[str]:
        """Return the ids of all scenes in the order they were added; with a prefix, of those that begin with it."""
        with self._threads:
            return self._store.image_ids(prefix)

    def scene(self, image_id: str) -> StoredScene | None:
        """Return what is stored of a scene; None where none has this id."""
        with self._threads:
            row = self._store.image(image_id)
        return None if row is None else stored_scene(row)

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
        """Store a scene; when this returns, it is on the disk.

        Args:
            image_id: the caller's name of the scene.
            detections: its people, possibly none.
            camera: the camera that took it.
            time: seconds on the caller's clock.
            extra: whatever JSON can hold; comes back with every match.
            replace: let it replace a scene of that id with other content.

        Returns:
            True if it was stored now, False if it was stored already with the same content.

        Raises:
            GalleryError: the gallery is open for reading only, or an argument cannot be stored; an embedding must be
                finite and of unit length.
            GalleryMismatchError: a scene of that id has other content.
            GalleryFullError: the disk is full; nothing of the scene is stored.
        """
        self._writable()
        row = scene_row(image_id, detections, camera=camera, time=time, extra=extra, dim=self.embedding_size)
        with self._threads, self._store.transaction():
            stored = self._store.digest(image_id)
            if stored == row.digest:
                return False
            if stored is not None:
                if not replace:
                    raise GalleryMismatchError(
                        f"{self.path}: image {image_id!r} is stored with other content; "
                        "give replace=True to replace it, or use another image_id. "
                        f"{self._both(image_id, row, len(detections))}"
                    )
                self._upkeep.drop_cache()
                self._store.delete([image_id])
            self._store.insert(row, detections.boxes, detections.scores, detections.embeddings)
        return True

    def sightings(self, detection_ids: Sequence[int]) -> list[Sighting]:
        """Return what is known of stored people: where each was seen, the track, and whom they are taken for.

        Raises:
            GalleryError: nobody has one of these ids.

        Example:
            >>> [match] = gallery.search(detections.embeddings[0], k=1)
            >>> [sighting] = gallery.sightings([match.detection_id])
            >>> sighting.image_id == match.image_id, sighting.box == match.box
            (True, True)
        """
        with self._threads, self._store.snapshot():
            found = sightings(self._store, detection_ids)
        check_there(str(self.path), detection_ids, found)
        return [found[number] for number in detection_ids]

    def label(self, image_id: str, *, camera: str | None = None, time: float | None = None) -> bool:
        """Give a stored scene another camera or time. Its people keep their detection_ids.

        Args:
            image_id: of the scene.
            camera: the camera that took it; None leaves it as it is.
            time: seconds on the caller's clock; None leaves it as it is.

        Returns:
            True if something changed, False if the scene had this camera and time already.

        Raises:
            GalleryError: no scene has this id, the camera or time cannot be stored, or the gallery is open for reading
                only.
        """
        self._writable()
        check_camera(image_id, camera)
        time = seconds(image_id, time)
        with self._threads, self._store.transaction():
            row = self._store.image(image_id)
            if row is None:
                raise GalleryError(f"{self.path}: no image {image_id!r} is stored here")
            camera, time = row.camera if camera is None else camera, row.time if time is None else time
            if (camera, time) == (row.camera, row.time):
                return False
            try:
                detections = stored_detections(row, self._store.people_of(row), self.embedding_size)
            except ValueError as error:
                raise GalleryCorruptError(damaged(self.path, str(error))) from None
            self._store.label(row.labelled(detections, camera, time))
        return True

    def note(self, prefix: str, content: bytes) -> None:
        """Keep something about the scenes whose image_ids are a prefix and a number; it replaces what was kept before.

        It is erased together with the first of these scenes that is erased or replaced.

        Args:
            prefix: ends in anything but a digit, ``.`` or ``-``; what follows in the image_ids is made of these.
            content: what to keep.

        Raises:
            GalleryError: the prefix cannot be stored or ends in a number, or the gallery is open for reading only.

        Example:
            >>> gallery.note("clip.mp4#t=", b"read to its end")
            >>> gallery.noted("clip.mp4#t=")
            b'read to its end'
        """
        self._writable()
        check_prefix(prefix)
        with self._threads, self._store.transaction():
            self._store.note(prefix, content)

    def noted(self, prefix: str) -> bytes | None:
        """Return what :meth:`note` kept about the scenes whose image_ids begin so; None = nothing.

        Example:
            >>> gallery.noted("other.mp4#t=") is None
            True
        """
        with self._threads:
            return self._store.noted(prefix)

    def remove(self, image_ids: Iterable[str] | None = None, *, before: float | None = None) -> int:
        """Erase scenes and their people, overwriting the rows in the file.

        Args:
            image_ids: the scenes to erase; unknown ids are ignored.
            before: erase all scenes with a time (seconds) below this.

        Returns:
            How many scenes were erased.

        Raises:
            GalleryError: neither is given, or the gallery is open for reading only.
        """
        self._writable()
        if isinstance(image_ids, str):
            image_ids = [image_ids]
        if image_ids is None and before is None:
            raise GalleryError("remove() needs image_ids or before; to erase everything, delete the folder")
        named = None if image_ids is None else list(image_ids)

        def erase() -> int:
            count = 0 if named is None else self._store.delete(named)
            return count if before is None else count + self._store.delete_before(before)

        return self._erase(erase)

    def _erase(self, erase: Callable[[], int]) -> int:
        """Erase in a transaction, so that afterwards it is in no file of the gallery; return how much that was."""
        with self._threads:
            with self._store.transaction():
                count = erase()
                if count:
                    self._upkeep.drop_cache()
            if count and not self._store.truncate_log():
                logger.warning(
                    "%s: a reader is still searching; the erased rows stay in the write-ahead log until the gallery is "
                    "closed after that search",
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
        exclude_tracks: Sequence[int] | None = None,
        exclude_detections: Sequence[int] | None = None,
        min_similarity: float | None = None,
        max_false_match_rate: float | None = None,
        one_per_image: bool = False,
        one_per_track: bool = False,
        per_camera: bool = False,
        combine: searching.Combine = "mean",
        like: Sequence[int] = (),
        unlike: Sequence[int] = (),
        camera_bias: float = 0.0,
        query_camera: str | None = None,
    ) -> list[Match]:
        """Find the people most similar to one person; :meth:`search_batch` describes what is not described here.

        Args:
            embedding: (D,) unit length; or (Q, D), several of one person, for instance from several pictures.
            k: matches at most.
            cameras: only scenes of these cameras.
            since: only scenes at this time (seconds) or later.
            until: only scenes at this time (seconds) or earlier.
            exclude_images: image_ids to leave out.
            exclude_tracks: track_ids to leave out.
            exclude_detections: detection_ids to leave out.
            min_similarity: drop matches below this.
            max_false_match_rate: drop matches below the similarity that this share of strangers reaches.
            one_per_image: keep only the best match of each scene.
            one_per_track: keep only the best match of each track.
            per_camera: return the k best matches of every camera.
            combine: how several embeddings become one search: by their ``"mean"``; or each match counts by the
                ``"best"`` of its similarities to them.
            like: detection_ids of matches that were confirmed: the search moves towards them.
            unlike: detection_ids of matches that were rejected: the search moves away from them, and neither they nor
                the other views of their tracks come back.
            camera_bias: how much of what a camera adds to everybody before it is taken out of the similarities, 0 to 1.
                A calibration does not hold for what is left, so that matches have no probability then.
            query_camera: the camera that took the query, if it is one of the gallery's; for ``camera_bias``.

        Returns:
            Matches by falling similarity, to what is searched for in the end; equal ones by detection_id.

        Raises:
            ConfigError: a rate is given, but there is no calibration, it has no threshold for this rate, or
                ``camera_bias`` is given too.
            GalleryError: an embedding, k or ``combine`` cannot be used; or nobody has an id in ``like`` or ``unlike``,
                or it is in both.

        Example:
            >>> first = gallery.search(detections.embeddings[:2], k=5, combine="best")
            >>> better = gallery.search(
            ...     detections.embeddings[0], k=5, like=[first[0].detection_id], unlike=[first[4].detection_id]
            ... )
            >>> first[4].detection_id in [match.detection_id for match in better]
            False
        """
        queries = np.asarray(embedding, dtype=np.float32)
        if queries.ndim not in (1, 2) or not len(queries):
            size = self.embedding_size
            raise GalleryError(f"embedding must be ({size},), or (Q, {size}) of one person, got {queries.shape}")
        queries = np.atleast_2d(queries)
        check_vectors("query", queries, self.embedding_size)
        wanted = searching.Wanted(
            k=k,
            filters=Filters(cameras=cameras, since=since, until=until, exclude_images=exclude_images),
            exclude_tracks=exclude_tracks or (),
            exclude_detections=exclude_detections or (),
            unlike=unlike,
            min_similarity=stricter(min_similarity, max_false_match_rate, self._calibration),
            one_per_image=one_per_image,
            one_per_track=one_per_track,
            per_camera=per_camera,
            camera_bias=camera_bias,
            query_camera=query_camera,
        )
        if camera_bias and max_false_match_rate is not None:
            raise ConfigError("a calibration does not hold with camera_bias; give min_similarity in place of the rate")
        with self._threads, self._store.snapshot():
            queries = searching.target(self._view, self._store, queries, wanted, combine, like)
            [matches] = searching.find(self._view, self._store, [queries], wanted)
        return matches if self._calibration is None or camera_bias else self._calibration.fill(matches)

    def search_batch(
        self,
        embeddings: Floats,
        k: int = 10,
        *,
        cameras: Sequence[str] | None = None,
        since: float | None = None,
        until: float | None = None,
        exclude_images: Sequence[str] | None = None,
        exclude_tracks: Sequence[int] | None = None,
        min_similarity: float | None = None,
        max_false_match_rate: float | None = None,
        one_per_image: bool = False,
        one_per_track: bool = False,
        per_camera: bool = False,
    ) -> list[list[Match]]:
        """Find the people most similar to each embedding.

        Args:
            embeddings: (Q, D) unit length, each of another person.
            k: matches per query at most.
            cameras: only scenes of these cameras.
            since: only scenes at this time (seconds) or later.
            until: only scenes at this time (seconds) or earlier.
            exclude_images: image_ids to leave out, e.g. the query's own.
            exclude_tracks: track_ids to leave out.
            min_similarity: drop matches below this.
            max_false_match_rate: drop matches below the similarity that this share of the pairs of different people
                reaches; needs a calibration.
            one_per_image: keep only the best match of each scene.
            one_per_track: keep only the best match of each track; a person who belongs to none counts alone.
            per_camera: return the k best matches of every camera, ordered by similarity all together; the scenes of
                unknown cameras count as one camera.

        Returns:
            For each query its matches by falling similarity, equal ones by detection_id; with their probability if
            the gallery has a calibration.

        Raises:
            ConfigError: a rate is given, but there is no calibration or it has no threshold for this rate.
            GalleryError: an embedding has another length, or is not finite and of unit length; or k is below 1.
        """
        embeddings = np.asarray(embeddings, dtype=np.float32)
        check_vectors("query", embeddings, self.embedding_size)
        wanted = searching.Wanted(
            k=k,
            filters=Filters(cameras=cameras, since=since, until=until, exclude_images=exclude_images),
            exclude_tracks=exclude_tracks or (),
            min_similarity=stricter(min_similarity, max_false_match_rate, self._calibration),
            one_per_image=one_per_image,
            one_per_track=one_per_track,
            per_camera=per_camera,
        )
        with self._threads, self._store.snapshot():
            matches = searching.find(self._view, self._store, [one[None] for one in embeddings], wanted)
        calibration = self._calibration
        return matches if calibration is None else [calibration.fill(ranking) for ranking in matches]

    def embedding(self, detection_id: int) -> Floats:
        """Return the embedding (D,) float32 of a stored person, to search for similar people without a network.

        Raises:
            GalleryError: nobody has this id.
        """
        with self._threads:
            people = self._store.find_people([detection_id])
        check_there(str(self.path), [detection_id], people)
        person, _ = people[detection_id]
        embedding: Floats = unit(self._store.vectors([person]))[0]
        return embedding

    def rebuild(self, index: IndexKind | None = None) -> str:
        """Rebuild the search index from the database; a reader loads it again.

        Args:
            index: its kind from now on, recorded in the gallery and therefore only for its writer: ``"exact"``,
                ``"ivf"`` (inverted lists: fast, but may miss somebody; needs faiss) or ``"auto"`` (exact below
                200,000 people, inverted lists from there on); None = as before.

        Returns:
            The index as it is now, in words.

        Raises:
            GalleryError: there is no such kind, it needs faiss, or the gallery is open for reading only.
        """
        if index is not None:
            self._writable()
            if index not in KINDS:
                raise GalleryError(f"index must be one of {', '.join(KINDS)}, got {index!r}")
        with self._threads:
            if self._lock is None:
                self._view = View(self._store, self._upkeep)
            else:
                self._view.start(self._upkeep.empty(self._store.state()))
                self._write_cache(index)
            return self._described()

    def info(self) -> GalleryInfo:
        """Return what the gallery holds and how it is searched."""
        with self._threads:
            index, state, (cameras, timed) = self._described(), self._store.state(), self._store.labels()
            tracks, persons = num_tracks(self._store), num_individuals(self._store)
        return GalleryInfo(
            images=state.images,
            people=state.people,
            weights=self.spec.name,
            revision=self.spec.revision,
            fingerprint=self.spec.fingerprint,
            embedding_size=self.embedding_size,
            index=index,
            cameras=cameras,
            timed=timed,
            fast_decode=self.spec.fast_decode,
            tracks=tracks,
            persons=persons,
        )

    def check(self) -> list[str]:
        """Examine every row of the database, the index and its cache.

        Returns:
            The problems; empty when all is well.
        """
        with self._threads, self._store.snapshot():
            try:
                return self._problems()
            except GalleryCorruptError as error:
                return [str(error)]

    def _problems(self) -> list[str]:
        problems = self._store.problems()
        if not problems:
            all_tracks(self._store)  # what is said of people is checked as it is read
            check_decisions(self._store)
        return problems or self._upkeep.problems(self._view.refresh())

    def _both(self, image_id: str, given: ImageRow, people: int) -> str:
        """Say what is stored of a scene and what was given, for a message that the two differ."""
        stored = self._store.image(image_id)
        if stored is None:
            return ""
        return f"Stored: {stored.describe(len(self._store.people_of(stored)))}; given: {given.describe(people)}"

    def _described(self) -> str:
        with self._store.snapshot():
            return self._view.refresh().describe()

    def _writable(self) -> None:
        if self._closed:
            raise GalleryError(f"{self.path}: the gallery is closed; open it again")
        if self._lock is None:
            raise GalleryError(f"{self.path}: the gallery is open for reading only; open it with mode='a'")
