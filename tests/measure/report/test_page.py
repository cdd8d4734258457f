import json
import re
import shutil
import subprocess
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from personsearch.datasets import Dataset, Scene
from personsearch.errors import MissingExtraError
from personsearch.evaluation import PRESETS, ReidResult, evaluate_observations
from personsearch.measure.report import page, require_libraries, write_report
from personsearch.measure.run import Evaluation
from tests.measure.toy_evaluation import NAME, toy_evaluation

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">&$x_1$"


def without_people(scene: Scene) -> Scene:
    """Return a scene in which nobody is annotated."""
    return replace(scene, boxes=scene.boxes[:0], identities=scene.identities[:0], ignore=scene.ignore[:0])


@pytest.fixture(scope="module")
def report(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(tmp_path_factory.mktemp("report") / "new", toy_evaluation(data))


def test_results_hold_every_figure_with_its_protocol(data: Dataset, report: Path) -> None:
    results = json.loads((report.parent / "results.json").read_text())
    evaluation = toy_evaluation(data)
    assert [(one["name"], one["preset"]) for one in results["reports"]] == [
        (NAME, "standard"),
        ("other", "standard"),
        (NAME, "strict"),
        ("other", "strict"),
    ]
    for one, expected in zip(results["reports"], evaluation.reports, strict=True):
        assert one["figures"] == pytest.approx(expected.figures())
        assert one["hash"] == PRESETS[one["preset"]].hash
    assert results["reports"][0]["figures"]["recall"] == pytest.approx(17 / 18)
    assert results["dataset"]["digest"] == data.digest
    assert results["weights"] == {"name": NAME, "fingerprint": "f" * 64}
    assert results["coco"] == {"AP": 0.5, "AP_small": None}
    assert results["timing"] == {
        "network_seconds": 2.0,
        "scenes_per_second": 3.0,
        "computed_on": "cpu float32",
        "protocol_seconds": 0.25,
    }
    assert results["details"]["missed"] == results["details"]["false_detections"] == 1
    assert {"personsearch", "python", "numpy", "torch"} <= results["versions"].keys()


def test_the_page_shows_the_figures_of_results_json(report: Path) -> None:
    results = json.loads((report.parent / "results.json").read_text())
    html = report.read_text(encoding="utf-8")
    [table] = re.findall(r'<table id="figures">(.*?)</table>', html, flags=re.DOTALL)
    rows = re.findall(r"<tr[^>]*><th scope=\"row\">(.*?)</th>(.*?)</tr>", table, flags=re.DOTALL)
    assert len(rows) == len(results["reports"])
    for (name, cells), one in zip(rows, results["reports"], strict=True):
        shown = re.findall(r"<td[^>]*>(.*?)</td>", cells)
        figures = [f"{100 * value:.1f}" for value in one["figures"].values()]
        assert unescape(name) == one["name"]
        assert shown == [*figures, f"{one['preset']} ({one['hash']})"]


def test_the_page_loads_nothing(report: Path) -> None:
    html = report.read_text(encoding="utf-8")
    assert "default-src 'none'" in html
    addresses = re.findall(r"""(?:src|href|srcset|action)\s*=\s*["']([^"']*)""", html) + re.findall(
        r"url\(([^)]*)", html
    )
    assert addresses
    assert all(address.startswith(("data:image/jpeg;base64,", "#")) for address in addresses)
    assert "<script" not in html
    assert "http" not in re.sub(r"<meta http-equiv", "", html)
    assert not re.findall(r"<img(?![^>]*\balt=\"[^\"]+\")", html)


def test_names_cannot_inject_html(data: Dataset, tmp_path: Path) -> None:
    scene = data.scenes[3]
    hostile = replace(data, name=HOSTILE, scenes=(*data.scenes[:3], replace(scene, image_id=HOSTILE), *data.scenes[4:]))
    html = write_report(tmp_path, toy_evaluation(hostile, HOSTILE)).read_text(encoding="utf-8")
    assert "<script" not in html
    assert "<img src=x" not in html
    assert html.count("&lt;script&gt;") >= 3


def test_pictures_stay_small(data: Dataset, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    scenes = []
    for scene in data.scenes:
        path = tmp_path / scene.image_id
        noise = rng.integers(0, 256, (960, 1600, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
        scenes.append(replace(scene, path=path, width=1600, height=960))
    written = write_report(tmp_path / "out", toy_evaluation(replace(data, scenes=tuple(scenes))))
    pictures = re.findall(r"data:image/jpeg;base64,([^\"]*)", written.read_text())
    shown = (page.BEST + page.WORST) * (1 + page.MATCHES)
    largest = max(len(picture) for picture in pictures)
    assert largest < 260_000  # noise is the worst case; a photograph takes a third
    assert shown <= 60


def test_a_set_without_queries_has_a_report_too(data: Dataset, tmp_path: Path) -> None:
    bare = replace(data, queries=())
    evaluation = toy_evaluation(data)
    own = {NAME: evaluation.observed[NAME]}
    main = replace(evaluation.main, search=None, queries=0)
    alone = replace(
        evaluation, dataset=bare, observed=own, reports=(main,), sizes=(), calibration=None, open_set=None, reid={}
    )
    html = write_report(tmp_path, alone).read_text()
    assert "search mAP" not in html
    assert 'data-figure="AP"' in html
    assert json.loads((tmp_path / "results.json").read_text())["details"]["similarities"] is None


def test_figures_that_counted_nothing_are_a_dash(data: Dataset, tmp_path: Path) -> None:
    nothing = ReidResult(mean_average_precision=float("nan"), top1=float("nan"), queries=0)
    evaluation = replace(toy_evaluation(data), reid={"other cameras": nothing})
    html = write_report(tmp_path, evaluation).read_text()
    assert re.search(r'<th scope="row">other cameras</th><td>-</td><td>-</td><td>0 of 0</td>', html)


def test_a_page_says_what_was_not_measured(data: Dataset, tmp_path: Path) -> None:
    """Nobody is annotated and no query counts: dashes, sentences, and JSON without NaN."""
    nobody = replace(data, scenes=tuple(without_people(scene) for scene in data.scenes))
    observed = toy_evaluation(data).observed[NAME]
    reports = (evaluate_observations(replace(observed), nobody, "strict", name=NAME),)
    evaluation = Evaluation(
        weights=NAME,
        dataset=nobody,
        observed={NAME: observed},
        reports=reports,
        seconds=0.1,
        date="2026-01-02T03:04:05",
    )
    html = write_report(tmp_path, evaluation).read_text()
    assert html.count("<dd data-figure=") == html.count(">-</dd>") == 4
    assert "0 of 2 queries count (2 left out: the person is in no scene of the set)" in html
    assert "Detection was not measured: nobody is annotated in" in html
    assert "people were not found" not in html
    results = json.loads((tmp_path / "results.json").read_text(), parse_constant=pytest.fail)
    assert set(results["reports"][0]["figures"].values()) == {None}
    assert results["details"]["detection_at_threshold"] == [None, 0.0]
    assert (results["details"]["cmc"], results["details"]["detection_curve"]) == ({}, [])
    assert len(results["missing"]) == 2


def test_a_page_of_crops(data: Dataset, tmp_path: Path) -> None:
    evaluation = toy_evaluation(data)
    crops = Evaluation(
        weights=NAME,
        dataset=replace(data, crops=True),
        observed={NAME: evaluation.observed[NAME]},
        reports=(),
        reid=evaluation.reid,
        seconds=0.1,
        date="2026-01-02T03:04:05",
    )
    html = write_report(tmp_path, crops).read_text()
    assert "Detection and search in scenes cannot be measured" in html
    assert 'id="figures"' not in html
    assert '<th scope="row">all cameras</th>' in html
    assert json.loads((tmp_path / "results.json").read_text())["details"] is None


def test_a_missing_library_is_reported_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "find_spec", lambda name: None if name == "jinja2" else object())
    with pytest.raises(MissingExtraError, match=r"jinja2: pip install 'personsearch\[evaluate\]'"):
        require_libraries()


def browse(folder: Path, *arguments: str) -> str:
    assert CHROMIUM is not None
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
        "--disable-component-update --disable-sync --hide-scrollbars --virtual-time-budget=5000"
    )
    command = [CHROMIUM, *flags.split(), f"--user-data-dir={folder / 'profile'}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_a_browser_shows_the_page(data: Dataset, tmp_path: Path) -> None:
    """In a real browser every picture loads, nothing is wider than a phone, and hostile names run nothing."""
    hostile = replace(data, name=HOSTILE)
    written = write_report(tmp_path, toy_evaluation(hostile, HOSTILE))
    # The page's own policy forbids scripts. In a copy without it this one can look around, and a name's would run.
    script = """<script>addEventListener("load", () => {
      const images = [...document.images], wide = document.documentElement;
      document.body.dataset.probe = JSON.stringify({title: document.title, images: images.length,
        loaded: images.filter(i => i.complete && i.naturalWidth > 0).length,
        charts: document.querySelectorAll("svg.chart").length,
        overflow: wide.scrollWidth - wide.clientWidth, mAP: document.querySelector('[data-figure="mAP"]').textContent,
        drawn: [...document.querySelectorAll("svg.chart")].every(s => s.getBoundingClientRect().height > 100)});
    })</script></body>"""
    html = re.sub(r"<meta http-equiv[^>]*>", "", written.read_text(encoding="utf-8"))
    (tmp_path / "probe.html").write_text(html.replace("</body>", script), encoding="utf-8")
    dom = browse(tmp_path, "--window-size=500,900", "--dump-dom", (tmp_path / "probe.html").as_uri())
    [probed] = re.findall(r'data-probe="([^"]*)"', dom)
    probe = json.loads(unescape(probed))
    assert probe["title"] == f"{HOSTILE} on {HOSTILE}: person search"
    assert probe["images"] == probe["loaded"] > 8
    assert probe["charts"] == 5
    assert probe["drawn"]
    assert probe["overflow"] == 0
    results = json.loads((tmp_path / "results.json").read_text())
    assert probe["mAP"] == f"{100 * results['reports'][0]['figures']['mAP']:.1f} %"

    browse(tmp_path, "--window-size=1200,2000", f"--screenshot={tmp_path / 'page.png'}", written.as_uri())
    pixels = np.asarray(Image.open(tmp_path / "page.png").convert("RGB"))
    assert pixels.shape[:2] == (2000, 1200)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 100
