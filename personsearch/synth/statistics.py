"""Box heights, people per frame and boxes per identity: measured on sets and plans, and compared with targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from personsearch.datasets import Scene, load_dataset
from personsearch.errors import DatasetError
from personsearch.synth.plan import Job
from personsearch.synth.plan.targets import at
from personsearch.synth.plan.walks import MIN_HEIGHT, box_heights
from personsearch.synth.recipe import Recipe
from personsearch.synth.world import build_world

#: A target has this many quantiles: one every 5 %.
NUM_QUANTILES = 21
LEVELS = np.array([0.05, 0.25, 0.5, 0.75, 0.95])

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Statistics:
    """The distributions of one split.

    Attributes:
        heights: (boxes,) float64, as shares of the picture's height.
        per_frame: (frames,) float64, number of people.
        per_identity: (identities,) float64, number of boxes.
    """

    heights: Values
    per_frame: Values
    per_identity: Values


def statistics_of_plan(recipe: Recipe, jobs: Sequence[Job], split: str = "train") -> Statistics:
    """Predict the distributions of a plan without drawing it; people hidden by obstacles have no box.

    Args:
        recipe: the recipe of the plan.
        jobs: the plan.
        split: train or test.
    """
    heights: list[float] = []
    per_frame: list[int] = []
    labels: list[int] = []
    worlds = {(job.kind, job.world_seed) for job in jobs if job.split == split}
    for kind, seed in sorted(worlds):
        world = build_world(kind, seed, lighting=recipe.randomise.lighting)
        for job in jobs:
            if (job.kind, job.world_seed) != (kind, seed):
                continue
            for frame in job.frames:
                places = np.array([one.position for one in frame.appearances]).reshape(-1, 2)
                tall = box_heights(world, frame.camera, places)
                heights += tall[tall > 0].tolist()
                per_frame.append(int((tall > 0).sum()))
                labels += [one.label for one, box in zip(frame.appearances, tall, strict=True) if box > 0]
    return _statistics(heights, per_frame, labels)


def statistics_of_set(annotations: str | Path, width: int, height: int) -> Statistics:
    """Measure the distributions of a COCO-style annotation file; ignored boxes are left out.

    Args:
        annotations: for example the ``train.json`` of a finished set, or real annotations to which a recipe is fitted.
        width: width of the recipe's pictures, pixels; every picture is treated as if scaled to it.
        height: height of the recipe's pictures, pixels; box heights are shares of it.

    Raises:
        DatasetError: the file cannot be read or has no identities.
    """
    scenes = load_dataset(annotations, "train", format="coco", require_images=False).scenes
    statistics = _statistics(
        [value for scene in scenes for value in _heights(scene, width, height)],
        [int((~scene.ignore).sum()) for scene in scenes],
        [int(label) for scene in scenes for label in scene.identities[~scene.ignore]],
    )
    if not len(statistics.per_identity):
        raise DatasetError(f"{annotations}: has no box with a person_id of 0 or more, so there is nothing to fit to")
    return statistics


def people_lines(statistics: Statistics) -> list[str]:
    """Return the ``[people]`` lines of a recipe that makes sets with these distributions."""
    levels = np.linspace(0, 1, NUM_QUANTILES)
    heights = np.round(np.quantile(np.clip(statistics.heights, MIN_HEIGHT, 1), levels), 3)
    whole = [
        np.rint(np.quantile(values[values > 0], levels)) for values in (statistics.per_frame, statistics.per_identity)
    ]
    per_frame, appearances = ([int(value) for value in values] for values in whole)
    rising = [float(value) for value in np.unique(heights)] if len(set(heights)) > 1 else []
    return ["[people]", f"heights = {rising}", f"per_frame = {per_frame}", f"appearances = {appearances}"]


def comparison(recipe: Recipe, statistics: Statistics) -> dict[str, list[tuple[str, float, float | None]]]:
    """Compare distributions with the targets of a recipe.

    Args:
        recipe: supplies the targets.
        statistics: the measured distributions.

    Returns:
        For each distribution, by name, rows of level ("5 %"), result and target (None = the recipe has none). Heights
        are in pixels of the recipe's pictures.
    """
    people = recipe.people
    rows: dict[str, list[tuple[str, float, float | None]]] = {}
    for name, values, quantiles, unit in (
        ("box height, pixels", statistics.heights, people.heights, recipe.height),
        ("people per frame", statistics.per_frame, people.per_frame, 1),
        ("boxes per identity", statistics.per_identity, people.appearances, 1),
    ):
        targets = at(quantiles, LEVELS) * unit if len(quantiles) > 2 else None
        results = np.quantile(values, LEVELS) * unit if len(values) else np.full(len(LEVELS), np.nan)
        rows[name] = [
            (f"{100 * level:.0f} %", float(results[k]), None if targets is None else float(targets[k]))
            for k, level in enumerate(LEVELS)
        ]
    return rows


def _statistics(heights: Sequence[float], per_frame: Sequence[int], labels: Sequence[int]) -> Statistics:
    known = np.array([label for label in labels if label >= 0], np.int64)
    return Statistics(
        heights=np.array(heights, np.float64),
        per_frame=np.array(per_frame, np.float64),
        per_identity=np.unique(known, return_counts=True)[1].astype(np.float64),
    )


def _heights(scene: Scene, width: int, height: int) -> list[float]:
    boxes = scene.boxes[~scene.ignore]
    shares = (boxes[:, 3] - boxes[:, 1]) * (width / scene.width) / height
    return [float(value) for value in np.minimum(shares, 1)]
