"""``personsearch synth``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from personsearch.cli.common import out, print_json, table_of

app = typer.Typer(help="Make pictures of people who do not exist, with exact labels.", no_args_is_help=True)

Out = Annotated[Path, typer.Argument(help="Folder to write to.")]
RecipeOption = Annotated[str, typer.Option("--recipe", help="TOML file, or the name of a recipe of the package.")]
Changes = Annotated[list[str] | None, typer.Argument(help="Changes to the recipe: train.identities=500 ...")]
Workers = Annotated[int | None, typer.Option(help="Processes; default: one for each core.")]


class Split(StrEnum):
    """Halves of a set."""

    train = "train"
    test = "test"


@app.command()
def make(
    folder: Out,
    recipe: RecipeOption,
    overrides: Changes = None,
    workers: Workers = None,
    layout: Annotated[str, typer.Option(help="coco, or prw for tools that expect PRW's folders.")] = "coco",
    keypoints: Annotated[bool, typer.Option("--keypoints", help="Write 17 keypoints of each person.")] = False,
    masks: Annotated[bool, typer.Option("--masks", help="Write an id mask for each picture.")] = False,
) -> None:
    """Make a person-search set. Run it again to go on where it stopped."""
    from personsearch.synth.make import make as run
    from personsearch.synth.recipe import load_recipe

    loaded = load_recipe(recipe, overrides)
    done = run(loaded, folder, workers=workers, layout=layout, keypoints=keypoints, masks=masks)
    out.print(f"set in {escape(str(done))}")


@app.command()
def recipes() -> None:
    """List the recipes of the package."""
    from personsearch.synth.recipe import describe_recipes

    table = table_of("recipe", "what for")
    for name, text in describe_recipes().items():
        table.add_row(name, text)
    out.print(table)


@app.command()
def show(
    folder: Out,
    recipe: Annotated[str | None, typer.Option("--recipe", help="Show its world; default: people only.")] = None,
    overrides: Changes = None,
) -> None:
    """Draw contact sheets: people, frames with boxes, one identity across cameras, look-alikes."""
    from personsearch.synth.recipe import load_recipe
    from personsearch.synth.show import contact_sheets

    for path in contact_sheets(None if recipe is None else load_recipe(recipe, overrides), folder):
        out.print(f"drawn into [bold]{escape(str(path))}[/]")


@app.command()
def fit(
    folder: Out,
    recipe: RecipeOption,
    overrides: Changes = None,
    made: Annotated[
        Path | None, typer.Option("--set", help="Measure this made set; default: the recipe's plan.")
    ] = None,
    split: Annotated[Split, typer.Option(help="train or test.")] = Split.train,
) -> None:
    """Draw how well a recipe's set meets its targets: box heights, people per frame, boxes per identity."""
    from personsearch.synth.fit import draw_fit
    from personsearch.synth.plan import plan
    from personsearch.synth.recipe import load_recipe
    from personsearch.synth.statistics import comparison, statistics_of_plan, statistics_of_set

    loaded = load_recipe(recipe, overrides)
    if made is None:
        found = statistics_of_plan(loaded, plan(loaded), split.value)
    else:
        found = statistics_of_set(made / f"{split.value}.json", loaded.width, loaded.height)
    for name, rows in comparison(loaded, found).items():
        table = table_of(name, *(what for what, _, _ in rows))
        table.add_row("result", *(f"{got:.0f}" for _, got, _ in rows))
        table.add_row("target", *("" if goal is None else f"{goal:.0f}" for _, _, goal in rows))
        out.print(table)
    for path in draw_fit(loaded, found, split.value, folder):
        out.print(f"drawn into [bold]{escape(str(path))}[/]")


@app.command()
def target(
    annotations: Annotated[Path, typer.Argument(help="COCO-style json with person_id.")],
    width: Annotated[int, typer.Option(min=1, help="Of the recipe's pictures, pixels.")] = 960,
    height: Annotated[int, typer.Option(min=1, help="Of the recipe's pictures, pixels.")] = 640,
) -> None:
    """Print the lines of a recipe that make sets like an annotated one: quantiles only."""
    from personsearch.synth.statistics import people_lines, statistics_of_set

    for line in people_lines(statistics_of_set(annotations, width, height)):
        out.print(line, markup=False, soft_wrap=True)


@app.command()
def crops(folder: Out, recipe: RecipeOption, overrides: Changes = None, workers: Workers = None) -> None:
    """Make 256x128 crops of single persons, for STL step 1."""
    from personsearch.synth.crops import make_crops
    from personsearch.synth.recipe import load_recipe

    out.print(f"crops in {escape(str(make_crops(load_recipe(recipe, overrides), folder, workers=workers)))}")


@app.command()
def identity(seed: Annotated[int, typer.Argument(min=0, help="Of the person.")]) -> None:
    """Print a person as JSON: body, clothes and what they carry, all from one number."""
    from personsearch.synth.people.identity import sample_identity

    print_json(sample_identity(seed).to_dict())
