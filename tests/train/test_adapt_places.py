"""Pictures of an empty place: found, checked, turned upright, copied; and moments of videos."""

import json
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from personsearch.errors import ImageError
from personsearch.pictures.decode import image_size
from personsearch.train.adaptation.ground import GroundPlane
from personsearch.train.adaptation.moments import best_moments, duration_text, parse_moments, spread_frames
from personsearch.train.adaptation.places import (
    copied_pictures,
    copy_pictures,
    describe_pictures,
    find_pictures,
    held_back,
    require_video,
    usual_size,
)
from tests.support import video


def picture(path: Path, width: int = 320, height: int = 240, seed: int = 0, **options: object) -> Path:
    """Save a picture with a bright upper and a dark lower half."""
    values = np.random.default_rng(seed).integers(0, 60, (height, width, 3), dtype=np.uint8)
    values[: height // 2] += 180
    path.parent.mkdir(exist_ok=True, parents=True)
    Image.fromarray(values).save(path, **options)
    return path


def photos(folder: Path, count: int = 5) -> Path:
    for number in range(count):
        picture(folder / f"{number:02d}.jpg", seed=number)
    return folder


def film(path: Path, frames: list[np.ndarray], fps: int = 10) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 8_000_000
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_pictures_are_copied_upright_and_reduced(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 4)
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    picture(folder / "turned.jpg", exif=exif)
    picture(folder / "wide.png", 2400, 1350)
    copy_pictures(find_pictures(folder), (), tmp_path / "copies")
    copies = {one.name: one for one in copied_pictures(tmp_path / "copies")}
    assert list(copies) == ["00.jpg", "01.jpg", "02.jpg", "03.jpg", "turned.jpg", "wide.png"]
    with Image.open(copies["turned.jpg"].file) as turned:
        assert not turned.getexif()
        rows = np.asarray(turned.convert("L"), dtype=float).mean(axis=1)
    assert rows[:120].mean() + 100 < rows[120:].mean()
    assert copies["wide.png"].size == (2400, 1350)
    assert image_size(copies["wide.png"].file) == (1920, 1080)
    assert usual_size(list(copies.values())) == (320, 240)
    assert [one.held_back for one in copies.values()].count(True) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"photos", "copies"}


@pytest.mark.parametrize(("count", "held"), [(3, [1]), (5, [2]), (10, [2, 7]), (50, list(range(2, 50, 5)))])
def test_a_fifth_is_held_back_spread_evenly(count: int, held: list[int]) -> None:
    assert held_back(count) == held


def test_what_is_known_of_the_camera_is_said_of_its_own_pictures_only(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 4)
    picture(folder / "other.jpg", 640, 360)
    copy_pictures(find_pictures(folder), (), tmp_path / "copies")
    describe_pictures(tmp_path / "copies", GroundPlane(2.0, 0.3, 60.0), "outdoors", 4 / 3)
    manifests = [tmp_path / "copies" / part / "manifest.json" for part in ("train", "held-back")]
    rows = [row for path in manifests for row in json.loads(path.read_text())]
    assert [row["place"] for row in rows] == ["outdoor"] * 5
    assert sum("camera_height" in row for row in rows) == 4
    assert all("camera_height" not in row for row in rows if row["file"] == "04.jpg")


def test_of_ten_thousand_pictures_fifty_are_used(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.jpg")
    copy_pictures([path] * 10_000, (), tmp_path / "copies")
    copies = copied_pictures(tmp_path / "copies")
    assert len(copies) == 50
    assert sum(one.held_back for one in copies) == 10


def test_what_cannot_be_used_is_left_out_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = photos(tmp_path / "photos", 3)
    (folder / "broken.jpg").write_bytes(b"no picture")
    picture(folder / "icon.png", 100, 100)
    Image.new("RGB", (640, 480)).save(folder / "black.png")
    (folder / "notes.txt").write_text("not looked at")
    copy_pictures(find_pictures(folder), (), tmp_path / "copies")
    assert len(copied_pictures(tmp_path / "copies")) == 3
    for text in ("broken.jpg: cannot be read", "icon.png: is 100x100, smaller", "black.png: is of one colour"):
        assert text in caplog.text
    assert "only 3 pictures" in caplog.text


def test_too_few_pictures_are_refused_and_nothing_is_left(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 2)
    with pytest.raises(ImageError, match="2 usable pictures of the empty place; give at least 3, better 5 to 50"):
        copy_pictures(find_pictures(folder), (), tmp_path / "copies")
    (folder / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"broken.jpg: cannot be read.* 2 of 3 pictures can be used; give at least 3"):
        copy_pictures(find_pictures(folder), (), tmp_path / "copies")
    assert not (tmp_path / "copies").exists()


def test_what_is_no_set_of_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match="holds no picture; give 5 to 50"):
        find_pictures(tmp_path / "empty")
    clip = video(tmp_path / "empty" / "clip.mp4")
    with pytest.raises(ImageError, match=r"holds no picture; of a video give its path, .*clip\.mp4"):
        find_pictures(tmp_path / "empty")
    with pytest.raises(ImageError, match="no such folder, picture or video"):
        find_pictures(tmp_path / "nowhere")
    with pytest.raises(ImageError, match="is a video among pictures"):
        find_pictures([picture(tmp_path / "a.jpg"), clip])
    with pytest.raises(ImageError, match="is a folder"):
        find_pictures([tmp_path / "empty"])
    with pytest.raises(ImageError, match=r"--empty 0-5: says when a video shows nobody"):
        copy_pictures([tmp_path / "a.jpg"], ("0-5",), tmp_path / "copies")
    with pytest.raises(ImageError, match="no such video"):
        require_video(tmp_path / "nothing.mp4")
    with pytest.raises(ImageError, match=r"a\.jpg: is no video"):
        require_video(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("0:00-0:55", [(0, 55, False)]),
        ("1:02:03.5-2:00:00", [(3723.5, 7200, False)]),
        ("12s-20.5s", [(12, 20.5, False)]),
        ("0-55, 205-224", [(0, 55, True), (205, 224, True)]),
    ],
)
def test_ranges_are_read(text: str, ends: list[tuple[float, float, bool]]) -> None:
    assert [(one.first, one.last, one.frames) for one in parse_moments(text)] == ends


