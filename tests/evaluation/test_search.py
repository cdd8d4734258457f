import numpy as np
import pytest

from personsearch.evaluation import PRESETS, SearchResult, evaluate_search
from personsearch.evaluation.matching import iou_thresholds
from personsearch.evaluation.rules import Rules
from personsearch.results import Detections
from tests.evaluation.toy import LOOK, A, B, dataset, found, query, shows

QUERY = query()


def search(
    detections: dict[str, Detections], scenes: list, rules: Rules = PRESETS["standard"], asked: object = QUERY
) -> SearchResult:
    return evaluate_search(detections, dataset(scenes, asked), LOOK, rules)


def test_by_hand() -> None:
    # x shows person 1 at A (0.8) beside a stranger (0.9); y shows person 1 at A (0.7): ranks 2 and 3 are right
    scenes = [shows("q", [1]), shows("x", [1, 2]), shows("y", [1])]
    result = search({"q": found([1.0]), "x": found([0.8, 0.9]), "y": found([0.7])}, scenes)
    assert result.mean_average_precision == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert result.top == {1: 0.0, 5: 1.0, 10: 1.0}
    assert (result.first_ranks.tolist(), result.appearances.tolist(), result.found.tolist()) == ([1.0], [2], [2])
    [best] = result.best
    assert [(one.image_id, one.box, one.correct) for one in best] == [
        ("x", tuple(B), False),
        ("x", tuple(A), True),
        ("y", tuple(A), True),
    ]
    assert [one.similarity for one in best] == pytest.approx([0.9, 0.8, 0.7])


def test_a_missed_person_lowers_ap() -> None:
    result = search({"x": found([0.8])}, [shows("q", [1]), shows("x", [1]), shows("y", [1])])
    assert result.mean_average_precision == pytest.approx(0.5)
    assert result.top[1] == 1.0


def test_the_own_scene_is_left_out() -> None:
    result = search({"q": found([1.0]), "x": found([0.1])}, [shows("q", [1]), shows("x", [1])])
    assert result.mean_average_precision == 1.0


def test_only_the_most_similar_overlapping_detection_is_right() -> None:
    scenes = [shows("q", [1]), shows("x", [1])]
    twice = search({"x": found([0.8, 0.9], [A, [0, 0, 20, 30]])}, scenes)
    assert twice.mean_average_precision == 1.0  # 0.9 is the match; 0.8 on the same person is false, but ranks below
    assert search({"x": found([0.9, 0.8], [B, A])}, scenes).mean_average_precision == 0.5


def test_a_query_that_finds_nothing_stays_in_the_mean() -> None:
    result = evaluate_search({}, dataset([shows("q", [1]), shows("x", [1])], QUERY, QUERY), np.repeat(LOOK, 2, axis=0))
    assert result.mean_average_precision == 0.0
    assert result.top == {1: 0.0, 5: 0.0, 10: 0.0}
    assert result.queries == 2


def test_the_small_box_rule() -> None:
    boxes = np.array([[0, 0, 100, 200], [0, 0, 10, 20]], np.float32)
    assert iou_thresholds(boxes, PRESETS["standard"]) == pytest.approx([0.5, 200 / (20 * 30)])
    assert iou_thresholds(boxes, PRESETS["stl-author"]).tolist() == [0.5, 0.5]
