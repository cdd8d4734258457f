"""Adapt the weights to a real video from its first empty seconds, and measure on all the rest.

    python benchmarks/adapt_real_video.py ../shared/data/real-video my-weights --minutes 30

Only frames of the first empty range of ``segments.json`` become pictures of the empty place; nobody in it is used
to train. Every figure, before and after, is taken on the frames after that range, as ``benchmarks/real_video.py`` takes
them. The same command continues an interrupted run.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from real_video import Video, measure, read_video
from rich.console import Console
from rich.table import Table

from personsearch import PersonSearcher
from personsearch.train import adapt
from personsearch.weights.registry import DEFAULT

ROWS = {
    "exactly_one": "person frames with exactly one detection",
    "none": "person frames without a detection",
    "false_per_empty_frame": "false detections per empty frame",
    "mAP": "mAP over the six people",
    "top1": "top-1 over the six people",
}


def without_first_empty_range(video: Video, folder: Path) -> tuple[Video, str]:
    """Return the video without the judgement of its first empty range, and that range as ``--empty`` has it."""
    first, last = min(json.loads((folder / "segments.json").read_text())["empty"])
    judged = {frame: person for frame, person in video.person_of.items() if not first <= frame <= last}
    return replace(video, person_of=judged), f"{first}-{last}"


def main() -> None:
    """Adapt, measure before and after, and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with the video and segments.json")
    parser.add_argument("out", type=Path, help="folder for the adapted weights")
    parser.add_argument("--weights", default=DEFAULT, help="name or ./folder; default: the package's own")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--footage", action="store_true", help="also offer the video itself as footage for AdaBN")
    parser.add_argument("--device", default=None)
    parser.add_argument("--json", action="store_true", dest="as_json")
    arguments = parser.parse_args()
    video, empty = without_first_empty_range(read_video(arguments.folder), arguments.folder)
    # The shipped weights take patches of this floor for people at 0.8 and more; that nobody is there was seen by eye.
    adapted = adapt(
        video.path,
        arguments.out,
        empty=(empty,),
        place="indoors",
        footage=video.path if arguments.footage else None,
        weights=arguments.weights,
        minutes=arguments.minutes,
        device=arguments.device,
        anyway=True,
    )
    figures: dict[str, Any] = {
        name: measure(video, PersonSearcher.from_pretrained(weights, device=arguments.device))
        for name, weights in (("before", arguments.weights), ("after", adapted.absolute()))
    }
    report = json.loads((adapted / "report.json").read_text())
    if arguments.as_json:
        print(json.dumps({"figures": figures, "report": report}))
        return
    before = figures["before"]
    table = Table(f"{before['person_frames']} person frames, {before['empty_frames']} empty frames", "before", "after")
    for key, title in ROWS.items():
        table.add_row(title, *(_text(key, figures[name][key]) for name in ("before", "after")))
    Console().print(table)
    Console().print(
        f"{len(report['pictures']['training'])} pictures to train on, {report['plan']['frames']} composites, "
        f"{report['plan']['epochs']} epochs, {report['seconds'] / 60:.1f} minutes in the last call"
    )


def _text(key: str, value: float) -> str:
    return f"{value:.2f}" if key == "false_per_empty_frame" else f"{100 * value:.1f} %"


if __name__ == "__main__":
    main()
