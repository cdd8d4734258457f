"""The command line: parses, prints, exits."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer
from rich.logging import RichHandler
from rich.markup import escape

from personsearch.cli import (
    adapt,
    data,
    detect,
    evaluate,
    gallery,
    index,
    people,
    search,
    serve,
    synth,
    train,
    watch,
    weights,
)
from personsearch.cli.common import Commands, err, out
from personsearch.cli.faults import UNFINISHED, explain
from personsearch.version import __version__

#: Exit status after Ctrl-C, which typer turns into an exit.
INTERRUPTED = 130
#: Set to anything, this environment variable lets exceptions end the program with Python's traceback.
DEBUG = "PERSONSEARCH_DEBUG"


# Without markup, help is plain text: names of options are never cut, and descriptions have room at 80 columns.
app = typer.Typer(
    help="Find a person across a gallery of scene images.",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
for command in (
    search.demo,
    index.index,
    search.search,
    detect.detect,
    evaluate.evaluate,
    adapt.adapt,
    serve.serve,
    watch.watch,
):
    app.command()(command)
for name, group in (
    ("data", data.app),
    ("gallery", gallery.app),
    ("people", people.app),
    ("synth", synth.app),
    ("train", train.app),
    ("weights", weights.app),
):
    app.add_typer(group, name=name, cls=people.PeopleCommands if group is people.app else Commands)


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
    """Run the command line; whatever stops a command ends with a sentence and the exit status of ``cli.faults``."""
    for stream in (sys.stdout, sys.stderr):  # a name that the terminal cannot show must not end a run
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    handler = RichHandler(console=err, show_path=False, show_level=False, log_time_format="[%H:%M:%S]")
    handler.setFormatter(logging.Formatter("%(message)s"))
    package = logging.getLogger("personsearch")
    package.setLevel(logging.INFO)
    package.handlers[:] = [handler]
    try:
        app()
    except SystemExit as leaving:
        if leaving.code == INTERRUPTED:
            err.print("interrupted; run the same command again to continue")
        _flush_or_leave()
        raise
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        message, status = explain(error)
        err.print(f"[red]error:[/] {escape(message)}", soft_wrap=True)
        sys.exit(status)


def _flush_or_leave() -> None:
    """Write out what is still buffered; leave quietly where nobody reads it any more, as after ``| head``."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more when it ends
        sys.exit(UNFINISHED)
