"""What is held in memory of a gallery to search it, kept up with the database."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from personsearch.errors import GalleryCorruptError
from personsearch.gallery.cameras import Correction, correction
from personsearch.gallery.catalogue import Catalogue, Filters
from personsearch.gallery.faults import damaged
from personsearch.gallery.index import Index, Mask
from personsearch.gallery.rows import unit
from personsearch.gallery.store import Store
from personsearch.gallery.upkeep import Loaded, Upkeep


class View:
    """Index and catalogue of a store. Call :meth:`refresh` inside ``store.snapshot()``; ``searching.py`` searches.

    Attributes:
        index: the embeddings of all people; None before the first refresh.
        catalogue: their scenes, in the same order.
    """

    def __init__(self, store: Store, upkeep: Upkeep) -> None:
        self._store = store
        self._upkeep = upkeep
        self.index: Index | None = None
        self.catalogue = Catalogue()
        self._deletions = 0
        self._labellings = 0
        self._correction: tuple[tuple[float, ...], Correction] | None = None

    def start(self, loaded: Loaded) -> Index:
        """Forget everything and begin with a loaded index; :meth:`refresh` adds what it lacks."""
        self.index = loaded.index
        self.catalogue = Catalogue()
        self.catalogue.scene_of.extend(loaded.scenes)
        self._deletions = loaded.deletions
        return loaded.index

    def load(self) -> Index:
        """Have an index in memory: at first the cached one, which may lack some people and hold some erased ones."""
        return self.start(self._upkeep.load(self._store.state())) if self.index is None else self.index

    def refresh(self) -> Index:
        """Bring index and catalogue up to the database.

        Returns:
            The index, which holds all people of the database.

        Raises:
            GalleryCorruptError: a row is damaged, or the rows are not as many as were stored.
        """
        state = self._store.state()
        index = self.load()
        if state.deletions != self._deletions:
            self._drop_erased(index)
            self._deletions = state.deletions
        if state.labellings != self._labellings:
            self.catalogue = self.catalogue.forget_scenes()  # which are read again, all of them
            self._labellings = state.labellings
        if state.last_image > self.catalogue.last_image:
            for scene in self._store.images(self.catalogue.last_image):
                self.catalogue.add(scene)
            for people in self._store.people(int(index.ids[-1]) if len(index.ids) else 0):
                index.add(np.array([person.id for person in people]), unit(self._store.vectors(people)))
                self.catalogue.scene_of.extend(np.array([person.image for person in people]))
        scenes, people_held = len(self.catalogue), len(index.ids)
        if (scenes, people_held) != (state.images, state.people):
            what = (
                f"{state.images} scenes with {state.people} people were stored, {scenes} with {people_held} are there"
            )
            raise GalleryCorruptError(damaged(self._store.path, what))
        return index

    def _drop_erased(self, index: Index) -> None:
        self._correction = None  # it holds them too
        wanted = np.isin(index.ids, self._store.ids("person"))
        self.catalogue.keep(self._store.ids("image"))
        if not wanted.all():
            index.keep(wanted)
            self.catalogue.scene_of.keep(wanted)

    def allowed(self, filters: Filters, excluded: Collection[int] = ()) -> Mask | None:
        """Return who (N,) is in scenes that pass the filters and not among the excluded detection_ids; None = all."""
        allowed = self.catalogue.allowed(filters)
        if not excluded or self.index is None:
            return allowed
        others = ~np.isin(self.index.ids, np.fromiter(excluded, dtype=np.int64))
        return others if allowed is None else allowed & others

    def by_camera(self, allowed: Mask | None) -> list[Mask]:
        """Return the people (N,) who are allowed, camera by camera; those of unknown cameras are one part too."""
        cameras = self.catalogue.camera_of()
        chosen = np.ones(len(cameras), dtype=bool) if allowed is None else allowed
        return [chosen & (cameras == one) for one in np.unique(cameras[chosen])]

    def corrected(self, weight: float) -> Correction:
        """Return the gallery without camera bias, computed again when the gallery has changed."""
        index = self.refresh()
        state = (weight, len(index.ids), self.catalogue.last_image, self._deletions, self._labellings)
        if self._correction is None or self._correction[0] != state:
            cameras = self.catalogue.camera_of()
            found = correction(self._store, index.ids, cameras, self.catalogue.cameras, weight)
            self._correction = state, found
        return self._correction[1]
