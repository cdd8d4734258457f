"""Indexing on Ray: one worker against two, what each step costs by itself, and what follows for a thousand workers.

    python benchmarks/ray_ingest.py                                # the packaged weights, pictures of 1920x1080
    python benchmarks/ray_ingest.py --gallery lance --turns 5      # scenes are stored in Lance

One worker and two take turns over the same pictures, in galleries of their own; the ratio is the median of the turns'
ratios. Each worker has one core and one thread, and tasks are of eight pictures. A rate is the slope of the scenes
acknowledged over time, in the middle six tenths of a run: neither the start of the workers counts (they load torch) nor
the end, when one waits for the other. The runs store in folders, which acknowledge scene by scene; engines do it by
hundreds, so of them only the step of storing is measured. The steps are measured in this process, with one thread, one
after another, and are medians of the turns. The plan is arithmetic from these, and from what docs/speed.md measured on
a GPU; ``plan()`` is all of it.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

os.environ["OMP_NUM_THREADS"] = "1"

import torch
from PIL import Image, ImageChops

from personsearch import Gallery, PersonSearcher
from personsearch.demo import demo_folder
from personsearch.indexing.same_content import digest_of
from personsearch.people import NewScene
from personsearch.progress import Progress
from personsearch.results import Detections
from personsearch.runner import Settings
from personsearch.scale import index, ingest
from personsearch.scale.answers import Answer, answers_in, new, table_of
from personsearch.scale.cluster import require_ray
from personsearch.scale.writing import store
from personsearch.weights.registry import DEFAULT

#: Frames a second of stl-mrfp-small on one H200 with 16 cores, from JPEG bytes: docs/speed.md.
GPU_FRAMES = 361.0
#: The most that a process is planned to be busy.
BUSY = 0.7
#: Scenes stored to measure storing: batches of engines are full.
WRITTEN = 1024
#: Pictures of a task here: answers come often enough for a slope.
TASK_SIZE = 8
WORKERS = (1, 2, 10, 100, 1000)


@dataclass(frozen=True)
class Costs:
    """What a scene costs, milliseconds of one core unless said otherwise.

    Attributes:
        decode: reading its file, its digest, decoding and resizing.
        network: detecting and embedding its people.
        unpack: taking a worker's answer with everybody in it apart.
        account: taking the answer of a writer apart, with nobody in it.
        write: storing it.
        picture_bytes: size of its file.
        answer_bytes: size of the answer.
        people: in it, on average.
    """

    decode: float
    network: float
    unpack: float
    account: float
    write: float
    picture_bytes: float
    answer_bytes: float
    people: float


@dataclass(frozen=True)
class Plan:
    """What so many workers come to.

    Attributes:
        workers: how many.
        frames: looked at each second.
        driver: share of a core that the process needs that collects the answers and stores them.
        writers: processes that store, so that none is busier than :data:`BUSY`; 0 = the collecting one does.
        collecting: share of a core that the collecting process needs then.
        runs: calls of ``index`` side by side, each over a part of the pictures, where one process cannot collect.
        read: bytes a second out of object storage.
        answers: bytes a second between the machines.
    """

    workers: int
    frames: float
    driver: float
    writers: int
    collecting: float
    runs: int
    read: float
    answers: float


def plan(costs: Costs, workers: int, *, frames_a_worker: float | None = None) -> Plan:
    """Return what follows from the costs; nothing here is measured.

    Args:
        costs: of a scene.
        workers: how many.
        frames_a_worker: each second; None = on one core, by the costs.
    """
    rate = 1000 / (costs.decode + costs.network) if frames_a_worker is None else frames_a_worker
    frames = workers * rate
    alone = frames * (costs.unpack + costs.write) / 1000
    # A writer takes the worker's answers apart and stores them; the collecting process sees no people any more.
    writers = 0 if alone <= BUSY else math.ceil(alone / BUSY)
    collecting = frames * costs.account / 1000 if writers else alone
    return Plan(
        workers=workers,
        frames=frames,
        driver=alone,
        writers=writers,
        collecting=collecting,
        runs=max(1, math.ceil(collecting / BUSY)),
        read=frames * costs.picture_bytes,
        answers=frames * costs.answer_bytes,
    )


def plan_table(costs: Costs, *, frames_a_worker: float | None = None) -> str:
    """Return the plans of :data:`WORKERS` as markdown."""
    heads = (
        "workers",
        "frames/s",
        "frames a day",
        "collecting and storing, cores",
        "writers",
        "collecting beside them, cores",
        "runs side by side",
        "pictures read",
        "answers",
    )
    lines = ["| " + " | ".join(heads) + " |", "| --- " * len(heads) + "|"]
    for workers in WORKERS:
        one = plan(costs, workers, frames_a_worker=frames_a_worker)
        cells = (
            f"{workers:,}",
            f"{one.frames:,.1f}",
            f"{one.frames * 86400 / 1e6:,.1f} million",
            f"{one.driver:,.2f}",
            f"{one.writers:,}",
            f"{one.collecting:,.2f}",
            f"{one.runs:,}",
            f"{one.read / 1e6:,.1f} MB/s",
            f"{one.answers / 1e6:,.2f} MB/s",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def pictures(folder: Path, count: int, size: tuple[int, int]) -> list[Path]:
    """Write so many different JPEGs of scenes with people."""
    folder.mkdir(parents=True)
    scenes = sorted(demo_folder().glob("*.jpg"))
    paths = []
    for number in range(count):
        with Image.open(scenes[number % len(scenes)]) as scene:
            picture = ImageChops.offset(scene.convert("RGB").resize(size), 8 * (number // len(scenes)), 0)
        paths.append(folder / f"{number:05d}.jpg")
        picture.save(paths[-1], quality=90)
    return paths


def per_item(work: Callable[[], Any], items: int, turns: int) -> float:
    """Return the median over the turns of milliseconds for each item."""
    times = []
    for _ in range(turns):
        begun = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - begun) / items)
    return statistics.median(times)


def measure(searcher: PersonSearcher, paths: Sequence[Path], kind: str, folder: Path, turns: int) -> Costs:
    """Measure each step by itself."""
    runner, count = searcher._runner, len(paths)
    ready = [runner.ready(path, "RGB") for path in paths]
    found: list[Detections] = list(runner.detect(ready, Settings()))
    scenes = [
        NewScene(image_id=path.name, detections=people, extra={"sha256": digest_of(path, "RGB"), "path": str(path)})
        for path, people in zip(paths, found, strict=True)
    ]
    table = table_of([new(scene) for scene in scenes])
    short = table_of([Answer("stored", scene.image_id, people=len(scene.detections)) for scene in scenes])
    many = [replace(scenes[number % count], image_id=f"{number}.jpg") for number in range(WRITTEN)]
    writes = []
    for turn in range(turns):
        with Gallery.open(place(kind, folder / f"steps-{turn}"), searcher.spec) as gallery:
            size = gallery.scenes_at_once
            begun = time.perf_counter()
            for begin in range(0, len(many), size):
                store(gallery, many[begin : begin + size], replace=False)
            writes.append(1000 * (time.perf_counter() - begun) / len(many))

    return Costs(
        decode=per_item(lambda: [(runner.ready(path, "RGB"), digest_of(path, "RGB")) for path in paths], count, turns),
        network=per_item(lambda: list(runner.detect(ready, Settings())), count, turns),
        unpack=per_item(lambda: list(answers_in(table)), count, turns),
        account=per_item(lambda: list(answers_in(short)), count, turns),
        write=statistics.median(writes),
        picture_bytes=statistics.mean(path.stat().st_size for path in paths),
        answer_bytes=table.nbytes / count,
        people=statistics.mean(len(people) for people in found),
    )


def place(kind: str, folder: Path) -> str:
    """Return where a gallery of a kind goes."""
    return f"lance://{folder}" if kind == "lance" else str(folder)


class Clock(Progress):
    """Notes when each scene was acknowledged."""

    times: list[float] = []  # noqa: RUF012 - of the last run

    def advance(self, by: int = 1) -> None:
        """Note the time."""
        Clock.times += [time.perf_counter()] * by


def rate(paths: Sequence[Path], gallery: Path, weights: str, workers: int) -> float:
    """Return scenes a second of the middle six tenths of a run."""
    Clock.times.clear()
    with mock.patch.object(ingest, "Progress", Clock), mock.patch.object(ingest, "TASK_SIZE", TASK_SIZE):
        report = index({path.name: path for path in paths}, gallery, weights=weights, workers=workers, progress=False)
    if report.failed or report.added != len(paths):
        raise SystemExit(f"{report.added} of {len(paths)} scenes were stored: {report.failed[:1]}")
    times = sorted(Clock.times)
    middle = times[len(times) // 5 : -(len(times) // 5)]
    if middle[0] == middle[-1]:
        raise SystemExit(f"{len(paths)} pictures are done at once; give --pictures more")
    return statistics.linear_regression(middle, range(len(middle))).slope


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default=DEFAULT)
    parser.add_argument("--size", default="1920x1080", help="of the pictures")
    parser.add_argument("--pictures", type=int, default=192, help="in each run with workers")
    parser.add_argument("--steps", type=int, default=16, help="pictures for the steps by themselves")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--gallery", choices=("folder", "lance"), default="folder", help="of the step of storing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    width, height = map(int, options.size.split("x"))
    work = Path(tempfile.mkdtemp(prefix="personsearch-ray-"))
    try:
        paths = pictures(work / "pictures", max(options.pictures, options.steps), (width, height))
        searcher = PersonSearcher.from_pretrained(options.weights, device="cpu")
        costs = measure(searcher, paths[: options.steps], options.gallery, work, options.turns)
        ray = require_ray()
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        turns = []
        for turn in range(options.turns):
            found = {}
            for workers in (1, 2) if turn % 2 == 0 else (2, 1):
                gallery = work / f"{turn}-{workers}"
                found[workers] = rate(paths[: options.pictures], gallery, options.weights, workers)
            turns.append(found)
        ray.shutdown()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(f"{searcher.spec.name}, {options.size}, {costs.people:.1f} people a scene")
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    print("| step | ms of one core | bytes |\n| --- | --- | --- |")
    print(f"| read, decode, resize | {costs.decode:.2f} | {costs.picture_bytes:,.0f} |")
    print(f"| network | {costs.network:.2f} | |")
    print(f"| answer taken apart | {costs.unpack:.3f} | {costs.answer_bytes:,.0f} |")
    print(f"| answer of a writer taken apart | {costs.account:.3f} | |")
    print(f"| stored in {'a folder' if options.gallery == 'folder' else 'lance://'} | {costs.write:.3f} | |\n")
    ratio = statistics.median(turn[2] / turn[1] for turn in turns)
    print("| workers | scenes a second, median | by turns |\n| --- | --- | --- |")
    for workers in (1, 2):
        rates = [turn[workers] for turn in turns]
        print(f"| {workers} | {statistics.median(rates):.2f} | {', '.join(f'{one:.2f}' for one in rates)} |")
    print(f"\n2 workers / 1 worker: {ratio:.2f}\n")
    print(f"Arithmetic, workers of one core:\n\n{plan_table(costs)}\n")
    print(f"Arithmetic, workers of one GPU that look at {GPU_FRAMES:g} frames/s (docs/speed.md, H200, 960x640):\n")
    print(plan_table(costs, frames_a_worker=GPU_FRAMES))


if __name__ == "__main__":
    main()
