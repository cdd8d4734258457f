import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from personsearch import PersonSearcher
from personsearch.datasets import Dataset
from personsearch.errors import ConfigError, DatasetError, MissingExtraError
from personsearch.evaluation import PRESETS, evaluate_reid
from personsearch.measure import run
from personsearch.measure.run import (
    TRUTH,
    Plan,
    compare,
    evaluate_searcher,
    gallery_curve,
    reid_of,
    report_of,
    run_evaluation,
    usual_sizes,
)
from tests.evaluation import toy
from tests.evaluation.told import observations, told, told_dataset


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return told_dataset(tmp_path_factory.mktemp("told"))


def test_everything_that_can_be_asked_for(tiny_searcher: PersonSearcher, tmp_path: Path) -> None:
    data = told_dataset(tmp_path / "set")
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

    first, *others = compare(tiny_searcher, data, cache_dir=tmp_path / "kept", progress=False, baselines=True)
    assert first.figures() == done.main.figures()
    assert [one.name for one in others] == names[2:4]
    alone = evaluate_searcher(tiny_searcher, data, "strict", cache_dir=tmp_path / "kept", progress=False)
    assert alone.figures() == done.reports[5].figures()


def test_mistakes_are_told_before_the_network_runs(tiny_searcher: PersonSearcher, data: Dataset) -> None:
    tiny_searcher.observe = None  # type: ignore[assignment,method-assign]
    with pytest.raises(ConfigError, match="no preset 'standrad'"):
        run_evaluation(tiny_searcher, data, Plan(presets=("standrad",)), progress=False)
    with pytest.raises(ConfigError, match="no re-ranking is called 'magic'"):
        run_evaluation(tiny_searcher, data, Plan(rerank="magic"), progress=False)
    with pytest.raises(DatasetError, match="has no queries, so search cannot be measured"):
        run_evaluation(tiny_searcher, replace(data, queries=()), Plan(gallery_sizes=(2,)), progress=False)


@pytest.mark.parametrize(("plan", "needs"), [(Plan(coco=True), "COCO AP"), (Plan(calibrate=True), "a calibration")])
def test_a_missing_library_is_told_before_the_network_runs(
    tiny_searcher: PersonSearcher, data: Dataset, monkeypatch: pytest.MonkeyPatch, plan: Plan, needs: str
) -> None:
    monkeypatch.setattr(run, "find_spec", lambda name: None)
    tiny_searcher.observe = None  # type: ignore[assignment,method-assign]
    with pytest.raises(MissingExtraError, match=rf"{needs} needs .*: pip install 'personsearch\[evaluate\]'"):
        run_evaluation(tiny_searcher, data, plan, progress=False)


def test_the_whole_gallery_is_one_of_the_sizes(data: Dataset) -> None:
    rows = {"own": observations(data, 0.4)}
    points = gallery_curve(rows, data, usual_sizes(data), PRESETS["standard"])
    whole = report_of("own", rows["own"], data).search
    assert whole is not None
    assert [point.size for point in points] == [5]
    assert points[0].mean_average_precision == pytest.approx(whole.mean_average_precision)


def test_sizes_go_up_to_what_every_query_can_have() -> None:
    scenes = [toy.shows(f"s{number}", [1]) for number in range(130)]
    everywhere = toy.query(image_id="s0")
    assert usual_sizes(toy.dataset(scenes, everywhere)) == (50, 100, 129)
    entries = [(f"s{number}", None) for number in range(60)]
    listed = toy.query(image_id="s0", gallery=toy.listing(*entries, ("s1", None)))
    assert usual_sizes(toy.dataset(scenes, everywhere, listed)) == (50, 59)
    assert usual_sizes(toy.dataset(scenes)) == ()


def test_reid_ranks_annotated_people_alone(data: Dataset) -> None:
    """The crops queried with are those of the set's queries; people without a label distract."""
    seen = observations(data, 0.4)
    crops = np.concatenate([seen.people[scene.image_id] for scene in data.scenes])
    identities = np.concatenate([scene.identities for scene in data.scenes])
    cameras = [scene.camera for scene in data.scenes for _ in scene.boxes]
    is_query = np.zeros(len(crops), bool)
    is_query[[1, 4]] = True  # second person of the first and of the second scene
    for rule, same_camera in (("other cameras", False), ("all cameras", True)):
        expected = evaluate_reid(crops, identities, cameras, is_query, same_camera=same_camera)
        assert reid_of(seen, data)[rule] == expected
    everybody = reid_of(seen, replace(data, queries=()))["all cameras"]
    assert everybody.queries == int((identities >= 0).sum())


def test_a_set_whose_figures_are_known(data: Dataset) -> None:
    """Perfect embeddings, one person of 18 missed, and the one detection of nobody has the lowest score."""
    figures = report_of("own", observations(data), data).figures()
    assert figures == pytest.approx(
        {"AP": 17 / 18, "recall": 17 / 18, "mAP": 1.0, "top1": 1.0, "top5": 1.0, "top10": 1.0}
    )
    assert told(data).main.name == "told weights"
