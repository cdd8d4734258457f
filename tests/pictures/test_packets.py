"""What is no video is refused with the reason; what is damaged is counted."""

import io
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from personsearch.errors import ImageError, MissingExtraError
from personsearch.pictures.packets import Decoder
from personsearch.pictures.video import Damage, Video, frame_id
from tests.pictures.films import damage, film, packets


def read(path: Path) -> tuple[int, Damage | None]:
    footage = Video(path)
    return sum(1 for _ in footage), footage.damage


def encoded(kind: str) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 30, 30)).save(data, kind)
    return data.getvalue()


def sound(path: Path) -> bytes:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libmp3lame", rate=44100)
        for start in range(0, 20000, 1152):
            frame = av.AudioFrame.from_ndarray(np.zeros((2, 1152), np.float32), format="fltp", layout="stereo")
            frame.rate, frame.pts = 44100, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path.read_bytes()


def with_cover(music: bytes) -> bytes:
    """Put an ID3v2.3 tag with a cover picture before an MP3."""
    picture = b"\0image/jpeg\0\x03\0" + encoded("JPEG")
    frame = b"APIC" + struct.pack(">I", len(picture)) + b"\0\0" + picture
    length = bytes((len(frame) >> shift) & 127 for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + length + frame + music


NO_VIDEOS: list[tuple[Callable[[Path], bytes], str]] = [
    (lambda _: b"", r"cannot be read as a video \(it is empty\)"),
    (lambda _: b"\0\0\0\x18ftypisom" + b"\0" * 500, r"its index is missing or damaged: the file is incomplete"),
    (lambda _: encoded("JPEG"), r"is no video but a picture, JPEG; give its name the suffix"),
    (lambda _: encoded("PNG"), r"is no video but a picture, PNG"),
    (lambda _: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 80, r"is no video but a picture, HEIC"),
    (lambda _: b"ffconcat version 1.0\nfile other.mp4\n", r"is no video but a list of others"),
    (sound, r"holds no video stream, only sound$"),
    (lambda path: with_cover(sound(path)), r"holds no video stream, only sound and a cover picture$"),
]


@pytest.mark.parametrize(("content", "message"), NO_VIDEOS)
def test_what_is_no_video_is_refused_with_the_reason(
    content: Callable[[Path], bytes], message: str, tmp_path: Path
) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(content(tmp_path / "sound.mp3"))
    with pytest.raises(ImageError, match=rf"clip\.mp4: .*{message}"):
        list(Video(clip))


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="is a folder, not a video"):
        list(Video(tmp_path))
    with pytest.raises(ImageError, match=r"none\.mp4: no such file"):
        list(Video(tmp_path / "none.mp4"))


def test_without_pyav_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'personsearch\[video\]'"):
        list(Video(tmp_path / "a.mp4"))


def test_a_name_that_looks_like_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film(tmp_path / "clip.mp4").rename(tmp_path / "12:30.mp4")
    monkeypatch.chdir(tmp_path)
    assert read(Path("12:30.mp4")) == (10, None)


def test_a_title_in_another_encoding_is_no_damage(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.avi"), "w") as container:
        container.metadata["title"] = "Foyer"
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode())
    data = (tmp_path / "a.avi").read_bytes()
    assert b"Foyer" in data
    (tmp_path / "a.avi").write_bytes(data.replace(b"Foyer", b"F\xf6yer"))
    assert read(tmp_path / "a.avi") == (1, None)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "mpeg4"), ("a.avi", "mpeg4"), ("a.mkv", "ffv1")])
@pytest.mark.parametrize("packet", [0, 4, 9])
def test_whatever_packet_is_damaged_the_rest_is_read(name: str, codec: str, packet: int, tmp_path: Path) -> None:
    clip = film(tmp_path / name, codec, options={"g": "1"})
    start, size = packets(clip)[packet]
    data = bytearray(clip.read_bytes())
    data[start : start + size] = b"\xff" * size  # the block's own header in a Matroska is left alone
    if name.endswith("mkv"):
        data[start : start + size] = clip.read_bytes()[start : start + 8] + b"\xff" * (size - 8)
    clip.write_bytes(data)
    frames, lost = read(clip)
    assert lost is not None
    assert (frames + lost.packets, lost.packets) == (10, 1)
    assert lost.first == pytest.approx(packet / 10, abs=0.05)


