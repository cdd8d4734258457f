"""STL step 2: detection and identification on whole scenes (paper section 3.1)."""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from personsearch.canvas import to_canvas
from personsearch.datasets import Accounting, Dataset, Query, Scene
from personsearch.errors import DatasetError, ImageError, PersonSearchError
from personsearch.evaluation import evaluate_detection, evaluate_search
from personsearch.evaluation.evaluate import figures_of
from personsearch.evaluation.observations import Observations
from personsearch.measure.observe import observe
from personsearch.pictures.drawing import draw
from personsearch.searcher import PersonSearcher
from personsearch.train.checkpoint import LAST
from personsearch.train.config import FinetuneConfig
from personsearch.train.data import SplitScenes, number_identities
from personsearch.train.distributed import World
from personsearch.train.dkd_like import load_reid_teacher
from personsearch.train.loader import EpochLoader
from personsearch.train.loop import run_recipe
from personsearch.train.reading import find_unusable, read_scene, refusal, require_most
from personsearch.train.record import record_of
from personsearch.train.rehearsal import Rehearsal, rehearse_recipe
from personsearch.train.samplers import Batches, shuffled_batches
from personsearch.train.scenes import SceneDataset, collate_scenes
from personsearch.train.setup import DIVERGED, TrainingSetup, Validation, seed_everything
from personsearch.train.tasks import SearchTask
from personsearch.train.transfer import start_from
from personsearch.weights.files import MODEL_FILE

logger = logging.getLogger(__name__)

#: Most validation queries per identity, each from another camera.
QUERIES_PER_IDENTITY = 4
#: Held-out scenes that TensorBoard shows with their detections.
ILLUSTRATED = 4
VALIDATION_NEEDS = "people in the held-out scenes, in boxes that are not ignored"


def finetune(config: FinetuneConfig) -> Path:
    """Train the person-search network on scenes (paper Eq. 2 and 3), from step 1's backbone if ``init`` names it.

    Args:
        config: from ``load_finetune``. If the run's folder has a checkpoint, the run continues from it. Under torchrun
            every process calls this.

    Returns:
        The weights folder that ``PersonSearcher.from_pretrained`` opens.

    Raises:
        ConfigError: the batch does not divide among the processes, or this machine lacks the device.
        DatasetError: annotations or images cannot be used.
        WeightsMismatchError: ``init`` does not fit the model.
        TrainingError: see :func:`personsearch.train.loop.fit`.
    """
    return run_recipe(config, _set_up, MODEL_FILE)


def rehearse_finetune(config: FinetuneConfig, *, progress: bool | None = None) -> Rehearsal:
    """Check recipe, data, every picture and the model, take a few steps, write nothing.

    Args:
        config: from ``load_finetune``.
        progress: of reading the pictures: None = a bar on a terminal, True = always a bar, False = silence.

    Raises:
        PersonSearchError: see :func:`personsearch.train.rehearsal.rehearse_recipe`.
    """
    return rehearse_recipe(config, _set_up, progress=progress)


def _set_up(config: FinetuneConfig, scenes: SplitScenes, world: World) -> TrainingSetup[SearchTask]:
    seed, parts = config.run.seed, config.steps.accumulate
    seed_everything(seed)
    training, held_out, weights = scenes.training, scenes.held_out, scenes.weights
    classes = number_identities(training)
    if not classes:
        raise DatasetError(
            f"{config.data.name}: nobody has a person_id, and identification cannot be learnt without; "
            "label people who are seen more than once"
        )
    logger.info("%d scenes, %d identities", len(training), len(classes))
    if len(classes) == 1:
        logger.warning(
            "%s: everybody with a person_id is the same person, so there is nobody to tell apart: the identity loss is "
            "0 and embeddings learn nothing; label more people",
            config.data.name,
        )
    labels = np.concatenate([scene.identities[scene.identities >= 0] for scene in training])
    counts = torch.from_numpy(np.bincount([classes[int(label)] for label in labels], minlength=len(classes)))
    data = record_of(training, held_out, classes, scenes.names)
    reid_teacher = load_reid_teacher(config.dkd_like, config.model, data.people)
    task = SearchTask.of_recipe(config, counts, reid_teacher)
    start_from(task.network, config.init, checkpoint=Path(config.run.out) / LAST)
    task.to(world.device)

    def plan(epoch: int) -> Batches:
        return shuffled_batches(weights, config.batch_size, seed=seed, epoch=epoch, multiple_of=world.size * parts)

    dataset = SceneDataset(training, classes, config.model, config.augment, seed)
    loader = EpochLoader(dataset, plan, collate_scenes, config.run.num_workers, world, parts, scenes.may_skip)
    validation = _validation(held_out, set(classes), world, scenes.may_skip) if held_out else None
    return TrainingSetup(task, task.optimizers(config.optimizer), loader, data, len(training), validation)


def _validation(
    held_out: list[Scene], known: set[int], world: World, may_skip: Collection[str]
) -> Validation[SearchTask]:
    queries = validation_queries(held_out, known)
    logger.info("validating on %d scenes, %d queries", len(held_out), len(queries))
    if not queries:
        logger.warning(
            "training knows everybody who appears twice in the held-out places: the best epoch is chosen by detection "
            "alone"
        )
    return Validation(
        functools.partial(search_figures, scenes=held_out, queries=queries, world=world, may_skip=may_skip),
        VALIDATION_NEEDS,
        functools.partial(draw_detections, scenes=held_out[:ILLUSTRATED], may_skip=may_skip),
    )


