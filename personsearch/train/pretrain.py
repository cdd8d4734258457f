"""STL step 1: the backbone on Re-ID crops cut from the scenes (paper section 3.1)."""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from personsearch.errors import DatasetError
from personsearch.evaluation import evaluate_reid
from personsearch.results import Floats
from personsearch.train.checkpoint import LAST
from personsearch.train.config import PretrainConfig
from personsearch.train.crops import CropDataset, Crops, collate_crops, cut_crops
from personsearch.train.data import SplitScenes, number_identities
from personsearch.train.distill import load_teacher
from personsearch.train.distributed import World
from personsearch.train.loader import EpochLoader
from personsearch.train.loop import run_recipe
from personsearch.train.record import record_of
from personsearch.train.rehearsal import Rehearsal, rehearse_recipe
from personsearch.train.samplers import Batches, ClassAwareSampler, NeighbourSampler, shuffled_batches
from personsearch.train.setup import DIVERGED, Mining, TrainingSetup, Validation, seed_everything
from personsearch.train.tasks import ReidTask
from personsearch.train.transfer import start_from
from personsearch.weights.files import BACKBONE_FILE

logger = logging.getLogger(__name__)

#: Crops that validation and mining embed together.
VALIDATION_BATCH = 64
VALIDATION_NEEDS = (
    "a person whom training never saw, in two held-out scenes of different cameras or without a camera name"
)


def pretrain(config: PretrainConfig) -> Path:
    """Train the backbone on Re-ID crops (paper Eq. 1).

    Args:
        config: from ``load_pretrain``. If the run's folder has a checkpoint, the run continues from it. Under torchrun
            every process calls this.

    Returns:
        The weights folder that ``finetune`` takes as ``init``. It holds a backbone only.

    Raises:
        ConfigError: the batch does not divide among the processes, or this machine lacks the device.
        DatasetError: annotations or images cannot be used.
        WeightsMismatchError: ``init`` does not fit the model.
        TrainingError: see :func:`personsearch.train.loop.fit`.
    """
    return run_recipe(config, _set_up, BACKBONE_FILE)


def rehearse_pretrain(config: PretrainConfig, *, progress: bool | None = None) -> Rehearsal:
    """Check recipe, data, every picture and the model, take a few steps, write nothing.

    Args:
        config: from ``load_pretrain``.
        progress: of reading the pictures: None = a bar on a terminal, True = always a bar, False = silence.

    Raises:
        PersonSearchError: see :func:`personsearch.train.rehearsal.rehearse_recipe`.
    """
    return rehearse_recipe(config, _set_up, progress=progress)


def _set_up(config: PretrainConfig, scenes: SplitScenes, world: World) -> TrainingSetup[ReidTask]:
    seed_everything(config.run.seed)
    height, width = config.model.crop_size
    crops = cut_crops(scenes.training, height, width, may_skip=scenes.may_skip, context=config.augment.context)
    left_out = {one.image_id: one.why for one in crops.left_out}
    used = [row for row, scene in enumerate(scenes.training) if scene.image_id not in left_out]
    training, held_out, weights = [scenes.training[row] for row in used], scenes.held_out, scenes.weights[used]
    classes = number_identities(training)
    logger.info("%d crops of %d identities, %dx%d", len(crops), len(classes), height, width)
    if len(classes) < config.num_identities:
        raise DatasetError(
            f"{config.data.name}: {len(classes)} identities are too few for batches of "
            f"num_identities={config.num_identities}; label more people"
            + (f", or lower it: num_identities={len(classes)}" if len(classes) > 1 else "")
        )
    crop_weights = np.repeat(weights, [int((scene.identities >= 0).sum()) for scene in training])
    teacher = load_teacher(config.distill, step_of_stl=config.step_of_stl)
    task = ReidTask(config.model, len(classes), config.losses, teacher=teacher)
    start_from(task.network, config.init, checkpoint=Path(config.run.out) / LAST)
    task.to(world.device)
    _say_where_the_hardest_are_found(config, world)
    plan, mining = _plan(crops, crop_weights, config, world)
    loader = EpochLoader(
        CropDataset(crops, classes, config.augment, config.model.input.mean, config.run.seed),
        plan,
        collate_crops,
        config.run.num_workers,
        world,
        config.steps.accumulate,
    )
    validation = None
    if held_out:
        kept = cut_crops(held_out, height, width, may_skip=scenes.may_skip)
        left_out |= {one.image_id: one.why for one in kept.left_out}
        unseen = int((~np.isin(kept.identities, list(classes))).sum())
        logger.info(
            "validating on %d crops of %s, %d of them of people whom training never saw",
            len(kept),
            ", ".join(dict.fromkeys(place for one in config.data.all_sets for place in one.holdout_places))
            or f"{len(held_out)} scenes",
            unseen,
        )
        figures = functools.partial(reid_figures, crops=kept, known=set(classes), world=world)
        validation = Validation(figures, VALIDATION_NEEDS)
    ranked = [scene for scene in held_out if scene.image_id not in left_out]
    data = record_of(training, ranked, classes, scenes.names)
    return TrainingSetup(
        task, task.optimizers(config.optimizer), loader, data, len(scenes.training), validation, mining, left_out
    )


