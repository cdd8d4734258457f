from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from personsearch.errors import ImageError
from personsearch.pictures.video import frame_at, frame_id, frame_time, video_frames
from tests.support import video


def test_every_nth_frame_with_its_time(tmp_path: Path) -> None:
    frames = [(time, np.asarray(convert())) for time, convert in video_frames(str(video(tmp_path / "clip.mp4")), 5)]
    assert [time for time, _ in frames] == [0, 0.5, 1.0, 1.5]
    assert [round(float(frame.mean()), -1) for _, frame in frames] == [0, 50, 100, 150]


@given(st.text(), st.integers(0, 10**8))
def test_the_name_of_a_frame_gives_its_time_back(name: str, milliseconds: int) -> None:
    assert frame_time(frame_id(name, milliseconds / 1000)) == milliseconds / 1000


@pytest.mark.parametrize("image_id", ["photo.jpg", "a#t=noon.jpg", ""])
def test_a_still_has_no_time(image_id: str) -> None:
    assert frame_time(image_id) is None


def test_a_frame_is_found_by_its_time(tmp_path: Path) -> None:
    path = str(video(tmp_path / "clip.mp4"))
    assert abs(np.asarray(frame_at(path, 1.2)).mean() - 120) < 6
    with pytest.raises(ImageError, match=r"has no frame at 9\.0 s"):
        frame_at(path, 9.0)


def test_a_broken_video_is_named(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"nothing like a video")
    with pytest.raises(ImageError, match=r"clip\.mp4: cannot be read as a video"):
        list(video_frames(str(path)))
