"""The stages of the load test in ``scale.py``. Each runs in a process of its own, so that its memory is its own."""

from __future__ import annotations

import json
import resource
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from scale_rows import QUERIES, SPAN, WANTED, Crowd, number_of

from personsearch import Gallery
from personsearch.durable import write_durably
from personsearch.results import Spec

Facts = dict[str, Any]
#: Seconds between notes of how far filling is.
NOTED = 20.0


def fill(address: str, crowd: Crowd, record: Path, options: Facts) -> Facts:
    """Add the scenes that are not there yet; what was measured before a kill is kept in ``record``."""
    known = json.loads(record.read_text()) if record.exists() else {"people": 0, "seconds": 0.0}
    spec = Spec(name="load test", fingerprint="0" * 64, embedding_size=crowd.dim)
    size = options["scenes_per_write"]
    gallery = Gallery.open(address, spec)
    size = size or max(gallery.scenes_at_once, 256)
    there = min(gallery.num_images, crowd.scenes) // size * size  # they were added in their order
    noted = time.monotonic()
    for batch in crowd.batches(size, there):
        begin = time.perf_counter()
        gallery.add_batch(batch)
        known["seconds"] += time.perf_counter() - begin
        known["people"] += sum(len(scene.detections) for scene in batch)
        there += len(batch)
        if time.monotonic() - noted > NOTED:
            noted = time.monotonic()
            write_durably(record, json.dumps(known).encode())
            rate = known["people"] / known["seconds"]
            _say(f"{there * 8:,} of {crowd.people:,} people, {rate:,.0f} a second")
    write_durably(record, json.dumps(known).encode())
    begin = time.perf_counter()
    gallery.close(cache=False)
    closing = time.perf_counter() - begin
    return {
        "people_a_second": known["people"] / known["seconds"],
        "seconds": known["seconds"],
        "closing": closing,
        "scenes_per_write": size,
    }


def index(address: str, crowd: Crowd, record: Path, options: Facts) -> Facts:
    """Make the index."""
    begin = time.perf_counter()
    with Gallery.open(address) as gallery:
        if len(gallery) < crowd.people:
            raise SystemExit(f"{address}: holds {len(gallery)} of {crowd.people} people")
        description = gallery.rebuild(options["index"])
    return {"seconds": time.perf_counter() - begin, "index": description}


def first(address: str, crowd: Crowd, record: Path, options: Facts) -> Facts:
    """Open the gallery and search once."""
    query = crowd.queries()[0]
    begin = time.perf_counter()
    with Gallery.open(address, mode="r") as gallery:
        opened = time.perf_counter() - begin
        gallery.search(query, WANTED)
        return {"seconds": time.perf_counter() - begin, "opened": opened}


def search(address: str, crowd: Crowd, record: Path, options: Facts) -> Facts:
    """Search with one client and with several at once, and compare what is found with what numpy finds."""
    queries, exact = crowd.queries(), np.load(record)["ids"]
    found: Facts = {"clients": {}}
    with _clients(address, 1, shared=options["shared"]) as [gallery]:
        answers = [[number_of(match) for match in gallery.search(query, WANTED)] for query in queries]
        hits = [len({*mine} & {*right.tolist()}) / WANTED for mine, right in zip(answers, exact, strict=True)]
        found["recall"] = float(np.mean(hits))
        found["index"] = gallery.info().index
        one = [gallery]
        found["one_camera"] = _timed(one, queries, options, lambda g, q: g.search(q, WANTED, cameras=["camera 3"]))
        last = SPAN * 0.99
        found["last_hundredth"] = _timed(one, queries, options, lambda g, q: g.search(q, WANTED, since=last))
    for count in options["clients"]:
        with _clients(address, count, shared=options["shared"]) as galleries:
            for gallery in {id(one): one for one in galleries}.values():
                gallery.search(queries[0], WANTED)  # opened and warm
            found["clients"][str(count)] = _timed(galleries, queries, options, lambda g, q: g.search(q, WANTED))
        _say(f"{count} clients: {found['clients'][str(count)]}")
    return found


def erase(address: str, crowd: Crowd, record: Path, options: Facts) -> Facts:
    """Erase the scenes of the first hundredth of the time."""
    with Gallery.open(address) as gallery:
        before = len(gallery)
        begin = time.perf_counter()
        scenes = gallery.remove(before=SPAN / 100)
        took = time.perf_counter() - begin
        return {"seconds": took, "scenes": scenes, "people": before - len(gallery)}


@contextmanager
def _clients(address: str, count: int, *, shared: bool) -> Iterator[list[Gallery]]:
    with ExitStack() as stack:
        opened = [stack.enter_context(Gallery.open(address, mode="r")) for _ in range(1 if shared else count)]
        yield [opened[number % len(opened)] for number in range(count)]


def _timed(
    galleries: list[Gallery], queries: np.ndarray, options: Facts, ask: Callable[[Gallery, np.ndarray], object]
) -> Facts:
    """Let each client ask its next question when the last one is answered; return the times in milliseconds."""
    times: list[float] = []
    together = threading.Barrier(len(galleries) + 1)
    failed: list[BaseException] = []
    end = 0.0

    def client(number: int) -> None:
        mine = []
        try:
            together.wait()
            turn = number * len(queries) // len(galleries)
            while not mine or time.perf_counter() < end:
                begin = time.perf_counter()
                ask(galleries[number], queries[turn % QUERIES])
                mine.append(time.perf_counter() - begin)
                turn += 1
        except BaseException as error:
            failed.append(error)
        times.extend(mine)

    threads = [threading.Thread(target=client, args=[number]) for number in range(len(galleries))]
    for thread in threads:
        thread.start()
    begin = time.perf_counter()
    end = begin + options["seconds"]
    together.wait()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - begin
    if failed:
        raise failed[0]
    return {
        "answers": len(times),
        "a_second": len(times) / took,
        "median_ms": 1000 * statistics.median(times),
        "p95_ms": 1000 * float(np.quantile(times, 0.95)),
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


STAGES = {"fill": fill, "index": index, "first": first, "search": search, "erase": erase}


def main() -> None:
    """Run one stage, and print what it measured as JSON."""
    stage, address, people, dim, record, options = sys.argv[1:]
    facts = STAGES[stage](address, Crowd(int(people), int(dim)), Path(record), json.loads(options))
    facts["megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
