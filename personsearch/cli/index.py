"""The command that fills a gallery: index."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape

from personsearch.cli.common import Device, FastDecode, Json, Weights, err, out, print_json, searcher_for
from personsearch.errors import ConfigError, ImageError
from personsearch.plain import counted
from personsearch.results import IndexReport


def index(
    images: Annotated[
        list[str],
        typer.Argument(help="Folders, globs, images, videos or URLs; the gallery comes last, a folder or address."),
    ],
    every: Annotated[int, typer.Option(min=1, help="Index one of this many frames of a video; 1 = all.")] = 1,
    sidecar: Annotated[Path | None, typer.Option(help="csv file with the columns image_id,camera,time.")] = None,
    prefix: Annotated[str, typer.Option(help="Put this and a slash before every image_id.")] = "",
    crops: Annotated[bool, typer.Option("--crops", help="Every picture is one person, cut out beforehand.")] = False,
    tracks: Annotated[
        bool, typer.Option("--tracks", help="Follow people through videos and keep the best views of each.")
    ] = False,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Index again what is stored under the same name otherwise than asked for now."),
    ] = False,
    boxes: Annotated[
        Path | None,
        typer.Option(help="Who is where: a file of COCO results or a COCO-style set, instead of our detector."),
    ] = None,
    boxes_images: Annotated[
        Path | None,
        typer.Option(help="Of COCO results whose image_ids are numbers: the annotation file that they are of."),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images that go through the network together.")] = 8,
    fast_decode: FastDecode = False,
    on: Annotated[
        Literal["here", "ray"],
        typer.Option(help="Where pictures are looked at: in this process, or by the workers of a Ray cluster."),
    ] = "here",
    workers: Annotated[
        int | None, typer.Option(min=1, help="On Ray: processes that look at pictures; default: as many as fit.")
    ] = None,
    writers: Annotated[
        int | None, typer.Option(min=1, help="On Ray: processes that store, in an engine; default: this one.")
    ] = None,
    by_name: Annotated[
        bool, typer.Option("--by-name", help="On Ray: take pictures of names that are stored for the same, unread.")
    ] = False,
    weights: Weights = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Store the people of images and videos in a gallery: personsearch index photos/ my-gallery/.

    Scenes already in the gallery are skipped, so running the same command again continues an interrupted run. One
    folder gives its scenes the paths below it as names; of several folders the names begin with the folder, so that
    equal names stay apart. The exit status is 1 if something was refused or damaged; the output says what.
    """
    from personsearch.given import read_detections
    from personsearch.listing import check_gallery, check_inputs
    from personsearch.sidecar import read_sidecar

    if len(images) < 2:
        raise ImageError("give the images first and the gallery's folder last: personsearch index photos/ my-gallery/")
    *sources, gallery = images
    # A wrong path is reported before the network is loaded.
    if tracks and crops:
        raise ConfigError("people are followed through whole frames: give --tracks or --crops, not both")
    if crops and boxes is not None:
        raise ConfigError("a crop is its person's box: give --crops or --boxes, not both")
    if boxes_images is not None and boxes is None:
        raise ConfigError("--boxes-images says which pictures a file of results is of: give that with --boxes")
    _check_place(
        on,
        {"--tracks": tracks, "--boxes": boxes is not None},
        {"--workers": workers, "--writers": writers, "--by-name": by_name},
    )
    check_gallery(gallery)
    source = sources[0] if len(sources) == 1 else sources
    labels = read_sidecar(sidecar) if sidecar else None
    shared: dict[str, Any] = {
        "every": every,
        "prefix": prefix,
        "crops": crops,
        "replace": replace,
        "batch_size": batch_size,
        "cameras": labels.cameras if labels else None,
        "times": labels.times if labels else None,
        "progress": False if as_json else None,
    }
    if on == "ray":
        from personsearch.scale import index as index_on_ray
        from personsearch.weights.registry import DEFAULT

        with redirect_stdout(sys.stderr):  # Ray prints that a worker died
            report = index_on_ray(
                source,
                gallery,
                weights=weights or DEFAULT,
                device=device,
                fast_decode=fast_decode,
                workers=workers,
                writers=writers or 0,
                compare=not by_name,
                **shared,
            )
    else:
        check_inputs(source)
        given = None if boxes is None else read_detections(boxes, images=boxes_images)
        searcher = searcher_for(weights, device, fast_decode=fast_decode)
        report = searcher.index(source, gallery, tracks=tracks, boxes=given, **shared)
    if as_json:
        print_json({**asdict(report), "complete": report.complete, "gallery": gallery})
    else:
        _print_report(report)
    if not report.complete:
        raise typer.Exit(1)


def _check_place(on: str, only_here: dict[str, object], only_ray: dict[str, object]) -> None:
    """Refuse options that do not go with where pictures are looked at.

    Raises:
        ConfigError: names them.
    """
    for name, given in only_here.items():
        if on == "ray" and given:
            raise ConfigError(f"{name} does not work with --on ray; index without one of the two")
    for name, given in only_ray.items():
        if on != "ray" and given:
            raise ConfigError(f"{name} is for --on ray; give both")


def _print_report(report: IndexReport) -> None:
    """Print what became of everything that was given."""
    from personsearch.listing import describe_counts
    from personsearch.tracking.follow import MAX_VIEWS

    scenes, people = counted(report.added, "scene"), counted(report.people, "person", "people")
    out.print(f"{scenes} added with {people}, {report.skipped} there already")
    if report.tracks:
        out.print(
            f"{counted(report.tracks, 'track')} of people who were followed, at most {MAX_VIEWS} views of each; "
            "personsearch people GALLERY says who is whom",
            soft_wrap=True,
        )
    if report.without_row:
        seen = counted(report.without_row, "scene")
        out.print(f"{seen} without a row in the file of detections, so with nobody", soft_wrap=True)
    if report.labelled:
        out.print(f"{report.labelled} of those have another camera or time now")
    if report.passed_over:
        kinds = escape(describe_counts(report.passed_over))
        out.print(f"passed over, neither picture nor video: {kinds}", soft_wrap=True)
    for count, what in (
        (len(report.failed), "refused"),
        (len(report.damaged), "read in part, because damaged"),
        (len(report.unmatched), "of the image_ids given with a camera or a time match no image"),
    ):
        if count:
            err.print(f"[yellow]{count} {what}; named above[/]", soft_wrap=True)
