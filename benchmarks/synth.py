"""Measure what a synthetic frame costs: each stage on one core, frames per second by workers, memory over many frames.

    python benchmarks/synth.py
    python benchmarks/synth.py --prototype FOLDER     # also time an earlier generator's make_mini.py in the same run
    python benchmarks/synth.py --memory 10000

Stages are means over the frames of one camera in each kind of place. The first frame of each, which compiles shaders
and builds clothes, is left out and reported separately. Where other programs run on the machine, the processor time of
these frames is more reliable than the elapsed time; software rendering runs on the same core.
"""

from __future__ import annotations

import argparse
import os

# One thread per process, as in the workers; must be set before numpy is loaded.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", LP_NUM_THREADS="0")

import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np

from personsearch.synth import load_recipe, make
from personsearch.synth.frame import draw_frame, measured_people, open_stage, posed_people
from personsearch.synth.labels import annotation_rows
from personsearch.synth.plan import plan
from personsearch.synth.sensor import develop, encode_jpeg, sensor_for

RECIPE = "street-small"
STAGES = ("pose", "draw", "measure", "labels", "sensor", "encode")


def stages(per_kind: int) -> None:
    """Print the milliseconds of each stage."""
    recipe = load_recipe(RECIPE)
    begin = time.perf_counter()
    jobs = plan(recipe)
    planned = time.perf_counter() - begin
    frames = sum(len(job.frames) for job in jobs)
    seconds: dict[str, list[float]] = defaultdict(list)
    people: list[int] = []
    opened: list[float] = []
    processor = clock = 0.0
    for kind in recipe.kinds:
        job = next(job for job in jobs if job.kind == kind)
        begin = time.perf_counter()
        stage = open_stage(job, recipe)
        draw_frame(stage, job.frames[0])
        opened.append(time.perf_counter() - begin)
        sensor, rng = sensor_for(job.sensor_seed), np.random.default_rng(0)
        processor -= time.process_time()
        clock -= time.perf_counter()
        for frame in job.frames[1 : 1 + per_kind]:
            marks = [time.perf_counter()]
            bodies = posed_people(stage, frame)
            marks.append(time.perf_counter())
            light = stage.world.lights[frame.light]
            picture = stage.renderer.draw(frame.camera, light, bodies, figures=stage.figures)
            marks.append(time.perf_counter())
            drawn = measured_people(stage, frame, bodies, picture, picture.image)
            marks.append(time.perf_counter())
            annotation_rows(frame, drawn)
            marks.append(time.perf_counter())
            image = develop(drawn.image, sensor, rng)
            marks.append(time.perf_counter())
            encode_jpeg(image)
            marks.append(time.perf_counter())
            for name, value in zip(STAGES, np.diff(marks), strict=True):
                seconds[name].append(float(value))
            people.append(sum(person.visible_box is not None for person in drawn.people))
        processor += time.process_time()
        clock += time.perf_counter()
        renderer = stage.renderer.device
        stage.close()
    print(f"{renderer}; {platform.machine()}, {os.cpu_count()} cores; {recipe.width}x{recipe.height}")
    print(f"planning {frames} frames: {planned:.1f} s; opening a place and drawing its first frame: "
          f"{statistics.mean(opened):.2f} s")  # fmt: skip
    print("| stage | ms per frame |\n| --- | --- |")
    for name in STAGES:
        print(f"| {name} | {1000 * statistics.mean(seconds[name]):.1f} |")
    total = 1000 * sum(statistics.mean(seconds[name]) for name in STAGES)
    drawing = 1000 * sum(statistics.mean(seconds[name]) for name in ("pose", "draw", "measure", "labels"))
    print(f"| all | {total:.0f} |\n\npose, draw, measure and labels: {drawing:.0f} ms; "
          f"{statistics.mean(people):.1f} people seen per frame (median {statistics.median(people):.0f})")  # fmt: skip
    print(f"processor time: {1000 * processor / len(people):.0f} ms per frame, {processor / clock:.0%} of elapsed time")


def throughput() -> None:
    """Print frames per second by number of workers, everything included."""
    recipe = load_recipe(RECIPE, ["train.frames=10", "test.frames=10"])
    print("\n| workers | frames/s |\n| --- | --- |")
    frames = sum(len(job.frames) for job in plan(recipe))
    workers = 1
    while workers <= (os.cpu_count() or 1):
        with tempfile.TemporaryDirectory() as folder:
            begin = time.perf_counter()
            make(recipe, Path(folder) / "set", workers=workers, progress=False)
            print(f"| {workers} | {frames / (time.perf_counter() - begin):.2f} |", flush=True)
        workers *= 2


def memory(count: int) -> None:
    """Print the resident memory of one process while it draws ``count`` frames with ever new people."""
    recipe = load_recipe(RECIPE)
    jobs, drawn = plan(recipe), 0
    while drawn < count:
        for job in jobs:
            stage = open_stage(job, recipe)
            for frame in job.frames:
                draw_frame(stage, frame)
                drawn += 1
                if drawn in (count // 10, count // 2, count):
                    pages = int(Path("/proc/self/statm").read_text().split()[1])
                    print(f"{drawn} frames: {pages * resource.getpagesize() / 2**20:.0f} MB", flush=True)
            stage.close()
            if drawn >= count:
                break


def prototype(folder: Path) -> None:
    """Print how long the earlier generator takes for 48 frames (four cameras of 12), with the last line of its log."""
    with tempfile.TemporaryDirectory() as out:
        begin, earlier = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        before = earlier.ru_utime + earlier.ru_stime
        command = [sys.executable, "make_mini.py", out, "train", "0", "6", "12"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)  # noqa: S603
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor = used.ru_utime + used.ru_stime - before
        print(f"\nprototype, 48 frames in {time.perf_counter() - begin:.1f} s, {processor:.1f} s of processor time: "
              f"{done.stdout.splitlines()[-1].strip()}")  # fmt: skip


def main() -> None:
    """Run the measurements that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--per-kind", type=int, default=12, help="frames per kind of place for the stages")
    parser.add_argument("--memory", type=int, metavar="FRAMES", help="only measure memory, over this many frames")
    parser.add_argument("--prototype", type=Path, help="folder that holds make_mini.py")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    if options.memory:
        memory(options.memory)
        return
    stages(options.per_kind)
    throughput()
    if options.prototype:
        prototype(options.prototype)


if __name__ == "__main__":
    main()
