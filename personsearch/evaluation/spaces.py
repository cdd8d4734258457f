"""Which scenes each query is searched for in, and where in them its person should be found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personsearch.datasets.dataset import Dataset
from personsearch.datasets.scene import GalleryList, Query, Scene
from personsearch.errors import DatasetError
from personsearch.evaluation.rules import Rules
from personsearch.results import Floats

#: Why a query's person is nowhere in its gallery.
NOWHERE = "the person is in no scene of the set"
UNLISTED = "the person is in no image of the query's list"
OWN_IMAGE = "the person is only in the query's own image"
OWN_CAMERA = "the person is only in frames of the query's camera"
OTHER_CAMERAS = "the person is only in frames of other cameras"


@dataclass(frozen=True, eq=False, kw_only=True)
class SearchSpace:
    """The gallery of one query: M entries, in the order in which equal similarities rank, and where the person is.

    Attributes:
        scenes: (M,) int64, numbers of scenes of the set; a scene may occur twice.
        junk: (M,) bool, entries where finding the person counts neither way.
        shows: (T,) int64, entries that show the person.
        boxes: (T, 4) float32 xyxy, where the person is in them.
        appearances: how often the person should be found: the denominator of recall and AP.
    """

    scenes: NDArray[np.int64]
    junk: NDArray[np.bool_]
    shows: NDArray[np.int64]
    boxes: Floats
    appearances: int

    @property
    def shown(self) -> NDArray[np.bool_]:
        """(M,) bool: which entries show the person."""
        shown = np.zeros(len(self.scenes), dtype=bool)
        shown[self.shows] = True
        return shown


def truth_of(scene: Scene, rules: Rules) -> tuple[Floats, NDArray[np.int64]]:
    """Return the boxes (N, 4) and identities (N,) of a scene that count, without the ignored ones.

    The rules say whether an identity's second and later boxes in the scene lose their label or are deleted. Readers
    have taken the label of such boxes away already, and noted which they are.
    """
    boxes, identities = scene.boxes[~scene.ignore], scene.identities[~scene.ignore].copy()
    _, first = np.unique(identities, return_index=True)
    repeated = identities >= 0
    repeated[first] = False
    if scene.repeated:
        noted = np.zeros(len(scene.boxes), dtype=bool)
        noted[[row for row, identity in scene.repeated if row < len(noted) and identity in scene.identities]] = True
        repeated |= noted[~scene.ignore] & (identities < 0)
    if rules.repeated_identity == "delete":
        return boxes[~repeated], identities[~repeated]
    identities[repeated] = -1
    return boxes, identities


class SearchSpaces:
    """The galleries of a set's queries under some rules."""

    def __init__(self, dataset: Dataset, rules: Rules) -> None:
        self._queries, self._rules = dataset.queries, rules
        self._number = {scene.image_id: number for number, scene in enumerate(dataset.scenes)}
        if len(self._number) != len(dataset.scenes):
            raise DatasetError(f"{dataset.name}: an image_id occurs twice; every scene needs one of its own")
        self._cameras = self._camera_numbers(dataset) if rules.cameras != "all" else None
        shown: dict[int, list[tuple[int, Floats]]] = {}
        for number, scene in enumerate(dataset.scenes):
            for box, identity in zip(*truth_of(scene, rules), strict=True):
                if identity >= 0:
                    shown.setdefault(int(identity), []).append((number, box))
        self._shown = {
            identity: (np.array([number for number, _ in rows]), np.stack([box for _, box in rows]))
            for identity, rows in shown.items()
        }

    def of(self, number: int) -> SearchSpace:
        """Return the gallery of a query.

        Raises:
            DatasetError: its list names an image that is not in the set, or the rules need an unknown camera.
        """
        query = self._queries[number]
        scenes, shows, boxes = self._everywhere(query) if query.gallery is None else self._listed(number, query.gallery)
        kept, junk = self._choice(number, query, scenes)
        here = kept[shows]
        shows, boxes = (np.cumsum(kept) - 1)[shows[here]], boxes[here]
        scenes, junk = scenes[kept], junk[kept]
        appearances = int((~junk[shows]).sum())
        if query.gallery is not None:
            entries, shows, boxes = self._ordered(scenes, shows, boxes)
            scenes, junk = scenes[entries], junk[entries]
            if self._rules.repeated_entries == "once":
                appearances = int((~junk[shows]).sum())
        return SearchSpace(scenes=scenes, junk=junk, shows=shows, boxes=boxes, appearances=appearances)

    def absence(self, number: int) -> str | None:
        """Return why a query's person is nowhere in its gallery; None where they are somewhere in it.

        Raises:
            DatasetError: see :meth:`of`; only the entries that show the person are looked at.
        """
        query = self._queries[number]
        if query.gallery is None:
            scenes = self._everywhere(query)[1]
        else:
            scenes = self._listed(number, _showing(query.gallery))[0]
        kept, junk = self._choice(number, query, scenes)
        if (kept & ~junk).any():
            return None
        if not len(scenes):
            return NOWHERE if query.gallery is None else UNLISTED
        own = self._number.get(query.image_id, -1)
        if self._leaves_own_image_out(query) and (scenes == own).all():
            return OWN_IMAGE
        return OTHER_CAMERAS if self._rules.cameras == "same-frames" else OWN_CAMERA

    def _listed(self, number: int, gallery: GalleryList) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
        names = gallery.image_ids
        try:
            scenes = np.fromiter(map(self._number.__getitem__, names), dtype=np.int64, count=len(names))
        except KeyError as error:
            raise DatasetError(f"query {number}: its gallery names {error}, which is not a scene of the set") from None
        shows = np.flatnonzero(~np.isnan(gallery.boxes[:, 0]))
        return scenes, shows, gallery.boxes[shows]

    def _everywhere(self, query: Query) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
        nowhere = np.zeros(0, dtype=np.int64), np.zeros((0, 4), dtype=np.float32)
        return np.arange(len(self._number)), *self._shown.get(query.identity, nowhere)

    def _choice(
        self, number: int, query: Query, scenes: NDArray[np.int64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return (M,) which entries are searched, and where finding the person counts neither way."""
        own = self._number.get(query.image_id, -1)
        kept, junk = np.ones(len(scenes), dtype=bool), np.zeros(len(scenes), dtype=bool)
        if self._leaves_own_image_out(query):
            kept &= scenes != own
        if self._cameras is not None:
            if own < 0:
                raise DatasetError(
                    f"query {number}: its image {query.image_id!r} is not a scene of the set, so its camera is unknown"
                )
            same = self._cameras[scenes] == self._cameras[own]
            if self._rules.cameras == "junk":
                junk = same
            else:
                kept &= same if self._rules.cameras == "same-frames" else ~same
        return kept, junk

    def _leaves_own_image_out(self, query: Query) -> bool:
        own = self._rules.own_image
        return own == "exclude" or (own == "listed" and query.gallery is None)

    def _ordered(
        self, scenes: NDArray[np.int64], shows: NDArray[np.int64], boxes: Floats
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
        """Return the entries of a list that are ranked, and where the person is in them.

        They go in the order of scenes, because a list's own order reveals where the person is; only presets that
        reproduce another evaluator keep it.
        """
        if self._rules.repeated_entries == "twice":
            entries, place = np.argsort(scenes, kind="stable"), np.empty(len(scenes), dtype=np.int64)
            if self._rules.ties == "reversed":
                entries = np.arange(len(scenes))
            place[entries] = np.arange(len(scenes))
            return entries, place[shows], boxes
        _, first, place = np.unique(scenes, return_index=True, return_inverse=True)
        if self._rules.repeated_entries == "count-twice":
            kept = first[place[shows]] == shows
            shows, boxes = place[shows[kept]], boxes[kept]
        else:
            _, kept = np.unique(np.column_stack([place[shows], boxes]), axis=0, return_index=True)
            shows, boxes = place[shows[kept]], boxes[kept]
        if self._rules.ties == "reversed":
            order = np.argsort(first)
            back = np.empty(len(order), dtype=np.int64)
            back[order] = np.arange(len(order))
            return first[order], back[shows], boxes
        return first, shows, boxes

    def _camera_numbers(self, dataset: Dataset) -> NDArray[np.int64]:
        numbers: dict[str, int] = {}
        for scene in dataset.scenes:
            if scene.camera is None:
                raise DatasetError(
                    f"{dataset.name}: the camera of {scene.image_id!r} is unknown, but rules {self._rules.name!r} need "
                    "it; annotate cameras, or choose another preset"
                )
            numbers.setdefault(scene.camera, len(numbers))
        return np.array([numbers[str(scene.camera)] for scene in dataset.scenes], dtype=np.int64)


def _showing(gallery: GalleryList) -> GalleryList:
    """Return the part of a list that shows the person."""
    shows = np.flatnonzero(~np.isnan(gallery.boxes[:, 0]))
    return GalleryList(image_ids=tuple(gallery.image_ids[n] for n in shows.tolist()), boxes=gallery.boxes[shows])
