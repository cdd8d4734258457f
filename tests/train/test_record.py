"""What a checkpoint remembers of its annotations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from personsearch.datasets import Scene
from personsearch.train.data import number_identities
from personsearch.train.record import DataRecord, record_of

LABELS = [[0, 1, -1], [1, 2, -1], [2, 0, -1], [7, 7, 3]]


def scenes_with(labels: list[list[int]], **changes: object) -> list[Scene]:
    scenes = []
    for number, people in enumerate(labels):
        boxes = np.arange(4 * len(people), dtype=np.float32).reshape(-1, 4)
        scene = Scene(
            image_id=f"{number}.jpg",
            path=Path("nowhere"),
            width=100,
            height=50,
            camera="c1",
            time=None,
            place="a",
            boxes=boxes,
            identities=np.array(people, dtype=np.int64),
            ignore=np.zeros(len(people), dtype=bool),
        )
        scenes.append(replace(scene, **changes))  # type: ignore[arg-type]
    return scenes


def record(training: list[Scene], held_out: list[Scene] | None = None) -> DataRecord:
    return record_of(training, held_out or [], number_identities(training), {7: "2/99"})


def changes(labels: list[list[int]]) -> str:
    return record(scenes_with(LABELS)).changes_to(record(scenes_with(labels)))


def test_what_changed_is_counted_and_named() -> None:
    assert changes(LABELS) == ""
    renumbered = [[99 if label == 0 else label for label in people] for people in LABELS]
    assert changes(renumbered) == (
        "1 identity is gone (0); 1 identity is new (99); 2 scenes are different (0.jpg, 2.jpg)"
    )
    one_more = [[0, 1, 5], *LABELS[1:]]
    assert changes(one_more) == "1 identity is new (5); 1 scene is different (0.jpg)"
    swapped = [[{1: 2, 2: 1}.get(label, label) for label in people] for people in LABELS]
    assert "2 identities are different (1, 2)" in changes(swapped)
    assert changes(LABELS[:3]) == "2 identities are gone (3, 2/99); 1 scene is gone (3.jpg)"


def test_order_counts_and_what_training_does_not_use_does_not() -> None:
    scenes = scenes_with(LABELS)
    then = record(scenes)
    assert then.changes_to(record(scenes[::-1])) == "the scenes are the same in another order"
    assert then.changes_to(record(scenes_with(LABELS, camera="c2", time=3.0, place="b", path=Path("elsewhere")))) == ""
    held_out = record(scenes[:2], scenes[2:])
    assert "2 scenes are different" in then.changes_to(held_out)
    assert "different" in held_out.changes_to(record(scenes[:2], scenes_with(LABELS, camera="c2")[2:]))
    assert DataRecord.from_dict(then.to_dict()) == then


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.lists(st.integers(-1, 4), min_size=1, max_size=3), min_size=1, max_size=4),
    st.lists(st.lists(st.integers(-1, 4), min_size=1, max_size=3), min_size=1, max_size=4),
)
def test_nothing_is_said_exactly_if_nothing_changed(one: list[list[int]], other: list[list[int]]) -> None:
    then, now = record(scenes_with(one)), record(scenes_with(other))
    assert (then.changes_to(now) == "") == (one == other) == (then.digest == now.digest)
