"""``Gallery``: the people of many scenes, stored durably and searched by similarity."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from personsearch.calibration import Calibration, stricter
from personsearch.errors import ConfigError, GalleryError, GalleryMismatchError
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
from personsearch.gallery.index import KINDS, IndexKind
from personsearch.gallery.people.decisions import num_individuals
from personsearch.gallery.people.people import People
from personsearch.gallery.scenes import Scenes, stored_scene
from personsearch.gallery.stores.folder import FolderStore
from personsearch.gallery.stores.opening import open_store
from personsearch.gallery.stores.protocol import Incoming, SceneStore
from personsearch.gallery.track_rows import num_tracks
from personsearch.gallery.tracks import Tracks
from personsearch.people import NewScene
from personsearch.results import Detections, Floats, GalleryInfo, Match, Sighting, Spec, StoredScene


class Gallery:
    """The people of many scenes. Open one with :meth:`open`, best in a ``with`` block.

    It is in a folder, where SQLite is the truth: a scene survives a kill and a power cut as soon as :meth:`add` has
    returned. One process writes (``mode="a"``); any number read (``mode="r"``) and see new scenes as they are
    committed. Or it is in an engine that many machines share, with the same verbs and promises and many writers
    (docs/scale.md). Threads may share one object, and any of them may close it.

    Attributes:
        name: the folder, or the engine's address.
        embedding_size: length of an embedding.
        scenes_at_once: how many scenes are worth one :meth:`add_batch`; 1 in a folder.

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

    def __init__(self, store: SceneStore) -> None:
        self.name = store.name
        self.embedding_size = store.embedding_size
        self.scenes_at_once = store.scenes_at_once
        self._calibration: Calibration | None = None
        self._store = store
        self._closed = False
        self._threads = threading.RLock()
        self._folder = store if isinstance(store, FolderStore) else None
        if self._folder is not None:
            database = self._folder.database
            self._tracks = Tracks(database, self._threads, writable=self._writable)
            self._scenes = Scenes(database, self._threads)
            self._people = People(
                database,
                self._threads,
                calibration=lambda: self._calibration,
                writable=self._writable,
                erase=self._erase,
            )

    @property
    def path(self) -> Path:
        """The gallery's folder.

        Raises:
            GalleryError: it is in no folder of this machine.
        """
        return self._in_folder("a path").database.path

    @property
    def people(self) -> People:
        """Who is whom here: grouping, names, and decisions by hand.

        Raises:
            GalleryError: the gallery is in no folder of this machine, and only there is this kept.
        """
        self._in_folder("people who were grouped")
        return self._people

    @property
    def tracks(self) -> Tracks:
        """The people who were followed through consecutive frames.

        Raises:
            GalleryError: the gallery is in no folder of this machine, and only there is this kept.
        """
        self._in_folder("tracks")
        return self._tracks

    @property
    def scenes(self) -> Scenes:
        """The scenes by time, page by page.

        Raises:
            GalleryError: the gallery is in no folder of this machine, and only there is this kept.
        """
        self._in_folder("pages of scenes by time")
        return self._scenes

    def _in_folder(self, what: str) -> FolderStore:
        if self._folder is None:
            raise GalleryError(
                f"{self.name}: only a gallery in a folder has {what}; copy what you need of it into one: "
                f"personsearch gallery copy {self.name} FOLDER"
            )
        return self._folder

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
        check_calibration(self.name, calibration, self.spec.fingerprint)
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
            path: its folder; or the address of an engine that many machines share, a string such as
                ``lance://s3://bucket/people`` or ``milvus://host:19530/people`` (docs/scale.md).
            spec: the weights whose embeddings will be added or searched for (``searcher.spec``); a new gallery needs
                one. Without it, an existing gallery opens whatever its weights.
            mode: ``"a"`` to add and search, making the gallery if there is none; ``"r"`` to search only.
            calibration: of these weights (``searcher.calibration``); searches then fill each match's probability and
                accept ``max_false_match_rate``.
            wait: seconds to wait for another writer of a folder to finish (``mode="a"``). Programs that write to one
                gallery for hours take turns by opening it for each piece of work. Engines have many writers.

        Raises:
            ValueError: the mode is neither, or ``wait`` is below 0.
            GalleryError: there is no gallery and no spec to make one, or the folder cannot be written to, or the
                engine cannot be reached.
            MissingExtraError: the package that speaks with the engine is not installed.
            GalleryMismatchError: it holds embeddings of other weights, or the calibration belongs to others.
            GalleryLockedError: another process has it open for writing (``mode="a"``), and did for all of ``wait``.
            GalleryCorruptError: the database is damaged.
        """
        if mode not in ("a", "r"):
            raise ValueError(f"mode must be 'a' or 'r', got {mode!r}")
        if not wait >= 0:
            raise ValueError(f"wait must be at least 0 seconds, got {wait}")
        gallery = cls(open_store(path, write=mode == "a", spec=spec, wait=wait))
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
        check_spec(self.name, self.spec, spec)

    def close(self, *, cache: bool = True) -> None:
        """Close the gallery and let others write. The writer leaves a cache of the index, which makes opening quick.

        Args:
            cache: False = leave none, for who opens a gallery every few seconds to add a little: where a cache is due,
                making it reads the whole gallery.
        """
        self._close(save=cache)

    def _close(self, *, save: bool) -> None:
        with self._threads:
            if not self._closed:
                self._closed = True
                self._store.close(save=save)

    def __enter__(self) -> Gallery:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._close(save=kind is None)  # on Ctrl-C, be quick

    def __contains__(self, image_id: object) -> bool:
        with self._threads:
            return isinstance(image_id, str) and image_id in self._store.stored([image_id])

    def __len__(self) -> int:
        """Return the number of people."""
        with self._threads:
            return self._store.counts()[1]

    @property
    def num_images(self) -> int:
        """Number of scenes, including those without people."""
        with self._threads:
            return self._store.counts()[0]

    def image_ids(self, prefix: str = "") -> list[str]:
        """Return the ids of all scenes in the order they were added; with a prefix, of those that begin with it."""
        with self._threads:
            return self._store.image_ids(prefix)

    def scene(self, image_id: str) -> StoredScene | None:
        """Return what is stored of a scene; None where none has this id."""
        return self.stored([image_id]).get(image_id)

    def stored(self, image_ids: Iterable[str]) -> dict[str, StoredScene]:
        """Return what is stored of many scenes by image_id, in one go; those that are not there are absent.

        Example:
            >>> gallery.add("a.jpg", detections, camera="door")
            True
            >>> [(name, scene.camera) for name, scene in gallery.stored(["a.jpg", "none.jpg"]).items()]
            [('a.jpg', 'door')]
        """
        with self._threads:
            return {name: stored_scene(row) for name, row in self._store.stored(list(image_ids)).items()}

    def everything(self) -> Iterator[NewScene]:
        """Yield all scenes with their people exactly as they are stored: embeddings (N, D) in half precision's steps.

        Of a folder in the order they were added, of an engine in any order. What others add or erase meanwhile may or
        may not be among them.

        Example:
            >>> gallery.add("a.jpg", detections, time=5.0)
            True
            >>> ("a.jpg", 5.0) in [(scene.image_id, scene.time) for scene in gallery.everything()]
            True
        """
        scenes = self._store.everything()
        while True:
            with self._threads:
                scene = next(scenes, None)
            if scene is None:
                return
            row = stored_scene(scene.row)
            yield NewScene(
                image_id=row.image_id,
                detections=scene.detections,
                camera=row.camera,
                time=row.time,
                extra=row.extra,
            )

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
        scene = NewScene(image_id=image_id, detections=detections, camera=camera, time=time, extra=extra or {})
        [stored] = self.add_batch([scene], replace=replace)
        return stored

    def add_batch(self, scenes: Sequence[NewScene], *, replace: bool = False) -> list[bool]:
        """Store several scenes; when this returns, they are on the disk.

        Engines that many machines share are much quicker with some hundreds at a time than one by one.

        Args:
            scenes: each with an image_id of its own.
            replace: let them replace scenes of the same ids with other content.

        Returns:
            Of each scene, True if it was stored now, False if it was stored already with the same content.

        Raises:
            GalleryError: the gallery is open for reading only, or a scene cannot be stored; none is then.
            GalleryMismatchError: a scene of one of the ids has other content. The other scenes are stored.
            GalleryFullError: the disk is full; nothing of the scenes is stored.

        Example:
            >>> from personsearch.people import NewScene
            >>> scenes = [NewScene(image_id=name, detections=detections, camera="door") for name in ("a.jpg", "b.jpg")]
            >>> gallery.add_batch(scenes), gallery.add_batch(scenes)
            ([True, True], [False, False])
        """
        self._writable()
        incoming = [Incoming(scene_row(scene, self.embedding_size), scene.detections) for scene in scenes]
        names = [scene.image_id for scene in scenes]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise GalleryError(
                f"image_id {twice!r} is given twice; scenes that are stored together need ids of their own"
            )
        with self._threads:
            outcomes = self._store.put(incoming, replace=replace)
            for scene, outcome in zip(incoming, outcomes, strict=True):
                if outcome == "differs":
                    raise GalleryMismatchError(
                        f"{self.name}: image {scene.row.image_id!r} is stored with other content; "
                        "give replace=True to replace it, or use another image_id. "
                        f"{self._both(scene)}"
                    )
        return [outcome == "stored" for outcome in outcomes]

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
        with self._threads:
            found = self._store.sightings(detection_ids)
        check_there(self.name, detection_ids, found)
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
        with self._threads:
            changed = self._store.relabel(image_id, camera, time)
        if changed is None:
            raise GalleryError(f"{self.name}: no image {image_id!r} is stored here")
        return changed

    def note(self, prefix: str, content: bytes) -> None:
        """Keep something about the scenes whose image_ids are a prefix and a number; it replaces what was kept before.

        It is erased together with the first of these scenes that is erased or replaced. It only spares work to whoever
        indexes again: engines that many machines share keep none.

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
        with self._threads:
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
        with self._threads:
            return self._store.remove(list(image_ids or ()), before)

    def _erase(self, erase: Callable[[], int]) -> int:
        with self._threads:
            return self._in_folder("people who were grouped").erase(erase)

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
        with self._threads, self._store.candidates(wanted) as candidates:
            queries = searching.target(candidates, queries, wanted, combine, like)
            [matches] = searching.find(candidates, [queries], wanted)
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
        with self._threads, self._store.candidates(wanted) as candidates:
            matches = searching.find(candidates, [one[None] for one in embeddings], wanted)
        calibration = self._calibration
        return matches if calibration is None else [calibration.fill(ranking) for ranking in matches]

    def embedding(self, detection_id: int) -> Floats:
        """Return the embedding (D,) float32 of a stored person, to search for similar people without a network.

        Raises:
            GalleryError: nobody has this id.
        """
        with self._threads:
            found = self._store.embeddings([detection_id])
        check_there(self.name, [detection_id], found)
        return found[detection_id]

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
            return self._store.rebuild(index)

    def info(self) -> GalleryInfo:
        """Return what the gallery holds and how it is searched."""
        with self._threads:
            index, (images, people), (cameras, timed) = (
                self._store.describe(),
                self._store.counts(),
                self._store.labels(),
            )
            tracks = persons = 0
            if self._folder is not None:
                tracks, persons = num_tracks(self._folder.database), num_individuals(self._folder.database)
        return GalleryInfo(
            images=images,
            people=people,
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
        with self._threads:
            return self._store.check()

    def _both(self, given: Incoming) -> str:
        """Say what is stored of a scene and what was given, for a message that the two differ."""
        name = given.row.image_id
        stored = self._store.scenes([name]).get(name)
        if stored is None:
            return ""
        return (
            f"Stored: {stored.row.describe(len(stored.detections))}; given: {given.row.describe(len(given.detections))}"
        )

    def _writable(self) -> None:
        if self._closed:
            raise GalleryError(f"{self.name}: the gallery is closed; open it again")
        if not self._store.writable:
            raise GalleryError(f"{self.name}: the gallery is open for reading only; open it with mode='a'")
