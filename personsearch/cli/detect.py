"""``personsearch detect``: the people in images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from personsearch.cli.common import (
    Device,
    FastDecode,
    Json,
    Weights,
    box_text,
    err,
    out,
    print_json,
    searcher_for,
    table_of,
)
from personsearch.errors import ImageError
from personsearch.results import Detections

if TYPE_CHECKING:
    from personsearch import PersonSearcher

#: Images that ``detect`` sends through the network together.
BATCH = 8


def detect(
    images: Annotated[list[str], typer.Argument(help="Image files or URLs.")],
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Lowest score; default: the weights' own.")
    ] = None,
    save: Annotated[
        str | None, typer.Option(help="Draw the boxes into a picture; or, of several images, into a folder.")
    ] = None,
    fast_decode: FastDecode = False,
    weights: Weights = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Find the people in images.

    The exit status is 1 if an image could not be used; the others are detected in all the same.
    """
    from personsearch.pictures.decode import require_image
    from personsearch.pictures.drawing import draw
    from personsearch.pictures.saving import save_picture, targets_of

    for name in images:
        require_image(name)  # a wrong path is reported before the network is loaded
    targets = dict(zip(images, targets_of(images, save), strict=True)) if save is not None else {}
    searcher = searcher_for(weights, device, fast_decode=fast_decode)
    results = _detected(searcher, images, threshold, progress=False if as_json else None)
    _print_detections(results, as_json=as_json)
    drawn: list[Path] = []
    for name, target in targets.items():
        one = results[name]
        if isinstance(one, Detections):
            save_picture(draw(name, one), target, name)
            drawn.append(target)
    if drawn and not as_json:
        where = drawn[0] if len(drawn) == 1 else f"{len(drawn)} pictures in {save}"
        out.print(f"drawn into [bold]{escape(str(where))}[/]", soft_wrap=True)
    if any(isinstance(one, ImageError) for one in results.values()):
        raise typer.Exit(1)


def _detected(
    searcher: PersonSearcher, images: list[str], threshold: float | None, *, progress: bool | None
) -> dict[str, Detections | ImageError]:
    """Detect in each image, in batches; an image that cannot be used costs nothing but itself."""
    from personsearch.progress import Progress

    results: dict[str, Detections | ImageError] = {}
    names = list(dict.fromkeys(images))
    with Progress(total=len(names), label="detect", shown=progress) as bar:
        for start in range(0, len(names), BATCH):
            batch = names[start : start + BATCH]
            try:
                results |= zip(batch, searcher.detect(batch, threshold=threshold, progress=False), strict=True)
            except ImageError:
                for name in batch:
                    try:
                        results[name] = searcher.detect(name, threshold=threshold)
                    except ImageError as error:
                        results[name] = error
            bar.advance(len(batch))
    return results


def _print_detections(results: dict[str, Detections | ImageError], *, as_json: bool) -> None:
    failed = {name: one for name, one in results.items() if isinstance(one, ImageError)}
    if as_json:
        print_json(
            [
                {"image": name, "boxes": one.boxes.round(2).tolist(), "scores": one.scores.round(4).tolist()}
                if isinstance(one, Detections)
                else {"image": name, "error": str(one)}
                for name, one in results.items()
            ]
        )
        return
    table = table_of("image", "person", "score", "box")
    for name, one in results.items():
        if isinstance(one, ImageError):
            continue
        rows = zip(one.boxes.tolist(), one.scores.tolist(), strict=True)
        for number, (corners, score) in enumerate(rows, start=1):
            table.add_row(escape(name), str(number), f"{score:.2f}", box_text(corners))
        if not len(one):
            table.add_row(escape(name), "-", "", "nobody detected")
    if table.rows:
        out.print(table)
    for error in failed.values():
        err.print(f"[yellow]not used:[/] {escape(str(error))}", soft_wrap=True)
