"""What a gallery costs: adding, opening, searching, erasing; FAISS and numpy in one run.

    python benchmarks/gallery.py --people 100000

The embeddings are made up: each identity is seen 20 times on average, with a little noise. Times are medians.
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
from pathlib import Path

import numpy as np

from personsearch import Detections, Gallery
from personsearch.gallery.index import NumpyIndex, faiss_module
from personsearch.results import Spec

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


def embeddings(count: int, dim: int) -> np.ndarray:
    """Return made-up people, (count, dim) float32 of unit length."""
    rng = np.random.default_rng(0)
    identities = rng.normal(size=(max(count // SEEN, 1), dim)).astype(np.float32)
    rows = identities[rng.integers(len(identities), size=count)]
    rows += 0.4 * rng.normal(size=rows.shape).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def median_ms(call: Callable[[], object], times: int = 15) -> float:
    """Return the median time of a call in milliseconds, after one call to warm up."""
    call()
    seconds = []
    for _ in range(times):
        begin = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begin)
    return 1000 * statistics.median(seconds)


def opened_in_another_process(path: Path) -> tuple[float, float]:
    """Return the seconds to the first answer and the peak memory in MB."""
    done = subprocess.run([sys.executable, "-c", OPEN, str(path)], capture_output=True, text=True, check=True)  # noqa: S603
    seconds, megabytes = done.stdout.split()
    return float(seconds), float(megabytes)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--folder", type=Path, help="where to put the gallery; default: the system's temporary folder")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=options.folder))

    def report(what: str, figure: str) -> None:
        print(f"| {what} | {figure} |", flush=True)

    faiss = faiss_module()
    machine = (
        f"{os.cpu_count()} cores, Python {platform.python_version()}, faiss {faiss.__version__ if faiss else 'absent'}"
    )
    print(f"{options.people} people, {options.dim}-d, {machine}\n\n| what | figure |\n| --- | --- |")
    try:
        measure(folder / "gallery", options.people, options.dim, report)
    finally:
        shutil.rmtree(folder)


def measure(path: Path, count: int, dim: int, report: Callable[[str, str], None]) -> None:
    """Fill a gallery and time what can be done with it."""
    vectors = embeddings(count, dim)
    queries = vectors[:: max(count // 64, 1)][:64]
    boxes = np.tile(np.array([[10, 20, 60, 150]], np.float32), (PER_SCENE, 1))
    scores = np.full(PER_SCENE, 0.9, np.float32)
    gallery = Gallery.open(path, Spec(name="benchmark", fingerprint="0" * 64, embedding_size=dim))
    begin = time.perf_counter()
    scenes = count // PER_SCENE
    for number in range(scenes):
        part = vectors[number * PER_SCENE : (number + 1) * PER_SCENE]
        people = Detections(boxes=boxes, scores=scores, embeddings=part, image_size=(540, 960))
        gallery.add(f"{number}.jpg", people, camera=f"c{number % 10}", time=float(number))
    scenes_per_second = scenes / (time.perf_counter() - begin)
    report("scenes of 8 people added a second, each synced to the disk", f"{scenes_per_second:.0f}")
    begin = time.perf_counter()
    gallery.close()
    report("closing, which writes the cached index", f"{time.perf_counter() - begin:.2f} s")
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    report("on the disk, a person (database and cache)", f"{size / count / 1000:.2f} kB")
    with_cache = opened_in_another_process(path)
    shutil.move(path / "index", path.parent / "aside")
    without = opened_in_another_process(path)
    shutil.move(path.parent / "aside", path / "index")
    report("first answer after opening, with the cache", f"{with_cache[0]:.2f} s, {with_cache[1]:.0f} MB")
    report("first answer after opening, from the database", f"{without[0]:.2f} s, {without[1]:.0f} MB")
    exact: list[set[int]] = []
    with Gallery.open(path) as gallery:
        for name in ("numpy", "exact", "ivf"):
            if name == "numpy":
                with gallery._store.database.snapshot():
                    flat = gallery._store.view.refresh()
                    plain = NumpyIndex(dim)
                    for ids, part in flat.stored():
                        plain.add(ids, part)
                    gallery._store.view.index = plain
            elif faiss_module() is None:
                continue
            else:
                begin = time.perf_counter()
                name = gallery.rebuild(name)  # type: ignore[arg-type]
                report(f"{name}: built in", f"{time.perf_counter() - begin:.1f} s")
            top = [{match.detection_id for match in matches} for matches in gallery.search_batch(queries, 10)]
            exact = exact or top
            same = statistics.mean(len(a & b) / 10 for a, b in zip(exact, top, strict=True))
            one, many = median_ms(lambda: gallery.search(queries[0])), median_ms(lambda: gallery.search_batch(queries))
            some = median_ms(lambda: gallery.search(queries[0], cameras=["c3"]))
            report(
                f"{name}: one query / 64 at once / one camera of ten / top 10 as exact",
                f"{one:.1f} / {many:.0f} / {some:.1f} ms / {100 * same:.1f} %",
            )
        begin = time.perf_counter()
        gallery.remove([f"{number}.jpg" for number in range(0, scenes, 10)])
        report("a tenth of the scenes erased in", f"{time.perf_counter() - begin:.2f} s")


if __name__ == "__main__":
    main()
