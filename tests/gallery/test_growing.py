import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from personsearch.gallery.growing import GrowingArray

STEPS = st.lists(st.tuples(st.sampled_from(["extend", "keep"]), st.integers(0, 9)), max_size=40)


@given(STEPS)
def test_it_holds_what_a_list_would_hold(steps: list[tuple[str, int]]) -> None:
    array, rows = GrowingArray(np.float32, (2,)), np.zeros((0, 2), np.float32)
    for number, (step, size) in enumerate(steps):
        if step == "extend":
            new = np.full((size, 2), number, np.float32)
            array.extend(new)
            rows = np.concatenate([rows, new])
        else:
            wanted = np.arange(len(rows)) % 10 != size
            array.keep(wanted)
            rows = rows[wanted]
        assert len(array) == len(rows)
        assert array.array.dtype == np.float32
        assert array.array.tolist() == rows.tolist()


def test_growing_row_by_row_copies_each_row_a_few_times_only() -> None:
    array = GrowingArray(np.int64)
    moves, place = 0, 0
    for number in range(10_000):
        array.extend(np.array([number]))
        now = array.array.__array_interface__["data"][0]
        moves += now != place
        place = now
    assert moves < 40  # log 10,000 to the base 1.5 is 23


def test_rows_that_are_not_kept_leave_memory() -> None:
    array = GrowingArray(np.int64)
    array.extend(np.arange(1000))
    array.keep(np.arange(1000) < 3)
    assert array.array.base is not None
    assert array.array.base.nbytes == 3 * 8
