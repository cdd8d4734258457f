"""``personsearch evaluate``: weights on an annotated set, under any protocol."""

from __future__ import annotations

import math
import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer
from rich.markup import escape

from personsearch.cli.common import Device, Json, err, out, print_json, searcher_for, table_of
from personsearch.errors import ConfigError

if TYPE_CHECKING:
    from personsearch.calibration import Calibration
    from personsearch.datasets import Dataset
    from personsearch.measure.run import Evaluation

#: Lines of a set's accounting that are printed.
SHOWN = 10

# The values are written out, so that --help lists them without loading the registries; a test compares the two.
Rerank = Literal[
    "context",
    "context-mean",
    "k-reciprocal",
    "expansion",
    "alpha-expansion",
    "companions",
    "camera-mean",
    "camera-similarity",
]
Format = Literal["coco", "prw", "cuhk-sysu", "mot", "mot-shared", "market", "cvat", "label-studio"]


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
    weights: Annotated[
        str, typer.Argument(metavar="WEIGHTS", help="Name of weights, org/repo, or a folder (./folder).")
    ],
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="Folder of the set, or a COCO-style json file.")],
    queries: Annotated[
        str | None, typer.Option(metavar="NAME", help="A file, or a protocol of the set: G50, mini ...")
    ] = None,
    split: Annotated[str, typer.Option(metavar="NAME", help="Part of the set.")] = "test",
    format: Annotated[
        Format | None,
        typer.Option(metavar="NAME", help=f"{', '.join(get_args(Format))}; default: recognised by its files."),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder of the images; default: the set's own.")
    ] = None,
    people: Annotated[
        list[str] | None,
        typer.Option("--people", metavar="NAME", help="A category that is people; repeatable. Default: by its name."),
    ] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Skip malformed rows and files, and list them.")] = False,
    any_counts: Annotated[
        bool, typer.Option("--any-counts", help="Accept an official set whose counts are not the published ones.")
    ] = False,
    preset: Annotated[
        list[Preset] | None,
        typer.Option(metavar="NAME", help=f"Protocol, repeatable; default: standard. There are {', '.join(Preset)}."),
    ] = None,
    rerank: Annotated[
        Rerank | None,
        typer.Option(metavar="NAME", help=f"Add a row re-ranked by one of {', '.join(get_args(Rerank))}."),
    ] = None,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Add rows of an untrained network and of colour histograms.")
    ] = False,
    truth: Annotated[
        bool, typer.Option("--truth", help="Add a row with the annotated boxes in place of detections.")
    ] = False,
    two_step: Annotated[
        Path | None,
        typer.Option(
            "--two-step",
            metavar="FOLDER",
            help="Add rows of a two-step cascade: the same detections, cut out and embedded by the weights of step 1 "
            "in this folder; with annotated boxes, parameters and time of both.",
        ),
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Detections of another detector in place of the weights' own: COCO results, as JSON."
        ),
    ] = None,
    boxes_images: Annotated[
        Path | None,
        typer.Option(
            "--boxes-images",
            metavar="FILE",
            help="Annotation file that says which pictures the numbers in --boxes are. Default: the set's own.",
        ),
    ] = None,
    reid: Annotated[
        bool,
        typer.Option(
            "--reid", help="Also measure re-identification on annotated boxes. Sets of crops allow only this."
        ),
    ] = False,
    coco: Annotated[bool, typer.Option("--coco", help="Also measure COCO's average precision of detections.")] = False,
    gallery_sizes: Annotated[
        str | None, typer.Option(metavar="SIZES", help="Also measure mAP in galleries of these sizes, e.g. 50,100,500.")
    ] = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Fit what a similarity means, and store it in the weights' folder.")
    ] = False,
    calibrate_out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Store the calibration in this folder instead; implies --calibrate."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write results.json and report.html into this folder.")
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Run the network again, and keep nothing of what it sees.")
    ] = False,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Measure weights on an annotated set: detection AP and recall, search mAP and top-1/5/10.

    Of a set of crops (Market-1501), re-identification is measured instead.

    What the network saw is kept, so that another protocol takes seconds.

    The exit status is 1 if something could not be measured; the output says what.
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
        people=people,
    )
    _print_accounting(loaded)
    with_report = report is not None and not loaded.crops
    plan = Plan(
        presets=tuple(one.value for one in preset or [Preset.STANDARD]),
        rerank=rerank,
        baselines=baselines,
        truth=truth,
        reid=reid,
        coco=coco,
        gallery_sizes=sizes or (usual_sizes(loaded) if with_report else ()),
        calibrate=calibration_folder is not None,
        open_set=with_report and bool(loaded.queries),
        two_step=two_step,
        boxes=boxes,
        boxes_images=boxes_images or _own_annotations(boxes, dataset, split),
    )
    plan.check(loaded)
    if loaded.crops:
        err.print(
            f"{escape(loaded.name)}: every picture is one person, so detection and search in scenes cannot be "
            "measured; re-identification is"
        )
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
        _print_rates_without_threshold(evaluation.calibration)
    if report is not None:
        err.print(f"report: {escape(str(write_report(report, evaluation)))}", soft_wrap=True)
    if as_json:
        print_json(evaluation.to_dict())
    else:
        _print(evaluation)
    for sentence in evaluation.missing:
        err.print(f"[yellow]{escape(sentence)}[/]")
    if evaluation.missing:
        raise typer.Exit(1)


