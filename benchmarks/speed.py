"""How fast the network is along each of its paths, side by side in one run; stage by stage; in how much memory.

    python benchmarks/speed.py                                  # both presets, 960x640 and 1500x900: tens of minutes
    python benchmarks/speed.py --presets stl-mrfp-small --sizes 960x640 --tables speed --repeats 5     # quick
    python benchmarks/speed.py --device cuda --batch 1 4 16 --people 8 32 --json     # a JSON object a line

Paths: ``reference``, the readable network that training uses; ``fast``, what ``PersonSearcher`` uses; ``compiled``,
that with ``compile=True``. They take turns (A B C A B C ...); each round gives one ratio to the reference, and the
median of those stands with its quartiles. "By CPU time" is the same of processor time, which others on the machine
disturb less. ``network`` starts from a uint8 batch on the device, ``decoded`` from arrays, ``encoded`` from JPEG bytes;
all end with results on the host. The number of people kept is forced. Each thread count has a process of its own, and
so has each measurement of memory.

The floor is what the stages' arithmetic and traffic would take at the rates measured in the same run, of a large matrix
product and a large copy (``speed_counts.py`` says how they are counted). It is no law on a CPU: caches are faster than
memory. ``peers.py`` compares with other networks.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from speed_counts import Rates, stages
from speed_paths import Cell, Plan, add_options, calls_for, cells_of, config_for, plan_of, scenes_for, searcher_for
from speed_stages import measure_stages
from speed_timing import hardware, in_child, interleaved, measured_rates, milliseconds, peak_memory, ratio

from personsearch.models import preset_names

#: Table 7 of the paper: frames per second on a V100, STL + MRFP.
PAPER = {("stl-mrfp-r50", "960x640"): 40.6, ("stl-mrfp-r50", "1500x900"): 28.7}
OTHERS = "Table 7 of the paper at 1500x900, images/s: NAE+ 10.2, AlignPS 16.4 (V100); BINet 12.5, DKD 8.1 (1080Ti)."
TABLES = ("speed", "stages", "memory")
STARTS = ("network", "decoded", "encoded")


def measure(cell: Cell, plan: Plan, tables: list[str], start: list[str]) -> list[dict[str, Any]]:
    """Measure one cell but for its memory; return the rows of its tables. Runs in a process of its own."""
    torch.set_num_threads(cell.threads)
    device = torch.device(cell.device)
    rates = {dtype: measured_rates(device, getattr(torch, dtype)) for dtype in {dtype for _, dtype in plan.paths}}
    rows = [
        cell.row("rates", "", dtype) | {"gflops": rate.flops / 1e9, "gbytes": rate.bytes / 1e9}
        for dtype, rate in sorted(rates.items())
    ]
    if "speed" in tables:
        rows += fitting(lambda fits: measure_speed(fits, plan, rates, start), cell)
    if "stages" in tables:
        rows += fitting(lambda fits: measure_stages(fits, plan, rates), cell)
    return rows


def fitting(measured: Callable[[Cell], list[dict[str, Any]]], cell: Cell) -> list[dict[str, Any]]:
    """Measure with the batch of a cell; with half of it as often as the GPU's memory is too small."""
    while True:
        try:
            return measured(cell)
        except torch.cuda.OutOfMemoryError:
            if cell.batch == 1:
                raise
        torch.cuda.empty_cache()
        cell = replace(cell, batch=cell.batch // 2)


def measure_speed(cell: Cell, plan: Plan, rates: Mapping[str, Rates], start: list[str]) -> list[dict[str, Any]]:
    """Time every path in turn, from everything that a figure may start from.

    Args:
        cell: the setting.
        plan: the paths, the reference first, and how often.
        rates: of this machine, by dtype.
        start: of :data:`STARTS`.
    """
    scenes, calls = scenes_for(cell), {}
    for path, dtype in plan.paths:
        searcher = searcher_for(cell, path, dtype)
        calls[path, dtype] = calls_for(searcher, scenes, path)
        counts = {len(one) for one in searcher.detect(scenes.arrays, batch_size=cell.batch, progress=False)}
        if counts != {cell.people}:
            raise SystemExit(f"{path} kept {counts} people instead of {cell.people}: the figures would not compare")
    height, width = scenes.batch.shape[-2:]
    work = stages(config_for(cell), width, height, batch=cell.batch, people=cell.people)
    rows = []
    for what in start:
        turns = {which: of_path[what] for which, of_path in calls.items()}
        taken = interleaved(turns, torch.device(cell.device), plan.rounds)
        first = taken[plan.paths[0]]
        for (path, dtype), samples in taken.items():
            figures = milliseconds(samples)
            floor = 1000 * rates[dtype].floor_of(work, getattr(torch, dtype).itemsize)
            network = what == "network"
            row = cell.row("speed", path, dtype) | {"what": what} | figures
            row["images_per_s"] = round(1000 * cell.batch / figures["median_ms"], 3)
            row["times_reference"] = str(ratio([s.wall for s in first], [s.wall for s in samples]))
            row["times_reference_cpu"] = str(ratio([s.cpu for s in first], [s.cpu for s in samples]))
            row["floor_ms"] = round(floor, 3) if network else None
            row["share_of_floor"] = round(floor / figures["median_ms"], 3) if network else None
            row["paper_images_per_s"] = PAPER.get((cell.preset, cell.size)) if network else None
            rows.append(row)
    return rows


def measure_memory(cell: Cell, path: str, dtype: str) -> list[dict[str, Any]]:
    """Return one row: the most memory that a process held that loads the network and detects twice."""
    torch.set_num_threads(cell.threads)
    before = peak_memory(torch.device(cell.device))
    searcher, scenes = searcher_for(cell, path, dtype), scenes_for(cell)
    for _ in range(2):
        searcher.detect(scenes.arrays, batch_size=cell.batch, progress=False)
    most = peak_memory(searcher.device)
    megabytes = {"peak_mb": round(most / 1e6), "before_mb": round(before / 1e6)}
    return [cell.row("memory", path, dtype) | megabytes]


def rows_of(cell: Cell, plan: Plan, tables: list[str], start: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of all tables of a cell as they come, from children."""
    if {"speed", "stages"} & set(tables):
        yield from in_child(measure, cell, plan, tables, start)
    if "memory" in tables:
        for path, dtype in plan.paths:
            yield from in_child(measure_memory, cell, path, dtype)


def show(row: dict[str, Any], heads: set[str]) -> None:
    """Print a row of a table in Markdown; before the first of its kind, the table's head."""
    kind = row["kind"]
    if kind == "rates":
        print(f"\nMeasured rates, {row['dtype']}, threads: {row['threads']}:", end=" ")
        print(f"{row['gflops']:.0f} GFLOP/s in a product of matrices,", end=" ")
        print(f"{row['gbytes']:.1f} GB/s copied (read and written)", flush=True)
        return
    columns = COLUMNS[kind]
    if kind not in heads:
        heads.add(kind)
        print("\n| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns))
    cells = ("" if row[key] is None else format(row[key], form) for key, form in columns.values())
    print("| " + " | ".join(cells) + " |", flush=True)


_SETTING = {
    "preset": ("preset", ""),
    "size": ("size", ""),
    "threads": ("threads", ""),
    "batch": ("batch", ""),
    "people": ("people", ""),
}
_PATH = {"path": ("path", ""), "dtype": ("dtype", "")}
#: Of each kind of row: the columns' names, with the keys and formats of their values.
COLUMNS: dict[str, dict[str, tuple[str, str]]] = {
    "speed": {
        **_SETTING,
        "from": ("what", ""),
        **_PATH,
        "median ms": ("median_ms", ".1f"),
        "p95 ms": ("p95_ms", ".1f"),
        "images/s": ("images_per_s", ".2f"),
        "times the reference": ("times_reference", ""),
        "by CPU time": ("times_reference_cpu", ""),
        "floor ms": ("floor_ms", ".1f"),
        "floor / time": ("share_of_floor", ".0%"),
        "paper (V100) images/s": ("paper_images_per_s", ""),
    },
    "stage": {
        **_SETTING,
        **_PATH,
        "stage": ("stage", ""),
        "median ms": ("median_ms", ".2f"),
        "of the whole": ("share", ".1%"),
        "floor ms": ("floor_ms", ".2f"),
        "times the reference": ("times_reference", ""),
    },
    "memory": {**_SETTING, **_PATH, "peak MB": ("peak_mb", ""), "before the network was built": ("before_mb", "")},
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=preset_names(), choices=preset_names())
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=TABLES)
    parser.add_argument("--from", dest="start", nargs="+", default=list(STARTS), choices=STARTS)
    add_options(parser, people=[8], threads=sorted({1, torch.get_num_threads()}))
    options = parser.parse_args()
    cells = cells_of(options, options.presets)
    plan, told = plan_of(options, cells[0].device), hardware(torch.device(cells[0].device))
    if not options.json:
        print(f"# python benchmarks/speed.py {' '.join(sys.argv[1:])}\n")
        print(", ".join(f"{key} {value}" for key, value in told.items()))
        print(f"\nTimes of a batch; random weights. {OTHERS}")
    for cell in cells:
        heads: set[str] = set()
        for row in rows_of(cell, plan, options.tables, options.start):
            if options.json:
                print(json.dumps({**row, **told}), flush=True)
            else:
                show(row, heads)


if __name__ == "__main__":
    main()
