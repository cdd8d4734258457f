"""Galleries of a chosen size for any set: how mAP falls as more images are searched (the paper's Figure 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from personsearch.datasets.dataset import Dataset
from personsearch.datasets.scene import GalleryList, Query
from personsearch.errors import DatasetError
from personsearch.evaluation.observations import Observations
from personsearch.evaluation.rules import PRESETS, Rules
from personsearch.evaluation.search import evaluate_search
from personsearch.evaluation.spaces import SearchSpaces

#: Gallery sizes from 50 to 4,000, the range of Figure 5.
SIZES = (50, 100, 200, 500, 1000, 2000, 4000)


@dataclass(frozen=True, kw_only=True)
class SizePoint:
    """Figures of one row of a table where each query is looked for in ``size`` images.

    Attributes:
        name: of the row.
        size: images per query.
        mean_average_precision: mAP, 0..1; NaN where no query counts.
        top1: share of queries with the person first; NaN where no query counts.
    """

    name: str
    size: int
    mean_average_precision: float
    top1: float


def usual_sizes(dataset: Dataset) -> tuple[int, ...]:
    """Return the sizes of :data:`SIZES` that the galleries of all queries reach, and the largest that all reach."""
    largest = min(_gallery_lengths(dataset), default=0)
    return tuple(size for size in SIZES if size < largest) + ((largest,) if largest > 0 else ())


def require_sizes(dataset: Dataset, sizes: Sequence[int]) -> None:
    """Refuse gallery sizes that a query cannot have; it takes no network to know.

    Raises:
        DatasetError: a size is below 1, or a query's gallery has fewer images than that; names the query.
    """
    if not sizes:
        return
    if min(sizes) < 1:
        raise DatasetError(f"gallery size must be at least 1, got {min(sizes)}")
    for number, (query, images) in enumerate(zip(dataset.queries, _gallery_lengths(dataset), strict=True)):
        if max(sizes) > images:
            raise DatasetError(
                f"gallery size {max(sizes)}: query {number} (in {query.image_id!r}) can be looked for in at most "
                f"{images} images; choose a smaller size"
            )


def _gallery_lengths(dataset: Dataset) -> list[int]:
    """Return for each query how many different images other than its own it can be looked for in."""
    names = {scene.image_id for scene in dataset.scenes}
    return [
        len(names) - (query.image_id in names)
        if query.gallery is None
        else len(set(query.gallery.image_ids) - {query.image_id})
        for query in dataset.queries
    ]


def gallery_curve(
    observed: Mapping[str, Observations], dataset: Dataset, sizes: tuple[int, ...], rules: Rules
) -> tuple[SizePoint, ...]:
    """Measure each row with galleries of several sizes (the paper's Figure 5).

    Every query keeps the images that show its person; the others are drawn with seed 0.

    Args:
        observed: by name of the row.
        dataset: scenes and queries.
        sizes: images per query; repeated sizes are measured once.
        rules: the protocol.

    Returns:
        By rising size, each size's rows in the order of ``observed``.

    Raises:
        DatasetError: see :func:`with_gallery_size` and :func:`~personsearch.evaluation.search.evaluate_search`.
    """
    points = []
    for size in sorted(set(sizes)):
        smaller = with_gallery_size(dataset, size)
        for name, row in observed.items():
            result = evaluate_search(row.detections, smaller, row.queries(dataset), rules)
            mean = result.mean_average_precision
            points.append(SizePoint(name=name, size=size, mean_average_precision=mean, top1=result.top[1]))
    return tuple(points)


def with_gallery_size(dataset: Dataset, size: int, seed: int = 0) -> Dataset:
    """Give every query a gallery list: all images that show its person, and others drawn at random up to a size.

    Galleries of one seed are nested: the images of a smaller one are all in the larger one. A person who is in more
    than ``size`` images keeps them all, so that recall means the same at every size. A query's own image is never
    listed; an image that a list of the set names twice is listed once.

    Args:
        dataset: scenes and queries; where queries already have lists, images are drawn from these.
        size: images per query.
        seed: of the random draw.

    Returns:
        The set with the lists, named for example ``prw/test@100``.

    Raises:
        DatasetError: a query's gallery has fewer images than that, or the size is below 1.
    """
    require_sizes(dataset, (size,))
    spaces = SearchSpaces(dataset, PRESETS["standard"].changed(own_image="exclude", repeated_entries="once"))
    names = [scene.image_id for scene in dataset.scenes]
    queries: list[Query] = []
    for number, query in enumerate(dataset.queries):
        space = spaces.of(number)
        there = np.unique(space.shows)
        shuffled = np.random.default_rng((seed, number)).permutation(np.setdiff1d(np.arange(len(space.scenes)), there))
        others = shuffled[: max(size - len(there), 0)]
        chosen = space.scenes[np.append(space.shows, others)]
        boxes = np.append(space.boxes, np.full((len(others), 4), np.nan, dtype=np.float32), axis=0)
        gallery = GalleryList(image_ids=tuple(names[scene] for scene in chosen.tolist()), boxes=boxes)
        queries.append(replace(query, gallery=gallery))
    return replace(dataset, name=f"{dataset.name}@{size}", queries=tuple(queries))
