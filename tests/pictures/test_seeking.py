"""A frame looked up by its name is the frame that decoding the whole video gives under that name."""

import os
import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from personsearch.errors import ImageError
from personsearch.pictures.display import converted
from personsearch.pictures.keyframes import Restarts
from personsearch.pictures.packets import milliseconds
from personsearch.pictures.seeking import Key, look_up
from personsearch.pictures.video import Video, frames_at
from tests.pictures.films import damage, packets

FRAMES = 22
#: Frames from one key frame to the next.
GROUP = {"g": "6"}
PIXELS = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)


def moving(
    path: Path,
    codec: str = "libx264",
    *,
    form: str | None = None,
    frames: int = FRAMES,
    rate: int = 10,
    options: dict[str, str] | None = None,
    times: Sequence[int] | None = None,
) -> Path:
    """Write a film in which everything moves, so that no frame is like another: 64x48, 10 frames a second."""
    with av.open(str(path), "w", format=form) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = 64, 48
        stream.pix_fmt = {"mjpeg": "yuvj420p", "prores_ks": "yuv422p10le", "png": "rgb24"}.get(codec, "yuv420p")
        stream.options = GROUP if options is None else options
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(frames):
            picture = PIXELS[number % 48 : number % 48 + 48, 2 * number % 64 : 2 * number % 64 + 64].copy()
            picture[16:30, 5 * number % 50 : 5 * number % 50 + 12] = (37 * number % 256, 91 * number % 256, 13)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    if codec == "libsvtav1" and hasattr(os, "sched_setscheduler"):
        # Of root, this encoder makes a real-time process, which the others that run tests would have to wait for.
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return path


def whole(path: Path) -> dict[Key, NDArray[np.uint8]]:
    """Return all frames as decoding the whole video gives them."""
    return {(milliseconds(frame.seconds), frame.repeat): np.asarray(frame.image()) for frame in Video(path)}


def assert_found(path: Path, keys: Sequence[Key] | None = None) -> dict[Key, int]:
    """Look each frame up alone and some together; return how many frames were decoded for each."""
    frames = whole(path)
    keys = list(frames) if keys is None else keys
    decoded = {}
    for key in keys:
        found = look_up(str(path), [key])
        frame, _, _ = found.frames[key]
        assert np.array_equal(np.asarray(converted(frame, path.name)), frames[key]), key
        decoded[key] = found.decoded
    some = [*keys[::-5], keys[0]]
    for key, picture in zip(some, frames_at(path, [(time / 1000, repeat) for time, repeat in some]), strict=True):
        assert np.array_equal(np.asarray(picture()), frames[key]), key
    return decoded


#: One thread: those of this encoder wait for each other for ever, once in ten thousand films.
ALONE = "log-level=none:pools=none:frame-threads=1"
OPEN = "keyint=6:min-keyint=2:scenecut=0:bframes=3:b-pyramid=normal:ref=3:open-gop=1"
#: Name, codec, container, options, and how many frames one look-up may decode: less than all, or from the start.
FILMS = [
    ("a.mp4", "libx264", None, GROUP, 12),
    ("a.mov", "mpeg4", None, GROUP, 20),
    ("b-frames.mp4", "mpeg4", None, {**GROUP, "bf": "2"}, 20),
    ("a.mkv", "libx264", None, GROUP, 12),
    ("open.mkv", "libx264", None, {"x264-params": OPEN}, 26),
    ("open.ts", "libx264", None, {"x264-params": OPEN}, 26),
    ("refreshed.mkv", "libx264", None, {"x264-params": "keyint=6:intra-refresh=1:bframes=0"}, 26),
    ("open265.mp4", "libx265", None, {"x265-params": f"keyint=6:bframes=3:open-gop=1:scenecut=0:{ALONE}"}, 14),
    ("a265.ts", "libx265", None, {"x265-params": f"keyint=6:repeat-headers=1:{ALONE}"}, 14),
    ("a.webm", "libvpx-vp9", None, GROUP, 12),
    ("vp8.webm", "libvpx", None, GROUP, None),
    ("av1.mkv", "libsvtav1", None, {**GROUP, "preset": "12", "svtav1-params": "lp=1"}, 14),
    ("a.avi", "mjpeg", None, {}, 8),
    ("a.mts", "libx264", "mpegts", GROUP, 12),
    ("a.mpg", "mpeg2video", "vob", {**GROUP, "bf": "2"}, 22),
    ("mpeg4.avi", "mpeg4", None, GROUP, 20),
    ("b-frames.avi", "libx264", None, GROUP, None),  # when they are shown depends on all that came before
    ("a.wmv", "wmv2", "asf", GROUP, None),
    ("a.flv", "libx264", None, GROUP, 12),
    ("a.264", "libx264", "h264", GROUP, None),  # no times at all
    ("prores.mov", "prores_ks", None, {}, 6),
    ("png.mov", "png", None, {}, 6),
]


