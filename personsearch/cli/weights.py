"""``personsearch weights``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from personsearch.cli.common import Json, out, print_json, searcher_for, table_of

app = typer.Typer(help="The weights that are known by name.", no_args_is_help=True)


@app.command("list")
def weights_list(as_json: Json = False) -> None:
    """List the weights that are known by name."""
    from personsearch.weights.registry import list_weights

    entries = list_weights()
    if as_json:
        print_json({name: entry.model_dump(mode="json") for name, entry in entries.items()})
        return
    table = table_of("name", "architecture", "MB", "trained on", "licence", "mAP", "top-1")
    for name, entry in entries.items():
        size = sum(file.bytes for file in entry.files) / 1e6
        figures = [f"{100 * entry.metrics[key]:.1f}" for key in ("mAP", "top1")]
        table.add_row(name, entry.arch, f"{size:.1f}", entry.train_data, entry.license, *figures)
    out.print(table)


@app.command("show")
def weights_show(name: Annotated[str, typer.Argument(help="A name from the list.")], as_json: Json = False) -> None:
    """Print all that is known of one entry."""
    from personsearch.weights.registry import entry_of

    entry = entry_of(name).model_dump(mode="json")
    if as_json:
        print_json({"name": name, **entry})
        return
    table = Table("field", "value", show_header=False)
    table.add_row("name", name)
    for key, value in entry.items():
        table.add_row(key, value if isinstance(value, str) else json.dumps(value, indent=1))
    out.print(table)


@app.command("fetch")
def weights_fetch(
    name: Annotated[str, typer.Argument(help="A name from the list, or org/repo[@revision].")],
    cache_dir: Annotated[Path | None, typer.Option(help="Where to keep the files; default: the Hub's cache.")] = None,
) -> None:
    """Download and verify weights, so that they can be used offline."""
    from personsearch.weights.registry import locate

    sys.stdout.write(f"{locate(name, cache_dir=cache_dir)}\n")  # a path must not be wrapped


@app.command("publish")
def weights_publish(
    folder: Annotated[str, typer.Argument(help="Weights folder (./folder).")],
    repo: Annotated[str, typer.Argument(help="org/repo on the Hugging Face Hub.")],
    licence: Annotated[str, typer.Option("--license", help="SPDX identifier of the weights' licence.")],
    train_data: Annotated[str, typer.Option(help="What they were trained on, in words.")],
    private: Annotated[bool, typer.Option(help="Make a new repository private.")] = False,
    as_json: Json = False,
) -> None:
    """Upload a weights folder to the Hub in one commit and print how to pin it."""
    searcher = searcher_for(folder, "cpu")
    commit = searcher.push_to_hub(repo, license=licence, train_data=train_data, private=private or None)
    if as_json:
        print_json({"repo": repo, "revision": commit, "fingerprint": searcher.spec.fingerprint})
        return
    out.print(f"published; pinned name: [bold]{escape(f'{repo}@{commit}')}[/]")
