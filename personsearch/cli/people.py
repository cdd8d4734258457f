"""``personsearch people``: who is whom in a gallery, and decisions by hand about it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from personsearch.cli.common import Commands, Json, err, out, print_columns, print_json
from personsearch.cli.people_list import Folder, people_list
from personsearch.cli.people_sheet import Save, Target, placed
from personsearch.cli.people_text import (
    person_dict,
    person_text,
    where_text,
)
from personsearch.errors import ConfigError, GalleryError
from personsearch.gallery import Gallery
from personsearch.people import Person, numbers_text
from personsearch.pictures.times import span_text, time_text
from personsearch.plain import counted

#: The command that a first word which is none of the commands means.
LISTING = "list"


class PeopleCommands(Commands):
    """Commands of which one, the listing, need not be named: ``personsearch people my-gallery/``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the name of the listing before arguments that name no command."""
        named = bool(args) and (args[0] in self.commands or args[0] == "--help")
        mistyped = len(args) > 1 and not args[0].startswith("-") and not args[1].startswith("-")
        return super().parse_args(ctx, args if named or mistyped or not args else [LISTING, *args])

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        """Show both ways in."""
        formatter.write_usage(ctx.command_path, "GALLERY [OPTIONS]")
        formatter.write_usage(ctx.command_path, "COMMAND GALLERY ...", prefix="       ")

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Show the options of the listing, and the commands."""
        listing = self.commands[LISTING]
        listing.format_options(listing.context_class(listing, info_name=LISTING, parent=ctx), formatter)
        self.format_commands(ctx, formatter)


app = typer.Typer(
    cls=PeopleCommands,
    help="Group the people of a gallery: who is whom across cameras and time.\n\n"
    "'personsearch people GALLERY' takes the tracks and detections that look alike for one person, and lists the "
    "people; it groups again when people have been added or options say how. What is decided by hand with the "
    "commands below holds over every later grouping.",
    no_args_is_help=True,
)

Number = Annotated[int, typer.Argument(metavar="PERSON", help="Number of the person.")]

app.command(LISTING)(people_list)


@app.command()
def show(gallery: Folder, person: Number, save: Save = None, as_json: Json = False) -> None:
    """Show when and where a person was, with the numbers that 'split' takes."""
    drawing = Target(save, gallery) if save is not None else None
    with Gallery.open(gallery, mode="r") as opened:
        [found] = _required(opened, [person])
        if as_json:
            print_json(person_dict(found))
        [found] = placed(opened, [found])
        if not as_json:
            out.print(escape(f"{person_text(found)}: {where_text(found)}"), soft_wrap=True)
            print_columns(
                {
                    "track": ["" if one.track_id is None else str(one.track_id) for one in found.appearances],
                    "detections": [", ".join(map(str, one.detection_ids)) for one in found.appearances],
                    "frames": [str(one.frames) for one in found.appearances],
                    "camera": [escape(one.camera or "") for one in found.appearances],
                    "when": [span_text(one.first, one.last) for one in found.appearances],
                }
            )
        if drawing is not None:
            drawing.draw(opened, [found], pictures=True, quiet=as_json, in_full=True)


@app.command()
def merge(
    gallery: Folder,
    people: Annotated[list[int], typer.Argument(metavar="PERSON", help="Numbers of two or more people.")],
    as_json: Json = False,
) -> None:
    """Decide that several people are one, who keeps the first one's number."""
    with Gallery.open(gallery) as opened:
        _required(opened, people)
        merged = opened.people.merge(people)
        [there] = placed(opened, [merged])
    done = f"people {numbers_text(people)} are one now: {person_text(there)}, {where_text(there)}"
    _print_decided(gallery, [merged], done, as_json)


