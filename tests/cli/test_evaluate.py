"""``personsearch evaluate``, as it is typed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from personsearch import PersonSearcher
from personsearch.calibration import read_calibration
from personsearch.cli import evaluate as command
from personsearch.datasets import FORMATS
from personsearch.demo import demo_folder
from personsearch.evaluation import PRESETS
from personsearch.evaluation.rerank import RERANKERS
from tests.support import Run, toy_scene, toy_set

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


def edited(tmp_path: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    """Return the toy set with its annotations changed."""
    annotations = toy(tmp_path)
    data = json.loads(annotations.read_text())
    edit(data)
    annotations.write_text(json.dumps(data))
    return annotations


def unlabel(data: dict[str, Any], *, keep: set[int]) -> None:
    """Take the label off everybody but the people of some annotations: these are then nowhere else."""
    for one in data["annotations"]:
        if one["id"] not in keep:
            one["person_id"] = -1


def words(text: str) -> str:
    return " ".join(text.split())


def test_a_table_per_protocol_with_its_hash(run: Run, weights: Path, tmp_path: Path, kept: Path) -> None:
    annotations = toy(tmp_path)
    arguments = ("evaluate", weights, annotations, "--preset", "standard", "--preset", "strict", "--truth", "--reid")
    done = run(*arguments)
    assert done.code == 0
    assert STANDARD in done.out
    assert f"strict ({PRESETS['strict'].hash})" in done.out
    assert done.out.count("annotated boxes as detections") == 2
    assert "4 scenes, 12 people, 2 queries" in done.out
    assert "left out" not in done.out  # all queries count
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
    assert "false-match rate 0.0001 has no threshold: too few pairs of different people" in words(done.err)


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
    narrow = run("evaluate", "--help", columns=80).out
    assert all(name in narrow for name in (*PRESETS, *RERANKERS, *FORMATS))  # none is broken
    assert max(map(len, narrow.splitlines())) <= 80


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
    printed = json.loads(run("evaluate", weights, annotations, "--skip-bad", "--json").out)
    accounting = printed["dataset"]["accounting"]
    assert accounting["rows"] == accounting["kept"] + len(accounting["skipped"]) == 12
    assert "annotation 1" in accounting["skipped"][0]


def test_rows_that_a_rule_leaves_out_are_counted_before_the_network_runs(run: Run, tmp_path: Path) -> None:
    def rename(data: dict[str, Any]) -> None:
        data["categories"] = [{"id": 1, "name": "person"}, {"id": 2, "name": "dog"}]
        for one in data["annotations"]:
            one["category_id"] = 2 if one["id"] == 3 else 1

    done = run("evaluate", "no-such-weights", edited(tmp_path, rename))
    assert done.code == 2  # there are no such weights
    assert "1 of 12 boxes left out" in words(done.err)


def test_long_lists_of_skipped_rows_are_cut(run: Run, tmp_path: Path) -> None:
    def spoil(data: dict[str, Any]) -> None:
        data["annotations"] += [{**data["annotations"][3], "id": 100 + n, "bbox": [1, 2, -3, 4]} for n in range(40)]

    done = run("evaluate", "no-such-weights", edited(tmp_path, spoil), "--skip-bad")
    assert done.err.count("skipped:") < 20
    assert "more; --json has them all" in words(done.err)


def test_queries_that_cannot_be_searched_for_are_reported_before_the_weights_are_loaded(
    run: Run, tmp_path: Path
) -> None:
    done = run("evaluate", "no-such-weights", edited(tmp_path, lambda data: unlabel(data, keep={2, 4, 5})))
    assert done.code == 2
    assert "cannot search for 1 of 2 queries (1: the person is only in the query's own image" in words(done.err)
    assert "--preset strict leaves such queries out and measures 1" in words(done.err)


def test_where_no_query_counts_the_exit_status_says_so(run: Run, weights: Path, tmp_path: Path) -> None:
    annotations = edited(tmp_path, lambda data: unlabel(data, keep={2, 5}))
    arguments = ("evaluate", weights, annotations, "--preset", "strict")
    done = run(*arguments, columns=80)
    assert done.code == 1
    assert "0 of 2 queries count (2 left out: the person is only in the query's own image)" in words(done.out)
    assert "Search was not measured under strict" in words(done.err)
    assert words(done.out).count(" - - - -") == 1
    asked = run(*arguments, "--json")
    assert asked.code == 1
    printed = json.loads(asked.out, parse_constant=pytest.fail)
    assert printed["reports"][0]["figures"]["mAP"] is None
    assert printed["reports"][0]["queries_left_out"] == {"the person is only in the query's own image": 2}
    assert len(printed["missing"]) == 1


def test_where_nobody_is_annotated_the_exit_status_says_so(run: Run, weights: Path, tmp_path: Path) -> None:
    annotations = edited(tmp_path, lambda data: data["annotations"].clear())
    (annotations.parent / "queries.json").unlink()
    done = run("evaluate", weights, annotations, "--report", tmp_path / "out")
    assert done.code == 1
    assert "Detection was not measured: nobody is annotated in" in words(done.err)
    assert "0 people" in done.out
    assert json.loads((tmp_path / "out" / "results.json").read_text())["reports"][0]["figures"] == {
        "AP": None,
        "recall": None,
    }


def test_a_set_of_which_every_box_is_left_out_is_an_error(run: Run, tmp_path: Path) -> None:
    def ignore(data: dict[str, Any]) -> None:
        for one in data["annotations"]:
            one["ignore"] = True

    annotations = edited(tmp_path, ignore)
    (annotations.parent / "queries.json").unlink()
    done = run("evaluate", "no-such-weights", annotations)
    assert done.code == 2
    assert "none of the 12 annotated boxes counts as a person" in words(done.err)


def crops(tmp_path: Path) -> Path:
    for name in ("query/0001_c1_0.png", "bounding_box_test/0001_c2_0.png", "bounding_box_test/0002_c1_0.png"):
        (tmp_path / "crops" / name).parent.mkdir(parents=True, exist_ok=True)
        toy_scene([(int(Path(name).name[3]), 0, 0)], 24, 60).save(tmp_path / "crops" / name)
    return tmp_path / "crops"


def test_crops_are_measured_as_re_identification_does(run: Run, weights: Path, tmp_path: Path) -> None:
    done = run("evaluate", weights, crops(tmp_path), "--report", tmp_path / "out", columns=80)
    assert done.code == 0, done.err
    assert "detection and search in scenes cannot be measured; re-identification is" in words(done.err)
    assert "other cameras: mAP" in done.out
    assert "1 of 1 query counts" in words(done.out)
    assert "recall" not in done.out
    assert (tmp_path / "out" / "report.html").is_file()
    printed = json.loads(run("evaluate", weights, crops(tmp_path), "--json", "--reid").out)
    assert (printed["dataset"]["crops"], printed["reports"]) == (True, [])
    assert printed["reid"]["all cameras"]["queries"] == 1


def test_what_crops_do_not_allow_is_refused(run: Run, tmp_path: Path) -> None:
    done = run("evaluate", "no-such-weights", crops(tmp_path), "--coco", "--preset", "strict")
    assert done.code == 2
    assert "only re-identification can be measured; leave out: preset strict; COCO's AP" in words(done.err)
