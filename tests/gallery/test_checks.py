from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from personsearch import Gallery
from personsearch.errors import DatasetError, GalleryError
from personsearch.evaluation.rows import GalleryRows
from personsearch.gallery.checks import check_scene, check_vectors, json_text, seconds
from tests.gallery.toy import DIM, people, spec

GOOD = people(2, 1)


@pytest.mark.parametrize(
    ("image_id", "message"),
    [
        ("", "image_id must be a string that is not empty, got ''"),
        (None, "image_id must be a string that is not empty, got None"),
        (7, "image_id must be a string that is not empty, got 7"),
        ("a\udcff.jpg", "is not valid Unicode"),
    ],
)
def test_names_that_cannot_be_stored(image_id: str, message: str) -> None:
    with pytest.raises(GalleryError, match=message):
        check_scene(image_id, GOOD, None, DIM)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("embeddings", np.full((2, DIM), np.nan, np.float32), "image 'a': embeddings must be finite"),
        ("embeddings", np.ones((2, 3), np.float32), r"image 'a': embeddings must be \(N, 16\), got \(2, 3\)"),
        ("embeddings", GOOD.embeddings * 2, "image 'a': embeddings must be of unit length"),
        ("boxes", np.full((2, 4), np.inf, np.float32), "image 'a': boxes must be finite"),
        ("scores", np.full(2, np.nan, np.float32), "image 'a': scores must be finite"),
    ],
)
def test_numbers_that_cannot_be_used(field: str, value: np.ndarray, message: str) -> None:
    check_scene("a", GOOD, "door", DIM)
    with pytest.raises(GalleryError, match=message):
        check_scene("a", replace(GOOD, **{field: value}), None, DIM)


@pytest.mark.parametrize("camera", [7, b"door", "a\udcff"])
def test_cameras_are_strings(camera: str, tmp_path: Path) -> None:
    """SQLite would store 7 as "7", which no longer fits the row's checksum."""
    with pytest.raises(GalleryError, match="image 'a': camera must be a string of valid Unicode or None, got"):
        check_scene("a", GOOD, camera, DIM)
    with Gallery.open(tmp_path, spec()) as gallery:
        with pytest.raises(GalleryError, match="camera must be a string"):
            gallery.add("a", GOOD, camera=camera)
        assert gallery.add("a", GOOD, camera="7")
        assert gallery.search(GOOD.embeddings[0])[0].camera == "7"


def test_extra_is_what_json_can_hold() -> None:
    assert json_text("a", None) == "{}"
    assert json_text("a", {"b": [1, None], "a": "é"}) == '{"a": "\\u00e9", "b": [1, null]}'
    for extra in ({"a": {1, 2}}, {"a": b"x"}, {"a": 1, 2: 3}):
        with pytest.raises(GalleryError, match="image 'a': extra must be what JSON can hold"):
            json_text("a", extra)  # type: ignore[arg-type]


def test_image_sizes_may_be_numpy_s(tmp_path: Path) -> None:
    height, width = np.zeros((100, 200)).shape
    with Gallery.open(tmp_path, spec()) as gallery:
        assert gallery.add("a", replace(GOOD, image_size=(np.int64(height), np.int64(width))))
        assert not gallery.add("a", replace(GOOD, image_size=(height, width)))
        assert gallery.check() == []


def test_nobody_is_a_valid_scene() -> None:
    check_scene("empty.jpg", people(0, 1), None, DIM)
    check_vectors("query", np.zeros((0, DIM), np.float32), DIM)


def test_times_are_finite_seconds() -> None:
    assert seconds("a", None) is None
    assert seconds("a", 7) == 7.0
    assert str(seconds("a", -0.0)) == "0.0"
    for time in (float("nan"), float("inf")):
        with pytest.raises(GalleryError, match="image 'a': time must be a finite number of seconds"):
            seconds("a", time)


def refuses(door: Callable[[], object]) -> bool:
    try:
        door()
    except (GalleryError, DatasetError) as error:
        return "unit length" in str(error)
    return False


@pytest.mark.parametrize(("length", "refused"), [(0.9905, False), (1.0095, False), (0.9895, True), (1.0105, True)])
def test_galleries_and_evaluations_refuse_the_same_embeddings(length: float, refused: bool, tmp_path: Path) -> None:
    embeddings = np.zeros((1, DIM), np.float32)
    embeddings[0, 3] = length
    detections = replace(people(1, 1), embeddings=embeddings)
    with Gallery.open(tmp_path, spec()) as gallery:
        assert refuses(lambda: gallery.add("a.jpg", detections)) == refused
        assert refuses(lambda: gallery.search(embeddings[0])) == refused
        assert len(gallery) == (0 if refused else 1)
    assert refuses(lambda: GalleryRows.of({"a.jpg": detections}, ["a.jpg"], 0.0)) == refused
