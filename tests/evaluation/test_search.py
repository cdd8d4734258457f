from dataclasses import replace

import numpy as np
import pytest

from personsearch.datasets import Query
from personsearch.errors import DatasetError
from personsearch.evaluation import PRESETS, Rules, SearchResult, evaluate_search
from personsearch.results import Detections
from tests.evaluation.toy import LOOK, A, B, dataset, detected, listing, query, shows

QUERY = query()


def search(
    detections: dict[str, Detections], scenes: list, rules: Rules = PRESETS["standard"], asked: object = QUERY
) -> SearchResult:
    return evaluate_search(detections, dataset(scenes, asked), LOOK, rules)


def test_by_hand() -> None:
    # x shows person 1 at A (0.8) beside a stranger (0.9); y shows person 1 at A (0.7): ranks 2 and 3 are right
    scenes = [shows("q", [1]), shows("x", [1, 2]), shows("y", [1])]
    result = search({"q": detected([1.0]), "x": detected([0.8, 0.9]), "y": detected([0.7])}, scenes)
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
    result = search({"x": detected([0.8])}, [shows("q", [1]), shows("x", [1]), shows("y", [1])])
    assert result.mean_average_precision == pytest.approx(0.5)
    assert result.top[1] == 1.0


def test_the_query_s_own_scene_is_left_out() -> None:
    result = search({"q": detected([1.0]), "x": detected([0.1])}, [shows("q", [1]), shows("x", [1])])
    assert result.mean_average_precision == 1.0


def test_only_the_most_similar_overlapping_detection_is_right() -> None:
    scenes = [shows("q", [1]), shows("x", [1])]
    twice = search({"x": detected([0.8, 0.9], [A, [0, 0, 20, 30]])}, scenes)
    assert twice.mean_average_precision == 1.0  # 0.9 is the match; 0.8 on the same person is false, but ranks below
    assert search({"x": detected([0.9, 0.8], [B, A])}, scenes).mean_average_precision == 0.5


def test_a_query_that_finds_nothing_stays_in_the_mean() -> None:
    result = evaluate_search({}, dataset([shows("q", [1]), shows("x", [1])], QUERY, QUERY), np.repeat(LOOK, 2, axis=0))
    assert result.mean_average_precision == 0.0
    assert result.top == {1: 0.0, 5: 0.0, 10: 0.0}
    assert result.queries == 2


def test_the_order_of_equal_similarities() -> None:
    # x shows a stranger before the person, y the person alone; all are equally similar
    scenes = [shows("q", [1]), shows("x", [2]), shows("y", [1])]
    detections = {"x": detected([0.5]), "y": detected([0.5])}
    for preset, first_rank in (("standard", 1), ("seqnet", 0), ("strict", 1)):
        result = search(detections, scenes, PRESETS[preset])
        assert result.first_ranks.tolist() == [first_rank], preset
        assert result.mean_average_precision == 0.5  # one threshold: 1 of 2 is right
    swapped = [scenes[0], scenes[2], scenes[1]]
    assert search(detections, swapped).first_ranks.tolist() == [0]
    assert search(detections, swapped, PRESETS["seqnet"]).first_ranks.tolist() == [1]
    assert search(detections, swapped, PRESETS["strict"]).first_ranks.tolist() == [1]  # whatever the order


def test_equal_similarities_within_a_scene() -> None:
    scenes = [shows("q", [1]), shows("x", [1])]
    twice = {"x": detected([0.5, 0.5], [A, [0, 0, 20, 36]])}
    for preset, correct in (("standard", [True, False]), ("seqnet", [True, False])):
        [best] = search(twice, scenes, PRESETS[preset]).best
        assert [one.correct for one in best] == correct
    assert search(twice, scenes).best[0][0].box == tuple(A)
    assert search(twice, scenes, PRESETS["seqnet"]).best[0][0].box == (0, 0, 20, 36)


def test_scores_of_exactly_the_threshold_are_kept() -> None:
    scenes = [shows("q", [1]), shows("x", [1])]
    assert search({"x": detected([0.9], scores=[0.5])}, scenes).mean_average_precision == 1.0
    assert search({"x": detected([0.9], scores=[0.499])}, scenes).mean_average_precision == 0.0


