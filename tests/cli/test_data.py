"""``personsearch data`` on a set of toy scenes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from personsearch.datasets import FORMATS
from tests.support import Run, toy_set


@pytest.fixture
def toys(tmp_path: Path) -> Path:
    """Folder with train.json, test.json and queries.json; the people of both are numbered from 0."""
    folder = tmp_path / "toys"
    (folder / "data").mkdir(parents=True)
    for split, number in (("train", 8), ("test", 6)):
        path = toy_set(folder / split, number)
        data = json.loads(path.read_text())
        path.unlink()
        for row in data["images"]:
            row["file_name"] = f"{split}/{row['file_name']}"
            row["camera"] = f"{split}-{row['camera']}"
        (folder / f"{split}.json").write_text(json.dumps(data))
        # The first scenes of both are the same pictures otherwise.
        for path in (folder / split).iterdir():
            if split == "test":
                with Image.open(path) as image:
                    turned = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
                turned.save(path)
    (folder / "queries.json").write_text(json.dumps({"queries": [{"annotation_id": 1}, {"annotation_id": 8}]}))
    return folder


def edit(path: Path, change: Any) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def kinds(out: str) -> dict[str, int]:
    return {one["kind"]: one["count"] for one in json.loads(out)["findings"]}


def test_both_splits_are_examined_together(run: Run, toys: Path) -> None:
    done = run("data", "check", toys, "--quick", "--json")
    report = json.loads(done.out)
    assert done.code == 0
    assert [(s["name"], s["scenes"], s["boxes"], s["queries"]) for s in report["splits"]] == [
        ("train", 8, 24, 0),
        ("test", 6, 18, 2),
    ]
    assert (report["images"], report["errors"], kinds(done.out)) == ("headers", 0, {"numbered-apart": 4})


def test_one_split_or_one_file(run: Run, toys: Path) -> None:
    for arguments in ((toys, "--split", "train"), (toys / "train.json",)):
        report = json.loads(run("data", "check", *arguments, "--no-images", "--json").out)
        assert [split["name"] for split in report["splits"]] == ["train"]
        assert (report["images"], report["findings"]) == ("none", [])


def test_errors_end_with_status_1_and_say_where(run: Run, toys: Path) -> None:
    (toys / "train" / "003.png").unlink()
    done = run("data", "check", toys)
    assert done.code == 1
    assert "missing images" in done.out
    assert str(toys / "train" / "003.png") in done.out.replace("\n", "")
    assert "1 error, " in done.out
    assert run("data", "check", toys, "--no-images").code == 0


def test_queried_people_in_both_splits_are_an_error(run: Run, toys: Path) -> None:
    def same_cameras(data: Any) -> None:
        for row in data["images"]:
            row["camera"] = row["camera"][-2:]

    for split in ("train", "test"):
        edit(toys / f"{split}.json", same_cameras)
    done = run("data", "check", toys, "--no-images", "--json")
    assert done.code == 1
    assert kinds(done.out)["shared-identity-queried"] == 2


def test_malformed_rows_are_an_error_unless_they_are_skipped(run: Run, toys: Path) -> None:
    def break_two(data: Any) -> None:
        data["annotations"][3]["bbox"] = [1, 2, float("nan"), 4]
        data["annotations"][4]["bbox"] = [1, 2, -3, 4]

    edit(toys / "train.json", break_two)
    done = run("data", "check", toys, "--no-images")
    assert done.code == 2
    assert "train.json: annotation 4" in done.err.replace("\n", "")
    done = run("data", "check", toys, "--no-images", "--skip-bad", "--json")
    assert done.code == 1
    assert kinds(done.out)["skipped-row"] == 2
    assert json.loads(done.out)["splits"][0]["accounting"]["rows"] == 24


def test_plots_are_drawn_even_without_images(run: Run, toys: Path, tmp_path: Path) -> None:
    done = run("data", "check", toys, "--no-images", "--plots", tmp_path / "plots")
    assert done.code == 0
    names = {"people-per-frame.png", "box-sizes.png", "identity-long-tail.png", "cameras-per-identity.png"}
    assert {path.name for path in (tmp_path / "plots").iterdir()} == names
    assert all(str(tmp_path / "plots" / name) in done.out for name in names)


def test_mistakes_end_with_status_2(run: Run, toys: Path, tmp_path: Path) -> None:
    assert "no such file" in run("data", "check", tmp_path / "nowhere").err
    assert "exclude each other" in run("data", "check", toys, "--quick", "--no-images").err
    done = run("data", "check", toys, "--split", "nope")
    assert done.code == 2
    assert "'train', 'test'" in done.err
    done = run("data", "check", toys, "--format", "voc")
    assert done.code == 2
    assert all(name in done.err for name in FORMATS)


def test_a_missing_plot_library_is_reported_before_the_set_is_read(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    done = run("data", "check", tmp_path / "nowhere", "--plots", tmp_path / "plots")
    assert done.code == 2
    assert "personsearch[data]" in done.err


def test_long_names_are_not_cut(run: Run, toys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "a-very-long-name-of-a-set-" * 4
    (toys / "train.json").rename(toys / f"{name}.json")
    done = run("data", "check", toys / f"{name}.json", "--no-images")
    assert name in "".join(line.strip() for line in done.out.splitlines()[:4])
    assert "…" not in done.out


def test_sheets_of_scenes_and_of_people(run: Run, toys: Path, tmp_path: Path) -> None:
    done = run("data", "show", toys, tmp_path / "out", "--per-page", 5)
    assert done.code == 0
    assert "train: 8 of 8 scenes" in done.out
    made = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert made == [f"{split}-scenes-00{k}.jpg" for split in ("test", "train") for k in (1, 2)]
    (toys / "test" / "000.png").unlink()
    done = run("data", "show", toys, tmp_path / "out", "--identities", "--split", "test", "--pages", 1)
    assert done.code == 0
    assert "test: 4 of 4 identities" in done.out
    assert "000.png" in done.err
    assert (tmp_path / "out" / "test-identities-001.jpg").is_file()


def test_a_set_without_scenes_is_an_error_and_not_a_crash(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty.json").write_text(json.dumps({"images": [], "annotations": []}))
    done = run("data", "check", tmp_path / "empty.json", "--plots", tmp_path / "plots", "--json")
    assert done.code == 1
    assert kinds(done.out) == {"no-scenes": 1}
    assert "has no scene that can be used: it has no images" in done.out
    assert json.loads(done.out)["splits"][0]["head_share"] is None
    assert json.loads(done.out)["plots"] == []


def test_a_set_of_which_nothing_is_left_is_an_error(run: Run, toys: Path) -> None:
    names = [{"id": 1, "name": "people"}, {"id": 2, "name": "staff"}, {"id": 3, "name": "visitor"}]

    def categorise(data: Any) -> None:
        data["categories"] = names
        for row in data["annotations"]:
            row["category_id"] = 2

    edit(toys / "train.json", categorise)
    assert run("data", "check", toys / "train.json", "--no-images", "--json").code == 0
    done = run("data", "check", toys / "train.json", "--no-images", "--people", "Visitor")
    assert done.code == 1
    assert "all 24 boxes were left out: 24 category 'staff'" in " ".join(done.out.split())
    assert "1 error, " in done.out
    both = ("--people", "Visitor", "--people", "staff")
    done = run("data", "check", toys / "train.json", "--no-images", "--json", *both)
    assert (done.code, json.loads(done.out)["splits"][0]["boxes"]) == (0, 24)
    done = run("data", "check", toys / "train.json", "--people", "dog")
    assert done.code == 2
    assert "has no category dog; it has staff (24), people (0), visitor (0)" in " ".join(done.err.split())
    assert run("data", "show", toys / "train.json", toys / "out", "--people", "visitor").code == 2
    assert run("data", "show", toys / "train.json", toys / "out", "--people", "staff", "--pages", 1).code == 0


def test_ignored_boxes_alone_are_an_error(run: Run, toys: Path) -> None:
    def ignore(data: Any) -> None:
        for row in data["annotations"]:
            row["ignore"] = "yes"

    edit(toys / "train.json", ignore)
    done = run("data", "check", toys / "train.json", "--no-images", "--json")
    assert done.code == 1
    assert kinds(done.out) == {"all-ignored": 24, "changed-box": 16}


def test_every_image_can_be_decoded_as_training_does(run: Run, toys: Path) -> None:
    done = run("data", "check", toys / "train.json", "--read")
    assert done.code == 0
    assert "images decoded at full size" in done.out
    path = toys / "train" / "003.png"
    path.write_bytes(path.read_bytes()[:-300])
    done = run("data", "check", toys / "train.json", "--read", "--json")
    assert (done.code, json.loads(done.out)["images"]) == (1, "full")
    assert kinds(done.out) == {"unreadable-image": 1}
    assert "--read and --quick exclude each other" in run("data", "check", toys, "--read", "--quick").err


def test_help_fits_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for command in ("check", "show"):
        done = run("data", command, "--help")
        assert "DATASET" in done.out
        for option in ("--format", "--people", "--skip-bad", "mot-shared"):
            assert option in done.out
