"""``Tracks``: the people of a gallery who were followed through consecutive frames of one camera."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from personsearch.errors import GalleryError, GalleryMismatchError
from personsearch.gallery.checks import check_prefix, scene_row
from personsearch.gallery.people.appearances import mean_embedding
from personsearch.gallery.store import Store
from personsearch.gallery.track_rows import all_tracks, check_tracks, find_tracks, num_tracks, store_tracks
from personsearch.people import NewScene, NewTrack
from personsearch.results import Floats, Track


class Tracks:
    """The tracks of a gallery: ``gallery.tracks``. ``index(..., tracks=True)`` makes them of videos.

    Example:
        >>> from personsearch.people import NewScene, NewTrack, NewView
        >>> scene = NewScene(image_id="walk.mp4#t=2.000", detections=detections[:1], camera="door", time=2.0)
        >>> view = NewView(image_id="walk.mp4#t=2.000", row=0, frames=25)
        >>> gallery.tracks.add([scene], [NewTrack(views=(view,), first=1.0, last=6.0)])
        >>> [track] = gallery.tracks.all()
        >>> track.first, track.last, track.frames, len(gallery.tracks)
        (1.0, 6.0, 25, 1)
        >>> gallery.tracks.get(track.track_id) == track
        True
        >>> gallery.tracks.embedding(track.track_id).shape
        (512,)
        >>> [sighting] = gallery.sightings(track.detection_ids)
        >>> sighting.image_id, sighting.track == track
        ('walk.mp4#t=2.000', True)
    """

    def __init__(self, store: Store, threads: AbstractContextManager[object], *, writable: Callable[[], None]) -> None:
        self._store = store
        self._threads = threads
        self._writable = writable

    def __len__(self) -> int:
        """Return how many tracks there are."""
        with self._threads:
            return num_tracks(self._store)

    def all(self) -> list[Track]:
        """Return the tracks, by rising track_id."""
        with self._threads:
            return all_tracks(self._store)

    def get(self, track_id: int) -> Track | None:
        """Return a track; None where there is none of this id."""
        with self._threads:
            return find_tracks(self._store, [track_id]).get(track_id)

    def embedding(self, track_id: int) -> Floats:
        """Return the embedding (D,) float32 of a track: the mean of its views, unit length.

        A view counts by the frames that it stands for.

        Raises:
            GalleryError: there is no track of this id.
        """
        with self._threads, self._store.snapshot():
            found = find_tracks(self._store, [track_id])
            if not found:
                raise GalleryError(f"{self._store.path}: there is no track {track_id}; tracks.all() lists them")
            return mean_embedding(self._store, found[track_id].detection_ids)

    def add(
        self, scenes: Sequence[NewScene], tracks: Sequence[NewTrack], *, note: tuple[str, bytes] | None = None
    ) -> None:
        """Store people who were followed, with the scenes that show their best views, in one transaction.

        Args:
            scenes: scenes with the people who are views of the tracks, and nobody else.
            tracks: the tracks.
            note: prefix and content, as ``Gallery.note`` takes them, to be kept together with them.

        Raises:
            GalleryError: the gallery is open for reading only, or an argument cannot be stored.
            GalleryMismatchError: a scene of such an id is stored already.
            GalleryFullError: the disk is full; nothing of the tracks is stored.
        """
        self._writable()
        rows = [scene_row(scene, self._store.embedding_size) for scene in scenes]
        check_tracks(tracks, {scene.image_id: len(scene.detections) for scene in scenes})
        if note is not None:
            check_prefix(note[0])
        with self._threads, self._store.transaction():
            ids = {}
            for scene, row in zip(scenes, rows, strict=True):
                if self._store.digest(scene.image_id) is not None:
                    raise GalleryMismatchError(
                        f"{self._store.path}: image {scene.image_id!r} is stored already; remove it before its people "
                        "are stored as tracks"
                    )
                people = scene.detections
                ids[scene.image_id] = self._store.insert(row, people.boxes, people.scores, people.embeddings)
            store_tracks(self._store, tracks, ids, {row.image_id: row.time for row in rows})
            if note is not None:
                self._store.note(*note)
