"""All that ``personsearch evaluate`` measures: the network looks at a set once, then the protocols run."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from personsearch.calibration import Calibration
from personsearch.datasets.dataset import Dataset
from personsearch.errors import DatasetError
from personsearch.evaluation.evaluate import Report, evaluate, evaluate_observations, truth_as_detections
from personsearch.evaluation.fit_calibration import fit_calibration
from personsearch.evaluation.gallery_sizes import SizePoint, gallery_curve
from personsearch.evaluation.observations import Observations
from personsearch.evaluation.open_set import OpenSetResult, open_set
from personsearch.evaluation.reid import ReidResult, reid_of
from personsearch.evaluation.rerank import Searched, reranker_of
from personsearch.evaluation.rules import Rules, rules_of
from personsearch.measure.countable import counted_text
from personsearch.measure.observe import observe, observe_baselines
from personsearch.measure.outside import Outside, observe_outside, source_name
from personsearch.measure.plan import Plan
from personsearch.measure.two_step import TwoStep, compare, load_embedder, lowest_score_of, observe_two_step
from personsearch.plain import finite_or_none
from personsearch.version import __version__

if TYPE_CHECKING:
    from personsearch.searcher import PersonSearcher

__all__ = ["TRUTH", "Evaluation", "Plan", "run_evaluation", "versions"]

TRUTH = "annotated boxes as detections"


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation:
    """All that was measured of one searcher on one set.

    Attributes:
        weights: name of the weights.
        dataset: the set.
        observed: by name of the row, the searcher's first.
        reports: the rows of each preset, the first preset's first; none of a set of crops.
        sizes: by rising gallery size, rows in order.
        reid: camera rule -> figures; empty where not asked for.
        coco: figure -> fraction; empty where not asked for.
        calibration: what a similarity means, if asked for.
        uncalibrated: why there is no calibration though it was asked for; "" = it was not, or there is one.
        open_set: what becomes of queries whose person is not in the gallery, if asked for.
        two_step: what the two-step cascade is and costs, if asked for; its figures are in the reports.
        outside: whose the detections are, if they are not the weights' own.
        seconds: how long the protocols took, without the network.
        date: when, ISO 8601, UTC.
    """

    weights: str
    dataset: Dataset
    observed: Mapping[str, Observations]
    reports: tuple[Report, ...]
    sizes: tuple[SizePoint, ...] = ()
    reid: Mapping[str, ReidResult] = field(default_factory=dict)
    coco: Mapping[str, float] = field(default_factory=dict)
    calibration: Calibration | None = None
    uncalibrated: str = ""
    open_set: OpenSetResult | None = None
    two_step: TwoStep | None = None
    outside: Outside | None = None
    seconds: float
    date: str

    @property
    def main(self) -> Report:
        """The searcher's own row under the first preset; a set of crops has none."""
        return self.reports[0]

    @property
    def firsts(self) -> tuple[Report, ...]:
        """The first row of each preset: all of its rows count the same people and queries."""
        rows: dict[str, Report] = {}
        for one in self.reports:
            rows.setdefault(one.label, one)
        return tuple(rows.values())

    @property
    def own(self) -> Observations:
        """What the searcher saw: the first row."""
        return next(iter(self.observed.values()))

    def report_of(self, row: str) -> Report:
        """Return a row under the first preset.

        Args:
            row: its name; that of the two-step cascade is ``two_step.row``, that of its bound ``two_step.bound``.

        Raises:
            KeyError: there is no such row.
        """
        for one in self.reports:
            if one.name == row:
                return one
        raise KeyError(f"no row is named {row!r}; there are {', '.join(one.name for one in self.reports)}")

    @property
    def missing(self) -> tuple[str, ...]:
        """A sentence for everything that was to be measured and could not be, because nothing of it counts."""
        sentences = []
        annotated = any((~scene.ignore).any() for scene in self.dataset.scenes)
        for one in self.firsts:
            if not one.detection.people:
                why = (
                    f"nothing was detected, and {one.label} leaves out scenes without detections"
                    if annotated
                    else f"nobody is annotated in {self.dataset.name}"
                )
                sentences.append(f"Detection was not measured: {why}.")
            if one.search is not None and not one.search.queries:
                why = counted_text(0, one.search.left_out)
                sentences.append(f"Search was not measured under {one.label}: {why}.")
        if self.reid and not any(result.queries for result in self.reid.values()):
            last = list(self.reid.values())[-1]
            why = counted_text(0, last.left_out) if last.asked else "there are neither queries nor labelled people"
            sentences.append(f"Re-identification was not measured: {why}.")
        if self.uncalibrated:
            sentences.append(f"There is no calibration: {self.uncalibrated}.")
        return tuple(dict.fromkeys(sentences))

    def to_dict(self) -> dict[str, Any]:
        """Return what results.json holds; a figure that counted nothing is None."""
        plain: dict[str, Any] = finite_or_none(self._plain())
        return plain

    def _plain(self) -> dict[str, Any]:
        return {
            "date": self.date,
            "versions": versions(),
            "weights": {"name": self.weights, "fingerprint": self.own.weights},
            "dataset": {
                "name": self.dataset.name,
                "digest": self.dataset.digest,
                "crops": self.dataset.crops,
                "accounting": _accounting(self.dataset),
            },
            "missing": list(self.missing),
            "reports": [report.to_dict() for report in self.reports],
            "gallery_sizes": [
                {"name": p.name, "size": p.size, "mAP": p.mean_average_precision, "top1": p.top1} for p in self.sizes
            ],
            "reid": {
                rule: {
                    "mAP": result.mean_average_precision,
                    "top1": result.top1,
                    "queries": result.queries,
                    "queries_given": result.asked,
                    "queries_left_out": dict(result.left_out),
                }
                for rule, result in self.reid.items()
            },
            "coco": dict(self.coco),
            "calibration": None if self.calibration is None else asdict(self.calibration),
            "open_set": [] if self.open_set is None else [asdict(point) for point in self.open_set.points],
            "boxes": None if self.outside is None else self.outside.to_dict(),
            "two_step": None if self.two_step is None else self.two_step.to_dict(),
            "timing": self.timing(),
        }

    def timing(self) -> dict[str, Any]:
        """Return how long the network and the protocols took."""
        own = self.own
        return {
            "network_seconds": own.seconds,
            "scenes_per_second": len(self.dataset.scenes) / own.seconds if own.seconds else None,
            "computed_on": own.computed_on,
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

    Of a set of crops only re-identification is measured.

    Args:
        searcher: the weights in question.
        dataset: the set; its images must exist.
        plan: what to measure; default: the figures of preset ``standard``.
        cache_dir: see :func:`~personsearch.measure.observe.observe`.
        progress: None = a bar on a terminal, True = always a bar, False = silence.

    Raises:
        ConfigError: there is no such preset or re-ranking method.
        DatasetError: see :func:`~personsearch.measure.observe.observe` and :meth:`Plan.check`.
        MissingExtraError: a library of the extra ``[evaluate]`` is not installed.
        ImageError: boxes of another detector cannot be used.
        WeightsError: ``plan.two_step`` cannot be loaded.

    Example:
        >>> evaluation = run_evaluation(searcher, dataset, Plan(two_step="runs/step1/weights"))
        >>> evaluation.report_of(evaluation.two_step.row).figures()["mAP"]  # doctest: +SKIP
        0.54
    """
    plan = plan or Plan()
    plan.check(dataset)
    protocols = [] if dataset.crops else [rules_of(name) for name in plan.presets]
    embedder = None if plan.two_step is None else load_embedder(plan.two_step, searcher)
    own, outside, name = _seen(searcher, dataset, plan, cache_dir, progress)
    observed = {name: own}
    two_step = None
    if embedder is not None and plan.two_step is not None:
        lowest = lowest_score_of(protocols, dataset)
        row = observe_two_step(searcher, dataset, own, embedder, lowest, cache_dir=cache_dir, progress=progress)
        two_step = compare(searcher, dataset, own, embedder, plan.two_step, lowest, own_detector=outside is None)
        observed[two_step.row] = row
    if plan.baselines:
        observed |= observe_baselines(searcher, dataset, own, cache_dir=cache_dir, progress=progress)
    started = time.perf_counter()
    calibration, uncalibrated = _calibrated(own, dataset) if plan.calibrate else (None, "")
    return Evaluation(
        weights=searcher.spec.name,
        dataset=dataset,
        observed=observed,
        reports=tuple(report for rules in protocols for report in _reports(observed, two_step, dataset, plan, rules)),
        sizes=gallery_curve(observed, dataset, plan.gallery_sizes, protocols[0]) if plan.gallery_sizes else (),
        reid=reid_of(own, dataset) if plan.reid or dataset.crops else {},
        coco=_coco(own, dataset) if plan.coco else {},
        calibration=calibration,
        uncalibrated=uncalibrated,
        open_set=open_set(own.detections, dataset, own.queries(dataset), protocols[0]) if plan.open_set else None,
        two_step=two_step,
        outside=outside,
        seconds=time.perf_counter() - started,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def versions() -> dict[str, str]:
    """Return the versions that figures may depend on."""
    import torch

    return {
        "personsearch": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": str(torch.__version__),
    }


def _seen(
    searcher: PersonSearcher, dataset: Dataset, plan: Plan, cache_dir: Path | None, progress: bool | None
) -> tuple[Observations, Outside | None, str]:
    """Return what the searcher saw, whose detections these are if not its own, and the name of its row."""
    name = searcher.spec.name
    if plan.boxes is None:
        return observe(searcher, dataset, cache_dir=cache_dir, progress=progress), None, name
    source = source_name(plan.boxes)
    own, outside = observe_outside(searcher, dataset, plan.opened_boxes, source, cache_dir=cache_dir, progress=progress)
    return own, outside, f"{name} on boxes of {source}"


def _reports(
    observed: Mapping[str, Observations], two_step: TwoStep | None, dataset: Dataset, plan: Plan, rules: Rules
) -> list[Report]:
    """Return the rows of one protocol: the searcher, re-ranked, two steps, the baselines, the upper bounds."""
    (name, own), *others = observed.items()
    reports = [evaluate_observations(own, dataset, rules, name=name)]
    if plan.rerank is not None:
        searched = Searched.of(own.detections, dataset, own.queries(dataset), rules)
        ranker = reranker_of(plan.rerank).ranker(searched)
        reports.append(
            evaluate_observations(own, dataset, rules, name=f"{name}, re-ranked by {plan.rerank}", ranker=ranker)
        )
    reports += [evaluate_observations(row, dataset, rules, name=other) for other, row in others]
    if plan.truth or two_step is not None:
        reports.append(_upper_bound(own, dataset, rules, TRUTH))
    if two_step is not None:
        reports.append(_upper_bound(observed[two_step.row], dataset, rules, two_step.bound))
    return reports


def _upper_bound(observed: Observations, dataset: Dataset, rules: Rules, name: str) -> Report:
    return evaluate(
        truth_as_detections(dataset, observed.people(dataset)),
        dataset,
        rules,
        query_embeddings=observed.queries(dataset),
        name=name,
        weights=observed.weights,
    )


def _coco(observed: Observations, dataset: Dataset) -> dict[str, float]:
    from personsearch.evaluation.coco import coco_average_precision

    return coco_average_precision(observed.detections, dataset.scenes)


def _calibrated(observed: Observations, dataset: Dataset) -> tuple[Calibration | None, str]:
    """Return the calibration, or why there is none: whether there are pairs is known once the network has looked."""
    try:
        return fit_calibration(observed, dataset), ""
    except DatasetError as error:
        return None, str(error)


def _accounting(dataset: Dataset) -> dict[str, Any]:
    return {**asdict(dataset.accounting), "skipped": [str(problem) for problem in dataset.accounting.skipped]}
