import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personsearch.synth.labels import annotation_rows, choose_queries, image_row, merge
from tests.synth.pictures import appearance, drawn, drawn_person, frame, job


def test_rows_are_clipped_and_say_so() -> None:
    box = (-10.0, 20.0, 30.04, 200.0)
    person = drawn_person(box, visible_box=(0, 20, 25, 99.96), visibility=0.61238, truncated=True, foot=(12.34, 190.0))
    [row] = annotation_rows(frame([appearance(seed=7, label=3, outfit=1)]), drawn([person], width=160, height=100))
    assert row == {
        "label": 3,
        "seed": 7,
        "outfit": 1,
        "bbox": [0.0, 20.0, 30.0, 80.0],
        "visible_box": [0.0, 20.0, 25.0, 80.0],
        "visibility": 0.612,
        "truncated": True,
        "foot": [12.3, 190.0],
        "mask_value": 1,
    }


@pytest.mark.parametrize(
    ("box", "visibility", "kept"),
    [
        ((0, 0, 10, 36), 1.0, True),
        ((0, 0, 9.9, 36), 1.0, False),
        ((0, 0, 10, 35.9), 1.0, False),
        ((-5, 0, 9, 60), 1.0, False),
        ((0, 0, 20, 60), 0.12, True),
        ((0, 0, 20, 60), 0.119, False),
    ],
)
def test_too_small_or_hidden(box: tuple[float, float, float, float], visibility: float, kept: bool) -> None:
    people = [drawn_person(box, visibility=visibility)]
    assert len(annotation_rows(frame([appearance()]), drawn(people))) == kept


def test_wholly_hidden_people_have_no_row() -> None:
    people = [drawn_person((0, 0, 20, 60), visible_box=None, visibility=0.0)]
    assert annotation_rows(frame([appearance()]), drawn(people)) == []


def test_rows_are_those_of_the_appearances_they_name() -> None:
    people = [drawn_person((50, 0, 70, 60), index=2), drawn_person((0, 0, 20, 60), index=0)]
    planned = frame([appearance(label=n) for n in (10, 11, 12)])
    rows = annotation_rows(planned, drawn(people))
    assert [(row["label"], row["mask_value"]) for row in rows] == [(12, 3), (10, 1)]


def test_keypoints_are_written_as_cocos_flat_list() -> None:
    points = np.tile([[5.26, 7.0, 2]], (17, 1))
    points[3] = 99, 99, 0
    people = [drawn_person((0, 0, 20, 60), keypoints=points)]
    [row] = annotation_rows(frame([appearance()]), drawn(people), keypoints=True)
    assert len(row["keypoints"]) == 51
    assert row["keypoints"][:3] == [5.3, 7.0, 2]
    assert row["keypoints"][9:12] == [0, 0, 0]
    table = merge("train", [{"camera": "a", "annotations": [row]}], keypoints=True)
    assert table["annotations"][0]["num_keypoints"] == 16
    assert len(table["categories"][0]["keypoints"]) == 17


def test_image_row() -> None:
    planned = frame([], time=12.3456, random_background=True)
    row = image_row(job([planned]), planned, "train/f.jpg", np.full((20, 30, 3), 51, np.uint8), "night")
    assert row == {
        "file_name": "train/f.jpg",
        "width": 30,
        "height": 20,
        "scene": "s1",
        "camera": "s1c1",
        "time": 12.35,
        "light": "night",
        "random_background": True,
        "luma": 0.2,
    }


def seen(camera: str, *people: tuple[int, float], height: float = 120) -> dict[str, object]:
    """Return the row of a picture with people given as (label, visibility)."""
    rows = [
        {"label": label, "seed": 1000 + label, "bbox": [0.0, 0.0, 40.0, height], "visibility": visibility}
        for label, visibility in people
    ]
    return {"file_name": f"{camera}.jpg", "camera": camera, "height": 640, "annotations": rows}


