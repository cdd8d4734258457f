"""Tracks in the database: which stored people are views of one person who was followed, and from when to when.

A track has no row of its own. Its times are kept in each view, relative to the time of the view's scene: so they follow
when the scene is given another time, and a track is gone when its last view is erased. The table is made with the
first track, and SQLite itself erases a view together with its person, also for versions that know nothing of tracks.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from personsearch.errors import GalleryError
from personsearch.gallery.store import Store, row_sum
from personsearch.people import NewTrack
from personsearch.results import Track

#: The meta key of the last track_id that was given away.
LAST_TRACK = "last_track"

_SCHEMA = (
    """
CREATE TABLE IF NOT EXISTS track_view (
    person INTEGER PRIMARY KEY REFERENCES person (id) ON DELETE CASCADE, track INTEGER NOT NULL, rank INTEGER NOT NULL,
    views INTEGER NOT NULL, frames INTEGER NOT NULL, before REAL, after REAL, checksum INTEGER NOT NULL)
""",
    "CREATE INDEX IF NOT EXISTS view_of_track ON track_view (track, rank)",
    f"INSERT OR IGNORE INTO meta VALUES ('{LAST_TRACK}', '0')",
)
COLUMNS = "track_view.person, track_view.track, rank, views, frames, before, after, track_view.checksum"


@dataclass(frozen=True)
class ViewRow:
    """A view of a track as stored.

    Attributes:
        person: detection_id.
        track: track_id.
        rank: 0 = the best view.
        views: how many views the track was stored with.
        frames: how many frames of the track the view stands for.
        before: seconds from the track's first frame to the view's scene; None = unknown.
        after: seconds from the view's scene to the track's last frame.
        checksum: as read; None in a row yet to be written.
    """

    person: int
    track: int
    rank: int
    views: int
    frames: int
    before: float | None
    after: float | None
    checksum: int | None = None

    def values(self) -> tuple[object, ...]:
        """Return the values to insert."""
        return *self._content(), row_sum(self._content())

    @property
    def intact(self) -> bool:
        """Whether the row is as it was written."""
        return self.checksum == row_sum(self._content())

    def _content(self) -> tuple[object, ...]:
        return self.person, self.track, self.rank, self.views, self.frames, self.before, self.after


def check_tracks(tracks: Sequence[NewTrack], people: Mapping[str, int]) -> None:
    """Refuse tracks that cannot be stored.

    Args:
        tracks: to be stored together with scenes.
        people: image_id of each of these scenes -> how many people it has.

    Raises:
        GalleryError: a track has no view, a view is in none of the scenes or of nobody there, somebody is in two
            tracks or in none, or a number is not possible.
    """
    seen: set[tuple[str, int]] = set()
    for number, track in enumerate(tracks):
        if not track.views:
            raise GalleryError(f"track {number}: has no view; a track is stored by its views")
        if (track.first is None) != (track.last is None):
            raise GalleryError(f"track {number}: give both first and last, or neither")
        if track.first is not None and track.last is not None and not track.first <= track.last:
            raise GalleryError(f"track {number}: must not end ({track.last}) before it begins ({track.first})")
        for view in track.views:
            if not 0 <= view.row < people.get(view.image_id, 0) or view.frames < 1:
                raise GalleryError(
                    f"track {number}: a view is person {view.row} of {view.image_id!r} and stands for {view.frames} "
                    "frames; it must be one of the people of the scenes given with the track, and stand for at least 1"
                )
            if (view.image_id, view.row) in seen:
                raise GalleryError(f"person {view.row} of {view.image_id!r} is a view of two tracks")
            seen.add((view.image_id, view.row))
    if len(seen) != sum(people.values()):
        raise GalleryError("somebody in the scenes given with tracks is a view of none of them")


def store_tracks(
    store: Store, tracks: Sequence[NewTrack], ids: Mapping[str, Sequence[int]], times: Mapping[str, float | None]
) -> None:
    """Store tracks whose scenes are stored; call inside a transaction.

    Args:
        store: the database.
        tracks: as :func:`check_tracks` passes them.
        ids: image_id -> detection_ids of the scene's people.
        times: image_id -> seconds of the scene.
    """
    if not tracks:
        return
    prepare_tracks(store)
    [[last]] = store.read("SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?", (LAST_TRACK,))
    rows = []
    for number, track in enumerate(tracks, start=last + 1):
        for rank, view in enumerate(track.views):
            time = times[view.image_id]
            known = time is not None and track.first is not None and track.last is not None
            before = round(time - track.first, 6) + 0.0 if known else None  # type: ignore[operator]
            after = round(track.last - time, 6) + 0.0 if known else None  # type: ignore[operator]
            rows.append(
                ViewRow(ids[view.image_id][view.row], number, rank, len(track.views), view.frames, before, after)
            )
    store_views(store, rows)
    keep_track_ids(store, last + len(tracks))


def store_views(store: Store, rows: Iterable[ViewRow]) -> None:
    """Store views of tracks; call inside a transaction, after :func:`prepare_tracks`."""
    for row in rows:
        store.write("INSERT INTO track_view VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row.values())


def keep_track_ids(store: Store, last: int) -> None:
    """Give no track an id up to ``last`` any more; call inside a transaction."""
    store.write("UPDATE meta SET value = ? WHERE key = ?", (str(last), LAST_TRACK))


def prepare_tracks(store: Store) -> None:
    """Make the table if it is not there; call inside a transaction."""
    for statement in _SCHEMA:
        store.write(statement)


def all_tracks(store: Store) -> list[Track]:
    """Return the tracks of a gallery, by rising track_id."""
    return _tracks(store, "")


def num_tracks(store: Store) -> int:
    """Return how many tracks there are."""
    if not store.has_table("track_view", LAST_TRACK):
        return 0
    return int(store.read("SELECT COUNT(DISTINCT track) FROM track_view")[0][0])


def find_tracks(store: Store, track_ids: Iterable[int]) -> dict[int, Track]:
    """Return the tracks among ``track_ids``; those that are gone are absent."""
    wanted = json.dumps(list(track_ids))
    found = _tracks(store, "WHERE track_view.track IN (SELECT value FROM json_each(?))", wanted)
    return {track.track_id: track for track in found}


def tracks_of(store: Store, detection_ids: Iterable[int]) -> dict[int, Track]:
    """Return the tracks of stored people by detection_id; those who belong to none are absent."""
    wanted = json.dumps(list(detection_ids))
    found = _tracks(
        store,
        "WHERE track_view.track IN (SELECT track FROM track_view WHERE person IN (SELECT value FROM json_each(?)))",
        wanted,
    )
    return {one: track for track in found for one in track.detection_ids}


def track_ids(store: Store, after: int) -> dict[int, int]:
    """Return detection_id -> track_id of the people with an id above ``after`` who belong to a track."""
    return {view.person: view.track for view in _views(store, "WHERE person > ?", after)}


def frames_of(store: Store, detection_ids: Iterable[int]) -> dict[int, int]:
    """Return for how many frames stored people stand, by detection_id: views for several, all others for one."""
    wanted = list(detection_ids)
    found = _views(store, "WHERE person IN (SELECT value FROM json_each(?))", json.dumps(wanted))
    return dict.fromkeys(wanted, 1) | {view.person: view.frames for view in found}


def views(store: Store) -> list[ViewRow]:
    """Return the views of all tracks, by rising track_id and rank."""
    return _views(store, "ORDER BY track, rank")


def _views(store: Store, where: str, *values: object) -> list[ViewRow]:
    if not store.has_table("track_view", LAST_TRACK):
        return []
    rows = [ViewRow(*row) for row in store.read(f"SELECT {COLUMNS} FROM track_view {where}", values)]
    return [_intact(store, row) for row in rows]


def _tracks(store: Store, where: str, *values: object) -> list[Track]:
    if not store.has_table("track_view", LAST_TRACK):
        return []
    rows = store.read(
        f"SELECT {COLUMNS}, image.camera, image.time FROM track_view JOIN person ON person.id = track_view.person "
        f"JOIN image ON image.id = person.image {where} ORDER BY track_view.track, rank",
        values,
    )
    found = [(_intact(store, ViewRow(*row[:-2])), *row[-2:]) for row in rows]
    tracks = {number: list(group) for number, group in groupby(found, key=lambda one: one[0].track)}
    if any(len(views) < views[0][0].views for views in tracks.values()):
        _check_all(store, {number: len(views) for number, views in tracks.items()})
    return [_track(number, views) for number, views in tracks.items()]


def _check_all(store: Store, found: Mapping[int, int]) -> None:
    """Find out whether views that are missing were erased, or cannot be found because the file is damaged.

    Args:
        store: the database.
        found: track_id -> how many views were found, by an index.
    """
    rows = [_intact(store, ViewRow(*row)) for row in store.read(f"SELECT {COLUMNS} FROM track_view NOT INDEXED")]
    there = Counter(row.track for row in rows)
    for number, count in found.items():
        if there[number] != count:
            raise store.corrupt(f"views of track {number} are missing")


def _track(number: int, rows: list[tuple[ViewRow, str | None, float | None]]) -> Track:
    firsts = [time - view.before for view, _, time in rows if time is not None and view.before is not None]
    lasts = [time + view.after for view, _, time in rows if time is not None and view.after is not None]
    return Track(
        track_id=number,
        camera=rows[0][1],
        first=min(firsts, default=None),
        last=max(lasts, default=None),
        frames=sum(view.frames for view, _, _ in rows),
        detection_ids=tuple(view.person for view, _, _ in rows),
    )


def _intact(store: Store, row: ViewRow) -> ViewRow:
    if not row.intact:
        raise store.corrupt(f"the view {row.person} of track {row.track} differs from what was stored")
    return row
