import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personsearch.batching import MAX_BATCHES_HELD, map_ahead, run_in_batches


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 40)), max_size=8), st.integers(1, 5))
def test_order_is_kept_kinds_never_mix_and_little_is_held(runs: list[tuple[str, int]], size: int) -> None:
    kinds = [kind for kind, length in runs for _ in range(length)]
    taken = 0

    def items() -> Iterator[tuple[int, str]]:
        nonlocal taken
        for item in enumerate(kinds):
            taken += 1
            yield item

    def run(batch: list[tuple[int, str]]) -> list[int]:
        assert len(batch) <= size
        assert len({kind for _, kind in batch}) == 1
        return [number for number, _ in batch]

    results = []
    for given_back, result in enumerate(run_in_batches(items(), lambda item: item[1], run, size)):
        results.append(result)
        assert taken - given_back <= MAX_BATCHES_HELD * size + 1
    assert results == list(range(len(kinds)))


def test_one_of_a_rare_kind_does_not_hold_up_a_long_run_of_another() -> None:
    kinds = "a" + "b" * 1000
    taken = 0

    def items() -> Iterator[str]:
        nonlocal taken
        for kind in kinds:
            taken += 1
            yield kind

    next(run_in_batches(items(), str, lambda batch: batch, 4))
    assert taken <= MAX_BATCHES_HELD * 4 + 1


def test_working_ahead_keeps_order_and_takes_no_more_than_it_says() -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for number in range(50):
            taken += 1
            yield number

    def work(number: int) -> int:
        time.sleep(0.002 if number % 3 else 0.006)
        return number * number

    for number, result in enumerate(map_ahead(work, items(), ahead=4)):
        assert result == number * number
        assert taken <= number + 5


def test_an_error_comes_where_its_result_would_have_been() -> None:
    results = map_ahead(lambda number: 1 // number, [1, 1, 0, 1], ahead=3)
    assert next(results) == next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_stopping_early_leaves_no_thread_behind() -> None:
    begun = []

    def work(number: int) -> int:
        begun.append(number)
        time.sleep(0.01)
        return number

    results = map_ahead(work, range(1000), ahead=100)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("personsearch")]
    assert len(begun) < 100
