"""What both steps of STL do with an annotated set before it is cut into samples."""

from __future__ import annotations

import json
import logging
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
    """Read the sets of a recipe and split them by place.

    Raises:
        DatasetError: a set cannot be used, a held-out place is not in it, or nothing is left to train on.
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
        if len(sets) > 1:
            logger.info("set %d: %s: %d scenes, weight %g", number, one.annotations, len(scenes), one.weight)
            classes = number_identities(scenes)
            scenes = [_in_set(scene, number, classes, num_identities) for scene in scenes]
            names |= {num_identities + place: f"{number}/{label}" for label, place in classes.items()}
            num_identities += len(classes)
        if one.skip_bad:
            may_skip.update(scene.image_id for scene in scenes)
        kept = [scene for scene in scenes if scene.place not in one.holdout_places]
        training += kept
        weights += [one.weight] * len(kept)
        held_out += [scene for scene in scenes if scene.place in one.holdout_places]
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
