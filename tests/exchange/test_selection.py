from pathlib import Path

import pytest

from personsearch.errors import GalleryError
from personsearch.exchange.records import Selection
from personsearch.exchange.selection import chosen
from tests.exchange.galleries import box_at, gallery_of, seen, three_people


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        (Selection(), ["a.jpg", "c.jpg", "b.png", "d.jpg"]),
        (Selection(empty=True), ["a.jpg", "c.jpg", "b.png", "d.jpg", "e.jpg"]),
        (Selection(cameras=["yard"]), ["c.jpg", "d.jpg"]),
        (Selection(since=15, until=20), ["c.jpg", "b.png"]),
        (Selection(persons=[1]), ["a.jpg", "b.png"]),
        (Selection(persons=[1, 3]), ["a.jpg", "c.jpg", "b.png", "d.jpg"]),
        (Selection(every=2), ["a.jpg", "c.jpg"]),  # of each camera
        (Selection(limit=2), ["a.jpg", "b.png"]),
        (Selection(limit=3), ["a.jpg", "c.jpg", "b.png"]),
        (Selection(limit=9), ["a.jpg", "c.jpg", "b.png", "d.jpg"]),
    ],
)
def test_which_scenes(tmp_path: Path, selection: Selection, names: list[str]) -> None:
    with three_people(tmp_path) as gallery:
        found = chosen(gallery, selection)
    assert [one.scene.image_id for one in found] == names
    assert not any(one.partial for one in found)


def test_everybody_in_a_chosen_scene_comes_along(tmp_path: Path) -> None:
    with three_people(tmp_path) as gallery:
        first, _ = chosen(gallery, Selection(persons=[1]))
    assert [person.person_id for person in first.people] == [1, 2]


def test_frames_of_an_unknown_camera_count_by_their_video(tmp_path: Path) -> None:
    with gallery_of(tmp_path, []) as gallery:
        for second in range(3):
            for film in ("x.mp4", "y.mp4"):
                gallery.add(f"{film}#t={second}.000", seen({0: box_at(4)}), time=float(second))
        found = chosen(gallery, Selection(every=2))
    names = [one.scene.image_id for one in found]
    assert names == ["x.mp4#t=0.000", "y.mp4#t=0.000", "x.mp4#t=2.000", "y.mp4#t=2.000"]


def test_what_cannot_be_chosen(tmp_path: Path) -> None:
    with three_people(tmp_path) as gallery:
        for selection, problem in (
            (Selection(every=0), "every must be at least 1, got 0"),
            (Selection(limit=0), "limit must be at least 1, got 0"),
            (Selection(persons=[1, 44]), "there is no person 44 here"),
        ):
            with pytest.raises(GalleryError, match=problem):
                chosen(gallery, selection)
