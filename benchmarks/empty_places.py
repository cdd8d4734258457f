"""Count what a network detects where nobody is: photographs of empty places, and pictures without any content.

    python benchmarks/empty_places.py PHOTOS --weights stl-mrfp-small

PHOTOS is a folder of photographs and panoramas without people, as ``places.photos`` of a synthetic recipe takes it.
Only the photographs that such a recipe holds back from training are shown to the network; from a panorama, four views.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PILImage
from rich.console import Console
from rich.table import Table

from personsearch import PersonSearcher
from personsearch.pictures.drawing import draw
from personsearch.synth.cameras import camera_towards
from personsearch.synth.plates.library import find_plates, split_plates
from personsearch.synth.plates.views import Image, view_of_plate, whole_plate

HELD_OUT = 0.2
LONGEST = 4096
SIZE = 960, 640
VIEWS = 4
PANORAMA_VIEW, PITCH, HEIGHT = 65.0, -8.0, 1.6


def blank_pictures() -> dict[str, Image]:
    """Return (640, 960, 3) uint8 RGB pictures without content, by name."""
    width, height = SIZE
    rng = np.random.default_rng(7)
    pictures = {f"level {level}": np.full((height, width, 3), level, np.uint8) for level in range(0, 256, 15)}
    slope = np.linspace(0, 255, width)[None, :, None]
    rise = np.linspace(0, 255, height)[:, None, None]
    full = np.ones((height, width, 3))
    pictures |= {
        "gradient across": (full * slope).astype(np.uint8),
        "gradient down": (full * rise).astype(np.uint8),
        "gradient both": (full * (slope + rise) / 2).astype(np.uint8),
        "dark gradient": (full * slope / 6).astype(np.uint8),
    }
    for deviation in (4, 12, 30, 60):
        for level in (10, 128):
            noise = rng.normal(level, deviation, (height, width, 3)).clip(0, 255)
            pictures[f"noise {deviation} about {level}"] = noise.astype(np.uint8)
    for name, colour in {"red": (200, 30, 30), "green": (40, 160, 60), "blue": (30, 60, 190)}.items():
        pictures[name] = np.full((height, width, 3), colour, np.uint8)
    return pictures


def empty_views(folder: Path) -> Iterator[tuple[str, Image]]:
    """Yield the held-back photographs by name, and four views of each panorama, (H, W, 3) uint8 RGB."""
    for plate in split_plates(find_plates(str(folder)), HELD_OUT)["test"]:
        picture = whole_plate(folder, plate.file, LONGEST)
        if not plate.panorama:
            yield plate.file, picture
            continue
        for number in range(VIEWS):
            camera = camera_towards(
                str(number),
                height=HEIGHT,
                turn=number * 2 * np.pi / VIEWS,
                pitch=PITCH,
                field_of_view=PANORAMA_VIEW,
                size=SIZE,
            )
            yield f"{plate.file} {number}", view_of_plate(picture, camera, panorama=True)[0]


def measure(folder: Path, searcher: PersonSearcher, save: Path | None) -> dict[str, Any]:
    """Detect people in empty places and blank pictures, and return the figures.

    Args:
        folder: of the photographs.
        searcher: the network.
        save: folder for drawings of the pictures with detections; None = none are drawn.
    """
    blank = {name: searcher.detect(picture) for name, picture in blank_pictures().items()}
    counts: list[int] = []
    scores: list[float] = []
    for name, picture in empty_views(folder):
        people = searcher.detect(picture)
        counts.append(len(people))
        scores.extend(people.scores.tolist())
        if save is not None and len(people):
            save.mkdir(parents=True, exist_ok=True)
            file = f"{max(people.scores):.2f} {name.replace('/', '_')}.jpg"
            draw(PILImage.fromarray(picture), people).convert("RGB").save(save / file)
    return {
        "weights": searcher.spec.name,
        "fingerprint": searcher.spec.fingerprint,
        "pictures": len(counts),
        "false_per_picture": float(np.mean(counts)),
        "pictures_with_any": float(np.mean([count > 0 for count in counts])),
        "at_0.8": float(np.sum(np.array(scores) >= 0.8) / len(counts)),
        "blank_pictures": len(blank),
        "blank_with_any": sorted(name for name, people in blank.items() if len(people)),
    }


def main() -> None:
    """Measure and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of photographs without people")
    parser.add_argument("--weights", default=None, help="name or ./folder; default: the package's own")
    parser.add_argument("--device", default=None)
    parser.add_argument("--save", type=Path, default=None, help="folder for drawings of the pictures with detections")
    parser.add_argument("--json", action="store_true", dest="as_json")
    arguments = parser.parse_args()
    chosen = {} if arguments.weights is None else {"name": arguments.weights}
    searcher = PersonSearcher.from_pretrained(**chosen, device=arguments.device)
    figures = measure(arguments.folder, searcher, arguments.save)
    if arguments.as_json:
        print(json.dumps(figures))
        return
    table = Table("figure", figures["weights"])
    table.add_row(f"false detections per empty picture ({figures['pictures']})", f"{figures['false_per_picture']:.2f}")
    table.add_row("of them with a score of 0.8 or more", f"{figures['at_0.8']:.2f}")
    table.add_row("empty pictures with any detection", f"{100 * figures['pictures_with_any']:.1f} %")
    blank = figures["blank_with_any"]
    table.add_row(f"blank pictures with any detection ({figures['blank_pictures']})", str(len(blank)))
    Console().print(table)
    if blank:
        print("blank pictures with detections: " + ", ".join(blank))


if __name__ == "__main__":
    main()
