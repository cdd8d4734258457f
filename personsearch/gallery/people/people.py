"""``People``: who is whom in a gallery, as grouped by likeness and as decided by hand."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

from personsearch.calibration import Calibration, stricter
from personsearch.errors import GalleryError
from personsearch.gallery.people.appearances import appearances, gather, mean_embedding
from personsearch.gallery.people.crowd import default_similarity
from personsearch.gallery.people.decisions import (
    SETTINGS,
    Belonging,
    assign,
    belongings,
    by_individual,
    called,
    decisions,
    members,
    new_individuals,
    num_individuals,
    prepare,
    record,
    take_back,
    touched,
    ungrouped,
)
from personsearch.gallery.people.grouping import group
from personsearch.gallery.rows import storable
from personsearch.gallery.sightings import sightings
from personsearch.gallery.store import Store, row_sum
from personsearch.gallery.track_rows import find_tracks, frames_of
from personsearch.people import Decision, Gates, Grouping, Person
from personsearch.results import Floats


class People:
    """The people of a gallery: ``gallery.people``.

    :meth:`group` takes the appearances (tracks, and detections that belong to none) that look alike for one person.
    What is decided by hand (:meth:`merge`, :meth:`split`, :meth:`name`) holds over every later grouping, is on the disk
    as soon as the call returns, and can be taken back with :meth:`undo`.

    Example:
        >>> with Gallery.open("people", searcher.spec, calibration=searcher.calibration) as gallery:
        ...     gallery.add("a.jpg", detections, camera="door", time=5.0)
        ...     gallery.add("b.jpg", detections[:2], camera="yard", time=9.0)
        ...     found = gallery.people.group()
        ...     len(gallery.people) == found.people, gallery.people.ungrouped
        ...     first = gallery.people.all()[0]
        ...     gallery.people.name(first.person_id, "Anna").name
        ...     gallery.people.embedding(first.person_id).shape
        ...     [decision.what for decision in gallery.people.decisions()]
        ...     gallery.people.undo().name, gallery.people.get(first.person_id).name
        True
        True
        (True, 0)
        'Anna'
        (512,)
        ['name']
        ('Anna', None)
    """

    def __init__(
        self,
        store: Store,
        threads: AbstractContextManager[object],
        *,
        calibration: Callable[[], Calibration | None],
        writable: Callable[[], None],
        erase: Callable[[Callable[[], int]], int],
    ) -> None:
        self._store = store
        self._threads = threads
        self._calibration = calibration
        self._writable = writable
        self._erase = erase

    def __len__(self) -> int:
        """Return into how many people the gallery has been grouped."""
        with self._threads:
            return num_individuals(self._store)

    @property
    def ungrouped(self) -> int:
        """How many detections have been added since the last grouping."""
        with self._threads:
            return ungrouped(self._store)

    def group(
        self,
        *,
        min_similarity: float | Literal["auto"] | None = None,
        max_false_match_rate: float | None = None,
        gates: Gates | None = None,
    ) -> Grouping:
        """Take appearances that look alike for one person, and store who is whom.

        Two tracks that are in one camera's view at once, and two detections of one scene, are never one person. Whom a
        decision by hand put together stays together, whom one told apart stays apart. People keep their ids: a group
        is the person with whom it shares most detections.

        Args:
            min_similarity: mean similarity from which appearances are joined; ``"auto"`` = what the calibration says
                of the people who are here.
            max_false_match_rate: the same, as the share of pairs of different people that are more similar; needs a
                calibration. Without either: as the last time, at first ``"auto"``.
            gates: what time and place say against it; None = as the last time, at first nothing.

        Raises:
            ConfigError: there is no similarity to go by, or no calibration for the rate.
            GalleryError: the gallery is open for reading only.
        """
        self._writable()
        with self._threads:
            settings = self._settings(min_similarity, max_false_match_rate, gates)
            with self._store.snapshot():
                whom = belongings(self._store)
                gathered = gather(self._store, whom, settings.gates.places)
            similarity = stricter(settings.min_similarity, settings.max_false_match_rate, self._calibration())
            if similarity is None:
                similarity = default_similarity(self._calibration(), gathered.units, settings.gates)
            labels = group(gathered.units, similarity, settings.gates)
            groups: list[list[int]] = [[] for _ in range(int(labels.max(initial=-1)) + 1)]
            for label, rows in zip(labels.tolist(), gathered.rows, strict=True):
                groups[label] += rows
            with self._store.transaction():
                prepare(self._store, settings.to_text())
                known = carried_over(groups, whom)
                ids = iter(new_individuals(self._store, known.count(None)))
                numbers = [next(ids) if number is None else number for number in known]
                names = {one.individual: one.name for one in whom.values()}
                to = {
                    row: Belonging(number, row in whom and whom[row].by_hand, names.get(number))
                    for number, rows in zip(numbers, groups, strict=True)
                    for row in rows
                }
                assign(self._store, {row: one for row, one in to.items() if whom.get(row) != one})
        return Grouping(
            people=len(groups), appearances=len(gathered.rows), new=known.count(None), min_similarity=similarity
        )

    def _settings(
        self, min_similarity: float | Literal["auto"] | None, max_false_match_rate: float | None, gates: Gates | None
    ) -> _Settings:
        """Return what is given, and what the last grouping was told where nothing is."""
        stored = self._store.meta.get(SETTINGS)
        last = _Settings() if not stored else _Settings.from_text(stored)
        if last is None:
            raise self._store.corrupt("what the last grouping was told differs from what was stored")
        if min_similarity is None and max_false_match_rate is None:
            min_similarity, max_false_match_rate = last.min_similarity, last.max_false_match_rate
        limit = None if min_similarity == "auto" else min_similarity
        return _Settings(limit, max_false_match_rate, last.gates if gates is None else gates)

    def all(self) -> list[Person]:
        """Return the people into whom the gallery has been grouped, by rising person_id."""
        with self._threads, self._store.snapshot():
            return self._persons(belongings(self._store))

    def get(self, person_id: int) -> Person | None:
        """Return one of the people; None where nobody has this id."""
        with self._threads, self._store.snapshot():
            found = self._persons(members(self._store, [person_id]))
        return found[0] if found else None

    def _persons(self, whom: Mapping[int, Belonging]) -> list[Person]:
        seen, frames = sightings(self._store, list(whom)), frames_of(self._store, whom)
        if len(seen) < len(whom):
            raise self._store.corrupt("somebody who has been grouped is missing")
        return [
            Person(
                person_id=number,
                name=whom[rows[0]].name,
                appearances=appearances([seen[row] for row in rows], frames),
                by_hand=any(whom[row].by_hand for row in rows),
            )
            for number, rows in by_individual(whom).items()
        ]

    def embedding(self, person_id: int) -> Floats:
        """Return the mean embedding (D,) float32, unit length, of one of the people, to search for them.

        Raises:
            GalleryError: nobody has this id.
        """
        with self._threads, self._store.snapshot():
            return mean_embedding(self._store, list(self._members([person_id])))

    def merge(self, person_ids: Sequence[int]) -> Person:
        """Decide that several people are one, who keeps the first one's id.

        The first one's name is kept too, or else the first name that any of them has.

        Args:
            person_ids: two or more.

        Returns:
            The person that they are now.

        Raises:
            GalleryError: somebody is not there, fewer than two are given, or the gallery is open for reading only.
        """
        self._writable()
        ids = list(dict.fromkeys(person_ids))
        if len(ids) < 2:
            raise GalleryError(f"{self._store.path}: merging needs at least two people, got {_listed(ids)}")
        with self._threads, self._store.transaction():
            whom = self._members(ids)
            names = {one.individual: one.name for one in whom.values()}
            name = next((names[number] for number in ids if names[number] is not None), None)
            record(self._store, "merge", time.time(), ids, name, whom)
            assign(self._store, dict.fromkeys(whom, Belonging(ids[0], True, name)))
            return self._one(ids[0])

    def split(self, person_id: int, *, tracks: Collection[int] = (), detections: Collection[int] = ()) -> Person:
        """Decide that some appearances are not this person but another one, whom they make together.

        Args:
            person_id: the person, who keeps the others.
            tracks: track_ids.
            detections: detection_ids.

        Returns:
            The new person.

        Raises:
            GalleryError: one of them is not of this person, nothing or everything is given, or the gallery is open for
                reading only.
        """
        self._writable()
        with self._threads, self._store.transaction():
            whom = self._members([person_id])
            found = find_tracks(self._store, tracks)
            for number in tracks:
                if number not in found or not whom.keys() & set(found[number].detection_ids):
                    raise GalleryError(f"{self._store.path}: track {number} is not of person {person_id}")
            for number in detections:
                if number not in whom:
                    raise GalleryError(f"{self._store.path}: detection {number} is not of person {person_id}")
            of_tracks = {row for track in found.values() for row in track.detection_ids}
            leaving = whom.keys() & (of_tracks | set(detections))
            if not leaving or len(leaving) == len(whom):
                what = "everything" if leaving else "nothing"
                raise GalleryError(
                    f"{self._store.path}: splitting person {person_id} would take {what}; name some of its tracks or "
                    "detections"
                )
            [new] = new_individuals(self._store, 1)
            record(self._store, "split", time.time(), [person_id, new], None, whom)
            stay = {row: replace(one, by_hand=True) for row, one in whom.items() if row not in leaving}
            assign(self._store, stay | dict.fromkeys(sorted(leaving), Belonging(new, True)))
            return self._one(new)

    def name(self, person_id: int, name: str | None) -> Person:
        """Give a person a name, which says too that all of their present appearances are theirs; None takes it away.

        Raises:
            GalleryError: nobody has this id, somebody else has the name, it is empty or cannot be stored, or the
                gallery is open for reading only.
        """
        self._writable()
        path = self._store.path
        if name is not None:
            name = " ".join(name.split())
            if not name or not storable(name):
                raise GalleryError(f"{path}: {name!r} cannot be a name; give some letters, or None for no name")
        with self._threads, self._store.transaction():
            whom = self._members([person_id])
            other = None if name is None else called(self._store, name)
            if other not in (None, person_id):
                raise GalleryError(
                    f"{path}: person {other} is called {name} already; merge the two, or choose another name"
                )
            record(self._store, "name", time.time(), [person_id], name, whom)
            assign(self._store, dict.fromkeys(whom, Belonging(person_id, True, name)))
            return self._one(person_id)

    def forget(self, person_id: int) -> int:
        """Erase a person: all of their detections, tracks and name, and what was decided about them.

        Their scenes stay, with the others in them, so that indexing the same images again does not bring them back.
        This cannot be taken back: afterwards they are in no file of the gallery. The images themselves, and backups,
        are out of its reach.

        Returns:
            How many detections were erased.

        Raises:
            GalleryError: nobody has this id, or the gallery is open for reading only.
        """
        self._writable()
        return self._erase(lambda: self._store.delete_people(list(self._members([person_id]))))

    def decisions(self) -> list[Decision]:
        """Return the decisions by hand that stand, the first one first."""
        with self._threads, self._store.snapshot():
            return decisions(self._store)

    def undo(self) -> Decision | None:
        """Take back the last decision by hand that stands; call it again for the one before.

        Whoever has been erased since stays erased.

        Returns:
            The decision that was taken back; None where there is none.

        Raises:
            GalleryError: the gallery is open for reading only.
        """
        self._writable()
        with self._threads, self._store.transaction():
            standing = decisions(self._store)
            if not standing:
                return None
            assign(self._store, touched(self._store, standing[-1].decision_id))
            take_back(self._store, standing[-1].decision_id)
            return standing[-1]

    def _members(self, person_ids: Sequence[int]) -> dict[int, Belonging]:
        """Return detection_id -> to whom it belongs, of some people, all of whom must be there."""
        whom = members(self._store, person_ids)
        missing = set(person_ids) - {one.individual for one in whom.values()}
        if missing:
            raise GalleryError(
                f"{self._store.path}: there is no person {_listed(sorted(missing))} here; people.all() lists them, and "
                "people.group() makes them"
            )
        return whom

    def _one(self, person_id: int) -> Person:
        [person] = self._persons(members(self._store, [person_id]))
        return person


@dataclass(frozen=True)
class _Settings:
    """What a grouping was told: the parameters of :meth:`People.group`."""

    min_similarity: float | None = None
    max_false_match_rate: float | None = None
    gates: Gates = field(default_factory=Gates)

    def to_text(self) -> str:
        """Write them down, with a checksum."""
        text = json.dumps(asdict(self))
        return f"{row_sum([text])} {text}"

    @classmethod
    def from_text(cls, line: str) -> _Settings | None:
        """Read what :meth:`to_text` wrote; None = it is something else now."""
        checksum, _, text = line.partition(" ")
        if checksum != str(row_sum([text])):
            return None
        fields = json.loads(text)
        return cls(fields["min_similarity"], fields["max_false_match_rate"], Gates(**fields["gates"]))


def carried_over(groups: Sequence[Collection[int]], whom: Mapping[int, Belonging]) -> list[int | None]:
    """Return which known person each group is; None = a new one.

    Args:
        groups: detection_ids of each; all of one person's that a decision by hand fixed are in one group.
        whom: detection_id -> to whom it belonged before.
    """
    fixed = [{whom[row].individual for row in rows if row in whom and whom[row].by_hand} for rows in groups]
    numbers: list[int | None] = [min(ids) if ids else None for ids in fixed]
    taken = {number for number in numbers if number is not None}
    shared = Counter(
        (whom[row].individual, place)
        for place, rows in enumerate(groups)
        if numbers[place] is None
        for row in rows
        if row in whom
    )
    for (number, place), _ in sorted(shared.items(), key=lambda item: (-item[1], item[0])):
        if numbers[place] is None and number not in taken:
            numbers[place] = number
            taken.add(number)
    return numbers


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers)) or "nobody"
