"""Copying what a gallery in a folder says beside its scenes, into another folder: tracks, people, decisions, notes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import closing

from personsearch.gallery.faults import DATABASE
from personsearch.gallery.people.decisions import belongings, decisions, num_individuals, touched
from personsearch.gallery.reading import connect_reader
from personsearch.gallery.rescue_rest import copy_rest
from personsearch.gallery.store import BUSY_SECONDS, Store
from personsearch.gallery.track_rows import num_tracks, views

#: One of many facts: what it is about, and its values.
Fact = tuple[object, ...]


def counts_of_rest(store: Store) -> dict[str, int]:
    """Return how many tracks, people, decisions and notes there are; what there is none of is absent."""
    notes = store.read("SELECT COUNT(*) FROM note")[0][0] if store.has_table("note") else 0
    counts = {
        "tracks": num_tracks(store),
        "people": num_individuals(store),
        "decisions": len(decisions(store)),
        "notes": int(notes),
    }
    return {what: count for what, count in counts.items() if count}


def carry_rest(
    source: Store, destination: Store, ids: Mapping[int, int], *, whole: bool, write: bool
) -> dict[str, int]:
    """Copy what is said beside scenes that are in both galleries, if the destination never had anything of the kind.

    So no id of a track, a person or a decision comes to mean something else in it.

    It is all in memory for a moment, which takes some hundred bytes for everybody who has been grouped.

    Args:
        source: a gallery in a folder.
        destination: another one.
        ids: detection_id in the source -> detection_id in the destination, of all scenes that are the same in both.
        whole: whether all scenes of the source are; if not, notes about scenes may not be true.
        write: False = compare only.

    Returns:
        How much of each kind the destination has as the source has it; empty where it has something else.

    Raises:
        GalleryCorruptError: something in one of the galleries differs from what was stored.
    """
    with source.snapshot():
        wanted = _facts(source, ids, notes=whole)
    if _facts(destination, None, notes=True) == wanted:
        return _kinds(wanted)
    had = any(destination.has_table(name) for name in ("track_view", "individual", "decision"))
    if not write or had or counts_of_rest(destination):
        return {}
    with closing(connect_reader(source.path / DATABASE, BUSY_SECONDS)[0]) as db, destination.transaction():
        copy_rest(db, destination, ids, whole=whole)
    return _kinds(wanted) if _facts(destination, None, notes=True) == wanted else {}


def _facts(store: Store, ids: Mapping[int, int] | None, *, notes: bool) -> set[Fact]:
    """Return everything that is said, about detection_ids as ``ids`` has them; None = about all, as they are."""

    def told(person: int) -> int | None:
        return person if ids is None else ids.get(person)

    facts: set[Fact] = set()
    if notes and store.has_table("note"):
        facts |= {("note", prefix, store.noted(prefix)) for [prefix] in store.read("SELECT prefix FROM note")}
    for view in views(store):
        times = (view.before, view.after)
        facts.add(("track", view.track, told(view.person), view.rank, view.views, view.frames, *times))
    for person, whose in belongings(store).items():
        facts.add(("person", whose.individual, told(person), whose.by_hand, whose.name))
    about: defaultdict[int, set[Fact]] = defaultdict(set)
    made = decisions(store)
    if made:
        touched(store, 0)  # which examines all
        for number, person, *was in store.read("SELECT decision, person, individual, name, by_hand FROM decided"):
            if told(person) is not None:
                about[number].add((told(person), *was))
    for one in made:
        if one.decision_id in about:
            facts.add(("decision", one.decision_id, one, frozenset(about[one.decision_id])))
    return {fact for fact in facts if fact[2] is not None}


def _kinds(facts: Iterable[Fact]) -> dict[str, int]:
    names = {"track": "tracks", "person": "people", "decision": "decisions", "note": "notes"}
    found: dict[str, set[object]] = {}
    for what, key, *_ in facts:
        found.setdefault(names[str(what)], set()).add(key)
    return {what: len(found[what]) for what in names.values() if what in found}
