"""Boxes of other detectors in front of our embedding: what boxes of another style cost a search.

    python benchmarks/other_boxes.py ../shared/data/synth-mini

Every query of an annotated set is searched for among our own detections; then among the annotated boxes, as a perfect
detector gives them; then among annotated boxes made looser, tighter, or moved at random. Queries keep their annotated
boxes. Then what a picture takes with our detector and with boxes that are given.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from personsearch import Detections, PersonSearcher
from personsearch.datasets import Dataset, load_dataset
from personsearch.evaluation import PRESETS, evaluate_search
from personsearch.progress import Progress
from personsearch.results import Floats

#: Style -> by how much of its width and height a box grows on each side, and how far a side moves at random.
STYLES: Mapping[str, tuple[float, float]] = {
    "annotated boxes": (0.0, 0.0),
    "5 % looser on each side": (0.05, 0.0),
    "10 % looser on each side": (0.10, 0.0),
    "20 % looser on each side": (0.20, 0.0),
    "5 % tighter on each side": (-0.05, 0.0),
    "10 % tighter on each side": (-0.10, 0.0),
    "sides moved at random by 5 %": (0.0, 0.05),
    "sides moved at random by 10 %": (0.0, 0.10),
}


def styled(boxes: Floats, size: tuple[int, int], grow: float, move: float, rng: np.random.Generator) -> Floats:
    """Return boxes (N, 4) xyxy pixels in another style, inside the picture.

    Args:
        boxes: with an area inside the picture.
        size: (height, width).
        grow: share of width and height that is added on each side.
        move: standard deviation of each side's place, in widths and heights.
        rng: of the moves.
    """
    sides = np.concatenate([boxes[:, 2:] - boxes[:, :2]] * 2, axis=1)
    other = boxes + sides * (np.array([-grow, -grow, grow, grow]) + move * rng.standard_normal(boxes.shape))
    height, width = size
    clipped = other.clip(0, [width, height, width, height])
    usable = (clipped[:, 2:] - clipped[:, :2] >= 1).all(axis=1, keepdims=True)
    return np.where(usable, clipped, boxes).astype(np.float32)


def seen(searcher: PersonSearcher, dataset: Dataset) -> Iterator[tuple[str, dict[str, Detections]]]:
    """Yield the image_id of each scene with its people by style, our own detections among them, from one pass."""
    rng = np.random.default_rng(0)
    sizes = {scene.image_id: (scene.height, scene.width) for scene in dataset.scenes}
    boxes = {
        scene.image_id: [styled(scene.boxes, sizes[scene.image_id], *style, rng) for style in STYLES.values()]
        for scene in dataset.scenes
    }
    given = ((scene.path, np.concatenate(boxes[scene.image_id])) for scene in dataset.scenes)
    for scene, (own, embedded) in zip(dataset.scenes, searcher.observe(given, batch_size=4), strict=True):
        people = {"our detector": own}
        parts = np.split(embedded, len(STYLES))
        for name, corners, rows in zip(STYLES, boxes[scene.image_id], parts, strict=True):
            people[name] = Detections(
                boxes=corners,
                scores=np.ones(len(rows), dtype=np.float32),
                embeddings=rows,
                image_size=sizes[scene.image_id],
                image_id=scene.image_id,
            )
        yield scene.image_id, people


def seconds(searcher: PersonSearcher, dataset: Dataset, count: int, rounds: int) -> tuple[float, float]:
    """Return the least seconds a picture takes with our detector, and with its boxes given, taking turns."""
    paths = [scene.path for scene in dataset.scenes[:count]]
    own = searcher.detect(paths, progress=False)
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for kind, boxes in enumerate((None, own)):
            start = time.perf_counter()
            searcher.detect(paths, boxes=boxes, progress=False)
            taken[kind].append((time.perf_counter() - start) / len(paths))
    return min(taken[0]), min(taken[1])


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="annotated set with queries (its test split)")
    parser.add_argument("--weights", default="package://stl-mrfp-small")
    parser.add_argument("--device", default=None)
    parser.add_argument("--preset", default="standard", choices=PRESETS)
    parser.add_argument("--rounds", type=int, default=5, help="of the timing, on 16 pictures; 0 = none")
    arguments = parser.parse_args()
    dataset, rules = load_dataset(arguments.dataset, "test"), PRESETS[arguments.preset]
    searcher = PersonSearcher.from_pretrained(arguments.weights, device=arguments.device, dtype="float32")
    by_style: dict[str, dict[str, Detections]] = {name: {} for name in ("our detector", *STYLES)}
    with Progress(total=len(dataset.scenes), label="scenes", shown=None) as bar:
        for image_id, people in seen(searcher, dataset):
            bar.advance()
            for name, one in people.items():
                by_style[name][image_id] = one
    paths = {scene.image_id: scene.path for scene in dataset.scenes}
    embedded = [searcher.embed_boxes(paths[query.image_id], query.box[None])[0] for query in dataset.queries]
    queries = np.stack(embedded)

    print(f"{datetime.now(UTC).date()}, {searcher.device.type}, {platform.machine()}, {platform.python_version()}\n")
    print(f"{dataset.name}: {len(dataset.scenes)} scenes, {len(queries)} queries; protocol {rules.label};", end=" ")
    print(f"weights {searcher.spec.name} ({searcher.spec.fingerprint[:12]})\n")
    print("| boxes | people | mAP | top-1 | similarity to the annotated box |")
    print("| --- | --- | --- | --- | --- |")
    exact = by_style["annotated boxes"]
    for name, detections in by_style.items():
        result = evaluate_search(detections, dataset, queries, rules)
        count = sum(map(len, detections.values()))
        alike = "-"
        if name != "our detector":
            cosines = [(detections[one].embeddings * exact[one].embeddings).sum(axis=1) for one in detections]
            alike = f"{np.concatenate(cosines).mean():.2f}"
        print(f"| {name} | {count} | {result.mean_average_precision:.3f} | {result.top[1]:.3f} | {alike} |")
    if arguments.rounds:
        own, given = seconds(searcher, dataset, 16, arguments.rounds)
        print(f"\nA picture takes {own * 1e3:.0f} ms with our detector, {given * 1e3:.0f} ms with its boxes given.")


if __name__ == "__main__":
    main()
