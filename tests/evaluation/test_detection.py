import numpy as np
import pytest

from personsearch import Detections
from personsearch.evaluation import evaluate_detection
from tests.evaluation.toy import scene


def detected(boxes: list[list[float]], scores: list[float]) -> Detections:
    n = len(boxes)
    return Detections(
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.array(scores, np.float32),
        embeddings=np.ones((n, 1), np.float32),
        image_size=(100, 100),
    )


A, B, FAR = [0.0, 0, 10, 10], [50.0, 50, 60, 60], [80.0, 80, 90, 90]


def test_ap_is_multiplied_by_recall() -> None:
    result = evaluate_detection({"x": detected([A], [0.9])}, [scene("x", [A, B])])
    assert result.recall == 0.5
    assert result.ap == pytest.approx(1.0 * 0.5)


def test_a_false_detection_by_hand() -> None:
    # ranked: wrong, right -> precision at the hit 1/2; recall 1
    result = evaluate_detection({"x": detected([FAR, A], [0.9, 0.8])}, [scene("x", [A])])
    assert result.ap == pytest.approx(0.5)


def test_a_second_detection_of_a_person_is_false() -> None:
    result = evaluate_detection({"x": detected([A, [0, 0, 10, 9]], [0.9, 0.8])}, [scene("x", [A])])
    assert (result.recall, result.ap) == (1.0, 1.0)  # it ranks below the hit
    assert result.detections == 2
    first = evaluate_detection({"x": detected([[0, 0, 10, 9], A], [0.9, 0.8])}, [scene("x", [A])])
    assert first.ap == pytest.approx(0.5)  # the better overlap is the hit, whatever its score


def test_iou_of_exactly_one_half_is_a_hit() -> None:
    assert evaluate_detection({"x": detected([[0, 0, 10, 5]], [0.9])}, [scene("x", [A])]).recall == 1.0


def test_scenes_without_detections_still_count() -> None:
    result = evaluate_detection({"x": detected([A], [0.9])}, [scene("x", [A]), scene("y", [B])])
    assert result.recall == 0.5


def test_low_scores_are_dropped_first() -> None:
    assert evaluate_detection({"x": detected([A], [0.49])}, [scene("x", [A])]).recall == 0.0


def test_ignored_boxes_count_neither_way() -> None:
    ignoring = scene("x", [A, B], ignore=[False, True])
    inside = [52.0, 52, 58, 58]
    result = evaluate_detection({"x": detected([B, inside, A], [0.9, 0.85, 0.8])}, [ignoring])
    assert (result.ap, result.recall, result.people, result.detections) == (1.0, 1.0, 1, 1)


def test_where_nobody_is_annotated_nothing_was_counted() -> None:
    for detections, num in (({}, 0), ({"x": detected([A], [0.9])}, 1)):
        result = evaluate_detection(detections, [scene("x", [])])
        assert np.isnan([result.ap, result.recall, result.labelled_recall]).all()
        assert (result.people, result.labelled, result.detections) == (0, 0, num)
        recall, precision = result.curve()
        assert np.isnan(recall).all()
        assert precision.tolist() == [0.0] * num
    ignored = evaluate_detection({"x": detected([A], [0.9])}, [scene("x", [A], ignore=[True])])
    assert np.isnan([ignored.ap, ignored.recall]).all()


def test_people_whom_nobody_found_are_a_figure_of_zero() -> None:
    for detections in ({}, {"x": detected([FAR], [0.9])}):
        result = evaluate_detection(detections, [scene("x", [A])])
        assert (result.ap, result.recall, result.people) == (0.0, 0.0, 1)
        assert np.isnan(result.labelled_recall)  # the one person has no label


def test_recall_of_labelled_people_looks_for_them_alone() -> None:
    # the detection overlaps an unlabelled neighbour best, and the labelled person well enough
    neighbour, person = [0.0, 0, 10, 10], [0.0, 0, 10, 8]
    scenes = [scene("x", [neighbour, person, B], [-1, 3, 4])]
    result = evaluate_detection({"x": detected([neighbour], [0.9])}, scenes)
    assert (result.recall, result.labelled_recall) == (pytest.approx(1 / 3), 0.5)
    assert (result.people, result.labelled) == (3, 2)


def test_the_curve_ends_at_the_recall() -> None:
    result = evaluate_detection({"x": detected([A, FAR, B], [0.9, 0.9, 0.8])}, [scene("x", [A, B])])
    recall, precision = result.curve()
    assert recall.tolist() == [0.5, 1.0]  # the first two have one score
    assert precision.tolist() == pytest.approx([1 / 2, 2 / 3])
    assert result.scores.tolist() == pytest.approx([0.9, 0.9, 0.8])
    nothing = evaluate_detection({}, [scene("x", [A])]).curve()
    assert [len(part) for part in nothing] == [0, 0]
