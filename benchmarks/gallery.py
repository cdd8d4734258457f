"""What a gallery costs: adding, opening, searching, erasing; FAISS beside numpy, in one run.

    python benchmarks/gallery.py --people 100000

Embeddings are made up: so many identities, each seen 20 times with a little noise. Rows are medians.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from personsearch import Detections, Gallery
from personsearch.gallery.index import NumpyIndex, faiss_module

PER_SCENE = 8
SEEN = 20

OPEN = """
import resource, sys, time
from personsearch import Gallery
import numpy as np
begin = time.perf_counter()
with Gallery.open(sys.argv[1], mode="r") as gallery:
    query = np.zeros(gallery.embedding_size, np.float32)
    query[0] = 1
    gallery.search(query)
    print(time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


@dataclass(frozen=True)
class Spec:
    """Stands for a searcher's."""

    embedding_size: int
    name: str = "benchmark"
    fingerprint: str = "0" * 64


def embeddings(count: int, dim: int) -> np.ndarray:
    """Return made-up people, (count, dim) float32 of unit length."""
    rng = np.random.default_rng(0)
    identities = rng.normal(size=(max(count // SEEN, 1), dim)).astype(np.float32)
    rows = identities[rng.integers(len(identities), size=count)]
    rows += 0.4 * rng.normal(size=rows.shape).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def median_ms(call: Callable[[], object], times: int = 15) -> float:
    """Return the median time of a call after one to warm up, in milliseconds."""
    call()
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begin)
    return 1000 * statistics.median(taken)


def opened_in_a_process_of_its_own(path: Path) -> tuple[float, float]:
    """Return the seconds to the first answer and the most memory used, MB."""
    done = subprocess.run([sys.executable, "-c", OPEN, str(path)], capture_output=True, text=True, check=True)  # noqa: S603
    seconds, megabytes = done.stdout.split()
    return float(seconds), float(megabytes)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--folder", type=Path, help="where to put the gallery; default a temporary one")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=options.folder))
    rows: list[tuple[str, str]] = []

    def tell(what: str, figure: str) -> None:
        rows.append((what, figure))
        print(f"| {what} | {figure} |", flush=True)

    faiss = faiss_module()
    print(
        f"{options.people} people, {options.dim}-d, {os.cpu_count()} cores, Python {platform.python_version()}, ",
        end="",
    )
    print(f"faiss {faiss.__version__ if faiss else 'absent'}\n\n| what | figure |\n| --- | --- |")
    try:
        measure(folder / "gallery", options.people, options.dim, tell)
    finally:
        shutil.rmtree(folder)


def measure(path: Path, count: int, dim: int, tell: Callable[[str, str], None]) -> None:
    """Fill a gallery and time what is done with it."""
    vectors = embeddings(count, dim)
    queries = vectors[:: max(count // 64, 1)][:64]
    boxes = np.tile(np.array([[10, 20, 60, 150]], np.float32), (PER_SCENE, 1))
    scores = np.full(PER_SCENE, 0.9, np.float32)
    gallery = Gallery.open(path, Spec(dim))
    begin = time.perf_counter()
    scenes = count // PER_SCENE
    for number in range(scenes):
        part = vectors[number * PER_SCENE : (number + 1) * PER_SCENE]
        people = Detections(boxes=boxes, scores=scores, embeddings=part, image_size=(540, 960))
        gallery.add(f"{number}.jpg", people, camera=f"c{number % 10}", time=float(number))
    tell("scenes of 8 people added a second, each synced to the disk", f"{scenes / (time.perf_counter() - begin):.0f}")
    begin = time.perf_counter()
    gallery.close()
    tell("closing, which writes the cached index", f"{time.perf_counter() - begin:.2f} s")
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    tell("on the disk, a person (database and cache)", f"{size / count / 1000:.2f} kB")
    with_cache = opened_in_a_process_of_its_own(path)
    shutil.move(path / "index", path.parent / "aside")
    without = opened_in_a_process_of_its_own(path)
    shutil.move(path.parent / "aside", path / "index")
    tell("first answer after opening, with the cache", f"{with_cache[0]:.2f} s, {with_cache[1]:.0f} MB")
    tell("first answer after opening, from the database", f"{without[0]:.2f} s, {without[1]:.0f} MB")
    exact: list[set[int]] = []
    with Gallery.open(path) as gallery:
        for name in ("numpy", "exact", "ivf"):
            if name == "numpy":
                with gallery._store.snapshot():
                    flat = gallery._view.refresh()
                    plain = NumpyIndex(dim)
                    for ids, part in flat.stored():
                        plain.add(ids, part)
                    gallery._view.index = plain
            elif faiss_module() is None:
                continue
            else:
                begin = time.perf_counter()
                name = gallery.rebuild(name)  # type: ignore[arg-type]
                tell(f"{name}: made in", f"{time.perf_counter() - begin:.1f} s")
            found = [{match.detection_id for match in one} for one in gallery.search_batch(queries, 10)]
            exact = exact or found
            same = statistics.mean(len(a & b) / 10 for a, b in zip(exact, found, strict=True))
            one, many = median_ms(lambda: gallery.search(queries[0])), median_ms(lambda: gallery.search_batch(queries))
            some = median_ms(lambda: gallery.search(queries[0], cameras=["c3"]))
            tell(
                f"{name}: one query / 64 at once / one camera of ten / top 10 as exact",
                f"{one:.1f} / {many:.0f} / {some:.1f} ms / {100 * same:.1f} %",
            )
        begin = time.perf_counter()
        gallery.remove([f"{number}.jpg" for number in range(0, scenes, 10)])
        tell("a tenth of the scenes erased in", f"{time.perf_counter() - begin:.2f} s")


if __name__ == "__main__":
    main()
