"""``personsearch gallery copy``: a gallery into another store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape

from personsearch.cli.common import Json, err, out, print_json
from personsearch.gallery import CopyReport
from personsearch.gallery import copy as copy_gallery
from personsearch.plain import counted

#: Differences that are shown; JSON has more.
SHOWN = 10
_WORDS = {
    "tracks": ("track", "tracks"),
    "people": ("grouped person", "grouped people"),
    "decisions": ("decision", "decisions"),
    "notes": ("note", "notes"),
}


def copy(
    source: Annotated[str, typer.Argument(help="The gallery's folder or address.")],
    destination: Annotated[str, typer.Argument(help="Another folder or address; made if there is no gallery.")],
    verify_only: Annotated[bool, typer.Option("--verify-only", help="Compare the two, and write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Copy a gallery into another store, and compare the two afterwards: every scene and person, bit for bit.

    The same command again continues a copy that was interrupted, and brings a copy up to date: cameras and times too.
    What is in the destination only stays. People may get other detection_ids. Between two folders, tracks, people and
    decisions come along if the destination has had none; no other store has them. The exit status is 1 if something in
    the source is not in the destination as it is in the source.
    """
    report = copy_gallery(source, destination, verify_only=verify_only, progress=False if as_json else None)
    if as_json:
        print_json(asdict(report))
    else:
        _print_report(report, source, destination, verify_only=verify_only)
    if report.num_differences:
        raise typer.Exit(1)


def _print_report(report: CopyReport, source: str, destination: str, *, verify_only: bool) -> None:
    done = [] if verify_only else [f"{counted(report.copied, 'scene')} copied now", f"{report.there:,} there already"]
    done += [f"{report.labelled:,} given the source's camera and time"] if report.labelled else []
    done += [f"{report.num_refused:,} refused: other content under the same name"] if report.num_refused else []
    if done:
        out.print(", ".join(done), soft_wrap=True)
    compared = f"{counted(report.scenes, 'scene')} and {counted(report.people, 'person', 'people')} compared"
    if not report.num_differences:
        out.print(escape(f"{compared}: {destination} has them all, bit for bit"), soft_wrap=True)
    else:
        different = counted(report.num_differences, "difference")
        err.print(escape(f"{compared} with those of {destination}: {different}"), soft_wrap=True)
        for what in report.differences[:SHOWN]:
            err.print(f"[yellow]differs:[/] {escape(what)}", soft_wrap=True)
        if report.num_differences > SHOWN:
            err.print(f"[yellow]... and {report.num_differences - SHOWN:,} more[/]")
    if report.only_there:
        only = f"{counted(report.only_there, 'scene')} of {destination} only, left as they are"
        out.print(escape(only), soft_wrap=True)
    if report.carried:
        out.print(f"with {_listed(report.carried)}, under the same ids", soft_wrap=True)
    if report.left_behind:
        err.print(
            f"[yellow]left behind: {_listed(report.left_behind)}.[/] Only folders have them, and one that has had some "
            "of its own takes no others; to move a whole gallery into a folder, copy its gallery.sqlite while nobody "
            "writes",
            soft_wrap=True,
        )
    if report.copied:
        out.print("detection_ids may be others in the copy; image_ids are the same", soft_wrap=True)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(counted(count, *_WORDS[what]) for what, count in counts.items())
