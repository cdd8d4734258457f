"""``personsearch people GALLERY``: groups a gallery's people where need be, and lists them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from personsearch.cli.common import (
    Json,
    err,
    out,
    print_columns,
    print_json,
    warn_of_cameras,
    warn_of_times,
)
from personsearch.cli.people_sheet import Save, Target, placed
from personsearch.cli.people_text import people_columns, person_dict
from personsearch.errors import ConfigError, GalleryCorruptError, GalleryError, WeightsError
from personsearch.gallery import Gallery
from personsearch.people import Gates, Grouping, Person
from personsearch.pictures.times import span_text, time_text
from personsearch.plain import counted

#: Frames from which on somebody is hardly an error of the detector; docs/people.md has the count of those.
WELL_SEEN = 20

Folder = Annotated[Path, typer.Argument(help="The gallery's folder.")]


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
            min=-1,
            max=1,
            help="Group: join those who are at least this similar. Default: as the last time; at first, what the "
            "weights' calibration says of the people here.",
        ),
    ] = None,
    auto_similarity: Annotated[
        bool, typer.Option("--auto-similarity", help="Group: forget --min-similarity and the like of former times.")
    ] = False,
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
    for option, seconds in (
        ("--since", since),
        ("--until", until),
        ("--min-travel", min_travel),
        ("--max-span", max_span),
    ):
        if seconds is not None and not math.isfinite(seconds):
            raise ConfigError(f"{option} {seconds}: must be a number of seconds; leave it out for no limit")
    if auto_similarity and not (min_similarity is None and max_false_match_rate is None):
        raise ConfigError("--auto-similarity excludes --min-similarity and --max-false-match-rate; give one of them")
    limit: float | Literal["auto"] | None = "auto" if auto_similarity else min_similarity
    gates = _gates(min_travel, place, max_span, no_gates=no_gates)
    drawing = Target(save, gallery) if save is not None else None
    asked = gates is not None or limit is not None or max_false_match_rate is not None
    with Gallery.open(gallery, mode="r") as opened:
        new = opened.people.ungrouped
        known = len(opened.people)
    grouping = None
    if asked or new:
        try:
            grouping = _group(gallery, limit, max_false_match_rate, gates)
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
        named = placed(opened, everybody)
        shown = [person for person in named if _is_shown(person, min_frames, camera or [], since, until)]
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
            _warn_of_filters(opened, named, camera or [], dated=since is not None or until is not None)
            _print_people(named, shown, grouping, _conditions(min_frames, camera or [], since, until))
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
    gallery: Path, limit: float | Literal["auto"] | None, max_false_match_rate: float | None, gates: Gates | None
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
            return opened.people.group(min_similarity=limit, max_false_match_rate=max_false_match_rate, gates=gates)
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


def _warn_of_filters(gallery: Gallery, people: Sequence[Person], cameras: Sequence[str], *, dated: bool) -> None:
    """Name what a filter asks for and the gallery does not know."""
    if not (cameras or dated):
        return
    info = gallery.info()
    warn_of_cameras(cameras, {*info.cameras, *(camera for person in people for camera in person.cameras)})
    if dated:
        warn_of_times(info)


def _surely_somebody(everybody: Sequence[Person]) -> str:
    """Say how many were seen well, as groups of a single appearance are often a part of somebody, or nobody."""
    again = sum(len(person.appearances) > 1 for person in everybody)
    long = sum(person.frames >= WELL_SEEN for person in everybody)
    if again == len(everybody) or not again:
        return ""
    was = "was" if again == 1 else "were"
    return f"; {again} of them {was} seen more than once" + (f", {long} in at least {WELL_SEEN} frames" if long else "")


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
    else:
        line += _surely_somebody(everybody)
    out.print(escape(line), soft_wrap=True)
