"""Which of a file's categories are people."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from personsearch.datasets.formats.ledger import Ledger
from personsearch.errors import DatasetError

#: Categories that are people whatever the file is about.
PEOPLE = frozenset({"person", "persons", "people", "pedestrian", "pedestrians", "human", "humans"})
#: How many categories a message lists.
SHOWN = 12
_ONE_PERSON = re.compile(r"person[ _-]?([0-9]{1,30})", re.IGNORECASE)


def people_categories(path: Path, counts: Mapping[str, int], wanted: Sequence[str] | None, ledger: Ledger) -> set[str]:
    """Return the categories of a file that are people; see :func:`chosen_people`.

    Args:
        path: the file, for messages.
        counts: category -> rows that have it.
        wanted: names that the user gave; None = none.
        ledger: is told when the only category in use is taken for people, as somebody may have meant another one.

    Raises:
        DatasetError: several are in use and none is called person, or a wanted one is not there.
    """
    try:
        people = chosen_people(counts, wanted)
    except ValueError as error:
        raise DatasetError(f"{path}: {error}") from None
    if unknown := unknown_names(counts, wanted):
        raise DatasetError(f"{path}: {unknown}; correct people (--people)")
    if wanted is None and len(counts) > 1:
        for name in people:
            if plain(name) not in PEOPLE and number_of(name) is None:
                ledger.change(f"category {name!r} taken for people: no other is in use", counts[name])
    return people


def chosen_people(counts: Mapping[str, int], wanted: Sequence[str] | None) -> set[str]:
    """Choose the categories that are people.

    Args:
        counts: category -> rows that have it. Categories without rows, as some tools export them, decide nothing.
        wanted: names that the user gave; None = the categories called person, people, pedestrian or human, or
            ``person 7``; or else the only category in use.

    Returns:
        Keys of ``counts``; with ``wanted``, those of them that are there.

    Raises:
        ValueError: several are in use and none is called person; lists them.
    """
    if wanted is not None:
        names = {plain(name) for name in wanted}
        return {name for name in counts if plain(name) in names}
    used = [name for name, count in counts.items() if count]
    people = {name for name in counts if plain(name) in PEOPLE or number_of(name) is not None}
    if people.intersection(used) or not used:
        return people
    if len(used) == 1:
        return {used[0]}
    raise ValueError(
        f"none of the categories in use is called person: {listed(counts)}; say which are people with people "
        "(--people NAME)"
    )


def unknown_names(known: Mapping[str, int], wanted: Sequence[str] | None) -> str:
    """Return a sentence about the wanted names that are no category; "" if all are."""
    there = {plain(name) for name in known}
    missing = [name for name in wanted or () if plain(name) not in there]
    if not missing:
        return ""
    return f"has no category {', '.join(missing)}; it has {listed(known) or 'none'}"


def plain(name: str) -> str:
    """Return a name as it is compared: without case and blanks around it."""
    return name.strip().casefold()


def number_of(name: str) -> int | None:
    """Return the person_id in a category called ``person 7``; None = it is not called so."""
    match = _ONE_PERSON.fullmatch(name.strip())
    return None if match is None else int(match.group(1))


def listed(counts: Mapping[str, int]) -> str:
    """Write categories with the number of their rows, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    names = [f"{name} ({count:,})" for name, count in ordered[:SHOWN]]
    return ", ".join(names) + (f" and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else "")
