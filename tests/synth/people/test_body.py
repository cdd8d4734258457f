"""The body and its regions."""

import numpy as np
import pytest

from personsearch.synth.people.body import NEUTRAL, asset, joint_positions, regions, rest_vertices


def test_the_neutral_body_has_human_size_and_stands_on_the_ground() -> None:
    skin = rest_vertices(NEUTRAL)[: asset().body_vertices]
    assert skin[:, 1].min() == pytest.approx(0, abs=1e-6)
    assert 1.5 < skin[:, 1].max() < 1.9
    assert abs(skin[:, 0].min() + skin[:, 0].max()) < 0.02  # left and right alike


def test_regions_follow_the_limbs() -> None:
    vertices, where = rest_vertices(NEUTRAL), regions()
    joints, mesh = joint_positions(vertices), asset()
    skin = np.arange(len(vertices)) < mesh.body_vertices
    for bone, value, table in (("lowerarm_l", 1, where.arm), ("calf_r", 1, where.leg)):
        near = skin & (np.linalg.norm(vertices - joints[mesh.bone(bone)], axis=1) < 0.06)
        assert near.any()
        assert table[near].mean() == pytest.approx(value, abs=0.15)
    assert (where.arm[skin & (where.head > 0.9)] == 0).all()
    assert where.hairline[skin & (vertices[:, 1] > vertices[skin, 1].max() - 0.02)].min() > 0
