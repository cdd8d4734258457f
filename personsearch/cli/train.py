"""``personsearch train``."""

from __future__ import annotations

import typer
from rich.markup import escape

from personsearch.cli.common import Overrides, Recipe, out

app = typer.Typer(help="Train on annotated scenes: STL step 1, then step 2.", no_args_is_help=True)


@app.command()
def pretrain(recipe: Recipe, overrides: Overrides = None) -> None:
    """STL step 1: the backbone on Re-ID crops. Run it again to go on where it stopped."""
    from personsearch.train import load_pretrain
    from personsearch.train import pretrain as run

    out.print(f"backbone in {escape(str(run(load_pretrain(recipe, overrides))))}")


@app.command()
def finetune(recipe: Recipe, overrides: Overrides = None) -> None:
    """STL step 2: detection and identification on scenes. Run it again to go on where it stopped."""
    from personsearch.train import finetune as run
    from personsearch.train import load_finetune

    out.print(f"weights in {escape(str(run(load_finetune(recipe, overrides))))}")


@app.command()
def recipes() -> None:
    """List the recipes of the package."""
    from personsearch.train import recipe_names

    for name in recipe_names():
        out.print(name)
