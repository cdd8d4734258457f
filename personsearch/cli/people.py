"""``personsearch people``: who is whom in a gallery, and decisions by hand about it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from personsearch.cli.common import Commands, Json, counted, err, out, print_columns, print_json
from personsearch.cli.people_text import (
    decision_text,
    numbers_text,
    people_columns,
    person_dict,
    person_text,
    where_text,
)
from personsearch.errors import ConfigError, GalleryCorruptError, GalleryError, WeightsError
from personsearch.gallery import Gallery
from personsearch.people import Gates, Grouping, Person
from personsearch.pictures.times import span_text, time_text
from personsearch.pictures.video import video_of

#: The command that a first word which is none of the commands means.
LISTING = "list"
#: People on one of the pictures in a folder.
PER_PAGE = 20


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

Folder = Annotated[Path, typer.Argument(help="The gallery's folder.")]
Number = Annotated[int, typer.Argument(metavar="PERSON", help="Number of the person.")]
Save = Annotated[
    str | None,
    typer.Option(metavar="PICTURE|FOLDER", help="Draw the people and where they were seen: a picture, or a folder."),
]


@app.command(LISTING)
def people_list(
    gallery: Folder,
    save: Save = None,
    without_pictures: Annotated[
        bool, typer.Option("--without-pictures", help="With --save: draw where people were, but nobody's picture.")
    ] = False,
    min_frames: Annotated[int, typer.Option(min=1, help="Show only people seen in at least this many frames.")] = 1,
    camera: Annotated[list[str] | None, typer.Option(help="Show only people seen by this camera; repeatable.")] = None,
    since: Annotated[float | None, typer.Option(help="Show only people seen at this time (seconds) or later.")] = None,
    until: Annotated[float | None, typer.Option(help="Show only people seen up to this time (seconds).")] = None,
    min_similarity: Annotated[
        float | None,
        typer.Option(
            min=-1, max=1, help="Group: join those who are at least this similar. Default: as before, or calibrated."
        ),
    ] = None,
    max_false_match_rate: Annotated[
        float | None,
        typer.Option(help="Group: the same as a share of strangers, e.g. 0.001; needs calibrated weights."),
    ] = None,
    min_travel: Annotated[
        float | None,
        typer.Option(min=0, metavar="SECONDS", help="Group: nobody gets from one place to another in less."),
    ] = None,
    place: Annotated[
        list[str] | None,
        typer.Option(metavar="CAMERA=PLACE", help="Group: where a camera is; default: each elsewhere. Repeatable."),
    ] = None,
    max_span: Annotated[
        float | None,
        typer.Option(min=0, metavar="SECONDS", help="Group: nobody is seen over a longer time than this."),
    ] = None,
    no_gates: Annotated[
        bool, typer.Option("--no-gates", help="Group: forget --min-travel, --place and --max-span of former times.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Group a gallery's people if anybody is new, and list them; 'people GALLERY' without 'list' is the same."""
    gates = _gates(min_travel, place, max_span, no_gates=no_gates)
    drawing = _Target(save, gallery) if save is not None else None
    asked = gates is not None or min_similarity is not None or max_false_match_rate is not None
    with Gallery.open(gallery, mode="r") as opened:
        new = opened.people.ungrouped
        known = len(opened.people)
    grouping = None
    if asked or new:
        try:
            grouping = _group(gallery, min_similarity, max_false_match_rate, gates)
        except GalleryCorruptError:
            raise
        except GalleryError as error:
            if asked or not known:
                raise
            err.print(
                f"[yellow]{counted(new, 'detection')} added since the last grouping left out: {escape(str(error))}[/]",
                soft_wrap=True,
            )
    with Gallery.open(gallery, mode="r") as opened:
        everybody = opened.people.all()
        placed = _placed(opened, everybody)
        shown = [person for person in placed if _is_shown(person, min_frames, camera or [], since, until)]
        if as_json:
            kept = {person.person_id for person in shown}
            print_json(
                {
                    "gallery": str(gallery),
                    "total": len(everybody),
                    "grouping": None if grouping is None else asdict(grouping),
                    "people": [person_dict(person) for person in everybody if person.person_id in kept],
                }
            )
        else:
            _warn_of_filters(opened, placed, camera or [], dated=since is not None or until is not None)
            _print_people(placed, shown, grouping, _conditions(min_frames, camera or [], since, until))
        if drawing is not None:
            drawing.draw(opened, shown, pictures=not without_pictures, quiet=as_json)


