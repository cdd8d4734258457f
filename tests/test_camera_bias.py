"""What a camera adds, by hand."""

import numpy as np
import pytest

from personsearch.camera_bias import camera_biases, without_bias


def test_the_bias_of_a_camera_is_its_mean_less_the_mean_of_all() -> None:
    rows = np.array([[1, 0], [0, 1], [0, 1]], np.float32)
    cameras = np.array([0, 0, 2])
    whole = np.array([[1 / 6, -1 / 6], [0, 0], [-1 / 3, 1 / 3]])  # the mean of all is (1/3, 2/3)
    assert camera_biases(rows, cameras, 3, 0) == pytest.approx(whole)
    shares = np.array([[2 / 4], [0], [1 / 3]])  # of two rows, of none, of one
    assert camera_biases(rows, cameras, 3, 2) == pytest.approx(whole * shares)
    assert camera_biases(rows[:0], cameras[:0], 2).tolist() == [[0, 0], [0, 0]]


def test_what_is_left_has_unit_length() -> None:
    left = without_bias(np.array([[0.6, 0.8], [1, 0]], np.float32), np.array([[0.6, 0], [0, 0]]))
    assert left == pytest.approx(np.array([[0, 1], [1, 0]]), abs=1e-6)
