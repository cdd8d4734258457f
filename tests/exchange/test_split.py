from hypothesis import given
from hypothesis import strategies as st

from personsearch.exchange.records import ExportedPerson, ExportedScene
from personsearch.exchange.split import queries_of, split_people


def scenes_of(people: list[list[int]]) -> list[ExportedScene]:
    """Return scenes that show these people; -1 = without a label."""
    return [
        ExportedScene(
            image_id=str(number),
            file_name=f"{number}.jpg",
            width=9,
            height=9,
            camera=None,
            time=None,
            people=tuple(ExportedPerson(box=(0, 0, 5, 9), score=1, person_id=None if n < 0 else n) for n in there),
        )
        for number, there in enumerate(people)
    ]


def labels(scenes: tuple[ExportedScene, ...]) -> list[int]:
    return [one.person_id for scene in scenes for one in scene.people if one.person_id is not None]


@given(st.lists(st.lists(st.integers(-1, 5), max_size=4, unique=True), max_size=12), st.floats(0.01, 0.9))
def test_no_person_and_no_scene_is_in_both_and_no_box_is_lost(people: list[list[int]], share: float) -> None:
    scenes = scenes_of(people)
    split = split_people(scenes, share)
    train, test = set(labels(split.train)), set(labels(split.test))
    assert not train & test
    assert test == split.persons
    assert sorted(scene.image_id for scene in (*split.train, *split.test)) == sorted(one.image_id for one in scenes)
    assert all(len(scene.people) == len(people[int(scene.image_id)]) for scene in (*split.train, *split.test))
    assert len(labels(split.train)) + len(labels(split.test)) + split.unlabelled == len(labels(tuple(scenes)))
    known = {number for there in people for number in there if number >= 0}
    if len(known) > 1:
        assert test
        assert len(test) < len(known)


def test_who_came_last_is_the_test() -> None:
    # Person 1 is there all day, person 2 in the morning, person 3 at noon, person 4 in the evening.
    split = split_people(scenes_of([[1], [1, 2], [2], [3], [1, 3], [1], [1, 4], [4, -1]]), 0.25)
    assert split.persons == {4}
    assert [scene.image_id for scene in split.test] == ["6", "7"]
    assert split.unlabelled == 1  # person 1 in scene 6
    more = split_people(scenes_of([[1], [1, 2], [2], [3], [1, 3], [1], [1, 4], [4, -1]]), 0.3)
    assert more.persons == {3, 4}
    assert [scene.image_id for scene in more.test] == ["3", "4", "6", "7"]


def test_queries_are_everyones_first_box_in_each_camera() -> None:
    images = [{"id": n, "camera": camera} for n, camera in enumerate(["door", "door", "yard", "yard"])]
    seen = [(1, 0, 7), (2, 1, 7), (3, 2, 7), (4, 2, 8), (5, 3, -1), (6, 1, 9), (7, 1, 9)]
    rows = [{"id": number, "image_id": image, "person_id": person} for number, image, person in seen]
    found = queries_of({"images": images, "annotations": rows})["queries"]
    assert [(one["annotation_id"], one["person_id"]) for one in found] == [(1, 7), (3, 7)]  # 8 and 9 in one scene only
