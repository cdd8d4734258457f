"""What each re-ranking method gains and costs on an annotated set.

    python benchmarks/rerank.py ../shared/data/synth-mini

The network looks at the set once, and the cache keeps what it saw; then every method ranks the same detections. The
time is that of the whole search; the memory is the most that Python and numpy allocated for it, without the detections.
"""

from __future__ import annotations

import argparse
import platform
import time
import tracemalloc
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from personsearch import PersonSearcher
from personsearch.datasets import Dataset, load_dataset
from personsearch.evaluation import PRESETS, Rules, SearchResult, evaluate_search
from personsearch.evaluation.observations import Observations
from personsearch.evaluation.rerank import RERANKERS, Searched, reranker_of
from personsearch.measure.cache import default_folder
from personsearch.measure.observe import observe


@dataclass(frozen=True)
class Row:
    """One method's figures: fractions, seconds, bytes; ``better`` and ``worse`` count queries."""

    method: str
    mean_average_precision: float
    top1: float
    better: int
    worse: int
    seconds: float
    memory: int


def search(name: str, observed: Observations, dataset: Dataset, rules: Rules) -> SearchResult:
    """Rank the set with one method; "none" = without re-ranking."""
    ranker = None
    if name != "none":
        ranker = reranker_of(name).ranker(Searched.of(observed.detections, dataset, observed.queries(dataset), rules))
    return evaluate_search(observed.detections, dataset, observed.queries(dataset), rules, ranker=ranker)


def measure(observed: Observations, dataset: Dataset, rules: Rules) -> list[Row]:
    """Rank the set without re-ranking and with every method."""
    rows: list[Row] = []
    plain = None
    for name in ("none", *RERANKERS):
        started = time.perf_counter()
        result = search(name, observed, dataset, rules)
        seconds = time.perf_counter() - started
        tracemalloc.start()  # in a second run, because tracing slows it down
        search(name, observed, dataset, rules)
        memory = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        plain = result if plain is None else plain
        change = result.average_precisions - plain.average_precisions
        rows.append(
            Row(
                method=name,
                mean_average_precision=result.mean_average_precision,
                top1=result.top[1],
                better=int((change > 1e-9).sum()),
                worse=int((change < -1e-9).sum()),
                seconds=seconds,
                memory=memory,
            )
        )
    return rows


def table(rows: list[Row]) -> str:
    """Return a Markdown table."""
    lines = [
        "| method | mAP | top-1 | queries better / worse | seconds | memory, MB |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row.method} | {100 * row.mean_average_precision:.1f} | {100 * row.top1:.1f} | {row.better} / {row.worse} "
        f"| {row.seconds:.1f} | {row.memory / 1e6:.0f} |"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> None:
    """Observe, rank, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--weights", default="stl-mrfp-small")
    parser.add_argument("--preset", default="standard", choices=PRESETS)
    parser.add_argument("--cache", type=Path, default=default_folder())
    arguments = parser.parse_args()
    dataset, rules = load_dataset(arguments.dataset), PRESETS[arguments.preset]
    searcher = PersonSearcher.from_pretrained(arguments.weights, device="cpu")
    observed = observe(searcher, dataset, cache_dir=arguments.cache)
    rows = measure(observed, dataset, rules)
    print(f"{datetime.now(UTC).date()}, {platform.machine()}, Python {platform.python_version()}, no GPU\n")
    print(
        f"{dataset.name}: {len(dataset.scenes)} scenes, {len(dataset.queries)} queries; protocol {rules.label};",
        end=" ",
    )
    print(f"weights {arguments.weights}\n")
    print(table(rows))


if __name__ == "__main__":
    main()
