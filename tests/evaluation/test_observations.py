import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from personsearch.errors import ConfigError
from personsearch.evaluation.observations import Observations, box_rows
from tests.evaluation import toy

A, B, C = ([float(n), 0, n + 5, 9] for n in range(3))
SCENES = [toy.scene("x", [A, B], [1, 2]), toy.scene("y", [])]


def observations(boxes: list[list[float]]) -> Observations:
    """Embed boxes of scene x as (0, 1), (2, 3), ..., and none of scene y."""
    rows = np.arange(2 * len(boxes), dtype=np.float32).reshape(-1, 2)
    none = np.zeros((0, 4), np.float32)
    return Observations(
        weights="f" * 64,
        detections={},
        boxes={"x": np.array(boxes, np.float32), "y": none},
        embeddings={"x": rows, "y": none[:, :2]},
    )


def query(box: list[float], image_id: str = "x") -> toy.Query:
    return toy.Query(image_id=image_id, box=np.array(box, np.float32), identity=1)


def test_embeddings_are_found_by_their_boxes() -> None:
    data = toy.dataset(SCENES, query(C), query(A), query(C))
    observed = observations([A, B, C])
    assert observed.queries(data).tolist() == [[4, 5], [0, 1], [4, 5]]
    people = observed.people(data)
    assert people["x"].tolist() == [[0, 1], [2, 3]]
    assert people["y"].shape == (0, 2)
    relabelled = toy.dataset([toy.scene("x", [B, A], [7, -1])])
    assert observed.people(relabelled)["x"].tolist() == [[2, 3], [0, 1]]
    assert observed.queries(relabelled).shape == (0, 2)


def test_boxes_that_were_not_embedded_are_refused() -> None:
    observed = observations([A, C])
    with pytest.raises(ConfigError, match="not of toy as it is now: a box in 'x' was not embedded; observe the set"):
        observed.people(toy.dataset(SCENES))
    for other in (query(B), query(A, "y"), query(A, "elsewhere")):
        with pytest.raises(ConfigError, match="was not embedded"):
            observed.queries(toy.dataset(SCENES, other))


COORDINATES = st.integers(0, 2).map(float)


@given(
    arrays(np.float32, st.tuples(st.integers(0, 5), st.just(4)), elements=COORDINATES),
    arrays(np.float32, st.tuples(st.integers(0, 5), st.just(4)), elements=COORDINATES),
)
def test_rows_are_those_of_a_plain_search(known: np.ndarray, boxes: np.ndarray) -> None:
    rows = known.tolist()
    assert box_rows(known, boxes).tolist() == [rows.index(box) if box in rows else -1 for box in boxes.tolist()]