def test_frames_that_the_decoder_had_to_guess_are_left_out_and_counted(tmp_path: Path) -> None:
    clip = film(tmp_path / "a.mp4", options={"g": "5"}, shape=None)
    start, size = packets(clip)[5]
    data = bytearray(clip.read_bytes())
    data[start + size // 2 : start + size // 2 + 10] = b"\xff" * 10
    clip.write_bytes(data)
    with av.open(str(clip)) as container:
        container.streams.video[0].thread_type = "NONE"
        guessed = [frame.is_corrupt for frame in container.decode(video=0)]
    assert guessed.count(True) == 1
    assert read(clip) == (9, Damage(1, 0.5, truncated=False))


def test_frames_that_wait_for_a_lost_key_frame_are_counted_too(tmp_path: Path) -> None:
    clip = damage(film(tmp_path / "a.mp4", "libx264", options={"g": "5", "bf": "0"}), 0)
    frames, lost = read(clip)
    assert lost is not None
    assert lost.first == 0
    assert frames + lost.packets == 10
    assert frames >= 5


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "libx264"), ("a.avi", "mjpeg")])
def test_a_file_that_was_cut_off_ends_early(name: str, codec: str, tmp_path: Path) -> None:
    clip = film(tmp_path / name, codec, frames=40, options={"bf": "0"} if codec == "libx264" else None)
    data = clip.read_bytes()
    clip.write_bytes(data[: packets(clip)[20][0] + 3])
    frames, lost = read(clip)
    assert lost is not None
    assert lost.truncated
    assert 18 <= frames <= 20
    assert lost.first == pytest.approx(2.0, abs=0.21)


