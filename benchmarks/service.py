"""How many requests `personsearch serve` answers: one client alone, and eight at once; a page of pictures of one video.

    python benchmarks/service.py [--seconds 10] [--clients 1 8] [--video VIDEO]

The service is a process of its own that serves the bundled scenes; each client sends its next request when the last one
is answered. With --video, the video is indexed first, and the pictures of 30 matches are asked for by six clients, as a
browser does: for the first time, and again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

BOUNDARY = "a-boundary"


def asked(line: HTTPConnection, method: str, path: str, body: bytes | None = None, kind: str = "") -> bytes:
    """Send a request; return the answer's body."""
    line.request(method, path, body, {"Content-Type": kind} if kind else {})
    answer = line.getresponse()
    data = answer.read()
    if answer.status >= 300:
        raise SystemExit(f"{method} {path}: {answer.status} {data[:300]!r}")
    return data


@contextmanager
def service(*arguments: str) -> Iterator[int]:
    """Start the service; return the port."""
    command = [sys.executable, "-m", "personsearch", "serve", *arguments, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:  # noqa: S603
        found = re.search(r":(\d+)/", child.stdout.readline() if child.stdout else "")
        if found is None:
            raise SystemExit("the service did not start")
        try:
            yield int(found[1])
        finally:
            child.terminate()


def measure(port: int, clients: int, seconds: float, ask: Callable[[HTTPConnection], object]) -> tuple[float, float]:
    """Return answers per second, and the median time of one in milliseconds."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    together = threading.Barrier(clients)

    def run() -> None:
        line = HTTPConnection("127.0.0.1", port, timeout=120)
        together.wait()
        while (begin := time.perf_counter()) < end:
            ask(line)
            times.append(time.perf_counter() - begin)

    begin = time.perf_counter()
    threads = [threading.Thread(target=run) for _ in range(clients)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return len(times) / (time.perf_counter() - begin), 1000 * statistics.median(times)


def page_of_video(video: str, every: int) -> None:
    """Measure the pictures of 30 matches in one video."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "personsearch", "index", video, f"{folder}/g", "--every", str(every)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
        with service(f"{folder}/g") as port:
            line = HTTPConnection("127.0.0.1", port)
            query = json.dumps({"detection": 1, "k": 30}).encode()
            matches = json.loads(asked(line, "POST", "/api/search", query, "application/json"))["matches"]
            for turn in ("for the first time", "again"):
                begin = time.perf_counter()
                with ThreadPoolExecutor(6) as pool:
                    list(pool.map(lambda one: asked(HTTPConnection("127.0.0.1", port), "GET", one["crop"]), matches))
                print(f"{len(matches)} pictures of {Path(video).name}, {turn}: {time.perf_counter() - begin:.2f} s")


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--video")
    parser.add_argument("--every", type=int, default=25, help="one of this many frames of the video is indexed")
    options = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    with service("--demo") as port:
        line = HTTPConnection("127.0.0.1", port)
        picture = asked(line, "GET", "/api/example.jpg")
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="picture"; filename="a.jpg"\r\n\r\n'.encode()
        form, kind = head + picture + f"\r\n--{BOUNDARY}--\r\n".encode(), f"multipart/form-data; boundary={BOUNDARY}"
        found = json.loads(asked(line, "POST", "/api/detect", form, kind))["people"]
        query = json.dumps({"embeddings": [found[0]["embedding"]], "k": 20}).encode()
        requests: dict[str, Callable[[HTTPConnection], object]] = {
            "POST /api/detect (960x640)": lambda line: asked(line, "POST", "/api/detect", form, kind),
            "POST /api/search (20 matches)": lambda line: asked(line, "POST", "/api/search", query, "application/json"),
            "GET crop.jpg (remembered)": lambda line: asked(line, "GET", "/api/detections/1/crop.jpg"),
            "GET scene.jpg": lambda line: asked(line, "GET", "/api/detections/1/scene.jpg"),
        }
        print("| request | clients | answers per second | median, ms |\n| --- | --- | --- | --- |")
        for name, ask in requests.items():
            for clients in options.clients:
                rate, median = measure(port, clients, options.seconds, ask)
                print(f"| {name} | {clients} | {rate:.1f} | {median:.0f} |", flush=True)
    if options.video:
        print()
        page_of_video(options.video, options.every)


if __name__ == "__main__":
    main()
