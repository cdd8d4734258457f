"""Where to cut a network's scores: precision, recall and whole frames that are right, at several thresholds.

    python benchmarks/operating_point.py SET... --weights stl-mrfp-small

SET is an annotated set (its test split). A frame is right when everybody in it is found and nothing else is. Ignored
boxes count neither way. ``--model input.min_size=640 --model input.max_size=960`` changes what inference reads of the
weights' configuration.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from personsearch import Detections, PersonSearcher
from personsearch.config import apply_overrides, parse
from personsearch.datasets import Scene, load_dataset
from personsearch.evaluation.detection import Judged, judge
from personsearch.measure.cache import default_folder
from personsearch.measure.observe import observe
from personsearch.models import ModelConfig, build
from personsearch.train.watch import nan_as_none

THRESHOLDS = (0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)


@dataclass
class Counts:
    """What was found at a threshold, over all frames.

    Attributes:
        found: annotated people with a detection.
        false: detections of nobody.
        missed: annotated people without a detection.
        right: frames with people in which nothing is false or missed.
        peopled: frames with people.
        false_in_empty: detections in frames without people.
        empty: frames without people.
    """

    found: int = 0
    false: int = 0
    missed: int = 0
    right: int = 0
    peopled: int = 0
    false_in_empty: int = 0
    empty: int = 0

    def add(self, judged: Judged) -> None:
        """Count the detections of one frame."""
        scene, false, missed = judged.scene, len(judged.false), len(judged.missed)
        self.found += int((~scene.ignore).sum()) - missed
        self.false += false
        self.missed += missed
        if len(scene.boxes):
            self.peopled += 1
            self.right += not judged.errors
        else:
            self.empty += 1
            self.false_in_empty += false

    def shares(self) -> dict[str, float]:
        """Return the figures; NaN where nothing counted."""
        precision, recall = _ratio(self.found, self.found + self.false), _ratio(self.found, self.found + self.missed)
        return {
            "precision": precision,
            "recall": recall,
            "F1": _ratio(2 * self.found, 2 * self.found + self.false + self.missed),
            "right": _ratio(self.right, self.peopled),
            "false_per_empty": _ratio(self.false_in_empty, self.empty),
        }


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def counts_at(frames: Iterable[tuple[Scene, Detections]], thresholds: Sequence[float]) -> dict[float, Counts]:
    """Count at each threshold what frames' detections find."""
    counts = {threshold: Counts() for threshold in thresholds}
    for scene, detections in frames:
        for threshold, one in counts.items():
            one.add(judge(scene, detections, threshold))
    return counts


def main() -> None:
    """Measure and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", type=Path, nargs="+", help="annotated sets: folders or annotation files")
    parser.add_argument("--weights", default=None, help="name or ./folder; default: the package's own")
    parser.add_argument("--device", default=None)
    parser.add_argument(
        "--model", action="append", default=[], metavar="KEY=VALUE", help="detector.nms=0.4, for example"
    )
    parser.add_argument("--json", action="store_true", dest="as_json")
    arguments = parser.parse_args()
    chosen = {} if arguments.weights is None else {"name": arguments.weights}
    searcher = PersonSearcher.from_pretrained(
        **chosen, device=arguments.device, dtype="float32", fast=not arguments.model
    )
    if arguments.model:
        changed = apply_overrides(searcher.config.model_dump(mode="json"), arguments.model)
        network = build(parse(ModelConfig, changed, "--model"))
        network.load_state_dict(searcher.network.state_dict())
        searcher = PersonSearcher(network, device=searcher.device, dtype="float32")
    for path in arguments.sets:
        dataset = load_dataset(path, "test")
        observed = observe(searcher, dataset, annotated=False, cache_dir=default_folder())
        frames = [(scene, observed.detections[scene.image_id]) for scene in dataset.scenes]
        rows = {threshold: one.shares() for threshold, one in counts_at(frames, THRESHOLDS).items()}
        size = f"{searcher.config.input.min_size}x{searcher.config.input.max_size}"
        if arguments.as_json:
            by_text = {f"{threshold:g}": nan_as_none(row) for threshold, row in rows.items()}
            print(json.dumps({"set": str(path), "weights": searcher.spec.fingerprint, "input": size, "rows": by_text}))
            continue
        empty = sum(not len(scene.boxes) for scene in dataset.scenes)
        table = Table("score", "precision", "recall", "F1", "frames right", f"false per empty frame ({empty})")
        table.title = " ".join([f"{path.name}: {len(dataset.scenes)} frames, input {size}", *arguments.model])
        for threshold, row in rows.items():
            cells = [f"{100 * row[key]:.1f}" for key in ("precision", "recall", "F1", "right")]
            table.add_row(f"{threshold:.2f}", *cells, f"{row['false_per_empty']:.2f}" if empty else "-")
        Console().print(table)


if __name__ == "__main__":
    main()
