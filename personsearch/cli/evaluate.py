"""``personsearch evaluate``: weights on an annotated set, under any protocol."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from personsearch.cli.common import Device, Json, err, out, print_json, searcher_for, table_of
from personsearch.errors import ConfigError

if TYPE_CHECKING:
    from personsearch.measure.run import Evaluation


def evaluate(
    weights: Annotated[str, typer.Argument(help="Name of weights, org/repo, or a folder (./folder).")],
    dataset: Annotated[str, typer.Argument(help="Folder or file of the set: COCO-style, PRW, CUHK-SYSU, MOT, Market.")],
    queries: Annotated[str | None, typer.Option(help="A file, or a protocol of the set (G50, mini...).")] = None,
    split: Annotated[str, typer.Option(help="Part of the set.")] = "test",
    format: Annotated[str | None, typer.Option(help="Format of the set; default: told by its files.")] = None,
    images: Annotated[Path | None, typer.Option(help="Folder of the images; default: the set's.")] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out malformed rows and say which.")] = False,
    any_counts: Annotated[
        bool, typer.Option("--any-counts", help="Take an official set whose counts are not the published ones.")
    ] = False,
    preset: Annotated[list[str] | None, typer.Option(help="Protocol; may be repeated. Default: standard.")] = None,
    rerank: Annotated[str | None, typer.Option(help="Also a row with this re-ranking method.")] = None,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Also an untrained network and colour histograms.")
    ] = False,
    truth: Annotated[bool, typer.Option("--truth", help="Also annotated boxes in place of detections.")] = False,
    reid: Annotated[bool, typer.Option("--reid", help="Also re-identification on annotated boxes.")] = False,
    coco: Annotated[bool, typer.Option("--coco", help="Also COCO's average precision of the detections.")] = False,
    gallery_sizes: Annotated[
        str | None, typer.Option(help="Also mAP in galleries of these sizes, e.g. 50,100,500.")
    ] = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Fit what a similarity means; stored with the weights' folder.")
    ] = False,
    calibrate_out: Annotated[
        Path | None, typer.Option(help="Folder for calibration.json, where the weights are no folder.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write results.json and report.html into this folder.")] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Run the network anew and keep nothing.")] = False,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Measure weights on an annotated set: detection AP and recall, search mAP and top-1/5/10.

    What the network saw is kept, so that another protocol takes seconds.
    """
    from personsearch.datasets import load_dataset
    from personsearch.measure.cache import default_folder
    from personsearch.measure.report import require_libraries, write_report
    from personsearch.measure.run import Plan, run_evaluation, usual_sizes

    place = calibrate_out or (_own_folder(weights) if calibrate else None)
    sizes = _sizes(gallery_sizes)
    if report is not None:
        require_libraries()
    loaded = load_dataset(
        dataset,
        split,
        format=format,
        images=images,
        queries=queries,
        skip_bad=skip_bad,
        check_counts=not any_counts,
    )
    plan = Plan(
        presets=tuple(preset or ["standard"]),
        rerank=rerank,
        baselines=baselines,
        truth=truth,
        reid=reid,
        coco=coco,
        gallery_sizes=sizes or (usual_sizes(loaded) if report is not None else ()),
        calibrate=place is not None,
        open_set=report is not None and bool(loaded.queries),
    )
    evaluation = run_evaluation(
        searcher_for(weights, device),
        loaded,
        plan,
        cache_dir=None if no_cache else default_folder(),
        progress=False if as_json else None,
    )
    if place is not None and evaluation.calibration is not None:
        err.print(f"calibration in {escape(str(evaluation.calibration.save(place)))}")
    if report is not None:
        err.print(f"report in {escape(str(write_report(report, evaluation)))}")
    if as_json:
        print_json(evaluation.to_dict())
    else:
        _print(evaluation)


def _print(evaluation: Evaluation) -> None:
    main = evaluation.main
    for label in dict.fromkeys(one.label for one in evaluation.reports):
        table = table_of()
        table.add_column(label, overflow="fold")
        for name in main.figures():
            table.add_column(name, justify="right", no_wrap=True, min_width=5)
        for one in evaluation.reports:
            if one.label == label:
                table.add_row(escape(one.name), *(_percent(value) for value in one.figures().values()))
        out.print(table)
    for size in sorted({point.size for point in evaluation.sizes}):
        points = [point for point in evaluation.sizes if point.size == size]
        told = ", ".join(f"{escape(point.name)} {_percent(point.mean_average_precision)}" for point in points)
        out.print(f"mAP in galleries of {size} images, {main.label}: {told}")
    for rule, result in evaluation.reid.items():
        figures = f"mAP {_percent(result.mean_average_precision)}, top-1 {_percent(result.top1)}"
        out.print(f"re-identification on annotated boxes, {rule}: {figures} of {result.queries} queries")
    if evaluation.coco:
        told = ", ".join(f"{name} {_percent(value)}" for name, value in evaluation.coco.items())
        out.print(f"COCO: {told}")
    counted = f"{main.queries} queries" if main.search is not None else "no queries"
    out.print(f"per cent; {escape(main.dataset)}: {main.scenes} scenes, {counted}")
    skipped = evaluation.dataset.accounting.skipped
    for problem in skipped:
        err.print(f"[yellow]left out:[/] {escape(str(problem))}")


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def _sizes(text: str | None) -> tuple[int, ...]:
    try:
        sizes = tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError:
        sizes = (0,)
    if any(size < 1 for size in sizes):
        raise ConfigError(f"--gallery-sizes {text!r} must be whole numbers above 0, e.g. 50,100,500")
    return sizes


def _own_folder(weights: str) -> Path:
    if not weights.startswith((".", "/", "~")):
        raise ConfigError(
            f"--calibrate stores calibration.json beside the weights, and {weights} is no folder of yours; "
            "say where with --calibrate-out FOLDER"
        )
    return Path(weights).expanduser()
