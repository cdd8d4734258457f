"""What the commands share: options, tables, printing. Results go to stdout, everything else to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from typer.core import TyperGroup

from personsearch.boxes import look_normalised, require_corners
from personsearch.errors import ConfigError, GalleryMismatchError, ImageError, WeightsError
from personsearch.plain import finite_or_none
from personsearch.results import GalleryInfo

if TYPE_CHECKING:
    from personsearch.gallery import Gallery

#: Columns whose cells are never broken; all others hold texts.
NUMBERS = frozenset(
    {"query", "rank", "similarity", "probability", "score", "time", "box", "person", "epoch", "MB", "first", "last"}
    | {"track", "detection"}
)
#: A column of texts that is narrower than this is hard to read.
READABLE = 24


class Commands(TyperGroup):
    """Commands whose descriptions are shown whole."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands; by itself, the library would cut a description at the end of its line."""
        rows = [(name, command.get_short_help_str(limit=1000)) for name, command in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]
Weights = Annotated[str | None, typer.Option("--weights", help="Name of weights, a folder of them, or org/repo.")]
Device = Annotated[str | None, typer.Option(help="cuda, cuda:1, mps or cpu; default: the fastest there is.")]
FastDecode = Annotated[
    bool,
    typer.Option(
        "--fast-decode",
        help="Decode large JPEGs at a part of their size: in about two thirds of the time, to slightly other pixels.",
    ),
]
Recipe = Annotated[str, typer.Argument(help="TOML file, or the name of a packaged recipe.")]
Overrides = Annotated[list[str] | None, typer.Argument(help="Changes to the recipe: optimizer.lr=0.001 ...")]


def searcher_for(weights: str | None, device: str | None, *, fast_decode: bool = False) -> Any:
    """Load weights by name or folder; None = the default weights."""
    from personsearch.searcher import PersonSearcher
    from personsearch.weights.registry import DEFAULT

    return PersonSearcher.from_pretrained(weights or DEFAULT, device=device, fast_decode=fast_decode)


def searcher_of(gallery: Gallery, weights: str | None, device: str | None) -> Any:
    """Load the weights that were named, or those that a gallery was made with; pictures are read as its own were."""
    from personsearch.device import choose_device
    from personsearch.weights.registry import pinned_name

    fast_decode = gallery.spec.fast_decode
    if weights is not None:
        return searcher_for(weights, device, fast_decode=fast_decode)
    choose_device(device)  # which has nothing to do with where the weights are
    spec = gallery.spec
    try:
        searcher = searcher_for(pinned_name(spec), device, fast_decode=fast_decode)
    except (ConfigError, WeightsError) as error:
        raise type(error)(
            f"{gallery.name}: was made with the weights {spec.name} ({spec.fingerprint[:12]}), which cannot be loaded "
            f"from here; say where they are with --weights. {error}"
        ) from None
    if searcher.spec.fingerprint != spec.fingerprint:
        raise GalleryMismatchError(
            f"{gallery.name}: was made with weights called {spec.name} ({spec.fingerprint[:12]}), but those of this "
            f"name are others now ({searcher.spec.fingerprint[:12]}); say where the former are with --weights, or "
            "index into a new gallery"
        )
    return searcher


def searcher_at(gallery: Path, weights: str | None, device: str | None) -> Any:
    """Load the weights for a gallery's folder: its own if there is a gallery, the default ones if there is none yet."""
    from personsearch.gallery import Gallery
    from personsearch.gallery.faults import DATABASE

    if not (gallery / DATABASE).exists():
        return searcher_for(weights, device)
    with Gallery.open(gallery, mode="r") as opened:
        searcher = searcher_of(opened, weights, device)
        opened.require(searcher.spec)
    return searcher