def _own_annotations(boxes: Path | None, dataset: str, split: str) -> Path | None:
    """Return the COCO-style file of the set, where boxes are of pictures that only it can name."""
    from personsearch.measure.outside import numbers_pictures

    if boxes is None or not numbers_pictures(boxes):
        return None
    path = Path(dataset)
    own = path / f"{split}.json" if path.is_dir() else path
    return own if own.is_file() else None


def _print_accounting(dataset: Dataset) -> None:
    """Say what of the set's files is not in the figures as it stands there."""
    lines = dataset.accounting.lines()
    for line in lines[:SHOWN]:
        err.print(f"[yellow]{escape(dataset.name)}:[/] {escape(line)}")
    if len(lines) > SHOWN:
        err.print(f"[yellow]{escape(dataset.name)}:[/] and {len(lines) - SHOWN:,} more; --json has them all")


def _print_rates_without_threshold(calibration: Calibration) -> None:
    for one in calibration.thresholds:
        if one.similarity is None:
            err.print(f"false-match rate {one.rate:g} has no threshold: {calibration.lack_of(one.rate)}")


def _print(evaluation: Evaluation) -> None:
    from personsearch.measure.countable import counted_text

    for first in evaluation.firsts:
        table = table_of()
        table.add_column(first.label, overflow="fold")
        for name in first.figures():
            table.add_column(name, justify="right", no_wrap=True, min_width=5)
        for one in evaluation.reports:
            if one.label == first.label:
                table.add_row(escape(one.name), *(_percent(value) for value in one.figures().values()))
        out.print(table)
    if evaluation.outside is not None:
        out.print(f"detections: {escape(evaluation.outside.text())}")
    if evaluation.two_step is not None:
        for line in evaluation.two_step.lines():
            out.print(escape(line))
    for size in sorted({point.size for point in evaluation.sizes}):
        points = [point for point in evaluation.sizes if point.size == size]
        figures = ", ".join(f"{escape(point.name)} {_percent(point.mean_average_precision)}" for point in points)
        out.print(f"mAP in galleries of {size} images, {evaluation.main.label}: {figures}")
    for rule, result in evaluation.reid.items():
        figures = f"mAP {_percent(result.mean_average_precision)}, top-1 {_percent(result.top1)}"
        where = "" if evaluation.dataset.crops else " on annotated boxes"
        out.print(f"re-identification{where}, {rule}: {figures}; {counted_text(result.queries, result.left_out)}")
    if evaluation.coco:
        out.print("COCO: " + ", ".join(f"{name} {_percent(value)}" for name, value in evaluation.coco.items()))
    out.print(f"per cent; {escape(evaluation.dataset.name)}: {_size_text(evaluation)}")
    for first in evaluation.firsts:
        if first.search is not None and first.search.left_out:
            out.print(f"{first.label}: {counted_text(first.search.queries, first.search.left_out)}")


def _size_text(evaluation: Evaluation) -> str:
    dataset = evaluation.dataset
    if dataset.crops:
        return f"{len(dataset.scenes):,} crops, {len(dataset.queries):,} queries"
    people = sum(int((~scene.ignore).sum()) for scene in dataset.scenes)
    queries = f"{len(dataset.queries):,} queries" if dataset.queries else "no queries, so search is not measured"
    detections = "" if people else f"{evaluation.main.detection.detections:,} detections, "
    return f"{len(dataset.scenes):,} scenes, {people:,} people, {detections}{queries}"


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
