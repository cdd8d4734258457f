"""Walking, bones and skinning."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personsearch.synth.people.body import NEUTRAL, asset, joint_positions, rest_vertices
from personsearch.synth.people.pose import HIP, SAMPLES, Gait, _spline, bone_matrices, skinned, walking

GAIT = Gait(stride=1.0, arm_swing=1.0, lean=0.03, elbow=0.3)


def test_the_spline_passes_through_its_points_and_is_periodic() -> None:
    curve = _spline(*HIP)
    for at, value in zip(*HIP, strict=True):
        assert curve[round(at * SAMPLES)] == pytest.approx(value, abs=0.5)
    assert curve[-1] == pytest.approx(curve[0], abs=1.0)


@given(phase=st.floats(0, 1), speed=st.sampled_from([0.0, 1.0, 1.5]))
@settings(max_examples=25, deadline=None)
def test_bones_keep_their_length(phase: float, speed: float) -> None:
    joints = joint_positions(rest_vertices(NEUTRAL))
    matrices, places = bone_matrices(joints, walking(GAIT, joints, phase=phase, speed=speed))
    parents = np.array(asset().parents)
    child = np.flatnonzero(parents >= 0)
    length = np.linalg.norm(joints[child] - joints[parents[child]], axis=1)
    assert np.linalg.norm(places[child] - places[parents[child]], axis=1) == pytest.approx(length, abs=1e-9)
    turns = matrices[:, :, :3].astype(np.float64)
    assert np.einsum("bij,bkj->bik", turns, turns) == pytest.approx(np.broadcast_to(np.eye(3), turns.shape), abs=1e-5)


def test_skinning_by_hand() -> None:
    points = np.array([[1, 2, 3]], np.float32)
    still = np.concatenate([np.eye(3), np.zeros((3, 1))], axis=1).astype(np.float32)
    turned = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [-1, 0, 0, 5]], np.float32)  # +90 degrees about y, then z + 5
    both = np.stack([still, turned])
    moved, normals = skinned(np.array([[1, 0]], np.float32), both, points, points)
    assert moved == pytest.approx(points)
    moved, normals = skinned(np.array([[0, 1]], np.float32), both, points, points)
    assert moved == pytest.approx(np.array([[3, 2, 4]]))
    assert normals == pytest.approx(np.array([[3, 2, -1]]))
