"""Do the synthetic people teach, and which randomisation matters? The benchmark for changes to the generator.

    python benchmarks/synth_learnability.py runs/learnability --save benchmarks/results/synth-learnability-DATE.md
    python benchmarks/synth_learnability.py runs/learnability --variants today,no-bags --seeds 3

For each variant of the recipe, crops of single people are made, and a small fixed Re-ID network is trained on them from
scratch for a fixed number of steps. It is tested on people, places and cameras that training never saw. Every test crop
is a query, and crops of the same person by the same camera are left out. A colour histogram ranks the same crops as a
baseline. "Own test" is the variant's own test split, which may be easier or harder than today's; "today's test" is the
same for all variants.

Crops and figures are kept in the folder, and whatever is there is not made again, so a changed generator needs a new
folder. ``--beside`` adds a row for a set in the COCO-style layout, e.g. the prototype's synth-mini; its labelled boxes
at least 60 px high are cut out.
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
from personsearch.train.samplers import ClassAwareSampler

TODAY = "today"
RANDOMISATIONS = ("patterns", "lighting", "sensor", "bags", "look_alikes")
VARIANTS = (TODAY, *(f"no-{name.replace('_', '-')}" for name in RANDOMISATIONS))

HEIGHT, WIDTH = 128, 64
MIN_HEIGHT, LOOSENESS = 60, 0.02
"""Of boxes that are cut out: least height in pixels, and standard deviation of each side as a share of the size."""
MEAN, SPREAD = 0.42, 0.24
IDENTITIES, INSTANCES = 16, 4
"""Identities per batch, and crops of each."""
LEARNING_RATE, WEIGHT_DECAY = 3e-3, 5e-4
MARGIN, SMOOTHING, SCALE = 0.3, 0.1, 16.0
"""Margin of the triplet loss, smoothing of the labels, scale of the cosines for classification."""


@dataclass(frozen=True)
class Crops:
    """One split's crops of labelled people.

    Attributes:
        pixels: (N, 3, 128, 64) uint8 RGB.
        identities: (N,) int64, as in the data set.
        cameras: N names of cameras.
        scenes: N names of scenes.
    """

    pixels: Tensor
    identities: NDArray[np.int64]
    cameras: list[str]
    scenes: list[str]


class Block(nn.Module):
    """Two 3x3 convolutions with a shortcut."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, 1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, 1, 1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, maps: Tensor) -> Tensor:
        """Return feature maps, reduced by the stride."""
        return F.relu(self.body(maps) + self.shortcut(maps))


class SmallNetwork(nn.Module):
    """Four residual blocks after instance normalisation, which reduces the influence of a camera's colours."""

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
        """Return the (N, 480) features of (N, 3, 128, 64) standardised crops before and after the BNNeck."""
        maps = self.maps(crops)
        highest = F.adaptive_max_pool2d(maps, 1).flatten(1)
        halves = F.adaptive_avg_pool2d(maps, (2, 1)).flatten(1)
        features = torch.cat([highest, halves], dim=1)
        return features, self.neck(features)

    def logits(self, necked: Tensor) -> Tensor:
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
    """Refuse splits that share a place or a camera: the figures would be too good."""
    shared = sorted(set(train.scenes) & set(test.scenes)) + sorted(set(train.cameras) & set(test.cameras))
    if shared:
        raise SystemExit(f"train and test share {', '.join(shared)}")


def augmented(pixels: Tensor, rng: np.random.Generator) -> Tensor:
    """Return standardised crops, (N, 3, 128, 64) float32: mirrored, shifted, tinted, partly erased."""
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


def train_network(crops: Crops, steps: int, seed: int) -> SmallNetwork:
    """Train a network from scratch; on one machine, the same seed gives the same network."""
    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, 1])
    known, labels = np.unique(crops.identities, return_inverse=True)
    network = SmallNetwork(len(known)).train()
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    sampler = ClassAwareSampler(labels, IDENTITIES, INSTANCES, seed=seed)
    step = epoch = 0
    begin = time.perf_counter()
    while step < steps:
        epoch += 1
        for batch in sampler.batches(epoch)[: steps - step]:
            targets = torch.from_numpy(labels[batch])
            features, necked = network(augmented(crops.pixels[batch], rng))
            logits = network.logits(necked)
            loss = F.cross_entropy(logits, targets, label_smoothing=SMOOTHING)
            loss = loss + batch_hard_triplet(features, targets, MARGIN)
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
def embed(network: SmallNetwork, crops: Crops) -> NDArray[np.float32]:
    """Return (N, 480) float32 embeddings of unit length."""
    network.eval()
    standard = ((part.float() / 255 - MEAN) / SPREAD for part in crops.pixels.split(128))
    return np.concatenate([F.normalize(network(part)[1]).numpy() for part in standard])


def colour_embeddings(crops: Crops) -> NDArray[np.float32]:
    """Return the baseline's (N, D) float32 embeddings of unit length."""
    whole = np.array([[0, 0, WIDTH, HEIGHT]], np.float32)
    return np.concatenate([colour_histogram(np.asarray(crop.permute(1, 2, 0)), whole) for crop in crops.pixels])


def figures(embeddings: NDArray[np.float32], crops: Crops) -> dict[str, float]:
    """Return top-1 and mAP of ranking across cameras, in per cent."""
    everyone = np.ones(len(embeddings), bool)
    result: ReidResult = evaluate_reid(embeddings, crops.identities, crops.cameras, everyone)
    return {"r1": round(100 * result.top1, 1), "map": round(100 * result.mean_average_precision, 1)}


