from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from personsearch.errors import ImageError
from personsearch.pictures.video import Damage, Video, frame_at, frame_id, frame_of, frame_time, has_video, video_of
from tests.pictures.films import TURNS, damage, film, quarters
from tests.support import video


def names(path: Path, every: int = 1) -> list[str]:
    return [frame_id("", frame.seconds, frame.repeat)[len("#t=") :] for frame in Video(path, every)]


def tenths(count: int) -> list[str]:
    return [f"{number / 10:.3f}" for number in range(count)]


def test_every_nth_frame_with_its_time(tmp_path: Path) -> None:
    frames = [(frame.seconds, np.asarray(frame.image())) for frame in Video(video(tmp_path / "clip.mp4"), 5)]
    assert [time for time, _ in frames] == [0, 0.5, 1.0, 1.5]
    assert [round(float(frame.mean()), -1) for _, frame in frames] == [0, 50, 100, 150]
    with pytest.raises(ImageError, match="every must be at least 1, got 0"):
        Video("clip.mp4", 0)


@given(st.text(), st.integers(0, 10**8), st.integers(0, 300))
def test_the_name_of_a_frame_gives_its_time_back(name: str, milliseconds: int, repeat: int) -> None:
    assert frame_of(frame_id(name, milliseconds / 1000, repeat)) == (milliseconds / 1000, repeat)
    assert frame_time(frame_id(name, milliseconds / 1000, repeat)) == milliseconds / 1000
    assert video_of(frame_id(name, milliseconds / 1000, repeat)) == name


@given(st.tuples(st.integers(0, 10**5), st.integers(0, 30)), st.tuples(st.integers(0, 10**5), st.integers(0, 30)))
def test_two_frames_have_two_names(one: tuple[int, int], other: tuple[int, int]) -> None:
    same = frame_id("a.mp4", one[0] / 1000, one[1]) == frame_id("a.mp4", other[0] / 1000, other[1])
    assert same == (one == other)


STILLS = ["photo.jpg", "a#t=noon.jpg", "", "a#t=3", "a#t=1.5", "a#t=1.500-1", "a#t=1.500-02", "a#t=01.500", "a#t=nan"]


@pytest.mark.parametrize("image_id", STILLS)
def test_a_still_has_no_time(image_id: str) -> None:
    assert frame_of(image_id) is None
    assert frame_time(image_id) is None
    assert video_of(image_id) is None


def test_a_frame_is_found_by_its_time(tmp_path: Path) -> None:
    path = video(tmp_path / "clip.mp4")
    assert abs(np.asarray(frame_at(path, 1.2)).mean() - 120) < 6
    with pytest.raises(ImageError, match=r"clip\.mp4: has no frame at 9\.0 s"):
        frame_at(path, 9.0)


CONTAINERS = [
    ("a.mp4", "libx264", None),
    ("a.mov", "mpeg4", None),
    ("a.3gp", "mpeg4", None),
    ("a.mkv", "libx264", None),
    ("a.webm", "libvpx-vp9", None),
    ("a.avi", "mjpeg", None),
    ("a.avi", "libx264", None),  # with B-frames: an AVI does not say when they are shown
    ("a.wmv", "wmv2", "asf"),
    ("a.mts", "libx264", "mpegts"),
    ("a.flv", "flv", None),
    ("a.264", "libx264", "h264"),  # no times at all
]


@pytest.mark.parametrize(("name", "codec", "form"), CONTAINERS)
def test_each_container_gives_all_its_frames_in_time(name: str, codec: str, form: str | None, tmp_path: Path) -> None:
    clip = film(tmp_path / name, codec, form=form)
    footage = Video(clip)
    frames = [(frame.seconds, np.asarray(frame.image()).mean()) for frame in footage]
    assert [seconds for seconds, _ in frames] == pytest.approx([number / 10 for number in range(10)], abs=1e-9)
    assert footage.damage is None
    levels = [150 - 2 * number for number in range(10)]
    assert [level for _, level in frames] == pytest.approx(levels, abs=5)
    assert np.mean(np.diff([level for _, level in frames])) == pytest.approx(-2, abs=0.4)


@pytest.mark.parametrize(
    ("turn", "seen"), [(0, [1, 2, 3, 4]), (90, [3, 1, 4, 2]), (180, [4, 3, 2, 1]), (270, [2, 4, 1, 3])]
)
def test_a_turned_film_comes_upright(turn: int, seen: list[int], tmp_path: Path) -> None:
    clip = film(tmp_path / "phone.mp4", frames=2, matrix=TURNS[turn])
    picture = next(iter(Video(clip))).image()
    assert picture.size == ((64, 48) if turn % 180 == 0 else (48, 64))
    assert quarters(picture) == seen
    assert np.array_equal(np.asarray(frame_at(clip, 0.0)), np.asarray(picture))


