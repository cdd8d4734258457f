"""``personsearch train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from personsearch.cli.common import Json, Overrides, Recipe, out, print_json, sparkline, table_of
from personsearch.errors import ConfigError, DatasetError

if TYPE_CHECKING:
    from personsearch.train import Rehearsal

app = typer.Typer(help="Train on annotated scenes: STL step 1, then step 2.", no_args_is_help=True)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything, take ten steps, say what it would cost.")]
Run = Annotated[Path, typer.Argument(help="Folder of a run (run.out).")]


@app.command()
def pretrain(recipe: Recipe, overrides: Overrides = None, dry_run: DryRun = False) -> None:
    """STL step 1: the backbone on Re-ID crops. Run it again to go on where it stopped."""
    from personsearch.train import load_pretrain, rehearse_pretrain
    from personsearch.train import pretrain as run

    config = load_pretrain(recipe, overrides)
    if dry_run:
        _tell(rehearse_pretrain(config), config.run.out)
    else:
        out.print(f"backbone in {escape(str(run(config)))}")


@app.command()
def finetune(recipe: Recipe, overrides: Overrides = None, dry_run: DryRun = False) -> None:
    """STL step 2: detection and identification on scenes. Run it again to go on where it stopped."""
    from personsearch.train import finetune as run
    from personsearch.train import load_finetune, rehearse_finetune

    config = load_finetune(recipe, overrides)
    if dry_run:
        _tell(rehearse_finetune(config), config.run.out)
    else:
        out.print(f"weights in {escape(str(run(config)))}")


@app.command()
def resume(run: Run) -> None:
    """Go on with a run, by the recipe in its folder."""
    from personsearch.train import resume as go_on

    out.print(f"weights in {escape(str(go_on(run)))}")


@app.command()
def status(run: Run, as_json: Json = False) -> None:
    """Say how a run stands, also while it goes on."""
    from personsearch.train import read_status

    found = read_status(run)
    if as_json:
        print_json({**vars(found), "best": found.best})
        return
    state = "finished" if found.finished else f"in epoch {found.epoch} of {found.epochs}"
    out.print(f"{escape(str(run))}: {found.step_of_stl}, {state}, {found.steps} steps")
    if found.losses:
        values = [loss for _, loss in found.losses]
        out.print(f"loss {values[0]:.3f} {sparkline(values)} {values[-1]:.3f}")
    if not found.validations:
        return
    names = list(found.validations[0][1])
    first = [figures[names[0]] for _, figures in found.validations]
    out.print(f"{names[0]} {first[0]:.3f} {sparkline(first)} {first[-1]:.3f}")
    table = table_of("epoch", *names)
    for epoch, figures in found.validations:
        best = found.best is not None and found.best[0] == epoch
        table.add_row(str(epoch), *[f"{figures[name]:.4g}" for name in names], style="bold green" if best else None)
    out.print(table)


@app.command()
def features(
    annotations: Annotated[Path, typer.Argument(help="COCO-style json that the scene is of.")],
    image_id: Annotated[str, typer.Argument(help="The scene: its file_name there.")],
    start: Annotated[list[str] | None, typer.Option(help="NAME=INIT, as a recipe's init; may be repeated.")] = None,
    preset: Annotated[str, typer.Option(help="Of the model.")] = "stl-mrfp-small",
    save: Annotated[Path, typer.Option(help="Where to write the picture.")] = Path("features.png"),
    as_json: Json = False,
) -> None:
    """Picture what the base network looks at before step 2, from random and other starts (paper Figure 6)."""
    from personsearch.datasets import load_dataset
    from personsearch.models import preset as model_of
    from personsearch.models import preset_names
    from personsearch.train.feature_maps import draw_feature_maps, feature_maps

    if preset not in preset_names():
        raise ConfigError(f"--preset {preset!r} is none of {', '.join(preset_names())}")
    starts: dict[str, str | None] = {"random": None}
    for one in start or []:
        name, sign, init = one.partition("=")
        if not sign or not name or not init:
            raise ConfigError(f"--start {one!r}: write NAME=INIT, for example stl=./runs/small-pretrain/weights")
        starts[name] = init
    scenes = load_dataset(annotations, "train", require_images=False).scenes
    scene = next((one for one in scenes if one.image_id == image_id), None)
    if scene is None:
        raise DatasetError(f"{annotations}: has no image {image_id!r}")
    maps = feature_maps(scene.path, model_of(preset), starts, scene.boxes)
    draw_feature_maps(scene.path, maps).save(save)
    if as_json:
        print_json({one.name: one.on_people for one in maps})
    else:
        out.print(f"drawn into [bold]{escape(str(save))}[/]")


@app.command()
def recipes() -> None:
    """List the recipes of the package."""
    from personsearch.train import describe_recipes

    table = table_of("recipe", "step", "what for")
    for name, (step, text) in describe_recipes().items():
        table.add_row(name, step, text)
    out.print(table)


def _tell(rehearsal: Rehearsal, folder: str) -> None:
    table = table_of("", "value")
    for name, value in {
        "folder": folder,
        "parameters that learn": f"{rehearsal.parameters:,}",
        "epochs": str(rehearsal.epochs),
        "steps": f"{rehearsal.steps:,}",
        "seconds a step": f"{rehearsal.seconds_per_step:.3f}",
        "memory": f"{rehearsal.memory_mb:,.0f} MB",
        "expected duration": f"{rehearsal.hours:.1f} h, without validation",
    }.items():
        table.add_row(name, escape(value))
    out.print(table)