def cut_crops(source: Path, out: Path) -> None:
    """Cut out the people of a set in the COCO-style layout and write them as ``make_crops`` does."""
    rng = np.random.default_rng(0)
    crops = []
    for split in ("train", "test"):
        (out / split).mkdir(parents=True, exist_ok=True)
        data = json.loads((source / f"{split}.json").read_text(encoding="utf-8"))
        images = {row["id"]: row for row in data["images"]}
        for one in data["annotations"]:
            if one["person_id"] < 0 or one["bbox"][3] < MIN_HEIGHT:
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
    """Return the folder of a variant's crops, which are made if they are missing."""
    crops = folder / "crops" / variant
    if (crops / "crops.json").exists():
        return crops
    if options.beside and variant == options.beside.name:
        cut_crops(options.beside, crops)
    else:
        from personsearch.synth import load_recipe, make_crops

        off = [] if variant == TODAY else [f"randomise.{variant.removeprefix('no-').replace('-', '_')}=false"]
        make_crops(load_recipe(options.recipe, [*options.changes, *off]), crops, workers=options.workers)
    return crops


def fingerprint(crops: Path) -> str:
    """Return a hash that changes with the crops: over their labels and the sizes of their files."""
    labels = (crops / "crops.json").read_bytes()
    sizes = [(crops / row["file_name"]).stat().st_size for row in json.loads(labels)["crops"]]
    return hashlib.sha256(labels + json.dumps(sizes).encode()).hexdigest()


def measure_variant(variant: str, seed: int, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of one variant, from the folder if they are there."""
    crops, yardstick = make_variant(variant, folder, options), make_variant(TODAY, folder, options)
    made_of = {
        "steps": options.steps,
        "seed": seed,
        "crops": fingerprint(crops),
        "todays_crops": fingerprint(yardstick),
    }
    kept = folder / "figures" / f"{variant}-{options.steps}-steps-seed{seed}.json"
    if kept.exists():
        earlier: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        if earlier["made_of"] == made_of:
            return earlier
    train, test = read_crops(crops, "train"), read_crops(crops, "test")
    check_disjoint(train, test)
    counts = [f"{len(set(part.identities.tolist()))} people, {len(part.cameras)} crops" for part in (train, test)]
    print(f"{variant}, seed {seed}: train {counts[0]}; test {counts[1]}", flush=True)
    begin = time.perf_counter()
    network = train_network(train, options.steps, seed)
    minutes = (time.perf_counter() - begin) / 60
    todays = test if variant == TODAY else read_crops(yardstick, "test")
    result = {
        "variant": variant,
        "made_of": made_of,
        "train": counts[0],
        "test": counts[1],
        "minutes": round(minutes, 1),
        "histogram": figures(colour_embeddings(test), test),
        "network": figures(embed(network, test), test),
        "network_today": figures(embed(network, todays), todays),
    }
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_durably(kept, json.dumps(result, indent=1).encode())
    return result


def table(results: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Return the lines of a table, with mean ± standard deviation for several seeds."""

    def cells_of(runs: list[dict[str, Any]], what: str) -> str:
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
        cells = [cells_of(runs, what) for what in ("histogram", "network", "network_today")]
        lines.append(f"| {variant} | {runs[0]['train']} | {runs[0]['test']} | {' | '.join(cells)} |")
    return lines


def variants(text: str) -> list[str]:
    """Read ``--variants``."""
    chosen = list(VARIANTS) if text == "all" else text.split(",")
    for name in chosen:
        if name not in VARIANTS:
            raise argparse.ArgumentTypeError(f"{name!r} does not exist; choose all, or from {', '.join(VARIANTS)}")
    return chosen


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder for crops (FOLDER/crops/VARIANT) and figures")
    parser.add_argument("changes", nargs="*", help="changes to the recipe: people.spread=0.5 ...")
    parser.add_argument(
        "--recipe",
        default="learnability",
        help="recipe of the crops; the default has 300 people to train on, 100 to test on",
    )
    parser.add_argument("--variants", type=variants, default=list(VARIANTS), help="all, or names separated by commas")
    parser.add_argument("--steps", type=int, default=450, help="training steps per network, each on 64 crops")
    parser.add_argument("--seeds", type=int, default=1, help="networks per variant")
    parser.add_argument("--beside", type=Path, help="folder of another set to add as a row")
    parser.add_argument("--workers", type=int, help="worker processes that draw")
    parser.add_argument("--save", type=Path, help="also write the table to this file")
    options = parser.parse_intermixed_args()
    torch.set_num_threads(1)
    results: dict[str, list[dict[str, Any]]] = {}
    for variant in [*options.variants, *([options.beside.name] if options.beside else [])]:
        results[variant] = [measure_variant(variant, seed, options.folder, options) for seed in range(options.seeds)]
    minutes = statistics.mean(run["minutes"] for runs in results.values() for run in runs)
    summary = (
        f"Recipe `{' '.join([options.recipe, *options.changes])}`; {options.steps} steps of "
        f"{IDENTITIES * INSTANCES} crops, {options.seeds} network(s) per variant, {minutes:.1f} minutes each on one of "
        f"{os.cpu_count()} cores, torch {torch.__version__}, Python {platform.python_version()}. In per cent; the "
        "people, places and cameras of the test are unseen in training."
    )
    text = "\n".join([f"# synth_learnability.py, {time.strftime('%Y-%m-%d')}", "", summary, "", *table(results), ""])
    print(f"\n{text}")
    if options.save:
        options.save.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
