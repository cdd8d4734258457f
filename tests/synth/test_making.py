"""Sets made by real worker processes; only the drawing is replaced, so that no OpenGL is needed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from personsearch.cli import main
from personsearch.datasets import load_dataset
from personsearch.errors import ConfigError, DatasetError, MissingExtraError
from personsearch.synth.making import make
from personsearch.synth.recipe import load_recipe
from tests.synth.pictures import (
    bytes_of,
    make_small,
    open_and_die,
    open_blocks,
    open_broken,
    open_without_graphics,
    small_plan,
)
from tests.synth.plates.folders import add_picture, places

ROOT = Path(__file__).parents[2]
FINISHED_FILES = {"train.json", "test.json", "queries.json", "recipe.json", "train", "test"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_small(tmp_path_factory.mktemp("finished") / "set", workers=1)


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def small_make(folder: Path, painter: str = "open_slowly") -> subprocess.Popen[str]:
    """Start a make in a process group of its own."""
    script = f"import sys; from tests.synth.pictures import *; make_small(sys.argv[1], _open_painter={painter})"
    return subprocess.Popen(
        [sys.executable, "-c", script, folder],
        cwd=ROOT,
        start_new_session=True,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )


def wait_for(ready: Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.01)


def test_a_finished_set_holds_pictures_labels_and_queries(finished: Path) -> None:
    assert names_in(finished) == FINISHED_FILES
    scenes = load_dataset(finished, "train").scenes
    assert [scene.image_id for scene in scenes[:2]] == ["train/s1c1_0000.jpg", "train/s1c1_0001.jpg"]
    # Each frame shows two of five labelled people and a third who has no label.
    assert len(scenes) == 7 + 8
    assert {len(scene.boxes) for scene in scenes} == {3}
    assert {int(value) for scene in scenes for value in scene.identities} == {-1, 0, 1, 2, 3, 4}
    assert all(scene.identities[2] == -1 for scene in scenes)
    assert {(scene.width, scene.height, scene.place) for scene in scenes} == {(160, 120, "s1")}
    test = load_dataset(finished, "test")
    assert {scene.camera for scene in test.scenes} == {"s2c1", "s2c2"}
    assert len(test.queries) == 2 * 5


def test_pictures_are_of_the_plan(finished: Path) -> None:
    table = json.loads((finished / "train.json").read_text())
    assert [row["random_background"] for row in table["images"]] == [row["time"] == 2.0 for row in table["images"]]
    for row in table["images"][:8]:
        picture = cv2.imread(str(finished / row["file_name"]))
        assert picture.shape == (120, 160, 3)
        luma = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).mean() / 255
        assert luma == pytest.approx(row["luma"], abs=0.01)
    lumas: dict[str, list[float]] = {"sunny": [], "night": []}
    for row in table["images"]:
        lumas[row["light"]].append(row["luma"])
    day, night = np.mean(lumas["sunny"]), np.mean(lumas["night"])
    assert 0.33 < day < 0.48
    assert night == pytest.approx(day / 2, rel=0.15)


def test_same_bytes_for_any_number_of_workers(finished: Path, tmp_path: Path) -> None:
    assert bytes_of(make_small(tmp_path / "set", workers=3)) == bytes_of(finished)


def test_masks_and_keypoints(tmp_path: Path) -> None:
    folder = make_small(tmp_path / "set", masks=True, keypoints=True)
    table = json.loads((folder / "test.json").read_text())
    images = {row["id"]: row for row in table["images"]}
    for row in table["annotations"][:12]:
        mask = cv2.imread(str(folder / images[row["image_id"]]["mask"]), cv2.IMREAD_UNCHANGED)
        x, y, width, height = (round(value) for value in row["visible_box"])
        assert np.array_equal(np.argwhere(mask == row["mask_value"]).min(axis=0), [y, x])
        assert (mask == row["mask_value"]).sum() == width * height
        assert len(row["keypoints"]) == 51
    assert images[1]["mask"] == "masks/test/s2c1_0000.png"


def test_prw(tmp_path: Path) -> None:
    pytest.importorskip("scipy.io", reason="PRW's .mat files need scipy")
    folder = make_small(tmp_path / "set", layout="prw")
    assert len(list((folder / "frames").glob("*.jpg"))) == len(list((folder / "annotations").glob("*.jpg.mat"))) == 30
    assert len(list((folder / "query_box").glob("*.jpg"))) == 10
    assert len(load_dataset(folder, "train", format="coco").scenes) == 15


def test_a_finished_set_is_left_unchanged(finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file()}
    make_small(finished, _open_painter=open_broken)
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file()} == before


def test_a_set_whose_making_was_killed_is_continued(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    child = small_make(folder)
    parts = folder / ".parts"
    wait_for(lambda: parts.is_dir() and any(parts.glob("*.json")))
    time.sleep(0.1)
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
    assert "train.json" not in names_in(folder)
    done = {path: path.stat().st_mtime_ns for path in parts.glob("*.json")}
    assert 0 < len(done) < len(small_plan())
    drawn_before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.jpg")}
    make_small(folder)
    assert bytes_of(folder) == bytes_of(finished)
    finished_jobs = {path.stem.split("-")[-1] for path in done}
    kept = [path for path in drawn_before if path.name.split("_")[0] in finished_jobs]
    assert kept
    assert all(path.stat().st_mtime_ns == drawn_before[path] for path in kept)


def test_workers_end_when_the_main_process_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    child = small_make(folder)
    wait_for(lambda: any(folder.glob("t*/*.jpg")))
    child.kill()
    child.communicate()

    def at_rest() -> bool:
        before = len(list(folder.glob("t*/*.jpg")))
        time.sleep(0.3)
        return len(list(folder.glob("t*/*.jpg"))) == before

    wait_for(at_rest, seconds=5)
    assert "train.json" not in names_in(folder)


def test_the_error_about_a_killed_worker_names_its_job(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "set"
    with pytest.raises(
        DatasetError, match=r"worker process was killed by SIGKILL while drawing test-s2-s2c1.*to continue"
    ):
        make_small(folder, _open_painter=open_and_die)
    assert "train.json" not in names_in(folder)
    monkeypatch.setenv("MERCY", "1")
    make_small(folder, _open_painter=open_and_die)
    assert bytes_of(folder) == bytes_of(finished)


def test_errors_of_workers(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)job \w+-s\d-s\dc2 .*ZeroDivisionError"):
        make_small(tmp_path / "one", _open_painter=open_broken)
    with pytest.raises(MissingExtraError, match=r"^no OpenGL: apt-get install libegl1$"):
        make_small(tmp_path / "two", _open_painter=open_without_graphics)


def test_script_without_guard(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"from tests.synth.pictures import make_small\nmake_small({str(tmp_path / 'set')!r})\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "before it started; a script must call make() under 'if __name__" in done.stderr


def test_other_recipe(finished: Path) -> None:
    before = bytes_of(finished)
    other = load_recipe("street-small", ["seed=77"])
    with pytest.raises(DatasetError, match=r"which differs in recipe.seed \(there \d+, now 77\)\. Choose"):
        make_small(finished, recipe=other)
    with pytest.raises(DatasetError, match=r"keypoints \(there False, now True\)"):
        make_small(finished, keypoints=True)
    assert bytes_of(finished) == before
    many = [f"people.{key}=0" for key in ("unlabelled", "spread", "look_alikes", "things", "standing", "groups")]
    with pytest.raises(DatasetError, match=r"people.groups \(there 0.3, now 0.0\), .* and 1 more"):
        make_small(
            finished, masks=True, recipe=load_recipe("street-small", [*many, "seed=77", "people.clothes_change=1"])
        )


def test_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(DatasetError, match="holds other files"):
        make_small(tmp_path)
    assert names_in(tmp_path) == {"holiday.jpg"}
    with pytest.raises(DatasetError, match="is a file"):
        make_small(tmp_path / "holiday.jpg")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "recipe.json").write_text("{")
    with pytest.raises(DatasetError, match="is not a readable recipe"):
        make_small(tmp_path / "set")


@pytest.mark.parametrize("damage", ["truncated part", "part of other pictures", "missing picture"])
def test_damaged_parts_are_drawn_again(finished: Path, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "set"
    with pytest.raises(DatasetError):
        make_small(folder, workers=1, _open_painter=open_and_die)
    [part, *_] = (folder / ".parts").glob("*.json")
    if damage == "truncated part":
        part.write_bytes(part.read_bytes()[:-20])
    elif damage == "part of other pictures":
        part.write_text(part.read_text().replace("_0002.jpg", "_9999.jpg"))
    else:
        picture = json.loads(part.read_text())["images"][2]["file_name"]
        (folder / picture).unlink()
    make_small(folder)
    assert bytes_of(folder) == bytes_of(finished)


def test_leftover_temporary_files_are_removed(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    with pytest.raises(DatasetError):
        make_small(folder, _open_painter=open_and_die)
    (folder / "train" / ".s1c1_0000.jpg.4242").write_bytes(b"half")
    make_small(folder)
    assert bytes_of(folder) == bytes_of(finished)


def test_two_processes_cannot_share_a_folder(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    child = small_make(folder)
    try:
        wait_for(lambda: any(folder.glob("t*/*.jpg")))
        with pytest.raises(DatasetError, match="another process is making a set here"):
            make_small(folder)
        _, errors = child.communicate(timeout=60)
    finally:
        child.kill()
    assert child.returncode == 0, errors
    assert bytes_of(folder) == bytes_of(finished)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that is large enough for some of the pictures only."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", disk]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small disk needs root")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_full_disk(tiny_disk: Path, finished: Path) -> None:
    folder = tiny_disk / "set"
    with pytest.raises(DatasetError, match=r"disk is full\. Free some space and run the same command again"):
        make_small(folder)
    assert "train.json" not in names_in(folder)
    for path in folder.rglob("*.jpg"):
        assert path.read_bytes() == (finished / path.relative_to(folder)).read_bytes()
    subprocess.run(["mount", "-o", "remount,size=10m", tiny_disk], check=True)
    make_small(folder)
    assert bytes_of(folder) == bytes_of(finished)


def test_read_only_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, data: bytes) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("personsearch.synth.making.write_durably", refuse)
    with pytest.raises(DatasetError, match=r"cannot be written to \(Permission denied\)"):
        make_small(tmp_path / "set")


def test_workers_must_be_one_or_more(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="workers must be 1 or more"):
        make_small(tmp_path / "set", workers=0)


def test_every_hand_held_photograph_counts_as_a_camera(tmp_path: Path) -> None:
    changes = ["cameras.hand_held=true", "cameras.per_scene=1", "cameras.heights=[1.4, 2.0]"]
    recipe = load_recipe("tiny", changes)
    folder = make(recipe, tmp_path / "set", workers=1, progress=False, _open_painter=open_blocks)
    table = json.loads((folder / "train.json").read_text())
    cameras = [row["camera"] for row in table["images"]]
    assert len(set(cameras)) == len(cameras) == 6


def photographed(folder: Path, *more: str) -> list[str]:
    return [f"places.photos={folder}", "places.share=1.0", "cameras.per_scene=1", "train.frames=3", *more]


def test_a_wrong_folder_of_photographs_leaves_nothing_behind(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Python and on the command line: one sentence, no traceback, no folder."""
    icons = tmp_path / "icons"
    icons.mkdir()
    for number in range(3):
        cv2.imwrite(str(icons / f"{number}.png"), np.zeros((100, 100, 3), np.uint8))
    out = tmp_path / "set"
    for folder, message in ((tmp_path / "gone", "there is no folder"), (icons, "no usable photograph")):
        with pytest.raises(DatasetError, match=message):
            make(load_recipe("tiny", photographed(folder)), out, workers=1, progress=False)
        assert not out.exists()
    command = ["personsearch", "synth", "make", str(out), "--recipe", "tiny", *photographed(icons)]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as ended:
        main()
    text = capfd.readouterr().err
    assert ended.value.code not in (0, None)
    assert "3 pictures below 240 pixels wide or high (0.png, 1.png, 2.png)" in text
    assert "Traceback" not in text
    assert not out.exists()


def test_a_set_is_not_continued_with_other_photographs(tmp_path: Path) -> None:
    recipe = load_recipe("tiny", photographed(places(tmp_path / "places", flat=2, round_=0)))
    make_small(tmp_path / "set", recipe=recipe)
    add_picture(tmp_path / "places", "new.jpg", 640, 480)
    assert make_small(tmp_path / "set", recipe=recipe), "a finished set no longer needs them"
    (tmp_path / "set" / "train.json").unlink()
    with pytest.raises(DatasetError, match=r"another recipe, which differs in photographs \(there '2 photographs"):
        make_small(tmp_path / "set", recipe=recipe)
