"""Annotated scenes as training samples: Re-ID crops for step 1, scenes for step 2.

A sample's augmentation depends on (seed, epoch, index) alone: the number of workers changes nothing, and a resumed
run sees what the undisturbed one would have seen.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from personsearch.canvas import to_canvas
from personsearch.datasets import Scene, load_dataset
from personsearch.errors import DatasetError
from personsearch.models import ModelConfig, Target
from personsearch.pictures.decode import load_image
from personsearch.train.config import CropAugmentConfig, DataConfig, SceneAugmentConfig
from personsearch.train.distributed import World
from personsearch.train.samplers import Batches

logger = logging.getLogger(__name__)

Image8 = NDArray[np.uint8]

#: An annotated box of which zooming leaves less than this share is ignored rather than learnt as a person.
MIN_VISIBLE = 0.35


@dataclass(frozen=True)
class CropBatch:
    """images (N, 3, h, w) float32 RGB 0..1, identities (N,), erase (N, 4) int xyxy to blank, names (N)."""

    images: Tensor
    identities: Tensor
    erase: Tensor
    names: list[str]

    def to(self, device: torch.device) -> CropBatch:
        """Return the batch on another device."""
        return CropBatch(self.images.to(device), self.identities.to(device), self.erase.to(device), self.names)


@dataclass(frozen=True)
class SceneBatch:
    """images (N, 3, H, W) float32 RGB 0..1 on one canvas size, their targets, names (N)."""

    images: Tensor
    targets: list[Target]
    names: list[str]

    def to(self, device: torch.device) -> SceneBatch:
        """Return the batch on another device."""
        targets = [Target(*(field.to(device) for field in target)) for target in self.targets]
        return SceneBatch(self.images.to(device), targets, self.names)


@dataclass(frozen=True, eq=False)
class Crops:
    """Re-ID crops in memory.

    Attributes:
        pixels: (N, h, w, 3) uint8 RGB.
        identities: (N,) int64.
        cameras: (N) camera names.
        names: (N) scene and box, for messages.
    """

    pixels: Image8
    identities: NDArray[np.int64]
    cameras: list[str | None]
    names: list[str]

    def __len__(self) -> int:
        return len(self.pixels)


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
    scenes = list(dataset.scenes)
    places = {scene.place for scene in scenes}
    unknown = set(data.holdout_places) - places
    if unknown:
        known = ", ".join(sorted(place for place in places if place)) or "none"
        raise DatasetError(f"{data.annotations}: no place {sorted(unknown)[0]!r} to hold out; places are: {known}")
    training = [scene for scene in scenes if scene.place not in data.holdout_places]
    if not training:
        raise DatasetError(f"{data.annotations}: holding out {', '.join(data.holdout_places)} leaves nothing")
    return training, [scene for scene in scenes if scene.place in data.holdout_places]


def cut_crops(scenes: Sequence[Scene], height: int, width: int) -> Crops:
    """Cut every labelled person out of the scenes, resized to ``height`` x ``width``.

    Raises:
        DatasetError: no scene has a labelled person.
        ImageError: a scene cannot be read.
    """
    pixels: list[Image8] = []
    identities: list[int] = []
    cameras: list[str | None] = []
    names: list[str] = []
    for scene in scenes:
        labelled = np.flatnonzero(scene.identities >= 0)
        if not len(labelled):
            continue
        image = Image.fromarray(load_image(scene.path))
        for row in labelled.tolist():
            box = tuple(float(value) for value in scene.boxes[row])
            crop = image.resize((width, height), Image.Resampling.BILINEAR, box=(box[0], box[1], box[2], box[3]))
            pixels.append(np.asarray(crop))
            identities.append(int(scene.identities[row]))
            cameras.append(scene.camera)
            names.append(f"{scene.image_id}#{row}")
    if not pixels:
        raise DatasetError("no scene has a labelled person: step 1 needs person_id >= 0 in the annotations")
    return Crops(np.stack(pixels), np.array(identities, dtype=np.int64), cameras, names)


def number_identities(scenes: Sequence[Scene]) -> dict[int, int]:
    """Return label -> class index 0..C-1 over the labelled people of the scenes, by rising label."""
    labels = {int(label) for scene in scenes for label in scene.identities if label >= 0}
    return {label: number for number, label in enumerate(sorted(labels))}


class CropDataset(Dataset[tuple[Image8, int, Image8, str]]):
    """Augmented crops by (epoch, index)."""

    def __init__(self, crops: Crops, classes: dict[int, int], augment: CropAugmentConfig, seed: int) -> None:
        self.crops = crops
        self.classes = classes
        self.augment = augment
        self.seed = seed

    def __getitem__(self, key: tuple[int, int, int]) -> tuple[Any, ...]:
        epoch, position, row = key
        rng = np.random.default_rng([self.seed, epoch, position])
        crop = self.crops.pixels[row]
        height, width = crop.shape[:2]
        if rng.random() < self.augment.flip:
            crop = crop[:, ::-1]
        if pad := self.augment.pad:
            crop = np.pad(crop, ((pad, pad), (pad, pad), (0, 0)))
            top, left = rng.integers(0, 2 * pad + 1, size=2)
            crop = crop[top : top + height, left : left + width]
        crop = jitter_colour(crop, self.augment.jitter, rng)
        erase = erasing_box(height, width, rng) if rng.random() < self.augment.erasing else (0, 0, 0, 0)
        label = self.classes[int(self.crops.identities[row])]
        return np.ascontiguousarray(crop), label, erase, self.crops.names[row]


def erasing_box(height: int, width: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Draw the rectangle of random erasing: area 2-40 %, aspect 0.3-3.33 (paper ref [24]); xyxy pixels."""
    for _ in range(100):
        area = rng.uniform(0.02, 0.4) * height * width
        aspect = rng.uniform(0.3, 1 / 0.3)
        h, w = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
        if 0 < h < height and 0 < w < width:
            top, left = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
            return left, top, left + w, top + h
    return 0, 0, 0, 0