@pytest.mark.parametrize(("name", "codec", "form", "options", "most"), FILMS, ids=[film[0] for film in FILMS])
def test_every_frame_is_what_decoding_from_the_start_gives(
    name: str, codec: str, form: str | None, options: dict[str, str], most: int | None, tmp_path: Path
) -> None:
    clip = moving(tmp_path / name, codec, form=form, options=options, rate=25 if codec == "mpeg2video" else 10)
    decoded = assert_found(clip)
    assert len(decoded) == FRAMES
    last = max(decoded)
    if most is None:
        assert decoded[last] >= FRAMES  # from the start
    else:
        assert max(decoded.values()) <= most


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_frame_near_the_end_of_a_long_clip_costs_a_group_of_frames(name: str, tmp_path: Path) -> None:
    clip = moving(tmp_path / name, frames=600, options={"g": "20"})
    found = look_up(str(clip), [(58_500, 0)])
    assert list(found.frames) == [(58_500, 0)]
    assert found.decoded <= 28  # 586 from the start
    apart = [look_up(str(clip), [key]).decoded for key in ((30_100, 0), (58_500, 0))]
    both = look_up(str(clip), [(58_500, 0), (30_100, 0), (58_500, 0)])
    assert both.decoded < sum(apart)  # the beginning is decoded once
    near = look_up(str(clip), [(58_500, 0), (58_600, 0), (58_700, 0)])
    assert near.decoded <= found.decoded + 3  # one group serves several


def test_variable_frame_rate_and_late_first_instant(tmp_path: Path) -> None:
    steps = [40, 17, 301, 33, 34, 5]
    times = [90_000 + sum(steps[n % 6] for n in range(number)) for number in range(FRAMES)]
    assert max(assert_found(moving(tmp_path / "a.mkv", times=times)).values()) <= 12


