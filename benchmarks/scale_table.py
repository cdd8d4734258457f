"""What the load test in ``scale.py`` measured, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Facts = Mapping[str, Any]


def table(runs: Sequence[Facts]) -> str:
    """Return the runs as markdown, by size and store."""
    runs = sorted(runs, key=lambda run: (run["people"], run["dim"], run["store"]))
    clients = sorted({int(count) for run in runs for count in run["stages"].get("search", {}).get("clients", {})})
    columns = [
        "store",
        "people x numbers",
        "stored a second",
        "index made in",
        "first answer",
        *(f"{count} client{'s' * (count > 1)}: median / p95, answers a second" for count in clients),
        "one camera of ten",
        "last 1 % of the time",
        "recall@10",
        "on the disk, a person",
        "1 % erased in",
        "peak memory: filling / index / searching",
    ]
    lines = ["| " + " | ".join(columns) + " |", "| --- " * len(columns) + "|"]
    lines += ["| " + " | ".join(_cells(run, clients)) + " |" for run in runs]
    indexes = [f"- {_name(run)}: {run['stages']['search']['index']}" for run in runs if "search" in run["stages"]]
    parts = [f"- {_name(run)}: {_parts(run['stages']['disk'])}" for run in runs if "disk" in run["stages"]]
    skipped = [f"- {_name(run)}: not run: {run['not_run']}" for run in runs if "not_run" in run]
    machines = {stage["machine"].split("; load")[0] for run in runs for stage in run["stages"].values()}
    return "\n".join([*lines, "", *indexes, *parts, *skipped, "", *sorted(machines)])


def _name(run: Facts) -> str:
    return f"{run['store']}, {run['people']:,} x {run['dim']}"


def _parts(disk: Facts) -> str:
    largest = sorted(disk["parts"].items(), key=lambda part: -int(part[1]))
    return ", ".join(f"{name} {size / 1e6:,.0f} MB" for name, size in largest if size > 0.01 * disk["bytes"])


def _cells(run: Facts, clients: Sequence[int]) -> list[str]:
    stages: dict[str, Any] = run["stages"]
    search = stages.get("search", {})
    measured = search.get("clients", {})

    def asked(facts: Facts | None, *, rate: bool) -> str:
        if facts is None:
            return "-"
        times = f"{facts['median_ms']:.1f} / {facts['p95_ms']:.1f} ms"
        return f"{times}, {facts['a_second']:.0f}" if rate else times

    fill, index, first, disk, erase = (stages.get(name) for name in ("fill", "index", "first", "disk", "erase"))
    memory = [_memory(stages[name]) for name in ("fill", "index", "search") if name in stages]
    return [
        run["store"],
        f"{run['people']:,} x {run['dim']}",
        "-" if fill is None else f"{fill['people_a_second']:,.0f}",
        "-" if index is None else f"{index['seconds']:,.0f} s",
        "-" if first is None else f"{first['seconds']:.2f} s",
        *(asked(measured.get(str(count)), rate=True) for count in clients),
        asked(search.get("one_camera"), rate=False),
        asked(search.get("last_hundredth"), rate=False),
        f"{search['recall']:.3f}" if search else "-",
        "-" if disk is None else f"{disk['a_person'] / 1000:.2f} kB",
        "-" if erase is None else f"{erase['seconds']:.1f} s",
        " / ".join(memory) or "-",
    ]


def _memory(stage: Facts) -> str:
    own = f"{stage['megabytes'] / 1000:.1f}"
    return f"{own} + {stage['server_megabytes'] / 1000:.1f} GB" if "server_megabytes" in stage else f"{own} GB"
