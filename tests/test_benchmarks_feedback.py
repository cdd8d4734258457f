"""The benchmark of feedback and of several pictures measures what it says."""

from dataclasses import replace

import pytest

from benchmarks.feedback import (
    METHODS,
    Row,
    feedback,
    people_of,
    several,
    strangers_above,
    strangers_after_feedback,
    table,
)
from personsearch.datasets import Query
from tests.evaluation.sphere import people_on_a_sphere


def test_feedback_counts_only_what_was_not_marked() -> None:
    data, observed = people_on_a_sphere(0, identities=8, scenes_each=14)
    scenes = data.scenes[::14]
    queries = tuple(Query(image_id=s.image_id, box=s.boxes[0], identity=int(s.identities[0])) for s in scenes)
    rows = feedback(observed, replace(data, queries=queries))
    assert [row.method for row in rows] == list(METHODS)
    assert {row.searches for row in rows} == {8}  # of 13 appearances elsewhere, at least 3 are left after ten
    assert (rows[0].better, rows[0].worse) == (0, 0)
    # Each person lies apart from the others, so all is found in any way but by a refit of next to nothing.
    assert rows[0].mean_average_precision == pytest.approx(1)
    short = replace(data, queries=queries[:1])
    assert feedback(observed, short)[0].searches == 1
    assert strangers_after_feedback(observed, short, -1.0) == (1, 1)
    assert strangers_after_feedback(observed, short, 0.99) == (0, 0)


def test_detections_are_of_those_whose_boxes_they_overlap() -> None:
    data, observed = people_on_a_sphere(0, identities=3, scenes_each=2)
    people = people_of(observed, data)
    assert people.identities.tolist() == [0, 0, 1, 1, 2, 2]
    assert people.scenes.tolist() == [0, 1, 2, 3, 4, 5]


def test_all_rows_of_several_pictures_search_the_same_galleries() -> None:
    data, observed = people_on_a_sphere(0, identities=6, scenes_each=8)
    data = replace(data, scenes=tuple(replace(scene, boxes=scene.boxes * 2) for scene in data.scenes))
    doubled = {name: replace(one, boxes=one.boxes * 2) for name, one in observed.detections.items()}
    boxes = {name: one * 2 for name, one in observed.boxes.items()}
    observed = replace(observed, detections=doubled, boxes=boxes)
    rows = several(observed, data)
    assert [row.method for row in rows][:3] == ["1 picture", "2 pictures, mean", "2 pictures, best"]
    assert {row.searches for row in rows} == {12}
    shares = strangers_above(observed, data, -1.0)
    assert set(shares.values()) == {1.0}
    assert strangers_above(observed, data, 1.01)["3 pictures, best"] == 0


def test_the_table() -> None:
    text = table([Row("none", 3, 0.5, 2 / 3, 0, 0)], "how")
    assert text.splitlines()[-1] == "| none | 3 | 50.0 | 66.7 | 0 / 0 |"
