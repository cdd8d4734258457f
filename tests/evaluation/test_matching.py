import numpy as np
import pytest

from personsearch.evaluation import PRESETS, Rules, gallery_rows
from personsearch.evaluation.matching import Candidates, best_identities, iou_thresholds, judge
from personsearch.evaluation.spaces import SearchSpaces
from tests.evaluation import toy
from tests.evaluation.toy import A, B, detected, listing, query, scene, shows

STANDARD = PRESETS["standard"]
SHORT = [0.0, 0, 20, 16]  # IoU 0.4 with A


def test_small_boxes_need_less_overlap() -> None:
    boxes = np.array([[0, 0, 100, 200], [0, 0, 10, 20]], np.float32)
    assert iou_thresholds(boxes, STANDARD) == pytest.approx([0.5, 200 / (20 * 30)])
    assert iou_thresholds(boxes, PRESETS["stl-author"]).tolist() == [0.5, 0.5]


def test_candidates_follow_the_entries_of_the_gallery() -> None:
    scenes = [shows("q", [1]), shows("x", [1, 2]), shows("y", []), shows("z", [1])]
    data = toy.dataset(scenes, query(gallery=listing(("z", A), ("x", A), ("y", None), ("x", B))))
    table = gallery_rows({"x": detected([0.1, 0.2]), "z": detected([0.3])}, data, STANDARD)
    candidates = Candidates.of(SearchSpaces(data, STANDARD).of(0), table)
    assert candidates.rows.tolist() == [0, 1, 0, 1, 2]  # x twice, y without rows, z: the order of scenes
    assert candidates.starts.tolist() == [0, 2, 4, 4, 5]


def judged(rules: Rules, similarity: list[float], boxes: list[list[float]]) -> tuple[list[bool], list[bool]]:
    """Judge detections of a scene that shows person 1 at A."""
    data = toy.dataset([shows("q", [1]), shows("x", [1])], query())
    table = gallery_rows({"x": detected(similarity, boxes)}, data, rules)
    space = SearchSpaces(data, rules).of(0)
    candidates = Candidates.of(space, table)
    labels = best_identities(data, table, rules)[candidates.rows] == 1 if rules.positives == "every" else None
    right, junk = judge(space, candidates, np.array(similarity, np.float32), table, rules, labels)
    return right.tolist(), junk.tolist()


def test_the_most_similar_detection_that_overlaps_enough_is_right() -> None:
    nothing = [False, False, False]
    assert judged(STANDARD, [0.7, 0.8, 0.9], [A, A, SHORT]) == ([False, True, False], nothing)
    assert judged(STANDARD, [0.8, 0.8, 0.9], [A, A, B]) == ([True, False, False], nothing)  # the first of equals
    assert judged(PRESETS["seqnet"], [0.8, 0.8, 0.9], [A, A, B]) == ([False, True, False], nothing)  # the last
    assert judged(PRESETS["stl-author"], [0.7, 0.8, 0.9], [A, A, SHORT]) == ([True, True, False], nothing)


def test_a_detection_between_the_two_thresholds_is_junk() -> None:
    rules = STANDARD.changed(junk_iou=0.3)
    assert judged(rules, [0.7, 0.8, 0.9], [A, SHORT, B]) == ([True, False, False], [False, True, False])


def test_detections_take_the_identity_that_they_overlap_best() -> None:
    neighbour = [0.0, 0, 20, 30]
    data = toy.dataset([scene("x", [A, neighbour, B], [1, -1, 2]), shows("y", [])], query())
    table = gallery_rows(
        {"x": detected([0.1] * 4, [A, [0, 0, 20, 32], B, [50, 0, 60, 20]]), "y": detected([0.1])}, data, STANDARD
    )
    assert best_identities(data, table, STANDARD).tolist() == [1, -1, 2, -1, -1]
