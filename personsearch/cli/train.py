"""``personsearch train``."""

from __future__ import annotations

import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from personsearch.cli.common import Device, Json, Overrides, Recipe, out, print_json, sparkline, table_of
from personsearch.errors import ConfigError, DatasetError

if TYPE_CHECKING:
    from personsearch.train import Rehearsal

app = typer.Typer(
    help="Train on annotated scenes in the two steps of STL: pretrain, then finetune.", no_args_is_help=True
)

DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Read every picture, check everything else, take a few steps, and say what the run would cost. Writes "
        "nothing.",
    ),
]
Run = Annotated[Path, typer.Argument(help="Folder of a run (run.out).")]


class Preset(StrEnum):
    """Presets of the model, listed here because the help text must not load torch."""

    SMALL = "stl-mrfp-small"
    R50 = "stl-mrfp-r50"


PresetOption = Annotated[
    Preset,
    typer.Option(
        metavar="NAME", help="Architecture and preprocessing: stl-mrfp-small, for CPUs, or stl-mrfp-r50, the paper's."
    ),
]


@app.command()
def pretrain(recipe: Recipe, overrides: Overrides = None, dry_run: DryRun = False) -> None:
    """STL step 1: the backbone learns re-identification on people cut out of your scenes (Re-ID crops).

    The same command continues an interrupted run. For example:
    personsearch train pretrain synth-pretrain data.annotations=my/train.json data.holdout_places='["yard"]'
    """
    from personsearch.train import load_pretrain, rehearse_pretrain
    from personsearch.train import pretrain as run

    config = load_pretrain(recipe, overrides)
    if dry_run:
        _print_rehearsal(rehearse_pretrain(config), config.run.out)
    else:
        _say_where("backbone", run(config))


@app.command()
def finetune(recipe: Recipe, overrides: Overrides = None, dry_run: DryRun = False) -> None:
    """STL step 2: the whole network learns detection and identification on scenes.

    The same command continues an interrupted run. For example:
    personsearch train finetune own-finetune data.annotations=my/train.json data.holdout_places='["yard"]'
    """
    from personsearch.train import finetune as run
    from personsearch.train import load_finetune, rehearse_finetune

    config = load_finetune(recipe, overrides)
    if dry_run:
        _print_rehearsal(rehearse_finetune(config), config.run.out)
    else:
        _say_where("weights", run(config))