def parse_box(text: str, option: str = "--box") -> tuple[float, ...]:
    """Read x1,y1,x2,y2, the value of an option; what no image could make right is refused before one is read."""
    name = f"{option} {text!r}"
    try:
        corners = tuple(float(part) for part in text.split(","))
    except ValueError:
        corners = ()
    if len(corners) != 4:
        raise ImageError(f"{name}: must be four numbers x1,y1,x2,y2 in pixels")
    if look_normalised(require_corners([corners], name)):
        raise ImageError(
            f"{name}: looks like fractions of the image (0 to 1); give pixels: multiply x by the image's width and "
            "y by its height"
        )
    return corners


def table_of(*columns: str) -> Table:
    """Return a table that cuts nothing: columns of numbers stay whole, and texts continue on the next line."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for column in columns:
        if column in NUMBERS:
            table.add_column(column, no_wrap=True)
        else:
            table.add_column(column, overflow="fold", min_width=len(column))
    return table


def fits(table: Table, readable: int = READABLE) -> bool:
    """Whether the terminal is wide enough for a table, its texts broken where need be into ``readable`` signs."""
    needed = 3 * len(table.columns) - 1  # between columns, and at the edges
    for column in table.columns:
        cells = [column.header, *column.cells]
        longest = max(cell_len(str(cell)) for cell in cells)
        needed += longest if column.no_wrap else min(longest, max(readable, cell_len(str(column.header))))
    return needed <= out.width


def print_columns(cells: dict[str, list[str]], readable: int = 10, spare: str | None = None) -> None:
    """Print a table, column by column, without those that are empty throughout; if it is too wide, a line for each row.

    Args:
        cells: header -> its cells, markup escaped; the first column says which row it is.
        readable: the width at which texts can still be read.
        spare: the column that is left out of a table that would be too wide with it.
    """
    shown = {name: column for name, column in cells.items() if any(column)}
    for left_out in dict.fromkeys((None, spare)):
        columns = {name: column for name, column in shown.items() if name != left_out}
        table = table_of(*columns)
        for row in zip(*columns.values(), strict=True):
            table.add_row(*row)
        if fits(table, readable):
            out.print(table)
            return
    lead = next(iter(shown))
    for row in zip(*shown.values(), strict=True):
        fields = (f"{name} {cell}" for name, cell in zip(shown, row, strict=True) if cell and name != lead)
        out.print(f"{lead} {row[0]}: {', '.join(fields)}", soft_wrap=True)


def warn_of_cameras(cameras: Iterable[str], known: Iterable[str]) -> None:
    """Name the cameras that a filter asks for and no scene has: the answer would pass for one about people."""
    there = sorted(known)
    for camera in cameras:
        if camera not in there:
            listed = ", ".join(there) or "none"
            err.print(
                f"[yellow]no scene here has the camera {escape(camera)}; known: {escape(listed)}[/]", soft_wrap=True
            )


def warn_of_times(info: GalleryInfo) -> None:
    """Say how many scenes a filter by time leaves out because they have none."""
    if info.timed < info.images:
        untimed = info.images - info.timed
        err.print(f"[yellow]{untimed} of {info.images} scenes have no time, so they are left out[/]", soft_wrap=True)


def box_text(box: Any) -> str:
    """Write a box in whole pixels."""
    return ", ".join(f"{value:.0f}" for value in box)


def print_json(value: Any) -> None:
    """Write one line for programs; a figure that counted nothing (NaN) is null."""
    sys.stdout.write(json.dumps(finite_or_none(value), allow_nan=False) + "\n")


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """Draw values as a row of bars; neighbours are averaged where there are more than ``width``."""
    if len(values) > width:
        bounds = [round(i * len(values) / width) for i in range(width + 1)]
        values = [sum(values[a:b]) / (b - a) for a, b in pairwise(bounds)]
    low, high = min(values), max(values)
    bars = "▁▂▃▄▅▆▇█"
    return "".join(bars[round((value - low) / ((high - low) or 1) * (len(bars) - 1))] for value in values)
