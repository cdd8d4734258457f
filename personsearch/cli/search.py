"""The main commands: demo and search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.markup import escape

from personsearch.cli.common import (
    READABLE,
    Device,
    Json,
    Weights,
    box_text,
    err,
    out,
    parse_box,
    print_columns,
    print_json,
    searcher_for,
    searcher_of,
    table_of,
    warn_of_cameras,
    warn_of_times,
)
from personsearch.errors import ConfigError, ImageError, WeightsError
from personsearch.gallery import Gallery
from personsearch.gallery.known import Known, known, require_one_kind
from personsearch.gallery.searching import Combine
from personsearch.plain import counted
from personsearch.results import Match, Matches, QueryPerson

if TYPE_CHECKING:
    from personsearch.calibration import Calibration

#: Views of a track or person that are drawn beside the matches.
SHOWN = 3


def demo(
    picture: Annotated[Path, typer.Option("--out", help="Where to write the picture.")] = Path("personsearch-demo.png"),
    weights: Weights = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Look for three people in a dozen bundled scenes."""
    from personsearch.demo import run_demo
    from personsearch.pictures.saving import require_savable

    require_savable(picture, "--out")
    rows = run_demo(picture, searcher_for(weights, device), progress=False if as_json else None)
    if as_json:
        print_json([{"query": r.query, "rank": r.rank, "correct": r.correct, **asdict(r.match)} for r in rows])
        return
    table = table_of("query", "rank", "similarity", "scene", "box", "same person?")
    previous = 0
    for row in rows:
        if row.query != previous and previous:
            table.add_section()
        match = row.match
        verdict = "[green]yes[/]" if row.correct else "[red]no[/]"
        number = str(row.query) if row.query != previous else ""
        table.add_row(number, str(row.rank), f"{match.similarity:.3f}", match.image_id, box_text(match.box), verdict)
        previous = row.query
    out.print(table)
    out.print(f"The ranking as a picture: [bold]{escape(str(picture))}[/]")
    out.print(
        "\nNow with your own images:\n"
        "  personsearch index photos/ my-gallery/\n"
        "  personsearch search my-gallery/ query.jpg --box x1,y1,x2,y2 --save matches.png"
    )


