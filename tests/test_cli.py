"""The command line from end to end, in this process and, where it matters, in one of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from personsearch import PersonSearcher
from personsearch.models import ModelConfig, build
from tests.support import TINY, Run, toy_scene, toy_set, video

PEOPLE = [(0, 10, 10), (1, 60, 20), (2, 115, 8)]


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


@pytest.fixture
def weights(tiny_searcher: PersonSearcher, tmp_path: Path) -> Path:
    return tiny_searcher.save_pretrained(tmp_path / "weights")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for n in range(3):
        toy_scene(PEOPLE, seed=n).save(folder / f"{n}.png")
    return folder


def test_index_then_search(run: Run, weights: Path, photos: Path, tmp_path: Path) -> None:
    gallery, picture = tmp_path / "g", tmp_path / "matches.png"
    (photos / "broken.png").write_bytes(b"no")
    first = run("index", photos, gallery, "--weights", weights)
    assert first.code == 0
    assert "3 scenes added with 15 people, 0 were there already" in first.out
    assert "1 could not be used" in first.err
    assert "broken.png: cannot be read" in first.err
    again = run("index", photos, gallery, "--weights", weights, "--json")
    assert json.loads(again.out)["skipped"] == 3

    done = run("search", gallery, photos / "1.png", "--box", "10,10,30,70", "-k", 4, "--weights", weights, "--json")
    answer = json.loads(done.out)
    assert answer["query"] == {"image": str(photos / "1.png"), "box": [10, 10, 30, 70], "score": None}
    matches = answer["matches"]
    assert len(matches) == 4
    assert [m["similarity"] for m in matches] == sorted((m["similarity"] for m in matches), reverse=True)
    table = run("search", gallery, photos / "1.png", "--one-per-image", "--weights", weights, "--save", picture)
    assert "1.png" in table.out
    assert "looking for the person at " in table.out
    assert size_of(picture)[0] > 400


def test_search_takes_the_weights_that_the_gallery_was_made_with(
    run: Run, weights: Path, photos: Path, tmp_path: Path, tiny_config: ModelConfig
) -> None:
    gallery = tmp_path / "g"
    assert run("index", photos, gallery, "--weights", weights).code == 0
    query = ("search", gallery, photos / "1.png", "--box", "10,10,30,70", "--json")
    assert json.loads(run(*query).out) == json.loads(run(*query, "--weights", weights).out)
    weights.rename(tmp_path / "elsewhere")
    missing = run(*query)
    assert missing.code == 2
    assert "say where they are with --weights" in missing.err.replace("\n", " ")
    assert run(*query, "--weights", tmp_path / "elsewhere").code == 0
    torch.manual_seed(5)
    PersonSearcher(build(tiny_config), device="cpu").save_pretrained(weights)
    others = run(*query)
    assert others.code == 2
    assert "those of this name are others now" in others.err.replace("\n", " ")


def test_long_names_are_shown_whole_on_a_narrow_terminal(
    run: Run, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "-".join(f"camera{n:02}" for n in range(12)) + ".png"
    (tmp_path / "photos").mkdir()
    toy_scene(PEOPLE).save(tmp_path / "photos" / name)
    run("index", tmp_path / "photos", tmp_path / "g", "--weights", weights)
    search = ("search", tmp_path / "g", tmp_path / "photos" / name, "-k", 1, "--weights", weights)
    assert name in run(*search, columns=60).out  # too narrow for a table: a line for each match
    for columns in (80, 200):
        header, *rows = run(*search, columns=columns).out.split(" rank", 1)[1].splitlines()
        scene = slice(header.index("scene") + len(" rank"), header.index("box") + len(" rank"))
        assert "".join(row[scene].strip() for row in rows[1:]) == name
        assert max(len(row) for row in rows) <= columns


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("search", "G", "Q", "--box", "1,2,3"), "must be four numbers"),
        (("search", "nowhere", "Q"), "nowhere"),
        (("search", "G", "/nowhere.png"), "/nowhere.png: no such file"),
        (("index", "/nowhere", "new"), "/nowhere: no such folder, file or glob"),
        (("detect", "/nowhere.png"), "/nowhere.png: no such file"),
    ],
)
def test_input_is_checked_before_the_network_is_loaded(
    arguments: tuple[str, ...], message: str, run: Run, weights: Path, photos: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    run("index", photos, tmp_path / "g", "--weights", weights)
    monkeypatch.setattr(PersonSearcher, "from_pretrained", lambda *_, **__: pytest.fail("the network was loaded"))
    given = {"G": tmp_path / "g", "Q": photos / "0.png"}
    done = run(*[given.get(argument, argument) for argument in arguments])
    assert done.code == 2
    assert message in done.err.replace("\n", " ")


def test_index_a_video(run: Run, weights: Path, tmp_path: Path) -> None:
    clip = video(tmp_path / "clip.mp4")
    done = run("index", clip, tmp_path / "g", "--every", 10, "--weights", weights, "--json")
    assert json.loads(done.out)["added"] == 2
    search = run("search", tmp_path / "g", clip.with_name("q.png"), "--weights", weights)
    assert (search.code, search.out) == (2, "")
    assert "q.png: no such file" in search.err


def test_sidecar_and_filters(run: Run, weights: Path, photos: Path, tmp_path: Path) -> None:
    sidecar = tmp_path / "side.csv"
    sidecar.write_text("image_id,camera,time\n0.png,door,5\n1.png,yard,6\n")
    run("index", photos, tmp_path / "g", "--sidecar", sidecar, "--weights", weights)
    query = ("search", tmp_path / "g", photos / "0.png", "--box", "10,10,30,70", "--weights", weights, "--json")
    assert {m["camera"] for m in json.loads(run(*query, "--camera", "door").out)["matches"]} == {"door"}
    assert {m["time"] for m in json.loads(run(*query, "--since", 5.5).out)["matches"]} == {6.0}
    kept = json.loads(run(*query, "--exclude", "0.png").out)["matches"]
    assert "0.png" not in {m["image_id"] for m in kept}


def test_detect(run: Run, weights: Path, photos: Path, tmp_path: Path) -> None:
    done = run("detect", photos / "0.png", photos / "1.png", "--weights", weights, "--save", tmp_path / "d", "--json")
    rows = json.loads(done.out)
    assert len(rows) == 2
    assert len(rows[0]["boxes"][0]) == 4
    assert size_of(tmp_path / "d" / "0.png") == (160, 96)
    assert "nobody detected" in run("detect", photos / "0.png", "--threshold", 1, "--weights", weights).out


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
    one = run("train", "pretrain", "small-pretrain", f"run.out={tmp_path / 'one'}", "num_identities=2", *shape)
    assert one.code == 0, one.err
    backbone = tmp_path / "one" / "weights"
    two = run("train", "finetune", "small-finetune", f"run.out={tmp_path / 'two'}", f"init={backbone}", *shape)
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


def test_weights_list_and_show(run: Run) -> None:
    assert "stl-mrfp-small" in run("weights", "list").out
    assert json.loads(run("weights", "list", "--json").out)["stl-mrfp-small"]["license"] == "CC0-1.0"
    assert json.loads(run("weights", "show", "stl-mrfp-small", "--json").out)["arch"] == "stl-mrfp-small"
    assert "sha256" in run("weights", "show", "stl-mrfp-small").out
    assert run("weights", "show", "nope").code == 2


def test_recipes(run: Run) -> None:
    listed = run("train", "recipes").out
    for name in ("small-pretrain", "small-finetune", "prw-pretrain", "cuhk-sysu-finetune", "own-finetune"):
        assert name in listed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("index", "photos"), "the gallery's folder last"),
        (("detect", __file__, "--weights", "./none"), "no such folder"),
        (("train", "finetune", "small-finetune", "optimizer.rate=1"), "unknown key"),
        (("train", "pretrain", "none.toml"), "cannot be read"),
        (("index", "/nowhere", "g", "--sidecar", "/none.csv"), "cannot be read"),
    ],
)
def test_mistakes_end_with_a_message_and_two(run: Run, arguments: tuple[str, ...], message: str) -> None:
    done = run(*arguments)
    assert done.code == 2
    assert message in done.err.replace("\n", " ")
    assert "Traceback" not in done.err


def test_looking_after_a_gallery(run: Run, weights: Path, photos: Path, tmp_path: Path) -> None:
    gallery = tmp_path / "g"
    assert run("index", photos, gallery, "--weights", weights).code == 0
    told = json.loads(run("gallery", "info", gallery, "--json").out)
    assert (told["images"], told["people"], told["weights"]) == (3, 15, str(weights))
    assert "exact" in run("gallery", "info", gallery).out
    assert run("gallery", "check", gallery).out == "all is well\n"
    assert run("gallery", "rebuild", gallery, "--index", "exact").out.startswith("exact")
    assert "must be" not in run("gallery", "rebuild", gallery).err
    wrong = run("gallery", "rebuild", gallery, "--index", "hnsw")
    assert (wrong.code, "'hnsw' is not one of" in wrong.err) == (2, True)
    assert "1 scene erased" in run("gallery", "remove", gallery, "1.png").out
    assert run("gallery", "remove", gallery).code == 2
    assert json.loads(run("gallery", "remove", gallery, "--before", 10, "--json").out) == {"erased": 0}
    data = bytearray((gallery / "gallery.sqlite").read_bytes())
    place = data.find(b"2.png")
    data[place : place + 1] = b"7"
    (gallery / "gallery.sqlite").write_bytes(data)
    problem = run("gallery", "check", gallery)
    assert problem.code == 1
    assert "problem:" in problem.err
    saved = run("gallery", "rescue", gallery, tmp_path / "new")
    assert "1 of 2 scenes saved, with 5 people" in saved.out
    assert "7.png" in saved.err
    assert run("gallery", "rescue", gallery, tmp_path / "new").code == 2
    assert json.loads(run("gallery", "check", tmp_path / "new", "--json").out) == []
    assert run("gallery", "info", tmp_path / "none").code == 2


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


def flat(values: dict[str, Any], name: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{name}{key}.") if isinstance(value, dict) else {f"{name}{key}": value}
    return found


def test_in_a_process_of_its_own() -> None:
    command = [sys.executable, "-m", "personsearch"]
    version = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.strip() == "0.1.0"
    wrong = subprocess.run([*command, "detect", "/nowhere.jpg"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "/nowhere.jpg: no such file" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    assert wrong.stdout == ""


def test_demo(run: Run, tmp_path: Path) -> None:
    picture = tmp_path / "demo.png"
    rows = json.loads(run("demo", "--out", picture, "--json").out)
    assert {row["query"] for row in rows} == {1, 2, 3}
    assert all(row["rank"] <= 5 for row in rows)
    # Trained weights put the right person first; chance would be about one in eight.
    assert sum(row["correct"] for row in rows if row["rank"] == 1) >= 2
    assert size_of(picture)[1] > 700
    shown = run("demo", "--out", picture)
    assert "same person?" in shown.out
    assert "personsearch index photos/ my-gallery/" in shown.out