def test_identities_are_numbered_without_gaps() -> None:
    images = [
        seen("a", (9, 0.9), (4, 0.9), (-1, 0.9), (6, 0.9)),
        seen("a", (9, 0.9), (4, 0.3), (5, 0.9)),
        seen("b", (5, 0.35), (4, 0.9)),
    ]
    table = merge("train", images)
    # 6 is seen once; 4 has a hidden box, which is ignored, between two good ones; 9 is seen by one camera only.
    assert [row["person_id"] for row in table["annotations"]] == [2, 0, -1, -1, 2, -1, 1, 1, 0]
    assert [row["ignore"] for row in table["annotations"]] == [row == 5 for row in range(9)]
    assert [row["id"] for row in table["annotations"]] == list(range(1, 10))
    assert [row["image_id"] for row in table["annotations"]] == [1, 1, 1, 1, 2, 2, 2, 3, 3]
    assert [row["id"] for row in table["images"]] == [1, 2, 3]
    assert table["identities"] == [
        {"person_id": 0, "seed": 1004},
        {"person_id": 1, "seed": 1005},
        {"person_id": 2, "seed": 1009},
    ]
    assert "label" not in table["annotations"][0]
    assert "annotations" not in table["images"][0]
    assert table["annotations"][0]["area"] == 4800.0
    two = merge("test", images, min_cameras=2)
    assert [row["person_id"] for row in two["annotations"]] == [-1, 0, -1, -1, -1, -1, 1, 1, 0]


def test_queries() -> None:
    images = [
        seen("a", (0, 0.9), (1, 0.6), (2, 0.9)),
        seen("a", (0, 0.9), (1, 0.9), (2, 0.9)),
        seen("b", (0, 0.7), (1, 0.9), (2, 0.9), height=99),
        seen("c", (0, 0.9), (1, 0.69)),
    ]
    table = merge("test", images)
    cameras = [row["camera"] for row in images]
    chosen = [(query["person_id"], cameras[query["image_id"] - 1]) for query in choose_queries(table, 3)]
    # Boxes of camera b are too low for a query (99 of 640 pixels), but they count as matches.
    assert sorted(chosen) == [(0, "a"), (0, "c"), (1, "a"), (2, "a")]
    assert choose_queries(table, 3) == choose_queries(table, 3)
    boxes = {row["id"]: row for row in table["annotations"]}
    for query in choose_queries(table, 3):
        assert boxes[query["annotation_id"]]["image_id"] == query["image_id"]
        assert boxes[query["annotation_id"]]["person_id"] == query["person_id"]


def test_no_query_without_a_match_in_another_camera() -> None:
    table = merge("test", [seen("a", (0, 0.9)), seen("a", (0, 0.9)), seen("b", (0, 0.2))])
    assert table["annotations"][0]["person_id"] == 0
    assert choose_queries(table, 0) == []


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.lists(st.tuples(st.integers(-1, 6), st.floats(0.12, 1)), max_size=5)),
        max_size=12,
    )
)
def test_merging_keeps_every_box_and_leaves_no_gap(
    planned: list[tuple[str, list[tuple[int, float]]]],
) -> None:
    images = [seen(camera, *people) for camera, people in planned]
    table = merge("test", images, min_cameras=2)
    rows = table["annotations"]
    assert len(rows) == sum(len(people) for _, people in planned)
    people = {row["person_id"] for row in rows} - {-1}
    assert people == set(range(len(people)))
    assert len(table["identities"]) == len(people)
    for person in people:
        mine = [row for row in rows if row["person_id"] == person]
        assert len(mine) >= 2
        assert len({images[row["image_id"] - 1]["camera"] for row in mine}) >= 2
        assert all(row["visibility"] >= 0.35 for row in mine)
    per_person: dict[int, list[str]] = {}
    for query in choose_queries(table, 1):
        per_person.setdefault(query["person_id"], []).append(str(images[query["image_id"] - 1]["camera"]))
    assert all(len(cameras) == len(set(cameras)) <= 2 for cameras in per_person.values())
