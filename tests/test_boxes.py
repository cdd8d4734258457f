from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from personsearch.boxes import box_coverage, box_iou, checked_boxes, mutual_best, paired_iou, require_corners
from personsearch.errors import ImageError


def boxes(most: int) -> st.SearchStrategy[Any]:
    """Up to so many boxes, some of them without area."""
    corners = arrays(np.float32, st.tuples(st.integers(0, most), st.just(4)), elements=st.integers(0, 20))
    return corners.map(lambda a: np.concatenate([np.minimum(a[:, :2], a[:, 2:]), np.maximum(a[:, :2], a[:, 2:])], 1))


def test_overlaps_by_hand() -> None:
    a = np.array([[0.0, 0, 10, 10]])
    b = np.array([[5.0, 0, 15, 10], [20, 20, 30, 30], [0, 0, 10, 10]])
    assert box_iou(a, b)[0].tolist() == pytest.approx([1 / 3, 0, 1])
    assert box_coverage(a, b)[0].tolist() == pytest.approx([0.5, 0, 1])
    assert box_iou(np.zeros((1, 4)), b)[0].tolist() == [0, 0, 0]


def test_paired_overlaps_are_the_diagonal() -> None:
    a = np.array([[0.0, 0, 10, 10], [0, 0, 4, 4], [1, 1, 1, 1]])
    b = np.array([[5.0, 0, 15, 10], [20, 20, 30, 30], [1, 1, 1, 1]])
    assert paired_iou(a, b).tolist() == np.diagonal(box_iou(a, b)).tolist() == pytest.approx([1 / 3, 0, 0])


def test_boxes_with_corners_swapped_overlap_nothing() -> None:
    a = np.array([[10.0, 10, 0, 0]])
    assert box_iou(a, np.array([[0.0, 0, 10, 10], [10, 10, 0, 0]]))[0].tolist() == [0, 0]


@given(boxes(6), boxes(6))
def test_overlap_is_symmetric_and_never_above_one(a: Any, b: Any) -> None:
    iou = box_iou(a, b)
    assert np.array_equal(iou, box_iou(b, a).T)
    assert ((iou >= 0) & (iou <= 1)).all()
    assert (iou <= box_coverage(a, b) + 1e-12).all()


def test_mutual_best_by_hand() -> None:
    a = np.array([[0.0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60]])
    b = np.array([[50.0, 50, 60, 58], [0, 0, 10, 10]])
    rows, matched = mutual_best(a, b, 0.5)
    assert rows.tolist() == [0, 2]  # the second box overlaps b[1] too, but b[1] overlaps the first more
    assert matched.tolist() == [1, 0]
    assert mutual_best(a, b, 0.9)[0].tolist() == [0]
    assert [len(one) for one in mutual_best(a[:0], b, 0.5)] == [0, 0]


@given(boxes(6), boxes(6))
def test_mutual_best_is_one_to_one_and_the_same_from_either_side(a: Any, b: Any) -> None:
    rows, matched = mutual_best(a, b, 0.3)
    assert len(set(matched.tolist())) == len(rows) == len(set(rows.tolist()))
    assert (paired_iou(a[rows], b[matched]) >= 0.3).all()
    iou = box_iou(a, b)
    if len(np.unique(iou)) == iou.size:  # without ties
        other, back = mutual_best(b, a, 0.3)
        assert sorted(zip(back.tolist(), other.tolist(), strict=True)) == list(
            zip(rows.tolist(), matched.tolist(), strict=True)
        )


def test_boxes_that_a_caller_gives_are_clipped_and_checked() -> None:
    assert checked_boxes([(-5, 2, 20, 8)], (10, 16), "a.jpg").tolist() == [[0, 2, 16, 8]]
    assert checked_boxes([(0, 0, 1e300, 8)], (10, 16), "a.jpg").tolist() == [[0, 0, 16, 8]]
    assert checked_boxes([], (10, 16), "a.jpg").shape == (0, 4)


NO_AREA = "has no area inside the 16x10 image:"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([(1, 2, 3)], r"a box is four numbers x1, y1, x2, y2, got \(1, 2, 3\)"),
        ([(1, 2, 3, 4), (1, 2)], "a box is four numbers"),
        ([("a", 2, 3, 4)], "a box is four numbers"),
        ("box", "a box is four numbers"),
        (None, "a box is four numbers"),
        (7, r"a box is four numbers .* got \(7\)"),
        ([[[1, 2, 3, 4]]], r"a box is four numbers .* got an array of \(1, 1, 4\)"),
        ([(0, 0, 10**400, 5)], "a box is four numbers"),
        ([(0, 0, float("nan"), 5)], f"box .0, 0, nan, 5. {NO_AREA} its numbers must be finite"),
        ([(0, 0, float("inf"), 5)], f"box .0, 0, inf, 5. {NO_AREA} its numbers must be finite"),
        ([(3, 3, 3, 9)], f"box .3, 3, 3, 9. {NO_AREA} x2 must be more than x1"),
        ([(9, 3, 3, 9)], f"box .9, 3, 3, 9. {NO_AREA} x2 must be more than x1"),
        ([(-9, 2, -1, 8)], f"box .-9, 2, -1, 8. {NO_AREA} it lies outside"),
        ([(20, 2, 30, 8)], f"box .20, 2, 30, 8. {NO_AREA} it lies outside"),
        ([(3, 3, 3 + 1e-9, 8)], f"box .3, 3, 3, 8. {NO_AREA} it is too thin"),
        ([(1, 1, 5, 9), (0.1, 0, 0.5, 1)], r"box \(0.1, 0, 0.5, 1\) looks like fractions .* x by 16 and y by 10"),
    ],
)
def test_what_is_wrong_with_a_box_is_said(wrong: Any, message: str) -> None:
    with pytest.raises(ImageError, match=rf"^a\.jpg: {message}"):
        checked_boxes(wrong, (10, 16), "a.jpg")


def test_the_only_pixel_is_no_fraction() -> None:
    assert checked_boxes([(0, 0, 1, 1)], (1, 1), "a.jpg").tolist() == [[0, 0, 1, 1]]


def test_what_can_be_said_without_the_image_is_said_without_it() -> None:
    assert require_corners([(-5, 2, 20, 8), (0.1, 0, 0.5, 1)], "a.jpg").shape == (2, 4)
    for wrong in ([(1, 2, 3)], [(0, 0, float("nan"), 5)], [(3, 3, 3, 9)], [(1, -9, 3, 0)]):
        with pytest.raises(ImageError, match=r"^a\.jpg: "):
            require_corners(wrong, "a.jpg")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=2),
    lambda inner: st.lists(inner, max_size=5) | st.tuples(inner, inner, inner, inner),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(ANYTHING)
def test_anything_given_as_boxes_is_boxes_or_refused(given_boxes: Any) -> None:
    try:
        boxes = checked_boxes(given_boxes, (90, 160), "a.jpg")
    except ImageError:
        return
    assert boxes.shape[1:] == (4,)
    assert boxes.dtype == np.float32
    assert (boxes >= 0).all()
    assert (boxes <= [160, 90, 160, 90]).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
