"""The two-step cascade beside the one-step network: the same detections, embedded as crops by another network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from personsearch.datasets.dataset import Dataset
from personsearch.evaluation.observations import Observations
from personsearch.evaluation.rules import Rules
from personsearch.fast import FastNetwork
from personsearch.measure.cropped import CropEmbedder
from personsearch.measure.observe import embed_again
from personsearch.measure.side_by_side import Pace, Parameters, pace_of, parameters_of
from personsearch.weights.names import Folder

if TYPE_CHECKING:
    from personsearch.searcher import PersonSearcher


@dataclass(frozen=True, kw_only=True)
class TwoStep:
    """What a comparison of one step with two says beside the figures of its rows.

    Attributes:
        row: name of the cascade's row in the reports.
        bound: name of its row with the annotated boxes as detections.
        folder: weights folder of the re-identification network.
        name: of its configuration.
        fingerprint: of its weights.
        backbone: of it.
        one_step_backbone: of the person-search network that it is compared with.
        crop_size: height and width of its crops, pixels.
        lowest_score: detections from this score on were embedded as crops; no protocol that was asked for looks lower.
        parameters: of both systems.
        pace: what a picture takes in both systems.
    """

    row: str
    bound: str
    folder: str
    name: str
    fingerprint: str
    backbone: str
    one_step_backbone: str
    crop_size: tuple[int, int]
    lowest_score: float
    parameters: Parameters
    pace: Pace

    def lines(self) -> list[str]:
        """Return the comparison in sentences, without the figures of the rows."""
        height, width = self.crop_size
        lines = [
            f"{self.row}: the first row's detections and queries, cut out of the original pictures, resized to "
            f"{height}x{width} pixels and embedded by {self.folder} ({self.name}, {self.backbone})"
        ]
        if self.backbone != self.one_step_backbone:
            lines.append(
                f"the backbones differ, {self.one_step_backbone} in one step and {self.backbone} in two: more than the "
                "number of steps is compared"
            )
        return [*lines, self.parameters.text(), self.pace.text()]

    def to_dict(self) -> dict[str, Any]:
        """Return what results.json holds of it."""
        return asdict(self)


def load_embedder(folder: str | os.PathLike[str], searcher: PersonSearcher) -> CropEmbedder:
    """Load step 1's weights onto a searcher's device, on the fast path if the searcher is on it.

    Raises:
        ConfigError: the configuration has a wrong key.
        WeightsNotFoundError: the folder does not hold step 1's weights; says where they are, if that is known.
        WeightsMismatchError: the files are damaged or do not belong together.
    """
    return CropEmbedder.from_folder(folder, device=searcher.device, fast=isinstance(searcher.network, FastNetwork))


def row_name(embedder: CropEmbedder) -> str:
    """Return the name of the cascade's row, for example ``two-step (resnet18_ibn_a on 128x64 crops)``."""
    height, width = embedder.crop_size
    return f"two-step ({embedder.config.backbone} on {height}x{width} crops)"


def lowest_score_of(protocols: Sequence[Rules], dataset: Dataset) -> float:
    """Return the score below which no detection counts under any of the protocols.

    A protocol that searches for the detection nearest to a query takes it whatever its score.
    """
    listed = any(query.gallery is not None for query in dataset.queries)
    return min(
        0.0
        if rules.query_feature == "detection"
        else min(rules.search_threshold(listed=listed), rules.detection_score_threshold)
        for rules in protocols
    )


def observe_two_step(
    searcher: PersonSearcher,
    dataset: Dataset,
    observed: Observations,
    embedder: CropEmbedder,
    lowest_score: float,
    *,
    cache_dir: Path | None = None,
    progress: bool | None = None,
) -> Observations:
    """Cut out the detections that count, the annotated boxes and the queries, and embed them as crops.

    Args:
        searcher: the one-step network.
        dataset: the set.
        observed: what the one-step network saw of it; its detections are taken.
        embedder: the second step.
        lowest_score: detections below it are left out, since they count nowhere; see :func:`lowest_score_of`.
        cache_dir: see :func:`~personsearch.measure.observe.observe`.
        progress: see :func:`~personsearch.measure.observe.observe`.

    Raises:
        DatasetError: the set has no scenes, or a query's scene is not in the set.
    """
    counting = {name: people.filter(min_score=lowest_score) for name, people in observed.detections.items()}
    row = embed_again(
        searcher,
        dataset,
        replace(observed, detections=counting, weights=embedder.fingerprint),
        embedder.embed_boxes,
        mark=f"crops {embedder.fingerprint}",
        name=row_name(embedder),
        cache_dir=cache_dir,
        progress=progress,
    )
    return replace(row, computed_on=f"{embedder.device.type} float32")


def compare(
    searcher: PersonSearcher,
    dataset: Dataset,
    observed: Observations,
    embedder: CropEmbedder,
    folder: str | os.PathLike[str],
    lowest_score: float,
    *,
    own_detector: bool = True,
) -> TwoStep:
    """Count parameters and measure what a picture takes, in one step and in two.

    Args:
        searcher: the one-step network.
        dataset: pictures to measure on.
        observed: the one-step network's detections in them.
        embedder: the second step.
        folder: that it was loaded from.
        lowest_score: of the detections that both embed.
        own_detector: whether the detections are the searcher's; else nobody's time to detect is counted.
    """
    counting = {name: people.filter(min_score=lowest_score) for name, people in observed.detections.items()}
    return TwoStep(
        row=row_name(embedder),
        bound="annotated boxes as detections, two-step",
        folder=str(Folder(Path(folder).expanduser())),
        name=embedder.config.name,
        fingerprint=embedder.fingerprint,
        backbone=embedder.config.backbone,
        one_step_backbone=searcher.config.backbone,
        crop_size=embedder.crop_size,
        lowest_score=lowest_score,
        parameters=parameters_of(searcher.config, embedder.config, own_detector=own_detector),
        pace=pace_of(searcher, embedder, dataset.scenes, lowest_score, given=None if own_detector else counting),
    )
