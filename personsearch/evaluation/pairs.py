"""Pairs of people of an annotated set: who is the same person, who is not, and how similar they are.

A pair has two sides. The first is a query's box, or any labelled person where the set has no queries, embedded as
queries are. The second is a detection in another scene that was matched to an annotated person, embedded as the people
of a gallery are. So a false detection is in no pair. The calibration and the report's histogram count the same pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personsearch.boxes import mutual_best
from personsearch.datasets.dataset import Dataset
from personsearch.datasets.scene import Scene
from personsearch.evaluation.observations import Observations
from personsearch.results import Detections, Floats

Ints = NDArray[np.int64]

#: Overlap from which a detection and a person match, if each is the other's best.
IOU = 0.5
#: Detections of lower score are in no pair.
SCORE_THRESHOLD = 0.5
#: How many bins the similarities -1..1 are counted in.
BINS = 4000
#: First sides that are compared with the gallery at a time.
BLOCK = 256


@dataclass(frozen=True, eq=False, kw_only=True)
class Side:
    """The people on one side of the pairs.

    Attributes:
        embeddings: (N, D) float32.
        group: (N,) int64, who it is: 0..labelled-1, or ``labelled + n`` for a person without a label in scene n.
        scene: (N,) int64, number of the scene; -1 = a scene outside the set.
        labelled: how many labelled people the set has.
    """

    embeddings: Floats
    group: Ints
    scene: Ints
    labelled: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Pairs:
    """Some queries against the whole gallery, (B, N) each.

    Attributes:
        first: row of the first of these queries.
        similarity: float32.
        same: bool, pairs of one person.
        different: bool, pairs of two people. Pairs within a scene are neither.
    """

    first: int
    similarity: Floats
    same: NDArray[np.bool_]
    different: NDArray[np.bool_]


def sides_of(observed: Observations, dataset: Dataset, score_threshold: float = SCORE_THRESHOLD) -> tuple[Side, Side]:
    """Return the queries of a set (where it has none, each labelled person), and its matched detections.

    Raises:
        ConfigError: the observations are of another set.
    """
    numbers = {scene.image_id: number for number, scene in enumerate(dataset.scenes)}
    identities = [scene.identities[scene.identities >= 0] for scene in dataset.scenes]
    identities.append(np.array([query.identity for query in dataset.queries], np.int64))
    known = np.unique(np.concatenate(identities))

    embeddings = [np.zeros((0, observed.embedding_size), np.float32)]
    groups, scenes = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for number, scene in enumerate(dataset.scenes):
        if scene.image_id not in observed.detections:
            continue
        detections = observed.detections[scene.image_id].filter(min_score=score_threshold)
        rows, people = _matched(detections, scene)
        identity = scene.identities[people]
        embeddings.append(detections.embeddings[rows])
        groups.append(np.where(identity >= 0, np.searchsorted(known, identity), len(known) + number))
        scenes.append(np.full(len(rows), number))
    gallery = Side(
        embeddings=np.concatenate(embeddings),
        group=np.concatenate(groups),
        scene=np.concatenate(scenes),
        labelled=len(known),
    )
    if dataset.queries:
        asked, who = observed.queries(dataset), [query.identity for query in dataset.queries]
        where = [numbers.get(query.image_id, -1) for query in dataset.queries]
    else:
        asked, who, where = _labelled_people(observed, dataset)
    queries = Side(
        embeddings=asked,
        group=np.searchsorted(known, np.array(who, np.int64)),
        scene=np.array(where, np.int64),
        labelled=len(known),
    )
    return queries, gallery


def _labelled_people(observed: Observations, dataset: Dataset) -> tuple[Floats, list[int], list[int]]:
    """Return the embedding, identity and scene of every labelled person."""
    people = observed.people(dataset)
    embeddings, who, where = [np.zeros((0, observed.embedding_size), np.float32)], [], []
    for number, scene in enumerate(dataset.scenes):
        rows = np.flatnonzero((scene.identities >= 0) & ~scene.ignore)
        embeddings.append(people[scene.image_id][rows])
        who += scene.identities[rows].tolist()
        where += [number] * len(rows)
    return np.concatenate(embeddings), who, where


def _matched(detections: Detections, scene: Scene) -> tuple[Ints, Ints]:
    """Return the rows of detections, and the annotated people that they match one to one."""
    people = np.flatnonzero(~scene.ignore)
    rows, matched = mutual_best(detections.boxes, scene.boxes[people], IOU)
    return rows, people[matched]


def pair_blocks(queries: Side, gallery: Side) -> Iterator[Pairs]:
    """Yield the pairs of :data:`BLOCK` queries at a time; a query has no pairs in its own scene."""
    for first in range(0, len(queries.group), BLOCK):
        part = slice(first, first + BLOCK)
        other_scene = queries.scene[part, None] != gallery.scene[None, :]
        one_person = queries.group[part, None] == gallery.group[None, :]
        yield Pairs(
            first=first,
            similarity=queries.embeddings[part] @ gallery.embeddings.T,
            same=one_person & other_scene,
            different=~one_person & other_scene,
        )


def count_pairs(queries: Side, gallery: Side) -> tuple[Ints, Ints]:
    """Return (BINS,) how many pairs of the same person, and of different people, each similarity bin has."""
    same, different = np.zeros(BINS, np.int64), np.zeros(BINS, np.int64)
    for pairs in pair_blocks(queries, gallery):
        same += np.bincount(bin_of(pairs.similarity[pairs.same]), minlength=BINS)
        different += np.bincount(bin_of(pairs.similarity[pairs.different]), minlength=BINS)
    return same, different


def bin_of(similarity: Floats) -> Ints:
    """Return the number of the bin that each similarity falls in, of any shape."""
    return ((similarity.astype(np.float64) + 1) * (BINS / 2)).astype(np.int64).clip(0, BINS - 1)
