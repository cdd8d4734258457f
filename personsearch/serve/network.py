"""The network of a service: one request at a time, the others wait in a line that is not endless."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from personsearch.searcher import PersonSearcher
from personsearch.serve.faults import busy

#: Requests that may wait for the network.
MOST_WAITING = 16
#: Seconds that the first request is taken to need.
_FIRST_GUESS = 1.0


class Network:
    """Lends the searcher to one request after the other.

    Attributes:
        searcher: use it within :meth:`turn` alone, except for what it says of itself.
        waiting: how many requests wait or are being answered.
    """

    def __init__(self, searcher: PersonSearcher, most_waiting: int = MOST_WAITING) -> None:
        self.searcher = searcher
        self.waiting = 0
        self._most = most_waiting
        self._counting = threading.Lock()
        self._turn = threading.Lock()
        self._seconds = _FIRST_GUESS

    @contextmanager
    def turn(self) -> Iterator[PersonSearcher]:
        """Wait for the network, and use it.

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
            with self._turn:
                started = time.monotonic()
                yield self.searcher
                self._seconds = 0.8 * self._seconds + 0.2 * (time.monotonic() - started)
        finally:
            with self._counting:
                self.waiting -= 1