def test_confidence_weighting() -> None:
    scenes = [shows("q", [1]), shows("x", [1, 2])]
    detections = {"x": detected([0.8, 0.7], scores=[0.6, 1.0])}
    assert search(detections, scenes).mean_average_precision == 1.0
    assert search(detections, scenes, PRESETS["seqnet"]).mean_average_precision == 0.5  # 0.48 after 0.7


def test_cameras() -> None:
    # a: the query's camera, with the person (0.9) beside a stranger (0.8); b: the person (0.7)
    scenes = [shows("q", [1], "1"), shows("a", [1, 2], "1"), shows("b", [1], "2")]
    detections = {"a": detected([0.9, 0.8]), "b": detected([0.7])}

    def average(cameras: str) -> float:
        return search(detections, scenes, PRESETS["standard"].changed(cameras=cameras)).mean_average_precision

    assert average("all") == pytest.approx((1 + 2 / 3) / 2)
    assert average("other-frames") == 1.0  # the stranger's frame is gone
    assert average("junk") == 0.5  # the person in a is ignored, the stranger stays
    assert average("same-frames") == 1.0


def test_slightly_overlapping_detections_are_junk_where_the_rules_say_so() -> None:
    scenes = [shows("q", [1]), shows("x", [1])]
    detections = {"x": detected([0.8, 0.9], [A, [0, 0, 20, 16]])}  # IoU 0.4
    assert search(detections, scenes).mean_average_precision == 0.5
    assert search(detections, scenes, PRESETS["standard"].changed(junk_iou=0.3)).mean_average_precision == 1.0


def test_trapezoid_average_precision() -> None:
    # wrong, right, right: precisions 0, 1/2, 2/3, so (0 + 1/2) / 2 and (1/2 + 2/3) / 2, each by recall 1/2
    scenes = [shows("q", [1]), shows("x", [1, 2]), shows("y", [1])]
    rules = PRESETS["standard"].changed(average_precision="trapezoid")
    result = search({"x": detected([0.8, 0.9]), "y": detected([0.7])}, scenes, rules)
    assert result.mean_average_precision == pytest.approx(((0 + 1 / 2) / 2 + (1 / 2 + 2 / 3) / 2) / 2)
    assert search({"x": detected([0.9]), "y": detected([0.8])}, scenes, rules).mean_average_precision == 1.0


def test_lists_decide_where_a_query_is_looked_for() -> None:
    scenes = [shows("q", [1]), shows("x", [1]), shows("y", [1]), shows("z", [2])]
    detections = {"x": detected([0.8]), "y": detected([0.7]), "z": detected([0.9])}
    only_y = query(gallery=listing(("y", A), ("z", None)))
    result = evaluate_search(detections, dataset(scenes, QUERY, only_y), np.repeat(LOOK, 2, axis=0))
    assert result.appearances.tolist() == [2, 1]
    assert result.average_precisions == pytest.approx([(1 / 2 + 2 / 3) / 2, 1 / 2])


def test_a_ranker_gives_other_similarities() -> None:
    scenes = [shows("q", [1]), shows("x", [1, 2])]
    asked: list[tuple[int, list[int]]] = []

    def ranker(number: int, rows: np.ndarray) -> np.ndarray:
        asked.append((number, rows.tolist()))
        return -rows.astype(float)

    detections = {"q": detected([1.0]), "x": detected([0.1, 0.9])}
    one = dataset(scenes, QUERY)
    assert evaluate_search(detections, one, LOOK, ranker=ranker).mean_average_precision == 1.0
    assert asked == [(0, [1, 2])]  # row 0 is the query's own image
    twice = dataset(scenes, query(gallery=listing(("x", A), ("x", A))))
    evaluate_search(detections, twice, LOOK, ranker=ranker)
    assert asked[1:] == [(0, [1, 2])]  # each row once, though the list names its image twice
    with pytest.raises(DatasetError, match="query 0: the ranker gave"):
        evaluate_search(detections, one, LOOK, ranker=lambda number, rows: np.zeros(5))
    with pytest.raises(DatasetError, match="query 0: a similarity is NaN"):
        evaluate_search(detections, one, LOOK, ranker=lambda number, rows: np.full(len(rows), np.nan))


