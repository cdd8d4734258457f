"""Put trained weights into the package: float16 tensors, measured figures, model card and registry entry.

    python tools/embed_weights.py runs/small-pretrain runs/small-finetune ../shared/data/synth-mini

Everything in the card and in ``weights.toml`` is measured or read here; edit the texts below, not the results.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from personsearch import PersonSearcher, __version__
from personsearch.datasets import load_coco, load_queries
from personsearch.evaluation.run import Report, compare
from personsearch.models import ModelConfig, preset
from personsearch.weights.files import CONFIG_FILE, MODEL_FILE, read_config, read_tensors, save_folder, sha256_of

ROOT = Path(__file__).parents[1]
NAME = "stl-mrfp-small"
PACKAGE = f"assets/weights/{NAME}"
MEASURED_WITH = "personsearch evaluate SYNTH_MINI/test.json SYNTH_MINI/queries.json --baselines"

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
sixth place held out for choosing the epoch). No real person was ever shown to it. Recipes: `small-pretrain` (STL
step 1) and `small-finetune` (STL step 2), both in the package; `personsearch train pretrain small-pretrain`, then
`personsearch train finetune small-finetune`.

## How good it is

On synth-mini's test split, whole gallery ({scenes} scenes, {queries} queries of people, places and cameras that
training never saw), preset `standard`, per cent. The two lower rows rank the very same detections.

{table}

Reproduce: `{command}` (on the CPU in float32; {date}, personsearch {version}).

Held-out place while training. Step 2, by which the epoch was chosen (mean of AP and mAP).{curve_note}

{curve}

Step 1, Re-ID on crops of people that training never saw, matches of the same camera left out:

{pretrain_curve}

## What it must not be used for, and where it fails

- It has seen rendered people only. On real footage detection is the weak point: see the table of
  `benchmarks/real_video.py` in the README. Fine-tune on your own annotated scenes before relying on it.
- Colour carries much of what it knows of a person: uniforms, look-alikes and changes of clothing defeat it.
- People under about 40 pixels in the resized scene, and people mostly hidden, are missed.
- It has seen daylight outdoors only: no night, no indoor halls, no statues or posters of people.
- A similarity is not a proof. Never let it alone decide anything about a person; do not use it to identify, track or
  profile people without a lawful basis and their knowledge.

Licence: CC0-1.0.
"""


#: Fields of the detector that only inference reads.
TEST_TIME = ("rpn_pre_nms_test", "rpn_post_nms_test", "nms", "score_threshold", "max_people")


def training_part(config: ModelConfig) -> dict[str, Any]:
    """Return a configuration without the settings that only inference reads."""
    fields = config.model_dump()
    for name in TEST_TIME:
        del fields["detector"][name]
    return fields


def curve_note(trained: ModelConfig, config: ModelConfig) -> str:
    """Say with which test-time settings the curve was measured, where they are not the card's."""
    then, now = trained.detector.model_dump(), config.detector.model_dump()
    changed = [f"{name} {then[name]} instead of {now[name]}" for name in TEST_TIME if then[name] != now[name]]
    return f" Measured with {', '.join(changed)}, which was chosen on the same place afterwards." if changed else ""


def table(rows: list[dict[str, Any]], columns: list[str]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(str(row[column]) for column in columns) + " |" for row in rows]
    return "\n".join(lines)


def percent(figures: dict[str, float]) -> dict[str, str]:
    """Format fractions."""
    return {key: f"{100 * value:.1f}" for key, value in figures.items()}


def curve(run: Path, keys: list[str]) -> str:
    """Return the validations of a run's metrics.jsonl as a table."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    validated = [row for row in rows if "validation" in row]
    shown = [{"epoch": row["epoch"], **percent({k: row["validation"][k] for k in keys})} for row in validated]
    return table(shown, ["epoch", *keys])


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
    for file in (MODEL_FILE, CONFIG_FILE):
        path = folder / file
        lines += [
            "",
            f"[[{NAME}.files]]",
            f'name = "{file}"',
            f'sha256 = "{sha256_of(path)}"',
            f"bytes = {path.stat().st_size}",
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Convert, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pretrain", type=Path, help="run folder of STL step 1")
    parser.add_argument("finetune", type=Path, help="run folder of STL step 2")
    parser.add_argument("synth_mini", type=Path)
    arguments = parser.parse_args()
    source = arguments.finetune / "weights"
    folder = ROOT / "personsearch" / PACKAGE
    # What only matters at test time follows the preset as it is now; the rest must be what was trained.
    trained = read_config(source)
    config = preset(trained.name)
    if training_part(config) != training_part(trained):
        raise SystemExit(f"{source}: was trained with another configuration than the preset {trained.name!r}")
    tensors = {
        key: tensor.to(torch.float16) if tensor.is_floating_point() else tensor
        for key, tensor in read_tensors(source / MODEL_FILE).items()
    }
    save_folder(folder, config, tensors, metadata={"personsearch": __version__})

    test = arguments.synth_mini / "test.json"
    scenes, queries = load_coco(test), load_queries(arguments.synth_mini / "queries.json", test)
    searcher = PersonSearcher.from_pretrained(folder, device="cpu", dtype="float32")
    reports = compare(searcher, scenes, queries, baselines=True)
    names = [NAME, *(report.name for report in reports[1:])]
    rows = [{"": name, **percent(report.figures())} for name, report in zip(names, reports, strict=True)]
    recipe = json.loads((arguments.finetune / "recipe.json").read_text())
    training = load_coco(arguments.synth_mini / "train.json")
    held_out = recipe["data"]["holdout_places"]
    (folder / "README.md").write_text(
        CARD.format(
            name=NAME,
            embedding_size=config.embedding_size,
            megabytes=(folder / MODEL_FILE).stat().st_size / 1e6,
            min_size=config.input.min_size,
            max_size=config.input.max_size,
            scenes_train=sum(scene.place not in held_out for scene in training),
            scenes=len(scenes),
            queries=len(queries),
            table=table(rows, ["", *reports[0].figures()]),
            command=MEASURED_WITH,
            date=datetime.now(UTC).date().isoformat(),
            version=__version__,
            curve_note=curve_note(trained, config),
            curve=curve(arguments.finetune, ["AP", "recall", "mAP", "top1"]),
            pretrain_curve=curve(arguments.pretrain, ["reid_map", "reid_top1"]),
        )
    )
    (ROOT / "weights.toml").write_text(
        "# Weights known by name. Written by tools/embed_weights.py; figures are fractions.\n\n"
        + registry_entry(folder, reports[0])
    )
    print((folder / "README.md").read_text())


if __name__ == "__main__":
    main()
