"""tools/embed_weights.py, on the bundled scenes."""

import importlib
import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from personsearch import PersonSearcher
from personsearch.datasets import load_dataset
from personsearch.demo import demo_folder
from personsearch.durable import sha256_of
from personsearch.synth import load_recipe
from personsearch.train import finetune, load_finetune
from tests.synth.pictures import make_small

ROOT = Path(__file__).parents[1]


def bundled_set(folder: Path) -> Path:
    """Lay the bundled scenes out as a synthetic set, whose two splits are the same."""
    shutil.copytree(demo_folder(), folder)
    for split in ("train", "test"):
        shutil.copy(folder / "scenes.json", folder / f"{split}.json")
    recipe = load_recipe("street-small").model_dump(mode="json")
    (folder / "recipe.json").write_text(json.dumps({"recipe": recipe}))
    return folder


def run_of_step_2(made: Path, run: Path, *changes: str) -> Path:
    quick = ["schedule.epochs=1", "steps.clip_norm=3.5", "batch_size=4", "run.num_workers=0", "run.device=cpu"]
    finetune(load_finetune("own-finetune", [f"data.annotations={made}/train.json", f"run.out={run}", *quick, *changes]))
    return run


def embed(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(ROOT / "tools/embed_weights.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_run_becomes_weights_with_card_calibration_and_registry_entry(tmp_path: Path) -> None:
    run = run_of_step_2(bundled_set(tmp_path / "set"), tmp_path / "run")
    folder = tmp_path / "weights"
    done = embed(
        tmp_path / "set", tmp_path / "set", run, "--folder", folder, "--began-from", "the weights of yesterday"
    )
    assert done.returncode == 0, done.stderr
    card = (folder / "README.md").read_text()
    for text in (
        "Run 1 began from the weights of yesterday and took",
        "`steps.clip_norm=3.5`",
        "**Set 1.** A rendered set:",
        "No photograph was used.",
        "![Scenes with most errors",
    ):
        assert text in " ".join(card.split()), text
    assert (folder / "failures.jpg").stat().st_size > 10_000
    entry = tomllib.loads((folder / "weights.toml").read_text())["stl-mrfp-small"]
    assert {file["name"]: file["sha256"] for file in entry["files"]} == {
        name: sha256_of(folder / name) for name in ("model.safetensors", "config.json", "calibration.json")
    }
    searcher = PersonSearcher.from_pretrained(folder, device="cpu")
    assert searcher.calibration is not None
    assert entry["metrics"].keys() >= {"AP", "mAP", "top1"}


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    small = ["model.input.min_size=96", "model.input.max_size=160"]
    run = run_of_step_2(bundled_set(tmp_path / "set"), tmp_path / "run", *small)
    done = embed(tmp_path / "set", tmp_path / "set", run, "--folder", tmp_path / "weights")
    assert done.returncode == 1
    assert "its training configuration is not that of the preset" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "weights").exists()


def test_no_photograph_gets_into_a_picture_of_the_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "tools")
    made = make_small(tmp_path / "set", workers=1)
    annotations = tmp_path / "set/test.json"
    table = json.loads(annotations.read_text())
    photographed = {row["file_name"] for row in table["images"][::2]}
    for row in table["images"][::2]:
        row["photo"] = "place.jpg"
    annotations.write_text(json.dumps(table))
    dataset = load_dataset(made, "test")
    drawn = importlib.import_module("embed_weights").without_photographs(dataset, annotations)
    assert [scene.image_id for scene in drawn.scenes] == [
        scene.image_id for scene in dataset.scenes if scene.image_id not in photographed
    ]
    assert drawn.scenes
    asked = {query.image_id for query in dataset.queries}
    assert {query.image_id for query in drawn.queries} == asked - photographed
    assert drawn.queries
