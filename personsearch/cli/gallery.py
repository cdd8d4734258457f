"""``personsearch gallery``."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from personsearch.cli.common import Json, err, out, print_json, searcher_for, table_of
from personsearch.errors import GalleryError
from personsearch.gallery import Gallery, rescue

app = typer.Typer(help="Look after a gallery.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="The gallery's folder.")]


@app.command()
def info(gallery: Folder, as_json: Json = False) -> None:
    """Say what a gallery holds."""
    with Gallery.open(gallery, mode="r") as opened:
        told = asdict(opened.info())
    if as_json:
        print_json(told)
        return
    table = table_of("", "value")
    for key, value in told.items():
        table.add_row(key.replace("_", " "), escape(str(value)))
    out.print(table)


@app.command()
def check(gallery: Folder, as_json: Json = False) -> None:
    """Examine every row, the index and its cache; exit status 1 where something is wrong."""
    with Gallery.open(gallery, mode="r") as opened:
        problems = opened.check()
    if as_json:
        print_json(problems)
    for problem in () if as_json else problems:
        err.print(f"[red]problem:[/] {escape(problem)}")
    if problems:
        sys.exit(1)
    if not as_json:
        out.print("all is well")


@app.command()
def remove(
    gallery: Folder,
    image_ids: Annotated[list[str] | None, typer.Argument(help="Scenes to erase.")] = None,
    before: Annotated[float | None, typer.Option(help="Erase all scenes with a time (seconds) below this.")] = None,
    as_json: Json = False,
) -> None:
    """Erase scenes with their people; they are overwritten in the file."""
    with Gallery.open(gallery) as opened:
        count = opened.remove(image_ids or None, before=before)
    if as_json:
        print_json({"erased": count})
    else:
        out.print(f"{count} scenes erased")


@app.command()
def rebuild(
    gallery: Folder,
    index: Annotated[str | None, typer.Option(help="auto, exact or ivf; default: as it is.")] = None,
    as_json: Json = False,
) -> None:
    """Make the search index anew from the database."""
    with Gallery.open(gallery) as opened:
        told = opened.rebuild(index)  # type: ignore[arg-type]  # it says which kinds there are
    if as_json:
        print_json({"index": told})
    else:
        out.print(told)


@app.command("rescue")
def rescue_command(
    gallery: Folder,
    new: Annotated[Path, typer.Argument(help="Folder of the gallery to be made.")],
    weights: Annotated[
        str | None, typer.Option(help="What it was made with, where that cannot be read any more.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Copy what can still be read of a damaged gallery into a new one; the damaged one is left as it is."""
    if new.exists() and any(new.iterdir()):
        raise GalleryError(f"{new}: is not empty; name a new folder")
    report = rescue(gallery, new, searcher_for(weights, "cpu").spec if weights else None)
    if as_json:
        print_json(asdict(report))
        return
    of = "" if report.stored is None else f" of {report.stored}"
    out.print(f"{report.saved}{of} scenes saved, with {report.people} people; index the same images again for the rest")
    if report.lost:
        err.print("[yellow]lost, as far as the names can be read:[/]")
        for name in report.lost:
            err.print(f"  {escape(name)}")