@app.command("from-scratch")
def from_scratch(
    folder: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder of everything; the weights go into OUT/weights.")
    ],
    budget: Annotated[
        str, typer.Option(help="tiny: minutes; cpu: a night; gpu: about an hour of a large one; or FILE.toml:NAME.")
    ] = "cpu",
    photos: Annotated[Path | None, typer.Option(help="Folder of photographs of places without people.")] = None,
    textures: Annotated[Path | None, typer.Option(help="Folder of photographed materials.")] = None,
    preset: PresetOption = Preset.SMALL,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that draw; default: one per core.")] = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """From nothing to weights: render a set, train both steps, evaluate.

    The same command continues an interrupted one.
    """
    from personsearch.train import from_scratch as run
    from personsearch.train.from_scratch import read_summary

    weights = run(
        folder,
        budget=budget,
        photos=photos,
        textures=textures,
        preset=preset.value,
        workers=workers,
        device=device,
    )
    summary = read_summary(folder)
    if as_json:
        print_json({"weights": str(weights), **summary})
        return
    names = ("AP", "recall", "mAP", "top1")
    table = table_of("test split of the set", "places")
    for name in ("queries", *names):
        table.add_column(name, justify="right", no_wrap=True, min_width=5)
    for row in summary["rows"]:
        figures = ("-" if row.get(name) is None else f"{100 * row[name]:.1f}" for name in names)
        places = "all" if row["scored on"] == "all places" else "rest"
        kept = row["name"] == summary["kept"]
        table.add_row(row["name"], places, f"{row['queries']:,}", *figures, style="bold green" if kept else None)
    out.print(table)
    out.print("per cent; nobody and nothing of the test split was trained on. rest: the places that chose no epoch")
    _say_where("weights", weights)


@app.command()
def resume(run: Run) -> None:
    """Continue a run by the recipe in its folder."""
    from personsearch.train import resume as continue_run

    _say_where("weights", continue_run(run))


@app.command()
def status(run: Run, as_json: Json = False) -> None:
    """Show how far a run is; it may still be running."""
    from personsearch.train import read_status

    now = read_status(run)
    if as_json:
        print_json(now.to_dict())
        return
    state = "finished" if now.finished else f"in epoch {now.epoch} of {now.epochs}"
    out.print(f"{escape(str(run))}: {now.step_of_stl}, {state}, {now.steps} steps", soft_wrap=True)
    if now.left_out:
        plural = "s" * (now.left_out != 1)
        out.print(f"{now.left_out} picture{plural} could not be used and {'were' if plural else 'was'} left out")
    if now.losses:
        losses = [loss for _, loss in now.losses]
        out.print(f"loss {losses[0]:.3f} {sparkline(losses)} {losses[-1]:.3f}")
    if not now.validations:
        return
    names = list(now.validations[0][1])
    selections = [figures[names[0]] for _, figures in now.validations if not math.isnan(figures[names[0]])]
    if selections:
        out.print(f"{names[0]} {selections[0]:.3f} {sparkline(selections)} {selections[-1]:.3f}")
    else:
        out.print(f"{names[0]}: no validation counted anything; the log says what is missing")
    table = table_of("epoch", *names)
    for epoch, figures in now.validations:
        best = now.best is not None and now.best[0] == epoch
        cells = ["-" if math.isnan(figures[name]) else f"{figures[name]:.4g}" for name in names]
        table.add_row(str(epoch), *cells, style="bold green" if best else None)
    out.print(table)


@app.command()
def features(
    annotations: Annotated[Path, typer.Argument(help="COCO-style json file that describes the scene.")],
    image_id: Annotated[str, typer.Argument(help="The scene: its file_name in the annotations.")],
    start: Annotated[
        list[str] | None, typer.Option(help="NAME=INIT, where INIT is what a recipe's init may be; may be repeated.")
    ] = None,
    preset: PresetOption = Preset.SMALL,
    save: Annotated[Path, typer.Option(help="Where to write the picture.")] = Path("features.png"),
    as_json: Json = False,
) -> None:
    """Draw what the base network responds to before step 2, from random and other weights (paper Figure 6)."""
    starts: dict[str, str | None] = {"random": None}
    for one in start or []:
        name, _, init = one.partition("=")
        if not name or not init:
            raise ConfigError(f"--start {one!r}: write NAME=INIT, for example stl=./runs/synth-pretrain/weights")
        starts[name] = init
    if not save.absolute().parent.is_dir():
        raise ConfigError(f"--save {save}: there is no folder {save.absolute().parent}; make it first")

    from personsearch.datasets import load_dataset
    from personsearch.models import preset as preset_config
    from personsearch.train.feature_maps import draw_feature_maps, feature_maps
    from personsearch.train.reading import read_scene

    scenes = load_dataset(annotations, "train", require_images=False).scenes
    scene = next((one for one in scenes if one.image_id == image_id), None)
    if scene is None:
        first = f", but for example {scenes[0].image_id!r}" if scenes else ""
        raise DatasetError(f"{annotations}: has no image {image_id!r}{first}")
    image = read_scene(scene)
    maps = feature_maps(image, preset_config(preset), starts, scene.boxes)
    draw_feature_maps(image, maps).save(save)
    if as_json:
        print_json({one.name: one.on_people for one in maps})
    else:
        out.print(f"The picture: [bold]{escape(str(save))}[/]")


@app.command()
def recipes() -> None:
    """List the packaged recipes."""
    from personsearch.train import describe_recipes

    table = table_of("recipe", "step", "what for")
    for name, (step, text) in describe_recipes().items():
        table.add_row(name, step, text)
    out.print(table)


def _say_where(what: str, folder: Path) -> None:
    """Print a folder of weights so that --weights and init take what is printed."""
    from personsearch.weights.names import Folder

    out.print(f"{what} in {escape(str(Folder(folder)))}", soft_wrap=True)


def _print_rehearsal(rehearsal: Rehearsal, folder: str) -> None:
    minutes = math.ceil(60 * rehearsal.hours)
    duration = f"{rehearsal.hours:.1f} h" if minutes > 90 else f"{minutes} min"
    unusable = f"{len(rehearsal.left_out)} of them to be left out" if rehearsal.left_out else "all of them sound"
    memory = "unknown on this system" if rehearsal.memory_mb is None else f"{rehearsal.memory_mb:,.0f} MB"
    table = table_of("", "value")
    for name, value in {
        "folder": folder,
        "pictures read": f"{rehearsal.pictures:,}, {unusable}",
        "parameters that learn": f"{rehearsal.parameters:,}",
        "epochs": str(rehearsal.epochs),
        "steps": f"{rehearsal.steps:,}, if all epochs have as many as the first",
        "seconds per step": f"{rehearsal.seconds_per_step:.3f}",
        "memory": memory,
        "expected duration": f"{duration}, without validation",
    }.items():
        table.add_row(name, escape(value))
    out.print(table)
    for why in rehearsal.left_out:
        out.print(f"left out: {escape(why)}", soft_wrap=True)
