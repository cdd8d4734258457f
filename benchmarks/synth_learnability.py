"""Do the synthetic people teach, and which randomisation does it? The number to judge a change of the generator by.

    python benchmarks/synth_learnability.py runs/learnability --save benchmarks/results/synth-learnability-DATE.md
    python benchmarks/synth_learnability.py runs/learnability --variants today,no-bags --seeds 3

For each variant of the recipe, crops of single persons are made, and a fixed small Re-ID network is trained on them
from scratch for a fixed number of steps. It is tested on people, places and cameras that training never saw: every test
crop is a query, crops of the same person by the same camera are left out, and a colour histogram ranks the same crops.
"Own test" is the variant's own test split, which may be easier or harder than today's; "today's test" is the same for
all.

Crops and figures are kept in the folder: what is there already is not made again, so a changed generator wants a new
folder. ``--beside`` adds a row for a set in the COCO-style layout, e.g. the prototype's synth-mini; its labelled boxes
of at least 60 px height are cut out.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from personsearch.durable import write_durably
from personsearch.evaluation.reid import ReidResult, evaluate_reid
from personsearch.measure.baselines import colour_histogram
from personsearch.train.losses import batch_hard_triplet
from personsearch.train.samplers import class_aware_batches

TODAY = "today"
RANDOMISATIONS = ("patterns", "lighting", "sensor", "bags", "look_alikes")
VARIANTS = (TODAY, *(f"no-{name.replace('_', '-')}" for name in RANDOMISATIONS))

HEIGHT, WIDTH = 128, 64
LEAST_HEIGHT, LOOSENESS = 60, 0.02
"""Of boxes that are cut out: pixels; and by what share of its size, standard deviation, each side is off."""
MEAN, SPREAD = 0.42, 0.24
IDENTITIES, INSTANCES = 16, 4
"""People in a batch, and crops of each."""
LEARNING_RATE, WEIGHT_DECAY = 3e-3, 5e-4
MARGIN, SMOOTHING, SCALE = 0.3, 0.1, 16.0
"""Of the triplet loss; of the labels; of the cosines that are classified by."""


@dataclass(frozen=True)
class Crops:
    """One split's crops of labelled people.

    Attributes:
        pixels: (N, 3, 128, 64) uint8 RGB.
        identities: (N,) int64, the data set's.
        cameras: N names.
        scenes: N names.
    """

    pixels: Tensor
    identities: NDArray[np.int64]
    cameras: list[str]
    scenes: list[str]


class Block(nn.Module):
    """Two 3x3 convolutions and a way past them."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, 1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, 1, 1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.past = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps smaller by the stride."""
        return F.relu(self.body(maps) + self.past(maps))


