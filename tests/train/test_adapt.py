"""Weights adapted to one place, from pictures in to the finished folder."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from personsearch import PersonSearcher
from personsearch.datasets import load_dataset
from personsearch.errors import (
    ConfigError,
    ImageError,
    MissingExtraError,
    PersonSearchError,
    RenderError,
    TrainingError,
)
from personsearch.train import adapt
from personsearch.train.adaptation.budget import Pace, plan_for, read_plan, save_plan
from personsearch.train.adaptation.figures import fallen
from personsearch.train.adaptation.norms import footage_canvases, with_statistics_of
from personsearch.train.adaptation.sets import checking_recipe, frame_size, training_recipe
from personsearch.train.checkpoint import LAST
from tests.support import video
from tests.train.adapting import CHECKED, SMALL, TRAINED, adapt_tiny, empty_place, tiny_weights
from tests.train.runs import KilledError

ROOT = Path(__file__).parents[2]
MODULE = sys.modules[adapt.__module__]  # the package's attribute of that name is the function
FILES = {"README.md", "before-after.jpg", "config.json", "model.safetensors", "report.json"}


@contextmanager
def small_sizes() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for (module, name), value in SMALL.items():
            patch.setattr(module, name, value)
        yield


@pytest.fixture
def small() -> Iterator[None]:
    with small_sizes():
        yield


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_weights(tmp_path_factory.mktemp("tiny") / "weights")


@pytest.fixture(scope="module")
def adapted(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished adaptation with a ground plane and footage."""
    root = tmp_path_factory.mktemp("adapted")
    try:
        with small_sizes():
            return adapt_tiny(
                root, weights, people=[(100, 90, 120, 150), (150, 80, 190, 200)], footage=video(root / "clip.mp4")
            )
    except RenderError as error:
        pytest.skip(f"needs OpenGL through EGL: {error}")


