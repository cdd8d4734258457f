"""The command line: parses, prints, exits. Results go to stdout, everything else to stderr."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape
from rich.table import Table

from personsearch.errors import ImageError, PersonSearchError

app = typer.Typer(
    help="Find a person across a gallery of scene images.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
train_app = typer.Typer(help="Train on annotated scenes: STL step 1, then step 2.", no_args_is_help=True)
weights_app = typer.Typer(help="The weights that are known by name.", no_args_is_help=True)
app.add_typer(train_app, name="train")
app.add_typer(weights_app, name="weights")

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]
Weights = Annotated[str | None, typer.Option("--weights", help="Name of weights, or a folder (./folder).")]
Device = Annotated[str | None, typer.Option(help="cuda, mps or cpu; default: the best there is.")]
Recipe = Annotated[str, typer.Argument(help="TOML file, or the name of a recipe of the package.")]
Overrides = Annotated[list[str] | None, typer.Argument(help="Changes to the recipe: optimizer.lr=0.001 ...")]


def _print_version(wanted: bool) -> None:
    if wanted:
        import personsearch

        out.print(personsearch.__version__)
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    pass


@app.command()
def demo(
    picture: Annotated[Path, typer.Option("--out", help="Where to write the picture.")] = Path("personsearch-demo.png"),
    weights: Weights = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Look for three people in a dozen bundled scenes."""
    from personsearch.demo import run_demo

    rows = run_demo(picture, _searcher(weights, device), progress=False if as_json else None)
    if as_json:
        _print_json([{"query": r.query, "rank": r.rank, "correct": r.correct, **asdict(r.match)} for r in rows])
        return
    table = _table("query", "rank", "similarity", "scene", "box", "same person?")
    last = 0
    for row in rows:
        if row.query != last and last:
            table.add_section()
        match = row.match
        verdict = "[green]yes[/]" if row.correct else "[red]no[/]"
        name = str(row.query) if row.query != last else ""
        table.add_row(name, str(row.rank), f"{match.similarity:.3f}", match.image_id, _box(match.box), verdict)
        last = row.query
    out.print(table)
    out.print(f"The ranking as a picture: [bold]{escape(str(picture))}[/]")
    out.print(
        "\nNow with your own images:\n"
        "  personsearch index photos/ my-gallery/\n"
        "  personsearch search my-gallery/ query.jpg --box x1,y1,x2,y2 --save matches.png"
    )


@app.command()
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
    report = _searcher(weights, device).index(
        sources[0] if len(sources) == 1 else sources,
        Path(gallery),
        every=every,
        cameras=cameras,
        times=times,
        progress=False if as_json else None,
    )
    if as_json:
        _print_json({**asdict(report), "gallery": gallery})
        return
    out.print(f"{report.added} scenes added with {report.people} people, {report.skipped} were there already")
    if report.failed:
        err.print(f"[yellow]{len(report.failed)} could not be used; they are named above[/]")