class SmallNetwork(nn.Module):
    """Four residual blocks; instance normalisation first, so that a camera's colours count for less."""

    def __init__(self, num_identities: int) -> None:
        super().__init__()
        self.maps = nn.Sequential(
            nn.Conv2d(3, 24, 5, 2, 2, bias=False),
            nn.InstanceNorm2d(24, affine=True),
            nn.ReLU(),
            Block(24, 32, 1),
            Block(32, 64, 2),
            Block(64, 128, 2),
            Block(128, 160, 2),
        )
        self.neck = nn.BatchNorm1d(3 * 160)
        self.identities = nn.Parameter(torch.randn(num_identities, 3 * 160) * 0.05)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Return (N, 480) features before the BNNeck, and after it, of (N, 3, 128, 64) standardised crops."""
        maps = self.maps(crops)
        highest = F.adaptive_max_pool2d(maps, 1).flatten(1)
        halves = F.adaptive_avg_pool2d(maps, (2, 1)).flatten(1)
        features = torch.cat([highest, halves], dim=1)
        return features, self.neck(features)

    def classified(self, necked: Tensor) -> Tensor:
        """Return (N, identities) logits."""
        return SCALE * F.linear(F.normalize(necked), F.normalize(self.identities))


def read_crops(folder: Path, split: str) -> Crops:
    """Read the crops that ``make_crops`` wrote."""
    rows = json.loads((folder / "crops.json").read_text(encoding="utf-8"))["crops"]
    rows = [row for row in rows if row["file_name"].startswith(f"{split}/") and row["person_id"] >= 0]
    pixels = np.empty((len(rows), HEIGHT, WIDTH, 3), np.uint8)
    for place, row in zip(pixels, rows, strict=True):
        with Image.open(folder / row["file_name"]) as image:
            place[:] = np.asarray(image.convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.BOX))
    return Crops(
        torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(),
        np.array([row["person_id"] for row in rows], np.int64),
        [row["camera"] for row in rows],
        [row["scene"] for row in rows],
    )


def check_disjoint(train: Crops, test: Crops) -> None:
    """Refuse splits that share a place or a camera: the figures would promise too much."""
    shared = sorted(set(train.scenes) & set(test.scenes)) + sorted(set(train.cameras) & set(test.cameras))
    if shared:
        raise SystemExit(f"train and test share {', '.join(shared)}")


def augmented(pixels: Tensor, rng: np.random.Generator) -> Tensor:
    """Return standardised crops, (N, 3, 128, 64) float32: mirrored, shifted, tinted, with parts missing."""
    crops = (pixels.float() / 255 - MEAN) / SPREAD
    if rng.random() < 0.5:
        crops = crops.flip(3)
    top, left = rng.integers(0, 17), rng.integers(0, 11)
    crops = F.pad(crops, (5, 5, 8, 8), mode="reflect")[:, :, top : top + HEIGHT, left : left + WIDTH]
    contrast, tint = rng.uniform(0.8, 1.2, (len(crops), 3, 1, 1)), rng.uniform(-0.25, 0.25, (len(crops), 3, 1, 1))
    crops = crops * torch.from_numpy(contrast).float() + torch.from_numpy(tint).float()
    for crop in crops[torch.from_numpy(rng.random(len(crops)) < 0.4).nonzero()[:, 0]]:
        high, wide = rng.integers(15, 60), rng.integers(10, 40)
        y, x = rng.integers(0, HEIGHT - high), rng.integers(0, WIDTH - wide)
        crop[:, y : y + high, x : x + wide] = 0
    return crops


def trained(crops: Crops, steps: int, seed: int) -> SmallNetwork:
    """Train a network from scratch; the same seed gives the same network on one machine."""
    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, 1])
    known, labels = np.unique(crops.identities, return_inverse=True)
    network = SmallNetwork(len(known)).train()
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    step = epoch = 0
    begin = time.perf_counter()
    while step < steps:
        epoch += 1
        for batch in class_aware_batches(labels, IDENTITIES, INSTANCES, seed=seed, epoch=epoch)[: steps - step]:
            wanted = torch.from_numpy(labels[batch])
            features, necked = network(augmented(crops.pixels[batch], rng))
            logits = network.classified(necked)
            loss = F.cross_entropy(logits, wanted, label_smoothing=SMOOTHING)
            loss = loss + batch_hard_triplet(features, wanted, MARGIN)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            step += 1
            if step % 50 == 0 or step == steps:
                seconds = time.perf_counter() - begin
                print(f"  step {step}/{steps}, epoch {epoch}, loss {loss.item():.2f}, {seconds:.0f} s", flush=True)
    return network


@torch.inference_mode()
def embedded(network: SmallNetwork, crops: Crops) -> NDArray[np.float32]:
    """Return (N, 480) float32 of unit length."""
    network.eval()
    standard = ((part.float() / 255 - MEAN) / SPREAD for part in crops.pixels.split(128))
    return np.concatenate([F.normalize(network(part)[1]).numpy() for part in standard])


def described_by_colour(crops: Crops) -> NDArray[np.float32]:
    """Return the baseline's (N, D) float32 of unit length."""
    whole = np.array([[0, 0, WIDTH, HEIGHT]], np.float32)
    return np.concatenate([colour_histogram(np.asarray(crop.permute(1, 2, 0)), whole) for crop in crops.pixels])


def figures(embeddings: NDArray[np.float32], crops: Crops) -> dict[str, float]:
    """Rank across cameras; per cent."""
    everyone = np.ones(len(embeddings), bool)
    result: ReidResult = evaluate_reid(embeddings, crops.identities, crops.cameras, everyone)
    return {"r1": round(100 * result.top1, 1), "map": round(100 * result.mean_average_precision, 1)}


def cut_crops(source: Path, out: Path) -> None:
    """Cut the people of a set in the COCO-style layout out of its pictures, as ``make_crops`` would write them."""
    rng = np.random.default_rng(0)
    crops = []
    for split in ("train", "test"):
        (out / split).mkdir(parents=True, exist_ok=True)
        data = json.loads((source / f"{split}.json").read_text(encoding="utf-8"))
        images = {row["id"]: row for row in data["images"]}
        for one in data["annotations"]:
            if one["person_id"] < 0 or one["bbox"][3] < LEAST_HEIGHT:
                continue
            row, (x, y, wide, high) = images[one["image_id"]], one["bbox"]
            name = f"{split}/{one['person_id']:05d}_{row['camera']}_{one['id']:06d}.jpg"
            with Image.open(source / row["file_name"]) as image:
                box = np.array([x, y, x + wide, y + high]) + rng.normal(0, LOOSENESS, 4) * (wide, high, wide, high)
                box = np.clip(box, 0, (image.width, image.height) * 2)
                crop = image.convert("RGB").resize((128, 256), Image.Resampling.BICUBIC, box=tuple(box.tolist()))
            crop.save(out / name, quality=90)
            place = {key: row[key] for key in ("camera", "scene")}
            crops.append({"file_name": name, "person_id": one["person_id"], **place})
    write_durably(out / "crops.json", json.dumps({"crops": crops}).encode())


