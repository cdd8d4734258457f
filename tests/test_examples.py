"""Every example runs as it stands."""

import json
import os
import runpy
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch

from personsearch import Gallery
from personsearch.given import people_in

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name: str, folder: Path, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments], capture_output=True, text=True, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_all_are_here() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {
        "quickstart",
        "search_video",
        "three_cameras",
        "finetune_own",
        "service",
        "fiftyone_gallery",
        "other_detector",
    }


def test_quickstart(tmp_path: Path) -> None:
    lines = run("quickstart.py", tmp_path)
    assert "12 scenes" in lines[0]
    assert len(lines) == 6
    assert (tmp_path / "matches.png").exists()


def test_search_video(tmp_path: Path) -> None:
    lines = run("search_video.py", tmp_path)
    assert lines[0].startswith("12 frames, ")
    assert len(lines) == 6
    assert "similarity" in lines[1]


def test_three_cameras(tmp_path: Path) -> None:
    frames, counted, *people = run("three_cameras.py", tmp_path)
    assert frames.startswith("24 frames stored, ")
    assert counted == f"{len(people)} people who were seen in at least 3 frames"
    # 15 people who do not exist walk through the scenes, and some bystanders far away.
    assert 10 <= len(people) <= 24
    assert any(len({word for word in line.split() if word.startswith("s23c")}) == 3 for line in people)
    assert (tmp_path / "people.png").exists()


def test_finetune_own(tmp_path: Path) -> None:
    lines = run("finetune_own.py", tmp_path)
    losses = [float(line.split()[-1]) for line in lines if line.startswith("step ")]
    assert len(losses) == 6
    assert "a gallery of its own is needed" in lines[-1]
    assert (tmp_path / "demo-run" / "weights" / "model.safetensors").exists()


def test_service(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "PORT": str(port)}
    command = [sys.executable, EXAMPLES / "service.py"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as service:
        try:
            assert service.stdout is not None
            assert service.stdout.readline().endswith("torch loaded: False\n")
            address = f"http://127.0.0.1:{port}/similar"
            for _ in range(100):
                try:
                    with urllib.request.urlopen(f"{address}?detection_id=1&k=3") as answer:
                        matches = json.load(answer)
                    break
                except urllib.error.URLError:
                    time.sleep(0.05)
            assert len(matches) == 3
            assert all(match["detection_id"] != 1 for match in matches)
            similarities = [match["similarity"] for match in matches]
            assert similarities == sorted(similarities, reverse=True)
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"{address}?detection_id=9999")
            with refused.value as answer:
                assert "nobody has detection_id 9999" in json.load(answer)["error"]
        finally:
            service.terminate()


def test_other_detector(tmp_path: Path) -> None:
    counted, *matches = run("other_detector.py", tmp_path, "own")
    assert counted.startswith("12 scenes, ")
    assert len(matches) == 5
    assert all(" similarity " in line for line in matches)
    with Gallery.open(tmp_path / "other-gallery", mode="r") as gallery:
        assert all("boxes" in gallery.scene(name).extra for name in gallery.image_ids())


def test_the_detector_of_other_detector_returns_people_alone() -> None:
    from torchvision.models.detection import ssdlite320_mobilenet_v3_large

    detector_of = runpy.run_path(str(EXAMPLES / "other_detector.py"))["detector_of"]
    torch.manual_seed(0)
    network = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=3, score_thresh=0.0).eval()
    pixels = np.random.default_rng(0).integers(0, 256, (96, 160, 3), dtype=np.uint8)
    found = detector_of(network, threshold=0.0)(pixels)
    people = people_in(found, "a.jpg")
    assert len(people) == len(found["boxes"]) > 0
    assert set(found["labels"].tolist()) == {1}
    assert len(people_in(detector_of(network, threshold=1.0)(pixels), "a.jpg")) == 0


def test_fiftyone_gallery(tmp_path: Path) -> None:
    pytest.importorskip("fiftyone", reason="fiftyone is not installed")
    run("quickstart.py", tmp_path)
    [gallery] = [path.parent for path in tmp_path.glob("*/gallery.sqlite")]
    with Gallery.open(gallery) as opened:
        opened.people.group(min_similarity=0.6)
    lines = run("fiftyone_gallery.py", tmp_path, str(gallery))  # with what FiftyOne itself has to say
    [scenes] = [line for line in lines if line.startswith("12 scenes, ")]
    assert scenes.endswith("cameras: none known")
    [who] = [number for number, line in enumerate(lines) if line.startswith("person 1 is in ")]
    matches = lines[who + 1 :]
    assert len(matches) == 10
    assert matches[0].split()[:2] == ["person", "1"]
