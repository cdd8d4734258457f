"""What both steps of STL do with an annotated set before it is cut into samples."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from personsearch.datasets import Scene, load_dataset
from personsearch.errors import DatasetError
from personsearch.train.config import DataConfig, SetConfig

logger = logging.getLogger(__name__)


class SplitScenes(NamedTuple):
    """The scenes of all sets of a recipe.

    With several sets identities are numbered through, and an image_id begins with the number of its set (``2/a.jpg``).

    Attributes:
        training: to learn from.
        held_out: of the held-out places, to validate on.
        weights: (N,) float64, of each training scene: how often an epoch shows it.
        names: identity -> the label that it has in its annotations, ``99``, or ``2/99`` in the second of several sets.
        may_skip: image_ids of scenes whose set says ``skip_bad``: they may be left out if their picture cannot be used.
    """

    training: list[Scene]
    held_out: list[Scene]
    weights: NDArray[np.float64]
    names: Mapping[int, str]
    may_skip: frozenset[str]


def split_scenes(data: DataConfig) -> SplitScenes:
    """Read the sets of a recipe and split them by place, or by who is in their scenes.

    Raises:
        DatasetError: a set cannot be used, a held-out place is not in it, so many scenes share people that no group of
            them can be held out, or nothing is left to train on.
    """
    sets = data.all_sets
    training: list[Scene] = []
    held_out: list[Scene] = []
    weights: list[float] = []
    names: dict[int, str] = {}
    may_skip: set[str] = set()
    num_identities = 0
    for number, one in enumerate(sets, start=1):
        scenes = _read_set(one, several=len(sets) > 1)
        held = _held_out(scenes, one)
        if len(sets) > 1:
            logger.info("set %d: %s: %d scenes, weight %g", number, one.annotations, len(scenes), one.weight)
            classes = number_identities(scenes)
            scenes = [_in_set(scene, number, classes, num_identities) for scene in scenes]
            names |= {num_identities + place: f"{number}/{label}" for label, place in classes.items()}
            num_identities += len(classes)
        if one.skip_bad:
            may_skip.update(scene.image_id for scene in scenes)
        kept = [scene for scene, out in zip(scenes, held, strict=True) if not out]
        training += kept
        weights += [one.weight] * len(kept)
        held_out += [scene for scene, out in zip(scenes, held, strict=True) if out]
    if not training and not held_out:
        raise DatasetError(f"{data.name}: has no images to train on")
    if not training:
        places = ", ".join(dict.fromkeys(place for one in sets for place in one.holdout_places))
        raise DatasetError(f"{data.name}: holding out {places} leaves nothing to train on; hold out fewer places")
    return SplitScenes(training, held_out, np.array(weights, dtype=np.float64), names, frozenset(may_skip))


def _read_set(data: SetConfig, *, several: bool) -> list[Scene]:
    skip_bad = bool(data.skip_bad)
    try:
        dataset = load_dataset(
            data.annotations,
            "train",
            format=data.format,
            images=data.images,
            skip_bad=skip_bad,
            check_counts=not skip_bad,
            people=data.people,
        )
    except OSError as error:  # such as a name that is too long for one
        raise DatasetError(f"{data.annotations}: cannot be read ({error}); check data.annotations") from None
    for line in dataset.accounting.lines():
        logger.info("%s: %s", dataset.name, line)
    places = {scene.place for scene in dataset.scenes}
    unknown = set(data.holdout_places) - places
    if unknown:
        known = ", ".join(sorted(place for place in places if place)) or "none"
        key = "holdout_places of this set" if several else "data.holdout_places"
        first = min((place for place in places if place), default=None)
        example = "" if first is None else f"{key}='{json.dumps([first], ensure_ascii=False)}' or "
        raise DatasetError(
            f"{data.annotations}: no place {min(unknown)!r} to hold out; places are: {known}. "
            f"Write {example}{key}='[]' to hold out none"
        )
    return list(dataset.scenes)


def _held_out(scenes: Sequence[Scene], data: SetConfig) -> list[bool]:
    """Return which scenes to validate on: those of held-out places, and groups of the others up to the share."""
    held = [scene.place in data.holdout_places for scene in scenes]
    rows = [row for row, out in enumerate(held) if not out]
    room = math.floor(data.holdout_share * len(rows))
    if not data.holdout_share:
        return held
    groups = groups_of_scenes([scenes[row] for row in rows])
    # By digest: neither the order of the annotations nor a random seed decides, so both steps hold out the same.
    groups.sort(key=lambda group: hashlib.sha256(scenes[rows[group[0]]].image_id.encode()).digest())
    taken = 0
    for group in groups:
        if taken + len(group) <= room:
            taken += len(group)
            for row in group:
                held[rows[row]] = True
    people = {int(label) for scene, out in zip(scenes, held, strict=True) if out for label in scene.identities}
    if not people - {-1}:
        largest = max(map(len, groups), default=0)
        raise DatasetError(
            f"{data.annotations}: holdout_share={data.holdout_share:g} holds out nobody with a label: scenes that show "
            f"the same people stay together, and the largest group has {largest:,} of {len(rows):,}. Raise it, or hold "
            "out places (holdout_places)"
        )
    logger.info("%s: %d of %d scenes held out, whose people are in no other", data.annotations, taken, len(rows))
    return held


def groups_of_scenes(scenes: Sequence[Scene]) -> list[list[int]]:
    """Return the groups of scenes that share labelled people, directly or by way of other scenes.

    Args:
        scenes: N of them.

    Returns:
        Every row 0..N-1 once, rising in each group; a scene without a labelled person is a group of its own.
    """
    leader = list(range(len(scenes)))

    def leader_of(row: int) -> int:
        while leader[row] != row:
            leader[row] = leader[leader[row]]
            row = leader[row]
        return row

    first: dict[int, int] = {}
    for row, scene in enumerate(scenes):
        for label in scene.identities.tolist():
            if label >= 0:
                leader[leader_of(row)] = leader_of(first.setdefault(label, row))
    groups: dict[int, list[int]] = {}
    for row in range(len(scenes)):
        groups.setdefault(leader_of(row), []).append(row)
    return list(groups.values())


def _in_set(scene: Scene, number: int, classes: dict[int, int], first: int) -> Scene:
    """Return a scene under a name and with identities that no other set has."""
    identities = [first + classes[label] if label >= 0 else label for label in scene.identities.tolist()]
    return replace(
        scene, image_id=f"{number}/{scene.image_id}", identities=np.array(identities, dtype=scene.identities.dtype)
    )


def number_identities(scenes: Sequence[Scene]) -> dict[int, int]:
    """Return label -> class index 0..C-1 over the labelled people of the scenes, by rising label."""
    labels = {int(label) for scene in scenes for label in scene.identities if label >= 0}
    return {label: number for number, label in enumerate(sorted(labels))}
