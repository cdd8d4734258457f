from dataclasses import replace

import numpy as np
import pytest

from personsearch.errors import DatasetError
from personsearch.evaluation import evaluate_reid
from personsearch.evaluation.observations import Observations
from personsearch.evaluation.reid import reid_of
from tests.evaluation import toy


def test_same_camera_matches_are_left_out() -> None:
    angle = np.deg2rad([0, 1, 30, 10])
    embeddings = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    identities = np.array([7, 7, 7, 8])
    query = np.array([True, False, False, False])
    # crop 1 is the nearest, but of the query's camera: the ranking is 8 (wrong), 7 (right)
    result = evaluate_reid(embeddings, identities, ["a", "a", "b", "b"], query)
    assert result.mean_average_precision == pytest.approx(0.5)
    assert result.top1 == 0.0
    assert result.queries == 1


def test_where_no_crop_counts_as_a_query_the_figures_are_not_numbers() -> None:
    """People of one camera have nobody to be found in another: 0 of 0 is not 0."""
    embeddings = np.eye(2, dtype=np.float32)
    result = evaluate_reid(embeddings, np.array([1, 1]), ["a", "a"], np.array([True, True]))
    assert (result.queries, result.asked) == (0, 2)
    assert result.left_out == {"the person is only in pictures of the query's camera": 2}
    assert np.isnan([result.mean_average_precision, result.top1]).all()


def test_query_crops_that_do_not_count_are_counted() -> None:
    rows = np.eye(4, dtype=np.float32)
    result = evaluate_reid(rows, np.array([1, 1, 2, -1]), ["a", "b", "a", "a"], np.array([True, False, True, True]))
    assert (result.queries, result.asked) == (1, 3)
    assert result.left_out == {"the person has no label": 1, "the person is in no other picture": 1}


def test_in_a_set_of_crops_queries_are_no_part_of_the_gallery() -> None:
    """Market-1501 keeps them apart: query b's crop is no match for query a, though it is the most similar one."""
    angle = np.deg2rad([0, 1, 30, 10])
    crops = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    scenes = [
        toy.scene(f"{n}", [toy.A], [p], camera=c) for n, (p, c) in enumerate(zip([7, 7, 7, 8], "abcc", strict=True))
    ]
    observed = Observations(
        weights="f" * 64,
        detections={},
        boxes={scene.image_id: scene.boxes for scene in scenes},
        embeddings={scene.image_id: crops[number : number + 1] for number, scene in enumerate(scenes)},
    )
    asked = tuple(toy.query(7, f"{n}") for n in (0, 1))
    apart = reid_of(observed, replace(toy.dataset(scenes, *asked), crops=True))["other cameras"]
    # the gallery is 7 at 30 degrees and 8 at 10: both queries rank the stranger first
    assert (apart.mean_average_precision, apart.top1, apart.queries) == (0.5, 0.0, 2)
    together = reid_of(observed, toy.dataset(scenes, *asked))["other cameras"]
    assert (together.mean_average_precision, together.top1) == (pytest.approx((1 + 2 / 3) / 2), 1.0)


def test_an_unknown_camera_is_no_other_unknown_camera() -> None:
    angle = np.deg2rad([0, 1, 30, 10])
    embeddings = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    identities, query = np.array([7, 7, 7, 8]), np.array([True, False, False, False])
    # only the query crop is left out: 7 (right), 8 (wrong), 7 (right)
    unknown = evaluate_reid(embeddings, identities, [None] * 4, query)
    assert unknown.mean_average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert (unknown.top1, unknown.queries) == (1.0, 1)
    # crop 1 is of the query's camera, so it is left out; crop 2's camera is unknown: 8 (wrong), 7 (right)
    some = evaluate_reid(embeddings, identities, ["a", "a", None, None], query)
    assert (some.mean_average_precision, some.top1) == (0.5, 0.0)


def test_same_camera_matches_may_count() -> None:
    angle = np.deg2rad([0, 1, 30, 10])
    embeddings = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    identities = np.array([7, 7, 7, 8])
    query = np.array([True, False, False, False])
    # only the query crop is left out: 7 (right), 8 (wrong), 7 (right)
    result = evaluate_reid(embeddings, identities, ["a", "a", "b", "b"], query, same_camera=True)
    assert result.mean_average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert (result.top1, result.queries) == (1.0, 1)
    alone = evaluate_reid(embeddings[:2], identities[:2], ["a", "a"], query[:2], same_camera=True)
    assert alone.queries == 1


def test_embeddings_that_are_not_numbers() -> None:
    with pytest.raises(DatasetError, match="crop 0: a similarity is NaN"):
        evaluate_reid(np.full((2, 2), np.nan, np.float32), np.array([1, 1]), ["a", "b"], np.array([True, False]))


def test_annotated_people_are_ranked_alone() -> None:
    """The query crops are those of the set's queries; people without a label distract, ignored boxes are left out."""
    scenes = [
        toy.scene("q", [toy.A, toy.B], [1, 2], camera="a"),
        toy.scene("x", [toy.A, toy.B], [1, -1], camera="b"),
        toy.scene("y", [toy.A, toy.B], [2, 1], ignore=[False, True], camera="a"),
    ]
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3, 2, 4))
    rows = (rows / np.linalg.norm(rows, axis=2, keepdims=True)).astype(np.float32)
    observed = Observations(
        weights="f" * 64,
        detections={},
        boxes={scene.image_id: scene.boxes for scene in scenes},
        embeddings={scene.image_id: rows[number] for number, scene in enumerate(scenes)},
    )
    crops, identities = rows.reshape(6, 4)[:5], np.array([1, 2, 1, -1, 2])
    cameras = ["a", "a", "b", "b", "a"]
    for queries, is_query in (((toy.query(),), [True] + [False] * 4), ((), [True, True, True, False, True])):
        figures = reid_of(observed, toy.dataset(scenes, *queries))
        assert list(figures) == ["other cameras", "all cameras"]
        for rule, same_camera in (("other cameras", False), ("all cameras", True)):
            expected = evaluate_reid(crops, identities, cameras, np.array(is_query), same_camera=same_camera)
            assert figures[rule] == expected
    with pytest.raises(DatasetError, match="toy: nobody is annotated"):
        reid_of(observed, toy.dataset([toy.scene("q", [toy.A], ignore=[True])]))
