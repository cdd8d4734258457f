"""Every way to search agrees with comparing everybody in numpy, one by one."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from personsearch import Detections, Gallery, Match
from personsearch.errors import GalleryError
from personsearch.gallery.searching import LIKE, UNLIKE
from personsearch.people import NewScene, NewTrack, NewView
from tests.gallery.toy import people, searched_with, spec

STILLS, FRAMES = 24, 30


def with_twins(number: int) -> Detections:
    """A scene of up to four people, of whom one looks exactly like people of other scenes."""
    detections = people(number % 5, seed=number)
    embeddings = detections.embeddings.copy()
    if len(detections) > 1:
        embeddings[1] = people(1, seed=1000 + number % 2).embeddings[0]
    return replace(detections, embeddings=embeddings)


def stored(image_id: str, number: int) -> NewScene:
    camera = None if number % 7 == 0 else f"c{number % 3}"
    time = None if number % 5 == 0 else float(number)
    return NewScene(image_id=image_id, detections=with_twins(number), camera=camera, time=time)


def fill(gallery: Gallery) -> list[tuple[NewScene, int | None]]:
    """Store stills and frames, whose people are followed over every fifth frame; return each row's scene and track."""
    rows: list[tuple[NewScene, int | None]] = []
    for number in range(STILLS):
        scene = stored(f"{number}.jpg", number)
        gallery.add(scene.image_id, scene.detections, camera=scene.camera, time=scene.time)
        rows += [(scene, None)] * len(scene.detections)
    scenes = [stored(f"clip.mp4#t={number}.000", number) for number in range(STILLS, STILLS + FRAMES)]
    views: dict[tuple[int, int], list[NewView]] = {}
    for number, scene in enumerate(scenes):
        for row in range(len(scene.detections)):
            views.setdefault((number % 5, row), []).append(NewView(image_id=scene.image_id, row=row, frames=3))
    gallery.tracks.add(scenes, [NewTrack(views=tuple(one)) for one in views.values()])
    ids = list(views)
    for number, scene in enumerate(scenes):
        rows += [(scene, ids.index((number % 5, row)) + 1) for row in range(len(scene.detections))]
    return rows


class World:
    """A gallery, and its rows as plain lists: detection_id n is row n - 1."""

    def __init__(self, gallery: Gallery) -> None:
        self.gallery = gallery
        self.rows = fill(gallery)
        scenes = {scene.image_id: scene for scene, _ in self.rows}.values()
        half = np.concatenate([scene.detections.embeddings for scene in scenes]).astype(np.float16).astype(np.float64)
        self.vectors = half / np.linalg.norm(half, axis=1, keepdims=True)

    def biases(self) -> dict[str | None, np.ndarray]:
        """Return what each camera adds, by its definition."""
        found: dict[str | None, np.ndarray] = {None: np.zeros(self.vectors.shape[1])}
        for camera in ("c0", "c1", "c2"):
            own = self.vectors[[scene.camera == camera for scene, _ in self.rows]]
            found[camera] = (own.mean(axis=0) - self.vectors.mean(axis=0)) * len(own) / (len(own) + 8)
        return found

    def ranking(
        self, queries: np.ndarray, k: int, options: dict[str, Any], vectors: np.ndarray | None = None
    ) -> list[tuple[int, float]]:
        """Return (detection_id, similarity) of the first k, by the definition of every option."""
        cut = {self.rows[one - 1][1] for one in options.get("unlike", ())} - {None}
        cut |= set(options.get("exclude_tracks") or ())
        gone = {*options.get("unlike", ()), *(options.get("exclude_detections") or ())}
        similarities = ((self.vectors if vectors is None else vectors) @ queries.T).max(axis=1).astype(np.float32)
        found = []
        for one in np.lexsort((np.arange(len(self.rows)), -similarities)).tolist():
            scene, track = self.rows[one]
            time = scene.time
            if (
                one + 1 not in gone
                and (track is None or track not in cut)
                and (options.get("cameras") is None or scene.camera in options["cameras"])
                and (options.get("since") is None or (time is not None and time >= options["since"]))
                and scene.image_id not in (options.get("exclude_images") or ())
                and similarities[one] >= options.get("min_similarity", -2)
            ):
                found.append(one)
        parts = [found]
        if options.get("per_camera"):
            cameras = {self.rows[one][0].camera for one in found}
            parts = [[one for one in found if self.rows[one][0].camera == camera] for camera in cameras]
        kept = [one for part in parts for one in self.distinct(part, options)[:k]]
        return [(one + 1, float(similarities[one])) for one in sorted(kept, key=found.index)]

    def distinct(self, ranking: list[int], options: dict[str, Any]) -> list[int]:
        seen: set[object] = set()
        kept = []
        for one in ranking:
            scene, track = self.rows[one]
            marks: set[object] = {scene.image_id} if options.get("one_per_image") else set()
            marks |= {track} if options.get("one_per_track") and track is not None else set()
            if not marks & seen:
                seen |= marks
                kept.append(one)
        return kept


