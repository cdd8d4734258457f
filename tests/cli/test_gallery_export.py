"""``personsearch gallery export``."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from personsearch.datasets import load_dataset
from personsearch.datasets.doctor.check import check_dataset
from tests.exchange.galleries import box_at, gallery_of, three_people
from tests.support import Run, toy_scene


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    with three_people(tmp_path) as opened:
        return opened.path


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", disk], check=True)


def flat(text: str) -> str:
    """Undo the terminal's line breaks."""
    return " ".join(text.split())


def test_an_export_is_a_set_that_the_doctor_finds_sound(run: Run, gallery: Path, tmp_path: Path) -> None:
    done = run("gallery", "export", gallery, tmp_path / "out")
    assert (done.code, done.err) == (0, "")
    assert f"4 scenes in {tmp_path / 'out'}: 6 boxes, 6 of them labelled: 3 people" in flat(done.out)
    assert f"train finetune own-finetune data.annotations={tmp_path / 'out'}/train.json" in flat(done.out)
    report = check_dataset(load_dataset(tmp_path / "out", split="train"))
    assert not [finding for finding in report.findings if finding.severity == "error"]
    again = run("gallery", "export", gallery, tmp_path / "out")
    assert again.code == 2
    assert "holds a finished export" in again.err


def test_json_says_what_was_written(run: Run, gallery: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("gallery", "export", gallery, out, "--format", "cvat", "--camera", "yard", "--json")
    report = json.loads(done.out)
    assert report["files"] == [str(out / "annotations.xml"), str(out / "labels.json")]
    assert (report["folder"], report["scenes"], report["boxes"], report["persons"]) == (str(out), 2, 3, 2)
    assert len(load_dataset(out, split="train").scenes) == 2


def test_filters(run: Run, gallery: Path, tmp_path: Path) -> None:
    def exported(*options: object) -> int:
        out = tmp_path / "-".join(map(str, options))
        scenes: int = json.loads(run("gallery", "export", gallery, out, *options, "--json").out)["scenes"]
        return scenes

    assert exported("--since", 15, "--until", 20) == 2
    assert exported("--person", 1) == 2
    assert exported("--every", 2) == 2
    assert exported("--limit", 3) == 3
    assert exported("--empty") == 5
    done = run("gallery", "export", gallery, tmp_path / "none", "--camera", "gate")
    assert done.code == 2
    assert "no scene here has the camera gate; known: door, yard" in flat(done.err)
    assert "no scene with people is left by these filters" in flat(done.err)


def test_a_split(run: Run, gallery: Path, tmp_path: Path) -> None:
    done = run("gallery", "export", gallery, tmp_path / "out", "--test-share", 0.3)
    assert "train: 2 scenes, 2 people test: 2 scenes, 1 person, 1 label of people of the other split" in flat(done.out)


def test_what_is_gone_is_listed_and_makes_the_status_1(run: Run, gallery: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").unlink()
    done = run("gallery", "export", gallery, tmp_path / "out", "--format", "label-studio")
    assert done.code == 1
    assert f"not exported: a.jpg: {tmp_path / 'a.jpg'}: is no longer there" in flat(done.err)
    assert "3 scenes" in done.out
    assert (tmp_path / "out" / "labelling.xml").is_file()


def test_people_who_have_not_been_grouped_are_mentioned(run: Run, tmp_path: Path) -> None:
    gallery = gallery_of(tmp_path, [("a.jpg", None, None, {0: box_at(4)})], grouped=False)
    gallery.close()
    done = run("gallery", "export", gallery.path, tmp_path / "out")
    assert done.code == 0
    assert f"its people have not been grouped, and so get no label; 'personsearch people {gallery.path}'" in flat(
        done.err
    )


def test_everybody_in_the_frames_of_tracks(run: Run, weights: Path, tmp_path: Path) -> None:
    clip = tmp_path / "walk.mkv"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("ffv1", rate=5)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "bgr0"
        for number in range(6):
            picture = toy_scene([(0, 10 + number, 10), (1, 100 - number, 20)], seed=number)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")))
        container.mux(stream.encode())
    assert run("index", clip, tmp_path / "g", "--weights", weights, "--tracks").code == 0
    assert run("people", tmp_path / "g", "--min-similarity", 0.5).code == 0
    export = ("gallery", "export", tmp_path / "g")
    everybody = json.loads(run(*export, tmp_path / "all", "--weights", weights, "--json").out)
    views = run(*export, tmp_path / "views", "--no-detect")
    assert "only views of tracks are stored: others in these pictures have no box" in flat(views.err)
    found = [load_dataset(tmp_path / name, split="train").scenes for name in ("all", "views")]
    assert everybody["added"] == sum(len(one.boxes) for one in found[0]) - sum(len(one.boxes) for one in found[1]) > 0
    assert everybody["partial"] == 0
    for full, partial in zip(*found, strict=True):
        np.testing.assert_array_equal(full.boxes[: len(partial.boxes)], partial.boxes)
        assert full.identities.tolist()[: len(partial.boxes)] == partial.identities.tolist()
    labelled = [sum(int((one.identities >= 0).sum()) for one in scenes) for scenes in found]
    assert everybody["recognised"] == labelled[0] - labelled[1] > 0


def test_a_full_disk(run: Run, small_disk: Path, tmp_path: Path) -> None:
    scenes = [(f"{number}.jpg", None, float(number), {number % 3: box_at(4)}) for number in range(40)]
    gallery = gallery_of(tmp_path, scenes)
    gallery.close()
    filler, out = small_disk / "filler", small_disk / "out"
    filler.write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 100 * 1024))
    full = run("gallery", "export", gallery.path, out)
    assert full.code == 2
    assert "no space is left on this disk; free some" in flat(full.err)
    written = {path.name for path in (out / "images").glob("*.jpg")}
    assert 0 < len(written) < 40
    filler.unlink()
    assert run("gallery", "export", gallery.path, out).code == 0
    assert run("gallery", "export", gallery.path, tmp_path / "roomy").code == 0
    assert (out / "train.json").read_bytes() == (tmp_path / "roomy" / "train.json").read_bytes()
    for path in (tmp_path / "roomy" / "images").iterdir():
        assert (out / "images" / path.name).read_bytes() == path.read_bytes()
