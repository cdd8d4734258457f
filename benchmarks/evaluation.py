"""What an evaluation costs on sets of the usual sizes: time and memory, and how they grow.

    python benchmarks/evaluation.py

The sets are made up: each person is a random unit vector with noise, every annotated person is detected, and so are
strangers. Each row runs in a process of its own; its memory is the most that the process held, including the set.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from personsearch import Detections
from personsearch.datasets import Accounting, Dataset, GalleryList, Query, Scene
from personsearch.evaluation import PRESETS, evaluate_detection, evaluate_search

PER_SCENE = 8
NOISE = 3.0


@dataclass(frozen=True)
class Size:
    """How large a made-up set is; ``listed`` = images in each query's gallery list, 0 = no lists."""

    name: str
    scenes: int
    queries: int
    people: int
    appearances: int
    listed: int


SIZES = (
    Size("PRW", scenes=6112, queries=2057, people=450, appearances=36, listed=0),
    Size("CUHK-SYSU, gallery 4,000", scenes=6978, queries=2900, people=2900, appearances=3, listed=4000),
)


def boxes_of_a_scene() -> np.ndarray:
    """Return (8, 4) boxes side by side."""
    left = 150.0 * np.arange(PER_SCENE)
    return np.stack([left, left * 0, left + 60, left * 0 + 180], axis=1).astype(np.float32)


def made_up(size: Size, dim: int) -> tuple[Dataset, dict[str, Detections], np.ndarray]:
    """Return a set, its detections by image_id, and its queries' embeddings (Q, dim)."""
    rng = np.random.default_rng(0)
    boxes, count = boxes_of_a_scene(), size.scenes * PER_SCENE
    identities = np.full((size.scenes, PER_SCENE), -1)
    for person in range(size.people):
        where = rng.choice(size.scenes, size.appearances, replace=False)
        identities[where, rng.integers(PER_SCENE, size=len(where))] = person
    centres = rng.standard_normal((size.people, dim), dtype=np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    vectors = rng.standard_normal((count, dim), dtype=np.float32) * np.float32(NOISE / np.sqrt(dim))
    labelled = np.flatnonzero(identities.ravel() >= 0)
    vectors[labelled] += centres[identities.ravel()[labelled]]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = rng.uniform(0.5, 1, size=(size.scenes, PER_SCENE)).astype(np.float32)
    names = [f"{number:05}.jpg" for number in range(size.scenes)]
    scenes, detections = [], {}
    for number, name in enumerate(names):
        scenes.append(
            Scene(
                image_id=name,
                path=Path(name),
                width=1200,
                height=180,
                camera=f"c{number % 6}",
                time=None,
                place=None,
                boxes=boxes,
                identities=identities[number],
                ignore=np.zeros(PER_SCENE, dtype=bool),
            )
        )
        detections[name] = Detections(
            boxes=boxes + rng.normal(0, 3, boxes.shape).astype(np.float32),
            scores=scores[number],
            embeddings=vectors[number * PER_SCENE : (number + 1) * PER_SCENE],
            image_size=(180, 1200),
        )
    shown = {person: np.argwhere(identities == person) for person in np.unique(identities) if person >= 0}
    everyone = [person for person, where in shown.items() if len(where) > 1]
    queries, rows = [], []
    for number in range(size.queries):
        person = everyone[number % len(everyone)]
        where = shown[person]
        own, place = where[number // len(everyone) % len(where)]
        gallery = None
        if size.listed:
            there = where[where[:, 0] != own]
            others = rng.permutation(np.setdiff1d(np.arange(size.scenes), where[:, 0]))[: size.listed - len(there)]
            list_boxes = np.full((size.listed, 4), np.nan, dtype=np.float32)
            list_boxes[: len(there)] = boxes[there[:, 1]]
            chosen = [*there[:, 0].tolist(), *others.tolist()]
            gallery = GalleryList(image_ids=tuple(names[scene] for scene in chosen), boxes=list_boxes)
        queries.append(Query(image_id=names[own], box=boxes[place], identity=int(person), gallery=gallery))
        rows.append(own * PER_SCENE + place)
    dataset = Dataset(
        name=size.name, scenes=tuple(scenes), queries=tuple(queries), accounting=Accounting(rows=count, kept=count)
    )
    return dataset, detections, vectors[rows]


def cpu_s() -> float:
    """Return the processor time of this process in seconds, over all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_mb() -> float:
    """Return the most memory that this process has held, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(size: Size, dim: int, preset: str) -> dict[str, object]:
    """Run one evaluation and return its row of the table."""
    dataset, detections, queries = made_up(size, dim)
    before = peak_mb()
    begin, cpu = time.perf_counter(), cpu_s()
    search = evaluate_search(detections, dataset, queries, PRESETS[preset])
    middle, cpu = time.perf_counter(), cpu_s() - cpu
    evaluate_detection(detections, dataset.scenes, PRESETS[preset])
    return {
        "set": size.name,
        "scenes": size.scenes,
        "queries": size.queries,
        "preset": preset,
        "search_s": middle - begin,
        "search_cpu_s": cpu,
        "detection_s": time.perf_counter() - middle,
        "before_mb": before,
        "peak_mb": peak_mb(),
        "mAP": search.mean_average_precision,
    }


def scaled(size: Size, share: float) -> Size:
    """Return a size with a share of the scenes, queries, people and list entries."""
    scale = {key: max(int(getattr(size, key) * share), 1) for key in ("scenes", "queries", "people")}
    return Size(size.name, **scale, appearances=size.appearances, listed=int(size.listed * share))


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.25, 0.5, 1.0], help="of the full sizes")
    parser.add_argument("--dim", type=int, default=2048, help="length of an embedding")
    parser.add_argument("--presets", nargs="+", default=["standard"], choices=list(PRESETS))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        number, share, preset = arguments.one.split(",")
        print(json.dumps(measure(scaled(SIZES[int(number)], float(share)), arguments.dim, preset)))
        return
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, numpy {np.__version__}", end="")
    print(f", load {os.getloadavg()[0]:.1f}; {PER_SCENE} detections per scene, {arguments.dim}-d\n")
    columns = ["set", "share", "scenes", "queries", "preset", "search s", "its CPU s", "detection s"]
    print("| " + " | ".join([*columns, "made-up set MB", "peak MB", "mAP"]) + " |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for number in range(len(SIZES)):
        for share in arguments.shares:
            for preset in arguments.presets:
                command = [sys.executable, __file__, "--dim", str(arguments.dim), "--one", f"{number},{share},{preset}"]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
                row = json.loads(done.stdout)
                print(
                    f"| {row['set']} | {share:g} | {row['scenes']:,} | {row['queries']:,} | {preset} "
                    f"({PRESETS[preset].hash}) | {row['search_s']:.1f} | {row['search_cpu_s']:.1f} | "
                    f"{row['detection_s']:.1f} | {row['before_mb']:,.0f} | {row['peak_mb']:,.0f} | {row['mAP']:.4f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
