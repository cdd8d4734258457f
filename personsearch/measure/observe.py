"""The network's part of an evaluation: it looks at every scene once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from personsearch.datasets.dataset import Dataset
from personsearch.datasets.scene import Scene, check_size, require_images
from personsearch.errors import DatasetError
from personsearch.evaluation.observations import Observations, box_rows
from personsearch.measure import cache
from personsearch.measure.baselines import colour_histogram
from personsearch.models import build
from personsearch.pictures.decode import image_size, load_image
from personsearch.progress import Progress
from personsearch.results import Detections, Floats
from personsearch.version import __version__

if TYPE_CHECKING:
    from personsearch.searcher import PersonSearcher

logger = logging.getLogger(__name__)

#: Embeds boxes (N, 4) of the image at a path as (N, D) unit-length vectors.
Embed = Callable[[Path, Floats], Floats]

#: Detections are kept from this score on, so that each preset can set its own threshold. Non-maximum suppression works
#: from the highest score down, so weaker detections change nothing about stronger ones.
LOWEST_SCORE = 0.05
#: Names of the re-identifiers that learnt nothing.
BASELINES = ("same network, untrained", "colour histogram")
#: Pictures of a set of crops that are held in memory at a time.
CROPS_AT_A_TIME = 256


def observe(
    searcher: PersonSearcher,
    dataset: Dataset,
    *,
    lowest_score: float | None = None,
    annotated: bool = True,
    cache_dir: Path | None = None,
    batch_size: int = 4,
    progress: bool | None = None,
) -> Observations:
    """Detect everybody in every scene, and embed the annotated boxes and the queries, in one pass.

    In a set of crops every picture is one person: nobody is detected, and each is embedded as a whole.

    Training validates with it too: a set that holds a share of the scenes and the queries in them,
    ``annotated=False``, and the weights' own threshold as ``lowest_score``.

    Args:
        searcher: the weights in question.
        dataset: its scenes' images must exist.
        lowest_score: keep detections from this score on; default 0.05, or the weights' own threshold if that is lower.
        annotated: embed the annotated boxes too, not only those of the queries.
        cache_dir: where observations are looked up and kept; None = nowhere.
        batch_size: how many images of one canvas size go through the network together.
        progress: None = a bar on a terminal, True = always a bar, False = silence.

    Returns:
        Detections of every scene, and embeddings that are pooled from the whole scene; of crops, no detections, and
        embeddings as :meth:`~personsearch.PersonSearcher.embed_crops` makes them.

    Raises:
        DatasetError: the set has no scenes; an image is missing or has another size than the annotations say; or a
            query's scene is not in the set.
    """
    require_images(dataset.scenes)
    wanted = _boxes_wanted(dataset, annotated)
    if lowest_score is None:
        lowest_score = _lowest_score(searcher)
    key = _key(searcher, dataset, {"weights": searcher.spec.fingerprint, "threshold": lowest_score})
    weights = searcher.spec.fingerprint
    observed = None if cache_dir is None else cache.load(cache_dir, key, weights)
    if observed is not None:
        for scene in dataset.scenes:  # the annotations may say another size than on the earlier run
            height, width = observed.detections[scene.image_id].image_size
            check_size(scene, width, height)
        missing = _missing(observed, wanted)
        if not missing:
            logger.info("%s: taking what the network saw on an earlier run", dataset.name)
            return observed
        embed = partial(_whole_picture, searcher) if dataset.crops else searcher.embed_boxes
        observed = _with_more_boxes(observed, missing, _paths(dataset), embed, progress)
    elif dataset.crops:
        observed = _look_at_crops(searcher, dataset, wanted, progress)
    else:
        observed = _look(searcher, dataset, wanted, lowest_score, batch_size, progress)
    if cache_dir is not None:
        cache.save(cache_dir, key, observed)
    return observed


def observe_baselines(
    searcher: PersonSearcher,
    dataset: Dataset,
    observed: Observations,
    *,
    cache_dir: Path | None = None,
    progress: bool | None = None,
) -> dict[str, Observations]:
    """Embed the very boxes that a searcher saw with two re-identifiers that learnt nothing.

    Args:
        searcher: the one whose boxes these are.
        dataset: the set.
        observed: what the searcher saw of it, from :func:`observe` with its defaults.
        cache_dir: see :func:`observe`.
        progress: see :func:`observe`.

    Returns:
        By name: the same network before training, and colour histograms.
    """
    fresh = untrained(searcher)
    embedders: dict[str, tuple[str, Embed]] = {
        BASELINES[0]: (fresh.spec.fingerprint, fresh.embed_boxes),
        BASELINES[1]: ("colours", lambda path, boxes: colour_histogram(load_image(path), boxes)),
    }
    return {
        name: embed_again(
            searcher, dataset, observed, embed, mark=mark, name=name, cache_dir=cache_dir, progress=progress
        )
        for name, (mark, embed) in embedders.items()
    }


def embed_again(
    searcher: PersonSearcher,
    dataset: Dataset,
    observed: Observations,
    embed: Embed,
    *,
    mark: str,
    name: str,
    cache_dir: Path | None = None,
    progress: bool | None = None,
) -> Observations:
    """Embed the very detections, annotated boxes and queries of a set with another re-identifier.

    Args:
        searcher: on whose device the re-identifier computes.
        dataset: the set.
        observed: its detections; their embeddings are not looked at.
        embed: the other re-identifier.
        mark: changes with everything that its embeddings depend on, beside the pictures, the boxes and the device.
        name: of it.
        cache_dir: see :func:`observe`.
        progress: see :func:`observe`.

    Returns:
        The same detections and boxes with other embeddings.

    Raises:
        DatasetError: the set has no scenes, or a query's scene is not in the set.
    """
    wanted = _boxes_wanted(dataset, annotated=True)
    key = _key(searcher, dataset, {"embedder": mark, "detections": cache.digest_of(observed.detections)})
    row = None if cache_dir is None else cache.load(cache_dir, key, observed.weights)
    if row is None or _missing(row, wanted):
        row = _embedded_again(observed, wanted, _paths(dataset), embed, name, progress)
        if cache_dir is not None:
            cache.save(cache_dir, key, row)
    return row


def untrained(searcher: PersonSearcher) -> PersonSearcher:
    """Return a searcher of the same architecture with the random weights of seed 0."""
    with torch.random.fork_rng([]):  # built on the CPU
        torch.default_generator.manual_seed(0)
        network = build(searcher.config)
    fast_decode = searcher.spec.fast_decode
    return type(searcher)(network, device=searcher.device, dtype="float32", fast_decode=fast_decode)


def _lowest_score(searcher: PersonSearcher) -> float:
    return min(LOWEST_SCORE, searcher.config.detector.score_threshold)


def _key(searcher: PersonSearcher, dataset: Dataset, more: Mapping[str, str | float]) -> str:
    made_with: dict[str, str | float] = {
        "computed_on": f"{searcher.device.type} {searcher.dtype}",
        "version": __version__,
        **more,
    }
    if dataset.crops:
        made_with["pictures"] = "crops"
    if searcher.spec.fast_decode:
        made_with["fast_decode"] = True
    return cache.key_of(dataset.scenes, made_with)


def _paths(dataset: Dataset) -> dict[str, Path]:
    return {scene.image_id: scene.path for scene in dataset.scenes}


def _boxes_wanted(dataset: Dataset, annotated: bool) -> dict[str, Floats]:
    """Return the boxes to embed of every scene: the annotated ones, then those of queries that are not among them."""
    wanted = {scene.image_id: [*scene.boxes] if annotated else [] for scene in dataset.scenes}
    for number, query in enumerate(dataset.queries):
        if query.image_id not in wanted:
            raise DatasetError(
                f"{dataset.name}: query {number} is in {query.image_id}, which is not a scene of the set; "
                "add the scene or remove the query"
            )
        boxes = wanted[query.image_id]
        if not any(np.array_equal(box, query.box) for box in boxes):
            boxes.append(query.box)
    if not wanted:
        raise DatasetError(f"{dataset.name}: has no scenes; there is nothing to evaluate")
    return {name: np.array(boxes, dtype=np.float32).reshape(-1, 4) for name, boxes in wanted.items()}


def _missing(observed: Observations, wanted: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return the wanted boxes that were not embedded, such as those of other queries."""
    missing = {}
    for name, boxes in wanted.items():
        new = box_rows(observed.boxes[name], boxes) < 0
        if new.any():
            missing[name] = boxes[new]
    return missing


