"""The chain from nothing to weights, on sets whose people are rectangles, so that no OpenGL is needed."""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock

from personsearch import PersonSearcher
from personsearch.datasets import load_dataset
from personsearch.errors import ConfigError, DatasetError, TrainingError
from personsearch.synth import load_recipe
from personsearch.train import budgets, chain, from_scratch, read_status
from personsearch.train.card import describe_photographs
from personsearch.train.chain import Candidate
from personsearch.weights.files import read_tensors
from tests.synth.pictures import make_small
from tests.train.runs import KilledError, kill_after

ROOT = Path(__file__).parents[2]
MODULE = importlib.import_module("personsearch.train.from_scratch")  # the package's attribute is the function
BUDGET = """
[toy]
about = "for tests"
[toy.pretrain]
num_identities = 2
num_instances = 2
schedule = { epochs = 1, warmup_epochs = 0.0 }
run = { precision = "float32", num_workers = 0, validate_every = 1, checkpoint_every = 4 }
model = { input = { min_size = 96, max_size = 160 }, reid = { roi_size = [8, 4] } }
[toy.finetune]
optimizer = { name = "sgd", lr = 0.01 }
schedule = { epochs = 1, warmup_epochs = 0.0 }
run = { precision = "float32", num_workers = 0, validate_every = 1, checkpoint_every = 2 }
[toy.finetune.model]
input = { min_size = 96, max_size = 160 }
reid = { roi_size = [8, 4] }
detector = { head_width = 16, rpn_post_nms_train = 40, rpn_post_nms_test = 20, max_people = 5 }
"""
TEACHER = """
[teach]
about = "the teacher is a preset of its own"
teacher = "stl-mrfp-r50"
distill = { temperature = 0.2 }
finetune = { batch_size = 3 }
[teach.presets.stl-mrfp-r50.finetune]
batch_size = 2
"""


@pytest.fixture
def budget(tmp_path: Path) -> str:
    path = tmp_path / "budgets.toml"
    path.write_text(BUDGET + TEACHER)
    return f"{path}:toy"


@pytest.fixture(autouse=True)
def _rectangles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE, "make", make_rectangles)


def make_rectangles(recipe: Any, folder: Path, *, workers: int | None) -> Path:
    return make_small(folder, recipe=recipe, workers=workers or 1)


@pytest.mark.slow
def test_interrupted_anywhere_and_continued(
    budget: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "personsearch"):
        whole = from_scratch(tmp_path / "whole", budget=budget, device="cpu")
    for said in ("stage 1 of 5, the set", "every place is drawn", "stage 2 of 5, STL step 1", "under a minute"):
        assert said in caplog.text
    broken = tmp_path / "broken"
    # An estimate takes three steps. The first call dies at step 6 of step 1, after a checkpoint at 4, the second at the
    # last step of step 2.
    for steps in (3 + 5, 3 + read_status(tmp_path / "whole" / "stl-mrfp-small" / "pretrain").steps - 4 + 3 + 3):
        with monkeypatch.context() as patch:
            kill_after(patch, steps)
            with pytest.raises(KilledError):
                from_scratch(broken, budget=budget, device="cpu")
    assert read_status(broken / "stl-mrfp-small" / "pretrain").finished
    assert not read_status(broken / "stl-mrfp-small" / "finetune").finished
    assert not (broken / "weights").exists()
    continued = from_scratch(broken, budget=budget, device="cpu")
    assert continued == broken / "weights"
    ours, theirs = (read_tensors(folder / "model.safetensors") for folder in (continued, whole))
    assert all(torch.equal(value, theirs[key]) for key, value in ours.items())

    # What came out opens, and is described.
    assert PersonSearcher.from_pretrained(whole, device="cpu").config.embedding_size == 512
    summary = MODULE.read_summary(tmp_path / "whole")
    assert summary["kept"] == "stl-mrfp-small"
    [row] = summary["rows"]  # the toy set has one place, which chose the epoch
    assert (row["scored on"], row["scenes"], row["queries"]) == ("all places", 15, 10)
    card = (whole / "README.md").read_text()
    assert "No photograph was used." in card
    assert "`stl-mrfp-small/pretrain`" in card
    assert "reid_map" in card
    # A finished chain does nothing again.
    before = (whole / "model.safetensors").stat().st_mtime_ns
    with monkeypatch.context() as patch:
        kill_after(patch, 0)
        assert from_scratch(tmp_path / "whole", budget=budget, device="cpu") == whole
    assert (whole / "model.safetensors").stat().st_mtime_ns == before


