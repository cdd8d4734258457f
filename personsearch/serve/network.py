"""The network of a service: one request at a time, the others wait in a line that is not endless."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from personsearch.searcher import PersonSearcher
from personsearch.serve.faults import busy

#: Requests that may wait for the network, beside the one that is in it.
MOST_WAITING = 16
#: Seconds that the first request is taken to need.
_FIRST_GUESS = 1.0
#: How much the last request counts in the mean of their seconds.
_NEW = 0.2

Result = TypeVar("Result")


class Network:
    """Lets requests use the searcher, one after the other, in the order in which they come.

    All of it happens in one thread: each thread that computes would otherwise get helpers of its own, one for a core.

    Attributes:
        spec: of the searcher's weights.
        waiting: how many requests wait for the network or are in it.
    """

    def __init__(self, searcher: PersonSearcher, most_waiting: int = MOST_WAITING) -> None:
        self.spec = searcher.spec
        self.waiting = 0
        self._searcher = searcher
        self._most = most_waiting
        self._counting = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="network")
        self._seconds = _FIRST_GUESS

    def run(self, work: Callable[[PersonSearcher], Result]) -> Result:
        """Wait for the network, and do something with it.

        Args:
            work: is called with the searcher.

        Returns:
            What it returns; what it raises is raised here.

        Raises:
            Refused: too many are waiting; says when to come again.
        """
        with self._counting:
            if self.waiting > self._most:
                raise busy(
                    f"the network has {self.waiting} requests to answer before this one; send it again later",
                    self._seconds * self.waiting,
                )
            self.waiting += 1
        try:
            return self._thread.submit(self._timed, work).result()
        finally:
            with self._counting:
                self.waiting -= 1

    def _timed(self, work: Callable[[PersonSearcher], Result]) -> Result:
        started = time.monotonic()
        result = work(self._searcher)
        self._seconds += _NEW * (time.monotonic() - started - self._seconds)
        return result

    def close(self) -> None:
        """End the thread, after what is in the line."""
        self._thread.shutdown()