def test_a_mirrored_film_is_mirrored_back(tmp_path: Path) -> None:
    clip = film(tmp_path / "selfie.mov", frames=1, matrix=(-1, 0, 0, 1))
    assert quarters(next(iter(Video(clip))).image()) == [2, 1, 4, 3]


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.avi", "mpeg4")])
def test_people_keep_their_proportions(name: str, codec: str, tmp_path: Path) -> None:
    clip = film(tmp_path / name, codec, frames=2, shape=Fraction(3, 2))
    assert {frame.image().size for frame in Video(clip)} == {(96, 48)}


def test_a_stretched_and_turned_film(tmp_path: Path) -> None:
    clip = film(tmp_path / "a.mp4", "libx264", frames=1, shape=Fraction(3, 2), matrix=TURNS[90])
    assert next(iter(Video(clip))).image().size == (48, 96)


def test_times_count_from_the_first_instant(tmp_path: Path) -> None:
    late = film(tmp_path / "a.mkv", "libx264", times=[3_600_000 + 100 * number for number in range(10)])
    assert names(late) == tenths(10)


def test_frames_of_one_time_have_names_of_their_own(tmp_path: Path) -> None:
    clip = film(tmp_path / "a.mkv", "libx264", frames=6, times=[0, 0, 1, 1, 1, 2], options={"bf": "0"})
    expected = ["0.000", "0.000-2", "0.001", "0.001-2", "0.001-3", "0.002"]
    assert names(clip) == expected
    assert names(clip, 2) == expected[::2]
    levels = [float(np.asarray(frame_at(clip, *frame)).mean()) for frame in ((0.0, 0), (0.001, 2), (0.002, 0))]
    assert levels == pytest.approx([150, 142, 140], abs=1.5)


def test_a_recorders_file_with_another_suffix(tmp_path: Path) -> None:
    raw = film(tmp_path / "a.avi", "libx264", form="h264", rate=5)
    assert names(raw) == [f"{number / 5:.3f}" for number in range(10)]


def test_a_damaged_packet_costs_its_frame_alone(tmp_path: Path) -> None:
    clip = damage(film(tmp_path / "a.mp4", "libx264", options={"g": "1", "bf": "0"}), 4)
    footage = Video(clip)
    assert [frame.seconds for frame in footage] == [n / 10 for n in (0, 1, 2, 3, 5, 6, 7, 8, 9)]
    assert footage.damage == Damage(1, 0.4, truncated=False)
    assert names(clip, 3) == ["0.000", "0.300", "0.700"]


@pytest.mark.parametrize(
    ("lost", "text"),
    [
        (Damage(1, 0.84, truncated=False), "1 damaged packet skipped, near 0.8 s"),
        (Damage(3, 0.84, truncated=False), "3 damaged packets skipped, the first near 0.8 s"),
        (Damage(3, None, truncated=False), "3 damaged packets skipped"),
        (Damage(3, 0.84, truncated=True), "3 damaged packets skipped, the first near 0.8 s, and it ends early"),
        (Damage(0, 0.84, truncated=True), "ends early: damaged after 0.8 s"),
        (Damage(0, None, truncated=True), "ends early"),
    ],
)
def test_damage_is_said_in_a_clause(lost: Damage, text: str) -> None:
    assert str(lost) == text


def test_a_broken_video_is_named(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"nothing like a video")
    with pytest.raises(ImageError, match=r"clip\.mp4: cannot be read as a video"):
        list(Video(path))
    with pytest.raises(ImageError, match=r"clip\.mp4: cannot be read as a video"):
        has_video(path)
    assert has_video(film(tmp_path / "a.dat", form="mp4"))


def test_a_thermal_film_uses_all_shades(tmp_path: Path) -> None:
    values = np.linspace(28_500, 31_500, 64).astype(np.uint16)[None].repeat(48, 0)
    with av.open(str(tmp_path / "thermal.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "gray16le"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(values, format="gray16le")))
        container.mux(stream.encode())
    picture = next(iter(Video(tmp_path / "thermal.mkv"))).image()
    assert (picture.mode, picture.size) == ("RGB", (64, 48))
    assert np.asarray(picture)[20, [0, 31, 32, 63], 0].tolist() == pytest.approx([0, 126, 129, 255], abs=2)
