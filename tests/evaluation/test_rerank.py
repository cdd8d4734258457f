"""Re-ranking against hand-worked cases and a dense reference of k-reciprocal encoding."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personsearch import Detections
from personsearch.datasets import GalleryList, Query
from personsearch.datasets.dataset import Accounting, Dataset
from personsearch.errors import ConfigError, DatasetError
from personsearch.evaluation import GalleryRows, evaluate_search
from personsearch.evaluation.rerank import (
    RERANKERS,
    Companions,
    ContextMatching,
    KReciprocal,
    QueryExpansion,
    Searched,
    k_reciprocal,
    reranker_of,
)
from tests.evaluation import toy

A, B, C = [0.0, 0, 20, 40], [30.0, 0, 50, 40], [60.0, 0, 80, 40]


def unit(vectors: object) -> np.ndarray:
    array = np.asarray(vectors, np.float64)
    return (array / np.linalg.norm(array, axis=-1, keepdims=True)).astype(np.float32)


def searched(embeddings: object, scene: list[int], queries: object, companions: list[object] | None = None) -> Searched:
    rows = unit(embeddings)
    asked = unit(queries)
    n, dim = rows.shape
    beside = companions or [[] for _ in asked]
    return Searched(
        rows=GalleryRows(
            embeddings=rows,
            scores=np.ones(n, np.float32),
            boxes=np.tile(np.array(A, np.float32), (n, 1)),
            scene=np.array(scene),
            names=tuple(f"s{i}" for i in range(max(scene) + 1)),
        ),
        queries=asked,
        companions=tuple(unit(c) if len(c) else np.zeros((0, dim), np.float32) for c in beside),
        cameras=np.array(scene) % 4,
        query_cameras=np.arange(len(asked)) % 4,
    )


def crowd(seed: int, people: int = 8, each: int = 6, dim: int = 12, queries: int = 3) -> Searched:
    """Scenes of three rows; each person's embeddings lie about a centre."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(people, dim))
    rows = np.repeat(centres, each, axis=0) + rng.normal(size=(people * each, dim)) * 0.5
    rows = rows[rng.permutation(len(rows))]
    asked = centres[:queries] + rng.normal(size=(queries, dim)) * 0.5
    beside = [centres[rng.integers(people, size=2)] + rng.normal(size=(2, dim)) * 0.3 for _ in range(queries)]
    return searched(rows, (np.arange(len(rows)) // 3).tolist(), asked, beside)


EVERY = np.arange(48)


def test_context_matching_by_hand() -> None:
    # Query e1 beside a companion e2. Scene 0: rows at 0.8 and 0.6 to e1, the second 0.8 to e2 -> matched 0.8 + 0.8.
    # Scene 1: one row at 0.9 to e1, alone -> its matching is itself. Scene 2 has none of the two best rows.
    given_ = searched(
        [[0.8, 0, 0.6], [0.6, 0.8, 0], [0.9, 0, np.sqrt(0.19)], [0.1, 0, np.sqrt(0.99)]],
        [0, 0, 1, 2],
        [[1, 0, 0]],
        [[[0, 1, 0]]],
    )
    every = np.arange(4)
    by_sum = ContextMatching(k1=2, k2=2).ranker(given_)(0, every)
    assert by_sum == pytest.approx([1.6, 0.6, 0.9, 0.1])
    by_mean = ContextMatching(k1=2, k2=2, score="mean").ranker(given_)(0, every)
    assert by_mean == pytest.approx([1.2, 0.6, 0.9, 0.1])
    alone = ContextMatching(k1=2, k2=1).ranker(given_)(0, every)
    assert alone == pytest.approx([0.8, 0.6, 0.9, 0.1])


def test_a_query_that_stays_unmatched_changes_nothing() -> None:
    # the scene's one row is more like the companion than like the query
    given_ = searched([[0.6, 0.8]], [0], [[1, 0]], [[[0, 1]]])
    assert ContextMatching().ranker(given_)(0, np.arange(1)) == pytest.approx([0.6])


def test_query_expansion_by_hand() -> None:
    # query (1, 0); the best row (0.8, 0.6) is added: (1.8, 0.6), so (0, 1) comes to 0.6 / sqrt(3.6)
    given_ = searched([[0.8, 0.6], [0, 1], [-1, 0]], [0, 1, 2], [[1, 0]])
    length = np.sqrt(1.8**2 + 0.6**2)
    expected = [(1.8 * 0.8 + 0.36) / length, 0.6 / length, -1.8 / length]
    assert QueryExpansion(k=1).ranker(given_)(0, np.arange(3)) == pytest.approx(expected, abs=1e-6)
    # alpha 1 weighs it by 0.8: (1.64, 0.48)
    length = np.hypot(1.64, 0.48)
    expected = [(1.64 * 0.8 + 0.48 * 0.6) / length, 0.48 / length, -1.64 / length]
    assert QueryExpansion(k=1, alpha=1).ranker(given_)(0, np.arange(3)) == pytest.approx(expected, abs=1e-6)
    # rows of negative similarity are never added, however large k is
    one = searched([[-1, 0]], [0], [[1, 0]])
    assert QueryExpansion(k=5).ranker(one)(0, np.arange(1)) == pytest.approx([-1])


def test_companions_by_hand() -> None:
    # Companion e2 is found in scene 0 (row 1, similarity 0.8): row 0 rises by weight x (0.8 - 0.5).
    # Nobody else in scene 0 is like e2, so row 1 does not rise; nor does scene 1.
    given_ = searched([[1, 0, 0], [0, 0.8, 0.6], [1, 0, 0], [0, 0, 1]], [0, 0, 1, 1], [[1, 0, 0]], [[[0, 1, 0]]])
    ranked = Companions(floor=0.5, weight=0.5).ranker(given_)(0, np.arange(4))
    assert ranked == pytest.approx([1.15, 0, 1, 0])
    assert Companions(weight=0).ranker(given_)(0, np.arange(4)) == pytest.approx([1, 0, 1, 0])
    nobody = searched([[1, 0], [0, 1]], [0, 0], [[1, 0]])
    assert Companions().ranker(nobody)(0, np.arange(2)) == pytest.approx([1, 0])


def reference(given_: Searched, method: KReciprocal, query: int, allowed: np.ndarray) -> np.ndarray:
    """K-reciprocal encoding with whole matrices and sets, as the method's docstring describes it."""
    rows, asked = given_.rows.embeddings, given_.queries[query]
    n = len(rows)
    similarity = rows @ rows.T
    distance = 2 - 2 * similarity.astype(np.float64)
    np.fill_diagonal(distance, 0)
    distance /= distance.max(axis=1, keepdims=True)
    ranks = []
    for i in range(n):
        order = [j for j in np.argsort(-similarity[i], kind="stable") if j != i]
        ranks.append([i, *order])

    def mutual(i: int, k: int) -> set[int]:
        return {j for j in ranks[i][: k + 1] if i in ranks[j][: k + 1]}

    half = [mutual(i, round(method.k1 / 2)) for i in range(n)]

    def joined(near: set[int]) -> list[int]:
        more = [half[j] for j in near if len(half[j] & near) > 2 / 3 * len(half[j])]
        return sorted(near.union(*more))

    weights = np.zeros((n, n))
    for i in range(n):
        members = joined(mutual(i, method.k1))
        weights[i, members] = np.exp(-distance[i, members])
    weights /= weights.sum(axis=1, keepdims=True)
    averaged = np.array([weights[ranks[i][: method.k2]].mean(axis=0) for i in range(n)])

    to_rows = (rows @ asked).astype(np.float64)
    plain = (2 - 2 * to_rows) / (2 - 2 * to_rows[allowed].min())
    order = allowed[np.argsort(-to_rows[allowed], kind="stable")]
    last = min(method.k1, n - 1)
    near = {j for j in order[: method.k1] if to_rows[j] >= similarity[j, ranks[j][last]]}
    members = [j for j in joined(near) if j in set(allowed.tolist())]
    own = np.zeros(n)
    own[members] = np.exp(-plain[members])
    own /= own.sum() or 1
    best = order[: method.k2 - 1]
    own = np.mean([own, *weights[best]], axis=0)
    jaccard = np.array([1 - np.minimum(own, averaged[g]).sum() / np.maximum(own, averaged[g]).sum() for g in allowed])
    return 1 - method.weight * plain[allowed] - (1 - method.weight) * jaccard


@pytest.mark.parametrize(
    "method", [KReciprocal(), KReciprocal(k1=6, k2=3, weight=0.5), KReciprocal(k1=1, k2=1, weight=0)]
)
@pytest.mark.parametrize("cells", [2**21, 150, 1])
def test_k_reciprocal_agrees_with_its_dense_reference(
    method: KReciprocal, cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(k_reciprocal, "CELLS", cells)
    given_ = crowd(3)
    rank = method.ranker(given_)
    for query in range(3):
        for allowed in (EVERY, np.flatnonzero(given_.rows.scene % 4 != query)):
            assert rank(query, allowed) == pytest.approx(reference(given_, method, query, allowed), abs=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_k_reciprocal_agrees_on_any_crowd(seed: int) -> None:
    given_, method = crowd(seed, people=5, each=4, queries=1), KReciprocal(k1=5, k2=2)
    every = np.arange(20)
    assert method.ranker(given_)(0, every) == pytest.approx(reference(given_, method, 0, every), abs=1e-5)


def test_k_reciprocal_never_holds_the_whole_table() -> None:
    rng = np.random.default_rng(0)
    count = 6000
    given_ = searched(rng.normal(size=(count, 16)), list(range(count)), rng.normal(size=(1, 16)))
    tracemalloc.start()
    try:
        KReciprocal().ranker(given_)(0, np.arange(count))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < count * count * 4 * 2 / 3  # the table of similarities alone would be 144 MB


@pytest.mark.parametrize("name", RERANKERS)
def test_the_order_of_rows_and_scenes_changes_nothing(name: str) -> None:
    given_ = crowd(11)
    plain = RERANKERS[name].ranker(given_)(1, EVERY)
    # scenes in another order, and rows in another order within them
    rng = np.random.default_rng(2)
    new_scene = rng.permutation(16)
    order = np.lexsort((rng.random(48), new_scene[given_.rows.scene]))
    rows = given_.rows
    moved = Searched(
        rows=GalleryRows(
            embeddings=rows.embeddings[order],
            scores=rows.scores[order],
            boxes=rows.boxes[order],
            scene=new_scene[rows.scene][order],
            names=rows.names,
        ),
        queries=given_.queries[::-1],
        companions=given_.companions[::-1],
        cameras=given_.cameras[order],
        query_cameras=given_.query_cameras[::-1],
    )
    assert RERANKERS[name].ranker(moved)(1, EVERY) == pytest.approx(plain[order], abs=1e-5)


@pytest.mark.parametrize("name", sorted(set(RERANKERS) - {"k-reciprocal", "camera-mean", "camera-similarity"}))
def test_rows_that_are_not_allowed_change_nothing(name: str) -> None:
    # neighbourhoods and cameras' means are those of the whole gallery
    given_ = crowd(12)
    allowed = np.flatnonzero(given_.rows.scene % 3 != 0)
    rows = given_.rows
    smaller = Searched(
        rows=GalleryRows(
            embeddings=rows.embeddings[allowed],
            scores=rows.scores[allowed],
            boxes=rows.boxes[allowed],
            scene=rows.scene[allowed],
            names=rows.names,
        ),
        queries=given_.queries,
        companions=given_.companions,
        cameras=given_.cameras[allowed],
        query_cameras=given_.query_cameras,
    )
    part = RERANKERS[name].ranker(given_)(0, allowed)
    assert part == pytest.approx(RERANKERS[name].ranker(smaller)(0, np.arange(len(allowed))), abs=1e-6)


@pytest.mark.parametrize("name", RERANKERS)
def test_no_rows_and_one_row(name: str) -> None:
    given_ = searched([[1, 0]], [0], [[0.6, 0.8]], [[[0, 1]]])
    assert len(RERANKERS[name].ranker(given_)(0, np.zeros(0, np.int64))) == 0
    assert np.isfinite(RERANKERS[name].ranker(given_)(0, np.arange(1))).all()


def test_invalid_parameters_and_names_are_refused() -> None:
    for make in (
        lambda: KReciprocal(k1=3, k2=5),
        lambda: KReciprocal(weight=2),
        lambda: ContextMatching(k1=0),
        lambda: ContextMatching(score="max"),  # type: ignore[arg-type]
        lambda: QueryExpansion(k=0),
        lambda: QueryExpansion(alpha=float("nan")),
        lambda: Companions(people=0),
        lambda: Companions(floor=1),
    ):
        with pytest.raises(ConfigError):
            make()
    with pytest.raises(ConfigError, match="'cbgm'; methods are: context, "):
        reranker_of("cbgm")


def detections(vectors: object, boxes: list[list[float]], scores: list[float]) -> Detections:
    return Detections(
        boxes=np.array(boxes, np.float32),
        scores=np.array(scores, np.float32),
        embeddings=unit(vectors),
        image_size=(100, 100),
    )


def test_a_whole_search_with_lists() -> None:
    scenes = [toy.scene("q", [A, B], [1, 2]), toy.scene("x", [A, B], [1, 2]), toy.scene("y", [A], [3])]
    where = GalleryList(image_ids=("x", "y"), boxes=np.array([A, [np.nan] * 4], np.float32))
    query = Query(image_id="q", box=np.array(A, np.float32), identity=1, gallery=where)
    data = Dataset(name="toys", scenes=tuple(scenes), queries=(query,), accounting=Accounting(rows=0, kept=0))
    people = {
        "q": detections([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [A, B, C], [0.9, 0.8, 0.3]),
        "x": detections([[0.7, 0, 0.7], [0, 1, 0]], [A, B], [0.9, 0.9]),
        "y": detections([[0.9, 0, 0.4]], [A], [0.9]),
    }
    asked = unit([[1, 0, 0]])
    given_ = Searched.of(people, data, asked)
    assert [c.tolist() for c in given_.companions] == [[[0, 1, 0]]]  # not the query, nor who is below the threshold
    assert evaluate_search(people, data, asked).top[1] == 0  # y's stranger is more similar
    ranker = ContextMatching().ranker(given_)
    assert evaluate_search(people, data, asked, ranker=ranker).top[1] == 1  # but x shows the companion too
    assert evaluate_search(people, data, asked, ranker=Companions().ranker(given_)).top[1] == 1
    with pytest.raises(DatasetError, match="2 query embeddings for 1 queries"):
        Searched.of(people, data, unit([[1, 0, 0], [1, 0, 0]]))
