"""The model card of weights that the chain from nothing made: data, photographs and their licences, curves, figures."""

from __future__ import annotations

import json
import math
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from personsearch.durable import write_durably
from personsearch.models import ModelConfig
from personsearch.synth import Recipe
from personsearch.synth.plates.library import MANIFEST
from personsearch.train.watch import read_status
from personsearch.version import __version__
from personsearch.weights.files import MODEL_FILE, read_config

CARD_FILE = "README.md"
#: Validation figures that curves show.
SHOWN = ("AP", "recall", "mAP", "top1", "reid_map", "reid_top1")
#: Figures of the test split that the card shows.
FIGURES = ("AP", "recall", "mAP", "top1", "top5", "top10")
#: Types in a manifest: of places, and of materials.
_TYPES = {False: ("place", "photo", "panorama"), True: ("texture", "texture-sheet")}
WIDTH = 120

CARD = """---
library_name: personsearch
pipeline_tag: object-detection
tags: [person-search, person-re-identification]
---

# {name}

Person search in one network: detection and re-identification of people in whole scenes, after "Subtask-dominated
Transfer Learning for Long-tail Person Search" (STL + MRFP). {backbone}, {embedding_size}-d embeddings,
{megabytes:.1f} MB; scenes are resized to a shorter side of {min_size} and a longer side of at most {max_size} pixels.
Made by `personsearch train from-scratch`, personsearch {version}.

## What it was trained on

{data}

{photographs}

## How good it is

On the test split of the same synthetic set, protocol `standard`, per cent. Training saw none of its people, places,
sensors and photographs; some of its places chose the best epoch, the others did not.

{figures}

Reproduce the first row of each network: `personsearch evaluate OUT/NAME/finetune/weights OUT/set`
(computed on {computed_on}; {date}).

## Learning curves

On the places that choose the epoch, per cent.

{curves}

## What it must not be used for

The people are rendered; nobody real was seen. Measure on your own annotated scenes before relying on it. A similarity
is not a proof: the best match is often a stranger in similar clothes. Never let it decide anything about a person on
its own; do not use it to identify, track or profile people without a lawful basis and their knowledge.
"""


def write_card(folder: Path, out: Path, name: str, recipe: Recipe, measured: Mapping[str, Mapping[str, Any]]) -> Path:
    """Write the card of finished weights.

    Args:
        folder: of the weights; the card goes there.
        out: folder of the chain.
        name: of the candidate that is kept.
        recipe: of the set.
        measured: name of a candidate -> what its ``figures.json`` holds, in the order of training.

    Returns:
        The card.
    """
    config: ModelConfig = read_config(folder)
    rows = [
        {"": candidate, "scored on": split, "scenes": one["scenes"], "queries": one["queries"], **percent(one, FIGURES)}
        for candidate, figures in measured.items()
        for split, one in figures["reports"].items()
    ]
    text = CARD.format(
        name=config.name,
        backbone=config.backbone,
        embedding_size=config.embedding_size,
        megabytes=(folder / MODEL_FILE).stat().st_size / 1e6,
        min_size=config.input.min_size,
        max_size=config.input.max_size,
        version=__version__,
        data=describe_data(recipe),
        photographs=describe_photographs(recipe.places.photos, recipe.randomise.textures),
        figures=markdown_table(rows),
        computed_on=measured[name]["computed_on"],
        date=measured[name]["date"][:10],
        curves="\n\n".join(curve(out / name / step) for step in ("pretrain", "finetune")),
    )
    path = folder / CARD_FILE
    write_durably(path, text.encode())
    return path


def describe_data(recipe: Recipe) -> str:
    """Return in words what a synthetic set shows."""
    cameras = recipe.cameras.per_scene
    frames = recipe.train.scenes * cameras * recipe.train.frames
    share = (
        f"{100 * recipe.photographed:.0f} % of the places are photographs"
        if recipe.photographed
        else ("every place is drawn, none is a photograph")
    )
    text = (
        f"A rendered set: {frames:,} frames of {recipe.width}x{recipe.height} in {recipe.train.scenes} places with up "
        f"to {recipe.train.identities:,} labelled people, none of whom exists; {share}. Recipe `places`, seed "
        f"{recipe.seed}."
    )
    return textwrap.fill(text, WIDTH)


def describe_photographs(photos: str | None, textures: str | None) -> str:
    """Return which photographs stand behind the people, and their licences and authors, as their manifest tells.

    Args:
        photos: folder of photographs of places; None = none.
        textures: folder of photographed materials; None = none. Its manifest may be in the folder above.
    """
    if photos is None and textures is None:
        return "No photograph was used."
    texts = []
    for what, folder in (("photographs of places", photos), ("photographed materials", textures)):
        if folder is None:
            continue
        materials = what != "photographs of places"
        rows = [row for row in _manifest_rows(Path(folder)) if str(row.get("type", "place")) in _TYPES[materials]]
        if not rows:
            texts.append(
                f"The {what} came from a folder without a manifest; who made this card should say whose they are."
            )
            continue
        licences = Counter(str(row.get("licence", "not stated")) for row in rows)
        counted = ", ".join(f"{count} {licence}" for licence, count in licences.most_common())
        text = f"{len(rows)} {what}: {counted}."
        credits: dict[str, list[str]] = {}
        for row in rows:
            if not str(row.get("licence", "")).startswith("CC0"):
                credits.setdefault(_credit(row), []).append(str(row["file"]))
        if credits:
            listed = "\n".join(f"- {credit}: {', '.join(files)}" for credit, files in credits.items())
            text += f"\n\n<details><summary>Credits</summary>\n\n{listed}\n\n</details>"
        texts.append(text)
    return "\n\n".join(texts)


def _manifest_rows(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of a folder's manifest, or those of the folder above that lie in this one."""
    for place in (folder, folder.parent):
        try:
            rows = json.loads((place / MANIFEST).read_text(encoding="utf-8-sig"))
            below = "" if place == folder else f"{folder.name}/"
            return [row for row in rows if str(row["file"]).startswith(below)]
        except (OSError, ValueError, TypeError, KeyError):
            continue
    return []


def _credit(row: Mapping[str, Any]) -> str:
    author = row.get("author") or "author not stated"
    where = row.get("url") or row.get("source") or "source not stated"
    return f"{author}, {row.get('licence', 'licence not stated')}, {where}"


def curve(run: Path) -> str:
    """Return the validations of a run as a Markdown table, per cent."""
    validations = read_status(run).validations
    keys = [key for key in SHOWN if validations and key in validations[0][1]]
    rows = [{"epoch": epoch, **percent(figures, keys)} for epoch, figures in validations]
    return f"`{run.parent.name}/{run.name}`:\n\n{markdown_table(rows)}" if rows else f"`{run.name}`: none"


def percent(figures: Mapping[str, Any], keys: Sequence[str]) -> dict[str, str]:
    """Format fractions as percentages; None and NaN are figures that could not be measured."""
    return {key: _percent(figures.get(key)) for key in keys if key in figures}


def _percent(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{100 * value:.1f}"


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as a Markdown table; a column for each key, empty where a row lacks it."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(str(row.get(column, "-")) for column in columns) + " |" for row in rows]
    return "\n".join(lines)
