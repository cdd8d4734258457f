"""A load test of the stores of a gallery: how quickly they are filled and answer, how right, in how much room.

    python benchmarks/scale.py run --store folder --people 1000000 --dim 512 --keep /data/scale
    python benchmarks/scale.py run --store lance --people 1000000 --dim 512 --keep /data/scale
    python benchmarks/scale.py run --store milvus --people 1000000 --dim 512 --keep /data/scale
    python benchmarks/scale.py table /data/scale

People are made up (``scale_rows.py`` says how), eight to a scene, spread over ten cameras and ten days. Stages follow
each other, each in a process of its own, and what a stage measured is written to a JSON file of the run when it ends:
the same command continues, also within filling, after whatever interrupted it.

- fill: scenes are stored, so many with one write, durably; the making up is not counted.
- index: ``gallery.rebuild``, which trains and measures inverted lists where the store thinks that they pay; Milvus then
  goes on tidying its files for minutes, which is waited for and noted.
- exact: the 10 nearest people of 200 queries by comparing with everybody in numpy, once for all stores of a size.
- first: a new process opens the gallery and searches once; three times.
- search: recall@10 of the 200 queries; then so many clients ask one query after the other for some seconds, and one
  client with a filter: one camera of ten, and the last hundredth of the time.
- disk: what the gallery takes on the disk; of Milvus with its log of messages and etcd, which takes 100 MB at once.
- erase: everybody of the first hundredth of the time is erased, as a rule of retention does each day.

Clients are threads of one process. Those of lance:// and milvus:// have a gallery and a connection of their own; those
of a folder share one open gallery, as the threads of ``personsearch serve`` do, because each gallery that is open holds
the index in memory. Threads, as on two cores 32 processes would mostly measure how Python starts and what 32 copies of
it take; what is slow in a search (FAISS, Lance, the network) lets other threads run.

The Milvus server is the one of the package ``milvus``, started and ended by each run with its files in ``--keep``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from scale_rows import PER_SCENE, Crowd
from scale_table import table

from personsearch.durable import write_durably

HERE = Path(__file__).parent
Facts = dict[str, Any]
STAGES = {"fill", "index", "first", "search", "disk", "erase"}
STORES = ("folder", "lance", "milvus")
PACKAGES = ("numpy", "faiss-cpu", "pylance", "pymilvus", "milvus")
#: Training rows of one list of FAISS's inverted lists, see ``ivf.py``.
TRAINING_PER_LIST = 64


def main() -> None:
    """Measure, or print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    run_parser = commands.add_parser("run", help="fill and measure one store")
    run_parser.add_argument("--store", choices=STORES, required=True)
    run_parser.add_argument("--people", type=int, default=20_000)
    run_parser.add_argument("--dim", type=int, default=512)
    run_parser.add_argument("--keep", type=Path, required=True, help="folder of the stores and of what was measured")
    run_parser.add_argument("--index", choices=("auto", "exact", "ivf"), default="auto")
    run_parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    run_parser.add_argument("--seconds", type=float, default=20.0, help="for which clients ask; default: 20")
    run_parser.add_argument("--scenes-per-write", type=int, help="default: what the store asks for, 256 for a folder")
    run_parser.add_argument("--partition", default="day", help="of Milvus: day, hour, month, none; default: day")
    run_parser.add_argument("--milvus-setting", action="append", default=[], help="KEY=VALUE of the server's file")
    run_parser.add_argument("--delete", action="store_true", help="delete the store afterwards, keep the figures")
    run_parser.add_argument("--even-if-too-large", action="store_true", help="try what does not fit in memory or disk")
    table_parser = commands.add_parser("table", help="print what was measured")
    table_parser.add_argument("folders", type=Path, nargs="+")
    options = parser.parse_args()
    if options.command == "table":
        files = sorted(file for folder in options.folders for file in folder.glob("run-*.json"))
        print(table([json.loads(file.read_text()) for file in files]))
    else:
        if options.people % PER_SCENE:
            parser.error(f"--people must be a multiple of {PER_SCENE}")
        run(options)


def run(options: argparse.Namespace) -> None:
    """Measure one store, stage by stage, as far as it has not been measured yet."""
    crowd = Crowd(options.people, options.dim)
    name = f"{options.store}-{crowd.people}x{crowd.dim}"
    options.keep.mkdir(parents=True, exist_ok=True)
    file, place = options.keep / f"run-{name}.json", options.keep / name
    progress = options.keep / f"fill-{name}.json"
    known: Facts = json.loads(file.read_text()) if file.exists() else {}
    whole = known.get("stages", {}).keys() >= STAGES
    if not whole and not place.exists():  # somebody deleted the store: from the beginning
        known = {}
        progress.unlink(missing_ok=True)
    known |= {"store": options.store, "people": crowd.people, "dim": crowd.dim}
    known.setdefault("stages", {})
    why = too_large(options.store, crowd, options.keep)
    if why and not options.even_if_too_large and not whole:
        known["not_run"] = why
        write_durably(file, json.dumps(known, indent=1).encode())
        raise SystemExit(f"not run: {why}")
    known.pop("not_run", None)

    def done(stage: str, facts: Facts) -> None:
        known["stages"][stage] = facts | {"when": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine()}
        write_durably(file, json.dumps(known, indent=1).encode())
        print(f"{name} {stage}: {json.dumps(facts)}", flush=True)

    exact = options.keep / f"exact-{crowd.people}x{crowd.dim}.npz"
    if not exact.exists():
        begin = time.perf_counter()
        ids = crowd.nearest(crowd.queries())
        np.savez(exact.with_suffix(".part.npz"), ids=ids)
        exact.with_suffix(".part.npz").rename(exact)
        print(f"{name} exact: {time.perf_counter() - begin:.0f} s", flush=True)
    if whole:
        print(f"{name}: measured already, see {file}")
        return
    with _served(options, place) as (address, server):

        def stage(what: str, record: Path, **more: object) -> Facts:
            facts = _child(what, address, crowd, record, more)
            if server is not None:
                facts["server_megabytes"] = peak_memory(server)
            return facts

        if "fill" not in known["stages"]:
            done("fill", stage("fill", progress, scenes_per_write=options.scenes_per_write))
        if "index" not in known["stages"]:
            facts = stage("index", exact, index=options.index)
            done("index", facts if server is None else facts | {"settled": settle(server)})
        if "first" not in known["stages"]:
            tries = [stage("first", exact) for _ in range(3)]
            middle = sorted(tries, key=lambda one: float(one["seconds"]))[1]
            done("first", middle | {"all_seconds": [one["seconds"] for one in tries]})
        if "search" not in known["stages"]:
            more = {"clients": options.clients, "seconds": options.seconds, "shared": options.store == "folder"}
            done("search", stage("search", exact, **more))
        if "disk" not in known["stages"]:
            kept = place / "data" if options.store == "milvus" else place / "gallery"
            parts = {one.name: taken(one) for one in sorted(kept.iterdir())}
            total = sum(parts.values())
            done("disk", {"bytes": total, "a_person": total / crowd.people, "parts": parts})
        if "erase" not in known["stages"]:
            done("erase", stage("erase", exact))
    if options.delete:
        shutil.rmtree(place)


