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
from personsearch.train.distributed import World
from personsearch.train.loop import Made, Rehearsal, parts_per_process, rehearse_recipe, run_recipe, seed_everything
from personsearch.train.samplers import Batches, class_aware_batches, shuffled_batches
from personsearch.train.tasks import ReidTask
from personsearch.train.transfer import start_from
from personsearch.weights.files import BACKBONE_FILE

logger = logging.getLogger(__name__)

VALIDATION_BATCH = 64


def pretrain(config: PretrainConfig) -> Path:
    """Train the backbone on Re-ID crops with class-aware sampling (paper Eq. 1).

    Args:
        config: from ``load_pretrain``. A run folder with a checkpoint is gone on with. Under torchrun every process
            calls this.

    Returns:
        The weights folder that ``finetune`` takes as ``init``. It holds a backbone only.

    Raises:
        DatasetError: annotations or images cannot be used.
        WeightsMismatchError: ``init`` does not fit the model.
        TrainingError: see :func:`personsearch.train.loop.fit`.
    """
    return run_recipe(config, _prepare, BACKBONE_FILE)


def rehearse_pretrain(config: PretrainConfig) -> Rehearsal:
    """Check recipe, data and model, take ten steps, write nothing; see ``Rehearsal``."""
    return rehearse_recipe(config, _prepare)


def _prepare(config: PretrainConfig, everyone: World) -> Made:
    run = config.run
    parts = parts_per_process(config, everyone)
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
    task = ReidTask(config.model, len(classes), config.losses)
    start_from(task.network, config.init)
    task.to(everyone.device)

    @functools.lru_cache(maxsize=2)
    def plan(epoch: int) -> Batches:
        if config.losses.triplet:
            return class_aware_batches(
                crops.identities, config.num_identities, config.num_instances, seed=run.seed, epoch=epoch
            )
        # Softmax alone learns from plain batches of the same size (Table 6).
        multiple = everyone.size * parts * 2  # BatchNorm has no statistics of a single crop
        same = [0] * len(crops)
        return shuffled_batches(same, config.batch_size, seed=run.seed, epoch=epoch, multiple_of=multiple)

    dataset = CropDataset(crops, classes, config.augment, run.seed)
    loader = EpochLoader(dataset, plan, collate_crops, run.num_workers, everyone, parts)
    validate = None
    if held_out:
        kept = cut_crops(held_out, height, width)
        logger.info("validating on %d crops of %s", len(kept), ", ".join(config.data.holdout_places))
        validate = functools.partial(reid_figures, crops=kept, known=set(classes), everyone=everyone)
    return Made(task, task.optimizers(config.optimizer), loader, validate)


def reid_figures(task: nn.Module, *, crops: Crops, known: set[int], everyone: World) -> dict[str, float]:
    """Evaluate a ReidTask on crops; only identities that training never saw are queried with."""
    if not isinstance(task, ReidTask):
        raise TypeError(f"expected a ReidTask, got {type(task).__name__}")
    batches = [slice(start, start + VALIDATION_BATCH) for start in range(0, len(crops), VALIDATION_BATCH)]
    mine = []
    for rows in everyone.mine(batches):
        images = torch.from_numpy(crops.pixels[rows]).to(everyone.device)
        mine.append(task.embed(images.permute(0, 3, 1, 2).float() / 255).cpu().numpy())
    embeddings = np.concatenate(everyone.gathered(mine))
    result = evaluate_reid(embeddings, crops.identities, crops.cameras, ~np.isin(crops.identities, list(known)))
    return {"reid_map": result.mean_average_precision, "reid_top1": result.top1, "reid_queries": result.queries}
