"""``personsearch gallery``: look after a gallery."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from personsearch.cli.common import Json, err, out, print_json, searcher_for, table_of
from personsearch.cli.gallery_copy import copy
from personsearch.cli.gallery_export import export
from personsearch.errors import GalleryCorruptError, GalleryError
from personsearch.gallery import Gallery, rescue
from personsearch.gallery.index import IndexKind
from personsearch.gallery.stores.opening import is_address
from personsearch.pictures.video import frames_prefix
from personsearch.plain import counted
from personsearch.results import RescueReport

app = typer.Typer(help="Look after a gallery.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="The gallery's folder.")]
Where = Annotated[str, typer.Argument(help="The gallery's folder or address.")]

app.command()(export)
app.command()(copy)


@app.command()
def info(gallery: Where, as_json: Json = False) -> None:
    """Show what a gallery holds, and the weights it was made with."""
    with Gallery.open(gallery, mode="r") as opened:
        facts: dict[str, Any] = asdict(opened.info())
    if as_json:
        print_json(facts)
        return
    table = table_of("", "value")
    facts["fast_decode"] = "yes" if facts["fast_decode"] else "no"
    facts["cameras"] = ", ".join(f"{camera} ({count})" for camera, count in facts["cameras"].items()) or "none known"
    timed, persons, tracks = (facts.pop(key) for key in ("timed", "persons", "tracks"))
    if is_address(gallery):
        tracks = persons = None  # only kept in folders
    elif facts["people"] and not persons:
        persons = f"not known yet; 'personsearch people {gallery}' groups them"
    images, people = facts.pop("images"), facts.pop("people")
    facts = {"images": images, "people in them": people, "tracks": tracks, "different people": persons, **facts}
    facts["scenes with a time"] = timed
    for key, value in facts.items():
        if value is not None:
            table.add_row(key.replace("_", " "), escape(str(value)))
    out.print(table)


@app.command()
def check(gallery: Where, as_json: Json = False) -> None:
    """Examine every row, the index and its cache; the exit status is 1 if something is wrong."""
    with Gallery.open(gallery, mode="r") as opened:
        problems = opened.check()
    if as_json:
        print_json(problems)
    else:
        for problem in problems:
            err.print(f"[red]problem:[/] {escape(problem)}")
    if problems:
        sys.exit(1)
    if not as_json:
        out.print("all is well")


@app.command()
def remove(
    gallery: Where,
    image_ids: Annotated[
        list[str] | None, typer.Argument(help="Scenes to erase; a video's own name stands for all its frames.")
    ] = None,
    before: Annotated[float | None, typer.Option(help="Erase all scenes with a time (seconds) below this.")] = None,
    as_json: Json = False,
) -> None:
    """Erase scenes with their people, overwriting them in the file.

    The exit status is 1 if a scene that was named is not there.
    """
    if not image_ids and before is None:
        raise GalleryError(
            f"{gallery}: nothing to erase; name image_ids, or give --before SECONDS; to erase everything, delete the "
            "folder"
        )
    with Gallery.open(gallery) as opened:
        named, missing = _stored(opened, image_ids or [])
        count = opened.remove(named if image_ids else None, before=before)
    if as_json:
        print_json({"erased": count, "missing": missing})
    else:
        out.print(f"{counted(count, 'scene')} erased")
        for name in missing:
            err.print(f"[yellow]not there:[/] {escape(name)}", soft_wrap=True)
    if missing:
        raise typer.Exit(1)


def _stored(gallery: Gallery, names: list[str]) -> tuple[list[str], list[str]]:
    """Return the image_ids that names stand for, videos' names for all their frames, and the names of nothing."""
    stored: list[str] = []
    missing: list[str] = []
    for name in names:
        found = ([name] if name in gallery else []) + gallery.image_ids(frames_prefix(name))
        stored += found
        missing += [] if found else [name]
    return stored, missing


@app.command()
def rebuild(
    gallery: Where,
    index: Annotated[IndexKind | None, typer.Option(help="The kind of index from now on; default: as before.")] = None,
    as_json: Json = False,
) -> None:
    """Rebuild the search index from the database."""
    with Gallery.open(gallery) as opened:
        description = opened.rebuild(index)
    if as_json:
        print_json({"index": description})
    else:
        out.print(description)


@app.command("rescue")
def rescue_command(
    gallery: Folder,
    new: Annotated[Path, typer.Argument(help="Folder of the gallery to make; new or empty.")],
    weights: Annotated[
        str | None, typer.Option(help="The weights it was made with, if the gallery does not say so any more.")
    ] = None,
    fast_decode: Annotated[
        bool, typer.Option("--fast-decode", help="It was indexed so; only if the gallery does not say it any more.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Copy everything intact from a damaged gallery into a new one; the damaged one is left as it is.

    The exit status is 1 if something was lost.
    """
    if new.exists() and not (new.is_dir() and not any(new.iterdir())):
        raise GalleryError(f"{new}: is not an empty folder; name a new one")
    try:
        report = rescue(gallery, new)
    except GalleryCorruptError:
        if weights is None:
            raise
        report = rescue(gallery, new, searcher_for(weights, "cpu", fast_decode=fast_decode).spec)
    complete = not report.lost and not report.left_out and report.stored in (None, report.saved)
    if as_json:
        print_json(asdict(report))
    else:
        _print_rescue(report)
    if not complete:
        raise typer.Exit(1)


def _print_rescue(report: RescueReport) -> None:
    of = "" if report.stored is None else f" of {report.stored}"
    out.print(
        f"{report.saved}{of} scenes saved, with {report.people} people; index the same images again to add the rest"
    )
    if report.left_out:
        err.print(f"[yellow]{counted(report.left_out, 'row')} about tracks, people and decisions lost[/]")
    if report.lost:
        err.print("[yellow]lost, as far as the names can be read:[/]")
        for name in report.lost:
            err.print(f"  {escape(name)}")