@app.command()
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
    one_per_image: Annotated[bool, typer.Option(help="Keep each scene's best match only.")] = False,
    save: Annotated[Path | None, typer.Option(help="Draw the query and its matches into this picture.")] = None,
    weights: Weights = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Find a person in a gallery."""
    searcher = _searcher(weights, device)
    corners = _parse_box(box) if box else None
    matches = searcher.search(
        gallery,
        image,
        corners,
        k=k,
        cameras=camera or None,
        since=since,
        until=until,
        exclude_images=exclude or None,
        min_similarity=min_similarity,
        one_per_image=one_per_image,
    )
    if save is not None:
        from personsearch.matches import draw_matches

        draw_matches(searcher, image, corners, matches).save(save)
    if as_json:
        _print_json([asdict(match) for match in matches])
        return
    cells: dict[str, list[str]] = {
        "rank": [str(rank) for rank in range(1, len(matches) + 1)],
        "similarity": [f"{match.similarity:.3f}" for match in matches],
        "scene": [escape(match.image_id) for match in matches],
        "camera": [escape(match.camera or "") for match in matches],
        "time": ["" if match.time is None else f"{match.time:.2f}" for match in matches],
        "box": [_box(match.box) for match in matches],
        "score": [f"{match.score:.2f}" for match in matches],
    }
    known = {name: column for name, column in cells.items() if any(column)}
    table = _table(*known)
    for row in zip(*known.values(), strict=True):
        table.add_row(*row)
    out.print(table if matches else "no match")
    if save is not None:
        out.print(f"drawn into [bold]{escape(str(save))}[/]")


@app.command()
def detect(
    images: Annotated[list[str], typer.Argument(help="Image files or URLs.")],
    threshold: Annotated[float | None, typer.Option(min=0, max=1, help="Lowest score; default: the weights'.")] = None,
    save: Annotated[Path | None, typer.Option(help="Draw the boxes: a picture, or a folder for several.")] = None,
    weights: Weights = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Find the people in images."""
    from personsearch.drawing import draw

    found = _searcher(weights, device).detect(images, threshold=threshold, progress=False if as_json else None)
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
        _print_json(rows)
        return
    table = _table("image", "person", "score", "box")
    for name, people in zip(images, found, strict=True):
        for number, (corners, score) in enumerate(zip(people.boxes.tolist(), people.scores.tolist(), strict=True), 1):
            table.add_row(escape(name), str(number), f"{score:.2f}", _box(corners))
        if not len(people):
            table.add_row(escape(name), "-", "", "nobody found")
    out.print(table)


