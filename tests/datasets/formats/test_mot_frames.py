from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personsearch.datasets.formats.ledger import ProblemError
from personsearch.datasets.formats.mot_frames import (
    Pictures,
    frames_to_read,
    image_folder,
    numbers_of_frames,
    pictures_in,
)


def pictures(*numbers: int, plain: bool = True) -> Pictures:
    prefix = "" if plain else "frame_"
    return Pictures(Path("img1"), {number: f"{prefix}{number:06d}.jpg" for number in numbers}, plain, ())


def numbers(
    there: Pictures, *frames: int, first: int | None = None, length: int | None = None, exported: bool = False
) -> list[int | None]:
    table = numbers_of_frames(there, frames, first=first, length=length, exported=exported)
    return [table.get(frame) for frame in frames]


def test_a_frame_has_the_number_of_its_picture() -> None:
    assert numbers(pictures(1, 2, 3), 1, 3) == [1, 3]
    assert numbers(pictures(0, 1, 2), 0, 1) == [0, 1]
    assert numbers(pictures(0, 1, 2, plain=False), 0, 1) == [0, 1]
    assert numbers(pictures(100, 101, 102), 100, 102) == [100, 102]
    assert numbers(pictures(5, 10, 15), 5, 15) == [5, 15]
    assert numbers(pictures(1, 3), 1, 2, length=3) == [1, None]  # 2 is missing, not another name of 3


def test_frames_may_count_the_pictures_from_1() -> None:
    assert numbers(pictures(0, 1, 2), 1, 3) == [0, 2]
    assert numbers(pictures(0, 1, 2, plain=False), 1, 2, 3) == [0, 1, 2]
    assert numbers(pictures(0, 5, 10, 15, plain=False), 1, 2, 4) == [0, 5, 15]  # every fifth picture of a video
    assert numbers(pictures(100, 101, 102), 1, 3) == [100, 102]


def test_where_both_fit_nothing_is_guessed() -> None:
    with pytest.raises(ValueError, match=r"1 to 2 may be the numbers of the pictures, 0 to 2, or count them from 1"):
        numbers(pictures(0, 1, 2), 1, 2)
    assert numbers(pictures(0, 1, 2), 1, 2, first=0) == [1, 2]
    assert numbers(pictures(0, 1, 2), 1, 2, first=1) == [0, 1]
    assert numbers(pictures(7, 8, 10), 3, 4, 6, first=3) == [7, 8, 10]  # 9 is missing
    # CVAT keeps numbers and counts everything else from 1.
    assert numbers(pictures(0, 1, 2, plain=False), 1, 2, exported=True) == [0, 1]
    assert numbers(pictures(0, 1, 2), 1, 2, exported=True) == [1, 2]
    assert numbers(pictures(3, 8, 9, plain=False), 1, 3, exported=True) == [3, 9]
    assert numbers(pictures(0, 1, 2)) == []


@given(
    st.sets(st.integers(0, 12), min_size=1),
    st.lists(st.integers(0, 14), max_size=8),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, 0, 1]),
    st.sampled_from([None, 3, 7]),
)
@settings(deadline=None)
def test_no_picture_is_two_frames(
    there: set[int], frames: list[int], plain: bool, exported: bool, first: int | None, length: int | None
) -> None:
    found = pictures(*sorted(there), plain=plain)
    try:
        table = numbers_of_frames(found, frames, first=first, length=length, exported=exported)
    except ValueError:
        # Told apart by the user, both ways work.
        for told in (0, 1):
            assert set(numbers_of_frames(found, frames, first=told, length=length, exported=exported).values()) == there
        assert (first, exported) == (None, False)
        return
    assert set(table.values()) == there
    assert list(table) == sorted(table)
    assert list(table.values()) == sorted(there)
    read = frames_to_read(table, length)
    assert len(read) == (len(there) if length is None else length)
    assert read == sorted(read)


def test_frames_to_read() -> None:
    assert frames_to_read({1: 1, 3: 3}, 3) == [1, 2, 3]
    assert frames_to_read({2: 2, 3: 3}, 3) == [1, 2, 3]
    assert frames_to_read({0: 0, 1: 1, 2: 2}, 3) == [0, 1, 2]
    assert frames_to_read({0: 0, 1: 1, 2: 2}, 2) == [0, 1]
    assert frames_to_read({1: 0, 5: 4}, None) == [1, 5]


def test_pictures_have_names_of_any_width_and_prefix(tmp_path: Path) -> None:
    for name in ("frame_000010.PNG", "frame_000009.PNG", "cover.jpg", "notes.txt"):
        (tmp_path / name).touch()
    found = pictures_in(tmp_path, None)
    assert (dict(found.names), found.plain) == ({9: "frame_000009.PNG", 10: "frame_000010.PNG"}, False)
    assert found.passed_over == ("cover.jpg",)
    assert found.name_of(7, ".jpg") == "frame_000007.PNG"
    (tmp_path / "00000012.jpg").touch()
    assert dict(pictures_in(tmp_path, None).names) == {12: "00000012.jpg"}
    assert dict(pictures_in(tmp_path, ".png").names) == {9: "frame_000009.PNG", 10: "frame_000010.PNG"}
    (tmp_path / "12.jpg").touch()
    with pytest.raises(ProblemError, match=r"00000012\.jpg and 12\.jpg have the same number"):
        pictures_in(tmp_path, ".jpg")
    assert pictures_in(tmp_path / "none", None).name_of(3, ".png") == "000003.png"


def test_the_folder_of_pictures(tmp_path: Path) -> None:
    for name in ("gt", "depth", "photos"):
        (tmp_path / name).mkdir()
    assert image_folder(tmp_path) == "img1"
    (tmp_path / "photos" / "1.jpg").touch()
    assert image_folder(tmp_path) == "photos"
    (tmp_path / "images").mkdir()
    assert image_folder(tmp_path) == "images"
