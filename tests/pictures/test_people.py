"""Contact sheets of people: which views are chosen, and where they are on the sheet."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from personsearch.people import Appearance, Person
from personsearch.pictures import people as sheets
from personsearch.pictures.drawing import NOTHING
from personsearch.pictures.people import CAPTION, CELL, GAP, HEADING, LABEL, LOW, best_views, draw_people
from personsearch.results import Sighting
from tests.support import SHIRTS, toy_scene, video


def appearance(camera: str | None, first: float | None, frames: int, *rows: int) -> Appearance:
    return Appearance(camera=camera, first=first, last=first, frames=frames, detection_ids=rows, track_id=rows[0])


def person(*appearances: Appearance, number: int = 1, name: str | None = None) -> Person:
    return Person(person_id=number, name=name, appearances=appearances, by_hand=False)


def sighting(row: int, path: Path | None, image_id: str | None = None, **fields: object) -> Sighting:
    values: dict[str, object] = {"box": (70, 18, 90, 78), "score": 1.0, **fields}
    name = image_id or (path.name if path else f"{row}.png")
    return Sighting(detection_id=row, image_id=name, extra={} if path is None else {"path": str(path)}, **values)  # type: ignore[arg-type]


def chosen(one: Person, most: int) -> list[int]:
    return [view.detection_id for view in best_views(one, most)]


def test_every_camera_is_seen_before_one_is_seen_twice() -> None:
    one = person(
        appearance("a", 0, 90, 1, 2, 3),
        appearance("a", 1, 80, 4),
        appearance("a", 2, 95, 5, 6),
        appearance("b", 3, 2, 7),
        appearance(None, 4, 1, 8),
    )
    assert chosen(one, 1) == [5]
    assert chosen(one, 3) == [5, 7, 8]
    assert chosen(one, 4) == [1, 5, 7, 8]
    assert chosen(one, 5) == [1, 4, 5, 7, 8]
    assert chosen(one, 6) == [1, 4, 5, 6, 7, 8]  # a second view of the longest one
    assert chosen(one, 20) == [1, 2, 4, 5, 6, 7, 8]  # and never a third one
    assert chosen(person(), 5) == []


def test_of_many_that_are_equally_long_some_are_shown_that_lie_far_apart() -> None:
    one = person(*(appearance("a", row, 1, row) for row in range(8)), appearance("b", 9, 2, 9))
    assert chosen(one, 2) == [0, 9]
    assert chosen(one, 3) == [0, 4, 9]
    assert chosen(one, 5) == [0, 2, 4, 6, 9]
    assert chosen(one, 20) == list(range(8)) + [9]


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.integers(1, 5), st.integers(1, 3)), max_size=12),
    st.integers(1, 12),
)
def test_the_views_are_as_many_as_there_may_be_and_of_all_cameras(
    seen: list[tuple[str | None, int, int]], most: int
) -> None:
    rows = iter(range(100))
    one = person(
        *(appearance(camera, 0, frames, *[next(rows) for _ in range(views)]) for camera, frames, views in seen)
    )
    views = best_views(one, most)
    assert len({view.detection_id for view in views}) == len(views)
    assert len(views) == min(most, sum(min(count, 2) for _, _, count in seen))
    cameras = {camera for camera, _, _ in seen}
    assert len({view.appearance.camera for view in views}) == min(most, len(cameras))
    assert all(view.detection_id in view.appearance.detection_ids[:2] for view in views)


def tile(sheet: Image.Image, row: int, column: int, *, heading: bool = False) -> np.ndarray:
    x = GAP + LABEL + column * (CELL[0] + GAP)
    y = (HEADING if heading else GAP) + row * (CELL[1] + CAPTION + GAP)
    return np.asarray(sheet.crop((x, y, x + CELL[0], y + CELL[1])))


def test_each_person_has_a_row_of_pictures_by_time(tmp_path: Path) -> None:
    seen = {}
    for row, (shirt, time) in enumerate(((0, 5.0), (0, 2.0), (2, 7.0)), start=1):
        path = tmp_path / f"{row}.png"
        toy_scene([(shirt, 70, 18)]).save(path)
        seen[row] = sighting(row, path, time=time)
    path = tmp_path / "clip.mp4"
    video(path)
    seen[4] = sighting(4, path, "clip.mp4#t=1.200", box=(8, 8, 24, 40))
    people = [
        person(appearance("a", 2, 9, 1, 2)),
        person(appearance("a", 7, 1, 3), appearance("b", None, 1, 4), number=2),
    ]
    sheet = draw_people(people, seen, heading="two")
    assert sheet.size == (GAP + LABEL + 2 * (CELL[0] + GAP), HEADING + 2 * (CELL[1] + CAPTION + GAP))
    middle = [tile(sheet, row, column, heading=True)[CELL[1] // 3, CELL[0] // 2] for row in (0, 1) for column in (0, 1)]
    assert middle[0] == pytest.approx(SHIRTS[0], abs=14)
    assert middle[1] == pytest.approx(SHIRTS[0], abs=14)
    assert middle[2] == pytest.approx(SHIRTS[2], abs=14)
    assert middle[3] == pytest.approx([120] * 3, abs=6)
    # The view of second 2 comes first, whichever is the better one.
    swapped = draw_people([person(appearance("a", 2, 9, 2, 1))], seen)
    assert (tile(swapped, 0, 0) == tile(sheet, 0, 0, heading=True)).all()


def test_more_pictures_than_fit_side_by_side_continue_below(tmp_path: Path) -> None:
    seen = {}
    for row in range(10):
        toy_scene([(2 if row == 9 else 0, 70, 18)]).save(tmp_path / f"{row}.png")
        seen[row] = sighting(row, tmp_path / f"{row}.png")
    long = person(*(appearance("a", row, 1, row) for row in seen))
    short = person(appearance("a", 0, 1, 0))
    step = CELL[1] + CAPTION + GAP
    assert draw_people([long, short], seen).height == GAP + 2 * step
    sheet = draw_people([long, short], seen, most_views=20)
    assert sheet.size == (GAP + LABEL + 8 * (CELL[0] + GAP), GAP + 3 * step)
    assert tile(sheet, 1, 1)[60, 46] == pytest.approx(SHIRTS[2], abs=14)
    assert tile(sheet, 2, 0)[60, 46] == pytest.approx(SHIRTS[0], abs=14)
    numbered = draw_people([long], seen, most_views=20, numbered=True)
    assert numbered.height == GAP + 2 * (step + 15)


def test_many_people_stand_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MOST_ROWS", 3)
    seen = {}
    for row in range(7):
        toy_scene([(row % 3, 70, 18)]).save(tmp_path / f"{row}.png")
        seen[row] = sighting(row, tmp_path / f"{row}.png")
    people = [person(appearance("a", 0, 1, row), number=row) for row in seen]
    sheet = draw_people(people, seen)
    width, step = GAP + LABEL + CELL[0] + GAP, CELL[1] + CAPTION + GAP
    assert sheet.size == (3 * width, GAP + 3 * step)
    for row in seen:  # three, three and one
        left, above = row // 3 * width, row % 3
        cell = tile(sheet.crop((left, 0, left + width, sheet.height)), above, 0)
        assert cell[60, 46] == pytest.approx(SHIRTS[row % 3], abs=14)
    assert draw_people(people[:3], seen).size == (width, GAP + 3 * step)


def test_the_whole_person_is_shown_with_a_margin(tmp_path: Path) -> None:
    array = np.zeros((400, 300, 3), np.uint8)
    array[100:300, 120:180, 0] = 255
    Image.fromarray(array).save(tmp_path / "a.png")
    sheet = draw_people(
        [person(appearance("a", 0, 1, 1))], {1: sighting(1, tmp_path / "a.png", box=(120, 100, 180, 300))}
    )
    cell = tile(sheet, 0, 0)
    red = (cell[..., 0] > 128) & (cell[..., 1] < 128)
    assert red.any(axis=1).sum() == pytest.approx(CELL[1] / 1.08, abs=2)  # the box and 4 % above and below
    assert red.any(axis=0).sum() == pytest.approx(60 * CELL[1] / 216, abs=2)
    assert (cell[:, 2] == NOTHING).all()  # beside it


def test_what_is_gone_is_an_empty_tile(tmp_path: Path) -> None:
    toy_scene([(2, 70, 18)]).save(tmp_path / "here.png")
    one = person(appearance("a", 0, 3, 1), appearance("b", 1, 3, 2), appearance("c", 2, 3, 3), appearance("d", 3, 3, 4))
    seen = {1: sighting(1, tmp_path / "here.png"), 2: sighting(2, tmp_path / "gone.png"), 3: sighting(3, None)}
    sheet = draw_people([one], seen)
    assert tile(sheet, 0, 0)[60, 46] == pytest.approx(SHIRTS[2], abs=14)
    for column in (1, 2, 3):
        cell = tile(sheet, 0, column)
        assert cell[60, 46].tolist() == list(NOTHING)
        assert (cell[:40] != NOTHING).any()  # it says so
        assert (cell == tile(sheet, 0, 1)).all()


def test_without_pictures_nothing_of_a_scene_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "scene_loaders", lambda _: pytest.fail("a scene was asked for"))
    one = person(appearance("a", 0, 9, 1, 2), appearance("b", 5, 1, 3))
    sheet = draw_people([one], {}, pictures=False)
    assert sheet.size == (GAP + LABEL + 2 * (CELL[0] + GAP), GAP + LOW + GAP)


def test_a_scene_of_several_people_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "both.png"
    toy_scene([(0, 10, 10), (2, 70, 18)]).save(path)
    asked: list[str] = []

    def counted(some: list[Sighting]) -> object:
        asked.extend(one.image_id for one in some)
        return loaders(some)

    loaders = sheets.scene_loaders
    monkeypatch.setattr(sheets, "scene_loaders", counted)
    monkeypatch.setattr(sheets, "_AT_ONCE", 1)
    seen = {1: sighting(1, path, box=(10, 10, 30, 70)), 2: sighting(2, path), 3: sighting(3, tmp_path / "gone.png")}
    people = [person(appearance("a", 0, 1, row), number=row) for row in seen]
    sheet = draw_people(people, seen)
    assert asked == ["both.png", "gone.png"]
    assert tile(sheet, 0, 0)[60, 46] == pytest.approx(SHIRTS[0], abs=14)
    assert tile(sheet, 1, 0)[60, 46] == pytest.approx(SHIRTS[2], abs=14)


def test_a_box_beyond_the_scene_and_any_name_are_drawn(tmp_path: Path) -> None:
    toy_scene([]).save(tmp_path / "a.png")
    names = ["[red]Anna[/red] <b>", "张伟 Żółć", "long " * 60, "two\nlines", "\u202egnol", None]
    seen = {1: sighting(1, tmp_path / "a.png", box=(-40, -40, -20, 1000), camera="c" * 90)}
    for time in (None, 5.0, 1.7e9, 1.7e12, -3.0):
        people = [
            person(appearance("c" * 90, time, 1, 1), number=10**number, name=name) for number, name in enumerate(names)
        ]
        sheet = np.asarray(draw_people(people, seen))
        # The text at the left ends before the pictures.
        left = sheet[:, LABEL : LABEL + GAP]
        assert (left[:, 1:] == left[:, :1]).all()
    assert draw_people([], {}).size[1] == GAP


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None  # importing it is an error
import personsearch.pictures.people
"""


def test_it_needs_no_torch() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_TORCH], check=True)
