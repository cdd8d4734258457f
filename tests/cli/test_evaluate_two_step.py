"""``personsearch evaluate --two-step`` and ``--boxes``, as they are typed."""

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from personsearch import PersonSearcher
from personsearch.models import ModelConfig
from tests.cli.test_evaluate import crops, toy, words
from tests.measure.cascades import keen, step1
from tests.support import Run


@pytest.fixture(scope="module")
def reid(tiny_config: ModelConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return step1(tmp_path_factory.mktemp("step1") / "run" / "weights", tiny_config)


@pytest.fixture
def weights(tiny_config: ModelConfig, tmp_path: Path) -> Path:
    return keen(tiny_config).save_pretrained(tmp_path / "weights")


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("PERSONSEARCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "observations"


def results(annotations: Path, name: str, **changes: Any) -> Path:
    """Write the annotated boxes as COCO's list of results, pictures by number."""
    rows = [
        {"image_id": one["image_id"], "category_id": 1, "bbox": one["bbox"], "score": 0.9, **changes}
        for one in json.loads(annotations.read_text())["annotations"]
    ]
    path = annotations.parent / name
    path.write_text(json.dumps(rows))
    return path


def test_the_terminal_the_json_and_the_page_compare_one_step_with_two(
    run: Run, weights: Path, reid: Path, tmp_path: Path
) -> None:
    arguments = ("evaluate", weights, toy(tmp_path), "--two-step", reid, "--report", tmp_path / "out")
    done = run(*arguments, columns=100)
    assert done.code == 0, done.err
    row = "two-step (resnet18_ibn_a on 64x32 crops)"
    assert f"{row}: the first row's detections and queries, cut out of the original pictures" in words(done.out)
    assert f"embedded by {reid} (tiny, resnet18_ibn_a)" in words(done.out)
    assert re.search(
        r"parameters: [\d,]+ in one step, [\d,]+ in two steps \([\d,]+ to detect and 11,177,536", words(done.out)
    )
    assert re.search(
        r"time for a picture: \d+ ms in one step, \d+ ms in two with cutting \(medians of 4 pict", words(done.out)
    )
    shown = json.loads((tmp_path / "out" / "results.json").read_text())
    names = [one["name"] for one in shown["reports"]]
    bounds = ["annotated boxes as detections", "annotated boxes as detections, two-step"]
    assert names == [str(weights), row, *bounds]
    assert shown["two_step"]["row"] == row
    assert set(shown["details"]["cmc"]) == {str(weights), row}

    html = (tmp_path / "out" / "report.html").read_text()
    [table] = re.findall(r'<table id="two-step">(.*?)</table>', html, flags=re.DOTALL)
    cells = {
        unescape(name): re.findall(r"<td>(.*?)</td>", rest)
        for name, rest in re.findall(r'<th scope="row">(.*?)</th>(.*?)</tr>', table, flags=re.DOTALL)
    }
    figures = {one["name"]: one["figures"] for one in shown["reports"]}
    parameters = shown["two_step"]["parameters"]
    for name, rows, count in (
        ("one step", (names[0], bounds[0]), parameters["one_step"]),
        ("two steps", (row, bounds[1]), parameters["detection"] + parameters["reid"]),
    ):
        expected = [f"{100 * figures[one][key]:.1f}" for one in rows for key in ("mAP", "top1")]
        assert cells[name][:5] == [*expected, f"{count:,}"]
    assert "<b>The backbones differ</b>" not in html

    printed = json.loads(run(*arguments[:5], "--json").out, parse_constant=pytest.fail)
    assert [one["figures"] for one in printed["reports"]] == [one["figures"] for one in shown["reports"]]
    assert printed["two_step"]["fingerprint"] == shown["two_step"]["fingerprint"]


def test_boxes_of_another_detector_whose_pictures_are_numbers(run: Run, weights: Path, tmp_path: Path) -> None:
    """The set's own annotation file says which pictures they are; the annotated boxes find everybody."""
    annotations = toy(tmp_path)
    boxes = results(annotations, "yolo.json")
    done = run("evaluate", weights, annotations, "--boxes", boxes, "--report", tmp_path / "out", columns=300)
    assert done.code == 0, done.err
    assert f"{weights} on boxes of yolo.json" in done.out
    assert "detections: yolo.json, 12 boxes in 4 pictures from score 0.05 on" in done.out
    html = (tmp_path / "out" / "report.html").read_text()
    assert "Detections of <b>yolo.json</b>" in html
    assert "those of yolo.json, 12 boxes in 4 pictures" in html
    by_folder = json.loads(run("evaluate", weights, annotations.parent, "--boxes", boxes, "--json").out)
    assert by_folder["reports"][0]["figures"]["recall"] == 1
    assert by_folder["weights"]["name"] == str(weights)
    named = results(annotations, "named.json", image_id="000.png")
    other = json.loads(run("evaluate", weights, annotations, "--boxes", named, "--json").out)
    assert other["boxes"]["pictures"] == 1


def test_mistakes_are_reported_before_the_weights_are_loaded(
    run: Run, tiny_searcher: PersonSearcher, reid: Path, tmp_path: Path
) -> None:
    annotations = toy(tmp_path)
    second = tiny_searcher.save_pretrained(tmp_path / "second" / "weights")
    elsewhere = results(annotations, "elsewhere.json", image_id="elsewhere.png")
    number = results(annotations, "number.json", image_id=99)
    for arguments, message in (
        ((annotations, "--two-step", tmp_path / "nowhere"), "nowhere: no such folder; give the weights folder of"),
        ((annotations, "--two-step", second), "holds the weights of step 2, a whole person-search network"),
        ((annotations, "--two-step", reid.parent), f"a run of step 1; its weights are in {reid}"),
        ((annotations, "--boxes", tmp_path / "no.json"), "no.json: cannot be read (No such file or directory)"),
        ((annotations, "--boxes", elsewhere), "elsewhere.json: none of its 1 pictures is in test"),
        ((annotations, "--boxes", number), "image_id 99 is not among the 4 pictures of"),
        (
            (annotations, "--boxes-images", annotations),
            "says which pictures a file of boxes is of; give boxes (--boxes), too",
        ),
        ((crops(tmp_path), "--two-step", reid), "can be measured; leave out: a two-step cascade"),
        ((crops(tmp_path), "--boxes", elsewhere), "can be measured; leave out: boxes of a detector"),
    ):
        done = run("evaluate", "no-such-weights", *arguments)
        assert done.code == 2
        assert message in words(done.err)
        assert "Traceback" not in done.err