def _look(
    searcher: PersonSearcher,
    dataset: Dataset,
    wanted: Mapping[str, Floats],
    lowest_score: float,
    batch_size: int,
    progress: bool | None,
) -> Observations:
    started = time.perf_counter()
    detections, embeddings = {}, {}
    inputs = ((str(scene.path), partial(_boxes_of, scene, wanted[scene.image_id])) for scene in dataset.scenes)
    with Progress(total=len(dataset.scenes), label="scenes", shown=progress) as bar:
        observed = searcher.observe(inputs, threshold=lowest_score, batch_size=batch_size)
        for scene, (people, embedded) in zip(dataset.scenes, observed, strict=True):
            detections[scene.image_id] = replace(people, image_id=scene.image_id)
            embeddings[scene.image_id] = embedded
            bar.advance()
    return _observations(searcher, detections, wanted, embeddings, started)


def _observations(
    searcher: PersonSearcher,
    detections: dict[str, Detections],
    boxes: Mapping[str, Floats],
    embeddings: dict[str, Floats],
    started: float,
) -> Observations:
    """Put together what a searcher saw; ``started`` is the clock's time before it looked."""
    return Observations(
        weights=searcher.spec.fingerprint,
        detections=detections,
        boxes=boxes,
        embeddings=embeddings,
        seconds=time.perf_counter() - started,
        computed_on=computed_on(searcher),
    )


