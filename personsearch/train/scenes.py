"""Whole scenes, the samples of step 2, and their augmentation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from personsearch.canvas import resized_size, to_canvas
from personsearch.datasets import Scene
from personsearch.errors import PersonSearchError
from personsearch.models import ModelConfig, SceneGroup, Target
from personsearch.train.augment import change_appearance, jitter_colour, reframe
from personsearch.train.config import SceneAugmentConfig
from personsearch.train.reading import Unusable, read_scene

#: An augmented scene: (3, H, W) uint8 RGB canvas, its target in canvas pixels, its image_id.
SceneSample = tuple[Tensor, Target, str]


@dataclass(frozen=True)
class SceneBatch:
    """Scenes by canvas size.

    Attributes:
        groups: the scenes; none if all of them were left out.
        names: of all of them, in the same order.
        left_out: those whose pictures cannot be used.
    """

    groups: list[SceneGroup]
    names: list[str]
    left_out: tuple[Unusable, ...] = ()

    def to(self, device: torch.device) -> SceneBatch:
        """Return the batch on another device; from pinned memory the copy does not wait."""
        return self._with(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> SceneBatch:
        """Return the batch in memory that a GPU can copy from; torch's loader calls this by its name."""
        return self._with(Tensor.pin_memory)

    def _with(self, change: Callable[[Tensor], Tensor]) -> SceneBatch:
        groups = [
            SceneGroup(change(images), [Target(*map(change, target)) for target in targets])
            for images, targets in self.groups
        ]
        return SceneBatch(groups, self.names, self.left_out)


class SceneDataset(Dataset[SceneSample | Unusable]):
    """Augmented scenes on their canvas by (epoch, position in the epoch, row).

    A picture that cannot be used comes back as :class:`Unusable` rather than as an error, which a loading process would
    turn into a text full of code.
    """

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

    def __getitem__(self, key: tuple[int, int, int]) -> SceneSample | Unusable:
        try:
            return self.sample(*key)
        except PersonSearchError as error:
            return Unusable(self.scenes[key[2]].image_id, str(error))

    def sample(self, epoch: int, position: int, row: int) -> SceneSample:
        """Return an augmented scene.

        Raises:
            ImageError: its picture cannot be read.
            DatasetError: its picture has another size than the annotations say.
        """
        rng = np.random.default_rng([self.seed, epoch, position])
        scene = self.scenes[row]
        image, boxes, ignore = read_scene(scene), scene.boxes, scene.ignore.copy()
        identities = np.array([self.classes.get(label, -1) for label in scene.identities.tolist()], dtype=np.int64)
        reframed = reframe(image, boxes, self.augment, rng)
        if reframed is not None:
            image, boxes, visible = reframed
            gone = (boxes[:, 2:] - boxes[:, :2]).min(axis=1) < 1
            ignore |= visible < self.augment.min_visible
            boxes, identities, ignore = boxes[~gone], identities[~gone], ignore[~gone]
        if rng.random() < self.augment.flip:
            image = image[:, ::-1]
            boxes = np.stack([scene.width - boxes[:, 2], boxes[:, 1], scene.width - boxes[:, 0], boxes[:, 3]], axis=1)
        image = np.ascontiguousarray(jitter_colour(image, self.augment.jitter, rng))
        size = self.model.input
        canvas = to_canvas(image, size.min_size, size.max_size)
        # On the canvas, so that strengths and cost do not depend on the size of the file; its padding stays as it is.
        height, width = resized_size(scene.height, scene.width, size.min_size, size.max_size)
        shown = canvas.pixels[:, :height, :width]
        before = shown.permute(1, 2, 0).numpy()
        after = change_appearance(before, self.augment, rng)
        if after is not before:
            shown[:] = torch.from_numpy(after.copy()).permute(2, 0, 1)
        target = Target(
            torch.from_numpy(canvas.to_canvas(boxes)), torch.from_numpy(identities), torch.from_numpy(ignore)
        )
        return canvas.pixels, target, scene.image_id


def collate_scenes(samples: Sequence[SceneSample | Unusable]) -> SceneBatch:
    """Stack samples of :class:`SceneDataset` by canvas size, sizes in the order in which they first appear."""
    by_size: dict[torch.Size, list[SceneSample]] = {}
    left_out: list[Unusable] = []
    for sample in samples:
        if isinstance(sample, Unusable):
            left_out.append(sample)
        else:
            by_size.setdefault(sample[0].shape, []).append(sample)
    groups = [
        SceneGroup(torch.stack([pixels for pixels, _, _ in group]).float() / 255, [target for _, target, _ in group])
        for group in by_size.values()
    ]
    return SceneBatch(groups, [name for group in by_size.values() for _, _, name in group], tuple(left_out))