def jitter_colour(image: Image8, amount: float, rng: np.random.Generator) -> Image8:
    """Change brightness, contrast and the colour channels' gains by up to ``amount`` each."""
    if amount == 0:
        return image
    gains = rng.uniform(1 - amount, 1 + amount) * rng.uniform(1 - amount / 2, 1 + amount / 2, size=3)
    contrast = rng.uniform(1 - amount, 1 + amount)
    # One table of 256 entries per channel: the whole change is a function of the value alone.
    mean = image.mean()
    table = ((np.arange(256)[:, None] - mean) * contrast + mean) * gains
    lut = table.round().clip(0, 255).astype(np.uint8)
    return np.stack([lut[image[..., channel], channel] for channel in range(3)], axis=-1)


def collate_crops(samples: list[tuple[Any, ...]]) -> CropBatch:
    """Stack samples of :class:`CropDataset`."""
    pixels, labels, erase, names = zip(*samples, strict=True)
    images = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 255
    return CropBatch(images, torch.tensor(labels), torch.tensor(erase), list(names))


class SceneDataset(Dataset[tuple[Tensor, Target, str]]):
    """Augmented scenes on their canvas by (epoch, index)."""

    def __init__(
        self,
        scenes: Sequence[Scene],
        classes: dict[int, int],
        model: ModelConfig,
        augment: SceneAugmentConfig,
        seed: int,
    ) -> None:
        self.scenes = scenes
        self.classes = classes
        self.model = model
        self.augment = augment
        self.seed = seed

    def __getitem__(self, key: tuple[int, int, int]) -> tuple[Tensor, Target, str]:
        epoch, position, row = key
        rng = np.random.default_rng([self.seed, epoch, position])
        scene = self.scenes[row]
        image, boxes, ignore = load_image(scene.path), scene.boxes, scene.ignore.copy()
        if image.shape[:2] != (scene.height, scene.width):
            raise DatasetError(
                f"{scene.path}: is {image.shape[1]}x{image.shape[0]}, annotated as {scene.width}x{scene.height}"
            )
        identities = np.array([self.classes.get(label, -1) for label in scene.identities.tolist()], dtype=np.int64)
        if self.augment.zoom > 1 and rng.random() < self.augment.zoom_share:
            image, boxes, lost = zoom_in(image, boxes, self.augment.zoom, rng)
            gone = (boxes[:, 2:] - boxes[:, :2]).min(axis=1) < 1
            ignore |= lost
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
    image: Image8, boxes: NDArray[np.float32], zoom: float, rng: np.random.Generator
) -> tuple[Image8, NDArray[np.float32], NDArray[np.bool_]]:
    """Blow a random window of the scene's own shape up to the scene's size.

    Returns:
        The image (H, W, 3), all boxes in it (clipped, some without area), and which of them lost so much to the
        window's edge that they should be ignored.
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


def collate_scenes(samples: list[tuple[Tensor, Target, str]]) -> SceneBatch:
    """Stack samples of :class:`SceneDataset` that share a canvas size."""
    pixels, targets, names = zip(*samples, strict=True)
    return SceneBatch(torch.stack(list(pixels)).float() / 255, list(targets), list(names))


Batch = TypeVar("Batch", CropBatch, SceneBatch)


class EpochLoader(Generic[Batch]):
    """The batches of an epoch, from any one of them on, cut into the parts of this process."""

    def __init__(
        self,
        dataset: Dataset[Any],
        plan: Callable[[int], Batches],
        collate: Callable[[list[Any]], Batch],
        num_workers: int,
        world: World,
        parts: int,
    ) -> None:
        """Wrap a data set.

        Args:
            dataset: takes (epoch, position in the epoch, row).
            plan: epoch -> batches of rows, whose length ``world.size * parts`` divides; a pure function.
            collate: list of samples -> batch.
            num_workers: loading processes.
            world: the processes of the run; each takes neighbouring rows of a batch.
            parts: into which a process cuts what it takes.
        """
        self.dataset = dataset
        self.plan = plan
        self.collate: Callable[[list[Any]], Batch] = collate
        self.num_workers = num_workers
        self.world = world
        self.parts = parts

    def steps(self, epoch: int) -> int:
        """Return the number of batches of an epoch."""
        return len(self.plan(epoch))

    def batches(self, epoch: int, skip: int = 0) -> Iterator[list[Batch]]:
        """Yield this process's parts of each batch of an epoch after the first ``skip``."""
        keys: list[list[tuple[int, int, int]]] = []
        position = 0
        shares = self.world.size * self.parts
        for number, rows in enumerate(self.plan(epoch)):
            length = len(rows) // shares
            for part in range(self.world.rank * self.parts, (self.world.rank + 1) * self.parts):
                mine = range(part * length, (part + 1) * length)
                if number >= skip:
                    keys.append([(epoch, position + i, rows[i]) for i in mine])
            position += len(rows)
        loader: DataLoader[Any] = DataLoader(
            self.dataset,
            batch_sampler=keys,
            collate_fn=self.collate,
            num_workers=self.num_workers,
            pin_memory=self.world.device.type == "cuda",
            # Its own generator: by default every new loader takes a number from torch's.
            generator=torch.Generator(),
        )
        gathered: list[Batch] = []
        for batch in loader:
            gathered.append(batch)
            if len(gathered) == self.parts:
                yield gathered
                gathered = []
