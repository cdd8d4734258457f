"""A gallery searched with a calibration: probabilities, and thresholds that few strangers reach."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from personsearch import Detections, Gallery
from personsearch.errors import ConfigError, GalleryMismatchError
from tests.gallery.toy import DIM, spec
from tests.toy_calibration import calibration


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    """Three people at similarity 0.3, 0.5 and 0.7 to the first axis."""
    cos = np.array([0.3, 0.5, 0.7], np.float32)
    embeddings = np.zeros((3, DIM), np.float32)
    embeddings[:, 0], embeddings[:, 1] = cos, np.sqrt(1 - cos**2)
    detections = Detections(
        boxes=np.tile(np.array([0, 0, 10, 30], np.float32), (3, 1)),
        scores=np.ones(3, np.float32),
        embeddings=embeddings,
        image_size=(100, 100),
    )
    opened = Gallery.open(tmp_path / "g", spec())
    opened.add("a.jpg", detections)
    return opened


QUERY = np.eye(1, DIM, dtype=np.float32)[0]


def test_probabilities_and_rates(gallery: Gallery) -> None:
    assert [match.probability for match in gallery.search(QUERY)] == [None] * 3
    assert [match.similarity for match in gallery.search(QUERY, min_similarity=0.6)] == pytest.approx([0.7], abs=0.001)
    gallery.calibration = calibration()
    filled = gallery.search(QUERY)
    assert [match.probability for match in filled] == pytest.approx([0.9, 0.7, 0.3], abs=0.01)
    above = gallery.search(QUERY, max_false_match_rate=0.01, cameras=None)
    assert [match.similarity for match in above] == pytest.approx([0.7, 0.5], abs=0.001)  # its threshold is 0.4999
    higher = gallery.search(QUERY, max_false_match_rate=0.01, min_similarity=0.6)
    assert [match.similarity for match in higher] == pytest.approx([0.7], abs=0.001)


def test_a_calibration_given_when_opened_serves_one_query_and_many(gallery: Gallery) -> None:
    gallery.close()
    with Gallery.open(gallery.path, mode="r", calibration=calibration()) as opened:
        [batch] = opened.search_batch(QUERY[None], max_false_match_rate=0.01)
        assert batch == opened.search(QUERY, max_false_match_rate=0.01)
        assert [match.probability for match in batch] == pytest.approx([0.9, 0.7], abs=0.01)


def test_what_cannot_be_promised_is_refused(gallery: Gallery) -> None:
    with pytest.raises(ConfigError, match="needs a calibration"):
        gallery.search(QUERY, max_false_match_rate=0.01)
    with pytest.raises(GalleryMismatchError, match="the calibration belongs to eeeeeeeeeeee"):
        gallery.calibration = replace(calibration(), weights="e" * 64)
    gallery.calibration = calibration()
    with pytest.raises(ConfigError, match="too few pairs"):
        gallery.search(QUERY, max_false_match_rate=1e-3)
    gallery.close()
    with pytest.raises(GalleryMismatchError, match="the calibration belongs to eeeeeeeeeeee"):
        Gallery.open(gallery.path, calibration=replace(calibration(), weights="e" * 64))
    Gallery.open(gallery.path).close()  # the writer's lock was released


def test_a_misspelt_filter_is_a_type_error(gallery: Gallery) -> None:
    for search, query in ((gallery.search, QUERY), (gallery.search_batch, QUERY[None])):
        with pytest.raises(TypeError, match="camera"):
            search(query, camera=["c1"])  # type: ignore[call-arg]
