"""Which cameras are watched."""

from pathlib import Path

import pytest

from personsearch.errors import ConfigError
from personsearch.live.cameras import Camera, Feed, cameras_of, check_names, read_cameras


@pytest.mark.parametrize(
    ("source", "kind", "name"),
    [
        ("rtsp://me:pw@10.0.0.7/hall", "stream", "10.0.0.7-hall"),
        ("http://cam.local/video.mjpg", "stream", "cam.local-video.mjpg"),
        ("webcam:0", "webcam", "webcam-0"),
        ("/dev/video2", "webcam", "video2"),
        ("clips/a#b.mp4", "file", "a-b.mp4"),
    ],
)
def test_kinds_and_names(source: str, kind: str, name: str) -> None:
    camera = Camera.of(source)
    assert (camera.kind, camera.name) == (kind, name)


def test_nothing_shows_the_password() -> None:
    camera = Camera.of("rtsp://me:secret@cam/hall")
    assert "secret" not in f"{camera!r} {camera} {camera.shown} {camera.name}"
    assert camera.url == "rtsp://me:secret@cam/hall"


def test_an_address_of_no_camera_is_refused_without_its_password() -> None:
    with pytest.raises(ConfigError, match=r"^ftp://cam/x: ftp:// is no address of a camera") as caught:
        Camera.of("ftp://me:secret@cam/x")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a#b", "a\nb", "x" * 101])
def test_names_that_cannot_be_a_part_of_an_image_id_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="a name has"):
        Camera.of("webcam:0", name=name)


def test_image_ids_of_a_file_begin_with_its_name_and_the_camera_s() -> None:
    assert Camera.of("clips/walk.mp4").stem == "walk.mp4"
    assert Camera.of("clips/walk.mp4", name="door").stem == "door/walk.mp4"


def test_a_live_camera_has_no_start_of_its_own() -> None:
    with pytest.raises(ConfigError, match="start is for files alone"):
        Camera(url="webcam:0", name="a", start=5.0)
    assert Camera.of("webcam:0", start=5.0).start is None  # one --start for all sources counts for the files


def test_a_toml_of_cameras(tmp_path: Path) -> None:
    path = tmp_path / "cameras.toml"
    path.write_text(
        """
        [[camera]]
        name = "door"
        url = "rtsp://me:secret@10.0.0.7/1"
        fps = 2

        [[camera]]
        url = "walk.mp4"
        start = 2023-11-14T22:13:20Z

        [[camera]]
        url = "run.mp4"
        """
    )
    door, walk, run = read_cameras(path, start=5.0)
    assert (door.name, door.fps, door.start) == ("door", 2.0, None)
    assert (walk.name, walk.fps, walk.start) == ("walk.mp4", None, 1_700_000_000.0)
    assert run.start == 5.0
    together = cameras_of([str(path), "yard=webcam:1"])
    assert [camera.name for camera in together] == [
        "door",
        "walk.mp4",
        "run.mp4",
        "yard",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[camera]]\nurl = 'rtsp://u:pw@h/1'\nnmae = 'a'", "camera 1: unknown key 'nmae'; did you mean 'name'?"),
        ("[[cameras]]\nurl = 'webcam:0'", "unknown key 'cameras'; did you mean 'camera'?"),
        ("[[camera]]\nname = 'a'", "camera 1: url: Field required"),
        ("[[camera]]\nurl = 'rtsp://u:pw@h/1'\nfps = 0", "camera 1: fps: Input should be greater than 0"),
        ("[[camera]]\nurl = 'gopher://u:pw@h/1'", "camera 1: gopher://h/1: gopher:// is no address of a camera"),
        ("camera = ['webcam:0']", "camera 1: must be a table"),
        ("camera = []", "camera: Tuple should have at least 1 item"),
        ("[[camera]]\nurl = 'a.mp4'\nstart = 'noon'", "camera 1: start 'noon': must be a date and time"),
        ("[[camera]", "not valid TOML"),
    ],
)
def test_a_wrong_toml_names_the_camera_and_the_key_and_no_password(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "cameras.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_cameras(path)
    assert message in str(caught.value)
    assert "pw" not in str(caught.value)


def test_a_file_that_looks_like_a_named_source_is_that_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b.mp4").touch()
    [camera] = cameras_of(["a=b.mp4"])
    assert (camera.name, camera.url) == ("a=b.mp4", "a=b.mp4")


def test_two_cameras_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"two cameras are called 'walk.mp4'; give each a name of its own"):
        cameras_of(["a/walk.mp4", "b/walk.mp4"])
    with pytest.raises(ConfigError, match="there is no camera to watch"):
        check_names([])
    check_names([Camera.of("webcam:0"), Feed(name="door", frames=[])])
