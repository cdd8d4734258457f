"""``personsearch data``: check annotated sets and look at them."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from personsearch.cli.common import Json, err, out, print_json, table_of
from personsearch.cli.evaluate import Format
from personsearch.errors import ConfigError

if TYPE_CHECKING:
    from personsearch.datasets import Dataset
    from personsearch.datasets.doctor.check import CheckReport
    from personsearch.datasets.doctor.pictures import Look

app = typer.Typer(help="Check data sets before hours are spent on them.", no_args_is_help=True)

Source = Annotated[
    Path,
    typer.Argument(metavar="DATASET", help="The set's folder, or a COCO-style json file.", show_default=False),
]
Split = Annotated[
    Literal["train", "test"] | None, typer.Option("--split", help="Which part of the set; default: all there are.")
]
FormatOption = Annotated[
    Format | None,
    typer.Option("--format", metavar="NAME", help=f"{', '.join(get_args(Format))}; default: recognised by its files."),
]
Images = Annotated[Path | None, typer.Option(help="Folder of the images; default: the set's own.")]
Queries = Annotated[str | None, typer.Option(help="A file, or a protocol of the set: G50, mini ...")]
People = Annotated[
    list[str] | None,
    typer.Option("--people", metavar="NAME", help="A category that is people; repeatable. Default: by its name."),
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Skip malformed rows and files, and list them.")]

#: How many examples of a finding are printed; JSON has more.
SHOWN = 3
COLOURS = {"error": "red", "warning": "yellow", "note": "blue"}


@app.command()
def check(
    dataset: Source,
    split: Split = None,
    format: FormatOption = None,
    images: Images = None,
    queries: Queries = None,
    people: People = None,
    skip_bad: SkipBad = False,
    plots: Annotated[Path | None, typer.Option(help="Draw the set's statistics into this folder.")] = None,
    read: Annotated[bool, typer.Option("--read", help="Decode each image at its full size, as training does.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Read the images' headers only; find no duplicates.")] = False,
    no_images: Annotated[bool, typer.Option("--no-images", help="Check the annotations only, not the images.")] = False,
    as_json: Json = False,
) -> None:
    """Check a set. The exit status is 1 if there are errors, 2 if the set cannot be read."""
    given = [name for name, value in (("--read", read), ("--quick", quick), ("--no-images", no_images)) if value]
    if len(given) > 1:
        raise ConfigError(f"{' and '.join(given)} exclude each other; give one of them")
    from personsearch.pictures.charts import house_style

    if plots is not None:
        with house_style("data"):  # a missing library is reported before anything is read
            pass
    loaded = _load(dataset, split, format, images, queries, people, skip_bad, allow_empty=True)
    from personsearch.datasets.doctor.check import check_dataset
    from personsearch.datasets.doctor.plots import dataset_plots

    # Plots come first: they take a second, while the images may take minutes.
    drawn = dataset_plots(loaded, plots) if plots is not None and any(one.scenes for one in loaded) else []
    look: Look = "none" if no_images else "headers" if quick else "full" if read else "decode"
    report = check_dataset(*loaded, look=look)
    if as_json:
        print_json({**report.to_dict(), "plots": [str(path) for path in drawn]})
    else:
        _print_sizes(report)
        _print_findings(report)
        for path in drawn:
            out.print(f"drawn: [bold]{escape(str(path))}[/]", soft_wrap=True)
    if report.count("error"):
        sys.exit(1)


@app.command()
def show(
    dataset: Source,
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the sheets.", show_default=False)],
    split: Split = None,
    format: FormatOption = None,
    images: Images = None,
    people: People = None,
    skip_bad: SkipBad = False,
    identities: Annotated[
        bool, typer.Option("--identities", help="Draw one person per row, across cameras, instead of scenes.")
    ] = False,
    per_page: Annotated[int, typer.Option(min=1, help="Scenes, or people, on a sheet.")] = 12,
    pages: Annotated[int, typer.Option(min=0, help="At most this many sheets per split; 0 = everything.")] = 10,
) -> None:
    """Draw contact sheets: scenes with their boxes (green: labelled, blue: without a label, orange: ignored)."""
    from personsearch.datasets.doctor.sheets import identity_sheets, scene_sheets

    draw, what = (identity_sheets, "identities") if identities else (scene_sheets, "scenes")
    for one in _load(dataset, split, format, images, None, people, skip_bad):
        sheets = draw(one, folder, per_page=per_page, pages=pages or None)
        out.print(f"{escape(one.name)}: {sheets.drawn:,} of {sheets.total:,} {what}")
        for path in sheets.files:
            out.print(f"  drawn: [bold]{escape(str(path))}[/]", soft_wrap=True)
        for path in sheets.unreadable:
            err.print(f"[yellow]cannot be read, left grey:[/] {escape(str(path))}", soft_wrap=True)


def _load(
    source: Path,
    split: str | None,
    format: Format | None,
    images: Path | None,
    queries: str | None,
    people: list[str] | None,
    skip_bad: bool,
    *,
    allow_empty: bool = False,
) -> list[Dataset]:
    """Load the split that is asked for, or all there are. Wrong counts and missing images are findings, not errors."""
    from personsearch.datasets import load_dataset, splits_of

    splits = splits_of(source, format=format) if split is None else (split,)
    return [
        load_dataset(
            source,
            name,
            format=format,
            images=images,
            queries=None if name == "train" else queries,
            skip_bad=skip_bad,
            check_counts=False,
            require_images=False,
            people=people,
            allow_empty=allow_empty,
        )
        for name in splits
    ]


def _print_sizes(report: CheckReport) -> None:
    table = table_of("", *(escape(split.name) for split in report.splits))
    for column in table.columns[1:]:
        column.justify = "right"
    for row in ("scenes", "boxes", "labelled", "ignored", "identities", "cameras", "queries"):
        name = {"labelled": "  labelled", "ignored": "ignored boxes"}.get(row, row)
        table.add_row(name, *(f"{getattr(split, row):,}" for split in report.splits))
        if row == "identities":
            table.add_row("  boxes of each, median", *(_figure(one.boxes_per_identity, "g") for one in report.splits))
            table.add_row("  top 20% hold", *(_figure(split.head_share, ".0%") for split in report.splits))
    table.add_row("rows in the files", *(f"{split.accounting.rows:,}" for split in report.splits))
    table.add_row("rows left out", *(f"{sum(s.accounting.dropped.values()):,}" for s in report.splits))
    table.add_row("rows skipped", *(f"{len(split.accounting.skipped):,}" for split in report.splits))
    out.print(table)


def _figure(value: float, how: str) -> str:
    return "-" if math.isnan(value) else format(value, how)


def _print_findings(report: CheckReport) -> None:
    from personsearch.datasets.doctor.findings import KINDS

    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(overflow="fold")
    for finding in report.findings:
        colour, kind = COLOURS[finding.severity], KINDS[finding.kind]
        advice = f": {kind.advice}" if kind.advice else ""
        text = f"{escape(finding.part)}: {kind.what}[dim]{advice}[/]"
        table.add_row(f"[{colour}]{finding.severity}[/]", f"{finding.count:,}", text)
        for example in finding.examples[:SHOWN]:
            table.add_row("", "", Padding(f"[dim]{escape(example)}[/]", (0, 0, 0, 2)))
    if report.findings:
        out.print(table)
    looked = {
        "full": "images decoded at full size",
        "decode": "images read in full",
        "headers": "images' headers read",
        "none": "images not read",
    }
    counts = {severity: sum(one.severity == severity for one in report.findings) for severity in COLOURS}
    summary = ", ".join(f"{count} {severity}{'s' * (count != 1)}" for severity, count in counts.items())
    out.print(f"{summary}; {looked[report.look]}")
