"""Random films and random bytes: every frame is given or counted, every name is unique, every failure is ours."""

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from personsearch.errors import ImageError
from personsearch.pictures.decode import load_image
from personsearch.pictures.video import Damage, Video, frame_at, frame_id, frame_of
from tests.pictures.films import TURNS, film, packets

FRAMES = 6
QUICK = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
#: Container, codec, name of the container where the suffix does not say it, and whether it keeps a display matrix.
FORMS = st.sampled_from(
    [
        (".mp4", "libx264", None, True),
        (".mp4", "mpeg4", None, True),
        (".mov", "mjpeg", None, True),
        (".3gp", "mpeg4", None, True),
        (".mkv", "libx264", None, False),
        (".webm", "libvpx", None, False),
        (".avi", "mpeg4", None, False),
        (".avi", "libx264", None, False),
        (".wmv", "wmv2", "asf", False),
        (".mts", "libx264", "mpegts", False),
        (".avi", "libx264", "h264", False),
    ]
)
Read = tuple[list[str], Damage | None]


def read(path: Path, every: int = 1) -> Read | None:
    """Return the names of a video's frames and its damage, or None where it is refused."""
    footage = Video(path, every)
    try:
        frames = [frame_id(path.name, frame.seconds, frame.repeat) for frame in footage]
    except ImageError as error:
        assert path.name in str(error)  # noqa: PT017
        return None
    return frames, footage.damage


@QUICK
@given(
    FORMS,
    st.sampled_from(sorted(TURNS)),
    st.sampled_from([None, Fraction(1, 2), Fraction(4, 3)]),
    st.integers(2, 4),
)
def test_whole_films(
    tmp_path: Path, form: tuple[str, str, str | None, bool], turn: int, shape: Fraction | None, every: int
) -> None:
    suffix, codec, container, turns = form
    matrix = TURNS[turn if turns else 0]
    clip = film(tmp_path / f"a{suffix}", codec, frames=FRAMES, form=container, shape=shape, matrix=matrix)
    expected = [frame_id(clip.name, number / 10) for number in range(FRAMES)]
    assert read(clip) == (expected, None)
    assert read(clip, every) == (expected[::every], None)
    if suffix == ".webm":
        shape = None  # its encoder here does not write it
    width, height = {None: (64, 48), Fraction(1, 2): (64, 96), Fraction(4, 3): (85, 48)}[shape]
    size = (width, height) if turn % 180 == 0 or not turns else (height, width)
    assert {frame.image().size for frame in Video(clip)} == {size}


@QUICK
@given(st.lists(st.integers(0, 3), min_size=FRAMES, max_size=FRAMES), st.integers(0, 10**6), st.integers(1, 4))
def test_names_are_unique_whatever_the_times(tmp_path: Path, steps: list[int], start: int, every: int) -> None:
    times = [start + sum(steps[:number]) for number in range(FRAMES)]
    clip = film(tmp_path / "a.mkv", "libx264", frames=FRAMES, times=times, options={"bf": "0"})
    expected = []
    for number, time in enumerate(times):
        expected.append(frame_id(clip.name, (time - times[0]) / 1000, times[:number].count(time)))
    assert read(clip) == (expected, None)
    assert len(set(expected)) == FRAMES
    assert read(clip, every) == (expected[::every], None)
    last = frame_of(expected[-1])
    assert last is not None
    assert frame_at(clip, *last).size == (64, 48)


#: Containers that say where each packet lies, so that damage inside one leaves the others alone.
INDEXED = st.sampled_from([(".mp4", "libx264"), (".mp4", "mpeg4"), (".mov", "mjpeg"), (".3gp", "mpeg4")])


@QUICK
@given(
    INDEXED,
    st.sampled_from(["1", "3", "12"]),
    st.integers(0, FRAMES - 1),
    st.floats(0, 1),
    st.binary(min_size=1, max_size=80),
)
def test_damage_inside_a_packet_costs_frames_that_are_counted(
    tmp_path: Path, form: tuple[str, str], group: str, number: int, where: float, noise: bytes
) -> None:
    suffix, codec = form
    clip = film(tmp_path / f"a{suffix}", codec, frames=FRAMES, options={} if codec == "mjpeg" else {"g": group})
    start, size = packets(clip)[number]
    first = start + int(where * (size - 1))
    data = bytearray(clip.read_bytes())
    data[first : min(first + len(noise), start + size)] = noise[: start + size - first]
    clip.write_bytes(data)
    found = read(clip)
    assume(found is not None)
    assert found is not None
    frames, lost = found
    assert len(set(frames)) == len(frames)
    assert len(frames) + (lost.packets if lost else 0) == FRAMES
    every_second = read(clip, 2)
    assert every_second == (frames[::2], lost)


@QUICK
@given(FORMS, st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=40)), max_size=3), st.floats(0.1, 1))
def test_damage_anywhere(
    tmp_path: Path,
    form: tuple[str, str, str | None, bool],
    changes: list[tuple[float, bytes]],
    kept: float,
) -> None:
    clip = film(tmp_path / f"a{form[0]}", form[1], frames=FRAMES, form=form[2])
    data = bytearray(clip.read_bytes())
    for where, noise in changes:
        start = int(where * len(data))
        data[start : start + len(noise)] = noise[: len(data) - start]
    clip.write_bytes(data[: int(kept * len(data))])
    found = read(clip)
    if found is not None:
        frames, _ = found
        assert frames
        assert len(set(frames)) == len(frames)
        again = read(clip, 3)
        assert again is not None
        assert again[0] == frames[::3]


@QUICK
@given(
    st.sampled_from([b"", b"\0\0\0\x18ftypisom", b"\x1aE\xdf\xa3", b"RIFF\0\1\0\0AVI ", b"G", b"FLV\1"]), st.binary()
)
def test_random_bytes_are_refused_or_read(tmp_path: Path, head: bytes, content: bytes) -> None:
    for name in ("a.mp4", "a.jpg"):
        (tmp_path / name).write_bytes(head + content)
    found = read(tmp_path / "a.mp4")
    assert found is None or len(set(found[0])) == len(found[0])
    try:
        pixels = load_image(tmp_path / "a.jpg")
    except ImageError as error:
        assert "a.jpg: " in str(error)  # noqa: PT017
    else:
        assert pixels.ndim == 3


@pytest.mark.parametrize("suffix", [".jpg", ".heic", ".mp4"])
def test_a_file_of_zeros(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"\0" * 10_000)
    with pytest.raises(ImageError, match="a" + suffix):
        load_image(path)
    with pytest.raises(ImageError, match="a" + suffix):
        list(Video(path))
