"""How ``personsearch people`` writes people: in words, in columns, and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.markup import escape

from personsearch.people import Person
from personsearch.pictures.times import is_date, time_text
from personsearch.plain import counted


def person_text(person: Person) -> str:
    """Write who somebody is: "person 3", or "person 3 (Anna)"."""
    return f"person {person.person_id}" + ("" if person.name is None else f" ({person.name})")


def where_text(person: Person) -> str:
    """Write how often and by which cameras a person was seen."""
    text = f"{counted(len(person.appearances), 'appearance')} in {counted(person.frames, 'frame')}"
    return f"{text}, {', '.join(person.cameras)}" if person.cameras else text


def people_columns(people: Sequence[Person]) -> dict[str, list[str]]:
    """Return the columns of a table of people, markup escaped."""
    times = [time for person in people for time in (person.first, person.last) if time is not None]
    utc = " (UTC)" if any(map(is_date, times)) else ""
    return {
        "person": [str(person.person_id) for person in people],
        "name": [escape(person.name or "") for person in people],
        "appearances": [str(len(person.appearances)) for person in people],
        "frames": [str(person.frames) for person in people],
        "cameras": [escape(", ".join(person.cameras)) for person in people],
        f"first{utc}": ["" if person.first is None else time_text(person.first) for person in people],
        f"last{utc}": ["" if person.last is None else time_text(person.last) for person in people],
    }


def person_dict(person: Person) -> dict[str, Any]:
    """Return everything about a person, for programs."""
    return {
        **asdict(person),
        "cameras": list(person.cameras),
        "first": person.first,
        "last": person.last,
        "frames": person.frames,
    }
