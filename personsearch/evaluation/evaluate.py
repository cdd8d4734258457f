"""All figures of one set under one protocol, labelled with the protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from personsearch.datasets.dataset import Dataset
from personsearch.errors import DatasetError
from personsearch.evaluation.detection import DetectionResult, evaluate_detection
from personsearch.evaluation.observations import Observations
from personsearch.evaluation.rules import Rules, rules_of
from personsearch.evaluation.search import Ranker, SearchResult, evaluate_search
from personsearch.plain import finite_or_none
from personsearch.results import Detections, Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class Report:
    """Figures of one set under one protocol, with what produced them.

    Attributes:
        name: what was measured.
        rules: the protocol.
        weights: fingerprint of the weights; "" = unknown.
        dataset: name of the set.
        digest: ``Dataset.digest``.
        scenes: how many scenes the set has.
        queries: how many queries it has; ``search.queries`` of them count.
        detection: AP and recall.
        search: mAP and top-k; None for a set without queries.
    """

    name: str
    rules: Rules
    weights: str
    dataset: str
    digest: str
    scenes: int
    queries: int
    detection: DetectionResult
    search: SearchResult | None

    @property
    def label(self) -> str:
        """The protocol's name and hash, as they stand beside every figure."""
        return self.rules.label

    def figures(self) -> dict[str, float]:
        """Return the figures that tables show, as fractions; NaN = counted nothing."""
        return figures_of(self.detection, self.search)

    def to_dict(self) -> dict[str, Any]:
        """Return what a results file holds: figures, counts, and all that distinguishes protocols.

        It is fit for JSON: a figure that counted nothing is None.
        """
        figures: dict[str, float | None] = finite_or_none(self.figures())
        return {
            "name": self.name,
            "preset": self.rules.name,
            "hash": self.rules.hash,
            "rules": self.rules.switches,
            "weights": self.weights,
            "dataset": self.dataset,
            "digest": self.digest,
            "figures": figures,
            "scenes": self.scenes,
            "people": self.detection.people,
            "labelled_people": self.detection.labelled,
            "labelled_recall": finite_or_none(self.detection.labelled_recall),
            "detections": self.detection.detections,
            "queries": self.queries,
            "queries_counted": 0 if self.search is None else self.search.queries,
            "queries_left_out": {} if self.search is None else dict(self.search.left_out),
        }


def figures_of(detection: DetectionResult, search: SearchResult | None) -> dict[str, float]:
    """Return the figures that tables show, as fractions: AP, recall, mAP, top1, top5, top10."""
    figures = {"AP": detection.ap, "recall": detection.recall}
    if search is not None:
        figures |= {"mAP": search.mean_average_precision}
        figures |= {f"top{k}": value for k, value in search.top.items()}
    return figures


def evaluate(
    detections: Mapping[str, Detections],
    dataset: Dataset,
    preset: str | Rules = "standard",
    *,
    query_embeddings: Floats | None = None,
    ranker: Ranker | None = None,
    name: str = "",
    weights: str = "",
) -> Report:
    """Measure detection and search on a set.

    Args:
        detections: by image_id, as the network gives them, unfiltered.
        dataset: scenes and queries.
        preset: a name in ``PRESETS``, or rules.
        query_embeddings: (Q, D) unit-length embedding of each query's box; not needed for a set without queries.
        ranker: gives other similarities, for re-ranking.
        name: what is measured.
        weights: fingerprint of the weights.

    Raises:
        ConfigError: there is no such preset.
        DatasetError: detections, embeddings and set do not match.
    """
    rules = rules_of(preset) if isinstance(preset, str) else preset
    search = None
    if dataset.queries:
        if query_embeddings is None:
            raise DatasetError(f"{dataset.name}: has {len(dataset.queries)} queries; give query_embeddings")
        search = evaluate_search(detections, dataset, query_embeddings, rules, ranker=ranker)
    return Report(
        name=name,
        rules=rules,
        weights=weights,
        dataset=dataset.name,
        digest=dataset.digest,
        scenes=len(dataset.scenes),
        queries=len(dataset.queries),
        detection=evaluate_detection(detections, dataset.scenes, rules),
        search=search,
    )


def evaluate_observations(
    observed: Observations,
    dataset: Dataset,
    preset: str | Rules = "standard",
    *,
    name: str = "",
    ranker: Ranker | None = None,
) -> Report:
    """Measure what a searcher saw of a set; see :func:`evaluate`.

    Args:
        observed: what it saw.
        dataset: scenes and queries.
        preset: a name in ``PRESETS``, or rules.
        name: what is measured.
        ranker: gives other similarities, for re-ranking.

    Raises:
        ConfigError: there is no such preset, or the observations are of another set.
        DatasetError: see :func:`evaluate`.
    """
    return evaluate(
        observed.detections,
        dataset,
        preset,
        query_embeddings=observed.queries(dataset),
        ranker=ranker,
        name=name,
        weights=observed.weights,
    )


def truth_as_detections(dataset: Dataset, people: Mapping[str, Floats]) -> dict[str, Detections]:
    """Return the annotated boxes as detections of score 1: their figures are the upper bound of a perfect detector.

    Args:
        dataset: the set.
        people: by image_id, (N, D) unit-length embeddings of a scene's N boxes, ignored ones included.

    Returns:
        Detections by image_id, without ignored boxes.

    Raises:
        DatasetError: a scene's embeddings are missing, or not one per box.
    """
    detections = {}
    for scene in dataset.scenes:
        embeddings = people.get(scene.image_id)
        if embeddings is None or len(embeddings) != len(scene.boxes):
            given = "none" if embeddings is None else len(embeddings)
            raise DatasetError(
                f"{scene.image_id}: has {len(scene.boxes)} boxes; give one embedding for each, got {given}"
            )
        counts = ~scene.ignore
        detections[scene.image_id] = Detections(
            boxes=scene.boxes[counts],
            scores=np.ones(int(counts.sum()), dtype=np.float32),
            embeddings=embeddings[counts],
            image_size=(scene.height, scene.width),
            image_id=scene.image_id,
        )
    return detections
