"""A search agrees with comparing everybody in numpy, whatever the index and the filters."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from personsearch import Detections, Gallery
from personsearch.gallery import index as index_module
from tests.gallery.toy import DIM, people, searched_with, spec

SCENES = 60


def with_twins(number: int) -> Detections:
    """A scene of up to five people; some look exactly like people of other scenes."""
    detections = people(number % 6, seed=number)
    embeddings = detections.embeddings.copy()
    if len(detections) > 2:
        embeddings[1] = people(1, seed=1000 + number % 3).embeddings[0]
    return replace(detections, embeddings=embeddings)


@pytest.fixture(scope="module", params=["numpy", "faiss", "ivf"])
def gallery(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    folder = tmp_path_factory.mktemp("search") / "g"
    with searched_with(request.param), Gallery.open(folder, spec()) as opened:
        for number in range(SCENES):
            camera = None if number % 7 == 0 else f"c{number % 3}"
            time = None if number % 5 == 0 else float(number)
            opened.add(f"{number}.jpg", with_twins(number), camera=camera, time=time)
        opened.remove(["9.jpg", "28.jpg"])
        if request.param == "ivf":
            assert "IVF" in search_inverted_lists(opened)
        yield opened


def search_inverted_lists(opened: Gallery) -> str:
    """Give the gallery inverted lists and let it probe them all; training would find no gain at this size."""
    from personsearch.gallery.ivf import IVFIndex

    view = opened._folder.view
    with opened._folder.database.snapshot():
        exact = view.refresh()
        centroids = people(6, seed=77).embeddings
        ivf = IVFIndex(index_module.faiss_module(), centroids, half=False, nprobe=6)
        for ids, vectors in exact.stored():
            ivf.add(ids, vectors)
        view.index = ivf
        return view.refresh().describe()


def oracle(query: np.ndarray, k: int, filters: dict[str, Any]) -> list[tuple[float, int, str]]:
    """(similarity, detection_id, image_id) by comparing with everybody that was added, one by one."""
    rows = []
    detection_id = 0
    for number in range(SCENES):
        name = f"{number}.jpg"
        camera = None if number % 7 == 0 else f"c{number % 3}"
        time = None if number % 5 == 0 else float(number)
        stored = with_twins(number).embeddings.astype(np.float16).astype(np.float64)
        stored /= np.linalg.norm(stored, axis=1, keepdims=True)
        for similarity in (stored @ query).tolist():
            detection_id += 1
            fits = (
                name not in ("9.jpg", "28.jpg")
                and (filters.get("cameras") is None or camera in filters["cameras"])
                and (filters.get("since") is None or (time is not None and time >= filters["since"]))
                and (filters.get("until") is None or (time is not None and time <= filters["until"]))
                and name not in (filters.get("exclude_images") or ())
                and (filters.get("min_similarity") is None or similarity >= filters["min_similarity"])
            )
            if fits:
                rows.append((similarity, detection_id, name))
    rows.sort(key=lambda row: (-np.float32(row[0]), row[1]))
    if filters.get("one_per_image"):
        best: dict[str, tuple[float, int, str]] = {}
        for row in rows:
            best.setdefault(row[2], row)
        rows = list(best.values())
    return rows[:k]


FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "cameras": st.lists(st.sampled_from(["c0", "c1", "c2", "nowhere"]), max_size=2),
        "since": st.integers(0, SCENES),
        "until": st.integers(0, SCENES),
        "exclude_images": st.lists(st.integers(0, SCENES).map(lambda n: f"{n}.jpg"), max_size=5),
        "min_similarity": st.floats(-0.5, 0.9).map(lambda value: value + 1e-4),
        "one_per_image": st.booleans(),
    },
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(seed=st.integers(0, 60), twin=st.booleans(), k=st.integers(1, 160), filters=FILTERS)
def test_every_filter_agrees_with_the_oracle(
    gallery: Gallery, seed: int, twin: bool, k: int, filters: dict[str, Any]
) -> None:
    query = people(1, seed=1000 + seed % 3 if twin else seed + 500).embeddings[0]
    expected = oracle(query, k, filters)
    matches = gallery.search(query, k, **filters)
    assert [(m.detection_id, m.image_id) for m in matches] == [(row[1], row[2]) for row in expected]
    assert np.allclose([m.similarity for m in matches], [row[0] for row in expected], atol=1e-5)


def test_a_batch_gives_what_single_searches_give(gallery: Gallery) -> None:
    queries = np.concatenate([people(20, seed=50).embeddings, people(1, seed=1000).embeddings])
    for filters in ({}, {"cameras": ["c1"]}, {"one_per_image": True}):
        assert gallery.search_batch(queries, 7, **filters) == [gallery.search(query, 7, **filters) for query in queries]


def test_twins_are_ranked_by_detection_id(gallery: Gallery) -> None:
    [query] = people(1, seed=1000).embeddings
    matches = gallery.search(query, 1000)
    twins = [m for m in matches if m.similarity > 0.999]
    assert len(twins) > 5
    assert [m.detection_id for m in twins] == sorted(m.detection_id for m in twins)
    assert gallery.search(query, 1) == twins[:1]


def test_an_empty_gallery_and_one_emptied(tmp_path: Path) -> None:
    query = np.eye(DIM, dtype=np.float32)[0]
    with Gallery.open(tmp_path / "g", spec()) as gallery:
        assert gallery.search(query) == []
        gallery.add("a.jpg", people(2, 1))
        gallery.remove("a.jpg")
        assert gallery.search(query) == []
        assert gallery.search(query, cameras=["c"]) == []
        assert gallery.check() == []
    assert not (tmp_path / "g" / "index").exists()


def test_minus_zero_and_whole_numbers_come_back_the_same(tmp_path: Path) -> None:
    embeddings = np.zeros((1, DIM), np.float32)
    embeddings[0, 0] = 1
    embeddings[0, 1] = -0.0
    odd = Detections(
        boxes=np.array([[-0.0, 1, 20, 30]], np.float32),
        scores=np.array([1], np.float32),
        embeddings=embeddings,
        image_size=(40, 50),
    )
    with Gallery.open(tmp_path, spec()) as gallery:
        gallery.add("a.jpg", odd, time=-0.0)
        assert gallery.add("a.jpg", odd, time=0) is False
        [match] = gallery.search(embeddings[0])
        assert (match.box, match.score, match.time) == ((0, 1, 20, 30), 1, 0)
        assert gallery.check() == []
