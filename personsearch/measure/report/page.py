"""Writes the report: one HTML file that needs neither network nor JavaScript, and the same figures as JSON."""

from __future__ import annotations

import json
import math
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from personsearch.datasets.scene import Scene
from personsearch.durable import write_durably
from personsearch.errors import MissingExtraError
from personsearch.evaluation.evaluate import Report
from personsearch.evaluation.rules import PRESETS
from personsearch.measure.countable import counted_text
from personsearch.measure.observe import BASELINES
from personsearch.measure.report import charts, pictures
from personsearch.measure.report.charts import Series
from personsearch.measure.report.contents import Details, SceneHits, ShownQuery, details_of
from personsearch.measure.report.pictures import Frames
from personsearch.measure.run import TRUTH, Evaluation
from personsearch.pictures.drawing import MATCH, QUERY, RIGHT, WRONG
from personsearch.plain import finite_or_none

RESULTS_FILE = "results.json"
REPORT_FILE = "report.html"

#: How many of the best queries, worst queries, matches of each and scenes the page shows: about 2 MB of pictures.
BEST, WORST, MATCHES, SCENES = 3, 6, 5, 6

CMC_TICKS = (1, 2, 5, 10, 20, 50)

#: Figures in the order of the tables, and what these call them.
FIGURES = {
    "AP": "detection AP",
    "recall": "recall",
    "mAP": "search mAP",
    "top1": "top-1",
    "top5": "top-5",
    "top10": "top-10",
}


def require_libraries() -> None:
    """Refuse to start if the report could not be written at the end.

    Raises:
        MissingExtraError: matplotlib or jinja2 is not installed.
    """
    for module in ("matplotlib", "jinja2"):
        if find_spec(module) is None:
            raise MissingExtraError(f"a report needs {module}: pip install 'personsearch[evaluate]'")


def write_report(folder: str | Path, evaluation: Evaluation) -> Path:
    """Write ``results.json`` and ``report.html``, each whole or not at all.

    Args:
        folder: created if it does not exist.
        evaluation: from :func:`personsearch.measure.run.run_evaluation`; the set's images must still exist.

    Returns:
        The path of the page.

    Raises:
        MissingExtraError: matplotlib or jinja2 is not installed.
        ImageError: an image can no longer be read.
    """
    require_libraries()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    details = None  # of a set of crops there is no more than the figures
    if evaluation.reports:
        details = details_of(evaluation, best=BEST, worst=WORST, scenes=SCENES)
    results = {**evaluation.to_dict(), "details": None if details is None else finite_or_none(details.to_dict())}
    write_durably(folder / RESULTS_FILE, (json.dumps(results, indent=1, allow_nan=False) + "\n").encode())
    write_durably(folder / REPORT_FILE, _page(evaluation, details).encode())
    return folder / REPORT_FILE