def make_variant(variant: str, folder: Path, options: argparse.Namespace) -> Path:
    """Return the folder of a variant's crops, made if they are not there."""
    crops = folder / "crops" / variant
    if (crops / "crops.json").exists():
        return crops
    if options.beside and variant == options.beside.name:
        cut_crops(options.beside, crops)
    else:
        from personsearch.synth.crops import make_crops
        from personsearch.synth.recipe import load_recipe

        off = [] if variant == TODAY else [f"randomise.{variant.removeprefix('no-').replace('-', '_')}=false"]
        make_crops(load_recipe(options.recipe, [*options.changes, *off]), crops, workers=options.workers)
    return crops


def fingerprint(crops: Path) -> str:
    """Return what changes when the crops do: a hash of their labels and of the pictures' sizes in bytes."""
    labels = (crops / "crops.json").read_bytes()
    sizes = [(crops / row["file_name"]).stat().st_size for row in json.loads(labels)["crops"]]
    return hashlib.sha256(labels + json.dumps(sizes).encode()).hexdigest()


def measured(variant: str, seed: int, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of one variant, taken from the folder if they are there."""
    crops, yardstick = make_variant(variant, folder, options), make_variant(TODAY, folder, options)
    made_of = {
        "steps": options.steps,
        "seed": seed,
        "crops": fingerprint(crops),
        "todays_crops": fingerprint(yardstick),
    }
    kept = folder / "figures" / f"{variant}-{options.steps}-steps-seed{seed}.json"
    if kept.exists():
        found: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        if found["made_of"] == made_of:
            return found
    train, test = read_crops(crops, "train"), read_crops(crops, "test")
    check_disjoint(train, test)
    counts = [f"{len(set(part.identities.tolist()))} people, {len(part.cameras)} crops" for part in (train, test)]
    print(f"{variant}, seed {seed}: train {counts[0]}; test {counts[1]}", flush=True)
    begin = time.perf_counter()
    network = trained(train, options.steps, seed)
    minutes = (time.perf_counter() - begin) / 60
    todays = test if variant == TODAY else read_crops(yardstick, "test")
    result = {
        "variant": variant,
        "made_of": made_of,
        "train": counts[0],
        "test": counts[1],
        "minutes": round(minutes, 1),
        "histogram": figures(described_by_colour(test), test),
        "network": figures(embedded(network, test), test),
        "network_today": figures(embedded(network, todays), todays),
    }
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_durably(kept, json.dumps(result, indent=1).encode())
    return result


def table(results: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Return the lines of a table; several seeds as mean ± standard deviation."""

    def told(runs: list[dict[str, Any]], what: str) -> str:
        parts = []
        for figure in ("r1", "map"):
            values = [run[what][figure] for run in runs]
            spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 and what != "histogram" else ""
            parts.append(f"{statistics.mean(values):.1f}{spread}")
        return " | ".join(parts)

    lines = [
        "| variant | train | test | histogram R1 | mAP | network, own test R1 | mAP | network, today's test R1 | mAP |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for variant, runs in results.items():
        cells = [told(runs, what) for what in ("histogram", "network", "network_today")]
        lines.append(f"| {variant} | {runs[0]['train']} | {runs[0]['test']} | {' | '.join(cells)} |")
    return lines


def variants(text: str) -> list[str]:
    """Read ``--variants``."""
    chosen = list(VARIANTS) if text == "all" else text.split(",")
    for name in chosen:
        if name not in VARIANTS:
            raise argparse.ArgumentTypeError(f"{name!r}: known are all, {', '.join(VARIANTS)}")
    return chosen


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="for crops (FOLDER/crops/VARIANT) and figures")
    parser.add_argument("changes", nargs="*", help="changes to the recipe: people.spread=0.5 ...")
    parser.add_argument("--recipe", default="learnability", help="of the crops: 300 people to train on, 100 to test")
    parser.add_argument("--variants", type=variants, default=list(VARIANTS), help="all, or names with commas between")
    parser.add_argument("--steps", type=int, default=450, help="batches of 64 crops that a network is trained on")
    parser.add_argument("--seeds", type=int, default=1, help="networks of each variant")
    parser.add_argument("--beside", type=Path, help="folder of another set with a row of its own")
    parser.add_argument("--workers", type=int, help="processes that draw")
    parser.add_argument("--save", type=Path, help="write the table to a file too")
    options = parser.parse_intermixed_args()
    torch.set_num_threads(1)
    results: dict[str, list[dict[str, Any]]] = {}
    for variant in [*options.variants, *([options.beside.name] if options.beside else [])]:
        results[variant] = [measured(variant, seed, options.folder, options) for seed in range(options.seeds)]
    minutes = statistics.mean(run["minutes"] for runs in results.values() for run in runs)
    told = (
        f"Recipe `{' '.join([options.recipe, *options.changes])}`; {options.steps} steps of "
        f"{IDENTITIES * INSTANCES} crops, {options.seeds} network(s) a variant, {minutes:.1f} minutes each on one of "
        f"{os.cpu_count()} cores, torch {torch.__version__}, Python {platform.python_version()}. Per cent; people, "
        "places and cameras of the test are unseen."
    )
    text = "\n".join([f"# synth_learnability.py, {time.strftime('%Y-%m-%d')}", "", told, "", *table(results), ""])
    print(f"\n{text}")
    if options.save:
        options.save.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
