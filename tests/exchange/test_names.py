import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personsearch.exchange.names import picture_stem
from personsearch.results import StoredScene


def scene(image_id: str, **extra: str) -> StoredScene:
    return StoredScene(image_id=image_id, camera=None, time=None, image_size=(4, 4), extra=extra)


@given(st.text(max_size=300))
def test_a_name_is_safe_on_every_system(image_id: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,47}-[0-9a-f]{12}", picture_stem(scene(image_id), None))


@pytest.mark.parametrize(
    ("image_id", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\con.jpg", "C-con"),
        ("con", "con"),
        ("Tür 1.jpg", "T-r-1"),
        ("日本.png", "scene"),
        ("in/door.mp4#t=1.200", "door-000001200"),
        ("door.mp4#t=1.200-2", "door-000001200-2"),
        (f"{'x' * 60}.mp4#t=1.200", f"{'x' * 35}-000001200"),
        (f"{'x' * 300}.jpg", "x" * 48),
    ],
)
def test_what_people_see_of_a_name(image_id: str, shown: str) -> None:
    assert picture_stem(scene(image_id), None)[:-13] == shown


def test_names_differ_by_scene_content_and_size() -> None:
    given = [
        scene("a/1.jpg"),
        scene("b/1.jpg"),
        scene("A/1.jpg"),
        scene("a/1.jpg", sha256="1"),
        scene("a/1.jpg", sha256="2"),
    ]
    stems = [picture_stem(one, side) for one in given for side in (None, 640)]
    assert len({stem.lower() for stem in stems}) == 10


def test_frames_are_in_the_order_of_their_times() -> None:
    times = [0.0, 2.25, 10.5, 100.0, 3600.125, 36000.0]
    stems = [picture_stem(scene(f"door.mp4#t={time:.3f}"), None) for time in times]
    assert stems == sorted(stems)
