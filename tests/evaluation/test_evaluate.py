import json

import numpy as np
import pytest

from personsearch.errors import ConfigError, DatasetError
from personsearch.evaluation import PRESETS, evaluate, truth_as_detections
from tests.evaluation.toy import LOOK, A, B, dataset, detected, query, scene, shows

SCENES = [shows("q", [1]), shows("x", [1, 2]), shows("y", [1])]
DETECTIONS = {"q": detected([1.0]), "x": detected([0.8, 0.9]), "y": detected([0.7])}


def test_a_report_names_its_protocol() -> None:
    data = dataset(SCENES, query())
    report = evaluate(DETECTIONS, data, "seqnet", query_embeddings=LOOK, name="toy weights", weights="abc")
    assert report.label == f"seqnet ({PRESETS['seqnet'].hash})"
    result = json.loads(json.dumps(report.to_dict()))
    assert (result["preset"], result["hash"], result["rules"]) == ("seqnet", report.rules.hash, report.rules.switches)
    assert (result["name"], result["weights"], result["dataset"], result["digest"]) == (
        "toy weights",
        "abc",
        "toy",
        data.digest,
    )
    assert (result["scenes"], result["queries"], result["queries_counted"], result["people"]) == (3, 1, 1, 4)
    assert result["figures"] == report.figures()
    assert list(report.figures()) == ["AP", "recall", "mAP", "top1", "top5", "top10"]
    assert report.figures()["mAP"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert report.figures()["recall"] == 1.0


def test_custom_rules() -> None:
    mine = PRESETS["standard"].changed(ties="last")
    assert evaluate(DETECTIONS, dataset(SCENES, query()), mine, query_embeddings=LOOK).rules is mine
    with pytest.raises(ConfigError, match="there is no preset 'mine'"):
        evaluate(DETECTIONS, dataset(SCENES, query()), "mine", query_embeddings=LOOK)


def test_a_set_without_queries_has_detection_figures_only() -> None:
    report = evaluate(DETECTIONS, dataset(SCENES))
    assert report.search is None
    assert list(report.figures()) == ["AP", "recall"]
    assert report.to_dict()["queries_counted"] == 0
    with pytest.raises(DatasetError, match="has 1 queries; give query_embeddings"):
        evaluate(DETECTIONS, dataset(SCENES, query()))


def test_annotated_boxes_as_detections_are_the_upper_bound() -> None:
    data = dataset([*SCENES[:2], scene("y", [B, A], [-1, 1], ignore=[True, False])], query())
    one, two, other = np.eye(3, dtype=np.float32)
    people = {"q": np.stack([one]), "x": np.stack([one, two]), "y": np.stack([other, one])}
    truth = truth_as_detections(data, people)
    assert len(truth["y"]) == 1  # without the ignored box
    report = evaluate(truth, data, query_embeddings=one[None])
    assert set(report.figures().values()) == {1.0}
    with pytest.raises(DatasetError, match="x: has 2 boxes; give one embedding for each, got 1"):
        truth_as_detections(data, {**people, "x": people["q"]})
    with pytest.raises(DatasetError, match="q: has 1 boxes; give one embedding for each, got none"):
        truth_as_detections(data, {})
