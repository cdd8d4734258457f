"""The command line: parses, prints, exits."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer
from rich.logging import RichHandler
from rich.markup import escape

from personsearch.cli import adapt, data, evaluate, gallery, search, synth, train, weights
from personsearch.cli.common import err, out
from personsearch.errors import PersonSearchError
from personsearch.version import __version__

#: Exit status after Ctrl-C, which typer turns into an exit.
INTERRUPTED = 130

app = typer.Typer(
    help="Find a person across a gallery of scene images.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in (search.demo, search.index, search.search, search.detect, evaluate.evaluate, adapt.adapt):
    app.command()(command)
for name, group in (
    ("data", data.app),
    ("gallery", gallery.app),
    ("synth", synth.app),
    ("train", train.app),
    ("weights", weights.app),
):
    app.add_typer(group, name=name)


def _print_version(wanted: bool) -> None:
    if wanted:
        out.print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line. A mistake of the user's ends with a message and exit status 2."""
    handler = RichHandler(console=err, show_path=False, show_level=False, log_time_format="[%H:%M:%S]")
    handler.setFormatter(logging.Formatter("%(message)s"))
    package = logging.getLogger("personsearch")
    package.setLevel(logging.INFO)
    package.handlers[:] = [handler]
    try:
        app()
    except PersonSearchError as error:
        err.print(f"[red]error:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(2)
    except SystemExit as leaving:
        if leaving.code == INTERRUPTED:
            err.print("interrupted; run the same command again to continue")
        raise