def validation_queries(scenes: Sequence[Scene], known: set[int]) -> list[Query]:
    """Choose queries among people whom training never saw and who appear in at least two of the scenes.

    Args:
        scenes: the held-out ones.
        known: identities of the training part.

    Returns:
        Up to four queries per identity, from different cameras, by rising identity. Scenes without a camera's name
        count as one camera here.
    """
    appearances: dict[int, list[tuple[Scene, int]]] = {}
    for scene in scenes:
        for row, identity in enumerate(scene.identities.tolist()):
            if identity >= 0 and identity not in known:
                appearances.setdefault(identity, []).append((scene, row))
    queries = []
    for identity, places in sorted(appearances.items()):
        if len(places) < 2:
            continue
        by_camera = {scene.camera: (scene, row) for scene, row in reversed(places)}
        for scene, row in list(by_camera.values())[:QUERIES_PER_IDENTITY]:
            queries.append(Query(image_id=scene.image_id, box=scene.boxes[row], identity=identity))
    return queries


def search_figures(
    task: SearchTask,
    *,
    scenes: Sequence[Scene],
    queries: Sequence[Query],
    world: World,
    may_skip: Collection[str] = (),
) -> dict[str, float]:
    """Evaluate step 2's task on held-out scenes, each process on its share, by preset ``standard``.

    Args:
        task: in evaluation mode, on the process's device.
        scenes: the held-out ones.
        queries: whom to search for in them; may be empty.
        world: the processes of the run.
        may_skip: image_ids of scenes that are left out if their picture cannot be used.

    Returns:
        ``selection``, which selects the best epoch: the mean of AP and mAP, or AP without queries. Then the figures of
        detection and, with queries, of search. Where the scenes show nobody, all of them are NaN.
    """
    held_out = _held_out(scenes, queries)
    try:
        observed = _observe_together(_searcher(task), held_out, world)
    except (ImageError, DatasetError):
        readable = _readable(scenes, may_skip)
        if len(readable) == len(scenes):  # it was something else
            raise
        names = {scene.image_id for scene in readable}
        found = [query for query in queries if query.image_id in names]
        return search_figures(task, scenes=readable, queries=found, world=world)
    if not any(len(people) for people in observed.detections.values()) and _proposes_nothing(task, scenes):
        logger.warning("%s", DIVERGED.format("no region of the held-out scenes is even proposed as a person"))
    detected = evaluate_detection(observed.detections, scenes)
    ranked = evaluate_search(observed.detections, held_out, observed.queries(held_out)) if queries else None
    figures = figures_of(detected, ranked)
    if not detected.people:
        figures = dict.fromkeys(figures, math.nan)
    selection = figures["AP"] if ranked is None else (figures["AP"] + figures["mAP"]) / 2
    return {"selection": selection, **figures}


def _readable(scenes: Sequence[Scene], may_skip: Collection[str]) -> list[Scene]:
    """Return the held-out scenes whose pictures can be used.

    Raises:
        DatasetError: another picture may not be left out, or too many cannot be used.
    """
    unusable = {one.image_id: one for one in find_unusable(scenes, progress=False)}
    for image_id, one in unusable.items():
        if image_id not in may_skip:
            raise refusal(one)
        logger.warning("left out of this validation: %s", one.why)
    require_most(unusable, len(scenes))
    return [scene for scene in scenes if scene.image_id not in unusable]


def _proposes_nothing(task: SearchTask, scenes: Sequence[Scene]) -> bool:
    """Whether the network proposes no region at all in the first few scenes, which no sound network does."""
    rule, device = task.network.config.input, next(task.parameters()).device
    for scene in scenes[:ILLUSTRATED]:
        pixels = to_canvas(read_scene(scene), rule.min_size, rule.max_size).pixels
        with torch.inference_mode():
            if len(task.network.propose(pixels[None].to(device).float() / 255)[0]):
                return False
    return True


def _observe_together(searcher: PersonSearcher, held_out: Dataset, world: World) -> Observations:
    """Observe a set, each process a share of its scenes; every process gets the whole, or the same error."""
    share = world.share_of(held_out.scenes)
    names = {scene.image_id for scene in share}
    observed: Observations | PersonSearchError | None = None
    if share:
        try:
            observed = observe(
                searcher,
                _held_out(share, [query for query in held_out.queries if query.image_id in names]),
                lowest_score=searcher.config.detector.score_threshold,
                annotated=False,
                progress=False,
            )
        except (ImageError, DatasetError) as error:  # the other processes wait, so they have to be told
            observed = error
    seen = world.all_gather(observed)
    for one in seen:
        if isinstance(one, PersonSearchError):
            raise one
    shares = [one for one in seen if isinstance(one, Observations)]
    return Observations(
        weights=shares[0].weights,
        detections={name: people for one in shares for name, people in one.detections.items()},
        boxes={name: boxes for one in shares for name, boxes in one.boxes.items()},
        embeddings={name: rows for one in shares for name, rows in one.embeddings.items()},
    )


def _held_out(scenes: Sequence[Scene], queries: Sequence[Query]) -> Dataset:
    accounting = Accounting(rows=0, kept=0)  # of files, and nothing is read from any here
    return Dataset(name="held-out places", scenes=tuple(scenes), queries=tuple(queries), accounting=accounting)


def draw_detections(
    task: SearchTask, *, scenes: Sequence[Scene], may_skip: Collection[str] = ()
) -> dict[str, NDArray[np.uint8]]:
    """Draw what step 2's task detects in some scenes: (H, W, 3) uint8 RGB by name."""
    searcher = _searcher(task)
    pictures = {}
    for scene in scenes:
        try:
            image = read_scene(scene)
        except PersonSearchError:
            if scene.image_id not in may_skip:
                raise
            continue
        pictures[f"detections/{scene.image_id}"] = np.asarray(draw(image, searcher.detect(image)))
    return pictures


def _searcher(task: SearchTask) -> PersonSearcher:
    return PersonSearcher(task.network, device=next(task.parameters()).device, dtype="float32")
