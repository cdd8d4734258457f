"""The network's part of an evaluation: it looks at every scene once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from personsearch.datasets.dataset import Dataset
from personsearch.datasets.scene import Query, Scene, require_images
from personsearch.errors import DatasetError
from personsearch.evaluation.observations import Observations
from personsearch.measure import cache
from personsearch.measure.baselines import colour_histogram
from personsearch.measure.cache import Seen
from personsearch.models import build
from personsearch.pictures.decode import load_image
from personsearch.progress import Progress
from personsearch.results import Detections, Floats
from personsearch.version import __version__

if TYPE_CHECKING:
    from personsearch.searcher import PersonSearcher

logger = logging.getLogger(__name__)

#: Embeds boxes (N, 4) of the image at a path as (N, D) unit-length vectors.
Embed = Callable[[Path, Floats], Floats]

#: Detections are taken from this score on, so that each preset can set its own threshold. Non-maximum suppression goes
#: from the top, so lower detections change nothing about the higher ones.
LOWEST_SCORE = 0.05


def observe(
    searcher: PersonSearcher,
    dataset: Dataset,
    *,
    cache_dir: Path | None = None,
    batch_size: int = 4,
    progress: bool | None = None,
) -> Observations:
    """Detect everybody in every scene, and embed the annotated boxes and the queries, in one pass.

    Args:
        searcher: the weights in question.
        dataset: with its pictures.
        cache_dir: where what the network saw is kept and looked for; None = nowhere.
        batch_size: images of one canvas size that go through the network together.
        progress: None = a bar on a terminal.

    Returns:
        Detections from score 0.05 (or the weights' own threshold, if lower) on. Queries' boxes are pooled from their
        whole scenes.

    Raises:
        DatasetError: a picture is missing or has another size than the annotations say, or a query's scene is not in
            the set.
    """
    require_images(dataset.scenes)
    asked = _boxes_asked(dataset)
    key = _key(searcher, dataset)
    seen = None if cache_dir is None else cache.load(cache_dir, key)
    if seen is None:
        seen = _look(searcher, dataset, asked, batch_size, progress)
    elif not (missing := _missing(seen, asked)):
        logger.info("%s: what the network saw is known from an earlier run", dataset.name)
        return observations_of(seen, dataset, searcher.spec.fingerprint)
    else:
        seen = _with_more(seen, missing, _paths(dataset), searcher.embed_boxes, progress)
    if cache_dir is not None:
        cache.save(cache_dir, key, seen)
    return observations_of(seen, dataset, searcher.spec.fingerprint)


def observe_baselines(
    searcher: PersonSearcher,
    dataset: Dataset,
    observed: Observations,
    *,
    cache_dir: Path | None = None,
    progress: bool | None = None,
) -> dict[str, Observations]:
    """Embed the very boxes of a searcher by two re-identifiers that learnt nothing.

    Returns:
        By name: the same network before training, and colour histograms.
    """
    fresh = untrained(searcher)
    embedders: dict[str, tuple[str, Embed]] = {
        "same network, untrained": (fresh.spec.fingerprint, fresh.embed_boxes),
        "colour histogram": ("colours", lambda path, boxes: colour_histogram(load_image(path), boxes)),
    }
    asked = _boxes_asked(dataset)
    found = {}
    for name, (mark, embed) in embedders.items():
        key = _key(searcher, dataset, embedder=mark)
        seen = None if cache_dir is None else cache.load(cache_dir, key)
        if seen is None or _missing(seen, asked):
            seen = _embedded_anew(observed.detections, asked, _paths(dataset), embed, name, progress)
            if cache_dir is not None:
                cache.save(cache_dir, key, seen)
        found[name] = observations_of(seen, dataset, searcher.spec.fingerprint)
    return found


def observations_of(seen: Seen, dataset: Dataset, weights: str) -> Observations:
    """Sort what was seen of the scenes by the set's people and queries."""
    people = {scene.image_id: seen.embeddings[scene.image_id][: len(scene.boxes)] for scene in dataset.scenes}
    rows = [_row(seen.boxes[query.image_id], query.box) for query in dataset.queries]
    queries = [seen.embeddings[query.image_id][row] for query, row in zip(dataset.queries, rows, strict=True)]
    dim = next(iter(seen.embeddings.values())).shape[1]
    return Observations(
        weights=weights,
        dataset=dataset.digest,
        detections=seen.detections,
        queries=np.array(queries, dtype=np.float32).reshape(-1, dim),
        people=people,
        seconds=seen.seconds,
        computed_on=seen.computed_on,
    )


def detect_all(
    searcher: PersonSearcher, scenes: Sequence[Scene], *, batch_size: int = 4, progress: bool | None = None
) -> dict[str, Detections]:
    """Return the detections of every scene by image_id, at the weights' own threshold."""

    def paths() -> Iterator[str]:
        for scene in scenes:
            yield str(scene.path)

    found = {}
    with Progress(total=len(scenes), label="scenes", shown=progress) as bar:
        for scene, detections in zip(scenes, searcher.stream(paths(), batch_size=batch_size), strict=True):
            found[scene.image_id] = detections
            bar.advance()
    return found


def embed_queries(
    embed: Embed, scenes: Sequence[Scene], queries: Sequence[Query], *, progress: bool | None = None
) -> Floats:
    """Return (Q, D) embeddings of the queries' boxes, each pooled from its whole scene."""
    paths = {scene.image_id: scene.path for scene in scenes}
    by_scene: dict[str, list[int]] = {}
    for row, query in enumerate(queries):
        by_scene.setdefault(query.image_id, []).append(row)
    embeddings: dict[int, Floats] = {}
    with Progress(total=len(by_scene), label="queries", shown=progress) as bar:
        for image_id, rows in by_scene.items():
            found = embed(paths[image_id], np.stack([queries[row].box for row in rows]))
            embeddings.update(zip(rows, found, strict=True))
            bar.advance()
    return np.stack([embeddings[row] for row in range(len(queries))])


def untrained(searcher: PersonSearcher) -> PersonSearcher:
    """Return a searcher of the same architecture with the random weights of seed 0."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build(searcher.config)
    return type(searcher)(network, device=searcher.device, dtype="float32")


def _lowest_score(searcher: PersonSearcher) -> float:
    return min(LOWEST_SCORE, searcher.config.detector.score_threshold)


def _key(searcher: PersonSearcher, dataset: Dataset, **made_with: str) -> str:
    return cache.key_of(
        dataset.scenes,
        weights=searcher.spec.fingerprint,
        computed_on=f"{searcher.device.type} {searcher.dtype}",
        version=__version__,
        threshold=_lowest_score(searcher),
        **made_with,
    )


def _paths(dataset: Dataset) -> dict[str, Path]:
    return {scene.image_id: scene.path for scene in dataset.scenes}


def _boxes_asked(dataset: Dataset) -> dict[str, Floats]:
    """Return the boxes to embed of every scene: the annotated ones, then queries' that are none of them."""
    asked = {scene.image_id: [*scene.boxes] for scene in dataset.scenes}
    for number, query in enumerate(dataset.queries):
        if query.image_id not in asked:
            raise DatasetError(f"{dataset.name}: query {number} is in {query.image_id}, which is no scene of the set")
        boxes = asked[query.image_id]
        if not any(np.array_equal(box, query.box) for box in boxes):
            boxes.append(query.box)
    if not asked:
        raise DatasetError(f"{dataset.name}: has no scenes; there is nothing to evaluate")
    return {name: np.array(boxes, dtype=np.float32).reshape(-1, 4) for name, boxes in asked.items()}


def _row(boxes: Floats, box: Floats) -> int | None:
    rows = np.flatnonzero((boxes == box).all(axis=1))
    return int(rows[0]) if len(rows) else None


def _missing(seen: Seen, asked: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return the boxes that were not embedded then: those of other queries."""
    missing = {}
    for name, boxes in asked.items():
        new = [box for box in boxes if _row(seen.boxes[name], box) is None]
        if new:
            missing[name] = np.stack(new)
    return missing


def _look(
    searcher: PersonSearcher,
    dataset: Dataset,
    asked: Mapping[str, Floats],
    batch_size: int,
    progress: bool | None,
) -> Seen:
    started = time.perf_counter()
    detections, embeddings = {}, {}
    inputs = ((str(scene.path), asked[scene.image_id]) for scene in dataset.scenes)
    with Progress(total=len(dataset.scenes), label="scenes", shown=progress) as bar:
        looked = searcher.observe(inputs, threshold=_lowest_score(searcher), batch_size=batch_size)
        for scene, (found, embedded) in zip(dataset.scenes, looked, strict=True):
            if found.image_size != (scene.height, scene.width):
                height, width = found.image_size
                raise DatasetError(
                    f"{scene.path}: the picture is {width}x{height}, the annotations say {scene.width}x{scene.height}; "
                    "their boxes belong to another version of it"
                )
            detections[scene.image_id] = replace(found, image_id=scene.image_id)
            embeddings[scene.image_id] = embedded
            bar.advance()
    return Seen(
        detections=detections,
        boxes=asked,
        embeddings=embeddings,
        seconds=time.perf_counter() - started,
        computed_on=f"{searcher.device.type} {str(searcher.dtype).removeprefix('torch.')}",
    )


def _with_more(
    seen: Seen, missing: Mapping[str, Floats], paths: Mapping[str, Path], embed: Embed, progress: bool | None
) -> Seen:
    boxes, embeddings = dict(seen.boxes), dict(seen.embeddings)
    with Progress(total=len(missing), label="queries", shown=progress) as bar:
        for name, more in missing.items():
            boxes[name] = np.concatenate([boxes[name], more])
            embeddings[name] = np.concatenate([embeddings[name], embed(paths[name], more)])
            bar.advance()
    return replace(seen, boxes=boxes, embeddings=embeddings)


def _embedded_anew(
    detections: Mapping[str, Detections],
    asked: Mapping[str, Floats],
    paths: Mapping[str, Path],
    embed: Embed,
    name: str,
    progress: bool | None,
) -> Seen:
    """Give detections and boxes the embeddings of another re-identifier."""
    started = time.perf_counter()
    found, embeddings = {}, {}
    with Progress(total=len(asked), label=name, shown=progress) as bar:
        for image_id, boxes in asked.items():
            people = detections[image_id]
            rows = embed(paths[image_id], np.concatenate([people.boxes, boxes]))
            found[image_id] = replace(people, embeddings=rows[: len(people)])
            embeddings[image_id] = rows[len(people) :]
            bar.advance()
    seconds = time.perf_counter() - started
    return Seen(detections=found, boxes=asked, embeddings=embeddings, seconds=seconds, computed_on=name)
