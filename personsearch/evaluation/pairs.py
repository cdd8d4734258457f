"""Pairs of people of an annotated set: who is the same, who is not, and how similar they look.

A pair is an annotated person, embedded as a query is, and a detection of another scene that was matched to an annotated
person, embedded as a gallery's people are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personsearch.boxes import mutual_best
from personsearch.datasets.dataset import Dataset
from personsearch.datasets.scene import Scene
from personsearch.errors import ConfigError, DatasetError
from personsearch.evaluation.observations import Observations
from personsearch.results import Detections, Floats

Ints = NDArray[np.int64]

IOU = 0.5
#: Bins of the similarity, -1..1.
BINS = 4000
BLOCK = 256


@dataclass(frozen=True, eq=False, kw_only=True)
class Side:
    """People of one side of the pairs.

    Attributes:
        embeddings: (N, D).
        group: (N,) who it is, 0..labelled-1; ``labelled + n``: somebody without a label, in scene n.
        scene: (N,) number of the scene.
        labelled: number of labelled people of the set.
    """

    embeddings: Floats
    group: Ints
    scene: Ints
    labelled: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Pairs:
    """Some queries against the whole gallery: (B, N) each."""

    first: int
    similarity: Floats
    same: NDArray[np.bool_]
    different: NDArray[np.bool_]


def sides_of(observations: Observations, dataset: Dataset, score_threshold: float) -> tuple[Side, Side]:
    """Return the queries of a set (where it has none, each labelled person) and its matched detections.

    Raises:
        ConfigError: the observations are of another set.
    """
    if observations.dataset != dataset.digest:
        raise ConfigError(f"the observations are not of {dataset.name} as it is now; observe it again")
    names = {scene.image_id: number for number, scene in enumerate(dataset.scenes)}
    identities = [scene.identities[scene.identities >= 0] for scene in dataset.scenes]
    identities.append(np.array([query.identity for query in dataset.queries], np.int64))
    known = np.unique(np.concatenate(identities))

    embeddings, groups, scenes = [], [], []
    for number, scene in enumerate(dataset.scenes):
        found = observations.detections.get(scene.image_id)
        if found is None:
            continue
        found = found.filter(min_score=score_threshold)
        rows, people = _matched(found, scene)
        embeddings.append(found.embeddings[rows])
        identity = scene.identities[people]
        groups.append(np.where(identity >= 0, np.searchsorted(known, identity), len(known) + number))
        scenes.append(np.full(len(rows), number))
    dim = observations.queries.shape[1] if observations.queries.ndim == 2 else 0
    gallery = Side(
        embeddings=np.concatenate(embeddings) if embeddings else np.zeros((0, dim), np.float32),
        group=np.concatenate([np.zeros(0, np.int64), *groups]),
        scene=np.concatenate([np.zeros(0, np.int64), *scenes]),
        labelled=len(known),
    )
    if dataset.queries:
        asked, who = observations.queries, [query.identity for query in dataset.queries]
        where = [names.get(query.image_id, -1) for query in dataset.queries]
    else:
        asked, who, where = _everybody(observations, dataset)
    queries = Side(
        embeddings=asked,
        group=np.searchsorted(known, np.array(who, np.int64)),
        scene=np.array(where, np.int64),
        labelled=len(known),
    )
    return queries, gallery


def _everybody(observations: Observations, dataset: Dataset) -> tuple[Floats, list[int], list[int]]:
    """Return embedding, identity and scene of every labelled person."""
    embeddings, who, where = [np.zeros((0, 0), np.float32)], [], []
    for number, scene in enumerate(dataset.scenes):
        rows = np.flatnonzero((scene.identities >= 0) & ~scene.ignore)
        if len(rows):
            embeddings.append(observations.people[scene.image_id][rows])
            who += scene.identities[rows].tolist()
            where += [number] * len(rows)
    return np.concatenate(embeddings[1:] or embeddings), who, where


def _matched(found: Detections, scene: Scene) -> tuple[Ints, Ints]:
    """Return rows of detections and the annotated people they are, one to one."""
    people = np.flatnonzero(~scene.ignore)
    rows, matched = mutual_best(found.boxes, scene.boxes[people], IOU)
    return rows, people[matched]


def pair_blocks(queries: Side, gallery: Side) -> Iterator[Pairs]:
    """Yield the pairs of some queries after the other; a query's own scene has none."""
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


def histograms(queries: Side, gallery: Side, dataset: Dataset) -> tuple[Ints, Ints]:
    """Return (BINS,) pairs of the same person, and of different people, by similarity.

    Raises:
        DatasetError: there are none of the one or the other.
    """
    same, different = np.zeros(BINS, np.int64), np.zeros(BINS, np.int64)
    for pairs in pair_blocks(queries, gallery):
        same += np.bincount(bin_of(pairs.similarity[pairs.same]), minlength=BINS)
        different += np.bincount(bin_of(pairs.similarity[pairs.different]), minlength=BINS)
    if not same.any() or not different.any():
        lacking = "one person" if not same.any() else "different people"
        raise DatasetError(
            f"{dataset.name}: no pairs of {lacking} in different scenes were found among {len(queries.group)} queries "
            f"and {len(gallery.group)} detected people; a calibration needs people who are seen again, and others"
        )
    return same, different


def bin_of(similarity: Floats) -> Ints:
    """Return the number of the bin of each similarity."""
    return ((similarity.astype(np.float64) + 1) * (BINS / 2)).astype(np.int64).clip(0, BINS - 1)