def test_a_short_end_of_a_transport_stream_is_counted(tmp_path: Path) -> None:
    clip = film(tmp_path / "a.ts", "libx264", options={"g": "1", "bf": "0"})
    start, size = packets(clip)[8]
    clip.write_bytes(clip.read_bytes()[: start + 188 * ((size // 188) // 2 + 1)])
    frames, lost = read(clip)
    assert frames in (8, 9)
    assert lost is None or lost.packets == 1


def test_sound_that_is_longer_than_the_pictures_is_no_damage(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.mkv"):
        assert read(film(tmp_path / name, sound=4)) == (10, None)


def test_the_frames_that_an_avi_repeats_are_no_end(tmp_path: Path) -> None:
    clip = film(tmp_path / "a.avi", "mjpeg")
    start, size = packets(clip)[4]
    data = bytearray(clip.read_bytes())
    # An empty chunk means "as before"; what was in it becomes a chunk that no one reads.
    assert data[start - 8 : start - 4] == b"00dc"
    assert struct.unpack("<I", data[start - 4 : start])[0] == size
    data[start - 4 : start] = struct.pack("<I", 0)
    data[start : start + 8] = b"JUNK" + struct.pack("<I", size - 8)
    index = data.index(b"idx1") + 8 + 4 * 16
    data[index + 12 : index + 16] = struct.pack("<I", 0)
    clip.write_bytes(data)
    footage = Video(clip)
    assert [frame.seconds for frame in footage] == [n / 10 for n in (0, 1, 2, 3, 5, 6, 7, 8, 9)]
    assert footage.damage is None


def test_a_video_without_one_whole_frame(tmp_path: Path) -> None:
    clip = film(tmp_path / "a.mp4", frames=3, options={"g": "1"})
    for number in range(3):
        damage(clip, number)
    with pytest.raises(ImageError, match=r"a\.mp4: holds no frame that can be decoded \(3 damaged packets skipped"):
        list(Video(clip))


def test_the_largest_of_several_pictures_is_the_film(tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = []
        for width in (32, 96):
            stream = container.add_stream("mpeg4", rate=10)
            stream.width, stream.height, stream.pix_fmt = width, 32, "yuv420p"
            streams.append(stream)
        for _ in range(5):
            for stream in streams:
                grey = np.full((32, stream.width, 3), 90, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        for stream in streams:
            container.mux(stream.encode())
    with av.open(str(path)) as container:
        best = container.streams.best("video")
        assert best is not None
        width = best.codec_context.width
    assert {frame.image().width for frame in Video(path)} == {width}


def test_of_a_trimmed_clip_what_was_cut_away_is_neither_shown_nor_lost(tmp_path: Path) -> None:
    clip = film(tmp_path / "a.mp4", "libx264", options={"g": "12"})
    with av.open(str(clip)) as container:
        second = 1 / container.streams.video[0].time_base
    data = bytearray(clip.read_bytes())
    start = data.index(b"elst") + 12
    length, first = struct.unpack(">Ii", data[start : start + 8])
    assert length == 1000
    data[start : start + 8] = struct.pack(">Ii", 500, first + int(0.3 * second))  # 0.5 s from 0.3 s on
    clip.write_bytes(data)
    footage = Video(clip)
    frames = [(frame.seconds, float(np.asarray(frame.image()).mean())) for frame in footage]
    assert [seconds for seconds, _ in frames] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4], abs=1e-9)
    assert [level for _, level in frames] == pytest.approx([144, 142, 140, 138, 136], abs=2)
    assert footage.damage is None


def test_a_hole_in_a_transport_stream_is_counted(tmp_path: Path) -> None:
    clip = film(tmp_path / "a.ts", frames=30, options={"g": "1"})
    data = bytearray(clip.read_bytes())
    starts = [start for start, _ in packets(clip)]
    data[starts[10] : starts[15]] = bytes(starts[15] - starts[10])
    clip.write_bytes(data)
    footage = Video(clip)
    tenths = [round(10 * frame.seconds) for frame in footage]
    assert footage.damage is not None
    assert len(tenths) + footage.damage.packets == 30
    assert footage.damage.first == pytest.approx(1.0, abs=0.15)
    assert tenths[:9] == list(range(9))
    assert tenths[-14:] == list(range(16, 30))


def test_joined_recordings_are_whole(tmp_path: Path) -> None:
    clip = film(tmp_path / "a.ts", "libx264", options={"g": "5"})
    clip.write_bytes(clip.read_bytes() * 2)
    footage = Video(clip)
    frames = [(round(frame.seconds, 6), frame.repeat) for frame in footage]
    assert frames == [(number / 10, repeat) for repeat in (0, 1) for number in range(10)]
    assert footage.damage is None


def test_a_recording_that_begins_between_whole_pictures_is_whole(tmp_path: Path) -> None:
    clip = film(tmp_path / "a.ts", "libx264", frames=15, options={"g": "5", "bf": "0"})
    data = clip.read_bytes()
    start = packets(clip)[2][0]
    assert start % 188 == 0
    clip.write_bytes(data[: 3 * 188] + data[start:])
    assert read(clip) == (10, None)


def test_fields_in_packets_of_their_own_are_no_loss(tmp_path: Path) -> None:
    options = {"g": "5", "flags": "+ildct+ilme"}
    assert read(film(tmp_path / "a.mpg", "mpeg2video", rate=25, options=options)) == (10, None)


def test_a_video_that_begins_after_its_sound(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.mkv"):
        clip = film(tmp_path / name, "libx264", times=[500 + 100 * number for number in range(10)], sound=2)
        assert [frame.seconds for frame in Video(clip)] == pytest.approx([n / 10 for n in range(10)], abs=1e-9)


@dataclass
class Unit:
    """A frame of which the container knows the time, or does not."""

    pts: int | None
    dts: int | None = None


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("film") / "a.mkv")


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.integers(0, 10**6))
def test_frames_with_and_without_times_in_one_video(clip: Path, known: list[bool], start: int) -> None:
    with av.open(str(clip)) as container:
        decoder = Decoder(container, container.streams.video[0])
    # 100 ms a frame, in the milliseconds of a Matroska
    units = [Unit(start + 100 * number if said else None) for number, said in enumerate(known)]
    assert [decoder._place(unit) for unit in units] == pytest.approx([n / 10 for n in range(len(known))])


@given(st.lists(st.none() | st.integers(-500, 500), min_size=1, max_size=40))
def test_whatever_the_times_no_two_frames_have_one_name(clip: Path, stamps: list[int | None]) -> None:
    with av.open(str(clip)) as container:
        decoder = Decoder(container, container.streams.video[0])
    names = []
    for stamp in stamps:
        seconds = decoder._place(Unit(stamp))
        assert seconds >= 0
        names.append(frame_id("a", seconds, decoder._times.repeat(seconds)))
    assert len(set(names)) == len(stamps)
