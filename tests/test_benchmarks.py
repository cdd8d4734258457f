"""The benchmarks run, and say what they promise; never how fast."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from personsearch.models import ModelConfig, build
from personsearch.train.config import CropAugmentConfig, SceneAugmentConfig
from personsearch.weights.files import save_folder
from tests.evaluation import toy

ROOT = Path(__file__).parents[1]


def run(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_gallery_s_costs() -> None:
    told = run("gallery.py", "--people", "4000", "--dim", "16")
    for line in ("scenes of 8 people added a second", "numpy: one query", "exact, FAISS: one query", "erased in"):
        assert line in told


@pytest.mark.slow
def test_learnability_trains_on_one_split_and_ranks_the_other(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    folder, rows = tmp_path / "crops/today", []
    for split, people, scene in (("train", 16, "s1"), ("test", 4, "s2")):
        (folder / split).mkdir(parents=True)
        for person in range(people):
            colour = rng.integers(0, 256, (2, 1, 3))
            for number in range(4):
                name = f"{split}/{person}_{number}.jpg"
                pixels = np.repeat(np.repeat(colour, 128, axis=0), 128, axis=1) + rng.integers(-9, 10, (256, 128, 3))
                Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / name)
                camera = f"{scene}c{number % 2}"
                rows.append({"file_name": name, "person_id": person, "camera": camera, "scene": scene})
    (folder / "crops.json").write_text(json.dumps({"crops": rows}))
    arguments = [str(tmp_path), "--variants", "today", "--steps", "2", "--save", str(tmp_path / "table.md")]
    told = run("synth_learnability.py", *arguments)
    assert "| today | 16 people, 64 crops | 4 people, 16 crops | 100.0 | 100.0 |" in told
    assert (tmp_path / "table.md").read_text() in told
    assert "step" not in run("synth_learnability.py", *arguments).split("# synth_learnability")[0]  # kept


def test_empty_places_shows_held_back_photographs_and_blank_pictures(tmp_path: Path, tiny_config: ModelConfig) -> None:
    rng = np.random.default_rng(1)
    for name in ("a", "b", "c"):
        Image.fromarray(rng.integers(0, 255, (256, 320, 3), dtype=np.uint8)).save(tmp_path / f"{name}.png")
    weights = save_folder(tmp_path / "weights", tiny_config, build(tiny_config).state_dict())
    figures = json.loads(run("empty_places.py", str(tmp_path), "--weights", str(weights), "--json"))
    assert 1 <= figures["pictures"] < 3
    assert figures["blank_pictures"] == 33
    assert 0 <= figures["pictures_with_any"] <= 1


@pytest.mark.slow
def test_augmentation_times_each_key_of_the_recipe() -> None:
    head, _, *rows = run("augmentation.py").splitlines()
    assert head == "| key | 672x448 | 960x640 | 64x128 |"
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    names = {key for name, *_ in cells for key in name.split(", ")}
    assert names <= {*SceneAugmentConfig.model_fields, *CropAugmentConfig.model_fields}
    assert len(rows) == 11
    assert all(float(value) >= 0 for _, *values in cells for value in values)


def test_the_operating_point_counts_frames_people_and_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    module = importlib.import_module("operating_point")
    # Two people, one of them hidden too much to count: found at 0.9 and 0.6; and a detection of nobody at 0.7.
    two = toy.scene("a", [[0, 0, 10, 20], [40, 0, 50, 20]], ignore=[False, True])
    seen = toy.detected([0.0] * 3, [[0, 0, 10, 20], [40, 0, 50, 20], [80, 0, 90, 20]], [0.9, 0.6, 0.7])
    # Nobody, and detections at 0.55 and 0.85. One person, never found.
    empty, ghosts = toy.scene("b", []), toy.detected([0.0] * 2, [[0, 0, 9, 9], [20, 0, 29, 9]], [0.85, 0.55])
    one, nothing = toy.scene("c", [[5, 5, 20, 40]]), toy.detected([])
    counts = module.counts_at([(two, seen), (empty, ghosts), (one, nothing)], (0.5, 0.8))
    assert counts[0.5] == module.Counts(found=1, false=3, missed=1, right=0, peopled=2, false_in_empty=2, empty=1)
    assert counts[0.8] == module.Counts(found=1, false=1, missed=1, right=1, peopled=2, false_in_empty=1, empty=1)
    assert counts[0.8].shares() == {
        "precision": 0.5,
        "recall": 0.5,
        "F1": 0.5,
        "right": 0.5,
        "false_per_empty": 1.0,
    }


def test_the_operating_point_of_the_shipped_weights_on_a_set(toy_annotations: Path) -> None:
    told = run("operating_point.py", str(toy_annotations), "--device", "cpu", "--json", "--model", "input.min_size=96")
    [row] = [json.loads(line) for line in told.splitlines()]
    assert row["input"] == "96x672"
    assert row["rows"]["0.5"].keys() == {"precision", "recall", "F1", "right", "false_per_empty"}
    assert row["rows"]["0.5"]["false_per_empty"] is None  # every frame of this set shows somebody
