"""The scene of each person and the filters over scenes, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personsearch.gallery.growing import GrowingArray
from personsearch.gallery.rows import ImageRow


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which scenes to search; see ``Gallery.search_batch``.

    Attributes:
        cameras: only scenes of these.
        since: only scenes at this time (seconds) or later.
        until: only scenes at this time or earlier.
        exclude_images: image_ids to leave out.
    """

    cameras: Sequence[str] | None = None
    since: float | None = None
    until: float | None = None
    exclude_images: Sequence[str] | None = None

    @property
    def pass_all(self) -> bool:
        """Whether every scene passes."""
        return all(value is None for value in (self.cameras, self.since, self.until)) and not self.exclude_images


class Catalogue:
    """The scenes of a gallery by rising row number, and the scene of each person.

    Attributes:
        scene_of: (N,) int64, row number of each person's scene, in the order of the index.
    """

    def __init__(self) -> None:
        self.scene_of = GrowingArray(np.int64)
        self._ids = GrowingArray(np.int64)
        self._times = GrowingArray(np.float64)
        self._cameras = GrowingArray(np.int64)
        self._camera_codes: dict[str | None, int] = {None: 0}
        self._rows: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def last_image(self) -> int:
        """Highest row number of a scene; 0 where there is none."""
        return int(self._ids.array[-1]) if len(self._ids) else 0

    def forget_scenes(self) -> Catalogue:
        """Return a catalogue of the same people that has yet to be told of their scenes."""
        catalogue = Catalogue()
        catalogue.scene_of = self.scene_of
        return catalogue

    def add(self, scene: ImageRow) -> None:
        """Add a scene with a row number above all others."""
        self._ids.extend(np.array([scene.id]))
        self._times.extend(np.array([np.nan if scene.time is None else scene.time]))
        self._cameras.extend(np.array([self._camera_codes.setdefault(scene.camera, len(self._camera_codes))]))
        self._rows[scene.image_id] = scene.id

    def keep(self, ids: NDArray[np.int64]) -> None:
        """Keep only the scenes with these row numbers."""
        wanted = np.isin(self._ids.array, ids)
        if wanted.all():
            return
        for column in (self._ids, self._times, self._cameras):
            column.keep(wanted)
        kept = set(self._ids.array.tolist())
        self._rows = {name: row for name, row in self._rows.items() if row in kept}

    def allowed(self, filters: Filters) -> NDArray[np.bool_] | None:
        """Return which people (N,) are in scenes that pass; None where all are."""
        if filters.pass_all:
            return None
        passing = np.ones(len(self._ids), dtype=bool)
        if filters.cameras is not None:
            codes = [self._camera_codes.get(name, -1) for name in names_of(filters.cameras)]
            passing &= np.isin(self._cameras.array, codes)
        # A scene without a time passes neither bound: comparisons with NaN are false.
        if filters.since is not None:
            passing &= self._times.array >= filters.since
        if filters.until is not None:
            passing &= self._times.array <= filters.until
        if filters.exclude_images is not None:
            excluded = [self._rows[name] for name in names_of(filters.exclude_images) if name in self._rows]
            passing[np.searchsorted(self._ids.array, excluded)] = False
        return np.asarray(passing[self._places()])

    @property
    def cameras(self) -> dict[str | None, int]:
        """Camera -> the number that :meth:`camera_of` gives it; 0 = unknown."""
        return self._camera_codes

    def camera_of(self) -> NDArray[np.int64]:
        """Return (N,) a number for each person's camera, the same for the same camera; 0 where it is unknown."""
        return np.asarray(self._cameras.array[self._places()])

    def _places(self) -> NDArray[np.int64]:
        """Return (N,) where each person's scene stands in the columns of scenes."""
        return np.searchsorted(self._ids.array, self.scene_of.array)


def names_of(names: Sequence[str]) -> list[str]:
    """Return names as a list; a single string counts as one name."""
    return [names] if isinstance(names, str) else list(names)
