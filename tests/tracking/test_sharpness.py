"""How sharp a person is."""

import numpy as np
from PIL import Image, ImageFilter

from personsearch.tracking import sharpness_of


def test_a_checked_box_by_hand() -> None:
    checks = np.indices((20, 20)).sum(axis=0) % 2 * 10
    picture = np.repeat(checks[..., None], 3, axis=2).astype(np.uint8)
    # Each pixel has four neighbours that differ from it by 10: the Laplacian is 40 everywhere.
    assert np.allclose(sharpness_of(picture, np.array([[2, 2, 18, 18], [-5, -5, 40, 40]])), 40)
    assert np.allclose(sharpness_of(picture, np.array([[3, 3, 4, 4], [30, 30, 50, 50]])), 0)
    assert sharpness_of(picture, np.zeros((0, 4))).shape == (0,)


def test_blur_makes_it_less() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (60, 40, 3), dtype=np.uint8)
    blurred = [np.asarray(Image.fromarray(noise).filter(ImageFilter.GaussianBlur(radius))) for radius in (0.5, 1, 2)]
    found = [float(sharpness_of(one, np.array([[5, 5, 35, 55]]))[0]) for one in (noise, *blurred)]
    assert found == sorted(found, reverse=True)
