"""``personsearch synth``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from personsearch.cli.common import out, print_json, table_of

app = typer.Typer(help="Render pictures of people who do not exist, with exact labels.", no_args_is_help=True)

Layout = Literal["coco", "prw"]
Split = Literal["train", "test"]

Out = Annotated[Path, typer.Argument(help="Folder to write to.", file_okay=False, show_default=False)]
RecipeOption = Annotated[
    str, typer.Option("--recipe", help="TOML file, or the name of a packaged recipe.", show_default=False)
]
Overrides = Annotated[list[str] | None, typer.Argument(help="Changes to the recipe: train.identities=500 ...")]
Workers = Annotated[int | None, typer.Option(min=1, help="Worker processes; default: one per core.")]


@app.command()
def make(
    folder: Out,
    recipe: RecipeOption,
    overrides: Overrides = None,
    workers: Workers = None,
    layout: Annotated[Layout, typer.Option(help="prw adds the folders that tools for PRW expect.")] = "coco",
    keypoints: Annotated[bool, typer.Option("--keypoints", help="Write 17 keypoints per person.")] = False,
    masks: Annotated[bool, typer.Option("--masks", help="Write an id mask for each picture.")] = False,
) -> None:
    """Make a person-search set. If it is interrupted, run the same command again to continue."""
    from personsearch.synth import load_recipe
    from personsearch.synth import make as make_set

    loaded = load_recipe(recipe, overrides)
    path = make_set(loaded, folder, workers=workers, layout=layout, keypoints=keypoints, masks=masks)
    out.print(f"set in {escape(str(path))}", soft_wrap=True)


@app.command()
def recipes() -> None:
    """List the packaged recipes."""
    from personsearch.synth import describe_recipes

    table = table_of("recipe", "what for")
    for name, text in describe_recipes().items():
        table.add_row(name, text)
    out.print(table)


@app.command()
def show(
    folder: Out,
    recipe: Annotated[
        str, typer.Option("--recipe", help="TOML file, or the name of a packaged recipe.")
    ] = "street-small",
    overrides: Overrides = None,
) -> None:
    """Draw contact sheets: people, look-alikes, frames with boxes, identities across cameras."""
    from personsearch.synth import contact_sheets, load_recipe

    for path in contact_sheets(load_recipe(recipe, overrides), folder):
        out.print(f"drawn: [bold]{escape(str(path))}[/]", soft_wrap=True)


@app.command()
def fit(
    folder: Out,
    recipe: RecipeOption,
    overrides: Overrides = None,
    set_folder: Annotated[
        Path | None,
        typer.Option("--set", help="Finished set to measure; default: the recipe's plan.", file_okay=False),
    ] = None,
    split: Annotated[Split, typer.Option(help="Which half to measure.")] = "train",
) -> None:
    """Compare a set with its recipe's targets: box heights, people per frame, boxes per identity."""
    from personsearch.synth import load_recipe
    from personsearch.synth.fit import draw_fit
    from personsearch.synth.plan import plan
    from personsearch.synth.statistics import comparison, statistics_of_plan, statistics_of_set

    loaded = load_recipe(recipe, overrides)
    if set_folder is None:
        statistics = statistics_of_plan(loaded, plan(loaded), split)
    else:
        statistics = statistics_of_set(set_folder / f"{split}.json", loaded.width, loaded.height)
    for name, rows in comparison(loaded, statistics).items():
        table = table_of(name, *(level for level, _, _ in rows))
        table.add_row("result", *(f"{result:.0f}" for _, result, _ in rows))
        table.add_row("target", *("" if target is None else f"{target:.0f}" for _, _, target in rows))
        out.print(table)
    for path in draw_fit(loaded, statistics, split, folder):
        out.print(f"drawn: [bold]{escape(str(path))}[/]", soft_wrap=True)


@app.command()
def target(
    annotations: Annotated[
        Path, typer.Argument(help="COCO-style JSON file with person_id.", dir_okay=False, show_default=False)
    ],
    width: Annotated[int, typer.Option(min=1, help="Width of the recipe's pictures, pixels.")] = 960,
    height: Annotated[int, typer.Option(min=1, help="Height of the recipe's pictures, pixels.")] = 640,
) -> None:
    """Print recipe lines that describe an annotated set, as quantiles only."""
    from personsearch.synth.statistics import people_lines, statistics_of_set

    for line in people_lines(statistics_of_set(annotations, width, height)):
        out.print(line, markup=False, soft_wrap=True)


@app.command()
def crops(folder: Out, recipe: RecipeOption, overrides: Overrides = None, workers: Workers = None) -> None:
    """Make 256x128 crops of single people, for step 1 of STL."""
    from personsearch.synth import load_recipe, make_crops

    path = make_crops(load_recipe(recipe, overrides), folder, workers=workers)
    out.print(f"crops in {escape(str(path))}", soft_wrap=True)


@app.command()
def identity(seed: Annotated[int, typer.Argument(min=0, help="Seed of the person.")]) -> None:
    """Print a person as JSON: body, clothes and what they carry, all from one number."""
    from personsearch.synth.people.identity import sample_identity

    print_json(sample_identity(seed).to_dict())
