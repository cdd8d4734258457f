import numpy as np
import pytest

from personsearch import Detections
from personsearch.results import is_unit


def detections(n: int) -> Detections:
    boxes = np.array([[0, 0, 10, 20 + i] for i in range(n)], np.float32).reshape(-1, 4)
    embeddings = np.eye(8, dtype=np.float32)[:n]
    scores = np.linspace(0.9, 0.5, n, dtype=np.float32)
    return Detections(boxes=boxes, scores=scores, embeddings=embeddings, image_size=(100, 200), image_id="a.jpg")


def test_rows_can_be_chosen_in_every_way() -> None:
    found = detections(4)
    assert len(found[1]) == 1
    assert found[1:3].scores.tolist() == found.scores[1:3].tolist()
    assert len(found[found.scores > 0.7]) == 2
    assert found[[3, 0]].boxes[0, 3] == 23
    assert found[0].image_id == "a.jpg"
    assert found[np.argmin(found.scores)].boxes[0, 3] == 23  # a numpy integer is one row, too
    assert found[np.int64(-1)].scores.tolist() == found.scores[-1:].tolist()


def test_filter_by_score_and_height() -> None:
    found = detections(4)
    assert len(found.filter(min_score=0.6)) == 3
    assert len(found.filter(min_height=22)) == 2


def test_conversion_to_supervision() -> None:
    pytest.importorskip("supervision", reason="supervision is not installed")
    found = detections(3)
    converted = found.to_supervision()
    assert converted.xyxy.tolist() == found.boxes.tolist()
    assert converted.confidence.tolist() == found.scores.tolist()
    assert (converted[1:].data["embedding"] == found.embeddings[1:]).all()


def test_unit_length_has_a_tolerance_for_half_precision() -> None:
    vectors = np.array([[1, 0], [0.6, 0.8], [1.009, 0], [0.991, 0], [1.011, 0], [0.98, 0], [np.nan, 0]], np.float32)
    assert is_unit(vectors).tolist() == [True, True, True, True, False, False, False]
    random = np.random.default_rng(0).normal(size=(200, 256)).astype(np.float32)
    random /= np.linalg.norm(random, axis=1, keepdims=True)
    assert is_unit(random.astype(np.float16).astype(np.float32)).all()
    assert is_unit(np.zeros((0, 4), np.float32)).shape == (0,)


def test_wrong_shapes_are_refused() -> None:
    good = detections(2)
    with pytest.raises(ValueError, match="scores"):
        Detections(boxes=good.boxes, scores=good.scores[:1], embeddings=good.embeddings, image_size=(1, 1))
    with pytest.raises(ValueError, match="boxes"):
        Detections(boxes=good.boxes[:, :3], scores=good.scores, embeddings=good.embeddings, image_size=(1, 1))
    with pytest.raises(ValueError, match="embeddings"):
        Detections(boxes=good.boxes, scores=good.scores, embeddings=good.embeddings[:1], image_size=(1, 1))
