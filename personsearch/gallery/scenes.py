"""``Scenes``: the scenes of a gallery in the order of their times, page by page, and how many there are when."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager

from personsearch.errors import GalleryError
from personsearch.gallery.rows import ImageRow
from personsearch.gallery.sightings import sightings
from personsearch.gallery.store import Store
from personsearch.results import Sighting, StoredScene, TimeBin


class Scenes:
    """The scenes of a gallery: ``gallery.scenes``.

    Filters are those of a search: ``cameras`` keeps scenes of these, ``since`` those at this time (seconds) or later,
    ``until`` those before or at this time. A scene without a time passes no filter by time.

    Example:
        >>> gallery.add("a.jpg", detections, camera="door", time=5.0)
        True
        >>> gallery.add("b.jpg", detections[:2], camera="door", time=9.0)
        True
        >>> [scene.image_id for scene in gallery.scenes.page(cameras=["door"], limit=1)]
        ['b.jpg']
        >>> [scene.image_id for scene in gallery.scenes.page(cameras=["door"], limit=1, after="b.jpg")]
        ['a.jpg']
        >>> [len(people) for people in gallery.scenes.people(["a.jpg", "b.jpg"])] == [len(detections), 2]
        True
        >>> gallery.scenes.span(cameras=["door"])
        (5.0, 9.0)
        >>> [(one.start, one.end, one.scenes) for one in gallery.scenes.timeline(2, cameras=["door"])]
        [(5.0, 7.0, 1), (7.0, 9.0, 1)]
    """

    def __init__(self, store: Store, threads: AbstractContextManager[object]) -> None:
        self._store = store
        self._threads = threads

    def page(
        self,
        *,
        cameras: Sequence[str] | None = None,
        since: float | None = None,
        until: float | None = None,
        after: str | None = None,
        limit: int = 50,
        newest_first: bool = True,
    ) -> list[StoredScene]:
        """Return scenes in the order of their times; those without a time come last, in the order they were added.

        Args:
            cameras: only scenes of these.
            since: only scenes at this time or later.
            until: only scenes before or at this time.
            after: image_id of the scene behind which to continue, the last of the page before.
            limit: scenes at most.
            newest_first: the latest time first, and without times what was added last.

        Raises:
            GalleryError: the scene to continue behind is not there any more.
        """
        where, values = _where(cameras, since, until)
        ahead, sense = ("<", "DESC") if newest_first else (">", "ASC")
        with self._threads, self._store.snapshot():
            if after is not None:
                place = self._store.image(after)
                if place is None:
                    raise GalleryError(
                        f"{self._store.path}: there is no scene {after!r} to continue behind; begin again without it"
                    )
                if place.time is None:
                    where.append(f"time IS NULL AND image.id {ahead} ?")
                    values.append(place.id)
                else:
                    where.append(f"(time {ahead} ? OR (time = ? AND image.id {ahead} ?) OR time IS NULL)")
                    values += [place.time, place.time, place.id]
            order = f"ORDER BY time IS NULL, time {sense}, image.id {sense} LIMIT ?"
            found = self._store.find_images(f"{_all(where)} {order}", [*values, limit])
        return [stored_scene(row) for row in found]

    def people(self, image_ids: Iterable[str]) -> list[list[Sighting]]:
        """Return the people of each scene, in the order they were stored; none for a scene that is not there."""
        wanted = list(image_ids)
        with self._threads, self._store.snapshot():
            ids = self._store.people_in(wanted)
            known = sightings(self._store, [one for people in ids.values() for one in people])
        return [[known[one] for one in ids.get(image_id, [])] for image_id in wanted]

    def span(
        self, *, cameras: Sequence[str] | None = None, since: float | None = None, until: float | None = None
    ) -> tuple[float, float] | None:
        """Return the first and the last time (seconds) of the scenes; None where none of them has a time."""
        where, values = _where(cameras, since, until)
        with self._threads:
            [(first, last)] = self._store.read(f"SELECT MIN(time), MAX(time) FROM image {_all(where)}", values)
        return None if first is None else (float(first), float(last))

    def timeline(
        self,
        bins: int,
        *,
        cameras: Sequence[str] | None = None,
        since: float | None = None,
        until: float | None = None,
    ) -> list[TimeBin]:
        """Count the scenes and people in equal stretches of time.

        Args:
            bins: how many stretches there are between the first and the last time, 1 at least.
            cameras: only scenes of these.
            since: only scenes at this time or later.
            until: only scenes before or at this time.

        Returns:
            The stretches from first to last, empty ones too; none at all where no scene has a time.

        Raises:
            ValueError: ``bins`` is below 1.
        """
        if bins < 1:
            raise ValueError(f"bins must be at least 1, got {bins}")
        where, values = _where(cameras, since, until)
        where.append("time IS NOT NULL")
        with self._threads, self._store.snapshot():
            span = self.span(cameras=cameras, since=since, until=until)
            if span is None:
                return []
            first, last = span
            width = (last - first) / bins or 1.0  # all at one moment: the first stretch has them
            rows = self._store.read(
                "SELECT MIN(CAST((time - ?) / ? AS INTEGER), ?) AS bin, COUNT(*), SUM(people) FROM "
                "(SELECT time, (SELECT COUNT(*) FROM person WHERE image = image.id) AS people "
                f"FROM image {_all(where)}) GROUP BY bin",
                [first, width, bins - 1, *values],
            )
        counts = {number: (scenes, people) for number, scenes, people in rows}
        edges = [first + number * (last - first) / bins for number in range(bins)] + [last]
        return [
            TimeBin(start=edges[number], end=edges[number + 1], scenes=scenes, people=people)
            for number in range(bins)
            for scenes, people in [counts.get(number, (0, 0))]
        ]


def _where(cameras: Sequence[str] | None, since: float | None, until: float | None) -> tuple[list[str], list[object]]:
    where: list[str] = []
    values: list[object] = []
    if cameras is not None:
        names = [cameras] if isinstance(cameras, str) else list(cameras)
        where.append("camera IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(names))
    for bound, sign in ((since, ">="), (until, "<=")):
        if bound is not None:
            where.append(f"time {sign} ?")
            values.append(float(bound))
    return where, values


def _all(where: Sequence[str]) -> str:
    return f"WHERE {' AND '.join(where)}" if where else ""


def stored_scene(row: ImageRow) -> StoredScene:
    """Return a row of the database as users get it."""
    return StoredScene(
        image_id=row.image_id,
        camera=row.camera,
        time=row.time,
        image_size=(row.height, row.width),
        extra=json.loads(row.extra),
    )
