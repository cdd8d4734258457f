"""Camera bias by hand: what a camera adds to everybody before it is taken out."""

import numpy as np
import pytest

from personsearch.errors import ConfigError, DatasetError
from personsearch.evaluation import GalleryRows, evaluate_search
from personsearch.evaluation.rerank import CameraMeans, CameraSimilarity, Searched
from tests.evaluation import toy


def world(rows: object, cameras: list[int], query: list[float], query_camera: int) -> Searched:
    embeddings = np.array(rows, np.float64)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    count = len(embeddings)
    asked = np.array([query], np.float64)
    return Searched(
        rows=GalleryRows(
            embeddings=embeddings.astype(np.float32),
            scores=np.ones(count, np.float32),
            boxes=np.tile(np.array([0, 0, 20, 40], np.float32), (count, 1)),
            scene=np.arange(count),
            names=tuple(f"{n}.jpg" for n in range(count)),
        ),
        queries=(asked / np.linalg.norm(asked)).astype(np.float32),
        companions=(np.zeros((0, embeddings.shape[1]), np.float32),),
        cameras=np.array(cameras),
        query_cameras=np.array([query_camera]),
    )


def test_what_a_camera_adds_no_longer_decides() -> None:
    # Two people along x and y; camera 0 adds (0, 0, 1) to everybody, camera 1 the opposite.
    rows = [[1, 0, 1], [0, 1, 1], [1, 0, -1], [0, 1, -1]]
    given = world(rows, [0, 0, 1, 1], [1, 0, 1], 0)
    every = np.arange(4)
    plain = given.similarity(0, every)
    assert plain == pytest.approx([1, 0.5, 0, -0.5], abs=1e-6)  # a stranger here beats the person there
    corrected = CameraMeans(rows=0).ranker(given)(0, every)
    assert corrected == pytest.approx([1, 0, 1, 0], abs=1e-6)
    assert CameraMeans(weight=0).ranker(given)(0, every) == pytest.approx(plain, abs=1e-6)
    half = CameraMeans(rows=2).ranker(given)(0, every)  # of two rows, the mean counts a half
    root = np.sqrt(0.5)
    kept = np.array([root, 0, root / 2]) / np.linalg.norm([root, root / 2])
    assert half[2] == pytest.approx(float(kept @ (kept * [1, 1, -1])), abs=1e-6)


def test_the_cameras_similarity_is_subtracted() -> None:
    rows = [[1, 0, 1], [0, 1, 1], [1, 0, -1], [0, 1, -1]]
    given = world(rows, [0, 0, 1, 1], [1, 0, 1], 0)
    every = np.arange(4)
    expected = given.similarity(0, every) - 0.3 * np.array([1, 1, -1, -1])  # the cameras' means are opposite
    assert CameraSimilarity(weight=0.3).ranker(given)(0, every) == pytest.approx(expected, abs=1e-6)


def test_cameras_come_from_the_set_and_must_be_known() -> None:
    scenes = [toy.shows("q", [1], "b"), toy.shows("s", [1, 2], "a"), toy.shows("t", [2], "b")]
    data = toy.dataset(scenes, toy.query())
    detections = {"s": toy.detected([0.9, 0.2]), "t": toy.detected([0.4]), "q": toy.detected([1.0])}
    searched = Searched.of(detections, data, toy.LOOK)
    assert searched.cameras.tolist() == [1, 0, 0, 1]  # in the order of the scenes: q, s, s, t
    assert searched.query_cameras.tolist() == [1]
    for method in (CameraMeans(), CameraSimilarity()):
        result = evaluate_search(detections, data, toy.LOOK, ranker=method.ranker(searched))
        assert result.queries == 1
        nameless = toy.dataset([toy.shows("q", [1]), *scenes[1:]], toy.query())
        unknown = Searched.of(detections, nameless, toy.LOOK)
        assert unknown.query_cameras.tolist() == [-1]
        with pytest.raises(DatasetError, match="the camera of a scene is unknown"):
            method.ranker(unknown)


@pytest.mark.parametrize(
    ("method", "options"),
    [(CameraMeans, {"weight": 1.5}), (CameraMeans, {"rows": -1}), (CameraSimilarity, {"weight": -0.1})],
)
def test_what_is_refused(method: type, options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="must be"):
        method(**options)
