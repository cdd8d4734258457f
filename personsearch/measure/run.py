"""Drives a searcher over an annotated set: the network looks once, then the protocols."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from personsearch.calibration import Calibration
from personsearch.datasets.dataset import Dataset
from personsearch.errors import DatasetError, MissingExtraError
from personsearch.evaluation.calibration import fit_calibration
from personsearch.evaluation.evaluate import Report, evaluate, truth_as_detections
from personsearch.evaluation.gallery_sizes import with_gallery_size
from personsearch.evaluation.observations import Observations
from personsearch.evaluation.open_set import OpenSetResult, open_set
from personsearch.evaluation.reid import ReidResult, evaluate_reid
from personsearch.evaluation.rerank import Searched, reranker_of
from personsearch.evaluation.rules import Rules, rules_of
from personsearch.evaluation.search import Ranker, evaluate_search
from personsearch.measure.observe import observe, observe_baselines
from personsearch.version import __version__

if TYPE_CHECKING:
    from personsearch.searcher import PersonSearcher

SIZES = (50, 100, 200, 500, 1000, 2000, 4000)
TRUTH = "annotated boxes as detections"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure.

    Attributes:
        presets: protocols, at least one.
        rerank: name of a re-ranking method, in a row of its own.
        baselines: rows of re-identifiers that learnt nothing, on the same detections.
        truth: a row of the annotated boxes as detections: the upper bound for a perfect detector.
        reid: also people's crops ranked as re-identification does, without any detector.
        coco: also COCO's average precision of the detections.
        gallery_sizes: numbers of images to search each query in, as well as the whole gallery.
        calibrate: also what a similarity means.
        open_set: also queries whose person is not in the gallery.
    """

    presets: tuple[str, ...] = ("standard",)
    rerank: str | None = None
    baselines: bool = False
    truth: bool = False
    reid: bool = False
    coco: bool = False
    gallery_sizes: tuple[int, ...] = ()
    calibrate: bool = False
    open_set: bool = False


@dataclass(frozen=True, kw_only=True)
class SizePoint:
    """Figures of one row where each query is looked for in so many images."""

    name: str
    size: int
    mean_average_precision: float
    top1: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation:
    """All that was measured of one searcher on one set.

    Attributes:
        weights: name of the weights.
        dataset: the set.
        observed: by name of the row, the searcher's first.
        reports: for each preset its rows, the first preset's first.
        sizes: by rising size, rows in order.
        reid: camera rule -> figures; empty where not asked for.
        coco: figure -> fraction; empty where not asked for.
        calibration: what a similarity means, if asked for.
        open_set: what becomes of queries whose person is not in the gallery, if asked for.
        seconds: that the protocols took, without the network.
        date: when, UTC.
    """

    weights: str
    dataset: Dataset
    observed: Mapping[str, Observations]
    reports: tuple[Report, ...]
    sizes: tuple[SizePoint, ...] = ()
    reid: Mapping[str, ReidResult] = field(default_factory=dict)
    coco: Mapping[str, float] = field(default_factory=dict)
    calibration: Calibration | None = None
    open_set: OpenSetResult | None = None
    seconds: float
    date: str

    @property
    def main(self) -> Report:
        """The searcher's own row under the first preset."""
        return self.reports[0]

    def to_dict(self) -> dict[str, Any]:
        """Return what results.json holds."""
        return {
            "date": self.date,
            "versions": versions(),
            "weights": {"name": self.weights, "fingerprint": self.main.weights},
            "dataset": {"name": self.dataset.name, "digest": self.dataset.digest},
            "reports": [report.to_dict() for report in self.reports],
            "gallery_sizes": [
                {"name": p.name, "size": p.size, "mAP": p.mean_average_precision, "top1": p.top1} for p in self.sizes
            ],
            "reid": {
                rule: {"mAP": result.mean_average_precision, "top1": result.top1, "queries": result.queries}
                for rule, result in self.reid.items()
            },
            "coco": {name: None if np.isnan(value) else value for name, value in self.coco.items()},
            "calibration": None if self.calibration is None else asdict(self.calibration),
            "open_set": [] if self.open_set is None else [asdict(point) for point in self.open_set.points],
            "timing": self.timing(),
        }

    def timing(self) -> dict[str, Any]:
        """Return how long the network and the protocols took."""
        seen = self.observed[self.weights]
        return {
            "network_seconds": seen.seconds,
            "scenes_per_second": len(self.dataset.scenes) / seen.seconds if seen.seconds else None,
            "computed_on": seen.computed_on,
            "protocol_seconds": self.seconds,
        }


