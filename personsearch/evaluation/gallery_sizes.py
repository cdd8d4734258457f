"""Galleries of a chosen size for any set: how mAP falls as more images are searched (the paper's Figure 5)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from personsearch.datasets.dataset import Dataset
from personsearch.datasets.scene import GalleryList, Query
from personsearch.errors import DatasetError
from personsearch.evaluation.rules import PRESETS
from personsearch.evaluation.spaces import SearchSpaces


def with_gallery_size(dataset: Dataset, size: int, seed: int = 0) -> Dataset:
    """Give every query a gallery list: all images that show its person, and others drawn by lot up to a size.

    Galleries of one seed are nested: a smaller one's images are all in the larger one. A person of more than ``size``
    images keeps them all, so that recall means the same at every size. A query's own image is never listed; an image
    that a list of the set names twice is listed once.

    Args:
        dataset: scenes and queries; lists that queries have already are drawn from.
        size: images per query.
        seed: of the lots.

    Returns:
        The set with the lists, named e.g. ``prw/test@100``.

    Raises:
        DatasetError: there are not that many images.
    """
    if size < 1:
        raise DatasetError(f"gallery size must be 1 or more, got {size}")
    spaces = SearchSpaces(dataset, PRESETS["standard"].changed(own_image="exclude", repeated_entries="once"))
    names = [scene.image_id for scene in dataset.scenes]
    queries: list[Query] = []
    for number, query in enumerate(dataset.queries):
        space = spaces.of(number)
        if size > len(space.scenes):
            raise DatasetError(
                f"query {number} (in {query.image_id!r}) can be looked for in {len(space.scenes)} images at most, "
                f"not in {size}"
            )
        there = np.unique(space.shows)
        lots = np.random.default_rng((seed, number)).permutation(np.setdiff1d(np.arange(len(space.scenes)), there))
        others = lots[: max(size - len(there), 0)]
        chosen = space.scenes[np.append(space.shows, others)]
        boxes = np.append(space.boxes, np.full((len(others), 4), np.nan, dtype=np.float32), axis=0)
        gallery = GalleryList(image_ids=tuple(names[scene] for scene in chosen.tolist()), boxes=boxes)
        queries.append(replace(query, gallery=gallery))
    return replace(dataset, name=f"{dataset.name}@{size}", queries=tuple(queries))
