"""Re-ID crops, the samples of step 1: people cut out of the scenes, and their augmentation."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from personsearch.datasets import Scene
from personsearch.errors import DatasetError, PersonSearchError
from personsearch.pictures.cutting import cut_person
from personsearch.results import Floats
from personsearch.train.augment import Image8, change_appearance, erasing_box, jitter_colour
from personsearch.train.config import CropAugmentConfig
from personsearch.train.reading import Unusable, read_scene, refusal, require_most

#: An augmented crop: (h, w, 3) float32 RGB 0..1, its class, its name.
CropSample = tuple[Floats, int, str]


@dataclass(frozen=True)
class CropBatch:
    """images (N, 3, h, w) float32 RGB 0..1, identities (N,) int64 classes, names (N); nothing is ever left out."""

    images: Tensor
    identities: Tensor
    names: list[str]
    left_out: tuple[Unusable, ...] = ()

    def to(self, device: torch.device) -> CropBatch:
        """Return the batch on another device; from pinned memory the copy does not wait."""
        images, identities = (part.to(device, non_blocking=True) for part in (self.images, self.identities))
        return CropBatch(images, identities, self.names)

    def pin_memory(self) -> CropBatch:
        """Return the batch in memory that a GPU can copy from; torch's loader calls this by its name."""
        return CropBatch(self.images.pin_memory(), self.identities.pin_memory(), self.names)


@dataclass(frozen=True, eq=False)
class Crops:
    """Re-ID crops in memory.

    Attributes:
        pixels: (N, h + 2 top, w + 2 left, 3) uint8 RGB.
        identities: (N,) int64 labels.
        cameras: (N) camera names; None = unknown.
        names: (N) scene and row of the box, for messages.
        left_out: scenes whose pictures cannot be used.
        margin: top and left, pixels that the crops show around the box on each side.
    """

    pixels: Image8
    identities: NDArray[np.int64]
    cameras: list[str | None]
    names: list[str]
    left_out: tuple[Unusable, ...] = ()
    margin: tuple[int, int] = (0, 0)

    def __len__(self) -> int:
        return len(self.pixels)

    def boxes(self, rows: NDArray[np.int64]) -> Image8:
        """Return what is in the boxes (N, h, w, 3) of some crops, without their margin."""
        top, left = self.margin
        height, width = self.pixels.shape[1:3]
        return self.pixels[rows, top : height - top, left : width - left]


def cut_crops(
    scenes: Sequence[Scene], height: int, width: int, *, may_skip: Collection[str] = (), context: float = 0.0
) -> Crops:
    """Cut every labelled person out of the scenes, resized to ``height`` x ``width``.

    Args:
        scenes: those without a labelled person are not read.
        height: of the crops, pixels.
        width: of the crops, pixels.
        may_skip: image_ids of scenes that are left out if their picture cannot be used.
        context: share of the box that crops show beyond it on each side, at the same scale, so that they are larger
            than ``height`` x ``width``; beyond the picture its edge pixels are repeated.

    Raises:
        DatasetError: no scene has a labelled person, a picture has another size than the annotations say or cannot be
            read, or more than half of the pictures cannot be used.
    """
    margin = (round(context * height), round(context * width))
    pixels: list[Image8] = []
    identities: list[int] = []
    cameras: list[str | None] = []
    names: list[str] = []
    left_out: list[Unusable] = []
    read = 0
    for scene in scenes:
        labelled = np.flatnonzero(scene.identities >= 0)
        if not len(labelled):
            continue
        read += 1
        try:
            image = Image.fromarray(read_scene(scene))
        except PersonSearchError as error:
            left_out.append(Unusable(scene.image_id, str(error)))
            if scene.image_id not in may_skip:
                raise refusal(left_out[-1]) from None
            continue
        for row in labelled.tolist():
            pixels.append(_cut_with_margin(image, scene.boxes[row].tolist(), height, width, margin))
            identities.append(int(scene.identities[row]))
            cameras.append(scene.camera)
            names.append(f"{scene.image_id}#{row}")
    require_most([one.image_id for one in left_out], read)
    if not pixels:
        raise DatasetError("no scene has a labelled person: step 1 needs person_id >= 0 in the annotations")
    return Crops(np.stack(pixels), np.array(identities, dtype=np.int64), cameras, names, tuple(left_out), margin)


