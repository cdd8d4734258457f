"""Boxes and scores out of what detectors return, by the shapes that those really have."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from personsearch import Detections
from personsearch.errors import ImageError
from personsearch.given import GivenPeople, people_in

BOXES = [[10.0, 20.0, 60.0, 150.0], [70.5, 10.0, 90.0, 80.0]]
SCORES = [0.25, 0.75]
SIZE = (200, 300)


def ours() -> Detections:
    return Detections(
        boxes=np.array(BOXES, np.float32),
        scores=np.array(SCORES, np.float32),
        embeddings=np.eye(2, 4, dtype=np.float32),
        image_size=SIZE,
    )


def results(classes: list[int], names: Any = None, size: tuple[int, int] | None = SIZE) -> SimpleNamespace:
    """Return what ultralytics documents of its ``Results``."""
    boxes = SimpleNamespace(
        xyxy=torch.tensor(BOXES), conf=torch.tensor(SCORES), cls=torch.tensor(classes, dtype=torch.float32)
    )
    return SimpleNamespace(boxes=boxes, names=names, orig_shape=size)


COCO80 = {0: "person", 1: "bicycle", 2: "car", 16: "dog"}


@pytest.mark.parametrize(
    "found",
    [
        {"boxes": BOXES, "scores": SCORES},
        {"boxes": torch.tensor(BOXES), "scores": torch.tensor(SCORES), "labels": torch.tensor([1, 1])},
        {"boxes": torch.tensor(BOXES, requires_grad=True), "scores": torch.tensor(SCORES, dtype=torch.bfloat16)},
        {"boxes": np.array(BOXES, np.float16), "scores": np.array(SCORES), "labels": np.array([0, 0])},
        SimpleNamespace(xyxy=np.array(BOXES), confidence=np.array(SCORES), class_id=None, data={}),
        SimpleNamespace(xyxy=np.array(BOXES), confidence=np.array(SCORES), class_id=np.array([0, 0])),
        results([0, 0]),
        results([0, 0], COCO80),
        results([0, 0], ["worker"]),  # a detector's only class
        ours(),
        GivenPeople(np.array(BOXES), np.array(SCORES, np.float32)),
    ],
    ids=lambda found: type(found).__name__,
)
def test_what_detectors_return_is_boxes_and_scores(found: Any) -> None:
    people = people_in(found, "a.jpg")
    assert people.boxes.tolist() == BOXES
    assert people.scores.tolist() == SCORES
    assert people.scores.dtype == np.float32


@pytest.mark.parametrize("found", [BOXES, np.array(BOXES), torch.tensor(BOXES), tuple(map(tuple, BOXES))])
def test_boxes_alone_have_score_1(found: Any) -> None:
    people = people_in(found, "a.jpg")
    assert people.boxes.tolist() == BOXES
    assert people.scores.tolist() == [1, 1]


@pytest.mark.parametrize("found", [[], (), np.zeros((0, 4)), torch.zeros(0), {"boxes": [], "scores": [], "labels": []}])
def test_nobody_is_an_empty_list(found: Any) -> None:
    assert len(people_in(found, "a.jpg")) == 0


def test_one_box_may_stand_alone() -> None:
    assert people_in((1, 2, 3, 4), "a.jpg").boxes.tolist() == [[1, 2, 3, 4]]


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (None, "the boxes are None; where nobody is found, give an empty list"),
        ([BOXES[0][:3]], r"boxes must be \(N, 4\), x1, y1, x2, y2 in pixels, got \(1, 3\)"),
        (np.ones((2, 5)), r"give \{'boxes': rows\[:, :4\], 'scores': rows\[:, 4\]\}"),
        ("door", "boxes must be numbers, got door"),
        ({"bbox": BOXES}, "needs the key 'boxes', xyxy pixels; its keys are bbox"),
        ({"boxes": BOXES, "scores": [0.5]}, r"2 boxes need as many scores, got \(1,\)"),
        ({"boxes": BOXES, "scores": [0.5, 37]}, "row 1: a score must be between 0 and 1, got 37"),
        ({"boxes": BOXES, "scores": [float("nan"), 1]}, "row 0: a score must be between 0 and 1, got nan"),
        ([{"boxes": BOXES}], r"got a list of 1 dict, one for each picture; give the element of this picture"),
        ([results([0, 0])], r"got a list of 1 SimpleNamespace, one for each picture"),
        (SimpleNamespace(boxes=None), "this SimpleNamespace holds no upright boxes"),
        ({"boxes": BOXES, "labels": [1, 3]}, "has the classes 1, 3, and nothing says which are people; keep people"),
        ({"boxes": BOXES, "labels": [17, 17]}, "has class 17, and nothing says that these are people, as 0 or 1 would"),
        ({"boxes": BOXES, "labels": [0.5, 1]}, "2 boxes need as many whole numbers as classes"),
        (results([0, 7], COCO80), "class 7 is not among the 4 classes of the detector"),
        (results([0, 1], {0: "car", 1: "dog"}), "none is called person: car, dog"),
        (SimpleNamespace(xyxy=BOXES, data={"class_name": ["person"]}), "2 boxes need as many class names, got 1"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_picture(found: Any, message: str) -> None:
    with pytest.raises(ImageError, match=f"a.jpg.*{message}"):
        people_in(found, "a.jpg")


@pytest.mark.parametrize(
    "found",
    [
        results([2, 0], COCO80),
        SimpleNamespace(xyxy=BOXES, confidence=SCORES, data={"class_name": np.array(["car", "Person"])}),
        SimpleNamespace(xyxy=np.array(BOXES), confidence=np.array(SCORES), data={"class_name": ["dog", "pedestrian"]}),
    ],
)
def test_where_classes_have_names_only_people_are_kept(found: Any) -> None:
    people = people_in(found, "a.jpg")
    assert people.boxes.tolist() == BOXES[1:]
    assert people.scores.tolist() == SCORES[1:]


def test_supervision_s_detections() -> None:
    supervision = pytest.importorskip("supervision", reason="supervision is not installed")
    found = supervision.Detections(
        xyxy=np.array(BOXES), confidence=np.array(SCORES), class_id=np.array([0, 2]), data={}
    )
    with pytest.raises(ImageError, match=r"classes 0, 2.*detections\[detections.class_id == 0\]"):
        people_in(found, "a.jpg")
    assert people_in(found[found.class_id == 0], "a.jpg").boxes.tolist() == BOXES[:1]
    found.data["class_name"] = np.array(["car", "person"])
    assert people_in(found, "a.jpg").boxes.tolist() == BOXES[1:]
    assert len(people_in(supervision.Detections.empty(), "a.jpg")) == 0
    again = people_in(ours().to_supervision(), "a.jpg")
    assert np.array_equal(again.boxes, np.array(BOXES))


def test_torchvision_s_dictionaries() -> None:
    from torchvision.models.detection import ssdlite320_mobilenet_v3_large

    torch.manual_seed(0)
    detector = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=2, score_thresh=0.0)
    with torch.no_grad():
        out = detector.eval()([torch.rand(3, *SIZE)])
    people = people_in(out[0], "a.jpg")
    assert len(people) == len(out[0]["boxes"]) > 5
    boxes, scores = people.inside(SIZE, "a.jpg", max_people=5)
    assert np.array_equal(boxes, out[0]["boxes"][:5].numpy())
    assert np.array_equal(scores, out[0]["scores"][:5].numpy())
    with pytest.raises(ImageError, match="a list of 1 dict"):
        people_in(out, "a.jpg")


def inside(boxes: Any, scores: Any = None, **named: Any) -> tuple[list[Any], list[float]]:
    corners, kept = people_in({"boxes": boxes, "scores": scores}, "a.jpg").inside(SIZE, "a.jpg", **named)
    assert corners.dtype == kept.dtype == np.float32
    return corners.tolist(), kept.tolist()


def test_people_come_by_falling_score_and_equal_ones_stay_in_order() -> None:
    boxes = [[n, 0, n + 10, 20] for n in range(4)]
    scores = [0.25, 0.75, 0.5, 0.75]
    assert inside(boxes, scores) == ([boxes[1], boxes[3], boxes[2], boxes[0]], [0.75, 0.75, 0.5, 0.25])
    assert inside(boxes, scores, threshold=0.5)[1] == [0.75, 0.75, 0.5]
    assert inside(boxes, scores, max_people=2)[0] == [boxes[1], boxes[3]]
    assert inside(boxes, scores, threshold=0.5, max_people=1)[0] == [boxes[1]]


def test_boxes_are_clipped_and_flat_ones_left_out() -> None:
    flat = [[300, 10, 300, 90], [0, -9, 40, 0], [5, 5, 5, 80]]
    boxes, scores = inside([[-20, -5, 30, 40], [280, 150, 340, 260], *flat], [0.9, 0.8, 0.7, 0.6, 0.5])
    assert boxes == [[0, 0, 30, 40], [280, 150, 300, 200]]
    assert scores == pytest.approx([0.9, 0.8])


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([310, 10, 340, 90], "it lies outside"),
        ([-30, 10, -5, 90], "it lies outside"),
        ([60, 20, 10, 150], "x2 must be more than x1"),
        ([10, 20, float("nan"), 150], "its numbers must be finite"),
        ([0.1, 0.2, 0.5, 0.9], "looks like fractions of the image"),
    ],
)
def test_a_box_that_is_wrong_is_named_by_picture_and_row(box: list[float], message: str) -> None:
    with pytest.raises(ImageError, match=f"^a.jpg, row 1: box .*{message}"):
        inside([BOXES[0], box], [0.1, 0.9])


def test_a_wrong_box_below_the_threshold_does_no_harm() -> None:
    assert inside([BOXES[0], [310, 10, 340, 90]], [0.9, 0.1], threshold=0.5)[0] == BOXES[:1]


def test_boxes_of_another_size_of_the_picture_are_refused() -> None:
    people = people_in(results([0, 0], size=(100, 150)), "a.jpg")
    with pytest.raises(ImageError, match="boxes are of a picture of 150x100, this one is 300x200 upright"):
        people.inside(SIZE, "a.jpg")


@given(st.lists(st.tuples(*[st.integers(-400, 700)] * 4, st.integers(0, 8)), max_size=12))
def test_whatever_is_kept_lies_inside_and_nothing_else_is_lost(rows: list[tuple[int, ...]]) -> None:
    boxes = [[min(a, c), min(b, d), max(a, c) + 2, max(b, d) + 2] for a, b, c, d, _ in rows]
    scores = [score / 8 for *_, score in rows]
    away = [x1 >= 300 or y1 >= 200 or x2 <= 0 or y2 <= 0 for x1, y1, x2, y2 in boxes]
    if any(
        out and (x1 > 300 or y1 > 200 or x2 < 0 or y2 < 0) for out, (x1, y1, x2, y2) in zip(away, boxes, strict=True)
    ):
        with pytest.raises(ImageError, match="it lies outside"):
            inside(boxes, scores)
        return
    corners, kept = inside(boxes, scores)
    assert len(corners) == len(rows) - sum(away)
    assert kept == sorted(kept, reverse=True)
    assert sorted(kept) == sorted(score for score, out in zip(scores, away, strict=True) if not out)
    assert all(0 <= x1 < x2 <= 300 and 0 <= y1 < y2 <= 200 for x1, y1, x2, y2 in corners)


def test_the_digest_tells_boxes_and_scores_apart() -> None:
    first = people_in({"boxes": BOXES, "scores": SCORES}, "a.jpg").digest
    assert people_in({"boxes": torch.tensor(BOXES), "scores": np.array(SCORES)}, "b.jpg").digest == first
    assert people_in({"boxes": BOXES, "scores": SCORES[::-1]}, "a.jpg").digest != first
    assert people_in({"boxes": BOXES[:1], "scores": SCORES[:1]}, "a.jpg").digest != first
