from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from personsearch.boxes import box_coverage, box_iou, checked_boxes, mutual_best, paired_iou
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
    assert checked_boxes([], (10, 16), "a.jpg").shape == (0, 4)
    for wrong in ([(3, 3, 3, 9)], [(20, 2, 30, 8)], [(0, 0, float("nan"), 5)]):
        with pytest.raises(ImageError, match=r"a\.jpg: box .* has no area inside the 16x10 image"):
            checked_boxes(wrong, (10, 16), "a.jpg")
    with pytest.raises(ImageError, match=r"a\.jpg: a box is four numbers"):
        checked_boxes([(1, 2, 3)], (10, 16), "a.jpg")