@app.command()
def evaluate(
    annotations: Annotated[Path, typer.Argument(help="COCO-style json of the gallery.")],
    queries: Annotated[Path, typer.Argument(help="json with the queries.")],
    images: Annotated[Path | None, typer.Option(help="Folder of the images; default: the json's.")] = None,
    baselines: Annotated[bool, typer.Option(help="Also an untrained network and colour histograms.")] = False,
    weights: Weights = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Measure weights on an annotated set: detection AP and recall, search mAP and top-1/5/10."""
    from personsearch.datasets import load_coco, load_queries
    from personsearch.evaluation.run import compare

    scenes = load_coco(annotations, images)
    asked = load_queries(queries, annotations)
    reports = compare(
        _searcher(weights, device), scenes, asked, baselines=baselines, progress=False if as_json else None
    )
    if as_json:
        _print_json([{**asdict(report), "figures": report.figures()} for report in reports])
        return
    table = _table("", *reports[0].figures())
    for report in reports:
        table.add_row(report.name, *[f"{100 * value:.1f}" for value in report.figures().values()])
    out.print(table)
    first = reports[0]
    out.print(f"per cent; {first.scenes} scenes, {first.queries} queries, preset {first.preset}")


@train_app.command()
def pretrain(recipe: Recipe, overrides: Overrides = None) -> None:
    """STL step 1: the backbone on Re-ID crops. Run it again to go on where it stopped."""
    from personsearch.train import load_pretrain
    from personsearch.train import pretrain as run

    out.print(f"backbone in {escape(str(run(load_pretrain(recipe, overrides))))}")


@train_app.command()
def finetune(recipe: Recipe, overrides: Overrides = None) -> None:
    """STL step 2: detection and identification on scenes. Run it again to go on where it stopped."""
    from personsearch.train import finetune as run
    from personsearch.train import load_finetune

    out.print(f"weights in {escape(str(run(load_finetune(recipe, overrides))))}")


@train_app.command()
def recipes() -> None:
    """List the recipes of the package."""
    from personsearch.train import recipe_names

    for name in recipe_names():
        out.print(name)


@weights_app.command("list")
def weights_list(as_json: Json = False) -> None:
    """List the weights that are known by name."""
    from personsearch.weights.registry import list_weights

    entries = list_weights()
    if as_json:
        _print_json({name: entry.model_dump(mode="json") for name, entry in entries.items()})
        return
    table = _table("name", "architecture", "MB", "trained on", "licence", "mAP", "top-1")
    for name, entry in entries.items():
        size = sum(file.bytes for file in entry.files) / 1e6
        figures = [f"{100 * entry.metrics[key]:.1f}" for key in ("mAP", "top1")]
        table.add_row(name, entry.arch, f"{size:.1f}", entry.train_data, entry.license, *figures)
    out.print(table)


@weights_app.command("show")
def weights_show(name: Annotated[str, typer.Argument(help="A name from the list.")], as_json: Json = False) -> None:
    """Print all that is known of one entry."""
    from personsearch.weights.registry import entry_of

    entry = entry_of(name).model_dump(mode="json")
    if as_json:
        _print_json({"name": name, **entry})
        return
    table = Table("field", "value", show_header=False)
    table.add_row("name", name)
    for key, value in entry.items():
        table.add_row(key, value if isinstance(value, str) else json.dumps(value, indent=1))
    out.print(table)


@weights_app.command("fetch")
def weights_fetch(
    name: Annotated[str, typer.Argument(help="A name from the list, or org/repo[@revision].")],
    cache_dir: Annotated[Path | None, typer.Option(help="Where to keep the files; default: the Hub's cache.")] = None,
) -> None:
    """Download and verify weights, so that they can be used offline."""
    from personsearch.weights.registry import locate

    sys.stdout.write(f"{locate(name, cache_dir=cache_dir)}\n")  # a path must not be wrapped


@weights_app.command("publish")
def weights_publish(
    folder: Annotated[str, typer.Argument(help="Weights folder (./folder).")],
    repo: Annotated[str, typer.Argument(help="org/repo on the Hugging Face Hub.")],
    licence: Annotated[str, typer.Option("--license", help="SPDX identifier of the weights' licence.")],
    train_data: Annotated[str, typer.Option(help="What they were trained on, in words.")],
    private: Annotated[bool, typer.Option(help="Make a new repository private.")] = False,
    as_json: Json = False,
) -> None:
    """Upload a weights folder to the Hub in one commit and print how to pin it."""
    searcher = _searcher(folder, "cpu")
    commit = searcher.push_to_hub(repo, license=licence, train_data=train_data, private=private or None)
    if as_json:
        _print_json({"repo": repo, "revision": commit, "fingerprint": searcher.spec.fingerprint})
        return
    out.print(f"published; pinned name: [bold]{escape(f'{repo}@{commit}')}[/]")


def _searcher(weights: str | None, device: str | None) -> Any:
    from personsearch.searcher import PersonSearcher
    from personsearch.weights.registry import DEFAULT

    return PersonSearcher.from_pretrained(weights or DEFAULT, device=device)


def _parse_box(text: str) -> tuple[float, ...]:
    try:
        corners = tuple(float(part) for part in text.split(","))
    except ValueError:
        corners = ()
    if len(corners) != 4:
        raise ImageError(f"--box {text!r} must be four numbers x1,y1,x2,y2 in pixels")
    return corners


def _table(*columns: str) -> Table:
    """Return a table whose names, and only they, are shortened where the terminal is narrow."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column not in ("scene", "image", "trained on"), overflow="ellipsis")
    return table


def _box(box: Any) -> str:
    return ", ".join(f"{value:.0f}" for value in box)


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")


def main() -> None:
    """Run the command line; the user's mistakes end with a message and exit status 2."""
    handler = RichHandler(console=err, show_path=False, show_level=False, log_time_format="[%H:%M:%S]")
    handler.setFormatter(logging.Formatter("%(message)s"))
    package = logging.getLogger("personsearch")
    package.setLevel(logging.INFO)
    package.handlers[:] = [handler]
    try:
        app()
    except PersonSearchError as error:
        err.print(f"[red]error:[/] {escape(str(error))}")
        sys.exit(2)
    except KeyboardInterrupt:
        err.print("stopped; run the same command again to go on")
        sys.exit(130)


if __name__ == "__main__":
    main()
