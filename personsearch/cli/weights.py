"""``personsearch weights``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from personsearch.cli.common import Json, out, print_json, table_of

app = typer.Typer(help="List, show, download and publish weights.", no_args_is_help=True)


@app.command("list")
def weights_list(as_json: Json = False) -> None:
    """List the weights that have a name."""
    from personsearch.weights.entries import list_weights

    entries = list_weights()
    if as_json:
        print_json({name: entry.model_dump(mode="json") for name, entry in entries.items()})
        return
    table = table_of("name", "MB", "trained on", "licence", "mAP", "top-1")
    table.columns[0].no_wrap = True  # names are for copying
    for name, entry in entries.items():
        size = sum(file.bytes for file in entry.files) / 1e6
        figures = [f"{100 * entry.metrics[key]:.1f}" if key in entry.metrics else "-" for key in ("mAP", "top1")]
        table.add_row(name, f"{size:.1f}", entry.train_data, entry.license, *figures)
    out.print(table)


@app.command("show")
def weights_show(
    name: Annotated[str, typer.Argument(help="A name that 'personsearch weights list' shows.")], as_json: Json = False
) -> None:
    """Print everything that is known about one of the weights in the list."""
    from personsearch.weights.entries import entry_of

    name = name.removeprefix("package://")
    entry = entry_of(name).model_dump(mode="json")
    if as_json:
        print_json({"name": name, **entry})
        return
    table = table_of("field", "value")
    table.show_header = False
    table.add_row("name", name)
    for key, value in entry.items():
        table.add_row(key, value if isinstance(value, str) else json.dumps(value, indent=1))
    out.print(table)


@app.command("fetch")
def weights_fetch(
    name: Annotated[
        str, typer.Argument(help="A name from the list, org/repo[@revision], or hf://org/repo[@revision]/file.")
    ],
    cache_dir: Annotated[
        Path | None, typer.Option(help="Folder to keep the files in; default: the Hub's cache.")
    ] = None,
) -> None:
    """Download and verify weights, so that they can be used offline; print where they are."""
    from personsearch.weights.names import parse_name

    source = parse_name(name)
    from personsearch.weights.hub import HubOptions
    from personsearch.weights.registry import locate

    sys.stdout.write(f"{locate(source, HubOptions(cache_dir=cache_dir))}\n")  # a path must not be wrapped


@app.command("publish")
def weights_publish(
    folder: Annotated[str, typer.Argument(help="Folder of the weights.")],
    repo: Annotated[str, typer.Argument(help="Repository on the Hugging Face Hub (org/repo); created if need be.")],
    licence: Annotated[str, typer.Option("--license", help="SPDX identifier of the weights' licence.")],
    train_data: Annotated[str, typer.Option(help="What the weights were trained on, in words.")],
    private: Annotated[
        bool, typer.Option("--private/--no-private", show_default=False, help="Make a new repository private.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Upload a weights folder to the Hub in one commit, and print the name that pins it."""
    from personsearch.weights.names import parse_name, parse_repo

    source, repo = parse_name(folder), parse_repo(repo)
    from personsearch.weights.hub import publish_folder
    from personsearch.weights.registry import locate

    published = publish_folder(repo, locate(source), license=licence, train_data=train_data, private=private or None)
    if as_json:
        print_json({"repo": published.repo, "revision": published.commit, "fingerprint": published.fingerprint})
        return
    out.print(f"published; pinned name: [bold]{escape(f'{published.repo}@{published.commit}')}[/]", soft_wrap=True)
