"""Training, from a recipe to weights that are evaluated."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personsearch.errors import PersonSearchError
from personsearch.train import chain, load_finetune, load_pretrain
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
    assert "9, all of them sound" in told.out
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


def test_what_is_printed_can_be_pasted(
    run: Run, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder that training prints is one that --weights and init take, wherever the run went."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("personsearch.train.finetune", lambda config: Path(config.run.out) / "weights")
    for out, printed in (("run-good", "./run-good/weights"), ("../x", "../x/weights"), ("/x/y", "/x/y/weights")):
        done = run("train", "finetune", "own-finetune", f"run.out={out}")
        assert done.out == f"weights in {printed}\n"


MISTAKES = [
    (["data.annotations=nowhere.json"], "nowhere.json: no such file or folder"),
    (["data.annotations=empty"], "not a set in a known format"),
    ([f"data.annotations={'a' * 300}"], "error: aaa"),
    (["data.annotations=none.json"], "no"),
    (["run.out=train.json"], "train.json: is a file, not a folder; choose another run.out"),
    (["run.out=train.json/below"], "train.json is a file, not a folder"),
    (["run.device=cuda:77"], "is not available"),
    (["run.device=gpu"], "is unknown"),
    (["optimizer.lr=nan"], "optimizer.lr"),
    (["optimizer.lr=inf"], "optimizer.lr"),
    (["optimiser.lr=1"], "did you mean 'optimizer'?"),
    (["run.seed=5000000000"], "run.seed"),
    (["run.num_workers=100000"], "run.num_workers"),
    (["schedule=3"], "schedule"),
    (["data.holdout_places=b"], "data.holdout_places"),
    (
        ["data.holdout_places=['s6']"],
        "no place 's6' to hold out; places are: a. Write data.holdout_places='[\"a\"]' or data",
    ),
    (["data.holdout_places=['a']"], "holding out a leaves nothing to train on"),
    (["init=./nowhere"], "./nowhere: no such folder"),
    (["init=./nowhere.pth"], "./nowhere.pth: no such file"),
    (["init=train.json"], "train.json"),
]


@pytest.mark.parametrize("verb", ["pretrain", "finetune"])
def test_a_mistake_in_a_recipe_is_one_sentence(
    verb: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_set(tmp_path, num_scenes=2)
    (tmp_path / "empty").mkdir()
    (tmp_path / "none.json").write_text('{"images": [], "annotations": []}')
    monkeypatch.chdir(tmp_path)
    base = ["data.annotations=train.json", "data.holdout_places=[]", "run.out=run", "run.num_workers=0"]
    base += ["num_identities=2"] if verb == "pretrain" else ["init=stl-mrfp-small"]
    before = sorted(tmp_path.iterdir())
    for overrides, message in MISTAKES:
        done = run("train", verb, f"synth-{verb}", *base, *overrides)
        assert done.code == 2, (overrides, done)
        assert message in done.err.replace("\n", " "), (overrides, done.err)
        assert "Traceback" not in done.err
        assert done.err.count("error:") == 1
    assert sorted(tmp_path.iterdir()) == before


KEYS = ["optimizer.lr", "run.seed", "data", "data.sets", "data.annotations", "model.input", "steps.clip_norm"]
VALUES = ["nan", "-inf", "1e400", "-1", "0", "[]", "{}", "[1, 'a']", "true", "''", "1979-05-27", "0x7fffffffffffffff"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.builds("{}={}".format, st.sampled_from(KEYS), st.one_of(st.sampled_from(VALUES), st.text(max_size=8))),
            st.text(max_size=12),
        ),
        max_size=3,
    )
)
def test_overrides_are_taken_or_refused(overrides: list[str]) -> None:
    for load, recipe in ((load_pretrain, "synth-pretrain"), (load_finetune, "own-finetune")):
        with suppress(PersonSearchError):  # anything else is a traceback for the user
            assert load(recipe, overrides).run.out


def flat(values: dict[str, Any], name: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{name}{key}.") if isinstance(value, dict) else {f"{name}{key}": value}
    return found
