"""Where each query is looked for, and where its person is to be found there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personsearch.datasets.dataset import Dataset
from personsearch.datasets.scene import Query, Scene
from personsearch.errors import DatasetError
from personsearch.evaluation.rules import Rules
from personsearch.results import Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class SearchSpace:
    """The gallery of one query: M entries, in the order in which equal similarities rank.

    Attributes:
        scenes: (M,) int64, numbers of scenes of the set; one may occur twice.
        boxes: (M, 4) float32 xyxy, where the person is in that scene; NaN where not.
        junk: (M,) bool; finding the person there counts neither way.
        appearances: how often the person should be found, what recall and AP are measured by.
    """

    scenes: NDArray[np.int64]
    boxes: Floats
    junk: NDArray[np.bool_]
    appearances: int


def truth_of(scene: Scene, rules: Rules) -> tuple[Floats, NDArray[np.int64]]:
    """Return the boxes (N, 4) and identities (N,) that count of a scene, ignored ones left out.

    An identity's second and later boxes in the scene are people without a label, or deleted, as the rules say.
    """
    boxes, identities = scene.boxes[~scene.ignore], scene.identities[~scene.ignore].copy()
    _, first = np.unique(identities, return_index=True)
    repeated = identities >= 0
    repeated[first] = False
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
            raise DatasetError(f"{dataset.name}: image_ids of scenes must differ; one occurs twice")
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
            DatasetError: its list names an image that is not there, or its camera is needed and not known.
        """
        query = self._queries[number]
        scenes, boxes = self._listed(number, query) if query.gallery is not None else self._everywhere(query)
        own = self._number.get(query.image_id, -1)
        kept = np.ones(len(scenes), dtype=bool)
        if self._rules.own_image == "exclude" or (self._rules.own_image == "listed" and query.gallery is None):
            kept &= scenes != own
        junk = np.zeros(len(scenes), dtype=bool)
        if self._cameras is not None:
            if own < 0:
                raise DatasetError(
                    f"query {number}: its image {query.image_id!r} is no scene, so its camera is unknown"
                )
            same = self._cameras[scenes] == self._cameras[own]
            if self._rules.cameras == "junk":
                junk = same
            else:
                kept &= same if self._rules.cameras == "same-frames" else ~same
        scenes, boxes, junk = scenes[kept], boxes[kept], junk[kept]
        shows = ~np.isnan(boxes[:, 0])
        appearances = int((shows & ~junk).sum())
        if query.gallery is not None:
            order = self._order(scenes, shows)
            scenes, boxes, junk = scenes[order], boxes[order], junk[order]
            if self._rules.repeated_entries == "once":
                appearances = int((~np.isnan(boxes[:, 0]) & ~junk).sum())
        return SearchSpace(scenes=scenes, boxes=boxes, junk=junk, appearances=appearances)

    def _listed(self, number: int, query: Query) -> tuple[NDArray[np.int64], Floats]:
        gallery = query.gallery
        if gallery is None:
            raise ValueError("the query has no gallery list")
        try:
            scenes = np.array([self._number[name] for name in gallery.image_ids], dtype=np.int64)
        except KeyError as error:
            raise DatasetError(f"query {number} (in {query.image_id!r}): its gallery names {error}, no scene") from None
        return scenes, gallery.boxes

    def _everywhere(self, query: Query) -> tuple[NDArray[np.int64], Floats]:
        boxes = np.full((len(self._number), 4), np.nan, dtype=np.float32)
        if query.identity in self._shown:
            numbers, there = self._shown[query.identity]
            boxes[numbers] = there
        return np.arange(len(self._number)), boxes

    def _order(self, scenes: NDArray[np.int64], shows: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the entries of a list that are ranked, in order: the list's own tells where the person is."""
        order = np.lexsort((~shows, scenes))  # by scene; of a repeated one first where the person is
        if self._rules.repeated_entries != "twice":
            order = order[np.diff(scenes[order], prepend=-1) != 0]
        return np.sort(order) if self._rules.ties == "reversed" else order

    def _camera_numbers(self, dataset: Dataset) -> NDArray[np.int64]:
        numbers: dict[str, int] = {}
        for scene in dataset.scenes:
            if scene.camera is None:
                raise DatasetError(
                    f"{dataset.name}: the camera of {scene.image_id!r} is not known; rules {self._rules.name!r} need it"
                )
            numbers.setdefault(scene.camera, len(numbers))
        return np.array([numbers[str(scene.camera)] for scene in dataset.scenes], dtype=np.int64)
