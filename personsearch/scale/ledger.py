"""Who died over what: a picture that ends the process that looks at it is found, and left out, not tried for ever."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

#: How often a task is begun as a whole. From then on, its inputs are taken in hand one by one.
WHOLE = 2


@dataclass
class Ledger:
    """What workers have begun and not finished. One object for all of them, in an actor of its own.

    Ray gives the tasks of a worker that died to another one, without end. Most deaths have nothing to do with a task
    (a machine is taken away, others use up its memory), some have: a picture whose decoder crashes.

    Example:
        >>> ledger = Ledger()
        >>> [ledger.begin("a.jpg") for _ in range(3)]  # the process died twice
        [False, False, True]
        >>> ledger.take("a.jpg", "b.jpg")  # it has "b.jpg" in hand, and dies
        False
        >>> ledger.begin("a.jpg"), ledger.take("a.jpg", "b.jpg")
        (True, True)
        >>> ledger.end("a.jpg")
    """

    begun: Counter[str] = field(default_factory=Counter)
    in_hand: dict[str, str] = field(default_factory=dict)
    fatal: dict[str, set[str]] = field(default_factory=dict)

    def begin(self, task: str) -> bool:
        """Take note that a task is begun; True = take its inputs in hand one by one, with :meth:`take`."""
        self.begun[task] += 1
        if task in self.in_hand:
            self.fatal.setdefault(task, set()).add(self.in_hand.pop(task))
        return self.begun[task] > WHOLE

    def take(self, task: str, image_id: str) -> bool:
        """Take note that an input is in hand; True = leave it alone: a process died with nothing else in hand."""
        if image_id in self.fatal.get(task, ()):
            self.in_hand.pop(task, None)
            return True
        self.in_hand[task] = image_id
        return False

    def end(self, task: str) -> None:
        """Forget a task that is done."""
        self.begun.pop(task, None)
        self.in_hand.pop(task, None)
        self.fatal.pop(task, None)
