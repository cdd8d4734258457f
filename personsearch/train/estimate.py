"""How long a step of STL would take on this machine, from a few steps on made-up samples: no image is read for it."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch

from personsearch.canvas import padded_size, resized_size
from personsearch.datasets import load_dataset
from personsearch.device import choose_device
from personsearch.models import Target
from personsearch.train.config import FinetuneConfig, PretrainConfig
from personsearch.train.crops import CropBatch
from personsearch.train.distill import load_teacher
from personsearch.train.distributed import World
from personsearch.train.dkd_like import load_reid_teacher
from personsearch.train.scenes import SceneBatch, collate_scenes
from personsearch.train.stepping import Stepper
from personsearch.train.tasks import ReidTask, SearchTask

#: Steps taken before the timed ones: the first ones load libraries and choose algorithms.
WARM_UP, TIMED = 1, 2
#: A validation computes what a third of a step computes for as many samples: there is nothing to differentiate.
FORWARD = 1 / 3
PEOPLE_PER_SCENE = 4


@dataclass(frozen=True)
class SetSize:
    """What decides how long training on a set takes.

    Attributes:
        crops: labelled boxes of each identity, of the training split.
        scenes: of the training split.
        held_out_scenes: that validation sees.
        held_out_crops: labelled boxes in them.
        height: of a scene, pixels.
        width: of a scene, pixels.
    """

    crops: tuple[int, ...]
    scenes: int
    held_out_scenes: int
    held_out_crops: int
    height: int
    width: int


def measure_set(training: Path, held_out: Path, images: Path) -> SetSize:
    """Read the size of a set from its two COCO-style json files, whose pictures are below ``images``."""
    ours = load_dataset(training, "train", images=images, require_images=False).scenes
    theirs = load_dataset(held_out, "train", images=images, require_images=False).scenes
    counts = Counter(int(label) for scene in ours for label in scene.identities if label >= 0)
    return SetSize(
        crops=tuple(counts.values()),
        scenes=len(ours),
        held_out_scenes=len(theirs),
        held_out_crops=sum(int((scene.identities >= 0).sum()) for scene in theirs),
        height=ours[0].height,
        width=ours[0].width,
    )


def estimate_pretrain(config: PretrainConfig, size: SetSize) -> float:
    """Return how many seconds step 1 would take from its start to its end."""
    identities = max(len(size.crops), 2)
    task = ReidTask(config.model, identities, config.losses)
    task.teacher = load_teacher(config.distill, step_of_stl=config.step_of_stl)
    height, width = config.model.crop_size
    classes = torch.arange(config.batch_size) // config.num_instances % identities
    batch = CropBatch(torch.rand(config.batch_size, 3, height, width), classes, ["made up"] * config.batch_size)
    seconds = _seconds_per_step(task, batch, config)
    batches = identities
    if config.sampling == "class_aware":
        batches = max(1, sum(max(1, count // config.num_instances) for count in size.crops) // config.num_identities)
    steps = config.schedule.epochs * batches
    return seconds * (steps + _validations(config) * FORWARD * size.held_out_crops / config.batch_size)


def estimate_finetune(config: FinetuneConfig, size: SetSize) -> float:
    """Return how many seconds step 2 would take from its start to its end."""
    reid_teacher = load_reid_teacher(config.dkd_like, config.model, None)
    identities = max(len(size.crops), 1) if reid_teacher is None else len(reid_teacher.classifier)
    counts = torch.full((identities,), 2)
    task = SearchTask.of_recipe(config, counts, reid_teacher)
    rule = config.model.input
    height, width = padded_size(*resized_size(size.height, size.width, rule.min_size, rule.max_size))
    left = torch.arange(PEOPLE_PER_SCENE) * (width / PEOPLE_PER_SCENE)
    top = torch.full_like(left, height * 0.2)
    boxes = torch.stack([left, top, left + width / PEOPLE_PER_SCENE / 2, top + height * 0.5], dim=1)
    classes = torch.arange(PEOPLE_PER_SCENE) % len(counts)
    target = Target(boxes, classes, torch.zeros(PEOPLE_PER_SCENE, dtype=torch.bool))
    pixels = torch.randint(256, (3, height, width), dtype=torch.uint8)
    batch = collate_scenes([(pixels, target, "made up")] * config.batch_size)
    seconds = _seconds_per_step(task, batch, config)
    steps = config.schedule.epochs * math.ceil(size.scenes / config.batch_size)
    return seconds * (steps + _validations(config) * FORWARD * size.held_out_scenes / config.batch_size)


def _validations(config: PretrainConfig | FinetuneConfig) -> int:
    return math.ceil(config.schedule.epochs / config.run.validate_every)


def _seconds_per_step(
    task: ReidTask | SearchTask, batch: CropBatch | SceneBatch, config: PretrainConfig | FinetuneConfig
) -> float:
    device = choose_device(config.run.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    task.to(device).train()
    stepper = Stepper(task, task.optimizers(config.optimizer), config, World(0, 1, device))
    started = 0.0
    for number in range(WARM_UP + TIMED):
        if number == WARM_UP:
            started = time.perf_counter()
        float(stepper.step([batch], number, 0.0)["loss"])  # waits for the device
    return (time.perf_counter() - started) / TIMED
