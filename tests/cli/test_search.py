"""Demo, search and detect, from end to end."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from personsearch import PersonSearcher
from personsearch.models import ModelConfig, build
from tests.support import Run, toy_scene

PEOPLE = [(0, 10, 10), (1, 60, 20), (2, 115, 8)]


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def test_index_then_search(run: Run, weights: Path, photos: Path, tmp_path: Path) -> None:
    gallery, picture = tmp_path / "g", tmp_path / "matches.png"
    (photos / "broken.png").write_bytes(b"no")
    first = run("index", photos, gallery, "--weights", weights)
    assert first.code == 1
    assert "3 scenes added with 15 people, 0 there already" in first.out
    assert "1 refused; named above" in first.err
    assert "broken.png: cannot be read" in first.err
    again = run("index", photos, gallery, "--weights", weights, "--json")
    assert again.code == 1
    report = json.loads(again.out)
    assert (report["skipped"], report["complete"]) == (3, False)
    assert [name for name, _ in report["failed"]] == ["broken.png"]
    (photos / "broken.png").unlink()
    (photos / "notes.txt").write_text("x")
    whole = run("index", photos, gallery, "--weights", weights)
    assert whole.code == 0
    assert "passed over, neither picture nor video: 1 .txt" in whole.out

    done = run("search", gallery, photos / "1.png", "--box", "10,10,30,70", "-k", 4, "--weights", weights, "--json")
    answer = json.loads(done.out)
    person = {"box": [10, 10, 30, 70], "score": None, "whole_picture": False}
    assert answer["query"] == {"image": str(photos / "1.png"), **person}
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
        (("search", "G", "Q", "--save", "/proc/nothing/m.png"), "/proc/nothing: this folder cannot be made"),
        (("search", "G", "Q", "--device", "cuda:99"), "device 'cuda:99' is not available"),
        (("search", "G", "Q", "--device", "gpu"), "device 'gpu' is unknown; use cuda, cuda:1, mps or cpu"),
        (("search", "G", "Q", "--save", "matches"), "does not end like a picture; name it matches.png"),
        (("detect", "Q", "--save", "boxes"), "does not end like a picture; name it boxes.png"),
        (("detect", "Q", "/proc/version", "--save", "/proc/d"), "/proc/d: this folder cannot be made"),
        (("demo", "--out", "/proc/nothing/demo.png"), "this folder cannot be made"),
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


def test_sidecar_and_filters(run: Run, weights: Path, photos: Path, tmp_path: Path) -> None:
    sidecar = tmp_path / "side.csv"
    sidecar.write_text("image_id,camera,time\n0.png,door,5\n1.png,yard,6\n")
    run("index", photos, tmp_path / "g", "--sidecar", sidecar, "--weights", weights)
    query = ("search", tmp_path / "g", photos / "0.png", "--box", "10,10,30,70", "--weights", weights, "--json")
    assert {m["camera"] for m in json.loads(run(*query, "--camera", "door").out)["matches"]} == {"door"}
    assert {m["time"] for m in json.loads(run(*query, "--since", 5.5).out)["matches"]} == {6.0}
    kept = json.loads(run(*query, "--exclude", "0.png").out)["matches"]
    assert "0.png" not in {m["image_id"] for m in kept}


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


def test_filters_that_name_nothing_are_said(run: Run, weights: Path, photos: Path, tmp_path: Path) -> None:
    sidecar = tmp_path / "side.csv"
    sidecar.write_text("image_id,camera,time\n0.png,door,5\n1.png,yard,\n")
    run("index", photos, tmp_path / "g", "--sidecar", sidecar, "--weights", weights)
    query = ("search", tmp_path / "g", photos / "0.png", "--box", "10,10,30,70", "--weights", weights)
    done = run(*query, "--camera", "yrad", "--exclude", "./0.png", "--since", 1)
    assert "no match" in done.out
    assert "no scene here has the camera yrad; known: door, yard" in done.err
    assert "there is no image ./0.png here to leave out" in done.err
    assert "2 of 3 scenes have no time, so they are left out" in done.err
    assert run(*query, "--camera", "yard", "--exclude", "0.png", "--json").err == ""
