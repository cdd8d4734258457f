"""Person-search mAP and top-k under any rules; the community definition by default."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from personsearch.datasets.dataset import Dataset
from personsearch.errors import DatasetError
from personsearch.evaluation.matching import Candidates, best_identities, judge
from personsearch.evaluation.ranking import rank
from personsearch.evaluation.rows import GalleryRows, gallery_rows, query_rows
from personsearch.evaluation.rules import PRESETS, Rules
from personsearch.evaluation.spaces import SearchSpace, SearchSpaces
from personsearch.results import Detections, Floats

RANKS = (1, 5, 10)
BLOCK = 128

#: Why a query does not count though its person is in the gallery.
UNDETECTED = "nothing was detected in the query's image"

#: (number of a query, rising numbers of the rows of ``gallery_rows`` that are searched) -> similarity of each row.
Ranker = Callable[[int, NDArray[np.int64]], NDArray[np.floating]]


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """One detection in a query's ranking.

    Attributes:
        image_id: the scene it is in.
        box: x1, y1, x2, y2 in pixels of that scene.
        similarity: to the query.
        correct: whether it counts as the person.
    """

    image_id: str
    box: tuple[float, float, float, float]
    similarity: float
    correct: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class SearchResult:
    """Search quality: plain means over the queries that count.

    Attributes:
        mean_average_precision: mAP, 0..1; NaN where no query counts.
        top: k -> share of queries with the person among the first k matches, for k = 1, 5 and 10; NaN where no query
            counts.
        average_precisions: (Q,) per query of the set; NaN = skipped.
        first_ranks: (Q,) rank of the first correct detection, from 0; inf = there is none, NaN = skipped.
        appearances: (Q,) int64, how often the person should be found.
        found: (Q,) int64, how many detections are right.
        queries: how many queries count.
        best: the first ten matches of each query.
        left_out: why queries do not count -> how many; with ``queries`` they add up to the queries of the set.
    """

    mean_average_precision: float
    top: dict[int, float]
    average_precisions: NDArray[np.float64]
    first_ranks: NDArray[np.float64]
    appearances: NDArray[np.int64]
    found: NDArray[np.int64]
    queries: int
    best: tuple[tuple[Ranked, ...], ...]
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _QueryResult:
    average_precision: float
    first_rank: float
    found: int
    best: tuple[Ranked, ...]


def evaluate_search(
    detections: Mapping[str, Detections],
    dataset: Dataset,
    query_embeddings: Floats,
    rules: Rules = PRESETS["standard"],
    *,
    ranker: Ranker | None = None,
) -> SearchResult:
    """Rank each query's gallery by similarity and compare it with the annotations.

    In a scene that shows the person, the most similar detection that overlaps their box enough is the true match;
    every other detection is a false one. A scene where nothing overlaps still counts: AP is the sum of the precisions
    at the true matches, divided by the number of scenes that show the person. Other ``rules`` change the details.

    Args:
        detections: by image_id, as the network gives them; a scene without an entry has none.
        dataset: scenes and queries; a query without a gallery list is searched for in all scenes.
        query_embeddings: (Q, D) unit-length embedding of each query's box.
        rules: the protocol.
        ranker: gives other similarities than the dot product, for re-ranking; it must apply the rules' confidence
            weighting and query feature itself.

    Raises:
        DatasetError: a query's person is nowhere in its gallery and the rules call that an error; the arrays do not
            match the set; or a similarity is NaN. The message names the query or image.
    """
    table = gallery_rows(detections, dataset, rules)
    query_vectors, there = query_rows(detections, dataset.queries, query_embeddings, rules)
    if len(table.scene) and query_vectors.shape[1] != table.embeddings.shape[1]:
        raise DatasetError(
            f"query embeddings have size {query_vectors.shape[1]}, the detections' {table.embeddings.shape[1]}; "
            "they must come from one network"
        )
    spaces = SearchSpaces(dataset, rules)
    labels = best_identities(dataset, table, rules) if rules.positives == "every" else None
    count = len(dataset.queries)
    average_precisions, first_ranks = np.full((2, count), np.nan)
    appearances, found = np.zeros((2, count), dtype=np.int64)
    best: list[tuple[Ranked, ...]] = [()] * count
    left_out: Counter[str] = Counter()
    for number, similarity in enumerate(_similarities(table, query_vectors, rules, ranker)):
        space, query = spaces.of(number), dataset.queries[number]
        appearances[number] = space.appearances
        absence = None if space.appearances else spaces.absence(number)
        if absence is not None and rules.absent_person == "error":
            raise DatasetError(
                f"query {number} (person {query.identity} in {query.image_id!r}): the person is in no other scene of "
                f"its gallery ({absence}); remove the query, or choose a preset that leaves such queries out, such as "
                "'strict'"
            )
        if reason := _reason_to_skip(absence, there[number], rules):
            left_out[reason] += 1
            continue
        average_precisions[number], first_ranks[number] = 0.0, np.inf
        if not there[number] or not space.appearances:
            continue
        candidates = Candidates.of(space, table)
        given = _similarities_of(number, candidates, similarity, ranker)
        same = None if labels is None else labels[candidates.rows] == query.identity
        one = _measure(space, candidates, given, table, rules, same)
        average_precisions[number], first_ranks[number] = one.average_precision, one.first_rank
        found[number], best[number] = one.found, one.best
    return _result(average_precisions, first_ranks, appearances, found, best, left_out)


def _result(
    average_precisions: NDArray[np.float64],
    first_ranks: NDArray[np.float64],
    appearances: NDArray[np.int64],
    found: NDArray[np.int64],
    best: list[tuple[Ranked, ...]],
    left_out: Mapping[str, int],
) -> SearchResult:
    """Take the means over the queries that were not skipped."""
    counted = ~np.isnan(average_precisions)
    return SearchResult(
        mean_average_precision=float(average_precisions[counted].mean()) if counted.any() else math.nan,
        top={k: float((first_ranks[counted] < k).mean()) if counted.any() else math.nan for k in RANKS},
        average_precisions=average_precisions,
        first_ranks=first_ranks,
        appearances=appearances,
        found=found,
        queries=int(counted.sum()),
        best=tuple(best),
        left_out=dict(left_out),
    )


def _similarities(
    table: GalleryRows, query_vectors: Floats, rules: Rules, ranker: Ranker | None
) -> Iterator[NDArray[np.floating] | None]:
    """Yield the (N,) similarities to each query, in blocks of one matrix product; None where a ranker gives them."""
    for begin in range(0, len(query_vectors), BLOCK):
        block = query_vectors[begin : begin + BLOCK]
        if ranker is not None or not len(table.scene):
            yield from [None] * len(block)
            continue
        similarity = block @ table.embeddings.T
        if rules.confidence_weighted:
            similarity *= table.scores
        yield from similarity


def _reason_to_skip(absence: str | None, there: np.bool_, rules: Rules) -> str | None:
    """Return why a query does not count; None = it does."""
    if absence is not None and rules.absent_person == "skip":
        return absence
    return UNDETECTED if not there and rules.undetected_query == "skip" else None


def _similarities_of(
    number: int, candidates: Candidates, similarity: NDArray[np.floating] | None, ranker: Ranker | None
) -> NDArray[np.floating]:
    """Return the candidates' similarities (P,)."""
    if not len(candidates.rows):
        return np.zeros(0, dtype=np.float32)
    if ranker is not None:
        rows, places = np.unique(candidates.rows, return_inverse=True)
        values = np.asarray(ranker(number, rows))
        if values.shape != rows.shape:
            raise DatasetError(f"query {number}: the ranker gave {values.shape} similarities for {len(rows)} rows")
        given = values[places]
    elif similarity is not None:
        given = similarity[candidates.rows]
    else:
        raise ValueError("neither similarities nor a ranker")
    if np.isnan(given).any():
        raise DatasetError(f"query {number}: a similarity is NaN, so it cannot be ranked; check the embeddings")
    return given


def _measure(
    space: SearchSpace,
    candidates: Candidates,
    similarity: NDArray[np.floating],
    table: GalleryRows,
    rules: Rules,
    same_person: NDArray[np.bool_] | None,
) -> _QueryResult:
    right, junk = judge(space, candidates, similarity, table, rules, same_person)
    rows = candidates.rows
    if junk.any():
        rows, similarity, right = rows[~junk], similarity[~junk], right[~junk]
    ranking = rank(similarity, right, rules.ties, max(RANKS))
    precisions = ranking.trapezoid() if rules.average_precision == "trapezoid" else ranking.precisions
    average = float(precisions.sum()) / space.appearances
    best = []
    for position in ranking.order[: max(RANKS)].tolist():
        row = int(rows[position])
        x1, y1, x2, y2 = table.boxes[row].tolist()
        best.append(
            Ranked(
                image_id=table.names[int(table.scene[row])],
                box=(x1, y1, x2, y2),
                similarity=float(similarity[position]),
                correct=bool(right[position]),
            )
        )
    first = float(ranking.ranks[0]) if len(ranking.ranks) else np.inf
    return _QueryResult(average_precision=average, first_rank=first, found=len(ranking.ranks), best=tuple(best))
