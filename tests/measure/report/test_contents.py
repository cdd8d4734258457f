from dataclasses import replace

import numpy as np
import pytest

from personsearch.datasets import Dataset
from personsearch.evaluation.fit_calibration import fit_calibration
from personsearch.evaluation.rules import PRESETS
from personsearch.measure.report.contents import (
    cumulative_matches,
    details_of,
    extreme_queries,
    precision_recall,
    recall_by_height,
    scene_hits,
    similarities,
    worst_scenes,
)
from tests.measure.toy_evaluation import NAME, toy_evaluation, toy_observations

STANDARD = PRESETS["standard"]


def test_cumulative_matches_count_queries_that_count(data: Dataset) -> None:
    search = toy_evaluation(data).main.search
    assert search is not None
    ranks = replace(search, first_ranks=np.array([0, 2, np.inf, np.nan]))
    assert cumulative_matches(ranks)[[0, 1, 2, 49]].tolist() == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3])


def test_hits_misses_and_detections_of_nobody(data: Dataset) -> None:
    hits = scene_hits(toy_observations(data), data.scenes, STANDARD)
    assert [len(one.hits) for one in hits] == [3, 3, 3, 2, 3, 3]
    assert [len(one.missed) for one in hits] == [0, 0, 0, 1, 0, 0]
    assert [len(one.false) for one in hits] == [0, 0, 0, 0, 1, 0]
    np.testing.assert_array_equal(hits[3].missed, data.scenes[3].boxes[:1])
    assert [one.scene.image_id for one in worst_scenes(hits, 6)] == ["003.png", "004.png"]
    [row] = recall_by_height(hits, STANDARD)
    assert (row.low, row.high, row.people) == (50, 75, 18)
    assert row.recall == pytest.approx(17 / 18)


def test_similarities_are_those_of_the_calibration_s_pairs(data: Dataset) -> None:
    pairs = similarities(toy_observations(data), data)
    # 17 detections are matched to people, three of them in each query's own scene: 14 pairs for each of two queries.
    # Person 1 is in scenes 0, 1, 4, 5 and person 2 in 1, 2, 5. The detection of nobody in scene 4 is in no pair.
    assert pairs.same.sum() == 3 + 2
    assert pairs.same.sum() + pairs.different.sum() == 2 * 14
    assert pairs.same[-1] == 5  # equal embeddings: similarity one
    assert len(pairs.edges) == len(pairs.same) + 1
    calibration = fit_calibration(toy_observations(data), data)
    assert (calibration.same_pairs, calibration.different_pairs) == (pairs.same.sum(), pairs.different.sum())
    nobody = replace(data, queries=(replace(data.queries[0], identity=77),))
    alone = similarities(replace(toy_observations(data), detections={}), nobody)
    assert (len(alone.same), len(alone.different)) == (0, 0)


def test_the_curve_continues_below_the_threshold(data: Dataset) -> None:
    observed = toy_observations(data)
    strict = STANDARD.changed(detection_score_threshold=0.7)
    curve = precision_recall(observed, data, strict)
    assert curve[0][1] == 1.0
    assert curve[-1] == pytest.approx((17 / 18, 17 / 18))  # including the detection of nobody, whose score is 0.6


def test_extreme_queries_show_each_person_once(data: Dataset) -> None:
    evaluation = toy_evaluation(data)
    search = evaluation.main.search
    assert search is not None
    ap = np.array([0.5, 0.2, 0.9, np.nan])
    twice = replace(data, queries=(*data.queries, *data.queries))
    many = replace(
        search,
        average_precisions=ap,
        appearances=np.tile(search.appearances, 2),
        found=np.tile(search.found, 2),
        best=search.best * 2,
    )
    main = replace(evaluation.main, search=many)
    assert [one.number for one in extreme_queries(main, twice, 5, worst=True)] == [1, 0]
    assert [one.number for one in extreme_queries(main, twice, 5, worst=False)] == [2, 1]
    assert [one.number for one in extreme_queries(main, twice, 1, worst=True)] == [1]


def test_details_are_of_the_first_preset(data: Dataset) -> None:
    details = details_of(toy_evaluation(data), best=1, worst=1, scenes=1)
    assert list(details.cumulative) == [NAME, "other"]
    assert details.at_threshold == pytest.approx((17 / 18, 17 / 18))
    assert len(details.best) == len(details.worst) == len(details.scenes) == 1