def report_of(folder: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


def test_an_adaptation_leaves_weights_a_report_and_a_sheet(weights: Path, adapted: Path) -> None:
    assert {path.name for path in adapted.iterdir()} == FILES
    assert {path.name for path in adapted.parent.iterdir()} == {"room", "clip.mp4", "out"}
    report = report_of(adapted)
    searcher = PersonSearcher.from_pretrained(adapted, device="cpu")
    assert searcher.spec.fingerprint == report["fingerprint"] != report["base"]["fingerprint"]
    before = load_file(weights / "model.safetensors")
    after = load_file(adapted / "model.safetensors")
    assert not torch.equal(before["base.conv1.weight"], after["base.conv1.weight"])
    assert set(report["figures"]["before"]) == set(report["figures"]["after"])
    assert set(report["figures"]["after"]) == {"AP", "recall", "mAP", "false per empty picture"}
    assert report["pictures"] == {"training": ["0.png", "1.png", "3.png", "4.png"], "held_back": ["2.png"]}
    assert report["plan"]["frames"] == TRAINED
    assert report["ground_plane"]["camera_height"] == pytest.approx(1.43, abs=0.01)
    assert report["footage"]["video"] == "clip.mp4"
    assert report["footage"]["kept"] == (not report["footage"]["fell"])
    card = (adapted / "README.md").read_text()
    assert "12 rendered pictures of people who do not exist over 4 pictures" in card
    assert report["fingerprint"] in card
    with Image.open(adapted / "before-after.jpg") as sheet:
        assert sheet.width > 1000


def test_a_finished_adaptation_is_not_repeated(weights: Path, adapted: Path) -> None:
    before = (adapted / "model.safetensors").stat().st_mtime_ns
    same = {"people": [(100, 90, 120, 150), (150, 80, 190, 200)]}
    assert adapt_tiny(adapted.parent, weights, **same) == adapted
    assert (adapted / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(TrainingError, match=r"other settings \(minutes: 60 there, 7 now\); choose another folder"):
        adapt_tiny(adapted.parent, weights, **same, minutes=7)
    with pytest.raises(TrainingError, match="people: "):
        adapt_tiny(adapted.parent, weights)


def stop_rendering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process die where rendering would begin."""

    def die(*_: object, **__: object) -> None:
        raise KilledError

    monkeypatch.setattr(MODULE, "render", die)


def test_pictures_that_show_people_are_named(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(MODULE, "SURE", 0.1)  # random weights are sure of nothing
    with pytest.raises(ImageError, match=r"5 of 5 pictures seem to show somebody: 0.png \(0\.\d\d\), .*--anyway"):
        adapt_tiny(tmp_path, weights)
    assert not (tmp_path / "out").exists()
    stop_rendering(monkeypatch)
    with pytest.raises(KilledError):
        adapt_tiny(tmp_path, weights, anyway=True)
    assert "going on anyway" in caplog.text
    assert {path.name for path in tmp_path.iterdir()} == {"room"}


def test_what_was_begun_with_other_settings_is_not_continued(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plan_and_die(*_: object, **__: object) -> None:
        (tmp_path / "out.adapting" / "plan.json").write_text("{}")
        raise KilledError

    monkeypatch.setattr(MODULE, "render", plan_and_die)
    with pytest.raises(KilledError):
        adapt_tiny(tmp_path, weights)
    with pytest.raises(TrainingError, match=r"out\.adapting: was begun with other settings \(minutes: 60 there, 7 now"):
        adapt_tiny(tmp_path, weights, minutes=7)


def test_what_out_must_not_be(tmp_path: Path) -> None:
    room = empty_place(tmp_path / "room")
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("x")
    with pytest.raises(TrainingError, match="file: is a file; name a folder"):
        adapt(room, tmp_path / "file")
    with pytest.raises(TrainingError, match="full: holds other files; choose a new or an empty folder"):
        adapt(room, tmp_path / "full")
    with pytest.raises(ConfigError, match="lies among the pictures"):
        adapt(room, room / "weights")
    with pytest.raises(ConfigError, match="lies among the pictures, or holds them"):
        adapt(room, tmp_path)
    assert (tmp_path / "full" / "thesis.txt").read_text() == "x"
    assert {path.name for path in tmp_path.iterdir()} == {"room", "file", "full"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"minutes": 0}, "--minutes 0: must be above 0"),
        ({"minutes": math.nan}, "--minutes nan: must be above 0"),
        ({"workers": 0}, "workers must be 1 or more"),
        ({"footage": "nothing.mp4"}, "nothing.mp4: no such video"),
        ({"empty": ("0-5",)}, "--empty 0-5: says when a video shows nobody"),
        ({"people_picture": "0.png"}, "needs two boxes of people in it"),
        ({"people": [(1, 90, 20, 150)]}, "give two boxes"),
        ({"people": [(1, 90, 20, 150), (30, 140, 60, 180)]}, "nearer one is not the taller one"),
        (
            {"people": [(1, 90, 20, 150), (30, 20, 60, 180)], "people_picture": "x.png"},
            "x.png: is neither a file nor one",
        ),
    ],
)
def test_mistakes_are_refused_before_anything_is_rendered(
    weights: Path, options: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_rendering(monkeypatch)
    with pytest.raises(PersonSearchError, match=message):
        adapt_tiny(tmp_path, weights, **options)
    assert {path.name for path in tmp_path.iterdir()} <= {"room"}


def test_boxes_of_another_camera_are_refused(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_rendering(monkeypatch)
    Image.new("RGB", (640, 360)).save(tmp_path / "wide.png")
    boxes = [(1, 90, 20, 150), (30, 20, 60, 180)]
    with pytest.raises(ImageError, match=r"wide\.png: is 640x360, but the camera's pictures are 320x240"):
        adapt_tiny(tmp_path, weights, people=boxes, people_picture=tmp_path / "wide.png")
    with pytest.raises(KilledError):
        adapt_tiny(tmp_path, weights, people=boxes, people_picture="3.png")


def test_two_processes_do_not_adapt_in_one_folder(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[str] = []

    def again(*_: object, **__: object) -> None:
        with pytest.raises(TrainingError, match="another process is adapting here") as caught:
            adapt_tiny(tmp_path, weights)
        found.append(str(caught.value))
        raise KilledError

    monkeypatch.setattr(MODULE, "render", again)
    with pytest.raises(KilledError):
        adapt_tiny(tmp_path, weights)
    assert len(found) == 1


def test_without_a_renderer_nothing_begins(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'personsearch\[synth\]'"):
        adapt_tiny(tmp_path, weights)
    assert not (tmp_path / "out.adapting").exists()


def test_the_time_is_spread_over_rendering_and_training(tmp_path: Path) -> None:
    # 10 minutes less 8 % are 552 s, of which 52 are spent and 100 go to the figures. A frame takes 1 s to render and
    # 3 quarters of a step of 4 s.
    plan = plan_for(10, 52, Pace(render=1.0, step=4.0, look=0.5), looks=200)
    assert (plan.frames, plan.render, plan.train, plan.measure, plan.steps) == (100, 100.0, 300.0, 100.0, 75)
    assert "9 minutes from here" in plan.text()
    assert "100 pictures" in plan.text()
    save_plan(plan, tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json") == plan
    assert read_plan(tmp_path / "none.json") is None


def test_too_few_minutes_say_how_many_are_enough() -> None:
    pace = Pace(render=1.0, step=4.0, look=0.5)
    with pytest.raises(ConfigError, match=r"--minutes 5: too few on this machine, which would need (\d+)") as caught:
        plan_for(5, 52, pace, looks=200)
    needed = int(str(caught.value).split("would need ")[1].split()[0])
    assert plan_for(needed, 52, pace, looks=200).frames >= 40
    with pytest.raises(ConfigError):
        plan_for(needed - 1, 52, pace, looks=200)


@pytest.mark.parametrize(
    ("size", "frame"),
    [((1920, 1080), (1044, 588)), ((768, 432), (768, 432)), ((480, 640), (480, 640)), ((240, 180), (320, 240))],
)
def test_frames_have_the_cameras_shape_and_no_more_pixels(size: tuple[int, int], frame: tuple[int, int]) -> None:
    assert frame_size(size) == frame


def test_the_sets_show_the_users_pictures_as_a_fixed_camera_does(tmp_path: Path) -> None:
    train = training_recipe(tmp_path, (768, 432), 400, seed=3)
    assert train.train.scenes * train.train.frames * train.cameras.per_scene == 400
    assert (train.width, train.height, train.places.photos) == (768, 432, str(tmp_path))
    assert not train.places.mirror
    assert train.places.held_out == 0
    check = checking_recipe(tmp_path, (768, 432), seed=3)
    assert check.places.share == 1
    assert check.test.frames * check.test.scenes == 60


def test_a_figure_falls_towards_its_worse_side() -> None:
    before = {"AP": 0.5, "recall": 0.6, "mAP": math.nan, "false per empty picture": 1.0}
    assert fallen(before, before) == []
    assert fallen(before, {**before, "AP": 0.499, "false per empty picture": 0.5}) == []
    assert fallen(before, {**before, "AP": 0.49, "recall": 0.7}) == ["AP"]
    assert fallen(before, {**before, "mAP": 0.1, "false per empty picture": 1.5}) == ["false per empty picture"]


def test_statistics_are_those_of_the_footage(tmp_path: Path, tiny_searcher: PersonSearcher) -> None:
    network = tiny_searcher.network
    before = {key: value.clone() for key, value in network.state_dict().items()}
    canvases = footage_canvases(video(tmp_path / "clip.mp4", frames=12), network)
    assert [tuple(canvas.shape) for canvas in canvases] == [(3, 96, 128)] * 12
    adapted = with_statistics_of(network, canvases)
    assert not adapted.training
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    after = adapted.state_dict()
    changed = {key for key, value in after.items() if not torch.equal(value, before[key])}
    assert all(key.startswith("base.") and ("running" in key or "num_batches" in key) for key in changed)
    # The first normalisation sees what the first convolution makes of the pictures: its mean can be taken directly.
    images = (torch.stack(canvases).float() / 255 - network.mean) / network.std
    with torch.no_grad():
        expected = network.base.conv1(images).mean((0, 2, 3))
    norm = "base.bn1.running_mean"
    assert norm in changed
    torch.testing.assert_close(after[norm], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_an_adaptation_that_is_killed_again_and_again_ends_as_one_that_is_not(
    weights: Path, small: None, tmp_path: Path
) -> None:
    try:
        whole = adapt_tiny(tmp_path / "whole", weights)
    except RenderError as error:
        pytest.skip(f"needs OpenGL through EGL: {error}")
    root = tmp_path / "parts"
    work = root / "out.adapting"
    for sign in ("places", "check/train", "plan.json", "set/train", "before.json", f"set-run/{LAST}", "after.json"):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.train.adapting", root, weights],
            cwd=ROOT,
            start_new_session=True,
            stderr=subprocess.PIPE,
        )
        end = time.monotonic() + 240
        while not (work / sign).exists() and process.poll() is None:
            assert time.monotonic() < end, f"{sign} never appeared"
            time.sleep(0.02)
        assert process.poll() is None, process.communicate()[1].decode()
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert not (root / "out").exists()
    parts = adapt_tiny(root, weights)
    assert {path.name for path in parts.iterdir()} == FILES
    assert not work.exists()
    assert report_of(parts)["fingerprint"] == report_of(whole)["fingerprint"]
    assert report_of(parts)["figures"] == report_of(whole)["figures"]


def test_composites_that_are_measured_show_held_back_pictures_only(
    weights: Path, small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def look_and_die(*_: object, **__: object) -> None:
        check = tmp_path / "out.adapting" / "check"
        seen.append(json.loads((check / "test.json").read_text())["images"])
        seen.append(load_dataset(check, "test").scenes)
        raise KilledError

    monkeypatch.setattr(MODULE, "rehearse_finetune", look_and_die)
    try:
        with pytest.raises(KilledError):
            adapt_tiny(tmp_path, weights)
    except RenderError as error:
        pytest.skip(f"needs OpenGL through EGL: {error}")
    rows, scenes = seen
    assert len(rows) == CHECKED
    assert {row["photo"] for row in rows} == {"02.jpg"}
    assert sum(len(scene.boxes) for scene in scenes) > 0
    assert {(scene.width, scene.height) for scene in scenes} == {(320, 240)}
