import threading
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personsearch.batching import (
    MAX_BATCHES_HELD,
    batches_ahead,
    map_ahead,
    read_ahead,
    run_in_batches,
    workers_for,
)

Item = TypeVar("Item")


class Counted(Iterable[Item]):
    """Items that count how many of them were taken."""

    def __init__(self, items: Iterable[Item]) -> None:
        self.items, self.taken = items, 0

    def __iter__(self) -> Iterator[Item]:
        for item in self.items:
            self.taken += 1
            yield item


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 40)), max_size=8), st.integers(1, 5))
def test_order_is_kept_kinds_never_mix_and_little_is_held(runs: list[tuple[str, int]], size: int) -> None:
    kinds = [kind for kind, length in runs for _ in range(length)]
    items = Counted(enumerate(kinds))

    def run(batch: list[tuple[int, str]]) -> list[int]:
        assert len(batch) <= size
        assert len({kind for _, kind in batch}) == 1
        return [number for number, _ in batch]

    results = []
    for given_back, result in enumerate(run_in_batches(items, lambda item: item[1], run, size)):
        results.append(result)
        assert items.taken - given_back <= MAX_BATCHES_HELD * size + 1
    assert results == list(range(len(kinds)))


def test_one_of_a_rare_kind_does_not_hold_up_a_long_run_of_another() -> None:
    kinds = Counted("a" + "b" * 1000)
    next(run_in_batches(kinds, str, lambda batch: batch, 4))
    assert kinds.taken <= MAX_BATCHES_HELD * 4 + 1


def test_working_ahead_keeps_order_and_takes_no_more_than_it_says() -> None:
    numbers = Counted(range(50))

    def work(number: int) -> int:
        time.sleep(0.002 if number % 3 else 0.006)
        return number * number

    for number, result in enumerate(map_ahead(work, numbers, ahead=4)):
        assert result == number * number
        assert numbers.taken <= number + 5


@pytest.mark.parametrize(
    ("device", "cores", "workers"),
    [("cuda", 16, 15), ("mps", 8, 7), ("cuda", 2, 2), ("cuda", 128, 32), ("cpu", 1, 2), ("cpu", 16, 2), ("cpu", 64, 8)],
)
def test_threads_for_a_device(device: str, cores: int, workers: int) -> None:
    assert workers_for(device, cores) == workers


def test_while_a_batch_computes_two_more_are_made_ready_and_all_threads_are_busy() -> None:
    """The network here computes until everything is ready that should be, however long that takes."""
    size, workers, count = 4, 3, 40
    ahead = batches_ahead(size, workers)
    finished, all_in_work, enough = threading.Semaphore(0), threading.Barrier(workers), threading.Event()
    ready = 0

    def items() -> Iterator[int]:
        for number in range(count):
            if number == ahead:
                enough.set()
            yield number

    def work(number: int) -> int:
        assert enough.wait(60)
        if number < workers:
            all_in_work.wait(60)
        finished.release()
        return number

    def run(batch: list[int]) -> list[int]:
        nonlocal ready
        while ready < min(count, batch[-1] + 1 + ahead):
            assert finished.acquire(timeout=60)
            ready += 1
        return batch

    prepared = map_ahead(work, items(), ahead=ahead, workers=workers)
    assert list(run_in_batches(prepared, lambda _: 0, run, size)) == list(range(count))


def test_a_slow_source_does_not_hold_up_what_is_ready() -> None:
    taken, done = 0, threading.Event()

    def items() -> Iterator[int]:
        nonlocal taken
        for number in range(10):
            taken += 1
            yield number
            assert done.wait(60)  # as the next frame of a camera comes when this one has long been looked at
            time.sleep(0.05)

    def work(number: int) -> int:
        done.set()
        return number

    results = map_ahead(work, items(), ahead=10)
    assert next(results) == 0
    assert taken <= 3
    results.close()  # type: ignore[attr-defined]


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


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "personsearch-ahead"]


@given(st.lists(st.integers()), st.integers(1, 6))
def test_reading_ahead_keeps_order_holds_little_and_ends_its_thread(given: list[int], ahead: int) -> None:
    items, found = Counted(given), []
    for item in read_ahead(items, ahead):
        found.append(item)
        assert items.taken <= len(found) + ahead
    assert found == given
    assert readers() == []


def test_reading_ahead_reads_ahead_in_one_thread_of_its_own() -> None:
    third = threading.Event()
    threads = []

    def items() -> Iterator[int]:
        for number in range(4):
            threads.append(threading.get_ident())
            if number == 3:
                third.set()
            yield number

    reader = read_ahead(items(), 3)
    assert threads == []  # nothing begins before it is requested
    assert next(reader) == 0
    assert third.wait(10)  # three more were taken, although nobody asked for them
    assert list(reader) == [1, 2, 3]
    assert set(threads) != {threading.get_ident()}
    assert len(set(threads)) == 1


def test_what_fails_ahead_is_raised_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise ZeroDivisionError("the third")

    reader = read_ahead(items(), 8)
    assert [next(reader), next(reader)] == [1, 2]
    with pytest.raises(ZeroDivisionError, match="the third"):
        next(reader)
    assert readers() == []


@pytest.mark.parametrize("stop", ["close", "error", "forget"])
def test_whoever_stops_reading_leaves_no_thread_and_the_items_are_closed_in_theirs(stop: str) -> None:
    closed: list[int] = []

    def items() -> Iterator[int]:
        try:
            yield from range(10**6)
        finally:
            closed.append(threading.get_ident())

    reader = read_ahead(items(), 2)
    begun = [next(reader), readers()[0].ident]
    if stop == "close":
        reader.close()
    elif stop == "error":
        with pytest.raises(KeyboardInterrupt):
            reader.throw(KeyboardInterrupt)
    else:
        del reader
    assert readers() == []
    assert closed == begun[1:]