def test_nobody_learns_from_the_people_that_choose_the_epoch(budget: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make_rectangles(load_recipe("places"), out / "set", workers=1)
    MODULE._hold_out(out / "set", out / "validation.json")
    planned = chain.chain_of(out, budget, None, None, "stl-mrfp-small", None, None)
    config = chain.pretrain_config(planned, planned.candidates[0])
    ours, theirs = config.data.all_sets
    assert ours.holdout_places == ()
    places = {scene.place for scene in load_dataset(theirs.annotations, "train", images=theirs.images).scenes}
    assert places == set(theirs.holdout_places) == {"s2"}


def test_the_last_third_of_the_test_places_chooses_the_epoch(tmp_path: Path) -> None:
    images = [{"id": n, "file_name": f"{n}.jpg", "scene": f"s{n // 2}"} for n in range(14)]
    rows = [{"id": n, "image_id": n} for n in range(14)]
    (tmp_path / "test.json").write_text(json.dumps({"images": images, "annotations": rows, "categories": []}))
    MODULE._hold_out(tmp_path, tmp_path / "validation.json")
    table = json.loads((tmp_path / "validation.json").read_text())
    assert [image["id"] for image in table["images"]] == [10, 11, 12, 13]  # two of seven places
    assert [row["id"] for row in table["annotations"]] == [10, 11, 12, 13]


def test_budgets_are_recipes_that_load(tmp_path: Path) -> None:
    assert budgets.budget_names() == ["tiny", "cpu", "gpu"]
    for name in budgets.budget_names():
        for preset in ("stl-mrfp-small", "stl-mrfp-r50"):
            planned = chain.chain_of(tmp_path, name, None, None, preset, None, None)
            assert planned.candidates[-1].preset == preset
            for one in planned.candidates:
                first, second = chain.pretrain_config(planned, one), chain.finetune_config(planned, one)
                assert first.model == second.model or name == "tiny"  # whose scenes are small
                assert second.init == str(tmp_path / one.name / "pretrain" / "weights")
                assert first.num_identities <= planned.recipe.train.identities


def test_a_budget_with_a_teacher(budget: str, tmp_path: Path) -> None:
    name = budget.replace(":toy", ":teach")
    planned = chain.chain_of(tmp_path, name, None, None, "stl-mrfp-small", "cpu", None)
    teacher, plain, distilled = planned.candidates
    assert [one.name for one in planned.candidates] == ["stl-mrfp-r50", "stl-mrfp-small", "stl-mrfp-small-distilled"]
    assert chain.finetune_config(planned, teacher).batch_size == 2
    assert chain.finetune_config(planned, plain).distill is None
    config = chain.finetune_config(planned, distilled)
    assert (config.batch_size, config.run.device) == (3, "cpu")
    assert config.distill is not None
    assert config.distill.temperature == 0.2
    assert config.distill.teacher == str(tmp_path / "stl-mrfp-r50" / "finetune" / "weights")
    alone = chain.chain_of(tmp_path, name, None, None, "stl-mrfp-r50", None, None)
    assert [one.name for one in alone.candidates] == ["stl-mrfp-r50"]


def test_the_better_small_one_is_kept() -> None:
    candidates = (Candidate("large", "r50"), Candidate("plain", "small"), Candidate("distilled", "small", "large"))

    def kept(**selections: float | None) -> str:
        return chain.best_candidate(candidates, "small", selections).name

    assert kept(large=0.9, plain=0.5, distilled=0.6) == "distilled"
    assert kept(large=0.9, plain=0.6, distilled=0.6) == "plain"
    assert kept(large=0.9, plain=None, distilled=0.1) == "distilled"
    assert kept(large=None, plain=None, distilled=None) == "plain"


def test_mistakes_cost_nothing(budget: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    empty = tmp_path / "photos"
    empty.mkdir()
    for changes, error, message in (
        ({"budget": "huge"}, ConfigError, "no such budget; choose from tiny, cpu, gpu"),
        ({"budget": "none.toml:x"}, ConfigError, "none.toml: cannot be read"),
        ({"preset": "huge"}, ConfigError, "preset 'huge' is unknown"),
        ({"photos": "nowhere"}, ConfigError, "nowhere: there is no such folder"),
        ({"photos": empty}, DatasetError, "holds no usable photograph"),
        ({"workers": 0}, ConfigError, "workers must be 1 or more"),
    ):
        with pytest.raises(error, match=message):
            from_scratch(out, **{"budget": budget, **changes})  # type: ignore[arg-type]
    assert not out.exists()
    with pytest.raises(ConfigError, match=r"holds other files .* choose a new or an empty folder"):
        from_scratch(tmp_path, budget=budget)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="start it without torchrun"):
        from_scratch(out, budget=budget)


def test_another_chain_in_the_folder(budget: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"

    def broken(recipe: Any, folder: Path, *, workers: int | None) -> Path:
        raise KilledError

    monkeypatch.setattr(MODULE, "make", broken)
    with pytest.raises(KilledError):
        from_scratch(out, budget=budget)
    with pytest.raises(ConfigError, match="was started with another preset and another budget; choose another folder"):
        from_scratch(out, budget="tiny", preset="stl-mrfp-r50")
    with FileLock(out / ".lock"), pytest.raises(TrainingError, match="another process works here"):
        from_scratch(out, budget=budget)
    with pytest.raises(TrainingError, match="run 'personsearch train from-scratch' to the end"):
        MODULE.read_summary(out)


def test_the_card_credits_photographs(tmp_path: Path) -> None:
    rows = [
        {"file": "a.jpg", "licence": "CC-BY-2.0", "author": "Ada", "url": "https://example.org/a", "type": "place"},
        {"file": "b.jpg", "licence": "CC0-1.0", "author": "Bob", "type": "panorama"},
        {"file": "textures/c.png", "licence": "CC0-1.0", "type": "texture"},
        {"file": "lights/d.hdr", "licence": "CC0-1.0", "type": "lighting-hdr"},
        {"file": "e.jpg", "licence": "CC-BY-2.0", "author": "Ada", "url": "https://example.org/a", "type": "place"},
    ]
    (tmp_path / "textures").mkdir()
    (tmp_path / "manifest.json").write_text(json.dumps(rows))
    text = describe_photographs(str(tmp_path), str(tmp_path / "textures"))
    assert "3 photographs of places: 2 CC-BY-2.0, 1 CC0-1.0." in text
    assert "- Ada, CC-BY-2.0, https://example.org/a: a.jpg, e.jpg\n" in text
    assert "Bob" not in text  # CC0 asks for no credit
    assert "1 photographed materials: 1 CC0-1.0." in text
    assert "whose they are" in describe_photographs(str(tmp_path / "textures" / "none"), None)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(3, "under a minute"), (61, "about 1 minute"), (720, "about 12 minutes"), (9000, "about 2.5 hours")],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert MODULE.in_words(seconds) == words


@pytest.mark.slow
def test_killed_for_good_at_every_stage(budget: str, tmp_path: Path) -> None:
    script = (
        "import importlib, sys; from tests.train.test_from_scratch import *; torch.set_num_threads(1)\n"
        "MODULE.make = make_rectangles\n"
        "from_scratch(sys.argv[1], budget=sys.argv[2], device='cpu')"
    )

    def start(out: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", script, out, budget], cwd=ROOT, start_new_session=True)

    assert start(tmp_path / "whole").wait() == 0
    out = tmp_path / "killed"
    first, second = (out / "stl-mrfp-small" / step for step in ("pretrain", "finetune"))
    for sign in (
        out / "set/recipe.json",
        out / "validation.json",
        first / "last.pt",
        first / "weights",
        second / "last.pt",
    ):
        process = start(out)
        while not sign.exists():
            assert process.poll() is None, f"ended before {sign} appeared"
            time.sleep(0.002)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert start(out).wait() == 0
    ours, theirs = (read_tensors(folder / "weights" / "model.safetensors") for folder in (out, tmp_path / "whole"))
    assert all(torch.equal(value, theirs[key]) for key, value in ours.items())
