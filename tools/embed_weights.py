"""Put trained weights into the package: float16 tensors, measured figures, calibration, model card and registry entry.

    python tools/embed_weights.py SYNTH_MINI runs/small-pretrain runs/small-finetune
    python tools/embed_weights.py SYNTH_MINI    # only fits the calibration of the packaged weights again

All figures in the card and in ``weights.toml`` are measured or read here: edit the texts below, not those files.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from personsearch import PersonSearcher, __version__
from personsearch.calibration import CALIBRATION_FILE
from personsearch.datasets import load_dataset
from personsearch.durable import sha256_of
from personsearch.evaluation import Report
from personsearch.evaluation.fit_calibration import fit_calibration
from personsearch.measure.cache import default_folder
from personsearch.measure.observe import observe
from personsearch.measure.run import Plan, run_evaluation
from personsearch.models import ModelConfig, preset
from personsearch.weights.files import CONFIG_FILE, MODEL_FILE, read_config, read_tensors, save_folder

ROOT = Path(__file__).parents[1]
NAME = "stl-mrfp-small"
PACKAGE = f"assets/weights/{NAME}"
RECIPE = ROOT / "personsearch/train/recipes/small-finetune.toml"
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

Rendered scenes of synthetic people (synth-mini, training split: {scenes_train} frames of 5 places, 281 identities; a
sixth place was held out for choosing the epoch). It has never seen a real person. The recipes come with the
package:

```sh
personsearch train pretrain small-pretrain   # STL step 1
personsearch train finetune small-finetune   # STL step 2
```

## How good it is

On synth-mini's test split, whole gallery ({scenes} scenes, {queries} queries of people, places and cameras that
training never saw), protocol `{protocol}`, per cent. The lower two rows rank the same detections.

{table}

Reproduce: `{command}`
(on the CPU in float32; {date}, personsearch {version}).

Learning curves on the held-out place, per cent; the epoch with the best mean of AP and mAP was kept. Training never saw
the people searched for; the Re-ID figures of step 1 leave out matches from the query's own camera.

{curves}

## What a similarity means

`calibration.json` was fitted on the held-out place (101 people who served to choose the epoch, but not to train) by
`python tools/embed_weights.py SYNTH_MINI`; `python benchmarks/calibration.py SYNTH_MINI` checks it on the test split.
It holds for rendered scenes like these: calibrate again on your own.

## What it must not be used for, and where it fails

- It has seen rendered people only. On real footage detection is the weak point: see the table of
  `benchmarks/real_video.py` in the README. Fine-tune on your own annotated scenes before relying on it.
- It recognises people largely by colour: uniforms, look-alikes and changes of clothing defeat it.
- It misses people under about 40 pixels in the resized scene, and people who are mostly hidden.
- It has seen outdoor daylight only: no night, no indoor halls, no statues or posters of people.
- A similarity is not a proof. Never let it decide anything about a person on its own; do not use it to identify, track
  or profile people without a lawful basis and their knowledge.

Licence: CC0-1.0.
"""


#: Validation figures that the card shows.
SHOWN = ("AP", "recall", "mAP", "top1", "reid_map", "reid_top1")
#: Settings of the detector that only inference reads.
TEST_TIME = ("rpn_pre_nms_test", "rpn_post_nms_test", "nms", "score_threshold", "max_people")


def training_part(config: ModelConfig) -> dict[str, Any]:
    """Return a configuration without the settings that only inference reads."""
    fields = config.model_dump()
    for name in TEST_TIME:
        del fields["detector"][name]
    return fields


def table(rows: list[dict[str, Any]], columns: list[str]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(str(row[column]) for column in columns) + " |" for row in rows]
    return "\n".join(lines)


def percent(figures: dict[str, float | None]) -> dict[str, str]:
    """Format fractions as percentages; None is a figure that could not be measured."""
    return {key: "-" if value is None else f"{100 * value:.1f}" for key, value in figures.items()}


