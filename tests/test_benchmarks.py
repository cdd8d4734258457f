"""The benchmarks run, and say what they promise; never how fast."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from personsearch.models import ModelConfig, build
from personsearch.train.config import CropAugmentConfig, SceneAugmentConfig
from personsearch.weights.files import save_folder

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


def test_speed_keeps_network_decoded_and_encoded_apart() -> None:
    arguments = ["--sizes", "160x96", "--presets", "stl-mrfp-small", "--warmup", "1", "--repeats", "3", "--people", "3"]
    rows = [
        json.loads(line)
        for line in run("speed.py", *arguments, "--batch", "2", "--device", "cpu", "--json").split("\n")
        if line
    ]
    assert [row["what"] for row in rows] == ["network", "decoded", "encoded"]
    for row in rows:
        assert row["images_per_s"] > 0
        assert row["p95_ms"] >= row["median_ms"]
        assert (row["batch"], row["people"], row["dtype"], row["paper_images_per_s"]) == (2, 3, "float32", None)
        assert {"cpu", "torch", "date"} <= row.keys()
    table = run("speed.py", *arguments, "--device", "cpu")
    assert "| stl-mrfp-small | 160x96 | network | cpu, float32 | 1 |" in table


def test_the_gallery_s_costs() -> None:
    told = run("gallery.py", "--people", "4000", "--dim", "16")
    for line in ("scenes of 8 people added a second", "numpy: one query", "exact, FAISS: one query", "erased in"):
        assert line in told


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


def test_augmentation_times_each_key_of_the_recipe() -> None:
    head, _, *rows = run("augmentation.py").splitlines()
    assert head == "| key | 672x448 | 960x640 | 64x128 |"
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    names = {key for name, *_ in cells for key in name.split(", ")}
    assert names <= {*SceneAugmentConfig.model_fields, *CropAugmentConfig.model_fields}
    assert len(rows) == 11
    assert all(float(value) >= 0 for _, *values in cells for value in values)