def search(
    gallery: Annotated[str, typer.Argument(help="The gallery's folder or address.")],
    image: Annotated[
        list[str] | None, typer.Argument(help="Image with the person to look for; several of the same person help.")
    ] = None,
    box: Annotated[
        list[str] | None,
        typer.Option(
            help="The person: x1,y1,x2,y2 in pixels; of several images one each, in order. Default: the whole of a "
            "picture that shows one person and little else; of any other, the detection with the highest score."
        ),
    ] = None,
    track: Annotated[int | None, typer.Option(help="Look for this track of the gallery instead.")] = None,
    person: Annotated[int | None, typer.Option(help="Look for this person of the gallery instead.")] = None,
    like: Annotated[
        list[int] | None, typer.Option(metavar="DETECTION", help="A match that was right; may be repeated.")
    ] = None,
    unlike: Annotated[
        list[int] | None, typer.Option(metavar="DETECTION", help="A match that was wrong; may be repeated.")
    ] = None,
    combine: Annotated[
        Combine, typer.Option(help="Several images: search by their mean, or by the best of their similarities.")
    ] = "mean",
    k: Annotated[int, typer.Option("-k", min=1, help="Most matches to return.")] = 10,
    camera: Annotated[list[str] | None, typer.Option(help="Only scenes of this camera; may be repeated.")] = None,
    since: Annotated[float | None, typer.Option(help="Only scenes from this time (seconds) on.")] = None,
    until: Annotated[float | None, typer.Option(help="Only scenes up to this time (seconds).")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Leave out this image_id; may be repeated.")] = None,
    min_similarity: Annotated[float | None, typer.Option(help="Drop matches below this similarity, -1 to 1.")] = None,
    max_false_match_rate: Annotated[
        float | None,
        typer.Option(
            help="Keep matches that at most this share of strangers reach, e.g. 0.001; needs calibrated weights."
        ),
    ] = None,
    one_per_image: Annotated[bool, typer.Option("--one-per-image", help="Keep each scene's best match only.")] = False,
    one_per_track: Annotated[bool, typer.Option("--one-per-track", help="Keep each track's best match only.")] = False,
    per_camera: Annotated[bool, typer.Option("--per-camera", help="Return -k matches of every camera.")] = False,
    camera_bias: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="How much of what cameras add to similarities is taken out: 0 = nothing, 1 = all of it."
        ),
    ] = 0.0,
    query_camera: Annotated[
        str | None, typer.Option(help="The camera that took the image, if the gallery knows it; for --camera-bias.")
    ] = None,
    save: Annotated[Path | None, typer.Option(help="Draw the query and its matches into this picture.")] = None,
    weights: Annotated[
        str | None, typer.Option("--weights", help="Default: those that the gallery was made with.")
    ] = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Find a person in a gallery.

    Every match has a number, its detection. Say with --like and --unlike which matches were right and wrong, and search
    again.
    """
    from personsearch.pictures.decode import require_image
    from personsearch.pictures.saving import require_savable

    images, boxes = image or [], _boxes(image or [], box or [])
    require_one_kind(
        {"images": bool(images), "--track": track is not None, "--person": person is not None},
        like=bool(like),
        nobody="there is nobody to look for; give an image, or --track, --person or --like",
    )
    if save is not None:
        require_savable(save, inputs=images)
    with Gallery.open(gallery, mode="r") as opened:
        for name in images:
            require_image(name)  # a wrong path is reported before the network is loaded
        people: list[QueryPerson] = []
        if images:
            searcher = searcher_of(opened, weights, device)
            opened.require(searcher.spec)
            opened.calibration = searcher.calibration
            people = [searcher.find_query(name, corners) for name, corners in zip(images, boxes, strict=True)]
            target = Known(embeddings=np.stack([one.embedding for one in people]))
        else:
            opened.calibration = _calibration_of(opened)
            target = known(opened, track=track, person=person, like=like or [])
        _warn_of_filters(opened, camera or [], exclude or [], dated=since is not None or until is not None)
        found = opened.search(
            target.embeddings,
            k,
            cameras=camera or None,
            since=since,
            until=until,
            exclude_images=exclude or None,
            exclude_detections=target.detection_ids,
            min_similarity=min_similarity,
            max_false_match_rate=max_false_match_rate,
            one_per_image=one_per_image,
            one_per_track=one_per_track,
            per_camera=per_camera,
            camera_bias=camera_bias,
            query_camera=query_camera,
            combine=combine,
            like=(like or []) if images or target.detection_ids else (),
            unlike=unlike or (),
        )
        stored = [] if images else opened.sightings(target.detection_ids[:SHOWN] or like or [])
    matches = Matches(found, people)
    if as_json:
        queries = [
            {"image": name, "box": one.box, "score": one.score, "whole_picture": one.whole_picture}
            for name, one in zip(images, people, strict=True)
        ]
        what = {"track": track, "person": person, "like": like or [], "unlike": unlike or []}
        query = {} if not queries else queries[0]
        print_json({"query": query, "queries": queries, **what, "matches": [asdict(match) for match in matches]})
    else:
        if target.detection_ids:
            who = f"track {track}" if track is not None else f"person {person}"
            count = len(target.detection_ids)
            own = "detection is" if count == 1 else f"{count} detections are"
            out.print(f"looking for {who}; its own {own} left out", soft_wrap=True)
        elif not images:
            numbers = ", ".join(map(str, like or []))
            out.print(f"looking for people like detection {numbers}", soft_wrap=True)
        for name, one, corners in zip(images, people, boxes, strict=True):
            _print_query(name if len(images) > 1 else None, one, given=corners is not None)
        _print_matches(matches)
    if save is not None:
        from personsearch.pictures.matches import draw_matches

        draw_matches([*images, *stored], matches=matches).save(save)
        if not as_json:
            out.print(f"drawn into [bold]{escape(str(save))}[/]", soft_wrap=True)


def _boxes(images: list[str], boxes: list[str]) -> list[tuple[float, ...] | None]:
    """Return the box of each image, None where there is none."""
    corners = [parse_box(text) for text in boxes]
    if not corners:
        return [None] * len(images)
    if len(corners) != len(images):
        times = counted(len(corners), "time")
        raise ImageError(
            f"--box is given {times} for {counted(len(images), 'image')}: give one for each image, in their order, or "
            "none at all"
        )
    return [*corners]


def _calibration_of(gallery: Gallery) -> Calibration | None:
    """Return what similarities mean here, without loading the network; None where the weights cannot be found."""
    from personsearch.weights.remembered import remembered_calibration

    try:
        return remembered_calibration(gallery.spec)
    except (ConfigError, WeightsError):
        return None


def _print_query(name: str | None, person: QueryPerson, *, given: bool) -> None:
    """Say whom a picture was searched for; the name where there are several."""
    where = f"{escape(name)}: " if name is not None else ""
    if person.whole_picture and not given:
        out.print(f"{where}the picture is taken as the person to look for; --box says otherwise", soft_wrap=True)
    elif person.score is not None:
        out.print(f"{where}looking for the person at {box_text(person.box)} (score {person.score:.2f})", soft_wrap=True)


def _warn_of_filters(gallery: Gallery, cameras: list[str], excluded: list[str], *, dated: bool) -> None:
    """Name what a filter asks for and the gallery does not know: the answer would pass for one about people."""
    if not (cameras or excluded or dated):
        return
    info = gallery.info()
    warn_of_cameras(cameras, info.cameras)
    for name in excluded:
        if name not in gallery:
            err.print(f"[yellow]there is no image {escape(name)} here to leave out[/]", soft_wrap=True)
    if dated:
        warn_of_times(info)


def _print_matches(matches: Sequence[Match]) -> None:
    """Print a ranking; columns that are empty throughout are left out."""
    cells: dict[str, list[str]] = {
        "rank": [str(rank) for rank in range(1, len(matches) + 1)],
        "similarity": [f"{match.similarity:.3f}" for match in matches],
        "probability": ["" if match.probability is None else f"{match.probability:.3f}" for match in matches],
        "person": [_person_text(match) for match in matches],
        "track": ["" if match.track is None else str(match.track.track_id) for match in matches],
        "scene": [escape(match.image_id) for match in matches],
        "camera": [escape(match.camera or "") for match in matches],
        "time": ["" if match.time is None else f"{match.time:.2f}" for match in matches],
        "box": [box_text(match.box) for match in matches],
        "score": [f"{match.score:.2f}" for match in matches],
        "detection": [str(match.detection_id) for match in matches],
    }
    if matches:
        print_columns(cells, READABLE, spare="score")  # where it is narrow, what matters least goes first
    else:
        out.print("no match")


def _person_text(match: Match) -> str:
    """Write whom a match is taken for: the number, and the name where there is one."""
    if match.person_id is None:
        return ""
    return f"{match.person_id}" if match.person_name is None else f"{match.person_id} {escape(match.person_name)}"
