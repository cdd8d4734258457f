"""Who is whom: the people of the gallery, and decisions by hand about them."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from personsearch.gallery import Gallery
from personsearch.people import Person
from personsearch.serve.faults import Refused
from personsearch.serve.records import (
    Decisions,
    Erased,
    GroupHow,
    GroupingRecord,
    MergeWhom,
    NewName,
    PeoplePage,
    PersonDetail,
    SplitOff,
    Undone,
)
from personsearch.serve.routes.common import Number, refusals
from personsearch.serve.service import Ours, Service
from personsearch.serve.telling import decision_record, person_detail, person_records

router = APIRouter(prefix="/api/people", tags=["people"])

Sort = Literal["appearances", "first", "name"]


@router.get("", summary="The people of the gallery", responses=refusals())
def people(
    service: Ours,
    offset: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    sort: Annotated[Sort, Query(description="Most appearances, earliest, or by name, which the unnamed follow.")] = (
        "appearances"
    ),
    camera: Annotated[str | None, Query(description="Only people whom this camera saw.")] = None,
) -> PeoplePage:
    """Return the people into whom the gallery was grouped."""
    with service.desk.reading() as gallery:
        everybody = [one for one in service.roster.all(gallery) if camera is None or camera in one.cameras]
        shown = _sorted(everybody, sort)[offset : offset + limit]
        records, covers = person_records(gallery, shown)
        ungrouped = gallery.people.ungrouped
    service.crops.expect(covers)
    return PeoplePage(total=len(everybody), ungrouped=ungrouped, people=records)


@router.get("/decisions", summary="Decisions by hand", responses=refusals())
def decisions(service: Ours) -> Decisions:
    """Return the decisions by hand that stand, the first one first."""
    with service.desk.reading() as gallery:
        return Decisions(decisions=[decision_record(one) for one in gallery.people.decisions()])


@router.post("/group", summary="Group the people", responses=refusals(400, 409, 507))
def group(service: Ours, how: GroupHow) -> GroupingRecord:
    """Take appearances that look alike for one person. Decisions by hand hold, and people keep their numbers."""
    with service.desk.writing() as gallery:
        done = gallery.people.group(min_similarity=how.min_similarity, max_false_match_rate=how.max_false_match_rate)
    return GroupingRecord(
        persons=done.people, appearances=done.appearances, new=done.new, min_similarity=done.min_similarity
    )


@router.post("/merge", summary="Decide that several people are one", responses=refusals(400, 404, 409, 507))
def merge(service: Ours, whom: MergeWhom) -> PersonDetail:
    """Decide that several people are one, who keeps the first one's number."""
    with service.desk.writing() as gallery:
        _require(gallery, *whom.person_ids)
        return _detail(service, gallery, gallery.people.merge(whom.person_ids))


@router.post("/undo", summary="Take the last decision back", responses=refusals(409, 507))
def undo(service: Ours) -> Undone:
    """Take back the last decision by hand; call it again for the one before."""
    with service.desk.writing() as gallery:
        decision = gallery.people.undo()
    return Undone(undone=None if decision is None else decision_record(decision))


@router.get("/{number}", summary="One person with all appearances", responses=refusals(404))
def person(service: Ours, number: Number) -> PersonDetail:
    """Return when and where a person was, with every stored picture."""
    with service.desk.reading() as gallery:
        [found] = _require(gallery, number)
        return _detail(service, gallery, found)


@router.post("/{number}/split", summary="Decide that a part is somebody else", responses=refusals(400, 404, 409, 507))
def split(service: Ours, number: Number, what: SplitOff) -> PersonDetail:
    """Decide that some tracks and detections of a person are another one, who is returned."""
    with service.desk.writing() as gallery:
        _require(gallery, number)
        new = gallery.people.split(number, tracks=what.tracks, detections=what.detections)
        return _detail(service, gallery, new)


@router.put("/{number}/name", summary="Name a person", responses=refusals(400, 404, 409, 507))
def name(service: Ours, number: Number, given: NewName) -> PersonDetail:
    """Give a person a name, or take it away; it says too that all they have is theirs."""
    with service.desk.writing() as gallery:
        _require(gallery, number)
        return _detail(service, gallery, gallery.people.name(number, given.name))


@router.delete("/{number}", summary="Forget a person", responses=refusals(404, 409))
def forget(service: Ours, number: Number) -> Erased:
    """Erase a person: every row, track and name, overwritten in the gallery's files. This cannot be undone.

    Pictures of the scenes that they are in are not touched; erase those scenes to be rid of them.
    """
    with service.desk.writing() as gallery:
        _require(gallery, number)
        erased = gallery.people.forget(number)
    service.forget_erased()
    return Erased(erased=erased)


def _require(gallery: Gallery, *numbers: int) -> list[Person]:
    """Return people by number.

    Raises:
        Refused: 404, one of them is not there.
    """
    found = []
    for number in numbers:
        one = gallery.people.get(number)
        if one is None:
            raise Refused(404, f"there is no person {number} here; they may have been merged, erased or grouped anew")
        found.append(one)
    return found


def _detail(service: Service, gallery: Gallery, one: Person) -> PersonDetail:
    detail, sightings = person_detail(gallery, one)
    service.crops.expect(sightings)
    return detail


def _sorted(everybody: list[Person], sort: Sort) -> list[Person]:
    if sort == "name":
        return sorted(everybody, key=lambda one: (one.name is None, (one.name or "").casefold(), one.person_id))
    if sort == "first":
        return sorted(everybody, key=lambda one: (one.first is None, one.first or 0.0, one.person_id))
    return sorted(everybody, key=lambda one: (-len(one.appearances), -one.frames, one.person_id))
