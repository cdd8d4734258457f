"""Milliseconds that each augmentation takes on one core: the table of docs/training.md.

    python benchmarks/augmentation.py

Each is applied at a middling strength to a bundled scene at the sizes that the two presets see, and to a crop.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from personsearch.demo import demo_folder
from personsearch.train import augment

#: Width and height: scenes of the small preset and of the paper's, and a crop of the small preset.
SIZES = (672, 448), (960, 640), (64, 128)
REPEATS = 15


def augmentations(image: augment.Image8) -> dict[str, Callable[[], object]]:
    """Return what is timed, by the recipe's key."""
    rng = np.random.default_rng(1)
    height, width = image.shape[:2]
    boxes = np.array([[width * 0.1, height * 0.1, width * 0.4, height * 0.8]], np.float32)
    return {
        "jitter": lambda: augment.jitter_colour(image, 0.2, rng),
        "zoom": lambda: augment.zoom_in(image, boxes, 2.0, rng),
        "crop": lambda: augment.crop_and_fit(image, boxes, 2.0, rng),
        "zoom_out": lambda: augment.zoom_out(image, boxes, 2.0, rng),
        "colour, hue": lambda: augment.change_colours(image, 1.0, 0.1, rng),
        "grey": lambda: augment.mix_channels(image, np.tile(augment.LUMA, (3, 1)), np.zeros(3)),
        "pasta": lambda: augment.perturb_spectrum(image, rng),
        "downscale": lambda: augment.scale_down_and_up(image, 0.5),
        "blur": lambda: augment.blur(image, 1.5),
        "noise": lambda: augment.add_noise(image, 8.0, rng),
        "jpeg": lambda: augment.compress(image, 60),
    }


def milliseconds(run: Callable[[], object]) -> float:
    """Return the median time of this thread."""
    run()
    times = []
    for _ in range(REPEATS):
        begun = time.thread_time()
        run()
        times.append(time.thread_time() - begun)
    return 1000 * statistics.median(times)


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    scene = Image.open(min(Path(demo_folder()).glob("*.jpg"))).convert("RGB")
    columns = [
        {name: milliseconds(run) for name, run in augmentations(np.asarray(scene.resize(size))).items()}
        for size in SIZES
    ]
    print("| key | " + " | ".join(f"{width}x{height}" for width, height in SIZES) + " |")
    print("|" + " --- |" * (len(SIZES) + 1))
    for name in columns[0]:
        print(f"| {name} | " + " | ".join(f"{column[name]:.1f}" for column in columns) + " |")


if __name__ == "__main__":
    main()
