import numpy as np
import pytest

from personsearch import Detections
from personsearch.datasets import Query, Scene
from personsearch.evaluation import evaluate_search
from personsearch.evaluation.search import iou_threshold
from tests.evaluation import toy

A, B = [0.0, 0, 20, 40], [50.0, 0, 70, 40]


def scene(name: str, identities: list[int]) -> Scene:
    """Return a scene with the first person at A and the second at B."""
    return toy.scene(name, [A, B][: len(identities)], identities)


def found(similarities: list[float], boxes: list[list[float]] | None = None) -> Detections:
    """Detections whose dot product with the query (1, 0) is as given."""
    cos = np.array(similarities, np.float32)
    return Detections(
        boxes=np.array(boxes or [A, B][: len(cos)], np.float32).reshape(-1, 4),
        scores=np.full(len(cos), 0.9, np.float32),
        embeddings=np.stack([cos, np.sqrt(1 - cos**2)], axis=1),
        image_size=(100, 100),
    )


QUERY = Query(image_id="q", box=np.array(A, np.float32), identity=1)
LOOK = np.array([[1.0, 0.0]], np.float32)


def test_by_hand() -> None:
    # x shows person 1 at A (0.8) beside a stranger (0.9); y shows person 1 at A (0.7): ranks 2 and 3 are right
    scenes = [scene("q", [1]), scene("x", [1, 2]), scene("y", [1])]
    result = evaluate_search({"q": found([1.0]), "x": found([0.8, 0.9]), "y": found([0.7])}, scenes, [QUERY], LOOK)
    assert result.mean_average_precision == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert result.top == {1: 0.0, 5: 1.0, 10: 1.0}


def test_a_missed_person_lowers_ap() -> None:
    scenes = [scene("q", [1]), scene("x", [1]), scene("y", [1])]
    result = evaluate_search({"x": found([0.8])}, scenes, [QUERY], LOOK)
    assert result.mean_average_precision == pytest.approx(0.5)
    assert result.top[1] == 1.0


def test_the_own_scene_is_left_out() -> None:
    scenes = [scene("q", [1]), scene("x", [1])]
    result = evaluate_search({"q": found([1.0]), "x": found([0.1])}, scenes, [QUERY], LOOK)
    assert result.mean_average_precision == 1.0


def test_only_the_most_similar_overlapping_detection_is_right() -> None:
    scenes = [scene("q", [1]), scene("x", [1])]
    twice = found([0.8, 0.9], [A, [0, 0, 20, 30]])
    result = evaluate_search({"x": twice}, scenes, [QUERY], LOOK)
    assert result.mean_average_precision == 1.0  # 0.9 is the match; 0.8 on the same person is false, but ranks below
    other = evaluate_search({"x": found([0.9, 0.8], [B, A])}, scenes, [QUERY], LOOK)
    assert other.mean_average_precision == 0.5


def test_a_query_that_finds_nothing_stays_in_the_mean() -> None:
    scenes = [scene("q", [1]), scene("x", [1])]
    result = evaluate_search({}, scenes, [QUERY, QUERY], np.repeat(LOOK, 2, axis=0))
    assert result.mean_average_precision == 0.0
    assert result.top == {1: 0.0, 5: 0.0, 10: 0.0}


def test_a_person_in_no_other_scene_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="in no other scene"):
        evaluate_search({}, [scene("q", [1])], [QUERY], LOOK)


def test_the_small_box_rule() -> None:
    assert iou_threshold(np.array([0, 0, 100, 200], np.float32)) == 0.5
    assert iou_threshold(np.array([0, 0, 10, 20], np.float32)) == pytest.approx(200 / (20 * 30))


def test_order_of_scenes_changes_nothing_without_ties() -> None:
    scenes = [scene("q", [1]), scene("x", [1, 2]), scene("y", [1])]
    detections = {"x": found([0.8, 0.9]), "y": found([0.7])}
    forward = evaluate_search(detections, scenes, [QUERY], LOOK)
    backward = evaluate_search(dict(reversed(detections.items())), scenes[::-1], [QUERY], LOOK)
    assert forward == backward
