"""``personsearch adapt``: what is given to whom, what is printed, what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import Run, toy_scene, video

#: Pictures and options of each call.
Calls = list[tuple[Any, dict[str, Any]]]
REPORT = {
    "figures": {
        "before": {"AP": 0.5, "recall": 0.61, "mAP": None, "false per empty picture": 3.0},
        "after": {"AP": 0.9, "recall": 0.95, "mAP": 0.88, "false per empty picture": 0.04},
    },
    "footage": {"video": "clip.mp4", "kept": False, "fell": ["AP"]},
    "pictures": {"training": ["a.jpg"] * 4, "held_back": ["b.jpg"]},
}


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Stand in for the work itself, which takes minutes: keep what it is called with, and leave a report."""
    calls: Calls = []

    def keep(pictures: Any, out: Path, **options: Any) -> Path:
        calls.append((pictures, options))
        out.mkdir()
        (out / "report.json").write_text(json.dumps(REPORT))
        return out

    monkeypatch.setattr("personsearch.train.adapt", keep)
    return calls


def test_figures_before_and_after_are_printed(run: Run, tmp_path: Path, called: Calls) -> None:
    done = run(
        "adapt", tmp_path / "room", tmp_path / "out", "--minutes", 12, "--place", "indoors", "--weights", "./mine"
    )
    assert done.code == 0, done.err
    rows = {line[:24].strip(): line[24:].split("  ") for line in done.out.splitlines()}
    assert [cell.strip() for cell in rows["detection AP"] if cell.strip()] == ["50.0 %", "90.0 %"]
    assert [cell.strip() for cell in rows["search mAP"] if cell.strip()] == ["-", "88.0 %"]
    assert "held-back pictures of the place (1)" in done.out
    assert "3.00" in done.out
    assert "0.04" in done.out
    assert "statistics of clip.mp4: not used: AP fell" in done.out
    assert f"weights in {tmp_path / 'out'}" in done.out
    [(pictures, passed)] = called
    assert pictures == tmp_path / "room"
    assert (passed["minutes"], passed["place"], passed["weights"]) == (12, "indoors", "./mine")
    assert (passed["empty"], passed["people"], passed["anyway"]) == ((), [], False)


def test_a_video_its_moments_and_two_people_are_passed_on(run: Run, tmp_path: Path, called: Calls) -> None:
    people = ["--person", "1,2,3,4", "--person", "5,6,7,8", "--person-picture", "a.jpg"]
    empty = ["--empty", "0:00-0:55", "--empty", "2:00-2:10"]
    done = run("adapt", tmp_path / "out", "--video", "clip.mp4", *empty, *people, "--anyway", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out) == REPORT
    [(pictures, options)] = called
    assert pictures == Path("clip.mp4")
    assert options["empty"] == ("0:00-0:55", "2:00-2:10")
    assert options["people"] == [(1, 2, 3, 4), (5, 6, 7, 8)]
    assert (options["people_picture"], options["anyway"], options["progress"]) == ("a.jpg", True, False)
    assert "weights" not in options


def test_pictures_one_by_one(run: Run, tmp_path: Path, called: Calls) -> None:
    assert run("adapt", "a.jpg", "b.jpg", "c.jpg", tmp_path / "out").code == 0
    assert called[0][0] == [Path("a.jpg"), Path("b.jpg"), Path("c.jpg")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["out"], "give two paths, the pictures of the empty place and the folder to write"),
        (["room", "out", "--video", "clip.mp4"], "give the empty pictures once"),
        (["room", "out", "--person", "1,2,3"], "--person '1,2,3': must be four numbers"),
        (["nowhere", "out"], "nowhere: no such folder, picture or video"),
        (["room", "out"], "2 usable pictures of the empty place; give at least 3"),
        (["out", "--video", "clip.mp4", "--empty", "soon"], "--empty 'soon': cannot be read; write times"),
        (["out", "--video", "clip.mp4", "--empty", "1:00-2:00"], "clip.mp4 has no frame there"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(
    arguments: list[str], message: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "room").mkdir()
    for number in range(2):
        toy_scene([], 320, 240, seed=number).save(tmp_path / "room" / f"{number}.png")
    video(tmp_path / "clip.mp4")
    done = run("adapt", *arguments)
    assert done.code == 2
    assert message in done.err
    assert done.err.count("error:") == 1
    assert "Traceback" not in done.err
    assert {path.name for path in tmp_path.iterdir()} == {"room", "clip.mp4"}
