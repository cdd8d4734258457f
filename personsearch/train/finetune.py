"""STL step 2: detection and identification on whole scenes (paper section 3.3)."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from pathlib import Path

from torch import nn

from personsearch.datasets import Query, Scene
from personsearch.errors import DatasetError
from personsearch.evaluation import evaluate_detection
from personsearch.evaluation.run import detect_all, evaluate_searcher
from personsearch.images import resized_size
from personsearch.searcher import PersonSearcher
from personsearch.train.checkpoint import load_checkpoint
from personsearch.train.config import FinetuneConfig
from personsearch.train.data import EpochLoader, SceneDataset, collate_scenes, number_identities, split_scenes
from personsearch.train.loop import WEIGHTS, fit, pick_device, seed_everything
from personsearch.train.samplers import shuffled_batches
from personsearch.train.tasks import SearchTask
from personsearch.train.transfer import transfer
from personsearch.weights.files import save_folder

logger = logging.getLogger(__name__)

#: Validation queries per identity, from different cameras.
QUERIES_PER_IDENTITY = 4


def finetune(config: FinetuneConfig) -> Path:
    """Train the person-search network on scenes (paper Eq. 2 and 3), from step 1's backbone if ``init`` names it.

    Args:
        config: from ``load_finetune``. A run folder with a checkpoint is gone on with.

    Returns:
        The weights folder that ``PersonSearcher.from_pretrained`` opens.

    Raises:
        DatasetError: annotations or images cannot be used.
        WeightsMismatchError: ``init`` does not fit the model.
        TrainingError: see :func:`personsearch.train.loop.fit`.
    """
    run = config.run
    seed_everything(run.seed)
    training, held_out = split_scenes(config.data)
    classes = number_identities(training)
    if not classes:
        raise DatasetError(f"{config.data.annotations}: nobody has a person_id; identification needs labels")
    logger.info("%d scenes, %d identities", len(training), len(classes))
    task = SearchTask(config.model, len(classes))
    if config.init is None:
        logger.warning("init is not set: the whole network starts from random weights")
    else:
        report = transfer(task.network, config.init)
        logger.info("loaded %d tensors from %s", len(report.loaded), config.init)
        logger.info("left as built: %s", ", ".join(report.fresh))
    task.to(pick_device(run.device))
    size = config.model.input
    canvases = [resized_size(scene.height, scene.width, size.min_size, size.max_size) for scene in training]
    plan = functools.lru_cache(maxsize=2)(
        lambda epoch: shuffled_batches(canvases, config.batch_size, seed=run.seed, epoch=epoch)
    )
    dataset = SceneDataset(training, classes, config.model, config.augment, run.seed)
    loader = EpochLoader(dataset, plan, collate_scenes, run.num_workers)
    validate = None
    if held_out:
        queries = validation_queries(held_out, set(classes))
        logger.info("validating on %d scenes, %d queries", len(held_out), len(queries))
        if not queries:
            logger.warning(
                "training knows everybody whom the held-out places show twice: detection alone selects the best epoch"
            )
        validate = functools.partial(search_figures, scenes=held_out, queries=queries)
    best = fit(task, task.optimizers(config.optimizer), loader, config, validate)
    state = load_checkpoint(best)["task"]
    tensors = {key.removeprefix("network."): value for key, value in state.items() if key.startswith("network.")}
    return save_folder(Path(run.out) / WEIGHTS, config.model, tensors)


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


def search_figures(task: nn.Module, *, scenes: Sequence[Scene], queries: Sequence[Query]) -> dict[str, float]:
    """Evaluate a SearchTask's network on held-out scenes.

    The first figure selects: the mean of AP and mAP, or AP where there are no queries.
    """
    if not isinstance(task, SearchTask):
        raise TypeError(f"expected a SearchTask, got {type(task).__name__}")
    device = next(task.parameters()).device
    searcher = PersonSearcher(task.network, device=device, dtype="float32")
    if not queries:
        result = evaluate_detection(detect_all(searcher, scenes, progress=False), scenes)
        return {"selection": result.ap, "AP": result.ap, "recall": result.recall}
    figures = evaluate_searcher(searcher, scenes, queries, progress=False).figures()
    return {"selection": (figures["AP"] + figures["mAP"]) / 2, **figures}