def _page(evaluation: Evaluation, details: Details | None) -> str:
    import jinja2

    here = files("personsearch.measure.report")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (here / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = _percent
    environment.filters["thousands"] = lambda value: f"{value:,}"
    scenes = {scene.image_id: scene for scene in evaluation.dataset.scenes}
    main = evaluation.main if evaluation.reports else None
    return environment.get_template("report.html.j2").render(
        style=(here / "style.css").read_text(encoding="utf-8"),
        evaluation=evaluation,
        main=main,
        details=details,
        figures={key: name for key, name in FIGURES.items() if main is not None and key in main.figures()},
        counted_text=counted_text,
        results=evaluation.to_dict(),
        systems=_systems(evaluation),
        switches=_changed_switches(evaluation),
        rows=list(evaluation.observed),
        baselines=[name for name in evaluation.observed if name in BASELINES],
        charts={} if details is None else _charts(evaluation, details),
        worst=[] if details is None else [_shown(one, scenes) for one in details.worst],
        best=[] if details is None else [_shown(one, scenes) for one in details.best],
        scenes=[] if details is None else [_scene(one) for one in details.scenes],
    )


def _percent(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{100 * value:.1f}"


def _charts(evaluation: Evaluation, details: Details) -> dict[str, str]:
    """Return the charts for which there is something to draw, by name."""
    row_numbers = {name: row for row, name in enumerate(evaluation.observed)}
    drawn: dict[str, str] = {}
    if details.cumulative:
        ranks = list(range(1, len(next(iter(details.cumulative.values()))) + 1))
        drawn["cmc"] = charts.line_chart(
            [Series(row=row_numbers[name], x=ranks, y=values) for name, values in details.cumulative.items()],
            x_label="rank k",
            y_label="queries, %",
            title="Cumulative matches: share of queries whose person is among the first k detections",
            x_log=True,
            x_ticks=CMC_TICKS,
        )
    sizes = sorted({point.size for point in evaluation.sizes})
    if len(sizes) > 1 and not all(math.isnan(point.mean_average_precision) for point in evaluation.sizes):
        drawn["sizes"] = charts.line_chart(
            [
                Series(
                    row=row,
                    x=[point.size for point in evaluation.sizes if point.name == name],
                    y=[point.mean_average_precision for point in evaluation.sizes if point.name == name],
                )
                for name, row in row_numbers.items()
            ],
            x_label="images per query",
            y_label="mAP, %",
            title="Mean average precision against the number of images that each query is looked for in",
            x_log=True,
            x_ticks=sizes,
            markers=True,
        )
    if details.curve:
        recall, precision = zip(*details.curve, strict=True)
        threshold = details.at_threshold
        drawn["detection"] = charts.line_chart(
            [Series(row=0, x=[100 * value for value in recall], y=precision)],
            x_label="recall, %",
            y_label="precision, %",
            title="Detection: precision against recall",
            x_limits=(0, 101),
            mark=None if math.isnan(threshold[1]) else (100 * threshold[0], 100 * threshold[1]),
        )
    if evaluation.open_set is not None and len(evaluation.open_set.impostor) and len(evaluation.open_set.genuine):
        rates, identified = evaluation.open_set.curve()
        drawn["open_set"] = charts.line_chart(
            [Series(row=0, x=100 * rates, y=identified)],
            x_label="false alarms, %",
            y_label="answered correctly, %",
            title="Queries answered correctly against false alarms of queries whose person is not in the gallery",
            x_limits=(0, 101),
        )
    pairs = details.similarities
    if pairs is not None and len(pairs.same):
        drawn["similarities"] = charts.histogram(
            pairs.same,
            pairs.different,
            pairs.edges,
            x_label="similarity",
            title="Similarity of pairs of the same person and of different people",
        )
    return drawn


def _systems(evaluation: Evaluation) -> list[tuple[str, tuple[Report, Report], int, float]]:
    """Return of one step and of two: name, rows with detections and with annotated boxes, parameters, seconds."""
    two = evaluation.two_step
    if two is None:
        return []
    counts = two.parameters
    return [
        ("one step", (evaluation.main, evaluation.report_of(TRUTH)), counts.one_step, two.pace.one_step),
        (
            "two steps",
            (evaluation.report_of(two.row), evaluation.report_of(two.bound)),
            counts.detection + counts.reid,
            two.pace.two_step,
        ),
    ]


def _changed_switches(evaluation: Evaluation) -> dict[str, dict[str, Any]]:
    """Return for each preset the switches in which it differs from the community definition."""
    standard = PRESETS["standard"].switches
    presets = {report.label: report.rules.switches for report in evaluation.reports}
    return {
        label: {key: value for key, value in switches.items() if value != standard[key]}
        for label, switches in presets.items()
    }


def _shown(one: ShownQuery, scenes: dict[str, Scene]) -> dict[str, Any]:
    matches = [
        {
            "picture": pictures.person(scenes[match.image_id].path, match.box, RIGHT if match.correct else WRONG),
            "image_id": match.image_id,
            "similarity": match.similarity,
            "correct": match.correct,
        }
        for match in one.best[:MATCHES]
    ]
    query = one.query
    return {
        "number": one.number,
        "picture": pictures.person(scenes[query.image_id].path, query.box, QUERY),
        "image_id": query.image_id,
        "identity": query.identity,
        "ap": one.average_precision,
        "appearances": one.appearances,
        "found": one.found,
        "matches": matches,
    }


def _scene(one: SceneHits) -> dict[str, Any]:
    frames = [Frames(one.hits, RIGHT, 2), Frames(one.false, WRONG, 3), Frames(one.missed, MATCH, 3, dashed=True)]
    return {
        "picture": pictures.scene(one.scene.path, frames),
        "image_id": one.scene.image_id,
        "found": len(one.hits),
        "missed": len(one.missed),
        "false": len(one.false),
    }