def test_a_person_in_no_other_scene() -> None:
    scenes = [shows("q", [1]), shows("x", [2]), shows("y", [2])]
    detections, asked = {"x": detected([0.5]), "y": detected([0.6])}, (QUERY, query(2, "x"))
    two = np.repeat(LOOK, 2, axis=0)
    with pytest.raises(DatasetError, match=r"query 0 \(person 1 in 'q'\): the person is in no other scene"):
        evaluate_search(detections, dataset(scenes, *asked), two)
    for how, average, count in (("zero", 0.5, 2), ("skip", 1.0, 1)):
        rules = PRESETS["standard"].changed(absent_person=how)
        result = evaluate_search(detections, dataset(scenes, *asked), two, rules)
        assert (result.mean_average_precision, result.queries) == (average, count)
    assert np.isnan(result.average_precisions).tolist() == [True, False]
    assert result.left_out == {"the person is only in the query's own image": 1}
    assert result.best[0] == ()


def test_why_a_query_does_not_count() -> None:
    scenes = [shows("q", [1], "1"), shows("x", [2], "1"), shows("y", [2], "1"), shows("z", [], "2")]
    asked = (QUERY, query(2, "x"), query(9), query(1, gallery=listing(("x", None), ("y", None))))

    def left_out(preset: str, *queries: Query, detections: dict[str, Detections] | None = None) -> dict[str, int]:
        look = np.repeat(LOOK, len(queries), axis=0)
        rules = PRESETS[preset].changed(absent_person="skip", undetected_query="skip")
        result = evaluate_search(
            {"x": detected([0.5])} if detections is None else detections, dataset(scenes, *queries), look, rules
        )
        assert result.queries + sum(result.left_out.values()) == len(queries)
        return dict(result.left_out)

    own, nowhere = "the person is only in the query's own image", "the person is in no scene of the set"
    assert left_out("strict", *asked) == {own: 1, nowhere: 1, "the person is in no image of the query's list": 1}
    camera = "the person is only in frames of the query's camera"
    assert left_out("cross-camera-frames", *asked[:3]) == {own: 1, nowhere: 1, camera: 1}
    assert left_out("cross-camera-junk", asked[1]) == {camera: 1}
    assert left_out("alignps", asked[1], detections={}) == {"nothing was detected in the query's image": 1}
    other = PRESETS["strict"].changed(cameras="same-frames")
    far = [*scenes, shows("w", [3], "1"), shows("v", [3], "2")]
    result = evaluate_search({}, dataset(far, query(3, "z"), query(3, "w")), np.repeat(LOOK, 2, axis=0), other)
    assert (result.queries, dict(result.left_out)) == (1, {"the person is only in frames of other cameras": 1})


def test_input_that_does_not_match_the_set() -> None:
    scenes = [shows("q", [1]), shows("x", [1])]
    good = {"x": detected([0.5])}

    def complaint(detections: dict, asked: object = QUERY, look: np.ndarray = LOOK, rules: str = "standard") -> str:
        with pytest.raises(DatasetError) as caught:
            evaluate_search(detections, dataset(scenes, asked), look, PRESETS[rules])
        return str(caught.value)

    assert "query embeddings must be (1, D)" in complaint(good, look=np.ones((2, 2), np.float32))
    assert "size 3, the detections' 2" in complaint(good, look=np.eye(1, 3, dtype=np.float32))
    assert "query 0 (in 'q') is not of unit length" in complaint(good, look=2 * LOOK)
    assert "names like 'elsewhere/x', images like 'q'" in complaint({"elsewhere/x": detected([0.5])})
    assert "its gallery names 'nowhere'" in complaint(good, query(gallery=listing(("nowhere", None))))
    assert "the camera of 'q' is unknown" in complaint(good, rules="cross-camera-frames")
    long = replace(detected([0.5]), embeddings=np.array([[3.0, 4.0]], np.float32))
    assert "x: the embedding of detection 0 is not of unit length" in complaint({"x": long})
    assert "not of unit length" in complaint({"x": replace(long, embeddings=np.full((1, 2), np.nan, np.float32))})
    assert "not a finite number" in complaint({"x": detected([0.5], [[0, 0, np.nan, 1]])})
    assert "different sizes: [2, 3]" in complaint({"q": detected([1.0]), "x": replace(long, embeddings=np.eye(1, 3))})
    with pytest.raises(DatasetError, match="an image_id occurs twice"):
        evaluate_search(good, dataset([*scenes, scenes[0]], QUERY), LOOK)
    unknown = dataset([shows("x", [1], "a")], QUERY)
    with pytest.raises(DatasetError, match="'q' is not a scene of the set, so its camera is unknown"):
        evaluate_search(good, unknown, LOOK, PRESETS["cross-camera-junk"])
