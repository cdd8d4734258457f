"""Whole scenes, the samples of step 2, and their augmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from personsearch.canvas import to_canvas
from personsearch.datasets import Scene
from personsearch.errors import DatasetError
from personsearch.models import ModelConfig, SceneGroup, Target
from personsearch.pictures.decode import load_image
from personsearch.results import Floats
from personsearch.train.config import SceneAugmentConfig
from personsearch.train.data import Image8, jitter_colour

#: An annotated box of which zooming leaves less than this share is ignored instead of learnt as a person.
MIN_VISIBLE = 0.35

#: An augmented scene: (3, H, W) uint8 RGB canvas, its target in canvas pixels, its image_id.
SceneSample = tuple[Tensor, Target, str]


@dataclass(frozen=True)
class SceneBatch:
    """Scenes by canvas size, and the names of all of them, in the same order."""

    groups: list[SceneGroup]
    names: list[str]

    def to(self, device: torch.device) -> SceneBatch:
        """Return the batch on another device."""
        groups = [
            SceneGroup(group.images.to(device), [Target(*(f.to(device) for f in target)) for target in group.targets])
            for group in self.groups
        ]
        return SceneBatch(groups, self.names)


class SceneDataset(Dataset[SceneSample]):
    """Augmented scenes on their canvas by (epoch, position in the epoch, row)."""

    def __init__(
        self,
        scenes: Sequence[Scene],
        classes: dict[int, int],
        model: ModelConfig,
        augment: SceneAugmentConfig,
        seed: int,
    ) -> None:
        """Wrap scenes.

        Args:
            scenes: to augment.
            classes: label -> class; people with other labels count as unlabelled.
            model: its ``input`` gives the canvas size.
            augment: from the recipe.
            seed: of the run.
        """
        self.scenes = scenes
        self.classes = classes
        self.model = model
        self.augment = augment
        self.seed = seed

    def __getitem__(self, key: tuple[int, int, int]) -> SceneSample:
        epoch, position, row = key
        rng = np.random.default_rng([self.seed, epoch, position])
        scene = self.scenes[row]
        image, boxes, ignore = load_image(scene.path), scene.boxes, scene.ignore.copy()
        if image.shape[:2] != (scene.height, scene.width):
            raise DatasetError(
                f"{scene.path}: the picture is {image.shape[1]}x{image.shape[0]}, the annotations say "
                f"{scene.width}x{scene.height}; their boxes belong to another version of it"
            )
        identities = np.array([self.classes.get(label, -1) for label in scene.identities.tolist()], dtype=np.int64)
        if self.augment.zoom > 1 and rng.random() < self.augment.zoom_share:
            image, boxes, mostly_cut_off = zoom_in(image, boxes, self.augment.zoom, rng)
            gone = (boxes[:, 2:] - boxes[:, :2]).min(axis=1) < 1
            ignore |= mostly_cut_off
            boxes, identities, ignore = boxes[~gone], identities[~gone], ignore[~gone]
        if rng.random() < self.augment.flip:
            image = image[:, ::-1]
            boxes = np.stack([scene.width - boxes[:, 2], boxes[:, 1], scene.width - boxes[:, 0], boxes[:, 3]], axis=1)
        image = np.ascontiguousarray(jitter_colour(image, self.augment.jitter, rng))
        canvas = to_canvas(image, self.model.input.min_size, self.model.input.max_size)
        target = Target(
            torch.from_numpy(canvas.to_canvas(boxes)), torch.from_numpy(identities), torch.from_numpy(ignore)
        )
        return canvas.pixels, target, scene.image_id


def zoom_in(
    image: Image8, boxes: Floats, zoom: float, rng: np.random.Generator
) -> tuple[Image8, Floats, NDArray[np.bool_]]:
    """Enlarge a random window, of the scene's own aspect ratio, to the scene's size.

    Args:
        image: (H, W, 3) uint8 RGB.
        boxes: (N, 4) float32 xyxy pixels.
        zoom: the window is at least 1/zoom of each side.
        rng: chooses the window.

    Returns:
        The enlarged window (H, W, 3); the boxes (N, 4) in it, clipped, some without area; and (N,) which of them the
        window's edge cuts so much off that they should be ignored.
    """
    height, width = image.shape[:2]
    factor = rng.uniform(1, zoom)
    w, h = width / factor, height / factor
    left, top = rng.uniform(0, width - w), rng.uniform(0, height - h)
    window = Image.fromarray(image).resize(
        (width, height), Image.Resampling.BILINEAR, box=(left, top, left + w, top + h)
    )
    moved = (boxes - np.array([left, top, left, top])) * factor
    inside = moved.clip(0, [width, height, width, height]).astype(np.float32)
    areas = [np.prod(b[:, 2:] - b[:, :2], axis=1) for b in (inside, moved)]
    return np.array(window), inside, areas[0] < MIN_VISIBLE * areas[1]


def collate_scenes(samples: list[SceneSample]) -> SceneBatch:
    """Stack samples of :class:`SceneDataset` by canvas size, sizes in the order in which they first appear."""
    by_size: dict[torch.Size, list[SceneSample]] = {}
    for sample in samples:
        by_size.setdefault(sample[0].shape, []).append(sample)
    groups = [
        SceneGroup(torch.stack([pixels for pixels, _, _ in group]).float() / 255, [target for _, target, _ in group])
        for group in by_size.values()
    ]
    return SceneBatch(groups, [name for group in by_size.values() for _, _, name in group])
