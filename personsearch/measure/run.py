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
from personsearch.measure.countable import counted_text, require_people, require_searchable
from personsearch.measure.observe import observe, observe_baselines
from personsearch.plain import finite_or_none
from personsearch.version import __version__

if TYPE_CHECKING:
    from personsearch.searcher import PersonSearcher

TRUTH = "annotated boxes as detections"
#: Re-ranking methods that need scipy.
NEED_SCIPY = ("context", "context-mean", "k-reciprocal")
#: Re-ranking methods that need to know every scene's camera.
NEED_CAMERAS = ("camera-mean", "camera-similarity")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure.

    Attributes:
        presets: protocols, at least one.
        rerank: name of a re-ranking method, which gets a row of its own.
        baselines: also rows of re-identifiers that learnt nothing, on the same detections.
        truth: also a row of the annotated boxes as detections: the upper bound of a perfect detector.
        reid: also rank the annotated people as re-identification does, without a detector. A set of crops allows
            nothing else, so that it is always done there.
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
            ConfigError: there is no such preset or re-ranking method, or no preset at all; or the plan needs scenes and
                the set is one of crops.
            DatasetError: the set has nobody or no queries where the plan needs them, every annotated box is left out,
                a preset cannot search for a query, or there are too few images for a gallery size.
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
            (self.rerank in NEED_SCIPY, f"re-ranking by {self.rerank}", "scipy"),
        ):
            if wanted and find_spec(module) is None:
                raise MissingExtraError(f"{what} needs {module}: pip install 'personsearch[evaluate]'")
        need_people = {
            "re-identification": self.reid or dataset.crops,
            "COCO's AP": self.coco,
            "a calibration": self.calibrate,
        }
        require_people(dataset, next((what for what, wanted in need_people.items() if wanted), ""))
        if dataset.crops:
            self._require_no_scenes(dataset)
            return
        if not dataset.queries and (self.baselines or self.gallery_sizes or self.rerank or self.open_set):
            raise DatasetError(f"{dataset.name}: has no queries, so search cannot be measured; give a list of queries")
        for name in self.presets:
            require_searchable(dataset, rules_of(name))
        unknown = next((scene.image_id for scene in dataset.scenes if scene.camera is None), None)
        if self.rerank in NEED_CAMERAS and unknown is not None:
            raise DatasetError(
                f"{dataset.name}: the camera of {unknown!r} is unknown, and re-ranking by {self.rerank} needs all of "
                "them; annotate cameras"
            )
        require_sizes(dataset, self.gallery_sizes)

    def _require_no_scenes(self, dataset: Dataset) -> None:
        asked = {
            f"preset {', '.join(self.presets)}": self.presets != Plan.presets,
            "re-ranking": self.rerank is not None,
            "baselines": self.baselines,
            "annotated boxes as detections": self.truth,
            "COCO's AP": self.coco,
            "gallery sizes": bool(self.gallery_sizes),
            "a calibration": self.calibrate,
            "an open-set test": self.open_set,
        }
        if any(asked.values()):
            what = "; ".join(name for name, wanted in asked.items() if wanted)
            raise ConfigError(
                f"{dataset.name} is a set of crops, in which only re-identification can be measured; leave out: {what}"
            )


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
            "weights": {"name": self.weights, "fingerprint": self.observed[self.weights].weights},
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
    """
    plan = plan or Plan()
    plan.check(dataset)
    protocols = [] if dataset.crops else [rules_of(name) for name in plan.presets]
    observed = _rows(searcher, dataset, plan.baselines, cache_dir, progress)
    own = observed[searcher.spec.name]
    started = time.perf_counter()
    calibration, uncalibrated = _calibrated(own, dataset) if plan.calibrate else (None, "")
    return Evaluation(
        weights=searcher.spec.name,
        dataset=dataset,
        observed=observed,
        reports=tuple(report for rules in protocols for report in _reports(observed, dataset, plan, rules)),
        sizes=gallery_curve(observed, dataset, plan.gallery_sizes, protocols[0]) if plan.gallery_sizes else (),
        reid=reid_of(own, dataset) if plan.reid or dataset.crops else {},
        coco=_coco(own, dataset) if plan.coco else {},
        calibration=calibration,
        uncalibrated=uncalibrated,
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


def _calibrated(observed: Observations, dataset: Dataset) -> tuple[Calibration | None, str]:
    """Return the calibration, or why there is none: whether there are pairs is known once the network has looked."""
    try:
        return fit_calibration(observed, dataset), ""
    except DatasetError as error:
        return None, str(error)


def _accounting(dataset: Dataset) -> dict[str, Any]:
    return {**asdict(dataset.accounting), "skipped": [str(problem) for problem in dataset.accounting.skipped]}
