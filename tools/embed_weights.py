"""Put trained weights into the package: float16 tensors, measured figures, calibration, model card and registry entry.

    python tools/embed_weights.py SYNTH_MINI SET OUT/stl-mrfp-small/pretrain OUT/stl-mrfp-small/finetune
    python tools/embed_weights.py SYNTH_MINI SET    # only fits the calibration of the packaged weights again

SET is the folder of a synthetic set whose test split the weights have not learnt from, OUT/set of ``personsearch train
from-scratch``: it gives the calibration and the failures. The runs may be any others that ended with step 2; what they
learnt from is read in their recipes. Say with ``--began-from`` what the first run started from unless it was nothing.
All figures in the card and in ``weights.toml`` are measured or read here: edit the texts below, not those files.
"""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from failures import draw_failures

from personsearch import PersonSearcher, __version__
from personsearch.calibration import CALIBRATION_FILE
from personsearch.config import parse
from personsearch.datasets import Dataset, load_dataset
from personsearch.durable import sha256_of
from personsearch.evaluation import Report
from personsearch.evaluation.fit_calibration import fit_calibration
from personsearch.measure.cache import default_folder
from personsearch.measure.observe import observe
from personsearch.measure.run import Plan, run_evaluation
from personsearch.models import ModelConfig, preset
from personsearch.synth import Recipe
from personsearch.train import load_finetune, load_pretrain
from personsearch.train.card import (
    CARD_FILE,
    WIDTH,
    curve,
    describe_data,
    describe_photographs,
    markdown_table,
    percent,
)
from personsearch.train.watch import read_recipe, read_status
from personsearch.weights.files import CONFIG_FILE, MODEL_FILE, read_config, read_tensors, save_folder

ROOT = Path(__file__).parents[1]
NAME = "stl-mrfp-small"
PACKAGE = f"assets/weights/{NAME}"
#: Largest file of tensors that goes into the package, bytes.
LARGEST = 30_000_000
FAILURES = "failures.jpg"
MEASURED_WITH = f"personsearch evaluate {NAME} SYNTH_MINI/test.json --baselines"

CARD = """---
license: cc0-1.0
library_name: personsearch
pipeline_tag: object-detection
tags: [person-search, person-re-identification]
---

# {name}

Person search in one network: detection and re-identification of people in whole scenes, after "Subtask-dominated
Transfer Learning for Long-tail Person Search" (STL + MRFP). ResNet18-IBN-a, {embedding_size}-d embeddings,
{megabytes:.1f} MB in float16; scenes are resized to a shorter side of {min_size} and a longer side of at most
{max_size} pixels.

```python
from personsearch import PersonSearcher

searcher = PersonSearcher.from_pretrained()
```

## What it was trained on

It has never seen a real person.

{lineage}

{data}

{photographs}

`docs/weights-from-scratch.md` has the commands.

## How good it is

On synth-mini's test split ({scenes} scenes, {queries} queries of people, places and cameras that training never saw),
whole gallery, protocol `{protocol}`, per cent. The lower two rows rank the same detections.

{table}

Reproduce: `{command}`
(on the CPU in float32; {date}, personsearch {version}).

On the test split of a set like those it learnt from ({own_scenes} scenes, {own_queries} queries; other people, places,
sensors and photographs):

{own_table}

{curves}

## What a similarity means

`calibration.json` was fitted on the test split of that set by `python tools/embed_weights.py SYNTH_MINI SET`;
`python benchmarks/calibration.py SYNTH_MINI` checks it on other people. It holds for scenes like these: calibrate again
on your own.

## Failures

![Scenes with most errors, and the surest of wrong searches]({failures})

The worst of the drawn places of that test split: scenes with most people missed and most detections of nobody, and the
searches whose best match is another person with the highest similarity.

## What it must not be used for, and where it fails

- It has seen rendered people only. How it does on real footage: see the table of `benchmarks/real_video.py` in the
  README. Adapt it to your camera (`personsearch adapt`) or fine-tune it on your own annotated scenes first.
- It recognises people largely by colour: uniforms, look-alikes and changes of clothing defeat it.
- It misses people under about 40 pixels in the resized scene, and people who are mostly hidden.
- A similarity is not a proof. Never let it decide anything about a person on its own; do not use it to identify, track
  or profile people without a lawful basis and their knowledge.

Licence: CC0-1.0.
"""


#: Settings of the detector that only inference reads.
TEST_TIME = ("rpn_pre_nms_test", "rpn_post_nms_test", "nms", "containment", "score_threshold", "max_people")


def training_part(config: ModelConfig) -> dict[str, Any]:
    """Return a configuration without the settings that only inference reads."""
    fields = config.model_dump()
    for name in TEST_TIME:
        fields["detector"].pop(name, None)  # containment is not there while it is unset
    return fields


