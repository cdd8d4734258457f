"""An evaluation of toy scenes whose figures can be worked out by hand: one person missed, one detection of nobody."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from personsearch import Detections
from personsearch.datasets import Dataset, Query, load_dataset
from personsearch.evaluation import evaluate_observations
from personsearch.evaluation.fit_calibration import fit_calibration
from personsearch.evaluation.gallery_sizes import gallery_curve
from personsearch.evaluation.observations import Observations
from personsearch.evaluation.open_set import open_set
from personsearch.evaluation.reid import reid_of
from personsearch.evaluation.rules import PRESETS
from personsearch.measure.run import Evaluation
from tests.support import toy_set

NAME = "toy weights"


def toy_dataset(folder: Path, num_scenes: int = 6) -> Dataset:
    """Six scenes with three people each; queries for persons 1 and 2, who are in two other scenes each."""
    data = load_dataset(toy_set(folder, num_scenes=num_scenes), split="train")
    first, second = data.scenes[0], data.scenes[1]
    queries = (
        Query(image_id=first.image_id, box=first.boxes[1], identity=1),
        Query(image_id=second.image_id, box=second.boxes[1], identity=2),
    )
    return replace(data, queries=queries)


def toy_observations(data: Dataset, noise: float = 0.0) -> Observations:
    """Detect every annotated box but scene 3's first, with its person's embedding; and one of nobody in scene 4."""
    rng = np.random.default_rng(1)
    axes = np.eye(8, dtype=np.float32)
    embeddings, detections = {}, {}
    for number, scene in enumerate(data.scenes):
        rows = axes[scene.identities] + noise * rng.normal(size=(len(scene.boxes), 8))
        rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        embeddings[scene.image_id] = rows
        boxes, scores = scene.boxes, np.linspace(0.9, 0.8, len(scene.boxes), dtype=np.float32)
        if number == 3:
            boxes, scores, rows = boxes[1:], scores[1:], rows[1:]
        if number == 4:
            boxes = np.concatenate([boxes, np.array([[140, 80, 155, 95]], np.float32)])
            scores, rows = np.append(scores, np.float32(0.6)), np.concatenate([rows, axes[5:6]])
        detections[scene.image_id] = Detections(
            boxes=boxes, scores=scores, embeddings=rows, image_size=(96, 160), image_id=scene.image_id
        )
    return Observations(
        weights="f" * 64,
        detections=detections,
        boxes={scene.image_id: scene.boxes for scene in data.scenes},
        embeddings=embeddings,
        seconds=2.0,
        computed_on="cpu float32",
    )


def toy_evaluation(data: Dataset, name: str = NAME) -> Evaluation:
    """Return an evaluation with all parts that a report can have."""
    rows = {name: toy_observations(data, 0.05), "other": toy_observations(data, 0.5)}
    rules = PRESETS["standard"]
    own = rows[name]
    return Evaluation(
        weights=name,
        dataset=data,
        observed=rows,
        reports=tuple(
            evaluate_observations(observed, data, preset, name=row)
            for preset in ("standard", "strict")
            for row, observed in rows.items()
        ),
        sizes=gallery_curve(rows, data, (3, 5), rules),
        reid=reid_of(own, data),
        coco={"AP": 0.5, "AP_small": float("nan")},
        calibration=fit_calibration(own, data),
        open_set=open_set(own.detections, data, own.queries(data), rules),
        seconds=0.25,
        date="2026-01-02T03:04:05+00:00",
    )