def _gates(
    min_travel: float | None, places: Sequence[str] | None, max_span: float | None, *, no_gates: bool
) -> Gates | None:
    """Return what the options say; None = as the last time."""
    given = min_travel is not None or max_span is not None or bool(places)
    if no_gates:
        if given:
            raise ConfigError("--no-gates and --min-travel, --place or --max-span exclude each other; give one of them")
        return Gates()
    if not given:
        return None
    if places and min_travel is None:
        raise ConfigError("--place says where a camera is; give --min-travel SECONDS too, which it is for")
    where: dict[str, str] = {}
    for text in places or ():
        camera, sign, name = text.partition("=")
        if not (camera and sign and name):
            raise ConfigError(f"--place {text!r}: write CAMERA=PLACE, such as --place door1=entrance")
        if where.setdefault(camera, name) != name:
            raise ConfigError(f"--place {text!r}: camera {camera} is at {where[camera]} already; name one place for it")
    return Gates(min_travel=min_travel, places=where, max_span=max_span)


def _group(
    gallery: Path, min_similarity: float | None, max_false_match_rate: float | None, gates: Gates | None
) -> Grouping:
    """Group with what the weights' calibration says; no network is loaded for it."""
    from personsearch.weights.remembered import remembered_calibration

    with Gallery.open(gallery) as opened:
        why = f"the weights {opened.spec.name} have no calibration that can be found from here"
        try:
            opened.calibration = remembered_calibration(opened.spec)
        except (ConfigError, WeightsError) as error:
            why = str(error)
        try:
            return opened.people.group(
                min_similarity=min_similarity, max_false_match_rate=max_false_match_rate, gates=gates
            )
        except ConfigError:
            if opened.calibration is not None:
                raise
            raise ConfigError(
                f"{gallery}: what its similarities mean is not known here: {why}. Say from which similarity on two are "
                "taken for one person, such as --min-similarity 0.5"
            ) from None


def _is_shown(
    person: Person, min_frames: int, cameras: Sequence[str], since: float | None, until: float | None
) -> bool:
    """Whether a person was seen so often, and by one of the cameras within the time."""
    return person.frames >= min_frames and any(
        (not cameras or one.camera in cameras)
        and (since is None or (one.last is not None and one.last >= since))
        and (until is None or (one.first is not None and one.first <= until))
        for one in person.appearances
    )


def _conditions(min_frames: int, cameras: Sequence[str], since: float | None, until: float | None) -> str:
    """Say which people are shown; "" = all of them."""
    words = []
    if min_frames > 1:
        words.append(f"in at least {min_frames} frames")
    if cameras:
        words.append(f"by {' or '.join(cameras)}")
    if since is not None and until is not None:
        words.append(f"from {span_text(since, until)}")
    elif since is not None:
        words.append(f"at {time_text(since)} or later")
    elif until is not None:
        words.append(f"at {time_text(until)} or before")
    return ", ".join(words)


def _placed(gallery: Gallery, people: Sequence[Person]) -> list[Person]:
    """Return the same people, with a video's name where it is not known which camera filmed it."""
    unknown = [one.detection_ids[0] for person in people for one in person.appearances if one.camera is None]
    if not unknown:
        return list(people)
    videos = {one.detection_id: video_of(one.image_id) for one in gallery.sightings(unknown)}
    return [
        replace(
            person,
            appearances=tuple(
                one if one.camera is not None else replace(one, camera=videos.get(one.detection_ids[0]))
                for one in person.appearances
            ),
        )
        for person in people
    ]


