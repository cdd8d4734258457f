"""What both steps of STL do with an annotated set before it is cut into samples."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from personsearch.datasets import Scene, load_dataset
from personsearch.errors import DatasetError
from personsearch.train.config import DataConfig

logger = logging.getLogger(__name__)

Image8 = NDArray[np.uint8]


def split_scenes(data: DataConfig) -> tuple[list[Scene], list[Scene]]:
    """Return (training scenes, scenes of the held-out places).

    Raises:
        DatasetError: the set cannot be used, a held-out place is not in it, or nothing is left to train on.
    """
    skip_bad = bool(data.skip_bad)
    dataset = load_dataset(
        data.annotations,
        "train",
        format=data.format,
        images=data.images,
        skip_bad=skip_bad,
        check_counts=not skip_bad,
    )
    for line in dataset.accounting.lines():
        logger.info("%s: %s", dataset.name, line)
    places = {scene.place for scene in dataset.scenes}
    unknown = set(data.holdout_places) - places
    if unknown:
        known = ", ".join(sorted(place for place in places if place)) or "none"
        raise DatasetError(f"{data.annotations}: no place {min(unknown)!r} to hold out; places are: {known}")
    training = [scene for scene in dataset.scenes if scene.place not in data.holdout_places]
    if not training:
        raise DatasetError(
            f"{data.annotations}: holding out {', '.join(data.holdout_places)} leaves nothing to train on; "
            "hold out fewer places"
        )
    return training, [scene for scene in dataset.scenes if scene.place in data.holdout_places]


def number_identities(scenes: Sequence[Scene]) -> dict[int, int]:
    """Return label -> class index 0..C-1 over the labelled people of the scenes, by rising label."""
    labels = {int(label) for scene in scenes for label in scene.identities if label >= 0}
    return {label: number for number, label in enumerate(sorted(labels))}


def jitter_colour(image: Image8, amount: float, rng: np.random.Generator) -> Image8:
    """Change brightness, contrast and the gains of the colour channels by up to ``amount`` each.

    Args:
        image: (H, W, 3) uint8 RGB.
        amount: largest relative change; 0 returns the image itself.
        rng: decides.
    """
    if amount == 0:
        return image
    gains = rng.uniform(1 - amount, 1 + amount) * rng.uniform(1 - amount / 2, 1 + amount / 2, size=3)
    contrast = rng.uniform(1 - amount, 1 + amount)
    # One table of 256 entries per channel: the whole change is a function of the value alone.
    mean = image.mean()
    table = ((np.arange(256)[:, None] - mean) * contrast + mean) * gains
    lut = table.round().clip(0, 255).astype(np.uint8)
    return np.stack([lut[image[..., channel], channel] for channel in range(3)], axis=-1)
