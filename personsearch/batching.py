"""Work ahead in threads, and in batches of equals: results in the order of the input, memory bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from queue import SimpleQueue
from threading import Event, Semaphore, Thread
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Batches' worth of items taken and not yet given back: an item of a rare kind must not hold up all that follow.
MAX_BATCHES_HELD = 4
#: Threads that decode at most: each holds a decoded picture, and this many keep up with any one GPU.
MAX_WORKERS = 32
#: Cores for each decoding thread where the network computes on the cores, too: it takes far longer than decoding.
CORES_PER_WORKER = 8


def chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield the items in lists of so many; the last may be shorter.

    Example:
        >>> list(chunks("abcde", 2))
        [['a', 'b'], ['c', 'd'], ['e']]
    """
    items = iter(items)
    while chunk := list(islice(items, size)):
        yield chunk


def workers_for(device_type: str, cores: int) -> int:
    """Return how many threads should prepare pictures while a network computes; decoding releases Python's lock.

    Args:
        device_type: where the network computes. On a ``"cpu"`` it needs the cores itself; beside any other device all
            are free but the one that keeps it busy.
        cores: that this process may use.
    """
    return max(2, min(MAX_WORKERS, cores // CORES_PER_WORKER if device_type == "cpu" else cores - 1))


def map_ahead(
    work: Callable[[Item], Result], items: Iterable[Item], *, ahead: int, workers: int = 2
) -> Iterator[Result]:
    """Yield ``work(item)`` of every item in order, some of them computed before they are requested.

    Items are taken in the caller's thread. A result that is there is given back before another item is taken for it, so
    a slow source holds nothing up. When the caller stops, work that has not begun is dropped.

    Args:
        work: called in threads; its exception is raised where its result would have been.
        items: taken at most ``ahead`` items before their result is requested.
        ahead: how many.
        workers: threads.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="personsearch") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > ahead or waiting[0].done():
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def batches_ahead(batch_size: int, workers: int) -> int:
    """Return how far to look ahead of a network that takes batches.

    While it computes one, two more are made ready, as pictures of two sizes fill two batches at about the same time,
    and every thread has a picture in work.
    """
    return 2 * batch_size + workers


def run_in_batches(
    items: Iterable[Item],
    kind: Callable[[Item], Hashable],
    run: Callable[[list[Item]], list[Result]],
    batch_size: int,
) -> Iterator[Result]:
    """Yield the result of every item, in order.

    Args:
        items: taken one by one, as results are requested.
        kind: only items of one kind share a batch.
        run: batch -> a result per item.
        batch_size: items per batch at most.
    """
    waiting: dict[Hashable, list[tuple[int, Item]]] = {}
    done: dict[int, Result] = {}
    next_number = 0

    def flush(key: Hashable) -> None:
        numbers, batch = zip(*waiting.pop(key), strict=True)
        done.update(zip(numbers, run(list(batch)), strict=True))

    for number, item in enumerate(items):
        key = kind(item)
        waiting.setdefault(key, []).append((number, item))
        if len(waiting[key]) == batch_size:
            flush(key)
        if next_number not in done and number - next_number >= MAX_BATCHES_HELD * batch_size:
            flush(min(waiting, key=lambda other: waiting[other][0][0]))  # it holds the item that all others wait for
        while next_number in done:
            yield done.pop(next_number)
            next_number += 1
    for key in list(waiting):
        flush(key)
    while next_number in done:
        yield done.pop(next_number)
        next_number += 1


def read_ahead(items: Iterable[Item], ahead: int) -> Generator[Item, None, None]:
    """Yield the items, taken in a thread of their own while the caller is busy with earlier ones.

    An exception of the items is raised where the next one would have been. However the caller stops (it closes the
    iterator: ``contextlib.closing``), the thread takes no further item, closes a generator that it reads from, and has
    ended before the iterator is closed. Nothing begins before the first item is requested.

    Args:
        items: taken by that thread alone, so they may be of a kind that threads must not share.
        ahead: how many are taken at most before they are requested, at least 1.
    """
    room, ready, stop = Semaphore(ahead), SimpleQueue[tuple[str, Any]](), Event()

    def take() -> None:
        try:
            iterator = iter(items)
            try:
                while room.acquire() and not stop.is_set():
                    try:
                        item = next(iterator)
                    except StopIteration:
                        break
                    ready.put(("item", item))
                    del item  # it is the caller's now
            finally:
                if isinstance(iterator, Generator):
                    iterator.close()
            ready.put(("end", None))
        except BaseException as error:  # whatever it is, it belongs to the caller
            ready.put(("error", error))

    thread = Thread(target=take, name="personsearch-ahead", daemon=True)  # else a forgotten one would hold up the exit
    thread.start()
    try:
        while True:
            what, value = ready.get()
            if what == "end":
                return
            if what == "error":
                try:
                    raise value
                finally:
                    del value  # else it would hold its own traceback
            room.release()
            yield value
            del value
    finally:
        stop.set()
        room.release()
        thread.join()