def curve(run: Path, config: ModelConfig) -> str:
    """Return the validations of a run as a table, and the test-time settings that differed from the card's."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    validated = [row for row in rows if "validation" in row]
    keys = [key for key in SHOWN if key in validated[0]["validation"]]
    shown = [{"epoch": row["epoch"], **percent({k: row["validation"][k] for k in keys})} for row in validated]
    before = read_config(run / "weights").detector.model_dump()
    now = config.detector.model_dump()
    changes = [f"{name} {before[name]} instead of {now[name]}" for name in TEST_TIME if before[name] != now[name]]
    note = f" ({', '.join(changes)})" if changes and "AP" in keys else ""
    return f"`{run.name}`{note}:\n\n{table(shown, ['epoch', *keys])}"


def registry_entry(folder: Path, report: Report) -> str:
    """Return the entry of weights.toml."""
    lines = [
        f"[{NAME}]",
        f'arch = "{read_config(folder).name}"',
        f'package = "{PACKAGE}"',
        'train_data = "synth-mini (rendered people, nobody real)"',
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


def calibrate(folder: Path, synth_mini: Path, places: list[str]) -> None:
    """Fit ``calibration.json`` on the places that training held out."""
    whole = load_dataset(synth_mini / "train.json")
    held_out = replace(
        whole,
        name=f"synth-mini train, place {', '.join(places)}",
        scenes=tuple(scene for scene in whole.scenes if scene.place in places),
    )
    searcher = PersonSearcher.from_pretrained(folder, device="cpu", dtype="float32")
    fit_calibration(observe(searcher, held_out, cache_dir=default_folder()), held_out).save(folder)


def calibrate_again(folder: Path, synth_mini: Path) -> None:
    """Fit the calibration of the weights in the package, and update its entry in weights.toml."""
    places = tomllib.loads(RECIPE.read_text())["data"]["holdout_places"]
    calibrate(folder, synth_mini, places)
    registry = ROOT / "weights.toml"
    entry, _, _ = registry.read_text().partition(f"\n[[{NAME}.files]]")
    registry.write_text(entry + file_entries(folder))


def main() -> None:
    """Convert the weights, measure them, and write card and registry entry."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("synth_mini", type=Path, help="folder of the set synth-mini")
    parser.add_argument("runs", type=Path, nargs="*", help="run folders in order; the weights are the last one's")
    arguments = parser.parse_args()
    folder = ROOT / "personsearch" / PACKAGE
    if not arguments.runs:
        calibrate_again(folder, arguments.synth_mini)
        return
    source = arguments.runs[-1] / "weights"
    # Settings that only inference reads follow the preset as it is now; the rest must be as it was in training.
    trained = read_config(source)
    config = preset(trained.name)
    if training_part(config) != training_part(trained):
        raise SystemExit(f"{source}: its training configuration is not that of the preset {trained.name!r}")
    tensors = {
        key: tensor.to(torch.float16) if tensor.is_floating_point() else tensor
        for key, tensor in read_tensors(source / MODEL_FILE).items()
    }
    save_folder(folder, config, tensors, metadata={"personsearch": __version__})

    test = load_dataset(arguments.synth_mini / "test.json")
    searcher = PersonSearcher.from_pretrained(folder, device="cpu", dtype="float32")
    reports = run_evaluation(searcher, test, Plan(baselines=True)).reports
    names = [NAME, *(report.name for report in reports[1:])]
    rows = [{"": name, **percent(report.figures())} for name, report in zip(names, reports, strict=True)]
    recipe = json.loads((arguments.runs[-1] / "recipe.json").read_text())
    training = load_dataset(arguments.synth_mini, "train").scenes
    held_out = recipe["data"]["holdout_places"]
    calibrate(folder, arguments.synth_mini, held_out)
    (folder / "README.md").write_text(
        CARD.format(
            name=NAME,
            embedding_size=config.embedding_size,
            megabytes=(folder / MODEL_FILE).stat().st_size / 1e6,
            min_size=config.input.min_size,
            max_size=config.input.max_size,
            scenes_train=sum(scene.place not in held_out for scene in training),
            scenes=len(test.scenes),
            queries=len(test.queries),
            table=table(rows, ["", *reports[0].figures()]),
            protocol=reports[0].label,
            command=MEASURED_WITH,
            date=datetime.now(UTC).date().isoformat(),
            version=__version__,
            curves="\n\n".join(curve(run, config) for run in arguments.runs),
        )
    )
    (ROOT / "weights.toml").write_text(
        "# Weights known by name. Written by tools/embed_weights.py; figures are fractions.\n\n"
        + registry_entry(folder, reports[0])
    )
    print((folder / "README.md").read_text())


if __name__ == "__main__":
    main()
