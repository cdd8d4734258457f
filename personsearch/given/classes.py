"""Which boxes of somebody else's detector are people: by the names of their classes, or by the numbers of those."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personsearch.errors import ImageError

logger = logging.getLogger(__name__)

#: Classes that are people, without case.
PEOPLE = frozenset({"person", "persons", "people", "pedestrian", "pedestrians", "human", "humans"})
#: Numbers that a class of people has without a name: the first class, counted from 0 (COCO as YOLO numbers it, and
#: detectors of one class) or from 1 behind the background (torchvision, COCO's own category_id).
NUMBERS = (0, 1)
#: How many classes a message lists.
SHOWN = 6
_ONE_PERSON = re.compile(r"person[ _-]?[0-9]+")


def is_people(name: str) -> bool:
    """Whether a class is called person, pedestrian, people or human; or ``person 7``, as annotation tools do."""
    plain = name.strip().casefold()
    return plain in PEOPLE or _ONE_PERSON.fullmatch(plain) is not None


@dataclass(eq=False)
class Classes:
    """Says of the boxes of one call which are people, and keeps the account.

    Classes with names are decided by their names: people are kept, others left out and counted. Classes that have
    numbers alone cannot be decided, so nothing is chosen among them: all boxes of a call must have one number, and it
    must be one of :data:`NUMBERS`.

    Attributes:
        number: of the class without a name that the boxes had so far.
        kept: boxes that a name made people.
        left_out: name -> boxes that it left out.
    """

    number: int | None = None
    kept: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    def by_name(self, names: Sequence[str]) -> NDArray[np.bool_]:
        """Return (N,) bool: which boxes are people, by the names of their classes."""
        people = np.array([is_people(name) for name in names], dtype=bool)
        self.kept += int(people.sum())
        self.left_out.update(name for name, keep in zip(names, people, strict=True) if not keep)
        return people

    def by_known(self, numbers: NDArray[np.int64], known: Mapping[Any, Any], where: str) -> NDArray[np.bool_]:
        """Return (N,) bool: which boxes are people, by their numbers and the names of all of a detector's classes.

        A detector's only class is people, whatever it is called.

        Args:
            numbers: (N,) of the boxes.
            known: number -> name.
            where: the boxes' picture, for messages.

        Raises:
            ImageError: a number has no name, or there are several classes and none is called person.
        """
        names = {int(number): str(name) for number, name in known.items()}
        if missing := sorted(set(numbers.tolist()) - names.keys()):
            raise ImageError(f"{where}: class {missing[0]} is not among the {len(names)} classes of the detector")
        if len(names) == 1:
            return np.ones(len(numbers), dtype=bool)
        require_people(names.values(), f"{where}: the detector's classes")
        return self.by_name([names[number] for number in numbers.tolist()])

    def by_number(self, numbers: NDArray[np.int64], where: str, advice: str) -> None:
        """Refuse classes without names of which nothing says that they are people.

        Args:
            numbers: (N,) of the boxes.
            where: the boxes' picture, for messages.
            advice: how to keep people only.

        Raises:
            ImageError: there are several, also several in the pictures of one call; or one that is neither 0 nor 1.
        """
        used = sorted(set(numbers.tolist()))
        if not used:
            return
        if len(used) > 1:
            listed = _some(map(str, used))
            raise ImageError(f"{where}: has the classes {listed}, and nothing says which are people; {advice}")
        if self.number not in (None, used[0]):
            raise ImageError(
                f"{where}: has class {used[0]}, what came before has class {self.number}, and nothing says which are "
                f"people; {advice}"
            )
        if used[0] not in NUMBERS:
            raise ImageError(
                f"{where}: has class {used[0]}, and nothing says that these are people, as 0 or 1 would be; {advice}"
            )
        self.number = used[0]

    def log(self) -> None:
        """Say what was left out; a warning if that was everybody."""
        if not self.left_out:
            return
        counts = [f"{name} ({count})" for name, count in self.left_out.most_common()]
        if self.kept:
            logger.info("boxes of other things than people left out: %s", _some(counts))
        else:
            logger.warning(
                "no box is called person; left out: %s; if those are people, leave their names out",
                _some(counts),
            )


def require_people(names: Iterable[str], what: str) -> None:
    """Refuse several classes of which none is called person.

    Args:
        names: all that there are.
        what: whose they are, for messages.

    Raises:
        ImageError: lists them.
    """
    listed = list(names)
    if len(listed) > 1 and not any(map(is_people, listed)):
        raise ImageError(f"{what}: none is called person: {_some(listed)}; keep people only and leave the classes out")


def _some(names: Any) -> str:
    listed = list(names)
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more
