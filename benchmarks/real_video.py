"""Index a real video and search for its six people: the baseline that the next weights must beat.

    python benchmarks/real_video.py ../shared/data/real-video

The folder holds a video in which six people walk past one after another, and ``segments.json`` with each person's range
of frames, the empty ranges, and one query box per person. Frames between the ranges show somebody entering or leaving
and are left out of every figure. The colour histogram ranks the very same detections.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from personsearch import Gallery, Match, PersonSearcher
from personsearch.evaluation import average_precision
from personsearch.measure.baselines import colour_histogram
from personsearch.pictures.video import Video as Footage
from personsearch.results import Floats

EVERY = 5
ALL = 1_000_000


@dataclass(frozen=True)
class Video:
    """The video's path and what ``segments.json`` says: frame -> person ('' = empty), queries by person."""

    path: Path
    fps: float
    person_of: dict[int, str]
    queries: dict[str, dict[str, Any]]

    def image_id(self, frame: int) -> str:
        """Name a frame as ``index`` does."""
        return f"{self.path.name}#t={frame / self.fps:.3f}"


def read_video(folder: Path) -> Video:
    """Read ``segments.json``."""
    data = json.loads((folder / "segments.json").read_text())
    ranges = [(name, *ends) for name, ends in data["people"].items()] + [("", *ends) for ends in data["empty"]]
    person_of = {frame: name for name, first, last in ranges for frame in range(first, last + 1)}
    return Video(folder / data["video"], float(data["fps"]), person_of, data["queries"])


def best_per_frame(similarities: Floats, frames: list[str]) -> dict[str, float]:
    """Return each frame's highest similarity."""
    best: dict[str, float] = {}
    for frame, similarity in zip(frames, similarities.tolist(), strict=True):
        best[frame] = max(best.get(frame, -2.0), similarity)
    return best


def search_figures(ranked: dict[str, dict[str, float]], video: Video, judged: dict[str, str]) -> tuple[float, float]:
    """Return mAP and top-1 over the six people; a frame counts with its best match, and as missed if it has none."""
    precisions, firsts = [], []
    for person, best in ranked.items():
        own = video.image_id(video.queries[person]["frame"])
        frames = [frame for frame in best if frame in judged and frame != own]
        relevant = np.array([judged[frame] == person for frame in frames])
        scores = np.array([best[frame] for frame in frames])
        total = sum(name == person and frame != own for frame, name in judged.items())
        precisions.append(average_precision(relevant, scores) * relevant.sum() / total if relevant.any() else 0.0)
        firsts.append(bool(len(frames)) and bool(relevant[scores.argmax()]))
    return float(np.mean(precisions)), float(np.mean(firsts))


def measure(video: Video, searcher: PersonSearcher) -> dict[str, Any]:
    """Index the video, search it, and return the figures."""
    queries = {person: (entry["frame"], entry["box"]) for person, entry in video.queries.items()}
    judged = {video.image_id(f): name for f, name in video.person_of.items() if f % EVERY == 0}
    indexed: dict[str, Image.Image] = {}
    pictures: dict[str, Image.Image] = {}
    for number, frame in enumerate(Footage(video.path)):
        if video.image_id(number) in judged:
            indexed[video.image_id(number)] = frame.image()
        for person, (at, _) in queries.items():
            if at == number:
                pictures[person] = frame.image()
    with tempfile.TemporaryDirectory() as folder, Gallery.open(folder, searcher.spec) as gallery:
        searcher.index(video.path, gallery, every=EVERY)
        matches = {
            person: searcher.search(gallery, pictures[person], box, k=ALL) for person, (_, box) in queries.items()
        }
    people: list[Match] = sorted(next(iter(matches.values())), key=lambda match: match.detection_id)
    people = [match for match in people if match.image_id in judged]
    count = Counter(match.image_id for match in people)
    with_person = [frame for frame, person in judged.items() if person]
    empty = [frame for frame, person in judged.items() if not person]

    by_network = {
        person: best_per_frame(np.array([m.similarity for m in person_matches]), [m.image_id for m in person_matches])
        for person, person_matches in matches.items()
    }
    frames = [match.image_id for match in people]
    colours = np.concatenate(
        [colour_histogram(np.asarray(indexed[m.image_id]), np.array([m.box], dtype=np.float32)) for m in people]
    )
    by_colours = {
        person: best_per_frame(
            colours @ colour_histogram(np.asarray(pictures[person]), np.array([box], dtype=np.float32))[0], frames
        )
        for person, (_, box) in queries.items()
    }
    network_map, network_top1 = search_figures(by_network, video, judged)
    colour_map, colour_top1 = search_figures(by_colours, video, judged)
    return {
        "weights": searcher.spec.name,
        "fingerprint": searcher.spec.fingerprint,
        "person_frames": len(with_person),
        "empty_frames": len(empty),
        "exactly_one": float(np.mean([count[frame] == 1 for frame in with_person])),
        "none": float(np.mean([count[frame] == 0 for frame in with_person])),
        "false_per_empty_frame": float(np.mean([count[frame] for frame in empty])),
        "mAP": network_map,
        "top1": network_top1,
        "histogram_mAP": colour_map,
        "histogram_top1": colour_top1,
    }


def main() -> None:
    """Measure and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with the video and segments.json")
    parser.add_argument("--weights", default=None, help="name or ./folder; default: the package's own")
    parser.add_argument("--device", default=None)
    parser.add_argument("--json", action="store_true", dest="as_json")
    arguments = parser.parse_args()
    chosen = {} if arguments.weights is None else {"name": arguments.weights}
    figures = measure(read_video(arguments.folder), PersonSearcher.from_pretrained(**chosen, device=arguments.device))
    if arguments.as_json:
        print(json.dumps(figures))
        return
    table = Table("figure", figures["weights"], "colour histogram, same detections")
    share = f"{100 * figures['exactly_one']:.1f} %"
    table.add_row(f"person frames with exactly one detection ({figures['person_frames']})", share, "")
    table.add_row("person frames without a detection", f"{100 * figures['none']:.1f} %", "")
    falses = f"{figures['false_per_empty_frame']:.2f}"
    table.add_row(f"false detections per empty frame ({figures['empty_frames']})", falses, "")
    for name, key in (("mAP over the six people", "mAP"), ("top-1 over the six people", "top1")):
        table.add_row(name, f"{100 * figures[key]:.1f} %", f"{100 * figures[f'histogram_{key}']:.1f} %")
    Console().print(table)


if __name__ == "__main__":
    main()
