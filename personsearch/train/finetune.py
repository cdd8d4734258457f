"""STL step 2: detection and identification on whole scenes (paper section 3.3)."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from personsearch.canvas import resized_size
from personsearch.datasets import Accounting, Dataset, Query, Scene
from personsearch.errors import DatasetError
from personsearch.evaluation import evaluate_detection, evaluate_search
from personsearch.evaluation.evaluate import figures_of
from personsearch.measure.observe import detect_all, embed_queries
from personsearch.pictures.drawing import draw
from personsearch.searcher import PersonSearcher
from personsearch.train.config import FinetuneConfig
from personsearch.train.data import EpochLoader, SceneDataset, collate_scenes, number_identities, split_scenes
from personsearch.train.distributed import World
from personsearch.train.loop import Made, Rehearsal, parts_per_process, rehearse_recipe, run_recipe, seed_everything
from personsearch.train.samplers import shuffled_batches
from personsearch.train.tasks import SearchTask
from personsearch.train.transfer import start_from
from personsearch.weights.files import MODEL_FILE

logger = logging.getLogger(__name__)

#: Validation queries per identity, from different cameras.
QUERIES_PER_IDENTITY = 4
#: Held-out scenes that TensorBoard shows with what is found in them.
ILLUSTRATED = 4


def finetune(config: FinetuneConfig) -> Path:
    """Train the person-search network on scenes (paper Eq. 2 and 3), from step 1's backbone if ``init`` names it.

    Args:
        config: from ``load_finetune``. A run folder with a checkpoint is gone on with. Under torchrun every process
            calls this.

    Returns:
        The weights folder that ``PersonSearcher.from_pretrained`` opens.

    Raises:
        DatasetError: annotations or images cannot be used.
        WeightsMismatchError: ``init`` does not fit the model.
        TrainingError: see :func:`personsearch.train.loop.fit`.
    """
    return run_recipe(config, _prepare, MODEL_FILE)


def rehearse_finetune(config: FinetuneConfig) -> Rehearsal:
    """Check recipe, data and model, take ten steps, write nothing; see ``Rehearsal``."""
    return rehearse_recipe(config, _prepare)


def _prepare(config: FinetuneConfig, everyone: World) -> Made:
    run = config.run
    parts = parts_per_process(config, everyone)
    seed_everything(run.seed)
    training, held_out = split_scenes(config.data)
    classes = number_identities(training)
    if not classes:
        raise DatasetError(f"{config.data.annotations}: nobody has a person_id; identification needs labels")
    logger.info("%d scenes, %d identities", len(training), len(classes))
    labels = np.concatenate([scene.identities[scene.identities >= 0] for scene in training])
    counts = torch.from_numpy(np.bincount([classes[int(label)] for label in labels], minlength=len(classes)))
    task = SearchTask(config.model, counts, config.identity_loss, freeze_bn=config.freeze_bn)
    start_from(task.network, config.init)
    task.to(everyone.device)
    size = config.model.input
    canvases = [resized_size(scene.height, scene.width, size.min_size, size.max_size) for scene in training]
    plan = functools.lru_cache(maxsize=2)(
        lambda epoch: shuffled_batches(
            canvases, config.batch_size, seed=run.seed, epoch=epoch, multiple_of=everyone.size * parts
        )
    )
    dataset = SceneDataset(training, classes, config.model, config.augment, run.seed)
    loader = EpochLoader(dataset, plan, collate_scenes, run.num_workers, everyone, parts)
    optimizers = task.optimizers(config.optimizer)
    if not held_out:
        return Made(task, optimizers, loader)
    queries = validation_queries(held_out, set(classes))
    logger.info("validating on %d scenes, %d queries", len(held_out), len(queries))
    if not queries:
        logger.warning(
            "training knows everybody whom the held-out places show twice: detection alone selects the best epoch"
        )
    return Made(
        task,
        optimizers,
        loader,
        functools.partial(search_figures, scenes=held_out, queries=queries, everyone=everyone),
        functools.partial(illustrations, scenes=held_out[:ILLUSTRATED]),
    )


def validation_queries(scenes: Sequence[Scene], known: set[int]) -> list[Query]:
    """Choose queries among people that training never saw and that at least two of the scenes show.

    Args:
        scenes: the held-out ones.
        known: identities of the training part.

    Returns:
        Up to four queries per identity, of different cameras, in the scenes' order.
    """
    seen: dict[int, list[tuple[Scene, int]]] = {}
    for scene in scenes:
        for row, identity in enumerate(scene.identities.tolist()):
            if identity >= 0 and identity not in known:
                seen.setdefault(identity, []).append((scene, row))
    queries = []
    for identity, places in sorted(seen.items()):
        if len(places) < 2:
            continue
        by_camera = {scene.camera: (scene, row) for scene, row in reversed(places)}
        for scene, row in list(by_camera.values())[:QUERIES_PER_IDENTITY]:
            queries.append(Query(image_id=scene.image_id, box=scene.boxes[row], identity=identity))
    return queries


def search_figures(
    task: nn.Module, *, scenes: Sequence[Scene], queries: Sequence[Query], everyone: World
) -> dict[str, float]:
    """Evaluate a SearchTask's network on held-out scenes, each process on its share.

    The first figure selects: the mean of AP and mAP, or AP where there are no queries.
    """
    searcher = _searcher(task)
    parts = everyone.everybodys(detect_all(searcher, everyone.mine(scenes), progress=False))
    detections = {name: found for part in parts for name, found in part.items()}
    detected = evaluate_detection(detections, scenes)
    if not queries:
        return {"selection": detected.ap, "AP": detected.ap, "recall": detected.recall}
    asked = everyone.mine(queries)
    mine = embed_queries(searcher.embed_boxes, scenes, asked, progress=False) if asked else ()
    held_out = Dataset(
        name="held out", scenes=tuple(scenes), queries=tuple(queries), accounting=Accounting(rows=0, kept=0)
    )
    ranked = evaluate_search(detections, held_out, np.stack(everyone.gathered(list(mine))))
    figures = figures_of(detected, ranked)
    return {"selection": (figures["AP"] + figures["mAP"]) / 2, **figures}


def illustrations(task: nn.Module, *, scenes: Sequence[Scene]) -> dict[str, NDArray[np.uint8]]:
    """Draw what a SearchTask's network finds in some scenes."""
    searcher = _searcher(task)
    return {
        f"detections/{scene.image_id}": np.asarray(draw(scene.path, searcher.detect(scene.path))) for scene in scenes
    }


def _searcher(task: nn.Module) -> PersonSearcher:
    if not isinstance(task, SearchTask):
        raise TypeError(f"expected a SearchTask, got {type(task).__name__}")
    return PersonSearcher(task.network, device=next(task.parameters()).device, dtype="float32")