def _warn_of_filters(gallery: Gallery, people: Sequence[Person], cameras: Sequence[str], *, dated: bool) -> None:
    """Name what a filter asks for and the gallery does not know."""
    if not (cameras or dated):
        return
    info = gallery.info()
    there = sorted({*info.cameras, *(camera for person in people for camera in person.cameras)})
    for camera in cameras:
        if camera not in there:
            known = ", ".join(there) or "none"
            err.print(
                f"[yellow]no scene here has the camera {escape(camera)}; known: {escape(known)}[/]", soft_wrap=True
            )
    if dated and info.timed < info.images:
        untimed = info.images - info.timed
        err.print(f"[yellow]{untimed} of {info.images} scenes have no time, so they are left out[/]", soft_wrap=True)


def _print_people(everybody: list[Person], shown: list[Person], grouping: Grouping | None, conditions: str) -> None:
    if grouping is not None and grouping.appearances:
        new = "" if grouping.new == grouping.people else f", {grouping.new} of them new"
        out.print(
            f"{counted(grouping.appearances, 'appearance')} grouped (similarity {grouping.min_similarity:.2f} or "
            f"more){new}",
            soft_wrap=True,
        )
    if not everybody:
        out.print("nobody is stored in this gallery")
        return
    if shown:
        print_columns(people_columns(shown))
    line = counted(len(everybody), "person", "people")
    if conditions:
        was = "was" if len(shown) == 1 else "were"
        line += f"; {len(shown) or 'none'} of them {was} seen {conditions}"
    out.print(escape(line), soft_wrap=True)


class _Target:
    """Where people are drawn: checked before the work, written after it."""

    def __init__(self, save: str, gallery: Path) -> None:
        from personsearch.pictures.saving import require_folder, require_savable

        self.path = Path(save)
        self.is_folder = save.endswith("/") or self.path.is_dir() or not self.path.suffix
        if self.is_folder:
            if self.path.resolve() == gallery.resolve():
                raise ConfigError(f"--save {save}: is the gallery itself; name another folder")
            require_folder(self.path)
        else:
            require_savable(self.path)

    def draw(self, gallery: Gallery, people: Sequence[Person], *, pictures: bool, quiet: bool) -> None:
        """Draw people, several pages of them into a folder."""
        from personsearch.pictures.people import MOST_ROWS, best_views, draw_people

        if not people:
            return
        if not self.is_folder and len(people) > MOST_ROWS:
            raise ConfigError(
                f"--save {self.path}: {len(people)} people are too many for one picture ({MOST_ROWS} at most); name a "
                f"folder for several, such as --save {self.path.with_suffix('')}-pages/"
            )
        per_page = PER_PAGE if self.is_folder else MOST_ROWS
        starts = range(0, len(people), per_page)
        for number, start in enumerate(starts, start=1):
            page = people[start : start + per_page]
            rows = [view.detection_id for person in page for view in best_views(person)]
            sightings = {one.detection_id: one for one in gallery.sightings(rows)}
            of = f", page {number} of {len(starts)}" if len(starts) > 1 else ""
            heading = f"{gallery.path.name}: {counted(len(people), 'person', 'people')}{of}"
            sheet = draw_people(page, sightings, heading=heading, pictures=pictures)
            sheet.save(self.path / f"people-{number:03d}.png" if self.is_folder else self.path)
        if not quiet:
            where = f"{counted(len(starts), 'picture')} in {self.path}" if self.is_folder else str(self.path)
            out.print(f"drawn into [bold]{escape(where)}[/]", soft_wrap=True)


@app.command()
def show(gallery: Folder, person: Number, save: Save = None, as_json: Json = False) -> None:
    """Show when and where a person was, with the numbers that 'split' takes."""
    drawing = _Target(save, gallery) if save is not None else None
    with Gallery.open(gallery, mode="r") as opened:
        [found] = _required(opened, [person])
        if as_json:
            print_json(person_dict(found))
        [found] = _placed(opened, [found])
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
            drawing.draw(opened, [found], pictures=True, quiet=as_json)


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
    done = f"people {numbers_text(people)} are one now: {person_text(merged)}, {where_text(merged)}"
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
    _print_decided(
        gallery,
        [old, new],
        f"{person_text(new)} is new, with {where_text(new)}; {person_text(old)} keeps {where_text(old)}",
        as_json,
    )


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
        [found] = _required(opened, [person])
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
        out.print(escape(f"taken back: {decision_text(decision)}"), soft_wrap=True)


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
                "what": [escape(decision_text(one)) for one in made],
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