def curve_with_settings(run: Path, config: ModelConfig) -> str:
    """Return the validations of a run as a table, and the test-time settings that differed from the card's."""
    before, now = (
        {name: getattr(one.detector, name) for name in TEST_TIME} for one in (read_config(run / "weights"), config)
    )
    changes = [f"{name} {before[name]} instead of {now[name]}" for name in TEST_TIME if before[name] != now[name]]
    note = f"\n\nMeasured with {', '.join(changes)}." if changes else ""
    return curve(run) + note


CURVES = """Learning curves on held-out places, per cent; the epoch with the best mean of AP and mAP was kept, and
places that chose it may be among those of the last table. Training never saw the people searched for; the Re-ID
figures of step 1 leave out matches from the query's own camera.

"""
NO_CURVES = "No place chose an epoch: the last one of each run was kept."


def describe_curves(runs: Sequence[Path], config: ModelConfig) -> str:
    """Return the validations of those runs that had any, as tables."""
    tables = [curve_with_settings(run, config) for run in runs if read_status(run).validations]
    return CURVES + "\n\n".join(tables) if tables else NO_CURVES


def recipe_changes(run: Path) -> str:
    """Return in words how the recipe of a run differs from the packaged one, apart from folders, data and device."""
    step, recipe = read_recipe(run)
    packaged = (load_pretrain if step == "pretrain" else load_finetune)(f"synth-{step}").model_dump(mode="json")
    ours, theirs = flat(recipe), flat(packaged)
    apart = ("data", "init", "run", *(f"model.detector.{name}" for name in TEST_TIME))
    changes = [
        f"`{key}={json.dumps(ours[key])}`" for key in ours if ours[key] != theirs.get(key) and not key.startswith(apart)
    ]
    return f"`{step}` with {', '.join(changes)}." if changes else f"`{step}` as in the packaged recipe."


def flat(table: dict[str, Any], parent: str = "") -> dict[str, Any]:
    """Return nested tables as one table with dotted keys."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        found |= flat(value, f"{parent}{key}.") if isinstance(value, dict) else {parent + key: value}
    return found


def sets_of(run: Path) -> dict[Path, float]:
    """Return the folders of the synthetic sets that a run learnt from, and which share of each in an epoch."""
    _, recipe = read_recipe(run)
    data = recipe["data"]
    parts = data.get("sets") or [{"annotations": data["annotations"], "weight": 1.0}]
    return {Path(part["annotations"]).parent: part["weight"] for part in parts}


def sets_of_runs(runs: Sequence[Path]) -> list[Path]:
    """Return the folders of all sets that runs learnt from, each once, in order."""
    return list(dict.fromkeys(folder for run in runs for folder in sets_of(run)))


def describe_runs(runs: Sequence[Path], began_from: str | None) -> str:
    """Return in words what each run changed in the packaged recipe, and how much of which set it saw."""
    sets = sets_of_runs(runs)
    lines = []
    for number, run in enumerate(runs, 1):
        shares = ", ".join(f"{100 * share:.0f} % of set {sets.index(at) + 1}" for at, share in sets_of(run).items())
        start = f"the weights of run {number - 1}" if number > 1 else began_from or "nothing"
        lines.append(
            f"Run {number} began from {start} and took {read_status(run).steps:,} steps; an epoch sees {shares}: "
            f"{recipe_changes(run)}"
        )
    return "\n\n".join(textwrap.fill(line, WIDTH) for line in lines)


def recipe_of_set(folder: Path) -> Recipe:
    """Return the recipe that a synthetic set was made by."""
    data = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
    return parse(Recipe, data["recipe"], str(folder / "recipe.json"))


def without_photographs(dataset: Dataset, annotations: Path) -> Dataset:
    """Return the part of a synthetic set that shows drawn places: the package ships nobody's photographs."""
    rows = json.loads(annotations.read_text(encoding="utf-8"))["images"]
    photographed = {row["file_name"] for row in rows if row.get("photo")}
    return replace(
        dataset,
        scenes=tuple(scene for scene in dataset.scenes if scene.image_id not in photographed),
        queries=tuple(query for query in dataset.queries if query.image_id not in photographed),
    )


def registry_entry(folder: Path, report: Report, train_data: str) -> str:
    """Return the entry of weights.toml."""
    lines = [
        f"[{NAME}]",
        f'arch = "{read_config(folder).name}"',
        f'package = "{PACKAGE}"',
        f'train_data = "{train_data}"',
        'license = "CC0-1.0"',
        'license_link = "https://creativecommons.org/publicdomain/zero/1.0/"',
        "commercial = true",
        f'measured_with = "{MEASURED_WITH}"',
        "metrics = { " + ", ".join(f"{k} = {v:.4f}" for k, v in report.figures().items()) + " }",
    ]
    return "\n".join(lines) + "\n" + file_entries(folder)


def file_entries(folder: Path) -> str:
    """Return the tables of the entry that list its files."""
    return "".join(
        f'\n[[{NAME}.files]]\nname = "{file}"\nsha256 = "{sha256_of(folder / file)}"\n'
        f"bytes = {(folder / file).stat().st_size}\n"
        for file in (MODEL_FILE, CONFIG_FILE, CALIBRATION_FILE)
    )


