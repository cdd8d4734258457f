"""The main job: demo, index, search, detect."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from personsearch.cli.common import (
    Device,
    Json,
    Weights,
    box_text,
    err,
    out,
    parse_box,
    print_json,
    searcher_for,
    table_of,
)
from personsearch.errors import ImageError
from personsearch.gallery import Gallery


def demo(
    picture: Annotated[Path, typer.Option("--out", help="Where to write the picture.")] = Path("personsearch-demo.png"),
    weights: Weights = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Look for three people in a dozen bundled scenes."""
    from personsearch.demo import run_demo

    rows = run_demo(picture, searcher_for(weights, device), progress=False if as_json else None)
    if as_json:
        print_json([{"query": r.query, "rank": r.rank, "correct": r.correct, **asdict(r.match)} for r in rows])
        return
    table = table_of("query", "rank", "similarity", "scene", "box", "same person?")
    last = 0
    for row in rows:
        if row.query != last and last:
            table.add_section()
        match = row.match
        verdict = "[green]yes[/]" if row.correct else "[red]no[/]"
        name = str(row.query) if row.query != last else ""
        table.add_row(name, str(row.rank), f"{match.similarity:.3f}", match.image_id, box_text(match.box), verdict)
        last = row.query
    out.print(table)
    out.print(f"The ranking as a picture: [bold]{escape(str(picture))}[/]")
    out.print(
        "\nNow with your own images:\n"
        "  personsearch index photos/ my-gallery/\n"
        "  personsearch search my-gallery/ query.jpg --box x1,y1,x2,y2 --save matches.png"
    )


def index(
    images: Annotated[list[str], typer.Argument(help="Folder, glob, images or videos; the gallery comes last.")],
    every: Annotated[int, typer.Option(min=1, help="Take every so-manieth frame of videos.")] = 1,
    sidecar: Annotated[Path | None, typer.Option(help="csv with columns image_id,camera,time.")] = None,
    weights: Weights = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Store the people of images and videos in a gallery: personsearch index photos/ my-gallery/.

    Scenes that are there already are skipped, so an interrupted run is continued by the same command.
    """
    from personsearch.sources import read_sidecar

    if len(images) < 2:
        raise ImageError("give the images first and the gallery's folder last: personsearch index photos/ my-gallery/")
    *sources, gallery = images
    cameras, times = read_sidecar(sidecar) if sidecar else ({}, {})
    report = searcher_for(weights, device).index(
        sources[0] if len(sources) == 1 else sources,
        Path(gallery),
        every=every,
        cameras=cameras,
        times=times,
        progress=False if as_json else None,
    )
    if as_json:
        print_json({**asdict(report), "gallery": gallery})
        return
    out.print(f"{report.added} scenes added with {report.people} people, {report.skipped} were there already")
    if report.failed:
        err.print(f"[yellow]{len(report.failed)} could not be used; they are named above[/]")


def search(
    gallery: Annotated[Path, typer.Argument(help="The gallery's folder.")],
    image: Annotated[str, typer.Argument(help="Image with the person to look for.")],
    box: Annotated[str | None, typer.Option(help="The person: x1,y1,x2,y2 in pixels; default: the surest.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Matches at the most.")] = 10,
    camera: Annotated[list[str] | None, typer.Option(help="Only scenes of this camera; may be repeated.")] = None,
    since: Annotated[float | None, typer.Option(help="Only scenes from this time (seconds) on.")] = None,
    until: Annotated[float | None, typer.Option(help="Only scenes up to this time (seconds).")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Leave out this image_id; may be repeated.")] = None,
    min_similarity: Annotated[float | None, typer.Option(help="Drop matches below.")] = None,
    max_false_match_rate: Annotated[
        float | None, typer.Option(help="Drop matches less sure than this, e.g. 0.001; needs calibrated weights.")
    ] = None,
    one_per_image: Annotated[bool, typer.Option(help="Keep each scene's best match only.")] = False,
    save: Annotated[Path | None, typer.Option(help="Draw the query and its matches into this picture.")] = None,
    weights: Weights = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Find a person in a gallery."""
    searcher = searcher_for(weights, device)
    corners = parse_box(box) if box else None
    with Gallery.open(gallery, searcher.spec, mode="r", calibration=searcher.calibration) as opened:
        person = searcher.find_query(image, corners)
        matches = opened.search(
            person.embedding,
            k,
            cameras=camera or None,
            since=since,
            until=until,
            exclude_images=exclude or None,
            min_similarity=min_similarity,
            max_false_match_rate=max_false_match_rate,
            one_per_image=one_per_image,
        )
    if save is not None:
        from personsearch.pictures.matches import draw_matches

        draw_matches(image, person.box, matches).save(save)
    if as_json:
        print_json([asdict(match) for match in matches])
        return
    cells: dict[str, list[str]] = {
        "rank": [str(rank) for rank in range(1, len(matches) + 1)],
        "similarity": [f"{match.similarity:.3f}" for match in matches],
        "probability": ["" if match.probability is None else f"{match.probability:.3f}" for match in matches],
        "scene": [escape(match.image_id) for match in matches],
        "camera": [escape(match.camera or "") for match in matches],
        "time": ["" if match.time is None else f"{match.time:.2f}" for match in matches],
        "box": [box_text(match.box) for match in matches],
        "score": [f"{match.score:.2f}" for match in matches],
    }
    known = {name: column for name, column in cells.items() if any(column)}
    table = table_of(*known)
    for row in zip(*known.values(), strict=True):
        table.add_row(*row)
    out.print(table if matches else "no match")
    if save is not None:
        out.print(f"drawn into [bold]{escape(str(save))}[/]")


def detect(
    images: Annotated[list[str], typer.Argument(help="Image files or URLs.")],
    threshold: Annotated[float | None, typer.Option(min=0, max=1, help="Lowest score; default: the weights'.")] = None,
    save: Annotated[Path | None, typer.Option(help="Draw the boxes: a picture, or a folder for several.")] = None,
    weights: Weights = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Find the people in images."""
    from personsearch.pictures.drawing import draw

    found = searcher_for(weights, device).detect(images, threshold=threshold, progress=False if as_json else None)
    rows = [
        {"image": name, "boxes": people.boxes.round(2).tolist(), "scores": people.scores.round(4).tolist()}
        for name, people in zip(images, found, strict=True)
    ]
    if save is not None:
        for name, people in zip(images, found, strict=True):
            target = save if len(images) == 1 else save / f"{Path(name).stem}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            draw(name, people).save(target)
    if as_json:
        print_json(rows)
        return
    table = table_of("image", "person", "score", "box")
    for name, people in zip(images, found, strict=True):
        for number, (corners, score) in enumerate(zip(people.boxes.tolist(), people.scores.tolist(), strict=True), 1):
            table.add_row(escape(name), str(number), f"{score:.2f}", box_text(corners))
        if not len(people):
            table.add_row(escape(name), "-", "", "nobody found")
    out.print(table)
