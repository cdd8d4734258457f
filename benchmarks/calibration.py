"""Whether the calibration of weights holds on a set that it was not fitted to, and how open-set search does there.

python benchmarks/calibration.py ../shared/data/synth-mini
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from personsearch import PersonSearcher
from personsearch.calibration import Calibration
from personsearch.datasets import Dataset, load_dataset
from personsearch.evaluation.fit_calibration import check_calibration
from personsearch.evaluation.observations import Observations
from personsearch.evaluation.open_set import open_set
from personsearch.measure.cache import default_folder
from personsearch.measure.observe import observe


def tables(calibration: Calibration, observed: Observations, dataset: Dataset) -> str:
    """Return thresholds, probabilities and open-set rates as Markdown."""
    held, classes = check_calibration(calibration, observed, dataset)
    lines = [
        "| false-match rate, promised | similarity (95 % interval) | false matches here, % | true matches here, % |",
        "| --- | --- | --- | --- |",
    ]
    for one in held:
        cut = one.threshold
        lines.append(
            f"| {cut.rate:g} | {cut.similarity:.3f} ({cut.low:.3f} to {cut.high:.3f}) "
            f"| {100 * one.false_match_rate:.4f} | {100 * one.true_match_rate:.1f} |"
        )
    lines += ["", "| probability, promised | pairs | mean promised | same person here |", "| --- | --- | --- | --- |"]
    lines += [f"| {c.low:.1f} to {c.high:.1f} | {c.pairs} | {c.promised:.3f} | {c.observed:.3f} |" for c in classes]
    trials = open_set(observed.detections, dataset, observed.queries(dataset), rates=(0.3, 0.1, 0.05))
    lines += ["", "| false alarms per search of a stranger | similarity | identified |", "| --- | --- | --- |"]
    for point in trials.points:
        if point.similarity is None or point.identification_rate is None:
            lines.append(f"| {point.false_alarm_rate:g} | too few trials ({len(trials.impostor)}) | |")
        else:
            share = f"{100 * point.identification_rate:.1f} %"
            lines.append(f"| {point.false_alarm_rate:g} | {point.similarity:.3f} | {share} |")
    return "\n".join(lines)


def main() -> None:
    """Observe, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--weights", default="stl-mrfp-small")
    parser.add_argument("--cache", type=Path, default=default_folder())
    arguments = parser.parse_args()
    searcher = PersonSearcher.from_pretrained(arguments.weights, device="cpu")
    if searcher.calibration is None:
        raise SystemExit(
            f"{arguments.weights}: has no calibration; run 'personsearch evaluate WEIGHTS DATASET --calibrate' first"
        )
    dataset = load_dataset(arguments.dataset)
    observed = observe(searcher, dataset, cache_dir=arguments.cache)
    print(f"{datetime.now(UTC).date()}; weights {arguments.weights}, calibrated on {searcher.calibration.dataset}\n")
    print(f"{dataset.name}: {len(dataset.scenes)} scenes, {len(dataset.queries)} queries\n")
    print(tables(searcher.calibration, observed, dataset))


if __name__ == "__main__":
    main()
