"""Timing side by side: several calls in turn, in one run, on one machine; and how fast that machine is at all.

Shared machines change their speed from minute to minute. So calls that are compared take turns (A B C A B C ...), each
turn gives one ratio, and the median of those ratios is the figure; its spread stands beside it. Used by ``speed.py``
and ``peers.py``.
"""

from __future__ import annotations

import multiprocessing
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import numpy as np
import torch
import torchvision
from speed_counts import Rates

P = ParamSpec("P")
T = TypeVar("T")
K = TypeVar("K")

#: Rounds that are measured in any case, however slow they are.
FEWEST_ROUNDS = 3


@dataclass(frozen=True)
class Sample:
    """One call.

    Attributes:
        wall: seconds that passed; on a GPU, between two events in its stream.
        cpu: seconds of processor time of this process, all threads together: what others run does not count.
    """

    wall: float
    cpu: float


def timed(call: Callable[[], object], device: torch.device) -> Sample:
    """Time one call, the device's work included: the host waits once, at the end."""
    if device.type == "cuda":
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        stream, cpu = torch.cuda.current_stream(device), time.process_time()
        begin.record(stream)
        call()
        end.record(stream)
        torch.cuda.synchronize(device)
        return Sample(begin.elapsed_time(end) / 1000, time.process_time() - cpu)
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    if device.type == "mps":
        torch.mps.synchronize()
    return Sample(time.perf_counter() - wall, time.process_time() - cpu)


@dataclass(frozen=True)
class Rounds:
    """How often calls take turns.

    Attributes:
        warmup: rounds that are not counted; the first compiles what is to be compiled.
        repeats: rounds that are.
        seconds: no round begins after this time, except the first :data:`FEWEST_ROUNDS`.
    """

    warmup: int
    repeats: int
    seconds: float

    def take(self, turn: Callable[[], T]) -> list[T]:
        """Take turns, and return the results of those that count."""
        for _ in range(self.warmup):
            turn()
        begin, taken = time.perf_counter(), []
        while len(taken) < self.repeats and (len(taken) < FEWEST_ROUNDS or time.perf_counter() - begin < self.seconds):
            taken.append(turn())
        return taken


def interleaved(calls: Mapping[K, Callable[[], object]], device: torch.device, rounds: Rounds) -> dict[K, list[Sample]]:
    """Time calls in turn; return by name a sample of each round, in the same order for all."""
    taken = rounds.take(lambda: {name: timed(call, device) for name, call in calls.items()})
    return {name: [one[name] for one in taken] for name in calls}


@dataclass(frozen=True)
class Ratio:
    """How many times faster than another; > 1 is faster.

    Attributes:
        median: of the ratios of all rounds.
        low: their first quartile.
        high: their third quartile.
    """

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}-{self.high:.2f})"


def ratio(slow: Sequence[float], fast: Sequence[float]) -> Ratio:
    """Compare two series round by round.

    Args:
        slow: seconds of each round of what is compared with.
        fast: seconds of the same rounds of what is compared.
    """
    quotients = [before / after for before, after in zip(slow, fast, strict=True)]
    low, median, high = np.percentile(quotients, [25, 50, 75])
    return Ratio(float(median), float(low), float(high))


def measured_rates(device: torch.device, dtype: torch.dtype) -> Rates:
    """Measure how fast the device multiplies large matrices and copies large arrays, at the present thread count.

    A copy of a byte reads it and writes it: two bytes moved. The best of many short repetitions is taken, since this is
    to be a bound, and others on the machine interrupt long ones.
    """
    gpu = device.type == "cuda"
    side, values, repeats = (8192, 2**28, 10) if gpu else (768, 2**24, 40)
    with torch.inference_mode():
        one, other = (torch.rand(side, side, device=device).to(dtype) for _ in range(2))
        product = torch.empty(side, side, device=device, dtype=dtype)
        source = torch.zeros(values, device=device, dtype=torch.float32)
        target = torch.empty_like(source)
        multiply = min(timed(lambda: torch.mm(one, other, out=product), device).wall for _ in range(repeats))
        copy = min(timed(lambda: target.copy_(source), device).wall for _ in range(repeats))
    return Rates(2 * side**3 / multiply, 2 * source.element_size() * values / copy)


def hardware(device: torch.device) -> dict[str, str]:
    """Say what is measured on, and when."""
    names = [platform.processor() or platform.machine()]
    if sys.platform == "linux":
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")] or names
    told = {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": f"{names[0]}, {multiprocessing.cpu_count()} cores",
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "torchvision": str(torchvision.__version__),
    }
    if device.type == "cuda":
        told |= {"gpu": torch.cuda.get_device_name(device), "cuda": str(torch.version.cuda)}
    return told


def peak_memory(device: torch.device) -> int:
    """Return the most bytes that this process held at once: of the GPU's memory, or its resident set."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if sys.platform == "linux":  # ru_maxrss would include what the parent held before it became this program
        with open("/proc/self/status", encoding="utf-8") as file:
            return next(1024 * int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def in_child(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function in a new process of its own, with its own threads and memory, and return its result.

    Thread counts are set before anything is computed or compiled there; memory is what this call alone needs.

    Raises:
        concurrent.futures.process.BrokenProcessPool: it was killed, for memory perhaps.
        Exception: whatever the call raised.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(call, *args, **kwargs).result()


def milliseconds(samples: Sequence[Sample]) -> dict[str, Any]:
    """Return median and 95th percentile of wall time, and the median of processor time, all in ms."""
    wall = [1000 * sample.wall for sample in samples]
    return {
        "median_ms": round(statistics.median(wall), 2),
        "p95_ms": round(float(np.percentile(wall, 95)), 2),
        "cpu_ms": round(statistics.median(1000 * sample.cpu for sample in samples), 2),
        "rounds": len(samples),
    }
