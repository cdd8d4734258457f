"""Searches as people have them: several pictures, a track, a person, feedback."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from personsearch import Gallery, PersonSearcher
from personsearch.errors import GalleryError, ImageError
from personsearch.people import NewScene, NewTrack, NewView
from personsearch.results import Matches
from tests.support import toy_scene

BOX = (10, 10, 30, 70)


@pytest.fixture
def gallery(tiny_searcher: PersonSearcher, tmp_path: Path) -> Gallery:
    """Two stills, and a track of two views in two frames; everybody has been grouped."""
    opened = Gallery.open(tmp_path / "g", tiny_searcher.spec)
    for number in range(2):
        opened.add(f"{number}.jpg", tiny_searcher.detect(toy_scene([(number, 10, 10), (2, 60, 20)], seed=number)))
    frames = [
        NewScene(image_id=f"v.mp4#t={n}.000", detections=tiny_searcher.detect(toy_scene([(n, 30, 9)]), max_people=1))
        for n in range(2)
    ]
    opened.tracks.add(frames, [NewTrack(views=tuple(NewView(image_id=f.image_id, row=0, frames=2) for f in frames))])
    opened.people.group(min_similarity=0.9)
    return opened


@pytest.fixture
def runs(tiny_searcher: PersonSearcher, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the network is asked to do, one entry for each time it runs."""
    asked: list[str] = []

    def counted(name: str) -> Callable[..., Any]:
        method = getattr(tiny_searcher._runner, name)

        def call(*arguments: Any) -> Any:
            asked.append(name)
            return method(*arguments)

        return call

    for name in ("detect", "embed", "embed_crops"):
        monkeypatch.setattr(tiny_searcher._runner, name, counted(name))
    return asked


def test_the_network_runs_once_for_each_picture(
    tiny_searcher: PersonSearcher, gallery: Gallery, runs: list[str]
) -> None:
    scenes = [toy_scene([(0, 10, 10)], seed=n) for n in (5, 6, 7)]
    matches = tiny_searcher.search(gallery, scenes[0], BOX, images=[(scenes[1], BOX), scenes[2]])
    assert runs == ["embed", "embed", "detect"]
    assert isinstance(matches, Matches)
    assert [person.box for person in matches.queries[:2]] == [BOX, BOX]
    assert matches.queries[2].score is not None  # this one was detected


def test_several_pictures_are_their_mean_or_the_best_of_them(tiny_searcher: PersonSearcher, gallery: Gallery) -> None:
    scenes = [toy_scene([(n, 10, 10)], seed=n) for n in (5, 6)]
    embeddings = np.stack([tiny_searcher.embed_query(scene, BOX) for scene in scenes])
    pairs = [(scene, BOX) for scene in scenes]
    assert tiny_searcher.search(gallery, images=pairs, k=3) == gallery.search(embeddings, 3)
    best = tiny_searcher.search(gallery, images=pairs, k=3, combine="best")
    assert best == gallery.search(embeddings, 3, combine="best")
    apart = [match.similarity for match in gallery.search(embeddings[0], 3) + gallery.search(embeddings[1], 3)]
    assert best[0].similarity == max(apart)


def test_a_track_and_a_person_are_searched_for_without_the_network(
    tiny_searcher: PersonSearcher, gallery: Gallery, runs: list[str]
) -> None:
    [track] = gallery.tracks.all()
    found = tiny_searcher.search(gallery, track=track.track_id, k=100)
    assert len(found) == len(gallery) - 2
    assert not {match.detection_id for match in found} & set(track.detection_ids)
    person = gallery.people.all()[0]
    others = tiny_searcher.search(gallery, person=person.person_id, k=100)
    assert {match.detection_id for match in others}.isdisjoint(person.detection_ids)
    assert len(others) == len(gallery) - len(person.detection_ids)
    alike = tiny_searcher.search(gallery, like=[1], k=1)
    assert alike[0].detection_id == 1
    assert (runs, found.queries, others.queries) == ([], (), ())


def test_feedback_and_options_reach_the_gallery(tiny_searcher: PersonSearcher, gallery: Gallery) -> None:
    scene = toy_scene([(0, 10, 10)], seed=5)
    embedding = tiny_searcher.embed_query(scene, BOX)
    options: dict[str, Any] = {"like": [1], "unlike": [3], "one_per_track": True, "exclude_tracks": [1]}
    assert tiny_searcher.search(gallery, scene, BOX, **options) == gallery.search(embedding, **options)
    cameras = tiny_searcher.search(gallery, scene, BOX, k=2, per_camera=True)
    assert cameras == gallery.search(embedding, 2, per_camera=True)
    gallery.label("0.jpg", camera="door")
    options = {"camera_bias": 1.0, "query_camera": "door"}
    without = tiny_searcher.search(gallery, scene, BOX, **options)
    assert without == gallery.search(embedding, **options)
    assert without != tiny_searcher.search(gallery, scene, BOX)


MISTAKES: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({}, ImageError, "nobody to search for; give a picture or several, a track, a person, or detections"),
    ({"unlike": [1]}, ImageError, "nobody to search for"),
    ({"images": []}, ImageError, "nobody to search for"),
    ({"image": "x.jpg", "track": 1}, ImageError, "pictures and a track are given, but a search is for one"),
    ({"track": 1, "person": 1}, ImageError, "a track and a person are given"),
    ({"box": BOX}, ImageError, r"the box \(10, 10, 30, 70\) is given without image; give the picture"),
    ({"images": "x.jpg"}, ImageError, r"x\.jpg: images takes a list of pictures of one person; for one, write"),
    ({"images": [Image.new("RGB", (9, 9)), "/nowhere.jpg"]}, ImageError, "nobody is detected|nowhere"),
    ({"track": 99}, GalleryError, "there is no track 99"),
    ({"person": 99}, GalleryError, "there is no person 99"),
    ({"like": [999]}, GalleryError, "nobody has detection_id 999"),
]


def test_what_is_refused(tiny_searcher: PersonSearcher, gallery: Gallery) -> None:
    for query, error, message in MISTAKES:
        with pytest.raises(error, match=message):
            tiny_searcher.search(gallery, **query)