def calibrate(searcher: PersonSearcher, folder: Path, own: Dataset) -> None:
    """Fit ``calibration.json`` on the test split of the set that the weights were trained on."""
    fit_calibration(observe(searcher, own, cache_dir=default_folder()), own).save(folder)


def calibrate_again(folder: Path, own: Dataset) -> None:
    """Fit the calibration of the weights in the package, and update its entry in weights.toml."""
    calibrate(PersonSearcher.from_pretrained(folder, device="cpu", dtype="float32"), folder, own)
    registry = ROOT / "weights.toml"
    entry, _, _ = registry.read_text().partition(f"\n[[{NAME}.files]]")
    registry.write_text(entry + file_entries(folder))


def convert(source: Path, folder: Path) -> ModelConfig:
    """Write the tensors of a run's weights in float16, with the preset as it is now; refuse what does not fit."""
    # Settings that only inference reads follow the preset as it is now; the rest must be as it was in training.
    trained = read_config(source)
    config = preset(trained.name)
    if training_part(config) != training_part(trained):
        raise SystemExit(f"{source}: its training configuration is not that of the preset {trained.name!r}")
    tensors = {
        key: tensor.to(torch.float16) if tensor.is_floating_point() else tensor
        for key, tensor in read_tensors(source / MODEL_FILE).items()
    }
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    if size > LARGEST:
        raise SystemExit(f"{source}: {size / 1e6:.0f} MB in float16 are too many for the package, which takes 30 MB")
    save_folder(folder, config, tensors, metadata={"personsearch": __version__})
    return config


def main() -> None:
    """Convert the weights, measure them, and write card and registry entry."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("synth_mini", type=Path, help="folder of the set synth-mini")
    parser.add_argument("set", type=Path, help="folder of a synthetic set whose test split they have not learnt from")
    parser.add_argument("runs", type=Path, nargs="*", help="run folders in order; the weights are the last one's")
    parser.add_argument("--began-from", metavar="WORDS", help="what the first run started from; default: nothing")
    parser.add_argument("--folder", type=Path, default=ROOT / "personsearch" / PACKAGE, help="where the weights go")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    seed = recipe_of_set(arguments.set).seed
    own = replace(load_dataset(arguments.set, "test"), name=f"synthetic set of seed {seed}, test split")
    if not arguments.runs:
        calibrate_again(folder, own)
        return
    config = convert(arguments.runs[-1] / "weights", folder)
    searcher = PersonSearcher.from_pretrained(folder.absolute(), device="cpu", dtype="float32")
    test = load_dataset(arguments.synth_mini / "test.json")
    reports = run_evaluation(searcher, test, Plan(baselines=True), cache_dir=default_folder()).reports
    names = [NAME, *(report.name for report in reports[1:])]
    evaluation = run_evaluation(searcher, own, cache_dir=default_folder())
    calibrate(searcher, folder, own)
    drawn = without_photographs(own, arguments.set / "test.json")
    draw_failures(evaluation.observed[evaluation.weights], drawn, config.detector.score_threshold, folder / FAILURES)
    recipes = [recipe_of_set(set_) for set_ in sets_of_runs(arguments.runs)]
    (folder / CARD_FILE).write_text(
        CARD.format(
            name=NAME,
            embedding_size=config.embedding_size,
            megabytes=(folder / MODEL_FILE).stat().st_size / 1e6,
            min_size=config.input.min_size,
            max_size=config.input.max_size,
            lineage=describe_runs(arguments.runs, arguments.began_from),
            data="\n\n".join(f"**Set {number}.**\n{describe_data(recipe)}" for number, recipe in enumerate(recipes, 1)),
            photographs=describe_photographs(recipes[-1].places.photos, recipes[-1].randomise.textures),
            scenes=len(test.scenes),
            queries=len(test.queries),
            table=figures_table(names, reports),
            protocol=reports[0].label,
            command=MEASURED_WITH,
            date=datetime.now(UTC).date().isoformat(),
            version=__version__,
            own_scenes=len(own.scenes),
            own_queries=len(own.queries),
            own_table=figures_table([NAME], [evaluation.main]),
            curves=describe_curves(arguments.runs, config),
            failures=FAILURES,
        )
    )
    train_data = f"{sum(recipe.train.identities for recipe in recipes):,} rendered people, nobody real"
    if any(recipe.places.photos is not None for recipe in recipes):
        train_data += ", over photographs of empty places and in drawn ones"
    (ROOT / "weights.toml" if folder.is_relative_to(ROOT / "personsearch") else folder / "weights.toml").write_text(
        "# Weights known by name. Written by tools/embed_weights.py; figures are fractions.\n\n"
        + registry_entry(folder, reports[0], train_data)
    )
    print((folder / CARD_FILE).read_text())


def figures_table(names: Sequence[str], reports: Sequence[Report]) -> str:
    """Return reports as a Markdown table, per cent."""
    figures = [report.figures() for report in reports]
    return markdown_table([{"": name, **percent(one, list(one))} for name, one in zip(names, figures, strict=True)])


if __name__ == "__main__":
    main()
