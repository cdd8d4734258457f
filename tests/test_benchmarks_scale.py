"""The load test of the stores runs, small, is resumed where it was, and measures what it says; never how fast."""

from __future__ import annotations

import importlib
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from personsearch import Gallery
from personsearch.results import Spec

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("scale"), importlib.import_module("scale_rows")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, BENCHMARKS / "scale.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def test_the_people_are_the_same_wherever_one_begins(modules: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    _, rows = modules
    monkeypatch.setattr(rows, "BLOCK", 80)
    crowd = rows.Crowd(200, 512)
    everybody = np.concatenate([block for _, block in crowd.blocks()])
    assert everybody.shape == (200, 512)
    assert np.allclose(np.linalg.norm(everybody, axis=1), 1, atol=1e-6)
    assert [start for start, _ in crowd.blocks(1)] == [80, 160]
    assert np.array_equal(np.concatenate([block for _, block in crowd.blocks(1)]), everybody[80:])
    batches = list(crowd.batches(7, first=12))  # 25 scenes, the first 10 of them in the first block
    assert [len(batch) for batch in batches] == [7, 6]
    scenes = [scene for batch in batches for scene in batch]
    assert [scene.image_id for scene in scenes] == [f"{number:09}.jpg" for number in range(12, 25)]
    assert np.array_equal(np.concatenate([scene.detections.embeddings for scene in scenes]), everybody[96:])
    assert (scenes[0].camera, scenes[0].time) == ("camera 2", 10 * 86400 * 12 / 25)
    # An identity is seen 20 times: four of them in a whole block, so 19 others are near to each.
    near = everybody[:80] @ everybody[:80].T
    assert ((near > 0.7).sum(axis=1) == 20).all()
    assert abs(near[(near > 0.7) & (near < 0.999)].mean() - 0.82) < 0.02
    queries = crowd.queries()
    assert np.array_equal(queries, crowd.queries())
    right = np.argsort(-(queries @ everybody.T), axis=1)[:, :10]
    assert (
        np.mean([len({*a} & {*b}) for a, b in zip(crowd.nearest(queries).tolist(), right.tolist(), strict=True)]) > 9.9
    )


def test_what_does_not_fit_is_not_tried(modules: tuple[Any, Any], tmp_path: Path) -> None:
    scale, rows = modules
    # 10**7 x 512: the exact index, the lists and the cache in half precision, 100 bytes, and the training rows.
    memory, _ = scale.needs("folder", rows.Crowd(10**7, 512))
    assert memory == pytest.approx(1e7 * (3 * 1024 + 100) + 2 * 2048 * 64 * 4 * 10**3.5)
    assert scale.needs("folder", rows.Crowd(80_000, 512))[0] == 80_000 * (2048 + 1024 + 100)
    done = run("run", "--store", "milvus", "--people", 10**11, "--keep", tmp_path)
    assert done.returncode == 1
    assert "not run: takes about" in done.stderr
    assert not list(tmp_path.glob("milvus-*"))
    assert "100,000,000,000 x 512: not run: takes about" in run("table", tmp_path).stdout


@pytest.mark.parametrize("store", ["folder", "lance"])
def test_a_store_is_filled_and_measured_and_a_run_continues(store: str, tmp_path: Path) -> None:
    if store == "lance":
        pytest.importorskip("lance")
    command = ["run", "--store", store, "--people", 800, "--dim", 32, "--keep", tmp_path, "--clients", 1, 3]
    place = tmp_path / f"{store}-800x32" / "gallery"
    place.parent.mkdir()
    with Gallery.open(  # as if a run had been ended in the middle of filling
        str(place) if store == "folder" else f"lance://{place}",
        Spec(name="load test", fingerprint="0" * 64, embedding_size=32),
    ) as gallery:
        sys.path.insert(0, str(BENCHMARKS))
        crowd = importlib.import_module("scale_rows").Crowd(800, 32)
        sys.path.remove(str(BENCHMARKS))
        gallery.add_batch(next(crowd.batches(40)))
    done = run(*command, "--seconds", 0.1, "--scenes-per-write", 16)
    assert done.returncode == 0, done.stderr
    file = tmp_path / f"run-{store}-800x32.json"
    stages = json.loads(file.read_text())["stages"]
    assert list(stages) == ["fill", "index", "first", "search", "disk", "erase"]
    assert (stages["erase"]["scenes"], stages["erase"]["people"]) == (1, 8)  # of a hundred scenes
    assert json.loads((tmp_path / f"fill-{store}-800x32.json").read_text())["people"] == 800 - 2 * 16 * 8
    assert stages["search"]["recall"] == 1
    assert stages["search"]["clients"].keys() == {"1", "3"}
    assert stages["search"]["clients"]["3"]["answers"] >= 3
    assert stages["disk"]["bytes"] > 800 * 64
    assert len(stages["first"]["all_seconds"]) == 3
    known = json.loads(file.read_text())
    del known["stages"]["search"]
    file.write_text(json.dumps(known))
    done = run(*command, "--seconds", 0.1)
    assert done.returncode == 0, done.stderr
    assert " search: " in done.stdout
    assert " fill: " not in done.stdout
    shutil.rmtree(place.parent)
    assert "measured already" in run(*command).stdout
    told = run("table", tmp_path).stdout.splitlines()
    assert told[2].startswith(f"| {store} | 800 x 32 | ")
    assert told[0].count("|") == told[2].count("|")


@pytest.mark.slow
def test_a_milvus_server_is_started_and_measured(tmp_path: Path) -> None:
    for package in ("milvus", "pymilvus"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs the package {package}")
    done = run(
        *("run", "--store", "milvus", "--people", 800, "--dim", 32, "--keep", tmp_path),
        *("--clients", 1, 2, "--seconds", 0.1, "--delete"),
    )
    assert done.returncode == 0, done.stderr
    stages = json.loads((tmp_path / "run-milvus-800x32.json").read_text())["stages"]
    assert stages["search"]["recall"] == 1
    assert stages["search"]["server_megabytes"] > 100
    assert not (tmp_path / "milvus-800x32").exists()
