"""``personsearch gallery export``: scenes of a gallery for an annotation tool or for training."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer
from rich.markup import escape

from personsearch.cli.common import (
    Device,
    Json,
    err,
    out,
    print_json,
    searcher_of,
    warn_of_cameras,
    warn_of_times,
)
from personsearch.exchange.records import ExportReport, Format, Selection
from personsearch.gallery import Gallery
from personsearch.plain import counted

if TYPE_CHECKING:
    from PIL import Image

    from personsearch.exchange.export import Detect
    from personsearch.results import Detections

#: Pictures that cannot be had and are listed; JSON has all.
SHOWN = 10

_NEXT = {
    "coco": "Look at it: personsearch data check {folder}\n"
    "Train on it: personsearch train finetune own-finetune data.annotations={folder}/train.json",
    "cvat": "In CVAT: a project with the labels of labels.json (Raw), a task with the pictures of images/, and "
    "annotations.xml uploaded as CVAT 1.1. Corrected, export the task as CVAT for images 1.1 and train on its XML.",
    "label-studio": "In Label Studio: a project with labelling.xml, a local storage of the folder images/, and "
    "tasks.json imported. Corrected, export the project as JSON and train on it.",
}


def export(
    gallery: Annotated[Path, typer.Argument(help="The gallery's folder.")],
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write; new, or to be continued.")],
    format: Annotated[
        Format, typer.Option("--format", metavar="NAME", help=f"What reads it: {', '.join(get_args(Format))}.")
    ] = "coco",
    camera: Annotated[list[str] | None, typer.Option(help="Only scenes of this camera; may be repeated.")] = None,
    since: Annotated[float | None, typer.Option(help="Only scenes from this time (seconds) on.")] = None,
    until: Annotated[float | None, typer.Option(help="Only scenes up to this time (seconds).")] = None,
    person: Annotated[
        list[int] | None, typer.Option(help="Only scenes that show this person of the gallery; may be repeated.")
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Of each camera, every how many scenes one is taken.")] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="Scenes at most, spread evenly over the others.")] = None,
    empty: Annotated[bool, typer.Option("--empty", help="Also scenes in which nobody was found.")] = False,
    max_side: Annotated[
        int | None, typer.Option(min=64, help="Make pictures smaller: pixels of the longer side at most.")
    ] = None,
    test_share: Annotated[
        float, typer.Option(min=0, max=0.9, help="coco: share of the scenes for a test split with people of its own.")
    ] = 0.0,
    detect: Annotated[
        bool,
        typer.Option(
            "--detect/--no-detect",
            help="Where only views of tracks are stored, find the others in the picture now, so that all have a box.",
        ),
    ] = True,
    weights: Annotated[
        str | None, typer.Option("--weights", help="For --detect. Default: those that the gallery was made with.")
    ] = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Export scenes with their boxes and people, to be corrected by hand and trained on.

    Pictures are copied, or cut out of their videos. An export that was interrupted continues with the same command.
    The exit status is 1 if a scene's picture cannot be had.
    """
    from personsearch.exchange.export import export_gallery

    with Gallery.open(gallery, mode="r") as opened:
        info = opened.info()
        warn_of_cameras(camera or [], info.cameras)
        if since is not None or until is not None:
            warn_of_times(info)
        if not info.persons or opened.people.ungrouped:
            what = f"{opened.people.ungrouped} of its people have" if info.persons else "its people have"
            err.print(
                f"[yellow]{what} not been grouped, and so get no label; 'personsearch people {escape(str(gallery))}' "
                "groups them[/]",
                soft_wrap=True,
            )
        report = export_gallery(
            opened,
            folder,
            format=format,
            selection=Selection(
                cameras=camera or None,
                since=since,
                until=until,
                persons=person or None,
                every=every,
                limit=limit,
                empty=empty,
            ),
            max_side=max_side,
            test_share=test_share,
            detect=_detect_of(opened, weights, device) if detect and info.tracks else None,
            progress=False if as_json else None,
        )
    if as_json:
        print_json({**asdict(report), "folder": str(report.folder), "files": [str(file) for file in report.files]})
    else:
        _print_report(report, format)
    if report.failed:
        raise typer.Exit(1)


def _detect_of(gallery: Gallery, weights: str | None, device: str | None) -> Detect:
    searcher: Any = searcher_of(gallery, weights, device)

    def detect(pictures: list[Image.Image]) -> list[Detections]:
        found: list[Detections] = searcher.detect(pictures, progress=False)
        return found

    return detect


def _print_report(report: ExportReport, format: str) -> None:
    labelled = f"{report.labelled} of them labelled: {counted(report.persons, 'person', 'people')}"
    what = f"{counted(report.scenes, 'scene')} in {report.folder}: {counted(report.boxes, 'box', 'boxes')}, {labelled}"
    out.print(escape(what), soft_wrap=True)
    if report.added:
        found = counted(report.added, "box", "boxes")
        who = f"{report.recognised} as people of tracks that pass there then, the others without a label"
        out.print(f"{found} found now, as only views of tracks were stored: {who}", soft_wrap=True)
    for name, (scenes, persons, unlabelled) in report.splits.items():
        lost = f", {counted(unlabelled, 'label')} of people of the other split taken away" if unlabelled else ""
        out.print(f"{name}: {counted(scenes, 'scene')}, {counted(persons, 'person', 'people')}{lost}", soft_wrap=True)
    if report.partial:
        err.print(
            f"[yellow]of {counted(report.partial, 'scene')} only views of tracks are stored: others in these pictures "
            "have no box, and training on them teaches to overlook people; add their boxes, or export without "
            "--no-detect[/]",
            soft_wrap=True,
        )
    for image_id, reason in report.failed[:SHOWN]:
        err.print(f"[yellow]not exported:[/] {escape(image_id)}: {escape(reason)}", soft_wrap=True)
    if len(report.failed) > SHOWN:
        err.print(f"[yellow]... and {len(report.failed) - SHOWN} more[/]")
    out.print(escape(_NEXT[format].format(folder=report.folder)), soft_wrap=True)
