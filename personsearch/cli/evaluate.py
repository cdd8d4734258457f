"""``personsearch evaluate``: weights on an annotated set, under any protocol."""

from __future__ import annotations

import math
import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape

from personsearch.cli.common import Device, Json, err, out, print_json, searcher_for, table_of
from personsearch.errors import ConfigError

if TYPE_CHECKING:
    from personsearch.measure.run import Evaluation

# The values are written out, so that --help lists them without loading the registries; a test compares the two.
Rerank = Literal["context", "context-mean", "k-reciprocal", "expansion", "alpha-expansion", "companions"]
Format = Literal["coco", "prw", "cuhk-sysu", "mot", "mot-shared", "market"]


class Preset(StrEnum):
    """An enumeration, because typer takes no list of a Literal."""

    STANDARD = "standard"
    SEQNET = "seqnet"
    ALIGNPS = "alignps"
    STL_AUTHOR = "stl-author"
    STRICT = "strict"
    CROSS_CAMERA_FRAMES = "cross-camera-frames"
    CROSS_CAMERA_JUNK = "cross-camera-junk"


def evaluate(
    weights: Annotated[str, typer.Argument(help="Name of weights, org/repo, or a folder (./folder).")],
    dataset: Annotated[str, typer.Argument(help="Folder of the set, or a COCO-style json file.")],
    queries: Annotated[str | None, typer.Option(help="A file, or a protocol of the set: G50, mini ...")] = None,
    split: Annotated[str, typer.Option(help="Part of the set.")] = "test",
    format: Annotated[Format | None, typer.Option(help="Format of the set; default: recognised by its files.")] = None,
    images: Annotated[Path | None, typer.Option(help="Folder of the images; default: the set's own.")] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Skip malformed rows and files, and list them.")] = False,
    any_counts: Annotated[
        bool, typer.Option("--any-counts", help="Accept an official set whose counts are not the published ones.")
    ] = False,
    preset: Annotated[list[Preset] | None, typer.Option(help="Protocol; repeatable. Default: standard.")] = None,
    rerank: Annotated[Rerank | None, typer.Option(help="Add a row with this re-ranking method.")] = None,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Add rows of an untrained network and of colour histograms.")
    ] = False,
    truth: Annotated[
        bool, typer.Option("--truth", help="Add a row with the annotated boxes in place of detections.")
    ] = False,
    reid: Annotated[bool, typer.Option("--reid", help="Also measure re-identification on annotated boxes.")] = False,
    coco: Annotated[bool, typer.Option("--coco", help="Also measure COCO's average precision of detections.")] = False,
    gallery_sizes: Annotated[
        str | None, typer.Option(help="Also measure mAP in galleries of these sizes, e.g. 50,100,500.")
    ] = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Fit what a similarity means, and store it in the weights' folder.")
    ] = False,
    calibrate_out: Annotated[
        Path | None, typer.Option(help="Store the calibration in this folder instead; implies --calibrate.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write results.json and report.html into this folder.")] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Run the network again, and keep nothing of what it sees.")
    ] = False,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Measure weights on an annotated set: detection AP and recall, search mAP and top-1/5/10.

    What the network saw is kept, so that another protocol takes seconds.
    """
    from personsearch.datasets import load_dataset
    from personsearch.evaluation.gallery_sizes import usual_sizes
    from personsearch.measure.cache import default_folder
    from personsearch.measure.report import require_libraries, write_report
    from personsearch.measure.run import Plan, run_evaluation

    # Everything is checked before the network is loaded: it may run for hours, and a mistake should not cost them.
    calibration_folder = calibrate_out or (_own_folder(weights) if calibrate else None)
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
        presets=tuple(one.value for one in preset or [Preset.STANDARD]),
        rerank=rerank,
        baselines=baselines,
        truth=truth,
        reid=reid,
        coco=coco,
        gallery_sizes=sizes or (usual_sizes(loaded) if report is not None else ()),
        calibrate=calibration_folder is not None,
        open_set=report is not None and bool(loaded.queries),
    )
    plan.check(loaded)
    for option, folder in (("--calibrate-out", calibrate_out), ("--report", report)):
        if folder is not None:
            _require_folder(option, folder)
    evaluation = run_evaluation(
        searcher_for(weights, device),
        loaded,
        plan,
        cache_dir=None if no_cache else default_folder(),
        progress=False if as_json else None,
    )
    if calibration_folder is not None and evaluation.calibration is not None:
        path = evaluation.calibration.save(calibration_folder)
        err.print(f"calibration: {escape(str(path))}", soft_wrap=True)
    if report is not None:
        err.print(f"report: {escape(str(write_report(report, evaluation)))}", soft_wrap=True)
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
        figures = ", ".join(f"{escape(point.name)} {_percent(point.mean_average_precision)}" for point in points)
        out.print(f"mAP in galleries of {size} images, {main.label}: {figures}")
    for rule, result in evaluation.reid.items():
        figures = f"mAP {_percent(result.mean_average_precision)}, top-1 {_percent(result.top1)}"
        out.print(f"re-identification on annotated boxes, {rule}: {figures} over {result.queries} queries")
    if evaluation.coco:
        out.print("COCO: " + ", ".join(f"{name} {_percent(value)}" for name, value in evaluation.coco.items()))
    counted = f"{main.queries} queries" if main.search is not None else "no queries"
    out.print(f"per cent; {escape(main.dataset)}: {main.scenes} scenes, {counted}")
    for problem in evaluation.dataset.accounting.skipped:
        err.print(f"[yellow]skipped:[/] {escape(str(problem))}")


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def _sizes(text: str | None) -> tuple[int, ...]:
    try:
        sizes = tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError:
        sizes = (0,)
    if any(size < 1 for size in sizes):
        raise ConfigError(f"--gallery-sizes {text!r}: must be whole numbers above 0, e.g. 50,100,500")
    return sizes


def _own_folder(weights: str) -> Path:
    from personsearch.weights.names import Folder, parse_name

    name = parse_name(weights)
    if not isinstance(name, Folder):
        raise ConfigError(
            f"--calibrate stores calibration.json beside the weights, but {weights} is not a folder of yours; "
            "give one with --calibrate-out FOLDER"
        )
    return name.path


def _require_folder(option: str, folder: Path) -> None:
    """Create a folder to write into, or say why there is none."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{option} {folder}: cannot be created ({error.strerror}); give another folder") from None
    if not os.access(folder, os.W_OK):
        raise ConfigError(f"{option} {folder}: cannot be written to; give another folder")
