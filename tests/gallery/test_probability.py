"""A gallery searched with a calibration: probabilities, and matches that few strangers would reach."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from personsearch import Detections, Gallery
from personsearch.errors import ConfigError, GalleryMismatchError
from tests.gallery.toy import DIM, Spec
from tests.test_calibration import calibration


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    """Three people at similarity 0.3, 0.5 and 0.7 to the first axis."""
    cos = np.array([0.3, 0.5, 0.7], np.float32)
    embeddings = np.zeros((3, DIM), np.float32)
    embeddings[:, 0], embeddings[:, 1] = cos, np.sqrt(1 - cos**2)
    found = Detections(
        boxes=np.tile(np.array([0, 0, 10, 30], np.float32), (3, 1)),
        scores=np.ones(3, np.float32),
        embeddings=embeddings,
        image_size=(100, 100),
    )
    opened = Gallery.open(tmp_path / "g", Spec())
    opened.add("a.jpg", found)
    return opened


LOOK = np.eye(1, DIM, dtype=np.float32)[0]


def test_probabilities_and_rates(gallery: Gallery) -> None:
    assert [match.probability for match in gallery.search(LOOK)] == [None] * 3
    filled = gallery.search(LOOK, calibration=calibration())
    assert [match.probability for match in filled] == pytest.approx([0.9, 0.7, 0.3], abs=0.01)
    sure = gallery.search(LOOK, calibration=calibration(), max_false_match_rate=0.01, cameras=None)
    assert [match.similarity for match in sure] == pytest.approx([0.7, 0.5], abs=0.001)  # its threshold is 0.4999
    surer = gallery.search(LOOK, calibration=calibration(), max_false_match_rate=0.01, min_similarity=0.6)
    assert [match.similarity for match in surer] == pytest.approx([0.7], abs=0.001)
    assert [match.similarity for match in gallery.search(LOOK, min_similarity=0.6)] == pytest.approx([0.7], abs=0.001)


def test_what_cannot_be_promised_is_refused(gallery: Gallery) -> None:
    with pytest.raises(ConfigError, match="needs a calibration"):
        gallery.search(LOOK, max_false_match_rate=0.01)
    with pytest.raises(ConfigError, match="too few pairs"):
        gallery.search(LOOK, max_false_match_rate=1e-3, calibration=calibration())
    with pytest.raises(GalleryMismatchError, match="the calibration belongs to eeeeeeeeeeee"):
        gallery.search(LOOK, calibration=replace(calibration(), weights="e" * 64))
