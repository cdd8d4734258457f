"""``personsearch watch``: what it prints, how it ends, and that it may be killed at any moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from personsearch import Gallery, PersonSearcher
from personsearch.durable import sha256_of
from tests.live.rtsp import RtspServer, needs_rtsp
from tests.live.test_watching import clip
from tests.support import Run, toy_scene


@pytest.fixture
def weights(tiny_searcher: PersonSearcher, tmp_path: Path) -> str:
    """Return a folder of random weights, which find somebody everywhere."""
    return str(tiny_searcher.save_pretrained(tmp_path / "weights"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["webcam:0"], "give the cameras first and the gallery's folder last"),
        (["gopher://me:secret@cam/x", "g"], "gopher://cam/x: gopher:// is no address of a camera"),
        (["webcam:0", "g", "--keep", "7"], "--keep '7': must be a number above 0 and a unit"),
        (["webcam:0", "g", "--quiet", "never"], "--quiet 'never'"),
        (["a.mp4", "g", "--start", "noon"], "--start 'noon'"),
        (["webcam:0", "g", "--webhook", "http://127.0.0.1/x"], "say on whom (--alert)"),
        (["webcam:0", "g", "--alert", "a", "--webhook", "ftp://me:secret@h"], "--webhook ftp://h: must be"),
        (["webcam:0", "g", "--alert", "a", "--mqtt", "mqtt://me:secret@h"], "--mqtt mqtt://h: must be"),
        (["cameras.toml", "g"], "cameras.toml: camera 1: unknown key 'nmae'; did you mean 'name'?"),
        (["missing.toml", "g"], "missing.toml: cannot be read"),
    ],
)
def test_mistakes_are_said_before_anything_is_loaded(
    arguments: list[str], message: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cameras.toml").write_text("[[camera]]\nurl = 'rtsp://me:secret@h/1'\nnmae = 'door'\n")
    done = run("watch", *arguments)
    assert done.code == 2
    assert message in done.err
    assert "secret" not in done.err
    assert done.out == ""
    assert not (tmp_path / "g").exists()


def test_a_file_is_watched_to_its_end_and_each_alert_is_a_line_of_json(run: Run, weights: str, tmp_path: Path) -> None:
    video = clip(tmp_path / "walk.mkv")
    toy_scene([(0, 60, 10)], seed=3).save(tmp_path / "him.png")
    options = ["--weights", weights, "--start", "2023-11-14T22:13:20Z"]
    done = run(
        "watch", f"door={video}", tmp_path / "g", *options,
        "--alert", tmp_path / "him.png", "--min-similarity", "-1", "--pictures",
    )  # fmt: skip
    assert done.code == 0, done.err
    [line] = done.out.splitlines()
    alert = json.loads(line)
    assert list(alert) == [
        "alert", "person_id", "camera", "time", "time_text", "similarity", "probability", "false_match_rate", "box",
        "image_id", "frames", "picture",
    ]  # fmt: skip
    assert (alert["alert"], alert["camera"], alert["frames"]) == ("him.png", "door", 2)
    assert alert["image_id"] == "door/walk.mkv#t=0.400"  # two of five frames a second are not looked at: 4 a second
    assert alert["time_text"] == "2023-11-14 22:13:20"
    assert Path(alert["picture"]).is_file()
    assert "door: 19 frames looked at, 0 dropped" in done.err
    assert ", 1 alert\n" in done.err
    assert run("gallery", "check", tmp_path / "g").code == 0


def test_of_several_cameras_one_that_cannot_be_watched_makes_the_exit_status_1(
    run: Run, weights: str, tmp_path: Path
) -> None:
    (tmp_path / "rubbish.mp4").write_bytes(b"\0" * 5000)
    done = run("watch", clip(tmp_path / "walk.mkv"), tmp_path / "rubbish.mp4", tmp_path / "g", "--weights", weights)
    assert done.code == 1
    assert "rubbish.mp4: not watched" in done.err
    assert "walk.mkv: " in done.err


def test_a_fault_of_the_program_is_reported_without_passwords(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("personsearch.live.cameras_of", lambda *_, **__: 1 / 0)
    done = run(
        "watch", "rtsp://me:secret@h/1", tmp_path / "g", "--alert", "Lena", "--webhook", "https://h/services/secret"
    )
    assert done.code == 70
    [log] = tmp_path.glob("personsearch-*.log")
    assert "rtsp://h" in log.read_text()
    assert "secret" not in log.read_text() + done.err


class Watching:
    """``personsearch watch`` as a process."""

    def __init__(self, *arguments: object) -> None:
        command = [sys.executable, "-m", "personsearch", "watch", *map(str, arguments)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "300"}
        )

    def __enter__(self) -> Watching:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            out, err = self.process.communicate()
            if kind is not None:
                sys.stderr.write(out + err)  # for pytest to show

    def alert(self) -> dict[str, object]:
        """Wait for an alert."""
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def end(self, number: int) -> tuple[str, str]:
        self.process.send_signal(number)
        return self.process.communicate(timeout=60)


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[RtspServer]:
    with RtspServer(tmp_path / "camera") as server:
        yield server


@pytest.fixture
def anybody(weights: str, tmp_path: Path) -> list[object]:
    """Return options with which somebody is alerted about as soon as two frames were looked at."""
    toy_scene([(0, 60, 10)], seed=3).save(tmp_path / "him.png")
    return ["--weights", weights, "--fps", 10, "--alert", tmp_path / "him.png", "--min-similarity", "-1"]


@needs_rtsp
@pytest.mark.slow  # as is SIGTERM after a kill, below
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_store_what_is_pending_and_say_what_was_done(
    number: signal.Signals, camera: RtspServer, anybody: list[object], tmp_path: Path
) -> None:
    with Watching(camera.url, tmp_path / "g", *anybody) as one:
        assert one.alert()["camera"] == "127.0.0.1-cam"
        _, err = one.end(number)
    assert one.process.returncode == 0, err
    assert "ending; what was seen is being stored" in err
    assert " frames looked at, " in err
    assert "Traceback" not in err
    assert "secret" not in err
    with Gallery.open(tmp_path / "g", mode="r") as gallery:
        assert gallery.check() == []
        assert len(gallery.tracks) > 0
        assert f"{len(gallery.tracks)} tracks stored in {gallery.num_images} scenes" in err
        assert all(name.startswith("127.0.0.1-cam/20") for name in gallery.image_ids())


@needs_rtsp
def test_after_a_kill_the_gallery_is_sound_and_watching_goes_on(
    camera: RtspServer, anybody: list[object], tmp_path: Path
) -> None:
    cameras = [f"door={camera.url}", "yard=rtsp://127.0.0.1:1/cam"]
    for number in (signal.SIGKILL, signal.SIGTERM):
        with Watching(*cameras, tmp_path / "g", *anybody, "--pictures") as one:
            assert one.alert()["camera"] == "door"
            _, err = one.end(number)
        with Gallery.open(tmp_path / "g") as gallery:  # its lock ended with the process
            assert gallery.check() == []
            scenes = [gallery.scene(name) for name in gallery.image_ids()]
            tracks = len(gallery.tracks)
    assert one.process.returncode == 1  # the other camera was never seen
    assert "ending; what was seen is being stored" in err
    assert f"{tracks} tracks stored in {len(scenes)} scenes" in err
    assert "Traceback" not in err
    assert "secret" not in err
    assert scenes
    assert all(scene is not None and Path(scene.extra["path"]).is_file() for scene in scenes)


@needs_rtsp
@pytest.mark.slow  # people are let go of ten seconds after their camera is lost
def test_what_was_stored_before_a_kill_is_there_after_it(
    camera: RtspServer, anybody: list[object], tmp_path: Path
) -> None:
    def stored() -> list[str]:
        with Gallery.open(tmp_path / "g", mode="r") as gallery:
            return gallery.image_ids()

    before: list[str] = []
    for _ in range(2):
        with Watching(camera.url, tmp_path / "g", *anybody, "--pictures") as one:
            one.alert()
            camera.kill()
            for _ in range(600):
                if len(stored()) > len(before):
                    break
                time.sleep(0.05)
            camera.start()
            one.end(signal.SIGKILL)
        after = stored()
        assert after[: len(before)] == before
        assert len(after) > len(before)
        before = after
    with Gallery.open(tmp_path / "g") as gallery:
        assert gallery.check() == []
        assert len(gallery.tracks) > 0
        for name in gallery.image_ids():
            scene = gallery.scene(name)
            assert scene is not None
            assert sha256_of(Path(scene.extra["path"])) == scene.extra["sha256"]


@pytest.mark.slow
def test_when_nobody_reads_the_alerts_it_ends_quietly(anybody: list[object], tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "personsearch", "watch", clip(tmp_path / "walk.mkv"), tmp_path / "g", *anybody]
    done = subprocess.run([*map(str, command)], stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert "looked at, " in done.stderr
    assert "Traceback" not in done.stderr
    assert "error" not in done.stderr
