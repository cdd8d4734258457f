"""What a faster way to compute costs in accuracy: the same weights, the same set, each path and dtype.

    python benchmarks/precision.py ../shared/data/synth-mini                 # minutes an entry
    python benchmarks/precision.py ../shared/data/synth-mini --scenes 40     # quick: some scenes, and their queries

Each entry sees every scene once. Its figures are those of ``personsearch evaluate``; beside them stands how far it is
from the first entry: of people that both detect (best matches, IoU at least 0.5) the largest difference of an edge in
pixels, and that of the score; and of the queries' boxes, which are the same for all, the cosine of the embeddings.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from speed_timing import hardware

from personsearch import PersonSearcher
from personsearch.boxes import mutual_best
from personsearch.datasets import Dataset, load_dataset
from personsearch.evaluation import PRESETS, evaluate_observations
from personsearch.evaluation.observations import Observations
from personsearch.measure.observe import observe

#: The reference, the fast path, and what is not the same computation.
ENTRIES = ("reference,float32", "fast,float32", "fast,bfloat16")
#: Of a cosine or a difference, the mean and the worst.
Spread = tuple[float, float]


def part_of(dataset: Dataset, scenes: int) -> Dataset:
    """Return a set of evenly spaced scenes of another, with the queries in them that have something to find there."""
    if not 0 < scenes < len(dataset.scenes):
        return dataset
    rows = np.linspace(0, len(dataset.scenes) - 1, scenes).round().astype(int)
    kept = tuple(dataset.scenes[row] for row in rows)
    names = {scene.image_id for scene in kept}
    seen = Counter(int(identity) for scene in kept for identity in set(scene.identities.tolist()))
    queries = (q for q in dataset.queries if q.image_id in names and seen[q.identity] > 1)
    return replace(dataset, scenes=kept, queries=tuple(queries))


def apart(first: Observations, other: Observations, dataset: Dataset, score: float) -> dict[str, Any]:
    """Return how far what was seen of a set is from what was seen the first time.

    Args:
        first: what is compared with.
        other: what is compared.
        dataset: that both saw.
        score: people from this score on count.

    Returns:
        ``cosine``, mean and lowest over the queries; ``edge_px`` and ``score``, mean and largest over the people that
        both detect; ``only_first`` and ``only_other``, people that one of the two detects.
    """
    cosine = (first.queries(dataset) * other.queries(dataset)).sum(axis=1)
    edges, scores, only_first, only_other = [], [], 0, 0
    for name in first.detections:
        one, two = (seen.detections[name] for seen in (first, other))
        one, two = one[one.scores >= score], two[two.scores >= score]
        mine, its = mutual_best(one.boxes, two.boxes, 0.5)
        edges.append(np.abs(one.boxes[mine] - two.boxes[its]).max(axis=1, initial=0))
        scores.append(np.abs(one.scores[mine] - two.scores[its]))
        only_first += len(one) - len(mine)
        only_other += len(two) - len(its)
    return {
        "cosine": (float(cosine.mean()), float(cosine.min())),
        "edge_px": _mean_and_most(np.concatenate(edges)),
        "score": _mean_and_most(np.concatenate(scores)),
        "only_first": only_first,
        "only_other": only_other,
    }


def _mean_and_most(values: np.ndarray[Any, np.dtype[np.float32]]) -> Spread:
    return (float(values.mean()), float(values.max())) if len(values) else (0.0, 0.0)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="annotated set with queries (its test split)")
    parser.add_argument("--weights", default="package://stl-mrfp-small")
    parser.add_argument("--entries", nargs="+", default=ENTRIES, metavar="PATH,DTYPE", help="the first is the measure")
    parser.add_argument("--scenes", type=int, default=0, help="of the set, evenly spaced; 0 = all")
    parser.add_argument("--device", default=None)
    parser.add_argument("--preset", default="standard", choices=PRESETS)
    parser.add_argument("--json", action="store_true", help="a JSON object a line")
    options = parser.parse_args()
    dataset = part_of(load_dataset(options.dataset, "test"), options.scenes)
    first: Observations | None = None
    for entry in options.entries:
        path, dtype = entry.split(",")
        searcher = PersonSearcher.from_pretrained(
            options.weights, device=options.device, dtype=dtype, fast=path != "reference", compile=path == "compiled"
        )
        if first is None:
            heading(searcher, dataset, options)
        observed = observe(searcher, dataset, annotated=False, progress=False)  # no cache: it does not tell paths apart
        first = first or observed
        figures = evaluate_observations(observed, dataset, options.preset).figures()
        distance = apart(first, observed, dataset, searcher.config.detector.score_threshold)
        show(entry, figures, distance, as_json=options.json)


def heading(searcher: PersonSearcher, dataset: Dataset, options: argparse.Namespace) -> None:
    """Print what is measured, on what, and the head of the table."""
    if options.json:
        return
    print(f"# python benchmarks/precision.py {' '.join(sys.argv[1:])}\n")
    print(", ".join(f"{key} {value}" for key, value in hardware(searcher.device).items()))
    print(f"\n{dataset.name}: {len(dataset.scenes)} scenes, {len(dataset.queries)} queries;", end=" ")
    print(f"protocol {PRESETS[options.preset].label}; weights {searcher.spec.name} ({searcher.spec.fingerprint[:12]}),")
    print(f"people compared from a score of {searcher.config.detector.score_threshold} on\n")
    columns = ["path, dtype", "mAP", "top-1", "AP", "recall", "cosine, mean (lowest)", "edges px, mean (largest)"]
    columns += ["score, mean (largest)", "only the first detects", "only this one"]
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")


def show(entry: str, figures: dict[str, float], distance: dict[str, Any], *, as_json: bool) -> None:
    """Print one entry."""
    if as_json:
        print(json.dumps({"entry": entry, **figures, **distance}), flush=True)
        return
    cells = [entry.replace(",", ", "), *(f"{figures[name]:.4f}" for name in ("mAP", "top1", "AP", "recall"))]
    for name, form in (("cosine", ".6f"), ("edge_px", ".3f"), ("score", ".4f")):
        usual, worst = distance[name]
        cells.append(f"{usual:{form}} ({worst:{form}})")
    cells += [str(distance["only_first"]), str(distance["only_other"])]
    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
