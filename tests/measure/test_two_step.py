import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from personsearch import PersonSearcher
from personsearch.datasets import Dataset
from personsearch.errors import ConfigError, DatasetError, WeightsMismatchError, WeightsNotFoundError
from personsearch.evaluation import PRESETS, evaluate_observations
from personsearch.measure.cropped import CropEmbedder
from personsearch.measure.observe import embed_again, observe
from personsearch.measure.run import TRUTH, Plan, run_evaluation
from personsearch.measure.two_step import lowest_score_of, observe_two_step
from personsearch.models import ModelConfig
from tests.measure.cascades import keen


@pytest.fixture
def searcher(tiny_config: ModelConfig) -> PersonSearcher:
    return keen(tiny_config)


def test_an_embedder_of_the_one_step_s_embeddings_leaves_its_report_unchanged(
    searcher: PersonSearcher, data: Dataset
) -> None:
    own = observe(searcher, data, progress=False)
    again = embed_again(searcher, data, own, searcher.embed_boxes, mark="same", name="same", progress=False)
    for preset in PRESETS.values():
        expected = evaluate_observations(own, data, preset).figures()
        assert evaluate_observations(again, data, preset).figures() == pytest.approx(expected, abs=1e-9)
    people = own.detections[data.scenes[0].image_id]
    np.testing.assert_allclose(again.detections[data.scenes[0].image_id].embeddings, people.embeddings, atol=1e-4)


def test_both_rows_have_the_same_detections_and_both_have_a_bound(
    searcher: PersonSearcher, data: Dataset, reid: Path, tmp_path: Path
) -> None:
    plan = Plan(presets=("standard", "strict"), two_step=reid, baselines=True, gallery_sizes=(3,))
    done = run_evaluation(searcher, data, plan, cache_dir=tmp_path, progress=False)
    two = done.two_step
    assert two is not None
    assert two.row == "two-step (resnet18_ibn_a on 64x32 crops)"
    names = ["custom", two.row, "same network, untrained", "colour histogram", TRUTH, two.bound]
    assert [(one.rules.name, one.name) for one in done.reports] == [
        (preset, name) for preset in plan.presets for name in names
    ]
    first, second = done.main, done.report_of(two.row)
    for key in ("AP", "recall"):
        assert first.figures()[key] == second.figures()[key]
    assert first.detection.detections == second.detection.detections > 0
    assert done.report_of(two.bound).figures()["recall"] == 1
    ranked = [done.report_of(name).search for name in (TRUTH, two.bound)]
    similarities = [search.best[0][0].similarity for search in ranked if search is not None]
    assert similarities[0] != pytest.approx(similarities[1], abs=1e-3)
    assert [point.name for point in done.sizes][:2] == ["custom", two.row]
    with pytest.raises(KeyError, match="no row is named 'nobody'; there are custom, two-step"):
        done.report_of("nobody")

    embedder = CropEmbedder.from_folder(reid, device="cpu")
    assert second.weights == two.fingerprint == embedder.fingerprint
    query = data.queries[0]
    path = next(scene.path for scene in data.scenes if scene.image_id == query.image_id)
    row = done.observed[two.row]
    np.testing.assert_allclose(row.queries(data)[0], embedder.embed_boxes(path, query.box[None])[0], atol=2e-6)
    people = row.detections[data.scenes[1].image_id]
    assert (people.scores >= 0.5).all()
    expected = embedder.embed_boxes(data.scenes[1].path, people.boxes)
    np.testing.assert_allclose(people.embeddings, expected, atol=2e-6)

    told = json.loads(json.dumps(done.to_dict(), allow_nan=False))["two_step"]
    assert told["parameters"] == {
        "one_step": two.parameters.one_step,
        "detection": two.parameters.detection,
        "reid": 11_177_536,
    }
    assert told["pace"]["pictures"] == 6
    assert "cut out of the original pictures, resized to 64x32 pixels" in two.lines()[0]
    assert len(two.lines()) == 3


def test_the_cache_tells_one_re_identification_network_from_another(
    searcher: PersonSearcher, data: Dataset, reid: Path, other_reid: Path, tmp_path: Path
) -> None:
    own = observe(searcher, data, progress=False)
    first = CropEmbedder.from_folder(reid, device="cpu")
    other = CropEmbedder.from_folder(other_reid, device="cpu")
    rows = [
        observe_two_step(searcher, data, own, embedder, 0.5, cache_dir=tmp_path / "kept", progress=False)
        for embedder in (first, other)
    ]
    assert not np.allclose(rows[0].queries(data), rows[1].queries(data), atol=1e-2)
    first.embed_boxes = None  # type: ignore[assignment,method-assign]  # a second look must not need it
    again = observe_two_step(searcher, data, own, first, 0.5, cache_dir=tmp_path / "kept", progress=False)
    np.testing.assert_array_equal(again.queries(data), rows[0].queries(data))
    assert again.weights == first.fingerprint
    assert again.computed_on == "cpu float32"
    with pytest.raises(TypeError):  # other detections count, so other boxes are to be embedded
        observe_two_step(searcher, data, own, first, 0.9, cache_dir=tmp_path / "kept", progress=False)


def test_detections_are_embedded_down_to_what_a_protocol_looks_at(data: Dataset) -> None:
    assert lowest_score_of([PRESETS["standard"], PRESETS["strict"]], data) == 0.5
    assert lowest_score_of([PRESETS["standard"], PRESETS["alignps"]], data) == 0.0  # the nearest, whatever its score
    weak = PRESETS["standard"].changed(score_threshold=0.2, list_score_threshold=0.1)
    assert lowest_score_of([weak], data) == 0.2  # no query has a list of its own


def test_what_a_cascade_cannot_do_is_refused_before_the_network_runs(
    searcher: PersonSearcher, data: Dataset, reid: Path, tmp_path: Path
) -> None:
    searcher.observe = None  # type: ignore[assignment,method-assign]
    with pytest.raises(WeightsNotFoundError, match="no such folder"):
        run_evaluation(searcher, data, Plan(two_step=tmp_path / "nowhere"), progress=False)
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "config.json").write_bytes((reid / "config.json").read_bytes())
    (damaged / "backbone.safetensors").write_bytes((reid / "backbone.safetensors").read_bytes()[:-10])
    with pytest.raises(WeightsMismatchError, match=r"backbone\.safetensors: damaged"):
        run_evaluation(searcher, data, Plan(two_step=damaged), progress=False)
    with pytest.raises(DatasetError, match="has no queries, so search cannot be measured"):
        Plan(two_step=reid).check(replace(data, queries=()))
    with pytest.raises(ConfigError, match=r"is a set of crops, .* leave out: a two-step cascade; boxes of a detector"):
        Plan(two_step=reid, boxes={}).check(replace(data, crops=True))