def _boxes_of(scene: Scene, boxes: Floats, image_size: tuple[int, int]) -> Floats:
    """Return the boxes to embed, once the picture is known to be the annotated one."""
    height, width = image_size
    check_size(scene, width, height)
    return boxes


def _look_at_crops(
    searcher: PersonSearcher, dataset: Dataset, wanted: Mapping[str, Floats], progress: bool | None
) -> Observations:
    """Embed every picture as a whole, as many at a time as fit into memory anywhere."""
    started = time.perf_counter()
    detections, embeddings = {}, {}
    nobody = np.zeros((0, searcher.spec.embedding_size), np.float32)
    with Progress(total=len(dataset.scenes), label="crops", shown=progress) as bar:
        for begin in range(0, len(dataset.scenes), CROPS_AT_A_TIME):
            scenes = dataset.scenes[begin : begin + CROPS_AT_A_TIME]
            pictures = [_picture_of(scene, whole=not searcher.spec.fast_decode) for scene in scenes]
            for scene, row in zip(scenes, searcher.embed_crops(pictures, progress=False), strict=True):
                detections[scene.image_id] = Detections(
                    boxes=np.zeros((0, 4), np.float32),
                    scores=np.zeros(0, np.float32),
                    embeddings=nobody,
                    image_size=(scene.height, scene.width),
                    image_id=scene.image_id,
                )
                embeddings[scene.image_id] = np.tile(row, (len(wanted[scene.image_id]), 1))
                bar.advance()
    return _observations(searcher, detections, wanted, embeddings, started)


def _whole_picture(searcher: PersonSearcher, path: Path, boxes: Floats) -> Floats:
    """Return the embedding of a crop, for each of its boxes (N, 4)."""
    return np.tile(searcher.embed_crops([path], progress=False), (len(boxes), 1))


def _picture_of(scene: Scene, *, whole: bool) -> NDArray[np.uint8] | Path:
    """Return a crop as (H, W, 3) uint8 RGB, or as a path that is yet to be decoded, if it is the annotated one."""
    if not whole:
        check_size(scene, *image_size(scene.path))
        return scene.path
    picture = load_image(scene.path)
    check_size(scene, picture.shape[1], picture.shape[0])
    return picture


def computed_on(searcher: PersonSearcher) -> str:
    """Return the device and number format of a searcher, e.g. ``cpu float32``."""
    return f"{searcher.device.type} {str(searcher.dtype).removeprefix('torch.')}"


def _with_more_boxes(
    observed: Observations,
    missing: Mapping[str, Floats],
    paths: Mapping[str, Path],
    embed: Embed,
    progress: bool | None,
) -> Observations:
    boxes, embeddings = dict(observed.boxes), dict(observed.embeddings)
    with Progress(total=len(missing), label="queries", shown=progress) as bar:
        for name, more in missing.items():
            boxes[name] = np.concatenate([boxes[name], more])
            embeddings[name] = np.concatenate([embeddings[name], embed(paths[name], more)])
            bar.advance()
    return replace(observed, boxes=boxes, embeddings=embeddings)


def _embedded_again(
    observed: Observations,
    wanted: Mapping[str, Floats],
    paths: Mapping[str, Path],
    embed: Embed,
    name: str,
    progress: bool | None,
) -> Observations:
    """Give detections and boxes the embeddings of another re-identifier."""
    started = time.perf_counter()
    detections, embeddings = {}, {}
    with Progress(total=len(wanted), label=name, shown=progress) as bar:
        for image_id, boxes in wanted.items():
            people = observed.detections[image_id]
            rows = embed(paths[image_id], np.concatenate([people.boxes, boxes]))
            detections[image_id] = replace(people, embeddings=rows[: len(people)])
            embeddings[image_id] = rows[len(people) :]
            bar.advance()
    return Observations(
        weights=observed.weights,
        detections=detections,
        boxes=wanted,
        embeddings=embeddings,
        seconds=time.perf_counter() - started,
        computed_on=name,
    )
