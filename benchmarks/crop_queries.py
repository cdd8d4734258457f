"""Searching for a person of whom there is only a crop: what each way of showing it to the network finds.

    python benchmarks/crop_queries.py ../shared/data/synth-mini

Every query of an annotated set is cut out tightly by its box, and searched for in the set's other scenes. Then pictures
without a box: crops, and tall windows of scenes as a phone takes them. Which of them are taken as one person?
"""

from __future__ import annotations

import argparse
import platform
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from personsearch import PersonSearcher
from personsearch.canvas import crop_to_canvas
from personsearch.datasets import Dataset, load_dataset
from personsearch.errors import ImageError
from personsearch.evaluation import PRESETS, Rules, evaluate_search
from personsearch.evaluation.observations import Observations
from personsearch.measure.cache import default_folder
from personsearch.measure.observe import observe
from personsearch.pictures.decode import load_image
from personsearch.results import Floats

Pixels = NDArray[np.uint8]
#: Embeds a crop; None = nobody is found in it.
Embed = Callable[[Pixels], Floats | None]


def crop_of(pixels: Pixels, box: Floats) -> Pixels:
    """Cut a box out of an image, to whole pixels."""
    height, width = pixels.shape[:2]
    x1, y1, x2, y2 = (round(float(value)) for value in box)
    return pixels[max(0, y1) : min(height, max(y2, y1 + 1)), max(0, x1) : min(width, max(x2, x1 + 1))]


def windows(dataset: Dataset, shape: float, most: int) -> Iterator[Pixels]:
    """Yield parts of scenes, as tall as the scene and ``shape`` times as tall as wide, in which people are seen.

    Somebody at least a tenth as tall as the scene stands in each; nobody is taller than two thirds of it.
    """
    rng = np.random.default_rng(0)
    left = most
    for position in rng.permutation(len(dataset.scenes)):
        scene = dataset.scenes[position]
        width = round(scene.height / shape)
        start = int(rng.integers(0, max(1, scene.width - width)))
        centres = (scene.boxes[:, 0] + scene.boxes[:, 2]) / 2
        inside = (centres > start) & (centres < start + width)
        tall = (scene.boxes[inside, 3] - scene.boxes[inside, 1]) / scene.height
        if left == 0 or width >= scene.width:
            return
        if len(tall) and 0.1 <= tall.max() <= 2 / 3:
            left -= 1
            yield load_image(scene.path)[:, start : start + width]


def ways(searcher: PersonSearcher, heights: Sequence[int], margins: Sequence[int]) -> dict[str, Embed]:
    """Return the ways to embed a crop by name."""

    def without_box(crop: Pixels) -> Floats | None:
        try:
            return searcher.embed_query(crop)
        except ImageError:
            return None

    def best_detection(crop: Pixels) -> Floats | None:
        found = searcher.detect(crop)
        return found.embeddings[0] if len(found) else None

    def enlarged(crop: Pixels) -> Floats:
        height, width = crop.shape[:2]
        return np.asarray(searcher.embed_boxes(crop, [(0, 0, width, height)])[0])

    def small(person_height: int, margin: int) -> Embed:
        def embed(crop: Pixels) -> Floats:
            canvas = crop_to_canvas(crop, person_height, margin)
            height, width = crop.shape[:2]
            box = torch.from_numpy(canvas.to_canvas(np.array([[0, 0, width, height]], dtype=np.float32)))
            with torch.inference_mode():
                pixels = canvas.pixels[None].to(searcher.device, searcher.dtype) / 255
                [rows] = searcher.network.embed(pixels, [box.to(searcher.device)])
            return np.asarray(rows[0].float().cpu().numpy())

        return embed

    return {
        "crop, no box: find_query": without_box,
        "crop, the best detection in it": best_detection,
        "crop, enlarged to a scene": enlarged,
        **{
            f"crop {height} px tall, margin {margin} px": small(height, margin)
            for height in heights
            for margin in margins
        },
    }


