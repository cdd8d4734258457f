"""A training and a test split of exported scenes in which no person is labelled in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from personsearch.exchange.records import ExportedScene


@dataclass(frozen=True, kw_only=True)
class Split:
    """Two splits.

    Attributes:
        train: scenes that show nobody of the test.
        test: scenes that show somebody of the test; people of training have no label there.
        unlabelled: how many labels people of training lost in ``test``.
        persons: person_ids of the test.
    """

    train: tuple[ExportedScene, ...]
    test: tuple[ExportedScene, ...]
    unlabelled: int
    persons: frozenset[int]


def split_people(scenes: Sequence[ExportedScene], test_share: float) -> Split:
    """Split scenes so that no person is labelled in both parts, and no scene is in both.

    Cameras show several people at once, so scenes cannot be told apart by person alone. The people who came last are
    the test: newcomers are taken, the last one first, until the scenes that show any of them reach the share. Those
    scenes are the test, all others are for training. Who is in both, as somebody who is there every day is, belongs to
    training, and is a person without a label in scenes of the test: a distractor, as PRW has them.

    Args:
        scenes: by time.
        test_share: of the scenes, 0 to 1; reached or exceeded where people allow it.

    Example:
        >>> from personsearch.exchange.records import ExportedPerson
        >>> def scene(*people):
        ...     boxes = tuple(ExportedPerson(box=(0, 0, 5, 9), score=1, person_id=one) for one in people)
        ...     return ExportedScene(
        ...         image_id="", file_name="", width=9, height=9, camera=None, time=None, people=boxes
        ...     )
        >>> first, second, third, fourth = (scene(1), scene(1, 2), scene(1, 3), scene(3))
        >>> split = split_people([first, second, third, fourth], 0.5)
        >>> split.train == (first, second), split.persons, split.unlabelled  # person 1 in the third scene
        (True, frozenset({3}), 1)
    """
    shows: dict[int, set[int]] = {}
    for number, scene in enumerate(scenes):
        for person in scene.people:
            if person.person_id is not None:
                shows.setdefault(person.person_id, set()).add(number)
    testing: set[int] = set()
    persons: set[int] = set()
    for person_id, there in sorted(shows.items(), key=lambda item: (-min(item[1]), -item[0])):
        if len(testing) >= test_share * len(scenes) or len(persons) + 1 == len(shows):
            break  # somebody is left for training
        persons.add(person_id)
        testing |= there
    unlabelled = 0
    test = []
    for number in sorted(testing):
        people = scenes[number].people
        leaving = [one.person_id is not None and one.person_id not in persons for one in people]
        unlabelled += sum(leaving)
        kept = (
            replace(one, person_id=None, name=None) if out else one for one, out in zip(people, leaving, strict=True)
        )
        test.append(replace(scenes[number], people=tuple(kept)))
    train = tuple(scene for number, scene in enumerate(scenes) if number not in testing)
    return Split(train=train, test=tuple(test), unlabelled=unlabelled, persons=frozenset(persons))


def queries_of(coco: dict[str, list[dict[str, object]]]) -> dict[str, list[dict[str, object]]]:
    """Return the queries of a test split: everyone's first box in each camera, if another scene shows them too.

    Args:
        coco: the object of the split's file.
    """
    cameras = {image["id"]: image.get("camera") for image in coco["images"]}
    scenes: dict[object, set[object]] = {}
    first: dict[tuple[object, object], dict[str, object]] = {}
    for row in coco["annotations"]:
        if row["person_id"] != -1:
            scenes.setdefault(row["person_id"], set()).add(row["image_id"])
            first.setdefault((row["person_id"], cameras[row["image_id"]]), row)
    return {
        "queries": [
            {"annotation_id": row["id"], "person_id": person_id}
            for (person_id, _), row in first.items()
            if len(scenes[person_id]) > 1
        ]
    }
