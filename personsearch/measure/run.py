"""All that ``personsearch evaluate`` measures: the network looks at a set once, then the protocols run."""

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
from personsearch.errors import ConfigError, DatasetError, MissingExtraError
from personsearch.evaluation.evaluate import Report, evaluate, evaluate_observations, truth_as_detections
from personsearch.evaluation.fit_calibration import fit_calibration
from personsearch.evaluation.gallery_sizes import SizePoint, gallery_curve, require_sizes
from personsearch.evaluation.observations import Observations
from personsearch.evaluation.open_set import OpenSetResult, open_set
from personsearch.evaluation.reid import ReidResult, reid_of
from personsearch.evaluation.rerank import Searched, reranker_of
from personsearch.evaluation.rules import Rules, rules_of
from personsearch.measure.observe import observe, observe_baselines
from personsearch.version import __version__

if TYPE_CHECKING:
    from personsearch.searcher import PersonSearcher

TRUTH = "annotated boxes as detections"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure.

    Attributes:
        presets: protocols, at least one.
        rerank: name of a re-ranking method, which gets a row of its own.
        baselines: also rows of re-identifiers that learnt nothing, on the same detections.
        truth: also a row of the annotated boxes as detections: the upper bound of a perfect detector.
        reid: also rank the annotated people as re-identification does, without a detector.
        coco: also COCO's average precision of the detections.
        gallery_sizes: also search galleries of this many images.
        calibrate: also fit what a similarity means.
        open_set: also search for people who are not in the gallery.
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

    def check(self, dataset: Dataset) -> None:
        """Refuse a plan that a set, or a missing library, would stop after the network has run.

        Raises:
            ConfigError: there is no such preset or re-ranking method, or no preset at all.
            DatasetError: the set has no queries where the plan needs them, or too few images for a gallery size.
            MissingExtraError: a library of the extra ``[evaluate]`` is not installed.
        """
        if not self.presets:
            raise ConfigError("presets is empty; give at least one protocol, such as 'standard'")
        for name in self.presets:
            rules_of(name)
        if self.rerank is not None:
            reranker_of(self.rerank)
        for wanted, what, module in (
            (self.coco, "COCO AP", "faster_coco_eval"),
            (self.calibrate, "a calibration", "sklearn"),
        ):
            if wanted and find_spec(module) is None:
                raise MissingExtraError(f"{what} needs {module}: pip install 'personsearch[evaluate]'")
        if not dataset.queries and (self.baselines or self.gallery_sizes or self.rerank or self.open_set):
            raise DatasetError(f"{dataset.name}: has no queries, so search cannot be measured; give a list of queries")
        require_sizes(dataset, self.gallery_sizes)


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation:
    """All that was measured of one searcher on one set.

    Attributes:
        weights: name of the weights.
        dataset: the set.
        observed: by name of the row, the searcher's first.
        reports: the rows of each preset, the first preset's first.
        sizes: by rising gallery size, rows in order.
        reid: camera rule -> figures; empty where not asked for.
        coco: figure -> fraction; empty where not asked for.
        calibration: what a similarity means, if asked for.
        open_set: what becomes of queries whose person is not in the gallery, if asked for.
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
    open_set: OpenSetResult | None = None
    seconds: float
    date: str

    @property
    def main(self) -> Report:
        """The searcher's own row under the first preset."""
        return self.reports[0]

    def to_dict(self) -> dict[str, Any]:
        """Return what results.json holds; a figure that counted nothing is None."""
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
                rule: {
                    "mAP": _or_none(result.mean_average_precision),
                    "top1": _or_none(result.top1),
                    "queries": result.queries,
                }
                for rule, result in self.reid.items()
            },
            "coco": {name: _or_none(value) for name, value in self.coco.items()},
            "calibration": None if self.calibration is None else asdict(self.calibration),
            "open_set": [] if self.open_set is None else [asdict(point) for point in self.open_set.points],
            "timing": self.timing(),
        }

    def timing(self) -> dict[str, Any]:
        """Return how long the network and the protocols took."""
        own = self.observed[self.weights]
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
    """
    plan = plan or Plan()
    plan.check(dataset)
    protocols = [rules_of(name) for name in plan.presets]
    observed = _rows(searcher, dataset, plan.baselines, cache_dir, progress)
    own = observed[searcher.spec.name]
    started = time.perf_counter()
    return Evaluation(
        weights=searcher.spec.name,
        dataset=dataset,
        observed=observed,
        reports=tuple(report for rules in protocols for report in _reports(observed, dataset, plan, rules)),
        sizes=gallery_curve(observed, dataset, plan.gallery_sizes, protocols[0]),
        reid=reid_of(own, dataset) if plan.reid else {},
        coco=_coco(own, dataset) if plan.coco else {},
        calibration=fit_calibration(own, dataset) if plan.calibrate else None,
        open_set=open_set(own.detections, dataset, own.queries(dataset), protocols[0]) if plan.open_set else None,
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


def _rows(
    searcher: PersonSearcher, dataset: Dataset, baselines: bool, cache_dir: Path | None, progress: bool | None
) -> dict[str, Observations]:
    """Return observations by name of the row: the searcher's first, then those of the baselines."""
    own = observe(searcher, dataset, cache_dir=cache_dir, progress=progress)
    others = observe_baselines(searcher, dataset, own, cache_dir=cache_dir, progress=progress) if baselines else {}
    return {searcher.spec.name: own, **others}


def _reports(observed: Mapping[str, Observations], dataset: Dataset, plan: Plan, rules: Rules) -> list[Report]:
    """Return the rows of one protocol: the searcher, re-ranked, the baselines, the upper bound."""
    (name, own), *baselines = observed.items()
    reports = [evaluate_observations(own, dataset, rules, name=name)]
    if plan.rerank is not None:
        searched = Searched.of(own.detections, dataset, own.queries(dataset), rules)
        ranker = reranker_of(plan.rerank).ranker(searched)
        reports.append(
            evaluate_observations(own, dataset, rules, name=f"{name}, re-ranked by {plan.rerank}", ranker=ranker)
        )
    reports += [evaluate_observations(row, dataset, rules, name=baseline) for baseline, row in baselines]
    if plan.truth:
        reports.append(_upper_bound(own, dataset, rules))
    return reports


def _upper_bound(observed: Observations, dataset: Dataset, rules: Rules) -> Report:
    return evaluate(
        truth_as_detections(dataset, observed.people(dataset)),
        dataset,
        rules,
        query_embeddings=observed.queries(dataset),
        name=TRUTH,
        weights=observed.weights,
    )


def _coco(observed: Observations, dataset: Dataset) -> dict[str, float]:
    from personsearch.evaluation.coco import coco_average_precision

    return coco_average_precision(observed.detections, dataset.scenes)


def _or_none(value: float) -> float | None:
    """JSON has no NaN."""
    return None if np.isnan(value) else value