@pytest.fixture(scope="module", params=["numpy", "faiss"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("search") / "g"
    with searched_with(request.param), Gallery.open(folder, spec()) as opened:
        yield World(opened)


IDS = st.integers(1, 100)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "cameras": st.lists(st.sampled_from(["c0", "c1", "c2", "nowhere"]), max_size=2),
        "since": st.integers(0, STILLS + FRAMES),
        "exclude_images": st.lists(st.integers(0, STILLS).map(lambda n: f"{n}.jpg"), max_size=3),
        "exclude_tracks": st.lists(st.integers(0, 20), max_size=3),
        "min_similarity": st.floats(-0.5, 0.9).map(lambda value: value + 1e-4),
        "one_per_image": st.booleans(),
        "one_per_track": st.booleans(),
        "per_camera": st.booleans(),
    },
)


def agree(matches: list[Match], expected: list[tuple[int, float]]) -> None:
    assert [match.detection_id for match in matches] == [one[0] for one in expected]
    assert np.allclose([match.similarity for match in matches], [one[1] for one in expected], atol=1e-5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    seeds=st.lists(st.integers(0, 40), min_size=1, max_size=4),
    twin=st.booleans(),
    combine=st.sampled_from(["mean", "best"]),
    k=st.integers(1, 120),
    options=OPTIONS,
    gone=st.lists(IDS, max_size=3),
)
def test_every_option_agrees_with_comparing_everybody(
    world: World, seeds: list[int], twin: bool, combine: Any, k: int, options: dict[str, Any], gone: list[int]
) -> None:
    queries = np.concatenate([people(1, seed=500 + seed).embeddings for seed in seeds])
    if twin:
        queries[0] = people(1, seed=1000).embeddings[0]
    searched = queries
    if combine == "mean" and len(queries) > 1:
        searched = queries.sum(axis=0, keepdims=True)
        searched = searched / np.linalg.norm(searched)
    options = {**options, "exclude_detections": gone}
    agree(world.gallery.search(queries, k, combine=combine, **options), world.ranking(searched, k, options))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(seed=st.integers(0, 40), k=st.integers(1, 120), options=OPTIONS, marked=st.sets(IDS, max_size=6))
def test_feedback_moves_the_query_and_leaves_the_rejected_out(
    world: World, seed: int, k: int, options: dict[str, Any], marked: set[int]
) -> None:
    query = people(1, seed=500 + seed).embeddings.astype(np.float64)
    like, unlike = sorted(marked)[::2], sorted(marked)[1::2]
    searched = query + LIKE * sum((world.vectors[one - 1] for one in like), np.zeros(1))
    searched = searched / np.linalg.norm(searched)
    if unlike:
        searched = searched - UNLIKE * np.mean([world.vectors[one - 1] for one in unlike], axis=0)
        searched = searched / np.linalg.norm(searched)
    options = {**options, "unlike": unlike}
    matches = world.gallery.search(query[0], k, like=like, **options)
    expected = world.ranking(searched, k, options)
    assert len(matches) == len(expected)
    assert np.allclose([match.similarity for match in matches], [one[1] for one in expected], atol=1e-5)
    cut = {world.rows[one - 1][1] for one in unlike} - {None}
    assert all(match.detection_id not in unlike for match in matches)
    assert all(match.track is None or match.track.track_id not in cut for match in matches)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 40),
    k=st.integers(1, 120),
    options=OPTIONS,
    weight=st.sampled_from([0.3, 1.0]),
    camera=st.sampled_from([None, "c0", "c1"]),
)
def test_camera_bias_is_taken_out_of_everybody(
    world: World, seed: int, k: int, options: dict[str, Any], weight: float, camera: str | None
) -> None:
    biases = world.biases()
    vectors = world.vectors - weight * np.stack([biases[scene.camera] for scene, _ in world.rows])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    query = people(1, seed=500 + seed).embeddings
    searched = query - weight * biases[camera]
    searched /= np.linalg.norm(searched)
    matches = world.gallery.search(query[0], k, camera_bias=weight, query_camera=camera, **options)
    expected = world.ranking(searched, k, options, vectors)
    assert len(matches) == len(expected)
    assert np.allclose([match.similarity for match in matches], [one[1] for one in expected], atol=1e-5)


def test_the_bias_follows_the_gallery(tmp_path: Path) -> None:
    with four(tmp_path) as gallery:
        plain, before = gallery.search(at(0)[0], 4), gallery.search(at(0)[0], 4, camera_bias=1)
        assert [m.similarity for m in plain] != [m.similarity for m in before]
        for number in range(4):
            gallery.label(f"{number}.jpg", camera="one")  # of a single camera, nothing is taken out
        after = gallery.search(at(0)[0], 4, camera_bias=1)
        assert [m.similarity for m in after] == pytest.approx([m.similarity for m in plain], abs=1e-6)
        gallery.add("more.jpg", replace(people(1, 5), embeddings=at(50)), camera="two")
        assert [m.similarity for m in gallery.search(at(0)[0], 4, camera_bias=1)] != [m.similarity for m in after]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12, deadline=None)
