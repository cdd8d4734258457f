"""STL step 1: the backbone on Re-ID crops cut from the scenes (paper section 3.2)."""

from __future__ import annotations

import functools
import logging
from pathlib import Path

import numpy as np
import torch
from torch import nn

from personsearch.errors import DatasetError
from personsearch.evaluation import evaluate_reid
from personsearch.train.checkpoint import load_checkpoint
from personsearch.train.config import PretrainConfig
from personsearch.train.data import (
    CropDataset,
    Crops,
    EpochLoader,
    collate_crops,
    cut_crops,
    number_identities,
    split_scenes,
)
from personsearch.train.loop import WEIGHTS, fit, pick_device, seed_everything
from personsearch.train.samplers import class_aware_batches
from personsearch.train.tasks import ReidTask
from personsearch.weights.files import BACKBONE_FILE, save_folder

logger = logging.getLogger(__name__)

VALIDATION_BATCH = 64


def pretrain(config: PretrainConfig) -> Path:
    """Train the backbone on Re-ID crops with class-aware sampling (paper Eq. 1).

    Args:
        config: from ``load_pretrain``. A run folder with a checkpoint is gone on with.

    Returns:
        The weights folder that ``finetune`` takes as ``init``. It holds a backbone only.

    Raises:
        DatasetError: annotations or images cannot be used.
        TrainingError: see :func:`personsearch.train.loop.fit`.
    """
    run = config.run
    seed_everything(run.seed)
    training, held_out = split_scenes(config.data)
    height, width = config.model.crop_size
    crops = cut_crops(training, height, width)
    classes = number_identities(training)
    logger.info("%d crops of %d identities, %dx%d", len(crops), len(classes), height, width)
    if len(classes) < config.num_identities:
        raise DatasetError(
            f"{config.data.annotations}: {len(classes)} identities are too few for batches of "
            f"num_identities={config.num_identities}; label more people or lower it"
        )
    task = ReidTask(config.model, len(classes), config.losses).to(pick_device(run.device))
    plan = functools.lru_cache(maxsize=2)(
        lambda epoch: class_aware_batches(
            crops.identities, config.num_identities, config.num_instances, seed=run.seed, epoch=epoch
        )
    )
    loader = EpochLoader(CropDataset(crops, classes, config.augment, run.seed), plan, collate_crops, run.num_workers)
    validate = None
    if held_out:
        kept = cut_crops(held_out, height, width)
        logger.info("validating on %d crops of %s", len(kept), ", ".join(config.data.holdout_places))
        validate = functools.partial(reid_figures, crops=kept, known=set(classes))
    best = fit(task, task.optimizers(config.optimizer), loader, config, validate)
    state = load_checkpoint(best)["task"]
    backbone = {key.removeprefix("network."): value for key, value in state.items() if key.startswith("network.")}
    return save_folder(Path(run.out) / WEIGHTS, config.model, backbone, file=BACKBONE_FILE)


def reid_figures(task: nn.Module, *, crops: Crops, known: set[int]) -> dict[str, float]:
    """Evaluate a ReidTask on crops; only identities that training never saw are queried with."""
    if not isinstance(task, ReidTask):
        raise TypeError(f"expected a ReidTask, got {type(task).__name__}")
    device = task.mean.device
    parts = []
    for start in range(0, len(crops), VALIDATION_BATCH):
        images = torch.from_numpy(crops.pixels[start : start + VALIDATION_BATCH]).to(device)
        parts.append(task.embed(images.permute(0, 3, 1, 2).float() / 255).cpu().numpy())
    result = evaluate_reid(
        np.concatenate(parts), crops.identities, crops.cameras, ~np.isin(crops.identities, list(known))
    )
    return {"reid_map": result.mean_average_precision, "reid_top1": result.top1, "reid_queries": result.queries}
