import numpy as np
import pytest

from personsearch.errors import DatasetError
from personsearch.evaluation import evaluate_reid
from personsearch.measure.baselines import colour_histogram


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


def test_people_of_one_camera_are_no_queries() -> None:
    embeddings = np.eye(2, dtype=np.float32)
    result = evaluate_reid(embeddings, np.array([1, 1]), ["a", "a"], np.array([True, True]))
    assert result.queries == 0


def test_colour_histograms_tell_colours_apart() -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, :20] = (200, 30, 30)
    image[:, 20:40] = (200, 30, 30)
    image[:, 40:] = (30, 30, 200)
    boxes = np.array([[0, 0, 20, 40], [20, 0, 40, 40], [40, 0, 60, 40]], np.float32)
    features = colour_histogram(image, boxes)
    assert np.allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
    assert features[0] @ features[1] == pytest.approx(1, abs=1e-5)
    assert features[0] @ features[2] == pytest.approx(0, abs=1e-5)


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
