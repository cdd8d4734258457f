import numpy as np
import pytest

from personsearch.measure.baselines import colour_histogram


def test_colour_histograms_tell_colours_apart() -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, :20] = (200, 30, 30)
    image[:, 20:40] = (200, 30, 30)
    image[:, 40:] = (30, 30, 200)
    boxes = np.array([[0, 0, 20, 40], [20, 0, 40, 40], [40, 0, 60, 40]], np.float32)
    features = colour_histogram(image, boxes)
    assert np.allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
    assert features[0] @ features[1] == pytest.approx(1, abs=1e-5)
    assert features[0] @ features[2] == pytest.approx(0, abs=1e-5)