def _say_where_the_hardest_are_found(config: PretrainConfig, world: World) -> None:
    shares = world.size * config.steps.accumulate
    if config.losses.triplet and shares > 1:
        logger.warning(
            "batches are cut into %d parts (processes x steps.accumulate), and the triplet loss finds its hardest "
            "people among the %d of a part, not all %d: the result is not that of whole batches, for which one GPU has "
            "room",
            shares,
            config.num_identities // shares,
            config.num_identities,
        )


def _plan(
    crops: Crops, weights: NDArray[np.float64], config: PretrainConfig, world: World
) -> tuple[Callable[[int], Batches], Mining[ReidTask] | None]:
    """Return the batches of crops by epoch, and what the network has to find for them."""
    seed = config.run.seed
    if not config.losses.triplet:  # paper Table 6
        # BatchNorm has no statistics of a single crop, so every part gets at least two.
        multiple_of = world.size * config.steps.accumulate * 2
        return (
            lambda epoch: shuffled_batches(weights, config.batch_size, seed=seed, epoch=epoch, multiple_of=multiple_of)
        ), None
    people, each = config.num_identities, config.num_instances
    if config.sampling == "class_aware":
        return ClassAwareSampler(crops.identities, people, each, seed=seed, weights=weights).batches, None
    sampler = NeighbourSampler(crops.identities, people, each, seed=seed, weights=weights)
    mining = Mining(functools.partial(find_neighbours, crops=crops, sampler=sampler, world=world))

    def plan(epoch: int) -> Batches:
        return sampler.batches(epoch, None if mining.found is None else mining.found.numpy())

    return plan, mining


def find_neighbours(task: ReidTask, epoch: int, *, crops: Crops, sampler: NeighbourSampler, world: World) -> Tensor:
    """Find who resembles whom by a crop of each identity.

    Args:
        task: in evaluation mode, on the process's device.
        epoch: whose batches the answer is for; it also decides which crops.
        crops: of the training split, as the sampler knows them.
        sampler: makes the batches.
        world: of which this process embeds all the crops.

    Returns:
        (C, P - 1) int64 on the CPU, see :meth:`NeighbourSampler.neighbours`.
    """
    batches = _in_batches(sampler.one_of_each(epoch))
    embeddings = np.concatenate([_embed(task, crops, rows, world) for rows in batches])
    neighbours = sampler.neighbours(embeddings)
    nearest = (embeddings * embeddings[neighbours[:, 0]]).sum(axis=1).mean()
    logger.info("epoch %d: an identity and its nearest neighbour have a similarity of %.3f on average", epoch, nearest)
    return torch.from_numpy(neighbours)


def _in_batches(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [rows[start : start + VALIDATION_BATCH] for start in range(0, len(rows), VALIDATION_BATCH)]


def _embed(task: ReidTask, crops: Crops, rows: NDArray[np.int64], world: World) -> Floats:
    """Return the embeddings (N, D) of some crops, as they are."""
    images = torch.from_numpy(crops.boxes(rows)).to(world.device)
    embeddings: Floats = task.embed(images.permute(0, 3, 1, 2).float() / 255).cpu().numpy()
    return embeddings


def reid_figures(task: ReidTask, *, crops: Crops, known: set[int], world: World) -> dict[str, float]:
    """Evaluate step 1's task on crops, each process on its share.

    Args:
        task: in evaluation mode, on the process's device.
        crops: to rank.
        known: labels that training has seen; their crops are ranked, but not queried with.
        world: the processes of the run.

    Returns:
        ``reid_map``, which selects the best epoch, ``reid_top1``, and the number of queries that count,
        ``reid_queries``. Without any, or if embeddings are not finite, the first two are NaN.
    """
    share = [_embed(task, crops, rows, world) for rows in world.share_of(_in_batches(np.arange(len(crops))))]
    embeddings = np.concatenate(world.join_shares(share))
    if not np.isfinite(embeddings).all():
        logger.warning("%s", DIVERGED.format("embeddings of held-out people are not finite"))
        return {"reid_map": math.nan, "reid_top1": math.nan, "reid_queries": 0}
    result = evaluate_reid(embeddings, crops.identities, crops.cameras, ~np.isin(crops.identities, list(known)))
    return {"reid_map": result.mean_average_precision, "reid_top1": result.top1, "reid_queries": result.queries}
