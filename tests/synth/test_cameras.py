"""Cameras project points to pixels."""

import numpy as np
import pytest

from personsearch.synth.cameras import Camera, camera_towards


def test_a_camera_projects_by_hand() -> None:
    # Straight ahead at 10 m with 90 degrees across 200 pixels: one metre is 10 pixels.
    camera = Camera(name="c", eye=(0, 2, 10), target=(0, 2, 0), field_of_view=90, width=200, height=100, aspect=2)
    pixels, depth = camera.project(np.array([[0, 2, 0], [1, 2, 0], [0, 3, 0]]))
    assert depth == pytest.approx([10, 10, 10])
    assert pixels == pytest.approx(np.array([[100, 50], [110, 50], [100, 40]]))
    part = camera.cropped((90, 30, 110, 70), 40, 80)
    assert part.project(np.array([[1.0, 3, 0]]))[0] == pytest.approx(np.array([[40, 20]]))


def test_a_camera_that_looks_in_a_direction_by_hand() -> None:
    # Turned a quarter from +z to +x and 45 degrees down, from 2 m: the middle shows the ground 2 m away in x.
    camera = camera_towards("c", height=2, turn=np.pi / 2, pitch=-45, field_of_view=90, size=(200, 100))
    pixels, depth = camera.project(np.array([[2.0, 0, 0]]))
    assert pixels == pytest.approx(np.array([[100, 50]]), abs=1e-6)
    assert depth == pytest.approx([8**0.5])
    assert (camera.width, camera.height, camera.aspect) == (200, 100, 2)