def _cut_with_margin(
    picture: Image.Image, box: list[float], height: int, width: int, margin: tuple[int, int]
) -> Image8:
    """Cut a box out of a picture at ``height`` x ``width``, and ``margin`` pixels more on each side, at that scale."""
    top, left = margin
    if not (top or left):
        return cut_person(picture, box, height, width)
    x1, y1, x2, y2 = box
    across, down = left * (x2 - x1) / width, top * (y2 - y1) / height
    wide = x1 - across, y1 - down, x2 + across, y2 + down
    # Whole pixels around it, from the picture or, beyond it, from its edge.
    x0, y0, x3, y3 = math.floor(wide[0]), math.floor(wide[1]), math.ceil(wide[2]), math.ceil(wide[3])
    columns = np.arange(x0, x3).clip(0, picture.width - 1)
    rows = np.arange(y0, y3).clip(0, picture.height - 1)
    around = Image.fromarray(np.asarray(picture)[rows[:, None], columns])
    shifted = wide[0] - x0, wide[1] - y0, wide[2] - x0, wide[3] - y0
    return cut_person(around, shifted, height + 2 * top, width + 2 * left)


class CropDataset(Dataset[CropSample]):
    """Augmented crops by (epoch, position in the epoch, row)."""

    def __init__(
        self,
        crops: Crops,
        classes: dict[int, int],
        augment: CropAugmentConfig,
        mean: tuple[float, float, float],
        seed: int,
    ) -> None:
        """Wrap crops.

        Args:
            crops: to augment; of those with a margin a window as large as the box is shown, anywhere within.
            classes: label -> class, of all their labels.
            augment: from the recipe.
            mean: RGB 0..1 that the network subtracts; an erased rectangle has this colour, so the network sees zeros.
            seed: of the run.
        """
        self.crops = crops
        self.classes = classes
        self.augment = augment
        self.mean = np.array(mean, dtype=np.float32)
        self.seed = seed

    def __getitem__(self, key: tuple[int, int, int]) -> CropSample:
        epoch, position, row = key
        rng = np.random.default_rng([self.seed, epoch, position])
        crop = self.crops.pixels[row]
        margin_y, margin_x = self.crops.margin
        height, width = crop.shape[0] - 2 * margin_y, crop.shape[1] - 2 * margin_x
        if rng.random() < self.augment.flip:
            crop = crop[:, ::-1]
        if margin_y or margin_x:
            top, left = rng.integers(0, [2 * margin_y + 1, 2 * margin_x + 1])
            crop = crop[top : top + height, left : left + width]
        if pad := self.augment.pad:
            crop = np.pad(crop, ((pad, pad), (pad, pad), (0, 0)))
            top, left = rng.integers(0, 2 * pad + 1, size=2)
            crop = crop[top : top + height, left : left + width]
        crop = change_appearance(jitter_colour(crop, self.augment.jitter, rng), self.augment, rng)
        image = crop.astype(np.float32, order="C") / np.float32(255)
        if rng.random() < self.augment.erasing:
            left, top, right, bottom = erasing_box(height, width, rng)
            image[top:bottom, left:right] = self.mean
        return image, self.classes[int(self.crops.identities[row])], self.crops.names[row]


def collate_crops(samples: list[CropSample]) -> CropBatch:
    """Stack samples of :class:`CropDataset`."""
    images, classes, names = zip(*samples, strict=True)
    # Contiguous: convolutions round differently in another memory layout, and runs must stay comparable.
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
    return CropBatch(pixels, torch.tensor(classes), list(names))
