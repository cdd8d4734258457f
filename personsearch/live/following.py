"""The people before one camera, followed frame by frame, and what of them can be stored."""

from __future__ import annotations

from dataclasses import dataclass, field

from PIL import Image

from personsearch.indexing.new_tracks import Seen, new_track, scenes_of
from personsearch.live.reading import Shot
from personsearch.people import NewScene, NewTrack
from personsearch.pictures.saving import jpeg_bytes
from personsearch.results import Detections
from personsearch.tracking import Followed, Follower, Frame, OpenTrack, sharpness_of

#: Seconds for which somebody who has left waits to be stored, because a frame is also one of somebody still there.
LONGEST_WAIT = 120.0
#: Seconds for which somebody may be followed; who stands there longer becomes several tracks.
LONGEST_TRACK = 600.0
#: Bytes of pictures and embeddings that may wait for people to leave.
MOST_HELD = 64 * 2**20
#: Quality of the pictures that are kept.
JPEG_QUALITY = 90


@dataclass(frozen=True, eq=False, kw_only=True)
class Piece:
    """People who have left, with the scenes that show them: what is stored at once.

    Attributes:
        scenes: that show views of the tracks, and nobody else.
        tracks: who has left.
        pictures: image_id -> JPEG of the scene, if pictures are kept.
    """

    scenes: tuple[NewScene, ...]
    tracks: tuple[NewTrack, ...]
    pictures: dict[str, bytes] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        rows = sum(scene.detections.embeddings.nbytes + 1000 for scene in self.scenes)
        return rows + sum(map(len, self.pictures.values()))


@dataclass(frozen=True, eq=False)
class _Held:
    """A frame that may become a scene."""

    seen: Seen
    picture: bytes | None


class Following:
    """Follows the people before one camera.

    A scene can be stored once only, so who has left waits as long as one of their frames may become that of somebody
    still there.

    Args:
        camera: its name.
        pictures: whether to keep the pictures of frames that may be stored.
    """

    def __init__(self, camera: str, *, pictures: bool = False) -> None:
        self._camera = camera
        self._pictures = pictures
        self._follower = Follower()
        self._held: dict[str, _Held] = {}
        self._ended: list[Followed] = []
        self._open: list[OpenTrack] = []
        self._image_size: tuple[int, int] | None = None
        self.last: float | None = None

    @property
    def in_view(self) -> list[OpenTrack]:
        """The tracks that the last frame shows, as they are now."""
        return [track for track in self._open if track.last == self.last]

    @property
    def open_numbers(self) -> set[int]:
        """The numbers of all tracks that are open."""
        return {track.number for track in self._open}

    def picture(self, image_id: str) -> bytes | None:
        """Return the JPEG of a frame that is held; None where there is none."""
        held = self._held.get(image_id)
        return None if held is None else held.picture

    def take(self, shot: Shot, detections: Detections) -> list[Piece]:
        """Take in a frame, and return who can be stored now."""
        if shot.image_id in self._held:  # a clock was set back
            return []
        pieces: list[Piece] = []
        if self._image_size not in (None, detections.image_size):  # boxes cannot be compared any more
            pieces = self.finish()
        self._image_size = detections.image_size
        frame = Frame(
            image_id=shot.image_id,
            seconds=shot.seconds,
            detections=detections,
            sharpness=sharpness_of(shot.picture, detections.boxes),
        )
        if len(detections):
            picture = jpeg_bytes(Image.fromarray(shot.picture), JPEG_QUALITY) if self._pictures else None
            self._held[shot.image_id] = _Held(Seen(self._camera, shot.seconds, shot.extra), picture)
        self._ended += self._follower.update(frame)
        self._open, self.last = self._follower.open_tracks, shot.seconds
        if self._must_end(shot.seconds):
            return pieces + self.finish()
        return pieces + self._storable()

    def finish(self) -> list[Piece]:
        """Let go of everybody, and return all that is not stored."""
        self._ended += self._follower.finish()
        self._open = []
        return self._storable()

    def _must_end(self, now: float) -> bool:
        """Whether somebody has waited or been followed for so long, or so much is held, that all are let go of."""
        return (
            any(now - track.last > LONGEST_WAIT for track in self._ended)
            or any(now - track.first > LONGEST_TRACK for track in self._open)
            or sum(4096 if one.picture is None else len(one.picture) for one in self._held.values()) > MOST_HELD
        )

    def _storable(self) -> list[Piece]:
        """Take out the tracks that share no frame with one that is open, not even through others that have ended."""
        wanted = frozenset[str]().union(*(track.image_ids for track in self._open))
        ready = []
        for group in _by_frames(self._ended):
            if not any(view.image_id in wanted for track in group for view in track.views):
                ready += group
        numbers = {track.number for track in ready}
        self._ended = [track for track in self._ended if track.number not in numbers]
        pieces = [self._piece(ready)] if ready else []
        needed = wanted.union(view.image_id for track in self._ended for view in track.views)
        self._held = {image_id: held for image_id, held in self._held.items() if image_id in needed}
        return pieces

    def _piece(self, tracks: list[Followed]) -> Piece:
        tracks = sorted(tracks, key=lambda track: (track.first, track.number))
        seen = {image_id: held.seen for image_id, held in self._held.items()}
        scenes, rows = scenes_of(tracks, seen)
        pictures = {scene.image_id: self._held[scene.image_id].picture for scene in scenes}
        return Piece(
            scenes=tuple(scenes),
            tracks=tuple(new_track(track, rows, seen) for track in tracks),
            pictures={image_id: picture for image_id, picture in pictures.items() if picture is not None},
        )


def _by_frames(tracks: list[Followed]) -> list[list[Followed]]:
    """Put together the tracks that share frames."""
    groups: list[tuple[set[str], list[Followed]]] = []
    for track in tracks:
        frames, members = {view.image_id for view in track.views}, [track]
        apart = []
        for others, theirs in groups:
            if frames.isdisjoint(others):
                apart.append((others, theirs))
            else:
                frames, members = frames | others, theirs + members
        groups = [*apart, (frames, members)]
    return [members for _, members in groups]