def too_large(store: str, crowd: Crowd, folder: Path) -> str | None:
    """Return why a run does not fit on this machine, by arithmetic; None where it does."""
    memory, disk = needs(store, crowd)
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    free = shutil.disk_usage(folder).free + (
        taken(folder / f"{store}-{crowd.people}x{crowd.dim}") if folder.exists() else 0
    )
    if memory > 0.85 * there:
        return f"takes about {memory / 1e9:.1f} GB of memory, and this machine has {there / 1e9:.1f} GB"
    if disk > 0.9 * free:
        return f"takes about {disk / 1e9:.1f} GB on the disk, and {free / 1e9:.1f} GB are free"
    return None


def needs(store: str, crowd: Crowd) -> tuple[float, float]:
    """Return about how many bytes of memory and disk a run takes at its worst."""
    people, half, full = crowd.people, 2 * crowd.dim, 4 * crowd.dim
    if store == "folder":
        codes = half if people * full > 1 << 30 else full
        lists = min(4 * people**0.5, people / 39) if people >= 200_000 else 0
        # The exact index, the inverted lists and the cache at once; and what the lists are trained with, twice.
        memory = people * ((2 * codes if lists else codes) + half + 100) + 2 * full * TRAINING_PER_LIST * lists
        return memory, people * (1.35 * half + 80 + 2 * (half + 30))  # SQLite, and the cache, old and new
    if store == "lance":
        return people * (crowd.dim + 60) + 2e9, people * (3 * half + 2 * crowd.dim + 300)
    # Milvus keeps embeddings in single precision, in memory, and for a while twice when it makes its index.
    return 2 * people * (full + 100) + 1e9, people * 3.5 * (full + 100) + 1e9


def _child(stage: str, address: str, crowd: Crowd, record: Path, more: Facts) -> Facts:
    command = [sys.executable, HERE / "scale_stages.py", stage, address, str(crowd.people), str(crowd.dim), record]
    child = subprocess.run([*command, json.dumps(more)], stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603
    if child.returncode:
        raise SystemExit(f"the stage {stage} ended with status {child.returncode}; the same command continues there")
    facts: Facts = json.loads(child.stdout.splitlines()[-1])
    return facts


@contextmanager
def _served(options: argparse.Namespace, place: Path) -> Iterator[tuple[str, int | None]]:
    """Yield the gallery's address, and the process id of the server if there is one."""
    if options.store == "folder":
        yield str(place / "gallery"), None
    elif options.store == "lance":
        yield f"lance://{(place / 'gallery').absolute()}", None
    else:
        sys.path.insert(0, str(HERE.parent))
        from tests.gallery.stores.milvus_server import MilvusServer

        place.mkdir(parents=True, exist_ok=True)
        server = MilvusServer(place.absolute(), *options.milvus_setting)
        server.start()
        try:
            yield f"milvus://{server.place}/load?partition={options.partition}&timeout=600", server._pid
        finally:
            server.stop()


def settle(process: int) -> float:
    """Wait until a server does no work of its own any more, 15 minutes at most; return the seconds."""
    begin = time.monotonic()
    while time.monotonic() - begin < 900:
        before = _busy(process)
        time.sleep(10)
        if _busy(process) - before < 5:
            break
    return time.monotonic() - begin


def _busy(process: int) -> float:
    """Return the seconds for which cores have worked for a process."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_memory(process: int) -> float:
    """Return the most memory that a running process has had, in MB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def taken(place: Path) -> int:
    """Return the bytes that a file or all files in a folder take on the disk."""
    files = [place] if place.is_file() else [one for one in place.rglob("*") if one.is_file()]
    total = 0
    for file in files:
        try:
            total += 512 * file.stat().st_blocks
        except FileNotFoundError:  # the server cleans up
            continue
    return total


def machine() -> str:
    """Describe the machine and the versions in a line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    threads = os.environ.get("OMP_NUM_THREADS", "as many as cores")
    what = f"{os.cpu_count()} cores, {memory:.0f} GB, Python {platform.python_version()}, {', '.join(found)}"
    return f"{what}, OMP_NUM_THREADS {threads}; load {os.getloadavg()[0]:.1f} when the stage ended"


if __name__ == "__main__":
    main()
