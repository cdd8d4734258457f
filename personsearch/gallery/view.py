"""What is held in memory of a gallery to search it, kept up with the database."""

from __future__ import annotations

import json

import numpy as np

from personsearch.errors import GalleryCorruptError
from personsearch.gallery.catalogue import Catalogue, Filters
from personsearch.gallery.faults import damaged
from personsearch.gallery.index import Index
from personsearch.gallery.rows import ImageRow, PersonRow, unit
from personsearch.gallery.store import Store
from personsearch.gallery.upkeep import Loaded, Upkeep
from personsearch.results import Floats, Match

#: Candidates asked for beyond k, so that one round usually settles ties at the border.
SPARE = 8
#: Each further round asks for this many times as many candidates.
WIDEN = 4


class View:
    """Index and catalogue of a store. Call :meth:`refresh` and :meth:`search` inside ``store.snapshot()``.

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

    def start(self, loaded: Loaded) -> Index:
        """Forget everything and begin with a loaded index; :meth:`refresh` adds what it lacks."""
        self.index = loaded.index
        self.catalogue = Catalogue()
        self.catalogue.scene_of.extend(loaded.scenes)
        self._deletions = loaded.deletions
        return loaded.index

    def refresh(self) -> Index:
        """Bring index and catalogue up to the database.

        Returns:
            The index, which holds all people of the database.

        Raises:
            GalleryCorruptError: a row is damaged, or the rows are not as many as were stored.
        """
        state = self._store.state()
        index = self.start(self._upkeep.load(state)) if self.index is None else self.index
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
        wanted = np.isin(index.ids, self._store.ids("person"))
        self.catalogue.keep(self._store.ids("image"))
        if not wanted.all():
            index.keep(wanted)
            self.catalogue.scene_of.keep(wanted)

    def search(
        self, queries: Floats, k: int, filters: Filters, min_similarity: float | None, one_per_image: bool
    ) -> list[list[Match]]:
        """Return the matches of each query (Q, D) float32; see ``Gallery.search_batch``."""
        index = self.refresh()
        allowed = self.catalogue.allowed(filters)
        results: list[list[Match]] = [[] for _ in queries]
        pending = list(range(len(queries)))
        wanted = k + SPARE
        while pending:
            ids, similarities = index.search(queries[pending], wanted, allowed)
            people = self._store.find_people(np.unique(ids[ids >= 0]).tolist())
            unsettled = []
            for number, row_ids, row_similarities in zip(pending, ids, similarities, strict=True):
                candidates = row_ids[row_ids >= 0].tolist()
                matches = self._ranked(queries[number], candidates, people, min_similarity, one_per_image)
                results[number] = matches
                if len(candidates) < wanted:
                    continue  # the index has no more
                # Nobody who was not returned can be more similar than this.
                reach = float(row_similarities[-1]) + index.margin
                settled = len(matches) >= k and matches[k - 1].similarity > reach
                if not settled and (min_similarity is None or reach >= min_similarity):
                    unsettled.append(number)
            pending = unsettled
            wanted *= WIDEN
        return [matches[:k] for matches in results]

    def _ranked(
        self,
        query: Floats,
        ids: list[int],
        stored: dict[int, tuple[PersonRow, ImageRow]],
        min_similarity: float | None,
        one_per_image: bool,
    ) -> list[Match]:
        """Return the candidates that pass, with their similarity computed from the database, in order."""
        try:
            people = [stored[one] for one in ids]
        except KeyError as error:
            raise GalleryCorruptError(damaged(self._store.path, f"person {error} is missing")) from None
        # In double precision, so that the same person has the same similarity in any company.
        vectors = unit(self._store.vectors([person for person, _ in people])).astype(np.float64)
        similarities = (vectors @ query.astype(np.float64)).astype(np.float32)
        order = np.lexsort((np.array(ids), -similarities))
        matches: list[Match] = []
        seen: set[str] = set()
        for row in order.tolist():
            person, scene = people[row]
            similarity = float(similarities[row])
            if min_similarity is not None and similarity < min_similarity:
                break
            if one_per_image and scene.image_id in seen:
                continue
            seen.add(scene.image_id)
            matches.append(_match(person, scene, similarity))
        return matches


def _match(person: PersonRow, scene: ImageRow, similarity: float) -> Match:
    x1, y1, x2, y2 = person.box
    return Match(
        detection_id=person.id,
        image_id=scene.image_id,
        box=(x1, y1, x2, y2),
        similarity=similarity,
        score=person.score,
        camera=scene.camera,
        time=scene.time,
        extra=json.loads(scene.extra),
    )