def run_evaluation(
    searcher: PersonSearcher,
    dataset: Dataset,
    plan: Plan | None = None,
    *,
    cache_dir: Path | None = None,
    progress: bool | None = None,
) -> Evaluation:
    """Observe a set and measure what a plan asks for.

    Args:
        searcher: the weights in question.
        dataset: with its pictures.
        plan: what to measure; default the figures of preset ``standard``.
        cache_dir: see :func:`observe`.
        progress: None = a bar on a terminal.

    Raises:
        ConfigError: there is no such preset or re-ranking method.
        DatasetError: see :func:`observe`; or the set has no queries where a plan needs them.
        MissingExtraError: a library of the extra ``[evaluate]`` is not installed.
    """
    plan = plan or Plan()
    protocols = [rules_of(name) for name in plan.presets]
    _require_libraries(plan)
    reranker = None if plan.rerank is None else reranker_of(plan.rerank)
    if not dataset.queries and (plan.baselines or plan.gallery_sizes or reranker or plan.open_set):
        raise DatasetError(f"{dataset.name}: has no queries, so search cannot be measured; give a list of queries")
    observed = _rows(searcher, dataset, plan.baselines, cache_dir, progress)
    own = observed[searcher.spec.name]
    started = time.perf_counter()
    reports: list[Report] = []
    for rules in protocols:
        reports.append(report_of(searcher.spec.name, own, dataset, rules))
        if reranker is not None:
            searched = Searched.of(own.detections, dataset, own.queries, rules)
            name = f"{searcher.spec.name}, re-ranked by {plan.rerank}"
            reports.append(report_of(name, own, dataset, rules, ranker=reranker.ranker(searched)))
        reports += [report_of(name, row, dataset, rules) for name, row in list(observed.items())[1:]]
        if plan.truth:
            reports.append(_upper_bound(own, dataset, rules))
    return Evaluation(
        weights=searcher.spec.name,
        dataset=dataset,
        observed=observed,
        reports=tuple(reports),
        sizes=gallery_curve(observed, dataset, plan.gallery_sizes, protocols[0]),
        reid=reid_of(own, dataset) if plan.reid else {},
        coco=_coco(own, dataset) if plan.coco else {},
        calibration=fit_calibration(own, dataset) if plan.calibrate else None,
        open_set=open_set(own.detections, dataset, own.queries, protocols[0]) if plan.open_set else None,
        seconds=time.perf_counter() - started,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def evaluate_searcher(
    searcher: PersonSearcher,
    dataset: Dataset,
    preset: str | Rules = "standard",
    *,
    cache_dir: Path | None = None,
    progress: bool | None = None,
) -> Report:
    """Measure a searcher on a set under one protocol; see :func:`observe`."""
    [report] = compare(searcher, dataset, preset, cache_dir=cache_dir, progress=progress)
    return report


def compare(
    searcher: PersonSearcher,
    dataset: Dataset,
    preset: str | Rules = "standard",
    *,
    baselines: bool = False,
    cache_dir: Path | None = None,
    progress: bool | None = None,
) -> list[Report]:
    """Measure a searcher and, on its very detections, two re-identifiers that learnt nothing.

    Args:
        searcher: the weights in question.
        dataset: the whole gallery, and whom to look for.
        preset: the protocol.
        baselines: also the embeddings of the same network before training, and colour histograms.
        cache_dir: see :func:`observe`.
        progress: None = a bar on a terminal.

    Returns:
        The searcher's report first.
    """
    rows = _rows(searcher, dataset, baselines, cache_dir, progress)
    return [report_of(name, row, dataset, preset) for name, row in rows.items()]


def _rows(
    searcher: PersonSearcher, dataset: Dataset, baselines: bool, cache_dir: Path | None, progress: bool | None
) -> dict[str, Observations]:
    """Return observations by name of the row: the searcher's first, then the baselines'."""
    own = observe(searcher, dataset, cache_dir=cache_dir, progress=progress)
    others = observe_baselines(searcher, dataset, own, cache_dir=cache_dir, progress=progress) if baselines else {}
    return {searcher.spec.name: own, **others}


def report_of(
    name: str,
    observed: Observations,
    dataset: Dataset,
    preset: str | Rules = "standard",
    *,
    ranker: Ranker | None = None,
) -> Report:
    """Evaluate observations under one protocol; ``ranker`` re-ranks."""
    return evaluate(
        observed.detections,
        dataset,
        preset,
        query_embeddings=observed.queries,
        ranker=ranker,
        name=name,
        weights=observed.weights,
    )


def usual_sizes(dataset: Dataset) -> tuple[int, ...]:
    """Return the gallery sizes that Figure 5 of the paper would have for a set: up to what every query can have."""
    everywhere = len(dataset.scenes) - 1
    galleries = [
        everywhere if query.gallery is None else len(set(query.gallery.image_ids) - {query.image_id})
        for query in dataset.queries
    ]
    largest = min(galleries, default=0)
    return tuple(size for size in SIZES if size < largest) + ((largest,) if largest > 0 else ())


def gallery_curve(
    observed: Mapping[str, Observations], dataset: Dataset, sizes: tuple[int, ...], rules: Rules
) -> tuple[SizePoint, ...]:
    """Measure each row with galleries of several sizes (the paper's Figure 5).

    Every query keeps the images that show its person; the rest are drawn with seed 0.
    """
    points = []
    for size in sorted(set(sizes)):
        smaller = with_gallery_size(dataset, size)
        for name, row in observed.items():
            found = evaluate_search(row.detections, smaller, row.queries, rules)
            points.append(
                SizePoint(name=name, size=size, mean_average_precision=found.mean_average_precision, top1=found.top[1])
            )
    return tuple(points)


def reid_of(observed: Observations, dataset: Dataset) -> dict[str, ReidResult]:
    """Rank annotated people by re-identification's rules: perfect boxes, no detector (the paper's Table 6).

    The crops queried with are the set's queries, or every labelled person where it has none.
    """
    queries = {(query.image_id, query.box.tobytes()) for query in dataset.queries}
    embeddings, identities, cameras, is_query = [], [], [], []
    for scene in dataset.scenes:
        for row in np.flatnonzero(~scene.ignore):
            embeddings.append(observed.people[scene.image_id][row])
            identities.append(scene.identities[row])
            cameras.append(scene.camera)
            is_query.append(not queries or (scene.image_id, scene.boxes[row].tobytes()) in queries)
    if not embeddings:
        raise DatasetError(f"{dataset.name}: nobody is annotated; re-identification needs people")
    return {
        rule: evaluate_reid(
            np.stack(embeddings), np.array(identities), cameras, np.array(is_query), same_camera=same_camera
        )
        for rule, same_camera in (("other cameras", False), ("all cameras", True))
    }


def versions() -> dict[str, str]:
    """Return the versions that figures may depend on."""
    import torch

    return {
        "personsearch": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": str(torch.__version__),
    }


def _require_libraries(plan: Plan) -> None:
    """Refuse to begin what a missing library would stop after the network has run."""
    for wanted, what, module in (
        (plan.coco, "COCO AP", "faster_coco_eval"),
        (plan.calibrate, "a calibration", "sklearn"),
    ):
        if wanted and find_spec(module) is None:
            raise MissingExtraError(f"{what} needs {module}: pip install 'personsearch[evaluate]'")


def _upper_bound(observed: Observations, dataset: Dataset, rules: Rules) -> Report:
    return evaluate(
        truth_as_detections(dataset, observed.people),
        dataset,
        rules,
        query_embeddings=observed.queries,
        name=TRUTH,
        weights=observed.weights,
    )


def _coco(observed: Observations, dataset: Dataset) -> dict[str, float]:
    from personsearch.evaluation.coco import coco_average_precision

    return coco_average_precision(observed.detections, dataset.scenes)
