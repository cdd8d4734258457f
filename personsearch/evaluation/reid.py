"""Re-ID-style evaluation: people are ranked on crops or annotated boxes, without a detector (paper Table 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personsearch.datasets.dataset import Dataset
from personsearch.errors import DatasetError
from personsearch.evaluation.observations import Observations
from personsearch.evaluation.ranking import average_precision
from personsearch.results import Floats

BLOCK = 256


@dataclass(frozen=True, kw_only=True)
class ReidResult:
    """Mean average precision and top-1 over ``queries`` crops; both NaN where no crop counts as a query."""

    mean_average_precision: float
    top1: float
    queries: int


def evaluate_reid(
    embeddings: Floats,
    identities: NDArray[np.int64],
    cameras: Sequence[str | None],
    is_query: NDArray[np.bool_],
    *,
    same_camera: bool = False,
) -> ReidResult:
    """Rank all crops for each query crop.

    By the Market-1501 rule, crops of the same person from the same camera are left out of the ranking. A crop of
    unknown camera shares a camera with itself alone.

    Args:
        embeddings: (N, D) unit length.
        identities: (N,), -1 = no label (a distractor).
        cameras: (N,) camera names; None = unknown.
        is_query: (N,) which crops to query with; queries whose person is on no other crop that counts are skipped.
        same_camera: crops of the same person from the same camera count too; only the query crop itself is left out.

    Raises:
        DatasetError: a similarity is NaN, so the crops cannot be ranked.
    """
    names = [row if name is None else name for row, name in enumerate(cameras)]  # unknown: a camera of its own
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    camera = np.array([numbers[name] for name in names], dtype=np.int64)
    precisions, firsts = [], []
    queries = np.flatnonzero(is_query & (identities >= 0))
    for begin in range(0, len(queries), BLOCK):
        block = queries[begin : begin + BLOCK]
        similarities = embeddings[block] @ embeddings.T
        for row, similarity in zip(block, similarities, strict=True):
            if np.isnan(similarity).any():
                raise DatasetError(
                    f"crop {row}: a similarity is NaN, so the crops cannot be ranked; check the embeddings"
                )
            same = identities == identities[row]
            allowed = ~(same & (camera == camera[row]))
            if same_camera:
                allowed = np.arange(len(identities)) != row
            if not (same & allowed).any():
                continue
            precisions.append(average_precision(same[allowed], similarity[allowed]))
            firsts.append(bool(same[allowed][similarity[allowed].argmax()]))
    if not precisions:
        return ReidResult(mean_average_precision=float("nan"), top1=float("nan"), queries=0)
    return ReidResult(
        mean_average_precision=float(np.mean(precisions)), top1=float(np.mean(firsts)), queries=len(precisions)
    )


def reid_of(observed: Observations, dataset: Dataset) -> dict[str, ReidResult]:
    """Rank annotated people by re-identification's rules: perfect boxes, no detector.

    The query crops are the set's queries, or every labelled person where it has none.

    Args:
        observed: what a searcher saw of the set.
        dataset: the set.

    Returns:
        By camera rule: ``other cameras`` (the Market-1501 rule) and ``all cameras``.

    Raises:
        ConfigError: the observations are of another set.
        DatasetError: nobody is annotated, or a similarity is NaN.
    """
    people = observed.people(dataset)
    queries = {(query.image_id, query.box.tobytes()) for query in dataset.queries}
    embeddings, identities, cameras, is_query = [], [], [], []
    for scene in dataset.scenes:
        for row in np.flatnonzero(~scene.ignore):
            embeddings.append(people[scene.image_id][row])
            identities.append(scene.identities[row])
            cameras.append(scene.camera)
            is_query.append(not queries or (scene.image_id, scene.boxes[row].tobytes()) in queries)
    if not embeddings:
        raise DatasetError(f"{dataset.name}: nobody is annotated; re-identification needs annotated people")
    return {
        rule: evaluate_reid(
            np.stack(embeddings), np.array(identities), cameras, np.array(is_query), same_camera=same_camera
        )
        for rule, same_camera in (("other cameras", False), ("all cameras", True))
    }
