"""Re-ID-style evaluation: people are ranked on crops or annotated boxes, without a detector (paper Table 6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from personsearch.datasets.dataset import Dataset
from personsearch.errors import DatasetError
from personsearch.evaluation.observations import Observations
from personsearch.evaluation.ranking import average_precision
from personsearch.results import Floats

BLOCK = 256

#: Why a query crop does not count.
UNLABELLED = "the person has no label"
ALONE = "the person is in no other picture"
OWN_CAMERA = "the person is only in pictures of the query's camera"


@dataclass(frozen=True, kw_only=True)
class ReidResult:
    """Figures over the query crops that count.

    Attributes:
        mean_average_precision: mAP, 0..1; NaN where no crop counts as a query.
        top1: share of queries whose most similar crop is the person; NaN where no crop counts as a query.
        queries: how many count.
        left_out: why query crops do not count -> how many; with ``queries`` they add up to all query crops.
    """

    mean_average_precision: float
    top1: float
    queries: int
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def asked(self) -> int:
        """How many query crops there are."""
        return self.queries + sum(self.left_out.values())


def evaluate_reid(
    embeddings: Floats,
    identities: NDArray[np.int64],
    cameras: Sequence[str | None],
    is_query: NDArray[np.bool_],
    *,
    same_camera: bool = False,
    is_ranked: NDArray[np.bool_] | None = None,
) -> ReidResult:
    """Rank the crops for each query crop.

    By the Market-1501 rule, crops of the same person from the same camera are left out of the ranking. A crop of
    unknown camera shares a camera with itself alone.

    Args:
        embeddings: (N, D) unit length.
        identities: (N,), -1 = no label (a distractor).
        cameras: (N,) camera names; None = unknown.
        is_query: (N,) which crops to query with; queries whose person is on no other crop that counts are skipped.
        same_camera: crops of the same person from the same camera count too; only the query crop itself is left out.
        is_ranked: (N,) which crops are ranked; None = all, other queries' crops among them.

    Raises:
        DatasetError: a similarity is NaN, so the crops cannot be ranked.
    """
    names = [row if name is None else name for row, name in enumerate(cameras)]  # unknown: a camera of its own
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    camera = np.array([numbers[name] for name in names], dtype=np.int64)
    precisions, firsts = [], []
    ranked = np.ones(len(identities), dtype=bool) if is_ranked is None else is_ranked
    left_out = Counter({UNLABELLED: int((is_query & (identities < 0)).sum())})
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
            others = ranked & (np.arange(len(identities)) != row)
            allowed = others if same_camera else ranked & ~(same & (camera == camera[row]))
            if not (same & allowed).any():
                left_out[OWN_CAMERA if (same & others).any() else ALONE] += 1
                continue
            precisions.append(average_precision(same[allowed], similarity[allowed]))
            firsts.append(bool(same[allowed][similarity[allowed].argmax()]))
    return ReidResult(
        mean_average_precision=float(np.mean(precisions)) if precisions else float("nan"),
        top1=float(np.mean(firsts)) if precisions else float("nan"),
        queries=len(precisions),
        left_out={reason: count for reason, count in left_out.items() if count},
    )


def reid_of(observed: Observations, dataset: Dataset) -> dict[str, ReidResult]:
    """Rank annotated people by re-identification's rules: perfect boxes, no detector.

    The query crops are the set's queries, or every labelled person where it has none. Everybody is ranked; but in a set
    of crops that has queries these are no part of the gallery, as Market-1501 keeps them apart.

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
            asked = (scene.image_id, scene.boxes[row].tobytes()) in queries
            is_query.append(asked or (not queries and scene.identities[row] >= 0))
    if not embeddings:
        raise DatasetError(f"{dataset.name}: nobody is annotated; re-identification needs annotated people")
    query_rows = np.array(is_query)
    ranked = ~query_rows if dataset.crops and queries else None
    return {
        rule: evaluate_reid(
            np.stack(embeddings), np.array(identities), cameras, query_rows, same_camera=same_camera, is_ranked=ranked
        )
        for rule, same_camera in (("other cameras", False), ("all cameras", True))
    }