@app.command()
def split(
    gallery: Folder,
    person: Number,
    track: Annotated[
        list[int] | None, typer.Option(help="Number of a track that is somebody else; repeatable.")
    ] = None,
    detection: Annotated[
        list[int] | None, typer.Option(help="Number of a detection that is somebody else; repeatable.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Decide that some appearances of a person are somebody else, who gets a new number."""
    if not (track or detection):
        raise ConfigError(
            f"say which of them are somebody else, with --track and --detection; 'personsearch people show {gallery} "
            f"{person}' lists them"
        )
    with Gallery.open(gallery) as opened:
        _required(opened, [person])
        new = opened.people.split(person, tracks=track or (), detections=detection or ())
        [old] = _required(opened, [person])
        here, there = placed(opened, [old, new])
    done = f"{person_text(there)} is new, with {where_text(there)}; {person_text(here)} keeps {where_text(here)}"
    _print_decided(gallery, [old, new], done, as_json)


@app.command()
def name(
    gallery: Folder,
    person: Number,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="What to call them.", show_default=False)] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Take the name away.")] = False,
    as_json: Json = False,
) -> None:
    """Give a person a name, which says too that all they have is theirs."""
    if (name is None) != clear:
        raise ConfigError(f"give person {person} a name, or --clear to take it away")
    with Gallery.open(gallery) as opened:
        _required(opened, [person])
        named = opened.people.name(person, name)
    done = f"person {person} has no name now" if clear else f"person {person} is {named.name} now"
    _print_decided(gallery, [named], done, as_json)


@app.command()
def forget(
    gallery: Folder,
    person: Number,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Erase a person: every row, track and name, overwritten in the gallery's files. It cannot be undone."""
    if as_json and not yes:
        raise ConfigError("--json asks nothing, so forgetting needs --yes too")
    with Gallery.open(gallery) as opened:
        [found] = placed(opened, _required(opened, [person]))
        rows = len(found.detection_ids)
        if not yes:
            err.print(
                escape(f"This erases {person_text(found)}: {where_text(found)}; {counted(rows, 'stored detection')}."),
                soft_wrap=True,
            )
            err.print("It cannot be undone. Erase? (y/n)", end=" ")
            if sys.stdin.readline().strip().lower() not in ("y", "yes"):
                err.print("nothing was erased")
                raise typer.Exit(1)
        erased = opened.people.forget(person)
    if as_json:
        print_json({"forgotten": person, "detections": erased})
        return
    done = f"{person_text(found)} is erased: {counted(erased, 'detection')}. This cannot be undone."
    untouched = "Copies of the gallery, sheets that were drawn, and the pictures and videos themselves are not touched."
    out.print(escape(f"{done} {untouched}"), soft_wrap=True)


@app.command()
def undo(gallery: Folder, as_json: Json = False) -> None:
    """Take back the last decision by hand; again for the one before."""
    with Gallery.open(gallery) as opened:
        decision = opened.people.undo()
    if as_json:
        print_json({"undone": None if decision is None else asdict(decision)})
    elif decision is None:
        out.print("there is no decision to take back")
    else:
        out.print(escape(f"taken back: {decision.text}"), soft_wrap=True)


@app.command()
def decisions(gallery: Folder, as_json: Json = False) -> None:
    """List the decisions by hand that stand, the first one first."""
    with Gallery.open(gallery, mode="r") as opened:
        made = opened.people.decisions()
    if as_json:
        print_json([asdict(decision) for decision in made])
    elif not made:
        out.print("nothing has been decided by hand")
    else:
        print_columns(
            {
                "decision": [str(one.decision_id) for one in made],
                "made (UTC)": [time_text(one.made) for one in made],
                "what": [escape(one.text) for one in made],
            }
        )


def _required(gallery: Gallery, numbers: Sequence[int]) -> list[Person]:
    """Return people by number; whoever is not there is an error that says how to find the numbers."""
    found = {number: gallery.people.get(number) for number in numbers}
    missing = [number for number, person in found.items() if person is None]
    if missing:
        which = f"person {missing[0]}" if len(missing) == 1 else numbers_text(missing)
        raise GalleryError(
            f"{gallery.path}: there is no {which} here; 'personsearch people {gallery.path}' lists who there is"
        )
    return [person for person in found.values() if person is not None]


def _print_decided(gallery: Path, people: Sequence[Person], message: str, as_json: bool) -> None:
    if as_json:
        print_json({"people": [person_dict(person) for person in people]})
        return
    out.print(escape(message), soft_wrap=True)
    out.print(escape(f"'personsearch people undo {gallery}' takes this back"), soft_wrap=True)
