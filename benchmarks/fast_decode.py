"""What ``fast_decode`` costs: the figures of a set with it, without it, and with queries that are decoded otherwise.

    python benchmarks/fast_decode.py ../shared/data/synth-mini

JPEGs are decoded at a part of their size only where they are at least twice as large as the network sees them. The
scenes of a smaller set are enlarged for that (``--enlarge``, bicubic) and stored as JPEGs of quality 90.
"""

from __future__ import annotations

import argparse
import math
import platform
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from personsearch import PersonSearcher
from personsearch.boxes import box_iou
from personsearch.datasets import Dataset, load_dataset
from personsearch.evaluation import PRESETS, evaluate_detection, evaluate_search
from personsearch.evaluation.observations import Observations
from personsearch.measure.observe import observe
from personsearch.pictures.decode import load_image, load_picture


def enlarged(dataset: Dataset, factor: float, folder: Path) -> Dataset:
    """Return a set whose scenes and boxes are larger, the pictures as JPEGs in a folder."""
    scenes = []
    for number, scene in enumerate(dataset.scenes):
        size = (round(scene.width * factor), round(scene.height * factor))
        path = folder / f"{number:05d}.jpg"
        picture = Image.fromarray(load_image(scene.path)).resize(size, Image.Resampling.BICUBIC)
        picture.save(path, quality=90)
        scenes.append(replace(scene, path=path, width=size[0], height=size[1], boxes=scene.boxes * np.float32(factor)))
    queries = tuple(replace(query, box=query.box * np.float32(factor)) for query in dataset.queries)
    return replace(dataset, scenes=tuple(scenes), queries=queries)


def alike(one: Observations, other: Observations, score: float) -> tuple[float, float]:
    """Compare who was detected with some certainty both times: return the median IoU and similarity, NaN of nobody."""
    pairs = []
    for name, people in one.detections.items():
        sure = people.filter(min_score=score)
        found = other.detections[name]
        if len(sure) and len(found):
            overlap = box_iou(sure.boxes, found.boxes)
            best = overlap.argmax(axis=1)
            both = overlap.max(axis=1) > 0.5
            similarity = (sure.embeddings * found.embeddings[best]).sum(axis=1)
            pairs.append(np.stack([overlap.max(axis=1), similarity])[:, both])
    if not pairs:
        return math.nan, math.nan
    overlap, similarity = np.median(np.concatenate(pairs, axis=1), axis=1).tolist()
    return overlap, similarity


def main() -> None:
    """Observe a set both ways and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="annotated set with queries (its test split)")
    parser.add_argument("--weights", default="package://stl-mrfp-small")
    parser.add_argument("--device", default=None)
    parser.add_argument("--enlarge", type=float, default=2.0, help="times; 1 = the pictures as they are")
    parser.add_argument("--preset", default="standard", choices=PRESETS)
    arguments = parser.parse_args()
    dataset, rules = load_dataset(arguments.dataset, "test"), PRESETS[arguments.preset]
    with tempfile.TemporaryDirectory() as folder:
        if arguments.enlarge != 1:
            dataset = enlarged(dataset, arguments.enlarge, Path(folder))
        seen: dict[str, Observations] = {}
        for name, fast_decode in (("whole", False), ("fast_decode", True)):
            searcher = PersonSearcher.from_pretrained(
                arguments.weights, device=arguments.device, dtype="float32", fast_decode=fast_decode
            )
            seen[name] = observe(searcher, dataset, annotated=False)
        scene = dataset.scenes[0]
        reduced = load_picture(scene.path, least=searcher._runner._least_size(crop=False))

    print(f"{datetime.now(UTC).date()}, {platform.machine()}, Python {platform.python_version()}, torch", end=" ")
    print(f"{torch.__version__}; weights {searcher.spec.name} ({searcher.spec.fingerprint[:12]})\n")
    print(f"{dataset.name}: {len(dataset.scenes)} scenes of {scene.width}x{scene.height}, decoded at", end=" ")
    print(f"1/{reduced.reduction}; {len(dataset.queries)} queries; protocol {rules.label}\n")
    print("| gallery | queries | AP | mAP | top-1 |")
    print("| --- | --- | --- | --- | --- |")
    for gallery, own in seen.items():
        found = evaluate_detection(own.detections, dataset.scenes, rules)
        for queries, other in seen.items():
            result = evaluate_search(own.detections, dataset, other.queries(dataset), rules)
            cells = (found.ap, result.mean_average_precision, result.top[1])
            print(f"| {gallery} | {queries} | {' | '.join(f'{100 * value:.1f}' for value in cells)} |", flush=True)
    overlap, similarity = alike(seen["whole"], seen["fast_decode"], 0.5)
    print(f"\nThe same person both ways, medians: IoU {overlap:.3f}, similarity {similarity:.3f}")


if __name__ == "__main__":
    main()