def test_frames_of_one_time_near_each_other(tmp_path: Path) -> None:
    clip = moving(tmp_path / "a.mkv", options={**GROUP, "bf": "0"}, times=[number // 3 for number in range(FRAMES)])
    decoded = assert_found(clip)
    assert (6, 2) in decoded
    assert decoded[6, 2] <= 16


def test_a_time_that_comes_again_in_a_joined_recording(tmp_path: Path) -> None:
    clip = moving(tmp_path / "a.ts", frames=12)
    clip.write_bytes(clip.read_bytes() * 2)
    decoded = assert_found(clip)
    assert {(700, 0), (700, 1)} <= decoded.keys()


def test_headers_that_change_on_the_way_are_not_passed_by(tmp_path: Path) -> None:
    one = moving(tmp_path / "one.ts", frames=12)
    other = moving(tmp_path / "other.ts", frames=18, options={**GROUP, "bf": "0", "coder": "vlc", "refs": "1"})
    one.write_bytes(one.read_bytes() + other.read_bytes())
    assert_found(one)


def test_a_trimmed_clip(tmp_path: Path) -> None:
    clip = moving(tmp_path / "a.mp4", options={"g": "12"})
    with av.open(str(clip)) as container:
        second = 1 / container.streams.video[0].time_base
    data = bytearray(clip.read_bytes())
    start = data.index(b"elst") + 12
    _, first = struct.unpack(">Ii", data[start : start + 8])
    data[start : start + 8] = struct.pack(">Ii", 1200, first + int(0.7 * second))  # 1.2 s from 0.7 s on
    clip.write_bytes(data)
    assert len(assert_found(clip)) == 12


@pytest.mark.parametrize("number", [5, 12, 14, 21])
@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.mov", "mpeg4")])
def test_damage_before_in_and_after_the_group_of_a_frame(name: str, codec: str, number: int, tmp_path: Path) -> None:
    clip = damage(moving(tmp_path / name, codec), number)
    assert_found(clip)


@settings(deadline=None, max_examples=12, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["a.mp4", "a.mkv", "a.ts", "open.mkv"]),
    st.floats(0.05, 1),
    st.binary(min_size=1, max_size=60),
    st.sampled_from(["overwrite", "insert", "cut"]),
)
def test_whatever_is_damaged_names_and_pictures_are_the_same(
    films: dict[str, bytes], tmp_path: Path, name: str, where: float, noise: bytes, how: str
) -> None:
    data = bytearray(films[name])
    start = int(where * len(data))
    if how == "cut":
        del data[max(start, len(data) // 2) :]
    else:
        data[start : start + (len(noise) if how == "overwrite" else 0)] = noise
    clip = tmp_path / name
    clip.write_bytes(data)
    try:
        frames, again = whole(clip), whole(clip)
    except ImageError:
        return
    # Of a damaged picture a decoder may leave what was in the memory before, even from the start.
    keys = [key for key, picture in frames.items() if np.array_equal(picture, again[key])]
    assume(keys)
    assert_found(clip, keys[::4])


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("films")
    paths = [moving(folder / name) for name in ("a.mp4", "a.mkv", "a.ts")]
    paths.append(moving(folder / "open.mkv", options={"x264-params": OPEN}))
    return {path.name: path.read_bytes() for path in paths}


def test_a_frame_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    clip = moving(tmp_path / "a.mkv")
    assert look_up(str(clip), [(1250, 0), (1200, 1), (99_000, 0)]).frames == {}
    there, gone = frames_at(clip, [(1.2, 0), (1.2, 1)])
    assert there().size == (64, 48)
    with pytest.raises(ImageError, match=r"a\.mkv: has no frame at 1\.2 s"):
        gone()


def units(*kinds: int) -> bytes:
    return b"".join(b"\0\0\0\1" + bytes([kind, 7, 7]) for kind in kinds)


def test_headers_that_only_an_earlier_packet_had_forbid_to_begin() -> None:
    known = units(0x67, 0x68)  # a sequence and a picture parameter set
    look = Restarts("h264", known)
    assert look.see(units(0x67, 0x68, 0x65), key=True)
    assert look.see(units(0x65), key=True)
    assert not look.see(units(0x65), key=False)
    assert not look.see(units(0x41), key=True)  # no picture of its own
    other = b"\0\0\0\1\x68\x09\x09"
    assert look.see(other + units(0x65), key=True)  # it brings the new one itself
    assert not look.see(units(0x65), key=True)  # it needs the one before
    assert look.see(other + units(0x65), key=True)


@pytest.mark.parametrize(("bits", "begins"), [(0b1100_0000, True), (0b1000_0000, False), (0b0100_0000, False)])
def test_a_recovery_point_counts_if_it_is_exact_and_at_once(bits: int, *, begins: bool) -> None:
    # SEI payload 6 of one byte: recovery_frame_cnt (Exp-Golomb: "1" = 0), exact_match_flag, broken_link_flag
    packet = b"\0\0\1\x06" + bytes([6, 1, bits, 0x80]) + units(0x41)
    assert Restarts("h264", b"").see(packet, key=True) == begins


def test_a_codec_of_which_nothing_is_known_is_decoded_from_the_start() -> None:
    look = Restarts("vp6f", b"")
    assert not look.possible
    assert not look.see(b"whatever", key=True)


def test_the_first_packet_of_each_film_begins_and_others_do_not(tmp_path: Path) -> None:
    for name, codec, form, options, most in FILMS:
        if most is None or codec in ("mjpeg", "prores_ks", "png"):
            continue
        clip = moving(tmp_path / name, codec, form=form, options=options, frames=9, rate=25)
        with av.open(str(clip)) as container:
            context = container.streams.video[0].codec_context
            look = Restarts(context.codec.canonical_name, context.extradata or b"")
            begins = [look.see(bytes(one), key=True) for one in container.demux(video=0) if one.size]
        assert begins[0], name
        assert 1 <= sum(begins) <= 3, name
        assert len(packets(clip)) == 9
