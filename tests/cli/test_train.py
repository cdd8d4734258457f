"""Training, from a recipe to weights that are evaluated."""

import json
from pathlib import Path
from typing import Any

from personsearch.train import chain
from tests.support import TINY, Run, toy_set


def test_train_both_steps_then_evaluate(run: Run, tmp_path: Path) -> None:
    annotations = toy_set(tmp_path / "toy")
    shape = [
        "model.input.min_size=96",
        "model.input.max_size=160",
        "model.reid.roi_size=[8, 4]",
        "model.detector.score_threshold=0.0",
        f"data.annotations={annotations}",
        "data.holdout_places=[]",
        "schedule.epochs=1",
        "run.num_workers=0",
    ]
    one = run("train", "pretrain", "synth-pretrain", f"run.out={tmp_path / 'one'}", "num_identities=2", *shape)
    assert one.code == 0, one.err
    backbone = tmp_path / "one" / "weights"
    two = run("train", "finetune", "synth-finetune", f"run.out={tmp_path / 'two'}", f"init={backbone}", *shape)
    assert two.code == 0, two.err
    assert "left as built" in two.err
    trained = tmp_path / "two" / "weights"

    queries = tmp_path / "queries.json"
    queries.write_text(json.dumps({"queries": [{"annotation_id": 1}, {"annotation_id": 2}]}))
    done = run("evaluate", trained, annotations, "--queries", queries, "--no-cache", "--json")
    [report] = json.loads(done.out)["reports"]
    assert (report["name"], report["preset"]) == (str(trained), "standard")

    wrong = run("detect", tmp_path / "toy" / "000.png", "--weights", backbone)
    assert wrong.code == 2
    assert "personsearch train finetune" in wrong.err.replace("\n", " ")


def test_recipes(run: Run) -> None:
    listed = run("train", "recipes").out
    for name in ("synth-pretrain", "synth-finetune", "prw-pretrain", "cuhk-sysu-finetune", "own-finetune"):
        assert name in listed


def test_training_from_start_to_status(run: Run, weights: Path, tmp_path: Path) -> None:
    annotations = toy_set(tmp_path / "toy", num_scenes=9, place_every=3)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f"""
        init = "{weights}"
        batch_size = 2
        [run]
        out = "{tmp_path / "run"}"
        num_workers = 0
        log_every = 1
        [model]
        preset = "stl-mrfp-small"
        [data]
        annotations = "{annotations}"
        holdout_places = ["b"]
        [optimizer]
        name = "sgd"
        lr = 0.001
        [schedule]
        epochs = 1
        """
    )
    tiny = [f"model.{key}={json.dumps(value)}" for key, value in flat(TINY).items()]
    told = run("train", "finetune", recipe, *tiny, "--dry-run")
    assert told.code == 0, told.err
    assert "expected duration" in told.out
    assert not (tmp_path / "run").exists()
    done = run("train", "finetune", recipe, *tiny)
    assert done.code == 0, done.err
    assert "weights in" in done.out
    shown = run("train", "status", tmp_path / "run")
    assert "finetune, finished, 3 steps" in shown.out
    assert "selection" in shown.out
    assert json.loads(run("train", "status", tmp_path / "run", "--json").out)["finished"] is True
    assert "weights in" in run("train", "resume", tmp_path / "run").out
    assert run("train", "status", tmp_path).code == 2
    assert "prw-pretrain" in run("train", "recipes").out


def test_from_scratch_shows_figures_of_all_networks_and_which_is_kept(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    planned = chain.chain_of(out, "tiny", None, None, "stl-mrfp-small", None, None)
    out.mkdir()
    chain.check_settings(planned)
    # Every stage has left its result, so the command has nothing to do but to show it.
    for name in ("validation.json", "stl-mrfp-small/pretrain/weights/config.json", "stl-mrfp-small/figures.json"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).touch()
    (out / "validation.json").write_text(json.dumps({"images": [{"scene": "s6"}]}))
    (out / "stl-mrfp-small/finetune/weights").mkdir(parents=True)
    (out / "stl-mrfp-small/finetune/weights/config.json").touch()
    rows = [
        {"name": "stl-mrfp-small", "scored on": "all places", "scenes": 720, "queries": 400, "AP": 0.81234, "mAP": 0.5},
        {
            "name": "large",
            "scored on": "places that chose no epoch",
            "scenes": 480,
            "queries": 0,
            "AP": 0.9,
            "mAP": None,
        },
    ]
    (out / "summary.json").write_text(json.dumps({"kept": "stl-mrfp-small", "photographs": None, "rows": rows}))
    done = run("train", "from-scratch", out, "--budget", "tiny")
    assert done.code == 0, done.err
    [kept] = [line for line in done.out.splitlines() if line.strip().startswith("stl-mrfp-small ")]
    assert kept.split() == ["stl-mrfp-small", "all", "400", "81.2", "-", "50.0", "-"]
    assert f"weights in {out / 'weights'}" in done.out
    assert "stage 2 of 5, STL step 1 of stl-mrfp-small: done before" in done.err
    told = json.loads(run("train", "from-scratch", out, "--budget", "tiny", "--json").out)
    assert told == {"weights": str(out / "weights"), "kept": "stl-mrfp-small", "photographs": None, "rows": rows}

    other = run("train", "from-scratch", out, "--budget", "cpu")
    assert other.code == 2
    assert "was started with another budget" in other.err.replace("\n", " ")
    wrong = run("train", "from-scratch", out, "--budget", "huge")
    assert wrong.code == 2
    assert "choose from tiny, cpu, gpu" in wrong.err.replace("\n", " ")


def flat(values: dict[str, Any], name: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{name}{key}.") if isinstance(value, dict) else {f"{name}{key}": value}
    return found
