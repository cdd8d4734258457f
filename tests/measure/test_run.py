import json
from dataclasses import replace
from pathlib import Path

import pytest

from personsearch import PersonSearcher
from personsearch.datasets import Dataset
from personsearch.errors import ConfigError, DatasetError, MissingExtraError
from personsearch.evaluation import evaluate_observations
from personsearch.measure import run
from personsearch.measure.run import TRUTH, Plan, run_evaluation
from tests.measure.toy_evaluation import NAME, toy_dataset, toy_evaluation, toy_observations


def test_everything_that_a_plan_can_ask_for(tiny_searcher: PersonSearcher, tmp_path: Path) -> None:
    data = toy_dataset(tmp_path / "set")
    plan = Plan(
        presets=("standard", "strict"),
        rerank="expansion",
        baselines=True,
        truth=True,
        reid=True,
        coco=True,
        gallery_sizes=(5, 3, 5),
        open_set=True,
    )
    done = run_evaluation(tiny_searcher, data, plan, cache_dir=tmp_path / "kept", progress=False)
    names = ["custom", "custom, re-ranked by expansion", "same network, untrained", "colour histogram", TRUTH]
    assert [(one.rules.name, one.name) for one in done.reports] == [
        (preset, name) for preset in plan.presets for name in names
    ]
    assert done.reports[4].figures()["recall"] == 1.0
    assert [(point.size, point.name) for point in done.sizes] == [
        (size, name) for size in (3, 5) for name in ("custom", "same network, untrained", "colour histogram")
    ]
    assert set(done.reid) == {"other cameras", "all cameras"}
    assert done.calibration is None
    assert done.open_set is not None
    results = json.loads(json.dumps(done.to_dict(), allow_nan=False))
    assert len(results["reports"]) == 10
    assert results["reports"][0]["figures"] == done.main.figures()
    assert results["timing"]["computed_on"] == "cpu float32"


def test_without_a_plan_the_figures_are_those_of_the_standard_preset(
    tiny_searcher: PersonSearcher, data: Dataset, tmp_path: Path
) -> None:
    alone = run_evaluation(tiny_searcher, data, cache_dir=tmp_path, progress=False)
    assert [(report.name, report.rules.name) for report in alone.reports] == [("custom", "standard")]
    assert (alone.sizes, alone.reid, alone.coco, alone.calibration, alone.open_set) == ((), {}, {}, None, None)
    several = run_evaluation(
        tiny_searcher, data, Plan(presets=("strict", "standard")), cache_dir=tmp_path, progress=False
    )
    assert several.reports[1].figures() == alone.main.figures()


def test_mistakes_are_reported_before_the_network_runs(tiny_searcher: PersonSearcher, data: Dataset) -> None:
    tiny_searcher.observe = None  # type: ignore[assignment,method-assign]
    with pytest.raises(ConfigError, match="there is no preset 'standrad'"):
        run_evaluation(tiny_searcher, data, Plan(presets=("standrad",)), progress=False)
    with pytest.raises(ConfigError, match="there is no re-ranking method 'magic'"):
        run_evaluation(tiny_searcher, data, Plan(rerank="magic"), progress=False)
    with pytest.raises(DatasetError, match="has no queries, so search cannot be measured"):
        run_evaluation(tiny_searcher, replace(data, queries=()), Plan(gallery_sizes=(2,)), progress=False)
    with pytest.raises(DatasetError, match=r"gallery size 6: query 0 .* in at most 5 images"):
        run_evaluation(tiny_searcher, data, Plan(gallery_sizes=(5, 6)), progress=False)
    with pytest.raises(ConfigError, match="presets is empty"):
        run_evaluation(tiny_searcher, data, Plan(presets=()), progress=False)


@pytest.mark.parametrize(("plan", "needs"), [(Plan(coco=True), "COCO AP"), (Plan(calibrate=True), "a calibration")])
def test_a_missing_library_is_reported_before_the_network_runs(
    tiny_searcher: PersonSearcher, data: Dataset, monkeypatch: pytest.MonkeyPatch, plan: Plan, needs: str
) -> None:
    monkeypatch.setattr(run, "find_spec", lambda name: None)
    tiny_searcher.observe = None  # type: ignore[assignment,method-assign]
    with pytest.raises(MissingExtraError, match=rf"{needs} needs .*: pip install 'personsearch\[evaluate\]'"):
        run_evaluation(tiny_searcher, data, plan, progress=False)


def test_figures_that_counted_nothing_are_null_in_json(data: Dataset) -> None:
    evaluation = toy_evaluation(data)
    nothing = replace(
        evaluation.reid["other cameras"], mean_average_precision=float("nan"), top1=float("nan"), queries=0
    )
    results = replace(evaluation, reid={"other cameras": nothing}).to_dict()
    assert results["reid"] == {"other cameras": {"mAP": None, "top1": None, "queries": 0}}
    assert results["coco"] == {"AP": 0.5, "AP_small": None}
    json.dumps(results, allow_nan=False)


def test_a_set_whose_figures_are_known(data: Dataset) -> None:
    """Perfect embeddings, one person of 18 missed, and the one detection of nobody has the lowest score."""
    figures = evaluate_observations(toy_observations(data), data).figures()
    assert figures == pytest.approx(
        {"AP": 17 / 18, "recall": 17 / 18, "mAP": 1.0, "top1": 1.0, "top5": 1.0, "top10": 1.0}
    )
    assert toy_evaluation(data).main.name == NAME
