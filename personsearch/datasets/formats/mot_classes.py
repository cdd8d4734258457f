"""Which rows of a MOTChallenge ``gt.txt`` are people: its class column means different things to different tools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from personsearch.datasets.formats.categories import chosen_people, listed, plain
from personsearch.datasets.formats.texts import is_file, lines_of

#: MOTChallenge's own numbers.
CLASSES = {
    1: "pedestrian",
    2: "person on vehicle",
    3: "car",
    4: "bicycle",
    5: "motorbike",
    6: "other vehicle",
    7: "static person",
    8: "distractor",
    9: "occluder",
    10: "occluder on the ground",
    11: "full occluder",
    12: "reflection",
    13: "crowd",
}
PEDESTRIAN = 1


@dataclass(frozen=True)
class Classes:
    """What the classes of a file mean.

    Attributes:
        kinds: of each row; None = the row has no class.
        names: class -> its name.
        people: the classes that are people.
        note: what the account says about them; "" = nothing.
    """

    kinds: Sequence[int | None]
    names: Mapping[int, str]
    people: frozenset[int]
    note: str = ""

    def is_person(self, row: int) -> bool:
        """Whether a row is a person; one without a class is."""
        kind = self.kinds[row]
        return kind is None or kind in self.people

    def rule(self, row: int) -> str:
        """Return the rule that leaves a row out."""
        kind = self.kinds[row]
        name = self.names[kind] if kind is not None else ""
        return f"class {kind} ({name})" if name and name != str(kind) else f"class {kind}"

    def counts(self) -> Counter[str]:
        """Count the rows of each name."""
        return Counter(self.names[kind] for kind in self.kinds if kind is not None)


def labels_of(gt: Path) -> list[str] | None:
    """Return the names that CVAT writes into ``labels.txt`` beside ``gt.txt``, one a line; None = there is none.

    Raises:
        OSError: it cannot be read.
    """
    path = gt.parent / "labels.txt"
    return [line.strip() for _, line in lines_of(path)] if is_file(path) else None


def classes_of(rows: Sequence[list[float]], labels: Sequence[str] | None, wanted: Sequence[str] | None) -> Classes:
    """Decide by the columns of a file which of its rows are people.

    MOTChallenge's own files have a flag of 0 or 1, a class from 1 to 13 and a visibility from 0 to 1: class 1 is a
    pedestrian. With ``labels.txt``, classes count its lines from 1. Trackers write whatever they like: one value in
    all rows says nothing, so all rows are people; of several, 0 is the person of COCO's numbers and 1 that of
    MOTChallenge's. Ten columns end with a position on the ground and have no class, unless only the eighth is used.

    Args:
        rows: 7 to 10 numbers each.
        labels: names of the classes from 1 on, if there are any.
        wanted: names, or numbers, of the classes that are people; None = decide.

    Raises:
        ValueError: it is unclear which class is people; lists them.
    """
    tens = [row for row in rows if len(row) == 10]
    with_ten = all(row[8:] == [-1, -1] and row[7].is_integer() for row in tens)
    kinds = [int(row[7]) if len(row) in (8, 9) or (len(row) == 10 and with_ten) else None for row in rows]
    used = sorted({kind for kind in kinds if kind is not None})
    names = {kind: str(kind) for kind in used}
    if labels is not None:
        names |= {kind: labels[kind - 1] for kind in used if 1 <= kind <= len(labels)}
    elif _is_own(rows, (8, 9)):
        names = {kind: CLASSES[kind] for kind in used}
    if wanted is not None:
        these = {plain(name) for name in wanted}
        people = frozenset(kind for kind in used if plain(names[kind]) in these or str(kind) in these)
        return Classes(kinds, names, people)
    if labels is not None:
        people_names = chosen_people(Classes(kinds, names, frozenset()).counts(), None)
        return Classes(kinds, names, frozenset(kind for kind in used if names[kind] in people_names))
    if _is_own(rows, (9,)):
        return Classes(kinds, names, frozenset({PEDESTRIAN}))
    if len(used) < 2:
        note = f"class {used[0]} taken for people: no row has another" if used and used[0] not in (-1, 1) else ""
        return Classes(kinds, names, frozenset(used), note)
    person = {0, PEDESTRIAN}.intersection(used)
    if -1 in used or len(person) != 1:
        counts = listed(Classes(kinds, names, frozenset()).counts())
        raise ValueError(f"it is unclear which class is people: {counts}; say it with people (--people NAME)")
    return Classes(kinds, names, frozenset(person))


def _is_own(rows: Sequence[list[float]], columns: tuple[int, ...]) -> bool:
    """Whether rows are in the form of MOTChallenge's own ground truth, with one of these numbers of columns."""
    return all(
        len(row) in columns and row[6] in (0, 1) and row[7] in CLASSES and all(0 <= value <= 1 for value in row[8:])
        for row in rows
    )