def embedded(crops: Sequence[Pixels], embed: Embed, size: int) -> tuple[Floats, int]:
    """Return (Q, D) embeddings and of how many crops there is none: theirs is one that is like nobody's."""
    rows = [embed(crop) for crop in crops]
    nobody = np.full(size, size**-0.5, dtype=np.float32) * np.where(np.arange(size) % 2, 1, -1).astype(np.float32)
    return np.stack([nobody if row is None else row for row in rows]), sum(row is None for row in rows)


def line(name: str, vectors: Floats, nobody: int, observed: Observations, dataset: Dataset, rules: Rules) -> str:
    """Search with embeddings, and return a row of the table."""
    result = evaluate_search(observed.detections, dataset, vectors, rules)
    alike = float((vectors * observed.queries(dataset)).sum(axis=1).mean())
    return f"| {name} | {result.mean_average_precision:.3f} | {result.top[1]:.3f} | {alike:.2f} | {nobody} |"


def taken(searcher: PersonSearcher, pictures: Sequence[Pixels]) -> Counter[str]:
    """Count what searches for pictures without a box are for."""
    counts: Counter[str] = Counter()
    for picture in pictures:
        try:
            counts["whole" if searcher.find_query(picture).whole_picture else "somebody in it"] += 1
        except ImageError:
            counts["nobody"] += 1
    return counts


def main() -> None:
    """Measure and print two tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="annotated set with queries (its test split)")
    parser.add_argument("--weights", default="package://stl-mrfp-small")
    parser.add_argument("--device", default=None)
    parser.add_argument("--preset", default="standard", choices=PRESETS)
    parser.add_argument("--heights", type=int, nargs="*", default=[96, 112, 128, 160], help="canvas pixels")
    parser.add_argument("--margins", type=int, nargs="*", default=[16, 32, 48], help="canvas pixels")
    parser.add_argument("--windows", type=int, default=100, help="tall windows of each shape; 0 = none")
    parser.add_argument("--cache", type=Path, default=default_folder())
    arguments = parser.parse_args()
    dataset, rules = load_dataset(arguments.dataset, "test"), PRESETS[arguments.preset]
    searcher = PersonSearcher.from_pretrained(arguments.weights, device=arguments.device, dtype="float32")
    observed = observe(searcher, dataset, annotated=False, cache_dir=arguments.cache)
    paths = {scene.image_id: scene.path for scene in dataset.scenes}
    crops = [crop_of(load_image(paths[query.image_id]), query.box) for query in dataset.queries]

    print(f"{datetime.now(UTC).date()}, {platform.machine()}, Python {platform.python_version()}\n")
    print(f"{dataset.name}: {len(dataset.scenes)} scenes, {len(crops)} queries; protocol {rules.label};", end=" ")
    print(f"weights {searcher.spec.name} ({searcher.spec.fingerprint[:12]})\n")
    print("| query | mAP | top-1 | similarity to the scene's box | nobody found |")
    print("| --- | --- | --- | --- | --- |")
    print(line("box in its scene", observed.queries(dataset), 0, observed, dataset, rules), flush=True)
    for name, embed in ways(searcher, arguments.heights, arguments.margins).items():
        vectors, nobody = embedded(crops, embed, searcher.spec.embedding_size)
        print(line(name, vectors, nobody, observed, dataset, rules), flush=True)

    print("\n| picture without a box | pictures | taken as the person | somebody in it | nobody |")
    print("| --- | --- | --- | --- | --- |")
    kinds = {"tight crops of the queries": crops}
    for name, shape in (("3:4", 4 / 3), ("9:16", 16 / 9), ("1:2", 2.0)):
        kinds[f"windows {name} with people"] = list(windows(dataset, shape, arguments.windows))
    for name, pictures in kinds.items():
        counts = taken(searcher, pictures)
        cells = [counts[key] for key in ("whole", "somebody in it", "nobody")]
        print(f"| {name} | {len(pictures)} | {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
