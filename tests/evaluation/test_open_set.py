from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from personsearch import Detections
from personsearch.datasets import GalleryList, Query, Scene
from personsearch.datasets.dataset import Accounting, Dataset
from personsearch.errors import DatasetError
from personsearch.evaluation import PRESETS, evaluate_search
from personsearch.evaluation.open_set import OpenSetResult, open_set
from tests.evaluation import toy

A, B = [0.0, 0, 20, 40], [50.0, 0, 70, 40]


def dataset(scenes: list[Scene], queries: list[Query]) -> Dataset:
    return Dataset(name="toys", scenes=tuple(scenes), queries=tuple(queries), accounting=Accounting(rows=0, kept=0))


def detected(similarities: list[float]) -> Detections:
    """At A, then at B; the dot product with (1, 0) is as given."""
    cos = np.array(similarities, np.float32)
    return Detections(
        boxes=np.array([A, B][: len(cos)], np.float32),
        scores=np.full(len(cos), 0.9, np.float32),
        embeddings=np.stack([cos, np.sqrt(1 - cos**2)], axis=1),
        image_size=(100, 100),
    )


def query(identity: int = 1, gallery: GalleryList | None = None) -> Query:
    return Query(image_id="q", box=np.array(A, np.float32), identity=identity, gallery=gallery)


def look(n: int) -> np.ndarray:
    return np.tile(np.array([[1, 0]], np.float32), (n, 1))


SCENES = [toy.scene("q", [A], [1]), toy.scene("x", [A, B], [1, 2]), toy.scene("y", [A], [3])]
FOUND = {"q": detected([1.0]), "x": detected([0.8, 0.9]), "y": detected([0.3])}


def test_trials_by_hand() -> None:
    # x shows person 1 at 0.8 beside a stranger at 0.9: the stranger comes first. Without x, y's stranger is left.
    result = open_set(FOUND, dataset(SCENES, [query()]), look(1))
    assert result.genuine == pytest.approx([0.9])
    assert result.identified.tolist() == [False]
    assert result.impostor == pytest.approx([0.3])
    assert [point.similarity for point in result.points] == [None, None]  # one trial is too few for a rate
    better = open_set({**FOUND, "x": detected([0.95, 0.9])}, dataset(SCENES, [query()]), look(1))
    assert better.genuine == pytest.approx([0.95])
    assert better.identified.tolist() == [True]


def test_people_who_are_nowhere_and_galleries_that_are_left_empty() -> None:
    only_x = GalleryList(image_ids=("x",), boxes=np.array([A], np.float32))
    result = open_set(FOUND, dataset(SCENES, [query(9), query(gallery=only_x)]), look(2))
    assert result.without_trial == 1
    assert result.genuine == pytest.approx([0.9])
    assert result.impostor == pytest.approx([0.9, -np.inf])  # without x the second one's gallery is empty
    with pytest.raises(DatasetError, match="has no queries"):
        open_set(FOUND, dataset(SCENES, []), look(0))


def test_queries_in_whose_image_nothing_was_detected_are_scored_as_in_a_search() -> None:
    """With the detection nearest to the query searched for, there is nothing to search for: the box is no stand-in."""
    found = {"x": detected([0.95, 0.9]), "y": detected([0.3])}
    by_detection = PRESETS["alignps"]
    two = (query(), Query(image_id="y", box=np.array(A, np.float32), identity=1))
    zero = open_set(found, dataset(SCENES, list(two)), look(2), by_detection)
    assert zero.genuine.tolist() == [-np.inf, pytest.approx(zero.genuine[1])]
    assert zero.identified.tolist()[0] is False
    assert zero.impostor[0] == -np.inf
    search = evaluate_search(found, dataset(SCENES, list(two)), look(2), by_detection)
    assert (zero.identified == (search.first_ranks == 0)).all()
    skip = open_set(found, dataset(SCENES, list(two)), look(2), by_detection.changed(undetected_query="skip"))
    assert (len(skip.genuine), len(skip.impostor), skip.without_trial) == (1, 1, 1)


@pytest.mark.parametrize("preset", PRESETS)
def test_weights_that_detect_nobody_identify_nobody(preset: str) -> None:
    scenes = [replace(scene, camera=camera) for scene, camera in zip(SCENES, "abc", strict=True)]
    result = open_set({}, dataset(scenes, [query()]), look(1), PRESETS[preset])
    assert (result.genuine.tolist(), result.identified.tolist()) == ([-np.inf], [False])
    rates, shares = result.curve()
    assert (rates.tolist(), shares.tolist()) == ([0.0, 1.0], [0.0, 0.0])


def test_no_trials_give_no_numbers() -> None:
    rules = PRESETS["alignps"].changed(undetected_query="skip")
    result = open_set({}, dataset(SCENES, [query()]), look(1), rules)
    assert result.without_trial == 1
    assert np.isnan(result.curve()).all()


def test_a_ranker_ranks_the_rows_of_the_gallery() -> None:
    asked = []

    def ranker(number: int, rows: np.ndarray) -> np.ndarray:
        asked.append((number, rows.tolist()))
        return -np.arange(len(rows), dtype=float)

    result = open_set(FOUND, dataset(SCENES, [query()]), look(1), ranker=ranker)
    assert asked == [(0, [1, 2, 3])]
    assert (result.genuine.tolist(), result.identified.tolist(), result.impostor.tolist()) == ([0.0], [True], [-2.0])


def test_points_and_curve_by_hand() -> None:
    # Twenty queries of twenty people; each finds itself at 0.025 n + 0.5 and, without itself, the others' best.
    scenes, queries, detections = [], [], {}
    for n in range(20):
        scenes.append(toy.scene(f"{n}", [A], [n]))
        detections[f"{n}"] = detected([0.5])
        queries.append(Query(image_id="elsewhere", box=np.array(A, np.float32), identity=n))
    genuine = 0.5 + 0.025 * np.arange(20)
    strangers = 0.05 * np.arange(20)

    def ranker(number: int, rows: np.ndarray) -> np.ndarray:
        return np.where(rows == number, genuine[number], np.where(rows == (number + 1) % 20, strangers[number], -1.0))

    result = open_set(detections, dataset(scenes, queries), look(20), ranker=ranker, rates=(0.5, 0.1))
    half, tenth = result.points
    assert tenth.similarity is None  # 2 of 20 trials are too few
    # half of the impostor trials reach 0.5 or more, so the threshold lies just above 0.45
    assert half.similarity == pytest.approx(0.45)
    assert half.identification_rate == result.identified.mean()
    rates, shares = result.curve()
    assert (rates[0], rates[-1]) == (0, 1)
    assert shares[0] == 1 / 20  # no impostor let through, the highest is at 0.95: only the last query's 0.975 is above
    assert shares[-1] == result.identified.mean()


@given(
    st.lists(st.tuples(st.floats(-1, 1), st.booleans()), min_size=1, max_size=30),
    st.lists(st.floats(-1, 1), min_size=1, max_size=30),
)
def test_letting_more_impostors_through_never_loses_a_person(
    genuine: list[tuple[float, bool]], impostor: list[float]
) -> None:
    identified = np.array([right for _, right in genuine])
    result = OpenSetResult(
        genuine=np.array([value for value, _ in genuine]),
        identified=identified,
        impostor=np.array(impostor),
        points=(),
        without_trial=0,
    )
    rates, shares = result.curve()
    assert (np.diff(rates) > 0).all()
    assert (np.diff(shares) >= 0).all()
    assert shares[-1] == pytest.approx(identified.mean())
