import sys
from dataclasses import replace

import numpy as np
import pytest

from personsearch import Detections
from personsearch.errors import DatasetError, MissingExtraError
from personsearch.evaluation.coco import coco_average_precision
from tests.evaluation.toy import detected, scene

BIG, FAR = [0.0, 0, 40, 50], [50.0, 50, 90, 100]  # 2,000 pixels: of COCO's medium size


def boxes(at: list[list[float]], scores: list[float]) -> Detections:
    return detected([0.5] * len(at), at, scores)


def test_perfect_detections() -> None:
    got = coco_average_precision({"x": boxes([BIG, FAR], [0.9, 0.2])}, [scene("x", [BIG, FAR])])
    assert list(got) == ["AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large"]
    assert (got["AP"], got["AP50"], got["AP_medium"]) == pytest.approx((1, 1, 1))
    assert np.isnan([got["AP_small"], got["AP_large"]]).all()


def test_loose_boxes_count_only_at_loose_thresholds() -> None:
    # IoU 0.7 reaches the thresholds 0.5, 0.55, 0.6, 0.65 and 0.7 of ten
    loose = [0.0, 0, 40, 34.99]
    got = coco_average_precision({"x": boxes([loose], [0.9])}, [scene("x", [BIG])])
    assert (got["AP50"], got["AP75"], got["AP"]) == pytest.approx((1, 0, 0.4))


def test_missed_people_and_false_detections_count_and_ignored_people_do_not() -> None:
    scenes = [scene("x", [BIG]), scene("y", [BIG]), scene("z", [FAR], ignore=[True])]
    half = coco_average_precision({"x": boxes([BIG], [0.9]), "z": boxes([FAR], [1.0])}, scenes)
    assert half["AP50"] == pytest.approx(51 / 101)  # of COCO's 101 recall levels, 0..0.5 are reached
    wrong = coco_average_precision({"x": boxes([FAR, BIG], [1.0, 0.9])}, scenes)
    assert wrong["AP50"] == pytest.approx(0.5 * 51 / 101)


def test_nothing_detected_and_nobody_annotated() -> None:
    assert coco_average_precision({}, [scene("x", [BIG])])["AP"] == 0.0
    with pytest.raises(DatasetError, match="nobody is annotated"):
        coco_average_precision({}, [scene("x", [BIG], ignore=[True]), replace(scene("y", []))])


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    with pytest.raises(MissingExtraError, match=r"personsearch\[evaluate\]"):
        coco_average_precision({}, [scene("x", [BIG])])
