import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from personsearch import PersonSearcher
from personsearch.datasets import Accounting, Dataset, Scene, load_dataset
from personsearch.errors import ConfigError, DatasetError, MissingExtraError
from personsearch.evaluation import PRESETS, evaluate_observations
from personsearch.measure import plan as plan_module
from personsearch.measure.run import TRUTH, Plan, run_evaluation
from tests.measure.toy_evaluation import NAME, toy_dataset, toy_evaluation, toy_observations
from tests.support import toy_scene


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
    nameless = replace(data, scenes=tuple(replace(scene, camera=None) for scene in data.scenes))
    with pytest.raises(DatasetError, match=r"the camera of .* is unknown, and re-ranking by camera-mean needs all"):
        run_evaluation(tiny_searcher, nameless, Plan(rerank="camera-mean"), progress=False)
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
    monkeypatch.setattr(plan_module, "find_spec", lambda name: None)
    tiny_searcher.observe = None  # type: ignore[assignment,method-assign]
    with pytest.raises(MissingExtraError, match=rf"{needs} needs .*: pip install 'personsearch\[evaluate\]'"):
        run_evaluation(tiny_searcher, data, plan, progress=False)


def test_figures_that_counted_nothing_are_null_in_json(data: Dataset) -> None:
    evaluation = toy_evaluation(data)
    nothing = replace(
        evaluation.reid["other cameras"], mean_average_precision=float("nan"), top1=float("nan"), queries=0
    )
    results = replace(evaluation, reid={"other cameras": nothing}).to_dict()
    counts = {"queries": 0, "queries_given": 0, "queries_left_out": {}}
    assert results["reid"] == {"other cameras": {"mAP": None, "top1": None, **counts}}
    assert results["coco"] == {"AP": 0.5, "AP_small": None}
    json.dumps(results, allow_nan=False)


def test_a_set_whose_figures_are_known(data: Dataset) -> None:
    """Perfect embeddings, one person of 18 missed, and the one detection of nobody has the lowest score."""
    figures = evaluate_observations(toy_observations(data), data).figures()
    assert figures == pytest.approx(
        {"AP": 17 / 18, "recall": 17 / 18, "mAP": 1.0, "top1": 1.0, "top5": 1.0, "top10": 1.0}
    )
    assert toy_evaluation(data).main.name == NAME


def test_queries_that_a_preset_cannot_search_for_are_refused_before_the_network_runs(
    tiny_searcher: PersonSearcher, data: Dataset
) -> None:
    """The first query's person is only in its own image: standard calls that an error, strict leaves the query out."""
    tiny_searcher.observe = None  # type: ignore[assignment,method-assign]
    alone = replace(data, scenes=tuple(relabelled(scene, keep=data.queries[0].image_id) for scene in data.scenes))
    with pytest.raises(DatasetError) as caught:
        run_evaluation(tiny_searcher, alone, Plan(), progress=False)
    assert "preset 'standard' cannot search for 1 of 2 queries (1: the person is only in the query's own" in str(
        caught.value
    )
    assert "--preset strict leaves such queries out and measures 1" in str(caught.value)
    Plan(presets=("strict",)).check(alone)
    with pytest.raises(DatasetError, match="no preset can search for them"):
        Plan().check(replace(alone, queries=alone.queries[:1]))


def relabelled(scene: Scene, keep: str) -> Scene:
    """Take the label off person 1, except in one scene."""
    if scene.image_id == keep:
        return scene
    return replace(scene, identities=np.where(scene.identities == 1, -1, scene.identities))


def test_what_was_not_measured_is_said_and_the_rest_is_measured(
    tiny_searcher: PersonSearcher, data: Dataset, tmp_path: Path
) -> None:
    alone = replace(
        data,
        scenes=tuple(relabelled(scene, keep=data.queries[0].image_id) for scene in data.scenes),
        queries=data.queries[:1],
    )
    plan = Plan(presets=("strict", "cross-camera-frames"), reid=True)
    done = run_evaluation(tiny_searcher, alone, plan, cache_dir=tmp_path, progress=False)
    assert [sentence.split(":")[0] for sentence in done.missing] == [
        f"Search was not measured under {PRESETS['strict'].label}",
        f"Search was not measured under {PRESETS['cross-camera-frames'].label}",
        "Re-identification was not measured",
    ]
    assert "0 of 1 query count (1 left out: the person is only in the query's own image)" in done.missing[0]
    assert done.main.detection.people == 18
    results = json.loads(json.dumps(done.to_dict(), allow_nan=False))
    assert results["reports"][0]["queries_left_out"] == {"the person is only in the query's own image": 1}
    assert results["missing"] == list(done.missing)


def test_a_calibration_that_cannot_be_fitted_costs_no_other_figure(
    tiny_searcher: PersonSearcher, data: Dataset, tmp_path: Path
) -> None:
    """Whether people are detected in several scenes is known only once the network has looked."""
    one = replace(data, scenes=data.scenes[:1], queries=())
    done = run_evaluation(tiny_searcher, one, Plan(calibrate=True), cache_dir=tmp_path, progress=False)
    assert done.calibration is None
    [sentence] = done.missing
    assert sentence.startswith(f"There is no calibration: {data.name}: no pairs of one person")
    assert done.main.detection.people == 3


def test_a_set_whose_boxes_are_all_left_out_is_refused_before_the_network_runs(data: Dataset) -> None:
    ignored = replace(data, scenes=tuple(replace(s, ignore=np.ones_like(s.ignore)) for s in data.scenes))
    with pytest.raises(DatasetError, match=r"none of the 18 annotated boxes counts as a person \(18 marked as ignored"):
        Plan().check(ignored)
    dropped = replace(
        data,
        scenes=tuple(nobody_in(scene) for scene in data.scenes),
        queries=(),
        accounting=Accounting(rows=7, kept=0, dropped={"category 'staff'": 7}),
    )
    with pytest.raises(DatasetError, match=r"none of the 7 annotated boxes .*7 left out: category 'staff'"):
        Plan().check(dropped)
    empty = replace(dropped, accounting=Accounting(rows=0, kept=0))
    Plan().check(empty)  # false detections can be counted
    for plan, what in ((Plan(reid=True), "re-identification"), (Plan(coco=True), "COCO's AP")):
        with pytest.raises(DatasetError, match=f"nobody is annotated, and {what} needs people"):
            plan.check(empty)


def nobody_in(scene: Scene) -> Scene:
    return replace(scene, boxes=scene.boxes[:0], identities=scene.identities[:0], ignore=scene.ignore[:0])


def test_of_crops_only_re_identification_is_measured(tiny_searcher: PersonSearcher, tmp_path: Path) -> None:
    for name in ("query/0001_c1_0.png", "bounding_box_test/0001_c2_0.png", "bounding_box_test/0002_c1_0.png"):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        toy_scene([(int(Path(name).name[3]), 0, 0)], 24, 60).save(tmp_path / "set" / name)
    data = load_dataset(tmp_path / "set", "test")
    done = run_evaluation(tiny_searcher, data, cache_dir=tmp_path / "kept", progress=False)
    assert (done.reports, done.missing) == ((), ())
    assert {rule: result.queries for rule, result in done.reid.items()} == {"other cameras": 1, "all cameras": 1}
    results = json.loads(json.dumps(done.to_dict(), allow_nan=False))
    assert results["dataset"]["crops"] is True
    with pytest.raises(ConfigError, match="leave out: preset strict; COCO's AP; a calibration"):
        Plan(presets=("strict",), coco=True, calibrate=True).check(data)
