"""``personsearch evaluate``, as it is typed."""

import json
from pathlib import Path
from typing import get_args

import pytest

from personsearch import PersonSearcher
from personsearch.calibration import read_calibration
from personsearch.cli import evaluate as command
from personsearch.datasets import FORMATS
from personsearch.demo import demo_folder
from personsearch.evaluation import PRESETS
from personsearch.evaluation.rerank import RERANKERS
from tests.support import Run, toy_set

STANDARD = f"standard ({PRESETS['standard'].hash})"


@pytest.fixture
def weights(tiny_searcher: PersonSearcher, tmp_path: Path) -> Path:
    return tiny_searcher.save_pretrained(tmp_path / "weights")


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("PERSONSEARCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "observations"


def toy(tmp_path: Path, num_scenes: int = 4) -> Path:
    annotations = toy_set(tmp_path / "toy", num_scenes=num_scenes)
    queries = {"queries": [{"annotation_id": 2}, {"annotation_id": 5}]}
    (annotations.parent / "queries.json").write_text(json.dumps(queries))
    return annotations.rename(annotations.with_name("test.json"))


def test_a_table_per_protocol_with_its_hash(run: Run, weights: Path, tmp_path: Path, kept: Path) -> None:
    annotations = toy(tmp_path)
    arguments = ("evaluate", weights, annotations, "--preset", "standard", "--preset", "strict", "--truth", "--reid")
    done = run(*arguments)
    assert done.code == 0
    assert STANDARD in done.out
    assert f"strict ({PRESETS['strict'].hash})" in done.out
    assert done.out.count("annotated boxes as detections") == 2
    assert "4 scenes, 2 queries" in done.out
    assert "all cameras: mAP" in done.out
    [file] = kept.iterdir()
    looked = file.stat().st_mtime_ns
    assert "taking what the network saw on an earlier run" in run(*arguments).err.replace("\n", " ")
    assert file.stat().st_mtime_ns == looked


def test_json_and_the_report_hold_the_same_figures(run: Run, weights: Path, tmp_path: Path, kept: Path) -> None:
    out = tmp_path / "out"
    done = run("evaluate", weights, toy(tmp_path), "--report", out, "--no-cache", "--json", "--coco")
    printed, written = json.loads(done.out), json.loads((out / "results.json").read_text())
    assert printed["reports"] == written["reports"]
    assert [point["size"] for point in written["gallery_sizes"]] == [3]
    assert set(printed["coco"]) >= {"AP", "AP50", "AP75"}
    assert "report.html" in done.err
    assert STANDARD in (out / "report.html").read_text()
    assert not kept.exists()


def test_calibration_of_the_shipped_weights_on_the_demo(run: Run, tmp_path: Path) -> None:
    """Twelve scenes are far too few, and the file says so."""
    scenes, out = demo_folder() / "scenes.json", tmp_path / "calibrated"
    out.mkdir()
    done = run(
        "evaluate", "stl-mrfp-small", scenes, "--queries", demo_folder() / "queries.json", "--calibrate-out", out
    )
    assert done.code == 0, done.err
    assert f"calibration: {out / 'calibration.json'}" in done.err
    calibration = read_calibration(out)
    assert calibration is not None
    assert calibration.same_pairs > 0
    assert calibration.thresholds[-1].similarity is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--preset", "nonsense"), "'nonsense' is not one of 'standard', 'seqnet'"),
        (("--rerank", "nonsense"), "'nonsense' is not one of 'context'"),
        (("--format", "csv"), "'csv' is not one of 'coco', 'prw'"),
        (("--gallery-sizes", "50,x"), "--gallery-sizes '50,x': must be whole numbers above 0"),
        (("--gallery-sizes", "50"), "can be looked for in at most 3 images"),
        (("--split", "holiday", "--queries", "no.json"), "no.json: cannot be read"),
        (("--preset", "cross-camera-junk", "--calibrate"), "is not a folder of yours; give one with --calibrate-out"),
        (("--report", "/dev/null/out"), "--report /dev/null/out: cannot be created (Not a directory)"),
        (("--calibrate-out", "/dev/null"), "--calibrate-out /dev/null: cannot be created (File exists)"),
    ],
)
def test_mistakes_are_reported_before_the_weights_are_loaded(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = run("evaluate", "no-such-weights", toy(tmp_path), *arguments)
    assert done.code == 2
    assert message in " ".join(done.err.replace("│", " ").split())
    assert "Traceback" not in done.err


def test_help_lists_the_values_of_options(run: Run) -> None:
    text = run("evaluate", "--help").out
    assert [preset.value for preset in command.Preset] == list(PRESETS)
    assert get_args(command.Rerank) == tuple(RERANKERS)
    assert get_args(command.Format) == tuple(FORMATS)
    assert all(name in text for name in (*PRESETS, *RERANKERS, *FORMATS))


def test_names_are_shown_whole_on_a_narrow_terminal(run: Run, tiny_searcher: PersonSearcher, tmp_path: Path) -> None:
    long = tiny_searcher.save_pretrained(tmp_path / f"weights-{'0123456789' * 9}")
    done = run("evaluate", long, toy(tmp_path), columns=80)
    assert done.code == 0
    table, _ = done.out.split("per cent;")
    cells = [line[:40].split("  ")[0].strip() for line in table.splitlines()]
    assert str(long) in "".join(cells)
    assert "…" not in done.out


def test_weights_that_are_not_a_folder_need_a_place_for_their_calibration(run: Run, tmp_path: Path) -> None:
    done = run("evaluate", "stl-mrfp-small", toy(tmp_path), "--calibrate")
    assert done.code == 2
    assert "--calibrate-out FOLDER" in done.err.replace("\n", " ")


def test_skipped_rows_are_listed(run: Run, weights: Path, tmp_path: Path) -> None:
    annotations = toy(tmp_path)
    data = json.loads(annotations.read_text())
    data["annotations"][0]["bbox"] = [1, 2, -3, 4]
    annotations.write_text(json.dumps(data))
    assert run("evaluate", weights, annotations).code == 2
    done = run("evaluate", weights, annotations, "--skip-bad")
    assert done.code == 0
    assert "skipped:" in done.err