@pytest.mark.parametrize("text", ["", "5", "a-b", "0:00-55", "0:00-0:55-1:00", "1-", "-3"])
def test_ranges_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(ImageError, match=r"--empty .* cannot be read; write times like"):
        parse_moments(text)


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ImageError, match=r"--empty '0:55-0:10': ends before it begins"):
        parse_moments("0:55-0:10")


def test_moments_are_different_and_inside_the_ranges(tmp_path: Path) -> None:
    clip = video(tmp_path / "clip.mp4", frames=20)  # frame n has the grey value 10 n
    found = best_moments(clip, parse_moments("2-5,10-12"), most=50, enough=5)
    assert [name for name, _ in found] == [f"clip.mp4#t={n / 10:.3f}" for n in (2, 3, 4, 5, 10, 11, 12)]
    assert np.asarray(found[-1][1]).mean() == pytest.approx(120, abs=3)
    assert [name for name, _ in best_moments(clip, parse_moments("0:01.5-0:01.7"), 50, 5)] == [
        f"clip.mp4#t={n / 10:.3f}" for n in (15, 16, 17)
    ]
    assert len(best_moments(clip, (), most=4, enough=2)) == 4


def test_of_a_place_that_stays_the_same_the_sharpest_few_are_taken(tmp_path: Path) -> None:
    pattern = np.kron(np.random.default_rng(0).integers(60, 200, (24, 32)), np.ones((4, 4)))
    sharp = np.repeat(pattern[..., None], 3, axis=2).astype(np.uint8)
    blurred = np.asarray(Image.fromarray(sharp).resize((16, 12)).resize((128, 96)))
    clip = film(tmp_path / "still.avi", [sharp if n % 8 == 3 else blurred for n in range(48)])
    found = best_moments(clip, (), most=6, enough=3)
    assert len(found) == 3
    assert all(round(float(name.rpartition("=")[2]) * 10) % 8 == 3 for name, _ in found)


def test_a_video_that_ends_before_the_range_is_refused(tmp_path: Path) -> None:
    clip = video(tmp_path / "clip.mp4", frames=20)
    with pytest.raises(ImageError, match=r"--empty 0:10-0:20: .*has no frame there; it is 20 frames, 1\.9 s long"):
        best_moments(clip, parse_moments("0:10-0:20"), 50, 5)


def cut_after(frames: int, path: Path) -> Path:
    """A video of which so many frames were written when the power went."""
    data = video(path, frames=40).read_bytes()
    with av.open(str(path)) as container:
        starts = [packet.pos for packet in container.demux(video=0) if packet.size]
    path.write_bytes(data[: starts[frames]])
    return path


def test_a_video_that_ends_early_is_used_up_to_there_if_that_is_enough(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clip = cut_after(8, tmp_path / "clip.mkv")
    assert len(best_moments(clip, (), 50, 5)) == 8
    assert "clip.mkv: ends early: damaged after 0.7 s; the 8 moments that can be read are used" in caplog.text
    assert len(spread_frames(clip, 4, lambda frame: frame)) == 4
    assert "damaged after 0.7 s; what can be read is used" in caplog.text
    with pytest.raises(ImageError, match=r"clip\.mkv: ends early: damaged after 0\.3 s; only 4 moments are left"):
        best_moments(cut_after(4, tmp_path / "clip.mkv"), (), 50, 5)


def test_pictures_and_videos_of_any_maker_are_taken(tmp_path: Path) -> None:
    for name in ("a.HEIC", "b.avif", "c.JPG", "d.pdf", "e.mp4", "f.txt"):
        (tmp_path / name).write_bytes(b"")
    found = find_pictures(tmp_path)
    assert isinstance(found, list)
    assert [path.name for path in found] == ["a.HEIC", "b.avif", "c.JPG"]
    unknown = video(tmp_path / "clip.mp4").rename(tmp_path / "clip.rec")
    assert find_pictures(unknown) == require_video(unknown) == unknown


def test_a_file_that_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    with pytest.raises(ImageError, match="cannot be read as a video"):
        copy_pictures(find_pictures(tmp_path / "clip.mp4"), (), tmp_path / "copies")
    assert not (tmp_path / "copies").exists()


def test_frames_of_footage_are_spread_over_all_of_it(tmp_path: Path) -> None:
    clip = video(tmp_path / "clip.mp4", frames=23)
    greys = [np.asarray(frame).mean() / 10 for frame in spread_frames(clip, 4, lambda frame: frame)]
    assert [round(grey) for grey in greys] == [0, 4, 8, 12, 16, 20]
    assert len(spread_frames(clip, 40, lambda frame: frame)) == 23


def test_durations_are_said_plainly() -> None:
    texts = [duration_text(seconds) for seconds in (12.3, 89, 91, 600)]
    assert texts == ["12 seconds", "89 seconds", "2 minutes", "10 minutes"]
