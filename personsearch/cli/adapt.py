"""``personsearch adapt``."""

from __future__ import annotations

import json
import math
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from personsearch.cli.common import Device, Json, Weights, out, parse_box, print_json, table_of
from personsearch.errors import ConfigError

#: The report's name, said here because the help text must not load torch.
_REPORT, _SHEET = "report.json", "before-after.jpg"
#: Figures as the table names them.
_TITLES = {"AP": "detection AP", "recall": "detection recall", "mAP": "search mAP"}


class Place(StrEnum):
    """Kinds of place."""

    INDOORS = "indoors"
    OUTDOORS = "outdoors"


def adapt(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="EMPTY_PICTURES OUT",
            help="Folder of 5 to 50 pictures of the empty place (or the pictures one by one, or a video), then the "
            "folder to write; with --video the latter alone.",
            show_default=False,
        ),
    ],
    video: Annotated[Path | None, typer.Option(help="Take the empty pictures from this video.")] = None,
    empty: Annotated[
        list[str] | None,
        typer.Option(help="When the video shows nobody: 0:00-0:55, or frames 0-550; commas between several."),
    ] = None,
    person: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X1,Y1,X2,Y2",
            help="Somebody in a picture of this camera, from head to feet. Given twice, for somebody near and somebody "
            "far, it gives people the right size everywhere.",
        ),
    ] = None,
    person_picture: Annotated[
        str | None,
        typer.Option(help="The picture that --person is about: a name in the folder, or a file; default: the first."),
    ] = None,
    person_height: Annotated[
        float, typer.Option(help="Height in metres of what --person shows; a door is about 2.0.")
    ] = 1.7,
    place: Annotated[Place | None, typer.Option(help="What kind of place it is; default: unknown.")] = None,
    footage: Annotated[
        Path | None,
        typer.Option(help="Video of the same camera, perhaps with people: its statistics are used if that helps."),
    ] = None,
    minutes: Annotated[float, typer.Option(help="How long all of it may take on this machine.")] = 30.0,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Go on although the weights see somebody in the pictures.")
    ] = False,
    weights: Weights = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Rendering processes; default: one per core.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Number that everything random follows from.")] = 1,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Adapt weights to your camera from pictures of its empty place: nobody is photographed, nobody is labelled.

    The weights learn from rendered people in these pictures. The same command continues an interrupted run.
    """
    boxes = [parse_box(text, "--person") for text in person or []]
    *given, target = paths
    if video is not None and given:
        raise ConfigError(f"--video {video} and {given[0]}: give the empty pictures once, the folder to write last")
    if video is None and not given:
        raise ConfigError(
            f"{target}: give two paths, the pictures of the empty place and the folder to write, or --video CLIP.mp4"
        )

    from personsearch.train import adapt as run

    source: Path | list[Path] = video or (given[0] if len(given) == 1 else given)
    chosen = {} if weights is None else {"weights": weights}
    folder = run(
        source,
        target,
        empty=tuple(empty or ()),
        people=boxes,
        people_picture=person_picture,
        person_height=person_height,
        place=None if place is None else place.value,
        footage=footage,
        minutes=minutes,
        anyway=anyway,
        workers=workers,
        device=device,
        seed=seed,
        progress=False if as_json else None,
        **chosen,
    )
    report = json.loads((folder / _REPORT).read_text(encoding="utf-8"))
    if as_json:
        print_json(report)
    else:
        _print(folder, report)


def _print(folder: Path, report: dict[str, Any]) -> None:
    from personsearch.weights.names import Folder

    before, after = report["figures"]["before"], report["figures"]["after"]
    table = table_of(f"on held-back pictures of the place ({len(report['pictures']['held_back'])})")
    for name in ("before", "after"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in before:
        table.add_row(_TITLES.get(name, name), _text(name, before[name]), _text(name, after[name]))
    out.print(table)
    footage = report["footage"]
    if footage is not None:
        said = "used" if footage["kept"] else f"not used: {', '.join(footage['fell'])} fell"
        out.print(f"statistics of {escape(footage['video'])}: {said}", soft_wrap=True)
    out.print(f"to look at: [bold]{escape(str(folder / _SHEET))}[/]", soft_wrap=True)
    out.print(f"weights in {escape(str(Folder(folder)))}", soft_wrap=True)


def _text(name: str, value: float | None) -> str:
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.2f}" if name.startswith("false") else f"{100 * value:.1f} %"