@given(k=st.integers(1, 40), options=OPTIONS)
def test_a_batch_gives_what_single_searches_give(world: World, k: int, options: dict[str, Any]) -> None:
    queries = np.concatenate([people(3, seed=50).embeddings, people(1, seed=1000).embeddings])
    assert world.gallery.search_batch(queries, k, **options) == [
        world.gallery.search(query, k, **options) for query in queries
    ]


def test_matches_carry_their_track(world: World) -> None:
    for match in world.gallery.search(world.gallery.embedding(60), 1000):
        track = world.rows[match.detection_id - 1][1]
        assert (match.track.track_id if match.track else None) == track


def four(tmp_path: Path) -> Gallery:
    """A gallery of four people at 0, 10, 20 and 90 degrees, the first two in the front yard, the others in the back."""
    angles = np.radians([0, 10, 20, 90])
    gallery = Gallery.open(tmp_path / "g", spec())
    for number, (camera, angle) in enumerate(zip(("front", "front", "back", "back"), angles, strict=True)):
        vector = np.zeros((1, 16), np.float32)
        vector[0, :2] = np.cos(angle), np.sin(angle)
        gallery.add(f"{number}.jpg", replace(people(1, number), embeddings=vector), camera=camera)
    return gallery


def at(*degrees: float) -> np.ndarray:
    vectors = np.zeros((len(degrees), 16), np.float32)
    vectors[:, 0], vectors[:, 1] = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return vectors


def test_mean_and_best_by_hand(tmp_path: Path) -> None:
    with four(tmp_path) as gallery:
        mean = gallery.search(at(0, 40), 2)  # the mean is at 20 degrees
        assert [m.detection_id for m in mean] == [3, 2]
        assert [m.similarity for m in mean] == pytest.approx([1, np.cos(np.radians(10))], abs=1e-3)
        best = gallery.search(at(0, 90), 4, combine="best")
        assert [m.detection_id for m in best] == [1, 4, 2, 3]
        assert [m.similarity for m in best] == pytest.approx([1, 1, *np.cos(np.radians([10, 20]))], abs=1e-3)


def test_the_best_of_every_camera_by_hand(tmp_path: Path) -> None:
    with four(tmp_path) as gallery:
        assert [m.detection_id for m in gallery.search(at(0)[0], 1, per_camera=True)] == [1, 3]
        assert [m.detection_id for m in gallery.search(at(90)[0], 1, per_camera=True)] == [4, 2]
        gallery.add("unknown.jpg", replace(people(1, 9), embeddings=at(30)))
        assert [m.camera for m in gallery.search(at(0)[0], 1, per_camera=True)] == ["front", "back", None]
        gallery.label("0.jpg", camera="side")
        assert [m.detection_id for m in gallery.search(at(0)[0], 1, per_camera=True)] == [1, 2, 3, 5]


def test_a_rejected_match_and_its_track_never_come_back(world: World) -> None:
    track = next(one for one in world.gallery.tracks.all() if len(one.detection_ids) > 2)
    query = world.gallery.embedding(track.detection_ids[0])
    found = world.gallery.search(query, 1000, unlike=[track.detection_ids[1]])
    assert not {match.detection_id for match in found} & set(track.detection_ids)
    assert len(found) == len(world.rows) - len(track.detection_ids)
    rest = world.gallery.search(query, 1000, exclude_tracks=[track.track_id])
    assert {match.detection_id for match in rest} == {match.detection_id for match in found}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"like": [1, 999]}, "like: nobody has detection_id 999; matches carry valid ones"),
        ({"unlike": [0]}, "unlike: nobody has detection_id 0"),
        ({"like": [1, 2], "unlike": [2]}, "detection 2 is in like and in unlike; it can only be in one"),
        ({"combine": "max"}, "combine must be 'mean' or 'best', got 'max'"),
        ({"k": 0}, "k must be at least 1, got 0"),
        ({"camera_bias": 1.5}, "camera_bias must be from 0 to 1, got 1.5"),
        ({"query_camera": "front"}, "query_camera only serves to take camera bias out; give camera_bias too"),
        ({"camera_bias": 1, "query_camera": "side"}, "has the query's camera 'side', only back, front; if it is"),
    ],
)
def test_what_is_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with four(tmp_path) as gallery, pytest.raises(GalleryError, match=message):
        gallery.search(at(0, 40), **options)


def test_embeddings_that_cancel_each_other_out(tmp_path: Path) -> None:
    with four(tmp_path) as gallery:
        with pytest.raises(GalleryError, match="cancel each other out"):
            gallery.search(at(0, 180))
        assert gallery.search(at(0, 180), 1, combine="best")[0].detection_id == 1
        with pytest.raises(GalleryError, match=r"must be \(16,\), or \(Q, 16\) of one person, got \(0, 16\)"):
            gallery.search(at())
